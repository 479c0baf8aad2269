// ActorSpecification: what an actor is made of. Programs make many actors alike, so what these have in common is kept, copied and sent once.

/// What actors that are made alike have in common.
package struct ActorTerms: Hashable, Sendable, Codable {
    package var job: JobID
    package var program: Program
    /// `Module.Type`, as its macro registered it.
    package var type: String
    /// Which initializer, by its registered index.
    package var initializer: UInt32
    package var name: String?
    package var namespace: String
    package var lifetime: ActorLifetime
    /// Held for life.
    package var resources: Resources
    /// Needed at the moment of placing only.
    package var placementResources: Resources
    /// -1 is without end.
    package var maxRestarts: Int
    /// How many calls may run at once; 1 runs them one by one.
    package var maxConcurrency: Int
    /// Its creator, who is told of every change.
    package var owner: ProcessAddress
    /// How often a call is made again when the actor died under it or it threw what it is to be retried on, unless the caller says otherwise; nil is
    /// never, -1 is without end.
    package var maxTaskRetries: Int?
    /// How many calls may run at once in each group that methods and callers name; `maxConcurrency` is that of all others.
    package var concurrencyGroups: [String: Int]?
    /// Where it may run; nil is anywhere. A group's part is in `resources` already.
    package var scheduling: Scheduling?
    /// Nil is a process of its own.
    package var isolation: ActorIsolation?
    /// Nil is after every call.
    package var snapshots: SnapshotPolicy?
    /// Calls of one process to it that may be without an end at a time; nil is without limit.
    package var maxPendingCalls: Int?
    /// Whether a call whose arguments are missing holds up those behind it; nil is yes.
    package var ordersCalls: Bool?
    /// Items of all its streams together that may wait to be taken; nil is without limit.
    package var maxPendingItems: Int?
    /// When its creator made it, by its own clock; nil is when the head heard of it.
    package var createdAt: WallTime?

    package init(
        job: JobID, program: Program, type: String, initializer: UInt32, name: String?, namespace: String, lifetime: ActorLifetime, resources: Resources,
        placementResources: Resources, maxRestarts: Int, maxConcurrency: Int, owner: ProcessAddress, maxTaskRetries: Int? = nil,
        concurrencyGroups: [String: Int]? = nil, scheduling: Scheduling? = nil, isolation: ActorIsolation? = nil, snapshots: SnapshotPolicy? = nil,
        maxPendingCalls: Int? = nil, ordersCalls: Bool? = nil, maxPendingItems: Int? = nil, createdAt: WallTime? = nil
    ) {
        (self.maxPendingItems, self.createdAt) = (maxPendingItems, createdAt)
        (self.job, self.program, self.type, self.initializer) = (job, program, type, initializer)
        (self.name, self.namespace, self.lifetime, self.resources) = (name, namespace, lifetime, resources)
        (self.placementResources, self.maxRestarts, self.maxConcurrency, self.owner) = (placementResources, maxRestarts, maxConcurrency, owner)
        (self.maxTaskRetries, self.concurrencyGroups, self.scheduling) = (maxTaskRetries, concurrencyGroups, scheduling)
        (self.isolation, self.snapshots, self.maxPendingCalls, self.ordersCalls) = (isolation, snapshots, maxPendingCalls, ordersCalls)
    }
}

/// The terms of many actors, at one place.
package final class SharedActorTerms: Sendable {
    package let value: ActorTerms
    package init(_ value: ActorTerms) { self.value = value }
}

/// Everything that is needed to construct an actor, now or again after a crash or a restart of the head.
package struct ActorSpecification: Hashable, Sendable, Codable {
    package var id: ActorID
    /// The encoded arguments of the initializer; those of `references` are empty.
    package var arguments: [[UInt8]]
    /// Arguments of the initializer that are too large to travel: each incarnation takes them from their owners; nil is none.
    package var references: [ArgumentReference]?
    package private(set) var shared: SharedActorTerms

    package init(id: ActorID, arguments: [[UInt8]] = [], references: [ArgumentReference]? = nil, sharing terms: SharedActorTerms) {
        (self.id, self.arguments, self.references, shared) = (id, arguments, references, terms)
    }

    package init(
        id: ActorID, job: JobID, program: Program, type: String, initializer: UInt32, arguments: [[UInt8]], name: String?, namespace: String,
        lifetime: ActorLifetime, resources: Resources, placementResources: Resources, maxRestarts: Int, maxConcurrency: Int, owner: ProcessAddress,
        maxTaskRetries: Int? = nil, concurrencyGroups: [String: Int]? = nil, scheduling: Scheduling? = nil,
        isolation: ActorIsolation? = nil, snapshots: SnapshotPolicy? = nil, references: [ArgumentReference]? = nil, maxPendingCalls: Int? = nil,
        ordersCalls: Bool? = nil, maxPendingItems: Int? = nil, createdAt: WallTime? = nil
    ) {
        let terms = ActorTerms(
            job: job, program: program, type: type, initializer: initializer, name: name, namespace: namespace, lifetime: lifetime, resources: resources,
            placementResources: placementResources, maxRestarts: maxRestarts, maxConcurrency: maxConcurrency, owner: owner, maxTaskRetries: maxTaskRetries,
            concurrencyGroups: concurrencyGroups, scheduling: scheduling, isolation: isolation, snapshots: snapshots,
            maxPendingCalls: maxPendingCalls, ordersCalls: ordersCalls, maxPendingItems: maxPendingItems, createdAt: createdAt)
        self.init(id: id, arguments: arguments, references: references, sharing: SharedActorTerms(terms))
    }

    package static func == (left: Self, right: Self) -> Bool {
        left.id == right.id && left.arguments == right.arguments && left.references == right.references
            && (left.shared === right.shared || left.shared.value == right.shared.value)
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(id) }

    private enum CodingKeys: String, CodingKey { case id, arguments, references, terms }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            id: try container.decode(ActorID.self, forKey: .id), arguments: try container.decode([[UInt8]].self, forKey: .arguments),
            references: try container.decodeIfPresent([ArgumentReference].self, forKey: .references),
            sharing: SharedActorTerms(try container.decode(ActorTerms.self, forKey: .terms)))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(id, forKey: .id)
        try container.encode(arguments, forKey: .arguments)
        try container.encodeIfPresent(references, forKey: .references)
        try container.encode(shared.value, forKey: .terms)
    }
}

extension ActorSpecification {
    /// The placement group it runs in.
    package var placementGroup: PlacementGroupID? { resources.group ?? placementResources.group }
}

// MARK: - Its terms, one by one

extension ActorSpecification {
    package var job: JobID {
        get { shared.value.job }
        set { change(\.job, to: newValue) }
    }
    package var program: Program {
        get { shared.value.program }
        set { change(\.program, to: newValue) }
    }
    package var type: String {
        get { shared.value.type }
        set { change(\.type, to: newValue) }
    }
    package var initializer: UInt32 {
        get { shared.value.initializer }
        set { change(\.initializer, to: newValue) }
    }
    package var name: String? {
        get { shared.value.name }
        set { change(\.name, to: newValue) }
    }
    package var namespace: String {
        get { shared.value.namespace }
        set { change(\.namespace, to: newValue) }
    }
    package var lifetime: ActorLifetime {
        get { shared.value.lifetime }
        set { change(\.lifetime, to: newValue) }
    }
    package var resources: Resources {
        get { shared.value.resources }
        set { change(\.resources, to: newValue) }
    }
    package var placementResources: Resources {
        get { shared.value.placementResources }
        set { change(\.placementResources, to: newValue) }
    }
    package var maxRestarts: Int {
        get { shared.value.maxRestarts }
        set { change(\.maxRestarts, to: newValue) }
    }
    package var maxConcurrency: Int {
        get { shared.value.maxConcurrency }
        set { change(\.maxConcurrency, to: newValue) }
    }
    package var owner: ProcessAddress {
        get { shared.value.owner }
        set { change(\.owner, to: newValue) }
    }
    package var maxTaskRetries: Int? {
        get { shared.value.maxTaskRetries }
        set { change(\.maxTaskRetries, to: newValue) }
    }
    package var concurrencyGroups: [String: Int]? {
        get { shared.value.concurrencyGroups }
        set { change(\.concurrencyGroups, to: newValue) }
    }
    package var scheduling: Scheduling? {
        get { shared.value.scheduling }
        set { change(\.scheduling, to: newValue) }
    }
    package var isolation: ActorIsolation? {
        get { shared.value.isolation }
        set { change(\.isolation, to: newValue) }
    }
    package var snapshots: SnapshotPolicy? {
        get { shared.value.snapshots }
        set { change(\.snapshots, to: newValue) }
    }
    package var maxPendingCalls: Int? {
        get { shared.value.maxPendingCalls }
        set { change(\.maxPendingCalls, to: newValue) }
    }
    package var ordersCalls: Bool? {
        get { shared.value.ordersCalls }
        set { change(\.ordersCalls, to: newValue) }
    }
    package var maxPendingItems: Int? {
        get { shared.value.maxPendingItems }
        set { change(\.maxPendingItems, to: newValue) }
    }
    package var createdAt: WallTime? {
        get { shared.value.createdAt }
        set { change(\.createdAt, to: newValue) }
    }

    private mutating func change<Value>(_ term: WritableKeyPath<ActorTerms, Value>, to value: Value) {
        var terms = shared.value
        terms[keyPath: term] = value
        shared = SharedActorTerms(terms)
    }
}
