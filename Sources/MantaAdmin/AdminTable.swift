// AdminTable: the tables that operators see, by the names they have in addresses, events and on the command line, and the state they are made of.

package import MantaModel
package import MantaWire

/// A table of the cluster.
package enum AdminTable: String, Sendable, Hashable, CaseIterable {
    case nodes, jobs, tasks, actors, placementGroups, submissions, objects, errors, endpoints, backends, replicas

    /// The head's own table of this name; nil for those of serving.
    package var state: QueryState.Table? { QueryState.Table(rawValue: rawValue) }

    /// Whether the head itself looks for the rows that meet a condition; those of the others are few, and all of them are read.
    var isFilteredByHead: Bool { state != nil && self != .errors }

    /// The member that names a row: `id`, else `tag` or `name`.
    package var key: String {
        switch self {
        case .nodes, .jobs, .tasks, .actors, .placementGroups, .submissions, .objects, .errors: "id"
        case .replicas: "tag"
        case .endpoints, .backends: "name"
        }
    }

    /// One row of it, in words.
    package var noun: String {
        switch self {
        case .nodes: "node"
        case .jobs: "job"
        case .tasks: "task"
        case .actors: "actor"
        case .placementGroups: "placement group"
        case .submissions: "submitted job"
        case .objects: "object"
        case .errors: "error"
        case .endpoints: "endpoint"
        case .backends: "backend"
        case .replicas: "replica"
        }
    }
}

/// The rows of serving, as the head's tables hold them.
package struct ServeState: Sendable, Hashable {
    package var endpoints: [EndpointDescription]
    package var backends: [BackendRow]
    package var replicas: [ReplicaDescription]

    package init(endpoints: [EndpointDescription] = [], backends: [BackendRow] = [], replicas: [ReplicaDescription] = []) {
        (self.endpoints, self.backends, self.replicas) = (endpoints, backends, replicas)
    }
}

/// What one look at the cluster gave.
package struct AdminState: Sendable {
    package var head: StateAnswer
    package var serve: ServeState

    package init(head: StateAnswer, serve: ServeState = ServeState()) { (self.head, self.serve) = (head, serve) }

    /// How many rows the table has in all, also those that were not asked for.
    package func total(of table: AdminTable) -> Int {
        switch table {
        case .endpoints: serve.endpoints.count
        case .backends: serve.backends.count
        case .replicas: serve.replicas.count
        case .nodes, .jobs, .tasks, .actors, .placementGroups, .submissions, .objects, .errors: head.totals[table.rawValue] ?? 0
        }
    }

    /// How many of all those rows are in which state; nil for tables whose rows have none.
    package func states(of table: AdminTable) -> [String: Int]? {
        switch table {
        case .nodes, .jobs, .tasks, .actors, .placementGroups, .submissions, .objects: head.states?[table.rawValue] ?? [:]
        case .backends: serve.backends.reduce(into: [:]) { $0[$1.status.state.rawValue, default: 0] += 1 }
        case .replicas: serve.replicas.reduce(into: [:]) { $0[$1.state.rawValue, default: 0] += 1 }
        case .errors, .endpoints: nil
        }
    }
}
