// SQLiteSchema: the store's tables, how changes become statements, and how everything is read back. Runs on whichever thread owns the connection.

import MantaModel

extension SQLiteConnection {
    /// The version of the tables below; a store of a later one is refused, one of an earlier one is brought up to it.
    static var schemaVersion: Int { 2 }

    private static let nodesTable = "CREATE TABLE nodes (id TEXT PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, incarnation TEXT) WITHOUT ROWID"

    /// Makes an empty file a store of a new cluster; checks that any other file is one of ours.
    func prepareSchema(newCluster: ClusterID) throws(MantaError) {
        try execute("PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 1000; PRAGMA foreign_keys = ON")
        let check = try text("PRAGMA quick_check(1)") ?? ""
        guard check == "ok" else {
            throw MantaError(.malformed, "the store \(path) is damaged: \(check); put a backup in its place, or move it and its -wal file away to start an empty cluster")
        }
        let version = Int(try text("PRAGMA user_version") ?? "") ?? 0
        if version == 0 {
            guard try text("SELECT name FROM sqlite_schema LIMIT 1") == nil else {
                throw MantaError(.malformed, "\(path) is a database of another program; give the head a directory of its own")
            }
            try createSchema(newCluster)
        } else if version == 1 {
            try execute("BEGIN IMMEDIATE; \(Self.nodesTable); ALTER TABLE jobs ADD COLUMN incarnation TEXT; PRAGMA user_version = 2; COMMIT")
        } else if version != Self.schemaVersion {
            throw MantaError(
                .versionMismatch,
                "the store \(path) has schema version \(version), this program knows \(Self.schemaVersion); start the program that wrote it, or use another directory")
        }
    }

    private func createSchema(_ cluster: ClusterID) throws(MantaError) {
        // One transaction: a crash leaves an empty file or a whole store.
        try execute("""
            BEGIN IMMEDIATE;
            CREATE TABLE cluster (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL);
            \(Self.nodesTable);
            CREATE TABLE jobs (id TEXT PRIMARY KEY, state TEXT NOT NULL, description BLOB NOT NULL, ended_at INTEGER, incarnation TEXT) WITHOUT ROWID;
            CREATE TABLE actors (
                id TEXT PRIMARY KEY, specification BLOB NOT NULL, state TEXT NOT NULL, restarts INTEGER NOT NULL, created_at INTEGER NOT NULL) WITHOUT ROWID;
            CREATE TABLE table_rows ("table" TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, version INTEGER NOT NULL, PRIMARY KEY ("table", key));
            CREATE TABLE table_versions ("table" TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID;
            INSERT INTO cluster (one, id) VALUES (1, '\(cluster)');
            PRAGMA user_version = \(Self.schemaVersion);
            COMMIT
            """)
    }

    /// Makes all changes in one transaction, or none.
    func commit(_ groups: [[StorageChange]]) throws(MantaError) {
        do {
            try execute("BEGIN IMMEDIATE")
            for group in groups { for change in group { try make(change) } }
            try execute("COMMIT")
        } catch {
            // Some failures have rolled back already.
            if !isIdle { try? execute("ROLLBACK") }
            throw error
        }
    }

    private func make(_ change: StorageChange) throws(MantaError) {
        switch change {
        case .putNode(let node):
            try statement("INSERT OR REPLACE INTO nodes (id, host, pid, incarnation) VALUES (?, ?, ?, ?)")
                .run(.text(node.id.description), .text(node.host), .integer(Int64(node.pid)), node.incarnation.map { .text($0) } ?? .null)
        case .removeNode(let id):
            try statement("DELETE FROM nodes WHERE id = ?").run(.text(id.description))
        case .putJob(let job):
            try statement("INSERT OR REPLACE INTO jobs (id, state, description, ended_at, incarnation) VALUES (?, ?, ?, ?, ?)")
                .run(
                    .text(job.id.description), .text(job.state.rawValue), .blob(job.description), job.endedAt.map { .integer($0.milliseconds) } ?? .null,
                    job.incarnation.map { .text($0) } ?? .null)
        case .removeJob(let id):
            try statement("DELETE FROM jobs WHERE id = ?").run(.text(id.description))
        case .putActor(let actor):
            try statement("INSERT OR REPLACE INTO actors (id, specification, state, restarts, created_at) VALUES (?, ?, ?, ?, ?)")
                .run(
                    .text(actor.id.description), .blob(actor.specification), .text(actor.state.rawValue), .integer(Int64(actor.restarts)),
                    .integer(actor.createdAt.milliseconds))
        case .removeActor(let id):
            try statement("DELETE FROM actors WHERE id = ?").run(.text(id.description))
        case .putRow(let row):
            try statement("INSERT OR REPLACE INTO table_rows (\"table\", key, value, version) VALUES (?, ?, ?, ?)")
                .run(.text(row.table), .text(row.key), .blob(row.value), .integer(Int64(bitPattern: row.version)))
            try note(version: row.version, of: row.table)
        case .removeRow(let table, let key, let version):
            try statement("DELETE FROM table_rows WHERE \"table\" = ? AND key = ?").run(.text(table), .text(key))
            try note(version: version, of: table)
        }
    }

    private func note(version: UInt64, of table: String) throws(MantaError) {
        try statement("INSERT INTO table_versions (\"table\", version) VALUES (?, ?) ON CONFLICT DO UPDATE SET version = max(version, excluded.version)")
            .run(.text(table), .integer(Int64(bitPattern: version)))
    }

    /// Reads everything.
    func loadAll() throws(MantaError) -> StoredState {
        guard let text = try text("SELECT id FROM cluster"), let cluster = ClusterID(text) else {
            throw MantaError(.malformed, "the store \(path) does not say which cluster it belongs to; put a backup in its place")
        }
        var state = StoredState(cluster: cluster)
        try each("SELECT id, host, pid, incarnation FROM nodes") { row throws(MantaError) in
            state.nodes.append(
                StoredNode(
                    id: try identifier(row.text(0), "nodes"), host: row.text(1), pid: Int32(truncatingIfNeeded: row.integer(2)),
                    incarnation: row.isNull(3) ? nil : row.text(3)))
        }
        try each("SELECT id, state, description, ended_at, incarnation FROM jobs") { row throws(MantaError) in
            let job = JobState(rawValue: row.text(1))
            state.jobs.append(
                StoredJob(
                    id: try identifier(row.text(0), "jobs"), state: try known(job, row.text(1), "jobs"), description: row.blob(2),
                    endedAt: row.isNull(3) ? nil : WallTime(milliseconds: row.integer(3)), incarnation: row.isNull(4) ? nil : row.text(4)))
        }
        try each("SELECT id, specification, state, restarts, created_at FROM actors") { row throws(MantaError) in
            let actor = ActorState(rawValue: row.text(2))
            state.actors.append(
                StoredActor(
                    id: try identifier(row.text(0), "actors"), specification: row.blob(1), state: try known(actor, row.text(2), "actors"),
                    restarts: Int(row.integer(3)), createdAt: WallTime(milliseconds: row.integer(4))))
        }
        try each("SELECT \"table\", key, value, version FROM table_rows") { row throws(MantaError) in
            state.rows.append(StoredRow(table: row.text(0), key: row.text(1), value: row.blob(2), version: UInt64(bitPattern: row.integer(3))))
        }
        try each("SELECT \"table\", version FROM table_versions") { row throws(MantaError) in
            state.tableVersions[row.text(0)] = UInt64(bitPattern: row.integer(1))
        }
        return state
    }

    private func each(_ sql: String, _ body: (SQLiteStatement) throws(MantaError) -> Void) throws(MantaError) {
        let query = try statement(sql)
        defer { query.reset() }
        while try query.step() { try body(query) }
    }

    private func identifier<ID: Identifier>(_ text: String, _ table: String) throws(MantaError) -> ID {
        guard let id = ID(text) else { throw MantaError(.malformed, "the store \(path) is damaged: table \(table) has the identifier \"\(text.prefix(64))\"") }
        return id
    }

    private func known<State>(_ state: State?, _ text: String, _ table: String) throws(MantaError) -> State {
        guard let state else { throw MantaError(.malformed, "the store \(path) is damaged: table \(table) has the state \"\(text.prefix(64))\"") }
        return state
    }
}
