// MemoryStorage: a storage that forgets when its last user is gone: for tests and for clusters that may.
//
// `close` keeps the rows, so a test can hand the same one to a second head and see a restart.

package import MantaModel
import Synchronization

/// Rows in memory behind a lock.
package final class MemoryStorage: Storage {
    private struct Rows {
        var state: StoredState
        var failure: MantaError?
    }
    private let rows: Mutex<Rows>

    package init(cluster: ClusterID = .random()) { rows = Mutex(Rows(state: StoredState(cluster: cluster))) }

    package var location: String { "memory" }

    package func load() throws(MantaError) -> StoredState { rows.withLock { $0.state } }

    package func apply(_ changes: [StorageChange], then: @escaping @Sendable (MantaError?) -> Void) {
        let failure = rows.withLock { rows -> MantaError? in
            if rows.failure == nil { for change in changes { rows.state.make(change) } }
            return rows.failure
        }
        then(failure)
    }

    package func close() {}

    /// From now on every change fails with this error; nil lets them pass again.
    package func fail(with error: MantaError?) { rows.withLock { $0.failure = error } }
}

extension StoredState {
    /// Makes one change.
    mutating func make(_ change: StorageChange) {
        switch change {
        case .putNode(let node):
            nodes.removeAll { $0.id == node.id }
            nodes.append(node)
        case .removeNode(let id): nodes.removeAll { $0.id == id }
        case .putJob(let job):
            jobs.removeAll { $0.id == job.id }
            jobs.append(job)
        case .removeJob(let id): jobs.removeAll { $0.id == id }
        case .putActor(let actor):
            actors.removeAll { $0.id == actor.id }
            actors.append(actor)
        case .removeActor(let id): actors.removeAll { $0.id == id }
        case .putRow(let row):
            rows.removeAll { $0.table == row.table && $0.key == row.key }
            rows.append(row)
            tableVersions[row.table] = max(row.version, tableVersions[row.table] ?? 0)
        case .removeRow(let table, let key, let version):
            rows.removeAll { $0.table == table && $0.key == key }
            tableVersions[table] = max(version, tableVersions[table] ?? 0)
        }
    }
}
