// AdminRoutes: which path means what. Pure: a path in, a route out. Names in a path are not empty, not long and hold no control characters.

import MantaHTTP
import MantaModel

/// What a path of the admin API names.
enum AdminRoute: Hashable, Sendable {
    case cluster, version, events, timeline
    case list(AdminTable)
    case row(AdminTable, key: String)
    case explain(String)
    case submissionLogs(String), stopSubmission(String)
    case traffic(endpoint: String)
    case namedActor(namespace: String, name: String)
    case call(AdminActor, method: String)

    /// The methods that it answers.
    var methods: [HTTPMethod] {
        switch self {
        case .row(.actors, _), .row(.submissions, _), .namedActor: [.get, .head, .delete]
        case .list(.submissions): [.get, .head, .post]
        case .cluster, .version, .events, .timeline, .list, .explain, .submissionLogs: [.get, .head]
        case .stopSubmission: [.post]
        case .row: [.get, .head]
        case .traffic: [.put]
        case .call: [.post]
        }
    }

    static let prefix = "/api/v1/"

    /// nil when nothing lies there.
    init?(path: String) {
        guard path.hasPrefix(Self.prefix) else { return nil }
        let parts = path.dropFirst(Self.prefix.count).split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.allSatisfy(Self.isFit) else { return nil }
        switch parts.count {
        case 1:
            switch parts[0] {
            case "cluster": self = .cluster
            case "version": self = .version
            case "events": self = .events
            case "timeline": self = .timeline
            default:
                guard let table = AdminTable(rawValue: parts[0]) else { return nil }
                self = .list(table)
            }
        case 2 where parts[0] == "explain": self = .explain(parts[1])
        case 2:
            guard let table = AdminTable(rawValue: parts[0]) else { return nil }
            self = .row(table, key: parts[1])
        case 3 where parts[0] == "submissions" && parts[2] == "logs": self = .submissionLogs(parts[1])
        case 3 where parts[0] == "submissions" && parts[2] == "stop": self = .stopSubmission(parts[1])
        case 3 where parts[0] == "endpoints" && parts[2] == "traffic": self = .traffic(endpoint: parts[1])
        case 3 where parts[0] == "actors": self = .namedActor(namespace: parts[1], name: parts[2])
        case 4 where parts[0] == "actors" && parts[2] == "call":
            guard let id = ActorID(parts[1]) else { return nil }
            self = .call(.identifier(id), method: parts[3])
        case 5 where parts[0] == "actors" && parts[3] == "call":
            self = .call(.name(parts[2], namespace: parts[1]), method: parts[4])
        default: return nil
        }
    }

    private static func isFit(_ part: String) -> Bool {
        !part.isEmpty && part.utf8.count <= Limits.nameBytes && !part.unicodeScalars.contains { $0.properties.generalCategory == .control }
    }
}

/// Which actor is meant.
enum AdminActor: Hashable, Sendable {
    case identifier(ActorID)
    case name(String, namespace: String)
}
