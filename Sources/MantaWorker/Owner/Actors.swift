// Actors as this process calls them: their creation, where they are, and the calls that wait or are in flight.
//
// An actor's first call (or its creation) makes the owner watch it at the head; from then on the head tells every change, and calls go straight to the
// actor's worker. While the head is away, calls to actors that are known go on.

import MantaCore
import MantaLoop
import MantaModel
import MantaTransport
import MantaWire

/// How an actor that this process called ended.
struct ActorEnd {
    var status: ActorStatusView
    /// Why it never came to be.
    var failure: MantaError?
}

/// What this process knows of one actor it calls. A class: each of its calls comes by several times, and nothing is copied then.
final class ActorCalls {
    let actor: ActorID
    /// Unchecked: the loop's, and what it asks for while it changes never comes back to it.
    @exclusivity(unchecked) var queue: CallQueue
    /// To the worker of the living incarnation.
    @exclusivity(unchecked) var link: Link?
    /// Where that is.
    var place: RunningPlace?
    /// This process made it, and it ends with this process.
    var isOwned = false
    /// The head knows the actor: watching it makes sense.
    var isCreated: Bool
    /// Since when the head says that it does not know the actor.
    var unknownSince: Instant?
    /// The user knows that its calls wait because it does not start.
    var isToldOfStart = false
    /// Of one that this process made and that has not come alive yet: a head that is killed may have forgotten it.
    var specification: ActorSpecification?
    /// How many of its calls run at a time, and how many of each group; nil: it was made elsewhere.
    var concurrency: Int?
    var concurrencyGroups: [String: Int]?
    /// Why it never came to be: later calls fail with the same.
    @exclusivity(unchecked) var failure: MantaError?

    init(_ actor: ActorID, isCreated: Bool, maxPendingCalls: Int? = nil, ordersCalls: Bool = true) {
        (self.actor, self.isCreated) = (actor, isCreated)
        queue = CallQueue(actor: actor, maxPendingCalls: maxPendingCalls, ordersCalls: ordersCalls)
    }

    /// How many calls of the group, or of none, run at a time; nil where that is not known.
    func limit(of group: String?) -> Int? { group.map { concurrencyGroups?[$0] } ?? concurrency }
}

struct PendingCreation {
    var creation: ActorCreation
    var missing: Int
    /// Arguments that lay in a store.
    var opened: [ObjectID: ValueBytes] = [:]
}

extension Owner {
    // MARK: Creation

    func create(_ creation: ActorCreation) {
        let id = creation.specification.id
        if actors[id] == nil {
            let (limit, isOrdered) = (creation.specification.maxPendingCalls, creation.specification.ordersCalls ?? true)
            actors[id] = ActorCalls(id, isCreated: false, maxPendingCalls: limit, ordersCalls: isOrdered)
        }
        actors[id]?.isOwned = creation.specification.lifetime == .job
        actors[id]?.concurrency = creation.specification.maxConcurrency
        actors[id]?.concurrencyGroups = creation.specification.concurrencyGroups
        if creation.arguments.isEmpty { return order(creation.specification, getIfExists: creation.getIfExists) }
        var creation = creation
        let pins = pin(&creation.arguments, by: id.constructor)
        let missing = missingArguments(creation.arguments, settled: { [runtime = runtime!] in runtime.post(.creationArgumentSettled(id)) })
        creations[id] = PendingCreation(creation: creation, missing: missing)
        constructorArguments[id] = ConstructorArguments(arguments: creation.arguments, pins: pins, mayRestart: creation.specification.maxRestarts != 0)
        if missing == 0 { finishCreation(id) }
    }

    func creationArgumentSettled(_ id: ActorID) {
        guard creations[id] != nil else { return }
        creations[id]!.missing -= 1
        if creations[id]!.missing == 0 { finishCreation(id) }
    }

    /// Gives up an actor that waits for arguments of its constructor; false when it does not.
    func abandonCreation(of id: ActorID) -> Bool {
        guard creations.removeValue(forKey: id) != nil else { return false }
        changed(id, ActorStatusView(state: .dead, incarnation: 0, death: DeathCause(.killed, "it was killed before it was made")))
        return true
    }

    private func finishCreation(_ id: ActorID) {
        // A detached actor may live longer than the owners of its arguments: the head keeps their values.
        if let pending = creations[id], pending.creation.specification.lifetime == .detached {
            if let refusal = refusal(of: pending.creation) {
                creations[id] = nil
                return changed(id, ActorStatusView(state: .dead, incarnation: 0, death: DeathCause(.startFailed, refusal.message)), error: refusal)
            }
            if let (handle, place) = firstUnopened(pending) { return openArgument(handle, place, of: id) }
        }
        guard let pending = creations.removeValue(forKey: id) else { return }
        var creation = pending.creation
        if let error = failure(of: creation.arguments) {
            let cause = DeathCause(.startFailed, "an argument of its constructor failed: \(error)")
            return changed(id, ActorStatusView(state: .dead, incarnation: 0, death: cause))
        }
        let (values, references) = travelling(creation.arguments, opened: pending.opened)
        creation.specification.arguments = values
        creation.specification.references = references.isEmpty ? nil : references
        order(creation.specification, getIfExists: creation.getIfExists)
    }

    private func order(_ specification: ActorSpecification, getIfExists: Bool) {
        let id = specification.id
        actors[id]?.specification = specification
        if specification.name == nil, specification.lifetime == .job, specification.scheduling == nil {
            newActors.add(specification, self)
            return newActors.isFull ? sendActorOrders() : ()
        }
        headLink.request(CreateActor(specification: specification, getIfExists: getIfExists), deadline: .seconds(60)) { [self] result in
            defer { unheldAliases.remove(id) }
            switch result {
            case .success(let found) where found.status.type != specification.type:
                let error = MantaError(.wrongType, "the actor \"\(specification.name ?? "")\" is a \(found.status.type); expected a \(specification.type)")
                couldNotBeCreated(id, error)
            case .success(let found) where found.status.id != id:
                if !unheldAliases.contains(id) { runtime.alias(id, to: found.status.id) }
                releaseConstructorArguments(of: id)
                moveCalls(of: id, to: found.status.id)
            case .success(let found):
                actors[id]?.isCreated = true
                actorChanged(found.status)
                endIfUnused(id)
            case .failure(let error): couldNotBeCreated(id, error)
            }
        }
    }

    /// A head is no store for large values.
    private func refusal(of creation: ActorCreation) -> MantaError? {
        let sizes = creation.arguments.map(size)
        let sum = sizes.reduce(0, +)
        guard sum > Limits.detachedArgumentBytes, let largest = sizes.indices.max(by: { sizes[$0] < sizes[$1] }) else { return nil }
        return MantaError(
            .tooLarge,
            "what the constructor of \(creation.specification.type) was given takes \(sum) bytes, \(sizes[largest]) of them argument \(largest + 1); a detached actor outlives the process that makes it, so the head keeps what it was made with, up to \(Limits.detachedArgumentBytes) bytes: hand the actor large values in a call, or let it read them from where they lie")
    }

    /// Bytes of an argument that is there.
    private func size(of argument: ArgumentSource) -> Int {
        if case .value(let value) = argument { return value.parts.count }
        switch handle(of: argument)?.outcome {
        case .ready(let bytes): return bytes.count
        case .stored(let place): return place.size
        case .failed, nil: return 0
        }
    }

    func couldNotBeCreated(_ id: ActorID, _ error: MantaError) {
        changed(id, ActorStatusView(state: .dead, incarnation: 0, death: DeathCause(.startFailed, "it could not be created: \(error)")), error: error)
    }

    /// An argument that lies in a store and was not read yet.
    private func firstUnopened(_ pending: PendingCreation) -> (ObjectHandle, StoredPlace)? {
        for argument in pending.creation.arguments {
            guard let handle = handle(of: argument) else { continue }
            if case .stored(let place) = handle.outcome, pending.opened[handle.id] == nil { return (handle, place) }
        }
        return nil
    }

    private func openArgument(_ handle: ObjectHandle, _ place: StoredPlace, of id: ActorID) {
        open(handle, place) { [self] result in
            switch result {
            case .success(let bytes):
                creations[id]?.opened[handle.id] = bytes
                finishCreation(id)
            case .failure(let error):
                guard creations.removeValue(forKey: id) != nil else { return }
                let cause = DeathCause(.startFailed, "an argument of its constructor could not be read: \(error.message)")
                changed(id, ActorStatusView(state: .dead, incarnation: 0, death: cause))
            }
        }
    }

    /// `getIfExists` found another actor: what was called meanwhile goes there.
    private func moveCalls(of id: ActorID, to actual: ActorID) {
        guard let calls = actors.removeValue(forKey: id) else { return }
        var waiting: [Submission] = []
        let death = ActorStatusView(state: .dead, incarnation: 0, death: nil)
        calls.queue.changed(to: death) { action in
            if case .fail(_, let payload, _) = action { waiting.append(submission(payload)) }
        }
        for submission in waiting { call(submission.redirected(to: actual)) }
    }

    /// Its constructor is done, or will never run again.
    func releaseConstructorArguments(of id: ActorID) {
        guard let held = constructorArguments.removeValue(forKey: id) else { return }
        unpin(held.pins, by: id.constructor)
    }

    // MARK: Calls

    func call(_ submission: Submission) {
        guard case .method(var actor, _, let terms) = submission.target else { preconditionFailure("a call names a method") }
        actor = runtime.resolved(actor)
        for handle in submission.results where handle.isKept { objects.created(handle.id, source: submission.title, at: loop.now) }
        let task = submission.task
        guard watchDeadline(of: submission) else { return }
        let missing = submission.arguments.isEmpty ? 0 : pinAndAwaitArguments(of: submission)
        guard let target = known(actor) else { return fail(submission, behind: endedActors[actor]!, of: actor) }
        calls[task] = target
        update(target) { $0.submitted(task, missing: missing, retries: terms?.retries, payload: submission, perform: $1) }
    }

    /// Nil for one that is known to be dead.
    private func known(_ actor: ActorID) -> ActorCalls? {
        if let known = actors[actor] { return known }
        guard endedActors[actor] == nil else { return nil }
        let new = ActorCalls(actor, isCreated: true)
        actors[actor] = new
        watch(actor)
        return new
    }

    /// An argument of a waiting call is there, or failed: that shows when the call is sent.
    func callArgumentSettled(_ task: TaskID, of target: ActorCalls) {
        update(target) { $0.argumentReady(task, perform: $1) }
    }

    func callDone(_ done: TaskDone) -> Bool {
        guard let target = calls[done.task] else { return false }
        var mayRetry = false
        if case .values = done.outcome {} else { mayRetry = target.queue.payload(of: done.task).map { submission($0).mayRetry(on: done.outcome) } ?? false }
        var ended: Submission?
        if mayRetry { ending = done }
        update(target) { ended = $0.done(done.task, attempt: Int(done.attempt), mayRetry: mayRetry, perform: $1).map(submission) }
        ending = nil
        guard let submission = ended else { return true }
        calls[done.task] = nil
        settle(submission, with: done)
        release(submission)
        reports.ended(
            submission, outcome: done.outcome, startedAt: done.startedAt, duration: done.duration, actor: target.actor, at: placeOfAnswer(of: target),
            attempt: Int(done.attempt))
        if !unheldActors.isEmpty { endIfUnused(target.actor) }
        return true
    }

    /// Whether actors or placement groups live that would end with this process.
    var ownsSomethingAlive: Bool { ownedGroups.ownsAny || actors.values.contains { $0.isOwned && !$0.queue.isDead } }

    // MARK: Names

    /// A name was looked up: it holds until the actor dies, of which the head tells this process from now on.
    func found(_ name: ActorNames.Key, _ status: ActorStatus) {
        names.add(name, status)
        guard actors[status.id] == nil, endedActors[status.id] == nil else { return }
        actors[status.id] = ActorCalls(status.id, isCreated: true)
        watch(status.id)
    }

    // MARK: What the head says

    func watch(_ actor: ActorID) {
        headLink.request(WatchActor(actor: actor), deadline: .seconds(60)) { [self] result in
            switch result {
            case .success(let found): actorChanged(found.status)
            case .failure(let error) where error.code == .notFound:
                // The head was restarted before the actor came to live: to the new one it is to be said again.
                if let specification = actors[actor]?.specification { return order(specification, getIfExists: false) }
                if mayStillCome(actor) { return }
                // One that lived died while the head was away, and took with it what a new head could know.
                let hasLived = actors[actor]?.queue.hasLived ?? false
                let failure = hasLived ? MantaError(.actorDied, "actor \(actor.short) died while the head was away: \(error.message)") : error
                changed(actor, ActorStatusView(state: .dead, incarnation: .max, death: DeathCause(.killed, error.message)), error: failure)
            case .failure: loop.schedule(after: .seconds(1)) { [self] in watch(actor) }
            }
        }
    }

    /// A handle may be faster than the creation of its actor, which its creator only sent to the head: asks again for a while; false when that is over.
    private func mayStillCome(_ actor: ActorID) -> Bool {
        guard let calls = actors[actor], !calls.queue.hasLived else { return false }
        let since = calls.unknownSince ?? loop.now
        guard loop.now - since < Limits.unknownActorPatience else { return false }
        actors[actor]?.unknownSince = since
        loop.schedule(after: .milliseconds(20)) { [self] in watch(actor) }
        return true
    }

    /// The head may have been restarted: it must be told again whom this process watches, and what it made.
    func headIsThere() {
        for (actor, calls) in actors where calls.isCreated { watch(actor) }
        tables.rewatchAll(self)
        ownedGroups.sayAgain(on: headLink)
    }

    func actorsChanged(_ message: ActorsChanged) {
        // Many of one message may live in the same process.
        var latest: (address: ProcessAddress, link: Link)?
        for status in message.statuses {
            guard actors[status.id] != nil else { continue }
            if let address = status.address, status.state == .alive, latest?.address != address { latest = (address, transport.connect(to: address)) }
            actorChanged(status, link: latest?.link)
        }
    }

    func actorChanged(_ status: ActorStatus) {
        let isReachable = actors[status.id] != nil && status.state == .alive
        actorChanged(status, link: isReachable ? status.address.map { transport.connect(to: $0) } : nil)
    }

    private func actorChanged(_ status: ActorStatus, link: Link?) {
        if status.state == .alive, let link, let address = status.address, let known = actors[status.id] {
            known.link = link
            known.place = RunningPlace(node: status.node, worker: address.process)
            known.specification = nil
        }
        changed(
            status.id,
            ActorStatusView(
                state: status.state, incarnation: status.restarts, death: status.death, maxTaskRetries: status.maxTaskRetries ?? 0,
                maxPendingCalls: status.maxPendingCalls, ordersCalls: status.ordersCalls ?? true, type: status.type, name: status.name, node: status.node))
    }

    private func changed(_ actor: ActorID, _ status: ActorStatusView, error: MantaError? = nil) {
        if status.state == .dead {
            names.forget(actor)
            actors[actor]?.specification = nil
            snapshots.forget(actor)
        }
        if status.state == .dead || status.state == .alive && constructorArguments[actor]?.mayRestart == false { releaseConstructorArguments(of: actor) }
        guard let known = actors[actor] else { return }
        if let error { known.failure = error }
        tellOfStart(of: known, status)
        update(known, error: error) { $0.changed(to: status, perform: $1) }
        if status.state == .dead { bury(known, status) }
    }

    /// Calls may wait without end for an actor that is tried again and again: the user hears why, once until it lives.
    private func tellOfStart(of known: ActorCalls, _ status: ActorStatusView) {
        if status.state == .alive { known.isToldOfStart = false }
        guard status.state == .restarting, let death = status.death, [.startFailed, .programMissing].contains(death.kind), known.queue.waitingCount > 0,
            !known.isToldOfStart
        else { return }
        known.isToldOfStart = true
        let name = status.name.map { "\"\($0)\"" } ?? known.actor.short
        console.warning(
            "calls wait for actor \(name) of type \(status.type ?? "unknown"), which cannot be started and is tried again: \(death.detail)", from: address.process,
            at: loop.now)
    }

    /// Keeps of an actor that is dead only why: every call to it has ended.
    private func bury(_ known: ActorCalls, _ status: ActorStatusView) {
        let actor = known.actor
        guard actors[actor] === known, known.queue.isDead, known.queue.waitingCount + known.queue.inFlightCount == 0 else { return }
        actors[actor] = nil
        unheldActors.removeValue(forKey: actor)
        endedActors.remember(actor, ActorEnd(status: known.queue.completed(status), failure: known.failure))
    }

    /// A call to an actor that is known to be dead ends as one that waited for it.
    private func fail(_ submission: Submission, behind end: ActorEnd, of actor: ActorID) {
        let task = submission.task
        let dead = ActorCalls(actor, isCreated: false)
        dead.failure = end.failure
        calls[task] = dead
        update(dead) { queue, perform in
            queue.submitted(task, missing: 0, payload: submission, perform: perform)
            queue.changed(to: end.status, perform: perform)
        }
    }

    func fail(_ actor: ActorID, _ error: MantaError) {
        changed(actor, ActorStatusView(state: .dead, incarnation: .max, death: nil), error: error)
    }

    /// Changes an actor's queue and carries out what it asks for; `error` takes the place of the queue's own.
    func update(
        _ target: ActorCalls, error: MantaError? = nil, _ body: (inout CallQueue, (CallQueue.Action) -> Void) -> Void
    ) {
        let actor = target.actor
        var failures: [(Submission, any Error)] = []
        // A call whose argument failed was taken for sent by the queue.
        var unsent: [(TaskID, attempt: Int)] = []
        body(&target.queue) { action in
            switch action {
            case .send(let task, let attempt, let sequence, let payload):
                let submission = submission(payload)
                if let failure = failure(of: submission.arguments) {
                    unsent.append((task, attempt))
                    return failures.append((submission, failure))
                }
                send(submission, to: actor, attempt: attempt, sequence: sequence, on: target.link!)
            case .retried(_, let attempt, let reason, let payload):
                reports.retried(submission(payload), attempt: attempt, reason: reason, answer: ending, actor: actor)
            case .cancelSent(let task): target.link?.send(CancelTask(task: task, isRecursive: cancellation.isRecursive, actor: actor))
            case .crowded(let count):
                console.warning(
                    "\(count) calls of this process to actor \(actor.short) have not ended: await some before you make more, or limit them with maxPendingCalls",
                    from: address.process, at: loop.now)
            case .fail(_, let payload, let own):
                // A cancelled call says so also when the actor is gone.
                failures.append((submission(payload), own.code == .cancelled || own.code == .timeout ? own : error ?? target.failure ?? own))
            }
        }
        for (task, attempt) in unsent { _ = target.queue.done(task, attempt: attempt, perform: { _ in }) }
        for (submission, error) in failures {
            calls[submission.task] = nil
            release(submission)
            fail(submission, error)
            reports.failed(submission, error: error, actor: actor)
        }
        if !failures.isEmpty, !unheldActors.isEmpty { endIfUnused(actor) }
    }

    private func send(_ submission: Submission, to actor: ActorID, attempt: Int, sequence: UInt64, on link: Link) {
        guard case .method(_, let index, let terms) = submission.target else { return }
        reports.sent(submission, attempt: attempt, actor: actor, pid: link.peerPid)
        link.send(
            CallActor(
                task: submission.task, actor: actor, job: submission.job, parent: submission.parent, sequence: sequence, method: index,
                methodName: submission.methodName, resultCount: UInt32(submission.results.count), arguments: payloads(of: submission),
                attempt: UInt32(attempt), timeLeft: timeLeft(of: submission), group: terms?.group))
    }
}

extension ActorID {
    /// The task that constructs it, whatever the incarnation.
    var constructor: TaskID { TaskID(high: high, low: low) }
}
