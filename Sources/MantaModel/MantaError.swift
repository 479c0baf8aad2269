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
        /// The object's value was given up with `Manta.free`.
        public static let objectFreed = Code(rawValue: "objectFreed")
        /// A node's object store has no room: what was tried, and what holds the memory.
        public static let objectStoreFull = Code(rawValue: "objectStoreFull")
        /// A node's object store has no room, and the disk that objects would leave memory for is full or at its limit: `cause` says which, and how full.
        public static let outOfDisk = Code(rawValue: "outOfDisk")
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
    /// What is known behind the message, for programs that decide by it; nil when there is no more.
    public var details: Details? {
        get { box?.details }
        set { box = newValue.map(Box.init) }
    }
    /// Most errors have none, and all travel: apart.
    private var box: Box?

    public init(_ code: Code, _ message: String, cause: (any Error)? = nil, details: Details? = nil) {
        self.code = code
        self.message = message
        self.cause = cause.map { String(describing: $0) }
        box = details.map(Box.init)
    }

    private enum CodingKeys: String, CodingKey {
        case code, message, cause
        case box = "details"
    }

    private final class Box: Hashable, Sendable, Codable {
        let details: Details
        init(_ details: Details) { self.details = details }
        static func == (left: Box, right: Box) -> Bool { left.details == right.details }
        func hash(into hasher: inout Hasher) { hasher.combine(details) }
        init(from decoder: any Decoder) throws { details = try decoder.singleValueContainer().decode(Details.self) }
        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            try container.encode(details)
        }
    }

    public var description: String { cause.map { "\(code): \(message) (\($0))" } ?? "\(code): \(message)" }
}

extension MantaError {
    /// Facts behind a failure. What nobody knows is nil.
    ///
    /// ```swift
    /// catch let error as MantaError where error.details?.death?.facts?.signal == SIGSEGV { … }
    /// ```
    public struct Details: Hashable, Sendable, Codable {
        /// How the worker, actor or node ended: the kind of its death, signal, exit code, the last lines of its standard error.
        public var death: DeathCause?
        /// The actor that was called.
        public var actor: ActorID?
        /// `Module.Type` of the actor.
        public var actorType: String?
        public var actorName: String?
        /// Where it happened.
        public var node: NodeID?
        public var task: TaskID?
        /// How often it was tried.
        public var attempts: Int?

        public init(
            death: DeathCause? = nil, actor: ActorID? = nil, actorType: String? = nil, actorName: String? = nil, node: NodeID? = nil, task: TaskID? = nil,
            attempts: Int? = nil
        ) {
            (self.death, self.actor, self.actorType, self.actorName) = (death, actor, actorType, actorName)
            (self.node, self.task, self.attempts) = (node, task, attempts)
        }
    }
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
        public static let lost = Family(.objectLost, .objectFreed, .ownerDied)
        /// Nobody wants the result, or its time is over.
        public static let stopped = Family(.cancelled, .timeout)
        /// Something is full or away at the moment: the same call may succeed later.
        public static let temporary = Family(.overloaded, .unavailable, .actorUnavailable)
        /// Nothing is left for an object, neither memory nor disk: it has room when others end.
        public static let full = Family(.objectStoreFull, .outOfDisk)
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

/// An error thrown by user code whose type is not `Codable` (or is private, or its value larger than 1 MiB), as text. A `Codable` one comes back as itself; of
/// both, a reference's `failure` says where it was thrown.
public struct TaskError: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    /// The name of the type that was thrown.
    public var typeName: String
    /// The thrown value's description.
    public var message: String
    /// The function or method that threw, `Module.Type.function(label:)`, or what its options call the task.
    public var function: String
    public var task: TaskID
    public var node: NodeID
    /// Which try it was, from 1.
    public var attempt: Int
    /// The actor whose method threw.
    public var actor: ActorID?
    /// The process that it ran in, and its machine.
    public var pid: Int32?
    public var host: String?

    public init(
        typeName: String, message: String, function: String, task: TaskID, node: NodeID, attempt: Int, actor: ActorID? = nil, pid: Int32? = nil,
        host: String? = nil
    ) {
        (self.actor, self.pid, self.host) = (actor, pid, host)
        (self.typeName, self.message, self.function) = (typeName, message, function)
        (self.task, self.node, self.attempt) = (task, node, attempt)
    }

    public var description: String { "\(function) threw \(typeName): \(message) (task \(task.short), node \(node.short)\(place), attempt \(attempt))" }

    private var place: String { (pid.map { ", process \($0)" } ?? "") + (host.map { " on \($0)" } ?? "") }
}

extension Result {
    /// Why there is no value.
    package var failure: Failure? { if case .failure(let error) = self { error } else { nil } }
}
