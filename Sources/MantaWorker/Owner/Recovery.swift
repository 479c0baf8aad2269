// Recovery: what becomes of an own object whose bytes are gone from every store: its task runs again, or reading it says why it cannot.
//
// The rules, in this order: 1. another copy is used 2. else a spilled one is (the node that has it looks there by itself) 3. else the task that made it runs
// again, with its arguments, which are recovered first in the same way, to any depth. A task may run again as often as it has retries, counted for its
// recoveries alone; a call of an actor only when it has retries of its own (`maxTaskRetries`), since it may change the actor. What was put, what has used up
// its retries, and what was made by a task that is not remembered any more is lost: reading it throws `objectLost` with the reason.
// An object is recovered when somebody reads it, not when its node dies.
//
// The items of a stream are made again by running all of it once more; what is not lost, or was never taken, is dropped as it comes. While the task still
// runs, it is given up and runs again.
//
// What always holds: a submission that is remembered keeps its arguments, and none of its results; all of them together take no more bytes than the
// process may use for them (`MANTA_LINEAGE_BYTES`), and the oldest are forgotten first.

import DequeModule
import MantaCore
import MantaLoop
package import MantaModel
import MantaTransport
import MantaWire

/// The task that made objects of this process that are in stores, so that it can run again.
final class Maker {
    let submission: Submission
    /// How often it may still run again; -1 is without end.
    var recoveriesLeft: Int
    /// What it takes, roughly.
    let bytes: Int
    /// Its results that lie in stores.
    var results: [ObjectID: Result] = [:]

    struct Result { weak var handle: ObjectHandle? }

    init(_ submission: Submission, recoveries: Int) {
        (self.submission, recoveriesLeft) = (submission.withoutResults, recoveries)
        bytes = submission.arguments.reduce(400 + submission.function.utf8.count) { sum, argument in
            if case .value(let value) = argument { sum + value.parts.count } else { sum + 64 }
        }
    }
}

/// The tasks whose results lie in stores, in the order they were made.
struct Lineage {
    /// What they may take together.
    var limit = Limits.lineageBytes
    private(set) var makers: [TaskID: Maker] = [:]
    private var order: Deque<TaskID> = []
    private var bytes = 0
    private(set) var forgotten = 0

    subscript(_ task: TaskID) -> Maker? { makers[task] }

    /// Returns those that are forgotten for it.
    mutating func add(_ maker: Maker) -> [Maker] {
        makers[maker.submission.task] = maker
        order.append(maker.submission.task)
        bytes += maker.bytes
        var gone: [Maker] = []
        while bytes > limit, let oldest = order.popFirst() {
            guard let maker = remove(oldest) else { continue }
            gone.append(maker)
            forgotten += 1
        }
        // Those whose objects ended first leave their places behind.
        if order.count > 2 * makers.count + 1_000 { order.removeAll { makers[$0] == nil } }
        return gone
    }

    mutating func remove(_ task: TaskID) -> Maker? {
        guard let maker = makers.removeValue(forKey: task) else { return nil }
        bytes -= maker.bytes
        return maker
    }
}

extension Limits {
    /// What a process may use to remember tasks whose results lie in stores, unless `MANTA_LINEAGE_BYTES` says otherwise (Ray's value too).
    package static let lineageBytes = 1 << 30
}

extension Owner {
    /// A result lies in a store: its task is remembered for as long as it does.
    func remember(_ submission: Submission, for handle: ObjectHandle) {
        let maker: Maker
        if let known = lineage[submission.task] {
            maker = known
        } else {
            let retries: Int =
                switch submission.target {
                case .function(let options): options.retries
                case .method(_, _, let terms): terms?.retries ?? submission.actor.flatMap { actors[$0]?.queue.actorRetries }.map { Int($0) } ?? 0
                }
            maker = Maker(submission, recoveries: retries)
            // It needs its arguments to run again.
            maker.submission.pins = pinAgain(submission.pins, by: submission.task)
            for forgotten in lineage.add(maker) { release(forgotten.submission) }
        }
        maker.results[handle.id] = Maker.Result(handle: handle)
    }

    /// An object has ended: nobody will ask for it again.
    func forgetMaker(of id: ObjectID) {
        guard let maker = lineage[id.task] else { return }
        maker.results[id] = nil
        guard maker.results.isEmpty, let maker = lineage.remove(id.task) else { return }
        release(maker.submission)
    }

    /// An own object could not be read at a place. Calls back when it can be, somewhere, or is known to be lost.
    ///
    /// Who could not read it may have failed for reasons of its own, as the end of its own node: a node that lives is asked whether it has the object.
    func recover(_ handle: ObjectHandle, lostAt place: StoredPlace, because error: MantaError, _ done: @escaping (Result<ObjectHandle.Outcome, MantaError>) -> Void) {
        // It was freed, or given up as lost, while somebody went to read it.
        if case .failed(let failure)? = handle.outcome { return done(.success(.failed(failure))) }
        guard !isGone(place.node.node.process) else { return lost(handle, at: place, because: error, done) }
        link(to: place.node).request(DescribeCopies(objects: [handle.id])) { [self] result in
            guard case .success(let answer) = result, let isSpilled = answer.areSpilled.first, isSpilled != nil else {
                return lost(handle, at: place, because: error, done)
            }
            if let outcome = handle.outcome { done(.success(outcome)) } else { wait(for: handle, done) }
        }
    }

    private func lost(_ handle: ObjectHandle, at place: StoredPlace, because error: MantaError, _ done: @escaping (Result<ObjectHandle.Outcome, MantaError>) -> Void) {
        if case .failed(let failure)? = handle.outcome { return done(.success(.failed(failure))) }
        _ = objects.copyChanged(handle.id, on: place.node, isThere: false)
        // A node that lives may have it all the same.
        if !isGone(place.node.node.process) { leave(handle.id, on: place.node) }
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
        guard let maker = lineage[handle.id.task] else {
            let reason =
                objects.source(of: handle.id) == "put"
                ? "what was put cannot be made again; keep the reference of a task's result instead, or put it again"
                : "its task is not remembered: lineage eviction has forgotten \(lineage.forgotten) tasks of this process, since all took more than \(lineage.limit) bytes (MANTA_LINEAGE_BYTES)"
            return MantaError(.objectLost, "\(what), and \(reason)", cause: error)
        }
        guard maker.recoveriesLeft != 0 else {
            let isCall = if case .method = maker.submission.target { true } else { false }
            let reason =
                isCall ? "calls of actors are made again only with retries (maxTaskRetries)" : "its task allows no further run: the maximum of reconstruction attempts was exceeded"
            return MantaError(.objectLost, "\(what), and \(reason)", cause: error)
        }
        if pending(handle.id.task) != nil {
            // A stream that is still being made. Unless this item is still to come in the present attempt, that one is given up.
            let source = streamSources[handle.id.task]
            if let source, Int(source.attempt) == tasks?.attempt(of: handle.id.task), Int(handle.id.index) <= source.sent {
                let runsAgain = tasks?.runAgain(handle.id.task, because: error, at: loop.now, perform: perform) ?? false
                if !runsAgain { return MantaError(.objectLost, "\(what), and its task, which still runs, allows no further run", cause: error) }
            }
            handle.unsettle()
            return nil
        }
        if maker.recoveriesLeft > 0 { maker.recoveriesLeft -= 1 }
        let handles = maker.results.compactMapValues(\.handle)
        let submission = maker.submission.again(handles: handles, owner: address)
        submission.pins = pinAgain(maker.submission.pins, by: submission.task)
        streamSources[submission.task] = nil
        // What other stores have stays readable meanwhile.
        for result in handles.values where objects.entries[result.id]?.copies.isEmpty ?? true { result.unsettle() }
        switch submission.target {
        case .function: submit(submission)
        case .method: call(submission)
        }
        return nil
    }
}

extension Owner {
    // MARK: Streams

    /// An item that was made before: it takes the place of what was lost, is another copy, or is of no use.
    func remade(_ item: StreamItem, as id: ObjectID) {
        guard objects.isWanted(id), let handle = lineage[id.task]?.results[id]?.handle else {
            if let node = item.value.node { free(id, on: [node]) }
            return
        }
        if handle.isSettled {
            if let node = item.value.node { _ = objects.copyChanged(id, on: node, isThere: true) }
            return
        }
        if !item.contents.isEmpty { contain(item.contents, in: id) }
        objects.settled(id, size: item.value.size, on: item.value.node, attempt: item.attempt)
        handle.settle(.init(item.value))
    }

    /// A stream was made again, and these items did not come.
    func loseUnmade(of submission: Submission, _ error: (any Error)?) {
        guard let maker = lineage[submission.task] else { return }
        for result in maker.results.values {
            guard let handle = result.handle, !handle.isSettled else { continue }
            objects.settled(handle.id, size: nil)
            handle.fail(error ?? MantaError(.objectLost, "object \(handle.id) was lost, and \(submission.title), made again, delivered fewer items than before"))
        }
    }
}

extension Submission {
    /// What is needed to make the call again.
    var withoutResults: Submission { with(results: []) }

    /// The call once more. Results that nobody holds any more are made too, and end at once.
    func again(handles: [ObjectID: ObjectHandle], owner: ProcessAddress) -> Submission {
        let stream = isStream ? StreamHandle {} : nil
        // Nobody takes its items in turn: the producer waits for nobody.
        stream?.abandon()
        return with(
            results: (0..<resultCount).map { index in
                let id = ObjectID(task: task, index: UInt32(index))
                return handles[id] ?? ObjectHandle(id: id, owner: owner, keeper: nil, stream: stream)
            }, isAgain: true)
    }

    private func with(results: [ObjectHandle], isAgain: Bool = false) -> Submission {
        Submission(
            task: task, target: target, function: function, methodName: methodName, job: job, parent: parent, arguments: arguments, results: results,
            resultCount: resultCount, submittedAt: submittedAt, deadline: nil, isAgain: isAgain)
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
