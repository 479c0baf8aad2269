// MantaError: what goes wrong in operation, as one value with an extensible code. TaskError: what user code threw, when it cannot come back as itself.
//
// A message says what, where, what was expected and what to do. Bugs are preconditions, never errors. Both kinds travel between processes unchanged.

/// An operating failure of the platform. What user code throws comes back as itself, or as `TaskError`.
///
/// ```swift
/// do { print(try await reference.value) }
/// catch MantaError.Code.timeout { … }          // one kind
/// catch MantaError.Family.died { … }           // a worker, actor, node or owner is gone
/// catch let error as MantaError { print(error.code, error.message) }
/// catch ShopError.soldOut(let item) { … }      // what the function threw
/// ```
public struct MantaError: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    /// What kind of failure it is. New codes may be added; `switch` over it needs a `default`.
    public struct Code: Hashable, Sendable, Codable, RawRepresentable, CustomStringConvertible {
        public let rawValue: String
        public init(rawValue: String) { self.rawValue = rawValue }
        public var description: String { rawValue }

        /// `Manta.start()` or `Manta.connect()` was not called, or the session has ended.
        public static let notConnected = Code(rawValue: "notConnected")
        /// A value, name, option or address that cannot be right.
        public static let invalidArgument = Code(rawValue: "invalidArgument")
        /// What was named does not exist.
        public static let notFound = Code(rawValue: "notFound")
        /// The name is taken.
        public static let alreadyExists = Code(rawValue: "alreadyExists")
        /// The function or actor type is not in the worker's program.
        public static let unknownFunction = Code(rawValue: "unknownFunction")
        /// A value could not be encoded or decoded as the type that was expected.
        public static let wrongType = Code(rawValue: "wrongType")
        /// Two processes speak different protocol versions or belong to different clusters.
        public static let versionMismatch = Code(rawValue: "versionMismatch")
        /// The worker process died while it ran the task, and no retry is left.
        public static let workerCrashed = Code(rawValue: "workerCrashed")
        /// The actor is dead for good: killed, crashed, lost with its node, its constructor threw, or its job ended.
        public static let actorDied = Code(rawValue: "actorDied")
        /// The actor's process died under the call, and the actor is being made again: the call may or may not have run, and later ones will.
        public static let actorUnavailable = Code(rawValue: "actorUnavailable")
        /// The worker process was ended because memory ran out, and no retry is left.
        public static let outOfMemory = Code(rawValue: "outOfMemory")
        /// The node was lost.
        public static let nodeDied = Code(rawValue: "nodeDied")
        /// The process that owns the object is gone.
        public static let ownerDied = Code(rawValue: "ownerDied")
        /// The object's value is gone and cannot be made again.
        public static let objectLost = Code(rawValue: "objectLost")
        /// A node's object store has no room: what was tried, and what holds the memory.
        public static let objectStoreFull = Code(rawValue: "objectStoreFull")
        /// The deadline passed.
        public static let timeout = Code(rawValue: "timeout")
        /// The task or call was cancelled.
        public static let cancelled = Code(rawValue: "cancelled")
        /// No node can ever satisfy the demand.
        public static let unschedulable = Code(rawValue: "unschedulable")
        /// The placement group that it was to run in was removed.
        public static let placementGroupRemoved = Code(rawValue: "placementGroupRemoved")
        /// A queue or buffer is full: try later.
        public static let overloaded = Code(rawValue: "overloaded")
        /// A message, value or body is over its limit.
        public static let tooLarge = Code(rawValue: "tooLarge")
        /// The other side cannot be reached.
        public static let unavailable = Code(rawValue: "unavailable")
        /// The port or path is in use by another process.
        public static let addressInUse = Code(rawValue: "addressInUse")
        /// Bytes that are not what the protocol or file format says.
        public static let malformed = Code(rawValue: "malformed")
        /// The state of the thing forbids the operation now.
        public static let conflict = Code(rawValue: "conflict")
        /// A call of the operating system failed.
        public static let system = Code(rawValue: "system")
        /// User code threw; see `cause` for its text.
        public static let taskFailed = Code(rawValue: "taskFailed")
    }

    public var code: Code
    /// What happened, to what, what was expected, and what to do.
    public var message: String
    /// The text of the error below this one, when there is one.
    public var cause: String?

    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause.map { String(describing: $0) }
    }

    public var description: String { cause.map { "\(code): \(message) (\($0))" } ?? "\(code): \(message)" }
}

extension MantaError {
    /// Failures that call for the same reaction; a code may belong to several, and new codes join them, so that a `catch` of a family stays true.
    public struct Family: Hashable, Sendable {
        private let codes: Set<Code>
        private init(_ codes: Code...) { self.codes = Set(codes) }

        /// Whether the code is one of them.
        public func contains(_ code: Code) -> Bool { codes.contains(code) }

        /// A process or machine that was needed is gone: trying again may help.
        public static let died = Family(.workerCrashed, .outOfMemory, .actorDied, .actorUnavailable, .nodeDied, .ownerDied)
        /// A value is gone for good.
        public static let lost = Family(.objectLost, .ownerDied)
        /// Nobody wants the result, or its time is over.
        public static let stopped = Family(.cancelled, .timeout)
        /// Something is full or away at the moment: the same call may succeed later.
        public static let temporary = Family(.overloaded, .unavailable, .actorUnavailable)
        /// The call itself is wrong: it will fail again.
        public static let misuse = Family(
            .invalidArgument, .notFound, .alreadyExists, .unknownFunction, .wrongType, .versionMismatch, .conflict, .tooLarge, .notConnected, .unschedulable)

        /// `catch MantaError.Family.died { … }`
        public static func ~= (family: Family, error: any Error) -> Bool { (error as? MantaError).map { family.contains($0.code) } ?? false }
    }
}

extension MantaError.Code {
    /// `catch MantaError.Code.actorDied { … }`
    public static func ~= (code: MantaError.Code, error: any Error) -> Bool { (error as? MantaError)?.code == code }
}

/// An error thrown by user code whose type is not `Codable` (or is private), as text. A `Codable` one comes back as itself.
public struct TaskError: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    /// The name of the type that was thrown.
    public var typeName: String
    /// The thrown value's description.
    public var message: String
    /// The function or method that threw, `Module.Type.function(label:)`.
    public var function: String
    public var task: TaskID
    public var node: NodeID
    /// Which try it was, from 1.
    public var attempt: Int

    public init(typeName: String, message: String, function: String, task: TaskID, node: NodeID, attempt: Int) {
        (self.typeName, self.message, self.function) = (typeName, message, function)
        (self.task, self.node, self.attempt) = (task, node, attempt)
    }

    public var description: String { "\(function) threw \(typeName): \(message) (task \(task.short), node \(node.short), attempt \(attempt))" }
}

extension Result {
    /// Why there is no value.
    package var failure: Failure? { if case .failure(let error) = self { error } else { nil } }
}
