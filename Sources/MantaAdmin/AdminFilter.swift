// AdminFilter: what a listing's query asks for: how many rows, and equalities that each row must meet. Pure.

import MantaHTTP
import MantaJSON
import MantaModel

/// `?limit=50&state=alive&namespace=shop`.
struct AdminFilter: Hashable, Sendable {
    static let defaultLimit = 100

    var limit = defaultLimit
    /// The member and what it must be, as text: `true`, `3`, `alive`.
    var equalities: [Equality] = []

    struct Equality: Hashable, Sendable {
        var member: String
        var value: String
    }

    /// Throws `invalidArgument` that names the parameter and what it may be.
    init(_ parameters: [(name: String, value: String)], of table: AdminTable) throws(MantaError) {
        let members = AdminViews.members(of: table)
        var seen: Set<String> = []
        for (name, value) in parameters {
            guard seen.insert(name).inserted else { throw MantaError(.invalidArgument, "the query parameter \"\(name.prefix(64))\" occurs more than once") }
            if name == "limit" {
                guard let limit = Int(value), (1...Limits.listRows).contains(limit), !value.hasPrefix("+") else {
                    throw MantaError(.invalidArgument, "the query parameter limit must be a whole number from 1 to \(Limits.listRows)")
                }
                self.limit = limit
            } else {
                guard members.contains(name) else {
                    throw MantaError(
                        .invalidArgument, "\(table.rawValue) have no member \"\(name.prefix(64))\" to filter by; expected limit or one of \(members.joined(separator: ", "))")
                }
                equalities.append(Equality(member: name, value: value))
            }
        }
    }

    /// Without equalities the newest rows are enough; with them all must be looked at.
    var rowsToRead: Int { equalities.isEmpty ? limit : Limits.listRows }

    /// The rows that meet every equality, at most `limit`, and how many meet them.
    func apply(to rows: [JSONValue], total: Int) -> (rows: [JSONValue], total: Int) {
        guard !equalities.isEmpty else { return (Array(rows.prefix(limit)), max(total, rows.count)) }
        let matching = rows.filter { row in equalities.allSatisfy { Self.text(row[$0.member]) == $0.value } }
        return (Array(matching.prefix(limit)), matching.count)
    }

    private static func text(_ value: JSONValue) -> String {
        switch value {
        case .string(let text): text
        case .null: ""
        default: value.description
        }
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
