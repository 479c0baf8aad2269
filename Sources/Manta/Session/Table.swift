// Table: one of the head's tables, as a program sees it: rows by key, durable, versioned, and watched.
//
// A row that was put is on disk when the call returns, and survives the head. Tables that the platform keeps for itself cannot be had by name here.

public import MantaModel
import MantaWire
import MantaWorker
import Synchronization

extension Manta {
    /// A table of the cluster, shared by all its programs; it is there as soon as it has a row.
    ///
    /// - Parameters:
    ///   - name: 1 to 256 bytes.
    ///   - row: what its rows are.
    /// - Throws: `invalidArgument` for a name that cannot be, or that belongs to the platform.
    public static func table<Row: Codable & Sendable>(_ name: String, of row: Row.Type = Row.self) throws(MantaError) -> Table<Row> {
        guard !name.isEmpty, name.utf8.count <= Limits.nameBytes else {
            throw MantaError(.invalidArgument, "the name of a table must have 1 to \(Limits.nameBytes) bytes; \"\(name.prefix(64))\" has \(name.utf8.count)")
        }
        guard !name.hasPrefix("manta.") else {
            throw MantaError(.invalidArgument, "the table \"\(name)\" begins with \"manta.\", which names tables of the platform; choose another name")
        }
        guard ![ServeTable.endpoints, ServeTable.backends, ServeTable.replicas].contains(name) else {
            throw MantaError(.invalidArgument, "the table \"\(name)\" belongs to Serve; choose another name")
        }
        return Table(platform: name)
    }

    /// Why a named actor has no place yet; nil when it has one, or is not known.
    package static func waitingReason(ofActorNamed name: String, namespace: String) async throws -> String? {
        guard let runtime = CurrentRuntime.get() as? Runtime else { throw CurrentRuntime.missing }
        let filters = [RowFilter("name", name), RowFilter("namespace", namespace), RowFilter("state", ActorState.pending.rawValue)]
        let state = try await runtime.head(QueryState(tables: [.actors], limit: Limits.listRows, filters: filters))
        return state.actors.first { $0.name == name && $0.namespace == namespace }?.reason
    }

    /// Where other processes reach this one; nil without a session.
    package static var processAddress: ProcessAddress? { (CurrentRuntime.get() as? Runtime)?.address }
}

/// Rows by key, kept by the cluster's head.
public struct Table<Row: Codable & Sendable>: Sendable {
    public let name: String

    package init(platform name: String) { self.name = name }

    /// What happens to a table.
    public enum Change: Sendable {
        /// All rows: at first, and whenever single changes may have been missed.
        case all([String: Row])
        case put(String, Row)
        case deleted(String)
    }

    /// The row of that key; nil if there is none.
    public func get(_ key: String) async throws -> Row? {
        guard let entry = try await runtime().head(TableGet(table: name, key: key)).entry else { return nil }
        return try decode(entry.key, entry.value)
    }

    /// Writes a row, over the one that has the key. It is on disk when this returns.
    public func put(_ key: String, _ row: Row) async throws {
        _ = try await runtime().head(TablePut(table: name, key: key, value: try ValueEncoder.bytes(row)))
    }

    /// Writes a row unless there is one with the key, which then stays as it is.
    ///
    /// - Returns: whether the row was written; it is on disk then.
    public func add(_ key: String, _ row: Row) async throws -> Bool {
        do {
            _ = try await runtime().head(TablePut(table: name, key: key, value: try ValueEncoder.bytes(row), expectedVersion: 0))
            return true
        } catch MantaError.Code.conflict { return false }
    }

    /// Removes a row; removing one that is not there is no error.
    ///
    /// - Returns: whether there was one.
    @discardableResult public func delete(_ key: String) async throws -> Bool {
        try await runtime().head(TableDelete(table: name, key: key)).count == 1
    }

    /// Removes all rows whose keys begin with a text.
    ///
    /// - Returns: how many there were.
    @discardableResult public func delete(prefix: String) async throws -> Int {
        try await runtime().head(TableDelete(table: name, key: prefix, isPrefix: true)).count
    }

    /// All rows, now.
    public func entries() async throws -> [String: Row] {
        for try await change in try changes() {
            if case .all(let rows) = change { return rows }
        }
        throw MantaError(.cancelled, "the table \"\(name)\" was not read to its end")
    }

    /// All rows first, then every change, for as long as the stream is kept. A row that cannot be read as `Row` ends it with `wrongType`.
    public func changes() throws -> AsyncThrowingStream<Change, any Error> {
        let runtime = try runtime()
        let (stream, continuation) = AsyncThrowingStream<Change, any Error>.makeStream()
        let watch = runtime.watchTable(name) { event in
            do {
                switch event {
                case .snapshot(let entries):
                    var rows: [String: Row] = [:]
                    for entry in entries { rows[entry.key] = try decode(entry.key, entry.value) }
                    continuation.yield(.all(rows))
                case .changed(let key, let value?): continuation.yield(.put(key, try decode(key, value)))
                case .changed(let key, nil): continuation.yield(.deleted(key))
                }
            } catch { continuation.finish(throwing: error) }
        }
        continuation.onTermination = { _ in runtime.unwatch(watch) }
        return stream
    }

    private func runtime() throws -> Runtime {
        guard let runtime = CurrentRuntime.get() as? Runtime else { throw CurrentRuntime.missing }
        return runtime
    }

    private func decode(_ key: String, _ value: [UInt8]) throws(MantaError) -> Row {
        do throws(MantaError) { return try ValueDecoder.decode(Row.self, from: value) } catch {
            throw MantaError(error.code, "the row \"\(key)\" of the table \"\(name)\": \(error.message)")
        }
    }
}
