// TableWatches: the head's tables that this process follows.
//
// A watcher gets the whole table first, then each change in order. When a change is missing (its version is not the next), or the head was restarted,
// the table is asked for again and the watcher gets a new snapshot. Callbacks run on the loop and must be short.

import MantaLoop
import MantaModel
import MantaTransport
package import MantaWire

package enum TableEvent: Sendable {
    case snapshot([TableEntry])
    /// `nil`: the row went.
    case changed(key: String, value: [UInt8]?)
}

/// Names one watch of one process.
package struct WatchID: Hashable, Sendable {
    let number: UInt64
}

struct TableWatches {
    private struct Watched {
        var version: UInt64?
        var watchers: [WatchID: @Sendable (TableEvent) -> Void] = [:]
    }

    private var watched: [String: Watched] = [:]

    mutating func add(_ watch: WatchID, table: String, _ callback: @escaping @Sendable (TableEvent) -> Void, _ owner: Owner) {
        watched[table, default: Watched()].watchers[watch] = callback
        request(table, owner)
    }

    mutating func remove(_ watch: WatchID) {
        for table in watched.keys { watched[table]?.watchers[watch] = nil }
    }

    mutating func changed(_ change: TableChanged, _ owner: Owner) {
        guard let known = watched[change.table]?.version else { return }
        if change.version <= known { return }
        guard change.version == known + 1 else { return request(change.table, owner) }
        watched[change.table]?.version = change.version
        for callback in watched[change.table]!.watchers.values { callback(.changed(key: change.key, value: change.value)) }
    }

    mutating func snapshot(_ snapshot: TableSnapshot) {
        guard watched[snapshot.table] != nil else { return }
        watched[snapshot.table]!.version = snapshot.version
        for callback in watched[snapshot.table]!.watchers.values { callback(.snapshot(snapshot.entries)) }
    }

    func rewatchAll(_ owner: Owner) {
        for (table, entry) in watched where !entry.watchers.isEmpty { request(table, owner) }
    }

    private func request(_ table: String, _ owner: Owner) {
        owner.headLink.request(WatchTable(table: table), deadline: Limits.requestDeadline) { [weak owner] result in
            guard let owner else { return }
            switch result {
            case .success(let snapshot): owner.tables.snapshot(snapshot)
            case .failure: owner.loop.schedule(after: .seconds(1)) { [weak owner] in owner.map { $0.tables.request(table, $0) } }
            }
        }
    }
}

extension Runtime {
    /// Follows one of the head's tables until `unwatch`.
    package func watchTable(_ name: String, _ onEvent: @escaping @Sendable (TableEvent) -> Void) -> WatchID {
        let watch = WatchID(number: nextTaskID().low)
        loop.execute { self.owner.tables.add(watch, table: name, onEvent, self.owner) }
        return watch
    }

    package func unwatch(_ watch: WatchID) {
        loop.execute { self.owner.tables.remove(watch) }
    }
}
