// AdminColumns: the tables as text, for a terminal: which members of a row become columns, and how they are written. Rows are those of AdminViews.

package import MantaJSON
import MantaModel

/// One column of a text table.
package struct AdminColumn: Sendable {
    package var title: String
    /// The member that the cell shows.
    package var member: String
    var style: Style

    enum Style: Sendable { case plain, short, time, bytes, resources, inUse, shares, list, replicas, bundles, reasons, titled, place, store }

    init(_ title: String, _ member: String, _ style: Style = .plain) { (self.title, self.member, self.style) = (title, member, style) }
}

extension AdminViews {
    package static func columns(of table: AdminTable) -> [AdminColumn] {
        switch table {
        case .nodes:
            [
                AdminColumn("ID", "id", .short), AdminColumn("HOST", "host"), AdminColumn("STATE", "state"), AdminColumn("IN USE", "total", .inUse), AdminColumn("STORE", "store", .store),
                AdminColumn("WORKERS", "workers"), AdminColumn("PID", "pid"), AdminColumn("STARTED", "startedAt", .time),
            ]
        case .jobs:
            [
                AdminColumn("ID", "id", .short), AdminColumn("STATE", "state"), AdminColumn("NAMESPACE", "namespace"), AdminColumn("PID", "pid"),
                AdminColumn("STARTED", "startedAt", .time), AdminColumn("ENDED", "endedAt", .time), AdminColumn("PROGRAM", "program"),
            ]
        case .tasks:
            [
                AdminColumn("ID", "id"), AdminColumn("FUNCTION", "function", .titled), AdminColumn("STATE", "state"), AdminColumn("NODE", "node", .short),
                AdminColumn("JOB", "job", .short), AdminColumn("TRY", "attempt"), AdminColumn("SUBMITTED", "submittedAt", .time), AdminColumn("ERROR", "error"),
            ]
        case .actors:
            [
                AdminColumn("ID", "id"), AdminColumn("NAME", "name"), AdminColumn("NAMESPACE", "namespace"), AdminColumn("TYPE", "type"),
                AdminColumn("STATE", "state"), AdminColumn("DETACHED", "detached"), AdminColumn("NODE", "node", .short), AdminColumn("PID", "pid"),
                AdminColumn("RESTARTS", "restarts"), AdminColumn("CREATED", "createdAt", .time), AdminColumn("ENDED", "endedAt", .time),
            ]
        case .placementGroups:
            [
                AdminColumn("ID", "id"), AdminColumn("NAME", "name"), AdminColumn("STATE", "state"), AdminColumn("STRATEGY", "strategy"),
                AdminColumn("BUNDLES", "bundles", .bundles), AdminColumn("JOB", "job", .short), AdminColumn("DETACHED", "detached"),
                AdminColumn("CREATED", "createdAt", .time), AdminColumn("REASON", "reason"),
            ]
        case .submissions:
            [
                AdminColumn("ID", "id"), AdminColumn("STATE", "state"), AdminColumn("ENTRYPOINT", "entrypoint", .list), AdminColumn("NODE", "node", .short),
                AdminColumn("PID", "pid"), AdminColumn("SUBMITTED", "submittedAt", .time), AdminColumn("ENDED", "endedAt", .time),
                AdminColumn("MESSAGE", "message"),
            ]
        case .objects:
            [
                AdminColumn("ID", "id"), AdminColumn("STATE", "state"), AdminColumn("SIZE", "size", .bytes), AdminColumn("MADE BY", "source"),
                AdminColumn("NODE", "node", .short), AdminColumn("OWNER PID", "ownerPid"), AdminColumn("IN", "location", .place), AdminColumn("KEPT BY", "local", .reasons),
            ]
        case .errors:
            [
                AdminColumn("AT", "at", .time), AdminColumn("WHERE", "source"), AdminColumn("CODE", "code"), AdminColumn("MESSAGE", "message"),
                AdminColumn("TASK", "task", .short), AdminColumn("ACTOR", "actor", .short), AdminColumn("REQUEST", "requestId"),
            ]
        case .endpoints:
            [
                AdminColumn("NAME", "name"), AdminColumn("ROUTE", "route"), AdminColumn("METHODS", "methods", .list), AdminColumn("TRAFFIC", "traffic", .shares),
                AdminColumn("SHADOWS", "shadows", .shares),
            ]
        case .backends:
            [
                AdminColumn("NAME", "name"), AdminColumn("STATE", "state"), AdminColumn("READY", "ready", .replicas), AdminColumn("VERSION", "version"),
                AdminColumn("TYPE", "type"), AdminColumn("RESOURCES", "resources", .resources), AdminColumn("MESSAGE", "message"),
            ]
        case .replicas:
            [
                AdminColumn("TAG", "tag"), AdminColumn("BACKEND", "backend"), AdminColumn("STATE", "state"), AdminColumn("VERSION", "version"),
                AdminColumn("NODE", "node", .short), AdminColumn("PID", "pid"), AdminColumn("STARTED", "startedAt", .time),
            ]
        }
    }

    /// A row's cells, one for each column; control characters become spaces, so that nothing in them can steer a terminal.
    package static func cells(_ row: JSONValue, of table: AdminTable) -> [String] {
        columns(of: table).map { column in
            let text = cell(column, row)
            return String(String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
        }
    }

    private static func cell(_ column: AdminColumn, _ row: JSONValue) -> String {
        let value = row[column.member]
        switch (column.style, value) {
        case (.reasons, _): return joined(reasons(row))
        case (.titled, .string(let function)): return row["name"].string ?? function
        case (.place, _): return object(row)?.place ?? "-"
        case (_, .null): return "-"
        case (.short, .string(let text)): return column.member == "task" ? TaskID(text)?.short ?? text : String(text.prefix(8))
        case (.time, .integer(let milliseconds)): return time(milliseconds)
        case (.bytes, .integer(let count)): return bytes(count)
        case (.store, .object):
            guard let usage = try? JSONCoder.decode(StoreUsage.self, from: value) else { return "-" }
            return usage.plain
        case (.resources, .object(let members)): return joined(members.map { "\($0.key) \($0.value)" })
        case (.inUse, .object(let members)):
            return joined(members.map { inUse($0.key, total: $0.value.double ?? 0, available: row["available"][$0.key].double ?? 0) })
        case (.shares, .object(let members)):
            return joined(members.map { "\($0.key) \(number(((($0.value.double ?? 0) * 10_000).rounded()) / 100))%" })
        case (.list, .array(let elements)): return joined(elements.map { $0.string ?? "\($0)" })
        case (.bundles, .array(let bundles)):
            return joined(
                bundles.map { bundle in
                    let amounts = (bundle["resources"].object ?? JSONObject()).map { "\($0.key) \($0.value)" }.joined(separator: " ")
                    return "\(amounts) on \(bundle["node"].string.map { String($0.prefix(8)) } ?? "-")"
                })
        case (.replicas, .integer(let ready)): return "\(ready)/\(row["replicas"])"
        case (_, .string(let text)): return text.isEmpty ? "-" : text
        case (_, .bool(let value)): return value ? "yes" : "no"
        default: return "\(value)"
        }
    }

    /// `CPU 1.5/2`.
    private static func inUse(_ resource: String, total: Double, available: Double) -> String {
        func text(_ amount: Double) -> String { resource == Resources.memory ? bytes(Int64(amount)) : "\(number(amount))" }
        return "\(resource) \(text(total - available))/\(text(total))"
    }

    private static func joined(_ parts: [String]) -> String { parts.isEmpty ? "-" : parts.joined(separator: ", ") }

    /// Why an object is kept, in words.
    package static func reasons(_ row: JSONValue) -> [String] { object(row)?.reasons ?? [] }

    private static func object(_ row: JSONValue) -> ObjectRow? { try? JSONCoder.decode(ObjectRow.self, from: row) }

    /// `1.5 GiB`.
    package static func bytes(_ count: Int64) -> String {
        var (value, unit) = (Double(count), 0)
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        while value >= 1024, unit + 1 < units.count { (value, unit) = (value / 1024, unit + 1) }
        return unit == 0 ? "\(count) B" : "\((value * 10).rounded() / 10) \(units[unit])"
    }
}
