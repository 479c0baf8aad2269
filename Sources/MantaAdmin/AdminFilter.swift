// AdminFilter: what a listing's query asks for: how many rows, from which on, and conditions that each row must meet. AdminListing: its answer. Pure.
//
// The head counts and chooses its own rows, so that numbers are of whole tables; errors and the rows of serving are few and are looked through here.

import MantaHTTP
package import MantaJSON
package import MantaModel
package import MantaWire

/// `?limit=50&state=alive&namespace!=shop&after=KEY`.
package struct AdminFilter: Hashable, Sendable {
    package static let defaultLimit = 100

    var limit = defaultLimit
    /// The member's text must, or must not, be the value: `true`, `3`, `alive`.
    var filters: [RowFilter] = []
    /// The key of the last row of the page before.
    var after: String?

    package init(limit: Int = defaultLimit, filters: [RowFilter] = [], after: String? = nil) { (self.limit, self.filters, self.after) = (limit, filters, after) }

    /// Throws `invalidArgument` that names the parameter and what it may be.
    package init(_ parameters: [(name: String, value: String)], of table: AdminTable) throws(MantaError) {
        var seen: Set<String> = []
        for (name, value) in parameters {
            guard seen.insert(name).inserted else { throw MantaError(.invalidArgument, "the query parameter \"\(name.prefix(64))\" occurs more than once") }
            switch name {
            case "limit":
                guard let limit = Int(value), (1...Limits.listRows).contains(limit), !value.hasPrefix("+") else {
                    throw MantaError(.invalidArgument, "the query parameter limit must be a whole number from 1 to \(Limits.listRows)")
                }
                self.limit = limit
            case "after":
                guard !value.isEmpty else { throw MantaError(.invalidArgument, "the query parameter after is empty; give it the \"next\" of the page before") }
                after = value
            default: filters.append(try Self.filter(name, value, of: table))
            }
        }
    }

    private static func filter(_ name: String, _ value: String, of table: AdminTable) throws(MantaError) -> RowFilter {
        let isEqual = !name.hasSuffix("!")
        let member = isEqual ? name : String(name.dropLast())
        let members = AdminViews.members(of: table)
        if members.contains(member) { return RowFilter(member, isEqual: isEqual, value) }
        if let predicate = name.first(where: { "<>~".contains($0) }), members.contains(where: name.hasPrefix) {
            throw MantaError(.invalidArgument, "\(predicate) is no predicate that filters know; expected MEMBER=VALUE or MEMBER!=VALUE")
        }
        throw MantaError(
            .invalidArgument, "\(table.rawValue) have no member \"\(member.prefix(64))\" to filter by; expected limit, after or one of \(members.joined(separator: ", "))")
    }

    /// What to ask the head for.
    package func query(of table: AdminTable) -> QueryState {
        guard let name = table.state else { return QueryState(tables: [], limit: 0) }
        guard table.isFilteredByHead else { return QueryState(tables: [name], limit: filters.isEmpty && after == nil ? limit : Limits.listRows) }
        return QueryState(tables: [name], limit: limit, filters: filters.isEmpty ? nil : filters, after: after)
    }

    /// The listing out of what the head answered to the query.
    package func listing(of table: AdminTable, in state: AdminState) throws -> AdminListing {
        let rows = try AdminViews.rows(table, of: state)
        var listing = AdminListing(table: table, rows: Array(rows.prefix(limit)), total: max(rows.count, state.total(of: table)), states: state.states(of: table))
        listing.warnings = state.head.warnings ?? []
        if table == .objects { listing.objectTotals = state.head.objectTotals ?? [] }
        if table.isFilteredByHead, !filters.isEmpty || after != nil {
            (listing.total, listing.hasMore) = (state.total(of: table), state.head.hasMore ?? false)
        } else if filters.isEmpty, after == nil {
            listing.hasMore = listing.total > listing.rows.count
        } else {
            try choose(rows, &listing)
        }
        return listing
    }

    private func choose(_ rows: [JSONValue], _ listing: inout AdminListing) throws(MantaError) {
        let key = listing.table.key
        func isWanted(_ row: JSONValue) -> Bool { filters.allSatisfy { $0.accepts(Self.text(row[$0.member])) } }
        var rest = rows[...]
        if let after {
            guard let place = rows.firstIndex(where: { $0[key].string == after }) else {
                throw MantaError(.notFound, "the row \"\(after.prefix(64))\" is no longer in the table; list again from the first page, without \"after\"")
            }
            rest = rows[(place + 1)...]
        }
        let (all, shown) = (rows.filter(isWanted), rest.filter(isWanted))
        (listing.rows, listing.total, listing.hasMore) = (Array(shown.prefix(limit)), all.count, shown.count > limit)
        if listing.states != nil { listing.states = all.reduce(into: [:]) { $0[$1["state"].string ?? "", default: 0] += 1 } }
    }

    private static func text(_ value: JSONValue) -> String? {
        switch value {
        case .string(let text): text
        case .null: nil
        default: value.description
        }
    }
}

/// A part of a table, and the numbers of all of it that was asked for.
package struct AdminListing: Sendable {
    package let table: AdminTable
    package internal(set) var rows: [JSONValue]
    /// How many rows meet the conditions.
    package internal(set) var total: Int
    /// How many of them are in which state; nil for tables whose rows have none.
    package internal(set) var states: [String: Int]?
    package internal(set) var hasMore = false
    package internal(set) var warnings: [String] = []
    /// All objects of each node, only for objects.
    package internal(set) var objectTotals: [ObjectTotals]?

    init(table: AdminTable, rows: [JSONValue], total: Int, states: [String: Int]?) { (self.table, self.rows, self.total, self.states) = (table, rows, total, states) }

    /// The key to go on from; nil on the last page.
    package var next: String? { hasMore ? rows.last?[table.key].string : nil }

    /// `{"nodes": [...], "total": 12, "states": {"alive": 11, "dead": 1}, "next": "1f…", "warnings": [...]}`; the last two only when there are any. Objects
    /// have also `nodes`: how many and how many bytes there are on each.
    package var value: JSONValue {
        var members: [(String, JSONValue)] = [(table.rawValue, .array(rows)), ("total", JSONValue(total))]
        if let states { members.append(("states", AdminViews.counts(states))) }
        if let objectTotals {
            members.append(("nodes", .array(objectTotals.map { ["node": .string($0.node.description), "objects": JSONValue($0.objects), "bytes": JSONValue($0.bytes)] })))
        }
        if let next { members.append(("next", .string(next))) }
        if !warnings.isEmpty { members.append(("warnings", .array(warnings.map { .string($0) }))) }
        return .object(JSONObject(uniqueMembers: members))
    }
}

/// The parameters of a query, decoded, in their order.
func queryParameters(_ text: String) -> [(name: String, value: String)] {
    text.split(separator: "&").map { pair in
        let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        return (decoded(parts[0]), parts.count == 2 ? decoded(parts[1]) : "")
    }
}

/// Percent escapes and plus signs resolved; the server has checked that the escapes are complete.
private func decoded(_ text: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
        if byte == UInt8(ascii: "%"), rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) {
            bytes.append(value)
            rest = rest.dropFirst(2)
        } else {
            bytes.append(byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
        }
    }
    return String(decoding: bytes, as: UTF8.self)
}
