// Submissions: what is remembered of a task, a call or an actor's creation between the call that submitted it and its end.
//
// Each holds its argument handles (so the objects stay) and its result handles (so they can be settled) and is owned by exactly one book at a time.

import MantaModel
import MantaWire

/// What is remembered of a task or call until it ends.
final class Submission: Sendable {
    enum Target: Sendable {
        case function(TaskOptions)
        case method(actor: ActorID, index: UInt32, terms: CallTerms?)
    }
    let task: TaskID
    let target: Target
    /// What the worker looks up for a function; `Type.method` of a call.
    let function: String
    /// Only for a call by name.
    let methodName: String
    let job: JobID
    let parent: TaskID?
    /// Once it was submitted, the loop's: own objects are named only, and pinned.
    @exclusivity(unchecked) nonisolated(unsafe) var arguments: [ArgumentSource]
    @exclusivity(unchecked) nonisolated(unsafe) var pins: [ObjectID] = []
    /// What its reports say; the loop's.
    @exclusivity(unchecked) nonisolated(unsafe) var hasEnded = false
    @exclusivity(unchecked) nonisolated(unsafe) var isToldAsRunning = false
    @exclusivity(unchecked) nonisolated(unsafe) var attempt: Int32 = 1
    let results: [ObjectHandle]
    let resultCount: Int
    let submittedAt: WallTime
    /// When it must have ended: its own time, or that of the task that submitted it.
    let deadline: Instant?
    /// It ran before; some of what it made was lost.
    let isAgain: Bool

    init(
        task: TaskID, target: Target, function: String, methodName: String, job: JobID, parent: TaskID?, arguments: [ArgumentSource],
        results: [ObjectHandle], resultCount: Int? = nil, submittedAt: WallTime, deadline: Instant?, isAgain: Bool = false
    ) {
        self.isAgain = isAgain
        self.resultCount = resultCount ?? results.count
        (self.task, self.target, self.function, self.methodName, self.job) = (task, target, function, methodName, job)
        (self.parent, self.arguments, self.results, self.submittedAt, self.deadline) = (parent, arguments, results, submittedAt, deadline)
    }

    /// What its options call it.
    var name: String? {
        switch target {
        case .function(let options): options.name
        case .method(_, _, let terms): terms?.name
        }
    }

    /// What people are told of: its name, else its function.
    var title: String { name ?? function }

    /// How long it may take.
    var timeout: Duration? {
        switch target {
        case .function(let options): options.timeout
        case .method(_, _, let terms): terms?.timeout
        }
    }

    /// Whether what its worker answered is worth another try.
    func mayRetry(on outcome: TaskOutcome) -> Bool {
        let condition: RetryCondition? =
            switch target {
            case .function(let options): options.retryOn
            case .method(_, _, let terms): terms?.retryOn
            }
        guard let condition, condition != .never else { return false }
        switch outcome {
        case .values: return false
        case .thrown(let bytes): return ThrownError.typeName(of: bytes).map { condition.includes(typeName: $0) } ?? false
        case .failed(let error): return condition.includes(error)
        }
    }

    /// What the task was submitted into.
    var placementGroup: PlacementGroupID? {
        guard case .function(let options) = target else { return nil }
        return options.scheduling?.group?.group
    }

    /// What the task's own submissions are put into.
    var capturedGroup: GroupMembership? {
        guard case .function(let options) = target, let group = options.scheduling?.group, group.captures else { return nil }
        return group.inherited
    }

    /// The same call to another actor.
    func redirected(to actor: ActorID) -> Submission {
        guard case .method(_, let index, let terms) = target else { preconditionFailure("only calls go to actors") }
        let other = Submission(
            task: task, target: .method(actor: actor, index: index, terms: terms), function: function, methodName: methodName, job: job, parent: parent,
            arguments: arguments, results: results, submittedAt: submittedAt, deadline: deadline)
        other.pins = pins
        return other
    }
}

/// What is remembered of an actor's creation until the head has it.
struct ActorCreation: Sendable {
    var specification: ActorSpecification
    var arguments: [ArgumentSource]
    var getIfExists: Bool
}

/// What an actor's constructor was given, held for it: own objects are pinned, those of others held by their handles.
struct ConstructorArguments {
    var arguments: [ArgumentSource]
    var pins: [ObjectID]
    /// They are needed as long as it may be constructed again.
    var mayRestart: Bool
}

/// What any thread asks of the owner; carried out on the loop in the order it was asked. It is copied on its way: what is large lies in a box.
enum OwnerCommand: Sendable {
    case submit(Submission)
    case call(Submission)
    indirect case create(ActorCreation)
    /// Without its handle: whoever made it and lets it go again frees the memory, which nobody else has touched.
    case put(ObjectID, inside: [ObjectHandle], size: Int)
    indirect case putStored(ObjectID, inside: [ObjectHandle], size: Int, on: NodeAddress)
    /// The result of what could not be submitted, which has failed with that.
    indirect case refused(ObjectID, of: String)
    case released(ObjectID)
    indirect case stored(ObjectID, owner: ProcessID, Reservation)
    /// It was encoded where nobody watches what becomes of it.
    case keptForGood(ObjectHandle)
    /// Nobody will read its value any more, which is there now.
    case freeValue(ObjectHandle)
    indirect case unseenFailure(ObjectID, any Error)
    case wanted(ObjectHandle)
    case argumentSettled(TaskID)
    case creationArgumentSettled(ActorID)
    case cancel(ObjectHandle, Cancellation)
    case finished(FinishedRun)
    /// The object that stands for an actor is there.
    case lifeline(ObjectHandle)
    indirect case unheld(ActorID, ObjectHandle?)
    case unheldAlias(ActorID)
    indirect case registerGroup(PlacementGroupSpecification)
    case removeGroup(PlacementGroupID)
    case openStream(OutgoingStream)
    indirect case streamItem(StreamItem, [ObjectHandle])
    case closeStream(OutgoingStream)
    case streamMoved(TaskID)
    case blocked(LeaseID)
    case resume(LeaseID, UnsafeContinuation<Void, Never>)
}
