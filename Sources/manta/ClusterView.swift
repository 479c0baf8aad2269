// ClusterView: the cluster's tables, read from the head; as JSON they are those of the admin API, so that a program may read either.

import Manta
import MantaAdmin
import MantaJSON
import MantaModel
import MantaWire
import MantaWorker

struct ClusterView {
    let runtime: Runtime

    /// The rows of the tables, at most `limit` of each, newest first.
    func state(of tables: [AdminTable], limit: Int) async throws -> AdminState {
        try await state(of: tables, QueryState(tables: tables.compactMap(\.state), limit: limit))
    }

    /// What a filter leaves of a table.
    func listing(of table: AdminTable, _ filter: AdminFilter) async throws -> AdminListing {
        try filter.listing(of: table, in: try await state(of: [table], filter.query(of: table)))
    }

    private func state(of tables: [AdminTable], _ query: QueryState) async throws -> AdminState {
        var state = AdminState(head: try await runtime.head(query, deadline: ClusterOptions.patience))
        if tables.contains(.endpoints) { state.serve.endpoints = try await rows(ServeTable.endpoints) }
        if tables.contains(.backends) { state.serve.backends = try await rows(ServeTable.backends) }
        if tables.contains(.replicas) { state.serve.replicas = try await rows(ServeTable.replicas) }
        return state
    }

    private func rows<Row: Decodable>(_ table: String) async throws -> [Row] {
        try await runtime.head(WatchTable(table: table), deadline: ClusterOptions.patience).entries.map { try ValueDecoder.decode(Row.self, from: $0.value) }
    }
}

extension AdminTable {
    /// Rows of this table under its headings.
    func text(of rows: [JSONValue]) -> String {
        guard !rows.isEmpty else { return "no \(rawValue)" }
        var table = TextTable(AdminViews.columns(of: self).map(\.title))
        for row in rows { table.add(AdminViews.cells(row, of: self)) }
        return table.text
    }
}
