// RowSelection: which rows of a table a listing shows: those that meet its conditions, from one row on, so many. Always: the counts are of all rows that
// meet the conditions, never of a part of the table, and a page that is asked for by the last row of the one before skips nothing and repeats nothing.

package import MantaModel

/// What a listing asks for.
package struct RowSelection: Sendable {
    package var filters: [RowFilter]
    /// The key of the last row that was seen; nil for the first page.
    package var after: String?
    package var limit: Int

    package init(filters: [RowFilter] = [], after: String? = nil, limit: Int) { (self.filters, self.after, self.limit) = (filters, after, limit) }

    /// Whether the first rows are all that is asked for, so that the others need not be looked at.
    package var isPlain: Bool { filters.isEmpty && after == nil }

    /// Throws `invalidArgument` for a member that rows of this kind do not have, `notFound` when the row to go on from is no longer there.
    package func select<Row: ListedRow>(_ rows: some Sequence<Row>) throws(MantaError) -> RowPage<Row> {
        var conditions: [(filter: RowFilter, text: @Sendable (Row) -> String?)] = []
        for filter in filters {
            guard let member = Row.members.first(where: { $0.name == filter.member }) else {
                throw MantaError(
                    .invalidArgument, "rows have no member \"\(filter.member.prefix(64))\" to filter by; expected one of \(Row.members.map(\.name).joined(separator: ", "))")
            }
            conditions.append((filter, member.text))
        }
        var page = RowPage<Row>()
        var isReached = after == nil
        for row in rows {
            // The row to go on from may have changed so that it is no longer wanted itself.
            let isLastSeen = !isReached && row.key == after
            if conditions.allSatisfy({ $0.filter.accepts($0.text(row)) }) { page.add(row, isShown: isReached, limit: limit) }
            if isLastSeen { isReached = true }
        }
        guard isReached else {
            throw MantaError(.notFound, "the row \"\((after ?? "").prefix(64))\" is no longer in the table; list again from the first page, without \"after\"")
        }
        return page
    }
}

/// What a listing shows, and what it counts.
package struct RowPage<Row: ListedRow>: Sendable {
    package private(set) var rows: [Row] = []
    /// How many rows meet the conditions.
    package private(set) var total = 0
    /// How many of them are in which state.
    package private(set) var states: [String: Int] = [:]
    /// Whether there are more behind the last one shown.
    package private(set) var hasMore = false

    fileprivate mutating func add(_ row: Row, isShown: Bool, limit: Int) {
        total += 1
        states[row.stateName, default: 0] += 1
        guard isShown else { return }
        if rows.count < limit { rows.append(row) } else { hasMore = true }
    }
}
