// Tables: the head's persistent key-value tables with versions and watchers. Serve keeps its endpoints, backends and replicas in them.

/// The table of detached actors' states, by the actor's id.
package enum SnapshotTable { package static let name = "manta.snapshots" }

/// One row of a table.
package struct TableEntry: Hashable, Sendable, Codable {
    package var table: String
    package var key: String
    package var value: [UInt8]
    /// Grows with every change of any row of the table.
    package var version: UInt64
    package init(table: String, key: String, value: [UInt8], version: UInt64) {
        (self.table, self.key, self.value, self.version) = (table, key, value, version)
    }
}

/// Any process → head: store a row durably. Answered when it is on disk.
package struct TablePut: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .tablePut }
    package typealias Reply = TableRow
    package var table: String
    package var key: String
    package var value: [UInt8]
    /// When set, the row must have this version (0: must not exist), else `conflict`.
    package var expectedVersion: UInt64?
    package init(table: String, key: String, value: [UInt8], expectedVersion: UInt64? = nil) {
        (self.table, self.key, self.value, self.expectedVersion) = (table, key, value, expectedVersion)
    }
}

/// Any process → head: remove a row, or all whose keys begin with `key`; removing what is not there is no error.
package struct TableDelete: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .tableDelete }
    package typealias Reply = TableDeleted
    package var table: String
    package var key: String
    /// Nil is false.
    package var isPrefix: Bool?
    package init(table: String, key: String, isPrefix: Bool? = nil) { (self.table, self.key, self.isPrefix) = (table, key, isPrefix) }
}

/// How many rows went.
package struct TableDeleted: CodedMessage, Hashable {
    package static var kind: MessageKind { .tableDeleted }
    package var count: Int
    package init(count: Int) { self.count = count }
}

package struct TableGet: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .tableGet }
    package typealias Reply = TableRow
    package var table: String
    package var key: String
    package init(table: String, key: String) { (self.table, self.key) = (table, key) }
}

package struct TableRow: CodedMessage, Hashable {
    package static var kind: MessageKind { .tableRow }
    package var entry: TableEntry?
    package init(entry: TableEntry?) { self.entry = entry }
}

/// Any process → head: all rows now, then every change by `TableChanged` on this link.
package struct WatchTable: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .watchTable }
    package typealias Reply = TableSnapshot
    package var table: String
    package init(table: String) { self.table = table }
}

package struct TableSnapshot: CodedMessage, Hashable {
    package static var kind: MessageKind { .tableSnapshot }
    package var table: String
    package var version: UInt64
    package var entries: [TableEntry]
    package init(table: String, version: UInt64, entries: [TableEntry]) { (self.table, self.version, self.entries) = (table, version, entries) }
}

/// Head → watchers: one row changed (`value`) or went (nil). `version` is the one before plus one, else the watcher asks for a snapshot again.
package struct TableChanged: CodedMessage, Hashable {
    package static var kind: MessageKind { .tableChanged }
    package var table: String
    package var key: String
    package var value: [UInt8]?
    package var version: UInt64
    package init(table: String, key: String, value: [UInt8]?, version: UInt64) {
        (self.table, self.key, self.value, self.version) = (table, key, value, version)
    }
}
