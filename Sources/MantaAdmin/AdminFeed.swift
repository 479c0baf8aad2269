// AdminFeed: the live tables: server-sent events to whoever listens, and no work at all when nobody does.
//
// Once a second the cluster is read, once for all listeners: the rows of the tables that any of them follows, and of the others only how many there are.
// Objects are counted by the processes that own them; while nobody follows them, those are asked now and then.
//
// Each listener gets the event `cluster` with the summary, and for each table that it follows an
// event of the table's name: first `{"snapshot": [rows], "total": n}`, then, when something changed, `{"changed": [rows], "removed": [keys], "total": n}`.
// When the cluster cannot be read, the streams end, so that every listener sees that what it has is old.

import MantaHTTP
import MantaJSON
import MantaModel
import MantaWire

actor AdminFeed {
    /// The newest rows of each table that listeners get.
    static let rows = 500
    static let listeners = 64
    static let period: Duration = .seconds(1)

    private let source: any AdminSource
    private let version: String
    private let clock: @Sendable () -> WallTime
    private var listening: [UInt64: Listener] = [:]
    private var lastNumber: UInt64 = 0
    private var ticker: Task<Void, Never>?
    /// What the objects came to when they were asked for last, and how many looks go by before they are asked for again.
    private var objects: StateAnswer?
    private var looksUntilObjects = 0
    private static let looksBetweenObjects = 5

    private struct Listener {
        let stream: HTTPStream
        let tables: [AdminTable]
        /// What it knows, by key.
        var known: [AdminTable: [String: JSONValue]] = [:]
        var totals: [AdminTable: Int] = [:]
    }

    /// One look at the cluster, as rows by key in their order.
    private struct Look {
        var summary: String
        var tables: [AdminTable: (keys: [String], rows: [String: JSONValue], total: Int)]
    }

    init(source: any AdminSource, version: String, clock: @escaping @Sendable () -> WallTime) {
        (self.source, self.version, self.clock) = (source, version, clock)
    }

    /// A stream of events. Throws when the cluster cannot be read, or `overloaded` when too many listen.
    func response(tables: [AdminTable]) async throws -> HTTPResponse {
        guard listening.count < Self.listeners else { throw MantaError(.overloaded, "\(Self.listeners) streams of events are open already; close one, or read the tables with GET") }
        let first = try await look(at: Set(tables))
        return HTTPResponse(
            contentType: "text/event-stream", headers: [HTTPHeader("X-Accel-Buffering", "no")],
            body: .events { stream in Task { await self.add(stream, tables, first) } })
    }

    private func add(_ stream: HTTPStream, _ tables: [AdminTable], _ first: Look) {
        lastNumber += 1
        let number = lastNumber
        var listener = Listener(stream: stream, tables: tables)
        Self.send(first, to: &listener)
        listening[number] = listener
        stream.onEnd { Task { await self.remove(number) } }
        if ticker == nil { ticker = Task { await self.tick() } }
    }

    private func remove(_ number: UInt64) {
        listening[number] = nil
        if listening.isEmpty {
            ticker?.cancel()
            ticker = nil
        }
    }

    private func tick() async {
        while !Task.isCancelled {
            do {
                try await Task.sleep(for: Self.period)
                let look = try await look(at: Set(listening.values.flatMap(\.tables)))
                for number in listening.keys { Self.send(look, to: &listening[number]!) }
            } catch is CancellationError {
                return
            } catch {
                for listener in listening.values { listener.stream.abort() }
            }
        }
    }

    private func look(at tables: Set<AdminTable>) async throws -> Look {
        let state = AdminState(head: try await answer(for: Set(tables.compactMap(\.state))), serve: try await source.serve())
        var look = Look(summary: AdminViews.cluster(state, version: version, now: clock()).description, tables: [:])
        for table in tables {
            let rows = try AdminViews.rows(table, of: state).prefix(Self.rows)
            let keyed = rows.map { ($0[table.key].string ?? "", $0) }
            look.tables[table] = (keyed.map(\.0), Dictionary(keyed, uniquingKeysWith: { first, _ in first }), max(rows.count, state.total(of: table)))
        }
        return look
    }

    private func answer(for followed: Set<QueryState.Table>) async throws -> StateAnswer {
        // The summary names nodes that do not answer, and late errors.
        let listed = followed.union([.nodes, .errors])
        var counted = Set(QueryState.Table.allCases).subtracting(listed)
        looksUntilObjects -= 1
        if counted.contains(.objects), looksUntilObjects > 0 { counted.remove(.objects) } else { looksUntilObjects = Self.looksBetweenObjects }
        func query(_ tables: Set<QueryState.Table>, _ limit: Int) -> QueryState {
            QueryState(tables: QueryState.Table.allCases.filter(tables.contains), limit: limit)
        }
        var answer = try await source.state(query(listed, Self.rows))
        let others = try await source.state(query(counted, 0))
        for table in counted { answer.takeNumbers(of: table, from: others) }
        if listed.contains(.objects) || counted.contains(.objects) { objects = answer } else if let objects { answer.takeNumbers(of: .objects, from: objects) }
        return answer
    }

    private static func send(_ look: Look, to listener: inout Listener) {
        listener.stream.send(event: "cluster", data: look.summary)
        for name in listener.tables {
            guard let table = look.tables[name] else { continue }
            defer { (listener.known[name], listener.totals[name]) = (table.rows, table.total) }
            guard let known = listener.known[name] else {
                let rows = table.keys.compactMap { table.rows[$0] }
                listener.stream.send(event: name.rawValue, data: JSONValue.object(["snapshot": .array(rows), "total": JSONValue(table.total)]).description)
                continue
            }
            let changed = table.keys.filter { known[$0] != table.rows[$0] }.compactMap { table.rows[$0] }
            let removed = known.keys.filter { table.rows[$0] == nil }.sorted().map { JSONValue.string($0) }
            guard !changed.isEmpty || !removed.isEmpty || listener.totals[name] != table.total else { continue }
            let difference: JSONValue = ["changed": .array(changed), "removed": .array(removed), "total": JSONValue(table.total)]
            listener.stream.send(event: name.rawValue, data: difference.description)
        }
    }
}

extension StateAnswer {
    /// How many rows of a table there are, as another answer says.
    fileprivate mutating func takeNumbers(of table: QueryState.Table, from other: StateAnswer) {
        totals[table.rawValue] = other.totals[table.rawValue]
        states = (states ?? [:]).merging((other.states ?? [:]).filter { $0.key == table.rawValue }) { $1 }
        if table == .objects { (objectBytes, objectTotals) = (other.objectBytes, other.objectTotals) }
    }
}
