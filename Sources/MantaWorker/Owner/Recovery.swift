// Recovery: what becomes of an own object whose bytes are gone from every store: its task runs again, or reading it says why it cannot.
//
// The rules, in this order: 1. another copy is used 2. else a spilled one is (the node that has it looks there by itself) 3. else the task that made it runs
// again, with its arguments, which are recovered first in the same way, to any depth. A task may run again as often as it has retries, counted for its
// recoveries alone; a call of an actor only when it has retries of its own (`maxTaskRetries`), since it may change the actor. What was put, what has used up
// its retries, and what was made by a task that is not remembered any more is lost: reading it throws `objectLost` with the reason.
// An object is recovered when somebody reads it, not when its node dies.
//
// What always holds: a submission that is remembered keeps its arguments, and none of its results; all of them together are within `Limits.lineageTasks`.

import DequeModule
import MantaCore
import MantaLoop
import MantaModel
import MantaTransport
import MantaWire

/// The task that made objects of this process that are in stores, so that it can run again.
final class Maker {
    let submission: Submission
    /// How often it may still run again; -1 is without end.
    var recoveriesLeft: Int
    /// Its results that lie in stores.
    var results: [ObjectID: Result] = [:]

    struct Result { weak var handle: ObjectHandle? }

    init(_ submission: Submission, recoveries: Int) { (self.submission, recoveriesLeft) = (submission.withoutResults, recoveries) }
}

extension Limits {
    /// Tasks whose results lie in stores that one process remembers; beyond, the oldest are forgotten.
    static let lineageTasks = 100_000
}

extension Owner {
    /// A result lies in a store: its task is remembered for as long as it does.
    func remember(_ submission: Submission, for handle: ObjectHandle) {
        let maker: Maker
        if let known = makers[submission.task] {
            maker = known
        } else {
            let retries: Int =
                switch submission.target {
                case .function(let options): options.retries
                case .method(_, _, let terms): terms?.retries ?? submission.actor.flatMap { actors[$0]?.queue.actorRetries }.map { Int($0) } ?? 0
                }
            guard !submission.isStream else { return }
            maker = Maker(submission, recoveries: retries)
            // It needs its arguments to run again.
            maker.submission.pins = pinAgain(submission.pins, by: submission.task)
            makers[submission.task] = maker
            makerOrder.append(submission.task)
            forgetOldMakers()
        }
        maker.results[handle.id] = Maker.Result(handle: handle)
    }

    private func forgetOldMakers() {
        while makers.count > Limits.lineageTasks, let oldest = makerOrder.popFirst() {
            guard let maker = makers.removeValue(forKey: oldest) else { continue }
            release(maker.submission)
            forgottenMakers += 1
        }
        // Those whose objects ended first leave their places behind.
        if makerOrder.count > 2 * makers.count + 1_000 { makerOrder.removeAll { makers[$0] == nil } }
    }

    /// An object has ended: nobody will ask for it again.
    func forgetMaker(of id: ObjectID) {
        guard let maker = makers[id.task] else { return }
        maker.results[id] = nil
        guard maker.results.isEmpty else { return }
        makers[id.task] = nil
        release(maker.submission)
    }

    /// An own object could not be read at a place. Calls back when it can be, somewhere, or is known to be lost.
    func recover(_ handle: ObjectHandle, lostAt place: StoredPlace, because error: MantaError, _ done: @escaping (Result<ObjectHandle.Outcome, MantaError>) -> Void) {
        _ = objects.copyChanged(handle.id, on: place.node, isThere: false)
        if case .stored(let now)? = handle.outcome, now != place { return done(.success(.stored(now))) }
        if let other = objects.entries[handle.id]?.copies.first {
            // No slot is known there: the reader's node fetches it.
            let moved = StoredPlace(node: other, slot: .max, generation: 0, size: place.size)
            handle.move(to: moved)
            return done(.success(.stored(moved)))
        }
        if handle.isSettled {
            guard let lost = makeAgain(handle, place, error) else { return wait(for: handle, done) }
            handle.lose(lost)
            return done(.failure(lost))
        }
        // It is being made already.
        wait(for: handle, done)
    }

    private func wait(for handle: ObjectHandle, _ done: @escaping (Result<ObjectHandle.Outcome, MantaError>) -> Void) {
        let back = LoopBound(done, on: loop)
        handle.onReady { handle in
            back.loop.execute {
                guard let outcome = handle.outcome else { preconditionFailure("a handle that calls back is settled") }
                back.value(.success(outcome))
            }
        }
    }

    /// Runs the object's task again; returns why that cannot be.
    private func makeAgain(_ handle: ObjectHandle, _ place: StoredPlace, _ error: MantaError) -> MantaError? {
        let what = "object \(handle.id), made by \(objects.source(of: handle.id) ?? "a task"), is not to be had from node \(place.node.node.short) any more"
        guard let maker = makers[handle.id.task] else {
            let reason =
                objects.source(of: handle.id) == "put"
                ? "what was put cannot be made again; keep the reference of a task's result instead, or put it again"
                : "its task is not remembered: \(forgottenMakers) were forgotten beyond \(Limits.lineageTasks), or it delivers a stream"
            return MantaError(.objectLost, "\(what), and \(reason)", cause: error)
        }
        guard maker.recoveriesLeft != 0 else {
            let isCall = if case .method = maker.submission.target { true } else { false }
            let reason =
                isCall ? "calls of actors are made again only with retries (maxTaskRetries)" : "its task allows no further run: the maximum of reconstruction attempts was exceeded"
            return MantaError(.objectLost, "\(what), and \(reason)", cause: error)
        }
        if maker.recoveriesLeft > 0 { maker.recoveriesLeft -= 1 }
        let submission = maker.submission.again(handles: maker.results.compactMapValues(\.handle), owner: address)
        submission.pins = pinAgain(maker.submission.pins, by: submission.task)
        for result in submission.results { result.unsettle() }
        switch submission.target {
        case .function: submit(submission)
        case .method: call(submission)
        }
        return nil
    }
}

extension Submission {
    /// What is needed to make the call again.
    var withoutResults: Submission { with(results: []) }

    /// The call once more. Results that nobody holds any more are made too, and end at once.
    func again(handles: [ObjectID: ObjectHandle], owner: ProcessAddress) -> Submission {
        let count = resultCount
        return with(
            results: (0..<count).map { index in
                let id = ObjectID(task: task, index: UInt32(index))
                return handles[id] ?? ObjectHandle(id: id, owner: owner, keeper: nil)
            })
    }

    private func with(results: [ObjectHandle]) -> Submission {
        Submission(
            task: task, target: target, function: function, methodName: methodName, job: job, parent: parent, arguments: arguments, results: results,
            resultCount: resultCount, submittedAt: submittedAt, deadline: nil)
    }

    /// The actor that is called.
    var actor: ActorID? { if case .method(let actor, _, _) = target { actor } else { nil } }

    var isStream: Bool {
        switch target {
        case .function(let options): options.isStream
        case .method(_, _, let terms): terms?.isStream == true
        }
    }
}
