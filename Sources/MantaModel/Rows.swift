// Rows: one line of each table that operators see: nodes, workers, jobs, tasks, actors, objects, errors.
//
// The admin API, the dashboard and the command line show these fields under these names.

public struct NodeRow: Codable, Sendable, Hashable {
    public var id: NodeID
    public var state: NodeState
    public var host: String
    public var endpoint: String
    public var pid: Int32
    public var total: Resources
    public var available: Resources
    public var workers: Int
    public var startedAt: WallTime
    /// As the node was started with.
    public var labels: [String: String]?
    /// What is in its object store, as it said last.
    public var store: StoreUsage?
    /// What its object store did since it said so before; nil at first.
    public var storeRates: StoreRates?
    public init(
        id: NodeID, state: NodeState, host: String, endpoint: String, pid: Int32, total: Resources, available: Resources, workers: Int, startedAt: WallTime,
        labels: [String: String]? = nil, store: StoreUsage? = nil, storeRates: StoreRates? = nil
    ) {
        (self.id, self.state, self.host, self.endpoint, self.pid) = (id, state, host, endpoint, pid)
        (self.total, self.available, self.workers, self.startedAt, self.labels) = (total, available, workers, startedAt, labels)
        (self.store, self.storeRates) = (store, storeRates)
    }
}

/// What tasks, actors and bundles of placement groups wait for: so much, all of them together.
public struct DemandRow: Codable, Sendable, Hashable {
    public var resources: Resources
    /// Actors, bundles, and requests for workers that wait. An owner makes no more requests than are worth it, so more tasks may wait than that.
    public var count: Int
    /// No node of the cluster has so much at all.
    public var infeasible: Bool
    public init(resources: Resources, count: Int, infeasible: Bool) { (self.resources, self.count, self.infeasible) = (resources, count, infeasible) }

    /// Several nodes' demands together: what cannot be met first, then what most wait for; at most `limit`.
    package static func merged(_ rows: some Sequence<DemandRow>, limit: Int) -> [DemandRow] {
        var sums: [Resources: DemandRow] = [:]
        for row in rows {
            sums[row.resources, default: DemandRow(resources: row.resources, count: 0, infeasible: false)].count += row.count
            // What one node takes for impossible may be possible by what another one has just heard of, for a moment only.
            if row.infeasible { sums[row.resources]!.infeasible = true }
        }
        let sorted = sums.values.sorted { ($0.infeasible ? 0 : 1, -$0.count, $0.resources.description) < ($1.infeasible ? 0 : 1, -$1.count, $1.resources.description) }
        return Array(sorted.prefix(limit))
    }
}

/// A node's object store: what is in it, in bytes and objects, and what it has done since its start.
public struct StoreUsage: Codable, Sendable, Hashable {
    public var capacity: Int
    /// Of objects and of leases to processes that write.
    public var used: Int
    public var objects: Int
    public var objectBytes: Int
    public var spilledObjects: Int
    public var spilledBytes: Int
    /// Written to disk since the start, and read back.
    public var spills: Int
    public var spillBytes: Int
    public var restores: Int
    public var restoreBytes: Int
    /// Copies that made room for others.
    public var evictions: Int
    /// Fetched from other nodes.
    public var fetches: Int
    public var fetchBytes: Int

    public init(
        capacity: Int, used: Int, objects: Int, objectBytes: Int, spilledObjects: Int, spilledBytes: Int, spills: Int, spillBytes: Int, restores: Int,
        restoreBytes: Int, evictions: Int, fetches: Int, fetchBytes: Int
    ) {
        (self.capacity, self.used, self.objects, self.objectBytes) = (capacity, used, objects, objectBytes)
        (self.spilledObjects, self.spilledBytes, self.spills, self.spillBytes) = (spilledObjects, spilledBytes, spills, spillBytes)
        (self.restores, self.restoreBytes, self.evictions, self.fetches, self.fetchBytes) = (restores, restoreBytes, evictions, fetches, fetchBytes)
    }
}

/// What a node's object store does in a second.
public struct StoreRates: Codable, Sendable, Hashable {
    /// Objects, and their bytes, that are written to disk and read back.
    public var spills: Double
    public var spillBytes: Double
    public var restores: Double
    public var restoreBytes: Double
    public var evictions: Double
    public var fetches: Double
    public var fetchBytes: Double

    /// Between two reports of a store, so many seconds apart.
    package init(from earlier: StoreUsage, to later: StoreUsage, seconds: Double) {
        // A store whose node began anew counts from zero; hundredths are enough for people.
        func rate(_ count: KeyPath<StoreUsage, Int>) -> Double {
            (Double(max(0, later[keyPath: count] - earlier[keyPath: count])) / seconds * 100).rounded() / 100
        }
        (spills, spillBytes) = (rate(\.spills), rate(\.spillBytes))
        (restores, restoreBytes) = (rate(\.restores), rate(\.restoreBytes))
        (evictions, fetches, fetchBytes) = (rate(\.evictions), rate(\.fetches), rate(\.fetchBytes))
    }
}

public struct JobRow: Codable, Sendable, Hashable {
    public var id: JobID
    public var state: JobState
    public var program: String
    public var namespace: String
    public var pid: Int32
    public var startedAt: WallTime
    public var endedAt: WallTime?
    public init(id: JobID, state: JobState, program: String, namespace: String, pid: Int32, startedAt: WallTime, endedAt: WallTime? = nil) {
        (self.id, self.state, self.program, self.namespace) = (id, state, program, namespace)
        (self.pid, self.startedAt, self.endedAt) = (pid, startedAt, endedAt)
    }
}

public struct TaskRow: Codable, Sendable, Hashable {
    public var id: TaskID
    public var job: JobID
    /// `Module.function(label:)`, or `Type.method` of an actor call.
    public var function: String
    /// What its options call it; nil when they do not.
    public var name: String?
    public var state: TaskState
    public var actor: ActorID?
    public var node: NodeID?
    public var worker: ProcessID?
    public var parent: TaskID?
    public var attempt: Int
    public var submittedAt: WallTime
    public var startedAt: WallTime?
    public var endedAt: WallTime?
    public var error: String?
    /// Why it runs, or ran, where it does; nil while that is not known.
    public var placement: PlacementReason?
    /// Of its worker, on its node.
    public var pid: Int32?
    /// What it was submitted into; nil for calls, which run where their actor is.
    public var placementGroup: PlacementGroupID?
    /// The attempts before this one, the earliest first; nil when this is the first.
    public var attempts: [TaskAttempt]?
    public init(id: TaskID, job: JobID, function: String, name: String? = nil, state: TaskState, actor: ActorID? = nil, node: NodeID? = nil, worker: ProcessID? = nil, parent: TaskID? = nil, attempt: Int, submittedAt: WallTime, startedAt: WallTime? = nil, endedAt: WallTime? = nil, error: String? = nil) {
        (self.id, self.job, self.function, self.name, self.state, self.actor, self.node, self.worker) = (id, job, function, name, state, actor, node, worker)
        (self.parent, self.attempt, self.submittedAt, self.startedAt, self.endedAt, self.error) = (parent, attempt, submittedAt, startedAt, endedAt, error)
    }

    /// What people know it by: its function, behind its name when it has one.
    public var title: String { name.map { "\"\($0)\" (\(function))" } ?? function }
}

/// Why the tasks of a lease run on their node.
public enum PlacementReason: String, Codable, Sendable, CaseIterable {
    /// It is the node of the process that submitted them, where they are asked for first.
    case home
    /// The node that was asked first had no room, or too little for ever.
    case room
    /// It holds most of their large arguments, or has room for them.
    case locality
    /// Their scheduling names the node, its labels, or all nodes in turn.
    case affinity, labels, spread
    /// Memory ran out under an earlier attempt on another node.
    case memory

    /// For people: `it was put there because …`.
    package var sentence: String {
        switch self {
        case .home: "it is the node of the process that submitted it, which is asked first and had room"
        case .room: "the node that was asked first had no room for it"
        case .locality: "it holds most of its large arguments, or has room for them"
        case .affinity: "its scheduling names this node"
        case .labels: "its scheduling asks for this node's labels"
        case .spread: "its scheduling spreads such tasks over the nodes in turn"
        case .memory: "memory ran out under an earlier attempt on another node"
        }
    }
}

/// An earlier attempt of a task.
public struct TaskAttempt: Codable, Sendable, Hashable {
    /// From 1.
    public var attempt: Int
    public var state: TaskState
    public var worker: ProcessID?
    public var error: String?
    public init(attempt: Int, state: TaskState, worker: ProcessID?, error: String?) {
        (self.attempt, self.state, self.worker, self.error) = (attempt, state, worker, error)
    }
}

public struct ActorRow: Codable, Sendable, Hashable {
    public var id: ActorID
    public var type: String
    public var name: String?
    public var namespace: String
    public var detached: Bool
    public var state: ActorState
    public var pid: Int32?
    public var node: NodeID?
    public var job: JobID
    public var restarts: Int
    /// When it was created; restarts leave it.
    public var createdAt: WallTime
    /// When it died for good; nil while it lives, and when that was before the head's latest restart.
    public var endedAt: WallTime?
    /// Why it is dead; of one that restarts, how its last incarnation ended.
    public var death: DeathCause?
    /// Why it is not yet placed, when it is pending.
    public var reason: String?
    /// What it was created in.
    public var placementGroup: PlacementGroupID?
    public init(id: ActorID, type: String, name: String?, namespace: String, detached: Bool, state: ActorState, pid: Int32?, node: NodeID?, job: JobID, restarts: Int, createdAt: WallTime, endedAt: WallTime? = nil, death: DeathCause?, reason: String?) {
        (self.id, self.type, self.name, self.namespace, self.detached, self.state) = (id, type, name, namespace, detached, state)
        (self.pid, self.node, self.job, self.restarts, self.createdAt, self.endedAt, self.death, self.reason) = (pid, node, job, restarts, createdAt, endedAt, death, reason)
    }
}

public struct PlacementGroupRow: Codable, Sendable, Hashable {
    public var id: PlacementGroupID
    public var name: String?
    public var namespace: String
    public var state: PlacementGroupState
    public var strategy: PlacementStrategy
    /// What each bundle holds, and where it is reserved.
    public var bundles: [Bundle]
    public var job: JobID
    public var detached: Bool
    public var createdAt: WallTime
    /// Why it is not reserved, when it is not.
    public var reason: String?

    public struct Bundle: Codable, Sendable, Hashable {
        public var resources: Resources
        public var node: NodeID?
        public init(resources: Resources, node: NodeID?) { (self.resources, self.node) = (resources, node) }
    }

    public init(
        id: PlacementGroupID, name: String?, namespace: String, state: PlacementGroupState, strategy: PlacementStrategy, bundles: [Bundle], job: JobID,
        detached: Bool, createdAt: WallTime, reason: String?
    ) {
        (self.id, self.name, self.namespace, self.state, self.strategy) = (id, name, namespace, state, strategy)
        (self.bundles, self.job, self.detached, self.createdAt, self.reason) = (bundles, job, detached, createdAt, reason)
    }
}

public struct ObjectRow: Codable, Sendable, Hashable {
    public enum State: String, Codable, Sendable {
        case pending, ready, failed
        /// Its value was given up with `Manta.free`.
        case freed
    }
    public var id: ObjectID
    public var state: State
    /// Bytes of the encoded value; 0 while it is pending.
    public var size: Int
    public var owner: ProcessID
    public var ownerPid: Int32
    public var node: NodeID?
    /// The function that makes it, or `put`.
    public var source: String
    public var createdAt: WallTime
    /// Where its value is; nil while there is none.
    public var location: Location?
    /// Code of its owner has a reference to it, or, while it is pending, its task may still make it.
    public var local: Bool
    /// Tasks in flight, and constructors of actors, that it is an argument of, and answers that their receiver has not confirmed; one of them, where known.
    public var pins: Int
    public var pinnedBy: TaskID?
    /// Other processes that use it.
    public var borrowers: Int
    /// Objects whose values hold a reference to it; one of them, where known.
    public var containers: Int
    public var containedIn: ObjectID?
    /// It is kept as long as its owner: its reference was encoded where nobody watches what becomes of it.
    public var forGood: Bool
    /// The nodes whose stores have its value, at most `namedAtMost` of them, and how many there are; nil when none has.
    public var copies: [Copy]?
    public var copyCount: Int?
    /// Some of the processes that use it, at most `namedAtMost`.
    public var borrowedBy: [ProcessID]?
    /// Which attempt of its task made it, or is under way, from 1; nil for what no task makes.
    public var attempt: Int?

    /// The nodes and processes that a row names.
    public static let namedAtMost = 4

    /// The value in the store of a node.
    public struct Copy: Codable, Sendable, Hashable {
        public var node: NodeID
        /// Whether it is on disk there and not in memory; nil when the node did not say.
        public var spilled: Bool?
        public init(node: NodeID, spilled: Bool? = nil) { (self.node, self.spilled) = (node, spilled) }
    }

    /// Where a value can be.
    public enum Location: String, Codable, Sendable {
        /// The memory of the owner's process.
        case owner
        /// The stores of one or more nodes.
        case store
    }

    public init(
        id: ObjectID, state: State, size: Int, owner: ProcessID, ownerPid: Int32, node: NodeID?, source: String, createdAt: WallTime = WallTime(milliseconds: 0),
        location: Location? = nil
    ) {
        (self.id, self.state, self.size, self.owner, self.ownerPid, self.node, self.source) = (id, state, size, owner, ownerPid, node, source)
        (self.createdAt, self.location, local, pins, borrowers, containers, forGood) = (createdAt, location, false, 0, 0, 0, false)
    }
}

/// How many objects the processes of one node own, and the bytes of their values.
public struct ObjectTotals: Codable, Sendable, Hashable {
    public var node: NodeID
    public var objects: Int
    public var bytes: Int
    public init(node: NodeID, objects: Int, bytes: Int) { (self.node, self.objects, self.bytes) = (node, objects, bytes) }
}

public struct ErrorRow: Codable, Sendable, Hashable {
    public var at: WallTime
    public var code: String
    public var message: String
    /// The component it happened in: task, actor, http, serve, node.
    public var source: String
    public var job: JobID?
    public var task: TaskID?
    public var actor: ActorID?
    public var node: NodeID?
    /// The HTTP request, when there was one.
    public var requestId: String?
    public init(at: WallTime, code: String, message: String, source: String, job: JobID? = nil, task: TaskID? = nil, actor: ActorID? = nil, node: NodeID? = nil, requestId: String? = nil) {
        (self.at, self.code, self.message, self.source, self.job) = (at, code, message, source, job)
        (self.task, self.actor, self.node, self.requestId) = (task, actor, node, requestId)
    }
}
