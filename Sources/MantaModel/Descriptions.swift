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
