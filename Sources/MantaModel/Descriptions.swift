// Descriptions: what is asked for (a task's options, an actor's specification) and where things are (a process's address).

/// Where a process can be reached, and which incarnation of it.
public struct ProcessAddress: Hashable, Sendable, Codable {
    public var process: ProcessID
    /// `ipc://…`, which its own machine reaches, `tcp://host:port`, or both: `tcp://host:port;machine=…;ipc://…`.
    public var endpoint: String
    public init(process: ProcessID, endpoint: String) { (self.process, self.endpoint) = (process, endpoint) }
}

/// Where a node can be reached.
package struct NodeAddress: Hashable, Sendable, Codable {
    package var node: NodeID
    /// As in `ProcessAddress`.
    package var endpoint: String
    package init(node: NodeID, endpoint: String) { (self.node, self.endpoint) = (node, endpoint) }
}

/// A large argument of a task: the object, its owner and size, and the nodes whose stores have it.
package struct ArgumentLocation: Hashable, Sendable, Codable {
    package var object: ObjectID
    package var owner: ProcessAddress
    /// Bytes.
    package var size: Int
    package var sources: [NodeAddress]
    package init(object: ObjectID, owner: ProcessAddress, size: Int, sources: [NodeAddress]) {
        (self.object, self.owner, self.size, self.sources) = (object, owner, size, sources)
    }
}

extension NodeID {
    /// The node as a process among others.
    package var process: ProcessID { ProcessID(high: high, low: low) }
}

/// An object and the process that owns it: what a reference says.
package struct ObjectAddress: Hashable, Sendable, Codable {
    package var object: ObjectID
    package var owner: ProcessAddress
    package init(object: ObjectID, owner: ProcessAddress) { (self.object, self.owner) = (object, owner) }
}

/// The executable that holds a job's functions and actors, and what its workers find in their environment. Workers are shared only between demands of
/// equal programs: two versions of one program, built one after the other, run side by side.
public struct Program: Hashable, Sendable, Codable {
    /// Absolute path of the executable on the nodes of the job.
    public var path: String
    /// Variables added to the environment of its workers.
    public var environment: [String: String]
    /// Of its content, in 32 hexadecimal digits: a node that does not find this content at the path gets it from a process that runs it. Nil: whatever
    /// lies at the path when a worker starts.
    public var hash: String?
    public init(path: String, environment: [String: String] = [:], hash: String? = nil) {
        (self.path, self.environment, self.hash) = (path, environment, hash)
    }
}

/// What a driver shows of its job on standard error.
public enum LogToDriver: String, Sendable, Codable, CaseIterable {
    /// What its workers print, failures that nobody awaited, and warnings.
    case everything
    /// Failures that nobody awaited, and warnings.
    case warnings
    /// Nothing; lists and logs have all of it.
    case nothing
}

/// How long an actor lives.
public enum ActorLifetime: String, Sendable, Codable {
    /// Until it is killed or its driver ends.
    case job
    /// Until it is killed, whatever becomes of its driver.
    case detached
}

/// What an actor shares with others.
public enum ActorIsolation: String, Sendable, Codable {
    /// A worker process of its own: its crash is nobody else's, and it can be ended whatever its code does.
    case process
    /// A worker process together with many others of the same program and job: made a hundred times faster, and with little memory. A crash ends all of them,
    /// and each is made again as it allows. An actor that is killed gets no more turns, but code that does not listen to its cancellation runs on.
    case shared
}

/// When the state of an actor that can be restored is taken.
public enum SnapshotPolicy: Hashable, Sendable, Codable {
    /// After each call, before its answer leaves: what was answered is never lost.
    case everyCall
    /// After a call, when the last one is at least this old; a call's changes may be lost for at most this long.
    case every(Duration)
    /// Never: a restarted actor begins anew.
    case never
}

/// An argument of an actor's initializer that its owner has.
package struct ArgumentReference: Hashable, Sendable, Codable {
    /// Which argument, from 0.
    package var index: Int
    package var object: ObjectAddress
    package init(index: Int, object: ObjectAddress) { (self.index, self.object) = (index, object) }
}

/// Everything that is needed to construct an actor, now or again after a crash or a restart of the head.
package struct ActorSpecification: Hashable, Sendable, Codable {
    package var id: ActorID
    package var job: JobID
    package var program: Program
    /// `Module.Type`, as its macro registered it.
    package var type: String
    /// Which initializer, by its registered index.
    package var initializer: UInt32
    /// The encoded arguments of the initializer; those of `references` are empty.
    package var arguments: [[UInt8]]
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
    /// Arguments of the initializer that are too large to travel: each incarnation takes them from their owners; nil is none.
    package var references: [ArgumentReference]?
    /// Calls of one process to it that may be without an end at a time; nil is without limit.
    package var maxPendingCalls: Int?
    /// Whether a call whose arguments are missing holds up those behind it; nil is yes.
    package var ordersCalls: Bool?

    package init(
        id: ActorID, job: JobID, program: Program, type: String, initializer: UInt32, arguments: [[UInt8]], name: String?, namespace: String,
        lifetime: ActorLifetime, resources: Resources, placementResources: Resources, maxRestarts: Int, maxConcurrency: Int, owner: ProcessAddress,
        maxTaskRetries: Int? = nil, concurrencyGroups: [String: Int]? = nil, scheduling: Scheduling? = nil,
        isolation: ActorIsolation? = nil, snapshots: SnapshotPolicy? = nil, references: [ArgumentReference]? = nil, maxPendingCalls: Int? = nil,
        ordersCalls: Bool? = nil
    ) {
        (self.references, self.maxPendingCalls, self.ordersCalls) = (references, maxPendingCalls, ordersCalls)
        (self.id, self.job, self.program, self.type, self.initializer, self.arguments) = (id, job, program, type, initializer, arguments)
        (self.name, self.namespace, self.lifetime, self.resources) = (name, namespace, lifetime, resources)
        (self.placementResources, self.maxRestarts, self.maxConcurrency, self.owner) = (placementResources, maxRestarts, maxConcurrency, owner)
        (self.maxTaskRetries, self.concurrencyGroups, self.scheduling) = (maxTaskRetries, concurrencyGroups, scheduling)
        (self.isolation, self.snapshots) = (isolation, snapshots)
    }
}
