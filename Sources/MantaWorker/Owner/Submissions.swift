// Submissions: what is remembered of a task, a call or an actor's creation between the call that submitted it and its end.
//
// Each holds its argument handles (so the objects stay) and its result handles (so they can be settled) and is owned by exactly one book at a time.

import MantaModel

/// What is remembered of a task or call until it ends.
final class Submission: Sendable {
    enum Target: Sendable {
        case function(TaskOptions)
        case method(actor: ActorID, index: UInt32)
    }
    let task: TaskID
    let target: Target
    /// What people see, and what the worker looks up for a function.
    let function: String
    /// Only for a call by name.
    let methodName: String
    let job: JobID
    let parent: TaskID?
    let arguments: [ArgumentSource]
    let results: [ObjectHandle]
    let submittedAt: WallTime

    init(
        task: TaskID, target: Target, function: String, methodName: String, job: JobID, parent: TaskID?, arguments: [ArgumentSource],
        results: [ObjectHandle], submittedAt: WallTime
    ) {
        (self.task, self.target, self.function, self.methodName, self.job) = (task, target, function, methodName, job)
        (self.parent, self.arguments, self.results, self.submittedAt) = (parent, arguments, results, submittedAt)
    }

    /// The same call to another actor.
    func redirected(to actor: ActorID) -> Submission {
        guard case .method(_, let index) = target else { preconditionFailure("only calls go to actors") }
        return Submission(
            task: task, target: .method(actor: actor, index: index), function: function, methodName: methodName, job: job, parent: parent,
            arguments: arguments, results: results, submittedAt: submittedAt)
    }
}

/// What is remembered of an actor's creation until the head has it.
struct ActorCreation: Sendable {
    var specification: ActorSpecification
    var arguments: [ArgumentSource]
    var getIfExists: Bool
}

/// What any thread asks of the owner; carried out on the loop in the order it was asked.
enum OwnerCommand: Sendable {
    case submit(Submission)
    case call(Submission)
    case create(ActorCreation)
    case put(ObjectHandle, inside: [ObjectHandle], size: Int)
    case released(ObjectID)
    case unseenFailure(ObjectID, any Error)
    case wanted(ObjectHandle)
    case argumentSettled(TaskID)
    case creationArgumentSettled(ActorID)
    case cancel(ObjectID)
    case finished(FinishedRun)
    case blocked(LeaseID)
    case resume(LeaseID, UnsafeContinuation<Void, Never>)
}
