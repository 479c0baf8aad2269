// Storage: what the head keeps on disk, behind one protocol: the cluster's identifier, nodes, jobs, detached actors and the rows of the generic tables.
//
// A storage knows rows and bytes, not their meaning: the head encodes and decodes. What `apply` was told is durable when it returns or calls back, as
// a whole or not at all; changes become durable in the order in which they were handed in. The SQLite conformer is the default; the one in memory is
// for tests and for clusters that may forget. The C library is called directly: the runtime must not import Foundation (a process starts in 2 ms
// because of that), and the Swift wrappers of SQLite do.

package import MantaModel

/// A job as it is kept.
package struct StoredJob: Hashable, Sendable {
    package var id: JobID
    package var state: JobState
    /// The encoded description.
    package var description: [UInt8]
    package var endedAt: WallTime?
    /// Tells its driver's process apart from an earlier or later one with the same number; nil when that is not known.
    package var incarnation: String?
    package init(id: JobID, state: JobState, description: [UInt8], endedAt: WallTime? = nil, incarnation: String? = nil) {
        (self.id, self.state, self.description, self.endedAt, self.incarnation) = (id, state, description, endedAt, incarnation)
    }
}

/// A node as it is kept while it lives: after a restart the head knows whom to wait for.
package struct StoredNode: Hashable, Sendable {
    package var id: NodeID
    package var host: String
    package var pid: Int32
    /// Tells its process apart from an earlier or later one with the same number; nil when that is not known.
    package var incarnation: String?
    package init(id: NodeID, host: String, pid: Int32, incarnation: String?) {
        (self.id, self.host, self.pid, self.incarnation) = (id, host, pid, incarnation)
    }
}

/// A detached actor as it is kept; the row is removed when the actor is dead.
package struct StoredActor: Hashable, Sendable {
    package var id: ActorID
    /// The encoded specification.
    package var specification: [UInt8]
    package var state: ActorState
    package var restarts: Int
    package var createdAt: WallTime
    package init(id: ActorID, specification: [UInt8], state: ActorState, restarts: Int, createdAt: WallTime) {
        (self.id, self.specification, self.state, self.restarts, self.createdAt) = (id, specification, state, restarts, createdAt)
    }
}

/// A row of a generic table.
package struct StoredRow: Hashable, Sendable {
    package var table: String
    package var key: String
    package var value: [UInt8]
    package var version: UInt64
    package init(table: String, key: String, value: [UInt8], version: UInt64) {
        (self.table, self.key, self.value, self.version) = (table, key, value, version)
    }
}

/// Everything a storage holds.
package struct StoredState: Hashable, Sendable {
    /// Made when the storage was made, and the same ever since.
    package var cluster: ClusterID
    package var nodes: [StoredNode] = []
    package var jobs: [StoredJob]
    package var actors: [StoredActor]
    package var rows: [StoredRow]
    /// The latest version of every table: a removed row takes a version too, so this can be more than any row's.
    package var tableVersions: [String: UInt64]
    package init(cluster: ClusterID, jobs: [StoredJob] = [], actors: [StoredActor] = [], rows: [StoredRow] = [], tableVersions: [String: UInt64] = [:]) {
        (self.cluster, self.jobs, self.actors, self.rows, self.tableVersions) = (cluster, jobs, actors, rows, tableVersions)
    }
}

/// One change. Each is absolute ("is now", "is not there"), so that making it twice is the same as once.
package enum StorageChange: Hashable, Sendable {
    case putNode(StoredNode)
    case removeNode(NodeID)
    case putJob(StoredJob)
    case removeJob(JobID)
    case putActor(StoredActor)
    case removeActor(ActorID)
    case putRow(StoredRow)
    case removeRow(table: String, key: String, version: UInt64)
}

/// Durable rows with one writer.
package protocol Storage: AnyObject, Sendable {
    /// For messages: where the rows are.
    var location: String { get }

    /// Everything that is held. Called before the first change.
    func load() throws(MantaError) -> StoredState

    /// Makes the changes durable without the caller's thread waiting for the disk; calls back, on any thread, when they are, or with the error when
    /// none of them was made.
    func apply(_ changes: [StorageChange], then: @escaping @Sendable (MantaError?) -> Void)

    /// Makes durable what was handed in, then lets go of the files. Changes that come later fail with `unavailable`.
    func close()
}

extension Storage {
    /// Makes the changes and returns when they are durable.
    package func apply(_ changes: [StorageChange]) throws(MantaError) {
        let outcome = Outcome()
        apply(changes) { outcome.set($0) }
        if let error = outcome.wait() { throw error }
    }
}
