// Cancelling what this process submitted, because somebody asked for it or its time is over.
//
// The books end the task or call at once, so whoever waits hears at once; a worker that has it is told, and lets go of it whenever its code does.
// Always: what has ended stays as it ended; a deadline's timer lives exactly as long as its submission.

import MantaCore
import MantaLoop
import MantaModel
import MantaTransport
import MantaWire

extension Owner {
    // MARK: By request

    /// Cancels the task of an object, here or at its owner; `done` hears when it was told.
    func cancel(_ handle: ObjectHandle, _ cancellation: Cancellation, _ done: @escaping (Result<Void, MantaError>) -> Void) {
        // What was cancelled before may still run: force ends it.
        if handle.isSettled, !cancellation.isForced { return done(.success(())) }
        guard handle.owner.process != address.process else {
            do throws(MantaError) {
                try cancel(handle.id.task, cancellation)
                return done(.success(()))
            } catch { return done(.failure(error)) }
        }
        let request = CancelObject(object: handle.id, isRecursive: cancellation.isRecursive, isForced: cancellation.isForced)
        transport.connect(to: handle.owner).request(request, deadline: Limits.requestDeadline) { done($0.map { _ in }) }
    }

    func answer(_ request: CancelObject, correlation: Correlation, on link: Link) throws(MantaError) {
        try cancel(request.object.task, Cancellation(isRecursive: request.isRecursive, isForced: request.isForced))
        link.reply(to: correlation, Acknowledged())
    }

    /// Ends a task or call of this process with the error, or with `cancelled`; one that has ended stays as it is.
    func cancel(_ task: TaskID, _ cancellation: Cancellation, because error: MantaError? = nil) throws(MantaError) {
        self.cancellation = cancellation
        defer { self.cancellation = Cancellation() }
        if let target = calls[task] {
            if cancellation.isForced {
                throw MantaError(.invalidArgument, "call \(task) of actor \(target.actor.short) cannot be cancelled by force: its process is not the caller's alone; cancel it without force, or kill the actor")
            }
            update(target) { $0.cancel(task, because: error ?? MantaError(.cancelled, "call \(task) was cancelled"), perform: $1) }
        } else if let index = early.firstIndex(where: { $0.task == task }) {
            fail(early.remove(at: index), error ?? MantaError(.cancelled, "task \(task) was cancelled"))
        } else {
            tasks?.cancel(task, because: error, at: loop.now, perform: perform)
        }
    }

    /// Cancels what a task that runs here has submitted.
    func cancelChildren(of parent: TaskID, isForced: Bool) {
        var children = tasks?.tasks { submission($0).parent == parent } ?? []
        for actor in actors.values { children += actor.queue.calls { submission($0).parent == parent } }
        for child in children {
            // Only a forced cancellation of a call can be refused.
            try? cancel(child, Cancellation(isRecursive: true, isForced: isForced && calls[child] == nil))
        }
    }

    // MARK: By time

    /// Sees to it that a submission ends in time; false when its time is over before it began.
    func watchDeadline(of submission: Submission) -> Bool {
        guard let deadline = submission.deadline else { return true }
        let task = submission.task
        guard deadlines[task] == nil else { return true }
        guard deadline > loop.now else {
            let error = Self.timeout(of: submission)
            fail(submission, error)
            reports.failed(submission, error: error, actor: nil)
            return false
        }
        deadlines[task] = loop.schedule(after: deadline - loop.now) { [unowned self] in
            deadlines[task] = nil
            try? cancel(task, Cancellation(), because: Self.timeout(of: submission, standing(of: task)))
        }
        return true
    }

    /// It has ended.
    func forgetDeadline(of submission: Submission) {
        guard submission.deadline != nil, let timer = deadlines.removeValue(forKey: submission.task) else { return }
        loop.cancel(timer)
    }

    /// What a worker is told of a submission's deadline: clocks of machines differ, so not when it is.
    func timeLeft(of submission: Submission) -> Int64? {
        submission.deadline.map { max(0, ($0 - loop.now).inNanoseconds) }
    }

    /// - Parameter standing: Where it was then, when that is known.
    private static func timeout(of submission: Submission, _ standing: String? = nil) -> MantaError {
        let time = submission.timeout.map { "within \($0)" } ?? "in the time of what submitted it"
        let place = standing.map { ", when \($0)" } ?? ""
        return MantaError(.timeout, "\(submission.title) (task \(submission.task)) did not end \(time)\(place); allow it more, or mend what holds it up")
    }
}
