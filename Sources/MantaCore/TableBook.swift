// TableBook: the generic tables: versioned rows that are read, changed under a condition, and watched.
//
// A change is staged first: it is checked against everything staged before it, but read by nobody until the store has it; then it is committed, in the
// order of staging, and the watchers hear of it. When the store fails, everything staged is dropped, as if it had never been asked for. Every
// committed change of a table has the version of the one before plus one, so a watcher sees whether it missed any.

package import MantaModel

/// Somebody who is told of changes: a link, to the cores just a number.
package struct WatcherID: Hashable, Sendable, Comparable {
    package var number: UInt64
    package init(_ number: UInt64) { self.number = number }
    package static func < (left: WatcherID, right: WatcherID) -> Bool { left.number < right.number }
}

/// All tables.
package struct TableBook: Sendable {
    package struct Row: Hashable, Sendable {
        package var table: String
        package var key: String
        package var value: [UInt8]
        package var version: UInt64
        /// The version it had before; unknown after a restart.
        var replaced: UInt64?
        package init(table: String, key: String, value: [UInt8], version: UInt64) {
            (self.table, self.key, self.value, self.version) = (table, key, value, version)
        }
    }

    /// A change that waits for the store, in the order of its number.
    package struct Change: Hashable, Sendable {
        package let number: UInt64
        package let table: String
        package let key: String
        package let version: UInt64
        /// Nil: the row goes.
        package let row: Row?
    }

    package enum Action: Hashable, Sendable {
        case notify(WatcherID, Change)
    }

    private struct Table: Sendable {
        var rows: [String: Row] = [:]
        var version: UInt64 = 0
        /// The last version that was staged, or less.
        var stagedVersion: UInt64 = 0
        /// By key, the last staged change.
        var staged: [String: Change] = [:]
        var watchers: Set<WatcherID> = []
    }

    /// Bounds of what is kept in memory and sent in one snapshot.
    package static let tableLimit = 1000
    package static let rowLimit = 100_000
    package static let valueBytes = 16 << 20

    private var tables: [String: Table] = [:]
    private var staged: [Change] = []
    private var lastNumber: UInt64 = 0

    package init() {}

    /// What the store holds.
    package mutating func restore(_ rows: [Row], versions: [String: UInt64]) {
        for (table, version) in versions {
            tables[table, default: Table()].version = version
        }
        for row in rows {
            var table = tables[row.table, default: Table()]
            table.rows[row.key] = row
            table.version = max(row.version, table.version)
            tables[row.table] = table
        }
    }

    package func row(_ table: String, _ key: String) -> Row? { tables[table]?.rows[key] }

    /// All rows in the order of their keys, and the table's version.
    package func snapshot(_ table: String) -> (version: UInt64, rows: [Row]) {
        guard let table = tables[table] else { return (0, []) }
        return (table.version, table.rows.values.sorted { $0.key < $1.key })
    }

    /// What `put` came to.
    package enum Put: Hashable, Sendable {
        case staged(Change)
        /// The same request was made before and its answer lost, or not given yet: this is what it made, once all that is staged now is committed.
        case repeated(Row)
    }

    /// Stages a row. With `expectedVersion`: throws `conflict` unless the row has it (0: is not there).
    package mutating func put(_ table: String, _ key: String, _ value: [UInt8], expectedVersion: UInt64?) throws(MantaError) -> Put {
        try check(table, key, value)
        let found = latest(table, key)
        if let expectedVersion, expectedVersion != found?.version ?? 0 {
            if let found, found.replaced == expectedVersion, found.value == value { return .repeated(found) }
            throw MantaError(
                .conflict,
                "row \"\(key)\" of table \"\(table)\" has version \(found?.version ?? 0), expected \(expectedVersion); read it again and repeat the change")
        }
        var row = Row(table: table, key: key, value: value, version: 0)
        row.replaced = found?.version ?? 0
        return .staged(stage(table, key, row))
    }

    /// The keys of rows, also of those that are only staged, that begin with a text.
    package func keys(of table: String, beginningWith prefix: String) -> [String] {
        guard let table = tables[table] else { return [] }
        return Set(table.rows.keys).union(table.staged.keys).filter { $0.hasPrefix(prefix) }.sorted()
    }

    /// Stages the removal of a row; nil when it is not there.
    package mutating func delete(_ table: String, _ key: String) -> Change? {
        guard latest(table, key) != nil else { return nil }
        return stage(table, key, nil)
    }

    /// The store has every staged change up to this number: it is so, and the watchers hear of it.
    package mutating func commit(through number: UInt64, _ sink: (Action) -> Void) {
        let count = staged.prefix { $0.number <= number }.count
        for change in staged[..<count] {
            guard var table = tables[change.table] else { continue }
            table.rows[change.key] = change.row
            table.version = change.version
            if table.staged[change.key]?.number == change.number { table.staged[change.key] = nil }
            tables[change.table] = table
            for watcher in table.watchers.sorted() { sink(.notify(watcher, change)) }
        }
        staged.removeFirst(count)
    }

    /// The store failed: nothing that is staged will be.
    package mutating func dropStaged() {
        for name in Set(staged.map(\.table)) {
            tables[name]?.staged = [:]
            tables[name]?.stagedVersion = 0
        }
        staged = []
    }

    /// Adds a watcher, which then hears of every committed change behind the snapshot that is current now.
    package mutating func watch(_ table: String, _ watcher: WatcherID) throws(MantaError) {
        try check(table)
        tables[table, default: Table()].watchers.insert(watcher)
    }

    package mutating func unwatch(_ watcher: WatcherID) {
        for table in tables.keys { tables[table]?.watchers.remove(watcher) }
    }

    private func latest(_ table: String, _ key: String) -> Row? {
        if let staged = tables[table]?.staged[key] { return staged.row }
        return tables[table]?.rows[key]
    }

    private mutating func stage(_ table: String, _ key: String, _ row: Row?) -> Change {
        var entry = tables[table, default: Table()]
        lastNumber += 1
        entry.stagedVersion = max(entry.stagedVersion, entry.version) + 1
        var row = row
        row?.version = entry.stagedVersion
        let change = Change(number: lastNumber, table: table, key: key, version: entry.stagedVersion, row: row)
        entry.staged[key] = change
        tables[table] = entry
        staged.append(change)
        return change
    }

    private func check(_ table: String) throws(MantaError) {
        if let complaint = ActorDirectory.complaint(aboutName: table, of: "a table") { throw MantaError(.invalidArgument, complaint) }
        guard tables[table] != nil || tables.count < Self.tableLimit else {
            throw MantaError(.overloaded, "there are \(Self.tableLimit) tables; table \"\(table)\" cannot be added")
        }
    }

    private func check(_ table: String, _ key: String, _ value: [UInt8]) throws(MantaError) {
        try check(table)
        guard !key.isEmpty, key.utf8.count <= 4 * Limits.nameBytes, !key.utf8.contains(0) else {
            throw MantaError(.invalidArgument, "a key of table \"\(table)\" has \(key.utf8.count) bytes; expected 1 to \(4 * Limits.nameBytes), none of them 0")
        }
        guard value.count <= Self.valueBytes else {
            throw MantaError(.tooLarge, "row \"\(key)\" of table \"\(table)\" has \(value.count) bytes; at most \(Self.valueBytes) are kept; store a reference instead")
        }
        guard let known = tables[table] else { return }
        guard latest(table, key) != nil || known.rows.count + known.staged.count < Self.rowLimit else {
            throw MantaError(.overloaded, "table \"\(table)\" has \(Self.rowLimit) rows; remove some first")
        }
    }
}
