// AdminViews: the cluster's state as JSON: the rows of the tables and the summary, the same for the admin API, its events, the dashboard and `manta list`.
//
// Members are named as in MantaModel's rows, and absent when they are not known. Times are milliseconds since 1970, identifiers text, resources numbers
// by name. A row of serving is flat: a backend's description and its status side by side.

package import MantaJSON
package import MantaModel
import MantaWire

package enum AdminViews {
    /// Errors and lost nodes count as recent for so long.
    package static let recent: Duration = .seconds(900)

    // MARK: Tables

    /// The rows of one table, newest first where there is an age, else by name.
    package static func rows(_ table: AdminTable, of state: AdminState) throws -> [JSONValue] {
        switch table {
        case .nodes: try state.head.nodes.map { try encode($0, resources: ["total", "available"]) }
        case .jobs: try state.head.jobs.map { try encode($0) }
        case .tasks: try state.head.tasks.map { try encode($0) }
        case .actors: try state.head.actors.map { try encode($0) }
        case .placementGroups: try (state.head.placementGroups ?? []).map(placementGroup)
        case .submissions: try (state.head.submissions ?? []).map { try encode($0) }
        case .objects: try state.head.objects.map { try encode($0) }
        case .errors: try errors(state.head.errors)
        case .endpoints: try state.serve.endpoints.sorted { $0.name < $1.name }.map { try endpoint($0) }
        case .backends: try state.serve.backends.sorted { $0.description.name < $1.description.name }.map { try backend($0) }
        case .replicas: try state.serve.replicas.sorted { $0.tag < $1.tag }.map { try replica($0) }
        }
    }

    /// The members that rows of a table can have: what may be filtered by.
    package static func members(of table: AdminTable) -> [String] {
        switch table {
        case .nodes: NodeRow.members.map(\.name)
        case .jobs: JobRow.members.map(\.name)
        case .tasks: TaskRow.members.map(\.name)
        case .actors: ActorRow.members.map(\.name)
        case .placementGroups: PlacementGroupRow.members.map(\.name)
        case .submissions: SubmissionRow.members.map(\.name)
        case .objects: ObjectRow.members.map(\.name)
        case .errors: ["id", "at", "code", "message", "source", "job", "task", "actor", "node", "requestId"]
        case .endpoints: ["name", "route", "methods", "traffic", "shadows"]
        case .backends:
            [
                "name", "type", "version", "state", "message", "ready", "replicas", "maxConcurrent", "maxQueued", "requestTimeoutSeconds", "drainSeconds",
                "resources", "program", "userConfiguration",
            ]
        case .replicas: ["tag", "backend", "index", "version", "state", "actor", "pid", "node", "startedAt"]
        }
    }

    private static func encode(_ row: some Encodable, resources: [String] = []) throws(MantaError) -> JSONValue {
        do {
            var value = try JSONCoder.encode(row)
            for name in resources { value[name] = amounts(value[name]) }
            return value
        } catch {
            throw error.mantaError
        }
    }

    /// A node's store: its usage and rates; nil for a node that has said nothing of one.
    package static func store(_ row: NodeRow) throws -> JSONValue? {
        guard let store = row.store else { return nil }
        var value: JSONValue = ["node": .string(row.id.description), "usage": try encode(store)]
        if let rates = row.storeRates { value["rates"] = try encode(rates) }
        return value
    }

    private static func placementGroup(_ row: PlacementGroupRow) throws -> JSONValue {
        var value = try encode(row)
        value["bundles"] = .array(
            row.bundles.map { bundle in
                var value: JSONValue = ["resources": resources(bundle.resources)]
                if let node = bundle.node { value["node"] = .string(node.description) }
                return value
            })
        return value
    }

    /// Errors have no identifier of their own; equal ones of one millisecond are counted, the oldest first.
    private static func errors(_ rows: [ErrorRow]) throws -> [JSONValue] {
        var seen: [UInt64: Int] = [:]
        let identified = rows.reversed().map { row in
            let hash = fingerprint("\(row.at.milliseconds) \(row.code) \(row.message) \(row.source) \(row.task?.description ?? "") \(row.requestId ?? "")")
            seen[hash, default: 0] += 1
            let digits = String(hash, radix: 16)
            let id = String(repeating: "0", count: 16 - digits.count) + digits
            return (id: seen[hash] == 1 ? id : "\(id)-\(seen[hash] ?? 0)", row: row)
        }
        return try identified.reversed().map { pair in
            let value = try encode(pair.row)
            return .object(JSONObject(uniqueMembers: [("id", .string(pair.id))] + (value.object ?? JSONObject()).map { ($0.key, $0.value) }))
        }
    }

    private static func endpoint(_ endpoint: EndpointDescription) throws(MantaError) -> JSONValue {
        [
            "name": .string(endpoint.name), "route": endpoint.route.map { .string($0) } ?? .null, "methods": .array(endpoint.methods.map { .string($0.rawValue) }),
            "traffic": shares(endpoint.traffic), "shadows": shares(endpoint.shadows),
        ]
    }

    private static func backend(_ row: BackendRow) throws(MantaError) -> JSONValue {
        let wanted = row.description
        let configuration = try encode(wanted.userConfiguration)
        return [
            "name": .string(wanted.name), "type": .string(wanted.type), "version": .string(wanted.version), "state": .string(row.status.state.rawValue),
            "message": .string(row.status.message), "ready": JSONValue(row.status.ready), "replicas": JSONValue(wanted.replicas),
            "maxConcurrent": JSONValue(wanted.maxConcurrent), "maxQueued": JSONValue(wanted.maxQueued),
            "requestTimeoutSeconds": number(wanted.requestTimeoutSeconds), "drainSeconds": number(wanted.drainSeconds),
            "resources": self.resources(wanted.resources), "program": .string(wanted.program.path), "userConfiguration": configuration,
        ]
    }

    private static func replica(_ replica: ReplicaDescription) throws(MantaError) -> JSONValue {
        var value: JSONValue = [
            "tag": .string(replica.tag), "backend": .string(replica.backend), "index": JSONValue(replica.index), "version": .string(replica.version),
            "state": .string(replica.state.rawValue),
        ]
        if let actor = replica.actor { value["actor"] = .string(actor.description) }
        if let pid = replica.pid { value["pid"] = JSONValue(pid) }
        if let node = replica.node { value["node"] = .string(node.description) }
        value["startedAt"] = .integer(replica.startedAt.milliseconds)
        return value
    }

    // MARK: Values

    /// `{"CPU": 2, "GPU": 0.5}`.
    package static func resources(_ resources: Resources) -> JSONValue {
        .object(JSONObject(uniqueMembers: resources.amounts.sorted { $0.key < $1.key }.map { ($0.key, number($0.value.value)) }))
    }

    private static func amounts(_ value: JSONValue) -> JSONValue {
        guard let members = value.object else { return value }
        return .object(JSONObject(uniqueMembers: members.sorted { $0.key < $1.key }.map { ($0.key, $0.value.double.map(number) ?? $0.value) }))
    }

    private static func shares(_ shares: [String: Double]) -> JSONValue {
        .object(JSONObject(uniqueMembers: shares.sorted { $0.key < $1.key }.map { ($0.key, number($0.value)) }))
    }

    /// Whole numbers without a fraction: 2, not 2.0.
    static func number(_ value: Double) -> JSONValue { Int64(exactly: value).map { .integer($0) } ?? .number(value) }

    /// FNV-1a: the same in every process, unlike Swift's hashes.
    static func fingerprint(_ text: String) -> UInt64 { fingerprint(text.utf8) }
    static func fingerprint(_ bytes: some Sequence<UInt8>) -> UInt64 {
        bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}
