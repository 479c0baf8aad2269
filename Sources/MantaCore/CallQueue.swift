// CallQueue: the calls of one process to one actor, from submission to their end.
//
// Life of a call: 1. submitted, behind all earlier ones 2. its arguments are there 3. all earlier ones were sent 4. sent, with the next sequence
// number of the actor's incarnation 5. done; or, when it threw what it is to be retried on, or the incarnation it was sent to died: back to 3 as its next
// attempt, in front of all that were not sent, if it has retries left; else failed.
// Always: first attempts are sent in the order they were submitted, and so are those that one death made again (calls of an actor that does not order
// them pass those whose arguments are missing); each call ends exactly once; nothing is
// sent to an actor that is not alive. A call without retries that was sent to an incarnation that died is not sent again: it may have run. It ends with
// `actorUnavailable` where the actor is made again, else with why it is dead.

import DequeModule
package import MantaModel

package struct CallQueue {
    /// What the caller wants back with the actions: one word, so that it costs nothing to move.
    package typealias Payload = any AnyObject & Sendable

    package enum Action {
        /// Send the call to the living incarnation.
        case send(TaskID, attempt: Int, sequence: UInt64, Payload)
        /// The call runs again, as this attempt: the one before failed for this reason, or, without a reason, with what its worker answered.
        case retried(TaskID, attempt: Int, MantaError?, Payload)
        /// Tell the actor's worker that nobody waits for the call any more. Its answer will change nothing.
        case cancelSent(TaskID)
        /// The call ends with this error.
        case fail(TaskID, Payload, MantaError)
        /// So many calls have not ended: people should know. Once.
        case crowded(Int)
    }

    private struct Call {
        var task: TaskID
        var payload: Payload
        /// From 1.
        var attempt: Int32 = 1
        /// -1 is without end; `Int32.min` is as the actor says.
        var retries: Int32
    }

    private struct Sent {
        var call: Call
        var sequence: UInt64
    }

    package let actor: ActorID
    private var state: ActorState = .pending
    private var incarnation = -1
    private var death: DeathCause?
    /// What callers are told of it besides: its type, its name, and where it lived last.
    private var actorDetails: MantaError.Details
    /// Retries of the calls that do not say otherwise.
    package private(set) var actorRetries: Int32 = 0
    private var nextSequence: UInt64 = 0
    private var waiting: Deque<Call> = []
    /// Calls beyond this number fail at once.
    private var maxPending = Int.max
    private var isOrdered = true
    private var isToldCrowded = false
    /// Where calls are not ordered: those that miss arguments.
    private var held: [TaskID: Call] = [:]
    /// How many arguments a waiting call still misses; a call that misses none is not in here.
    private var missing: [TaskID: Int] = [:]
    private var inFlight: [TaskID: Sent] = [:]

    /// What the actor's maker knows of it before it lives; others learn it with its status.
    package init(actor: ActorID, maxPendingCalls: Int? = nil, ordersCalls: Bool = true) {
        (self.actor, maxPending, isOrdered) = (actor, maxPendingCalls ?? .max, ordersCalls)
        actorDetails = MantaError.Details(actor: actor)
    }

    /// Whether it was ever known to be alive.
    package var hasLived: Bool { incarnation >= 0 }
    /// Whether it has ended for good.
    package var isDead: Bool { state == .dead }
    package var waitingCount: Int { waiting.count + held.count }
    package var inFlightCount: Int { inFlight.count }

    /// A call was made; `missing` of its arguments are not there yet. `retries` is how often it may be made again, -1 without end; nil is as the
    /// actor says.
    package mutating func submitted(_ task: TaskID, missing count: Int, retries: Int? = nil, payload: Payload, perform: (Action) -> Void) {
        if state == .dead { return perform(.fail(task, payload, died())) }
        let pending = waiting.count + held.count + inFlight.count
        if pending >= Limits.crowdedActorCalls, !isToldCrowded {
            isToldCrowded = true
            perform(.crowded(pending))
        }
        if pending >= maxPending || waiting.count + held.count >= Limits.queuedActorCalls {
            let limit = pending >= maxPending ? ", as many as its option maxPendingCalls allows" : ""
            let message = "\(pending) calls of this process to actor \(actor.short) have not ended\(limit); await some before you make more"
            return perform(.fail(task, payload, MantaError(.overloaded, message)))
        }
        let call = Call(task: task, payload: payload, retries: retries.map { Int32(clamping: $0) } ?? .min)
        if state == .alive, waiting.isEmpty, count == 0 { return send(call, perform) }
        if count > 0 { missing[task] = count }
        if !isOrdered, count > 0 { held[task] = call } else { wait(call, perform) }
    }

    /// Takes its place in the line; where calls are not ordered, nothing holds the line up while the actor lives.
    private mutating func wait(_ call: Call, _ perform: (Action) -> Void) {
        if !isOrdered, state == .alive { return send(call, perform) }
        waiting.append(call)
    }

    /// One more argument of a waiting call is there.
    package mutating func argumentReady(_ task: TaskID, perform: (Action) -> Void) {
        guard let count = missing[task] else { return }
        missing[task] = count > 1 ? count - 1 : nil
        if count == 1, let call = held.removeValue(forKey: task) { return wait(call, perform) }
        sendReady(perform)
    }

    /// Nobody wants the call any more, or its time is over: it ends with the error, wherever it is. Those behind it go on.
    package mutating func cancel(_ task: TaskID, because error: MantaError, perform: (Action) -> Void) {
        if let sent = inFlight.removeValue(forKey: task) {
            perform(.cancelSent(task))
            return perform(.fail(task, sent.call.payload, error))
        }
        if let call = held.removeValue(forKey: task) {
            missing[task] = nil
            return perform(.fail(task, call.payload, error))
        }
        guard let index = waiting.firstIndex(where: { $0.task == task }) else { return }
        missing[task] = nil
        perform(.fail(task, waiting.remove(at: index).payload, error))
        sendReady(perform)
    }

    /// The head, or the call's link, told what became of the actor.
    package mutating func changed(to status: ActorStatusView, perform: (Action) -> Void) {
        guard state != .dead, status.incarnation >= incarnation else { return }
        // Late news: an incarnation that lives is not about to begin. Nor is it for a head that waits to hear of it after a restart.
        if status.incarnation == incarnation, state == .alive, status.state != .dead { return }
        actorRetries = Int32(clamping: status.maxTaskRetries)
        maxPending = status.maxPendingCalls ?? .max
        if !status.ordersCalls, isOrdered { stopOrdering() }
        actorDetails = MantaError.Details(
            actor: actor, actorType: status.type ?? actorDetails.actorType, actorName: status.name ?? actorDetails.actorName,
            node: status.node ?? actorDetails.node)
        if status.incarnation > incarnation || status.state != .alive { loseInFlight(status, perform) }
        if status.incarnation > incarnation { (incarnation, nextSequence) = (status.incarnation, 0) }
        (state, death) = (status.state, status.death ?? death)
        switch state {
        case .alive: sendReady(perform)
        case .dead:
            let calls = waiting + held.values
            (waiting, held, missing) = ([], [:], [:])
            for call in calls { perform(.fail(call.task, call.payload, died())) }
        case .pending, .restarting: break
        }
    }

    /// A sent call was answered. Returns its payload when it has ended; nil when the answer is late, or when it is made again: with `mayRetry` the answer is
    /// an error on which it is, as long as it has retries.
    package mutating func done(_ task: TaskID, attempt: Int, mayRetry: Bool = false, perform: (Action) -> Void) -> Payload? {
        guard let sent = inFlight[task], Int(sent.call.attempt) == attempt else { return nil }
        inFlight[task] = nil
        guard mayRetry, hasRetry(sent.call) else { return sent.call.payload }
        again(sent.call, nil, perform)
        sendReady(perform)
        return nil
    }

    /// What the runtime keeps with a call that was sent.
    package func payload(of task: TaskID) -> Payload? { inFlight[task]?.call.payload }

    /// The same of a call in any state. Looks through the line.
    package func anyPayload(of task: TaskID) -> Payload? { payload(of: task) ?? held[task]?.payload ?? waiting.first { $0.task == task }?.payload }

    /// One sentence about a call: where it is and what it waits for. Nil when it has ended. Looks through the line.
    package func explain(_ task: TaskID) -> String? {
        if let sent = inFlight[task] { return "was sent to actor \(actor.short), which is \(state.rawValue), as attempt \(sent.call.attempt)" }
        if held[task] != nil { return "waits for \(missing[task] ?? 0) of its arguments, and then for actor \(actor.short), which is \(state.rawValue)" }
        guard let position = waiting.firstIndex(where: { $0.task == task }) else { return nil }
        let line = "waits in line for actor \(actor.short), which is \(state.rawValue), behind \(position) calls of this process"
        if let count = missing[task] { return "\(line), and for \(count) of its arguments" }
        guard state == .alive, let first = waiting.first, let count = missing[first.task] else { return line }
        return "\(line): the first of them, task \(first.task), waits for \(count) of its arguments"
    }

    /// The first calls of the line, and whether each waits for arguments of its own.
    package func longestWaiting(limit: Int) -> [(payload: Payload, waitsForArguments: Bool)] {
        (waiting.prefix(limit) + held.values.prefix(max(0, limit - waiting.count))).map { ($0.payload, missing[$0.task] != nil) }
    }
    /// Calls that wait for arguments of their own.
    package var unreadyCount: Int { missing.count }

    /// The calls whose payload is as asked, in no order. Looks at all of them.
    package func calls(where isWanted: (Payload) -> Bool) -> [TaskID] {
        (waiting + held.values).filter { isWanted($0.payload) }.map(\.task) + inFlight.values.filter { isWanted($0.call.payload) }.map(\.call.task)
    }

    private func hasRetry(_ call: Call) -> Bool {
        let retries = call.retries == .min ? actorRetries : call.retries
        return retries < 0 || call.attempt <= retries
    }

    /// The call is made again, before all that were not sent.
    private mutating func again(_ call: Call, _ reason: MantaError?, _ perform: (Action) -> Void) {
        var call = call
        call.attempt += 1
        perform(.retried(call.task, attempt: Int(call.attempt), reason, call.payload))
        waiting.prepend(call)
    }

    private mutating func send(_ call: Call, _ perform: (Action) -> Void) {
        inFlight[call.task] = Sent(call: call, sequence: nextSequence)
        defer { nextSequence += 1 }
        perform(.send(call.task, attempt: Int(call.attempt), sequence: nextSequence, call.payload))
    }

    /// It is known now that the actor does not order calls: those that miss arguments leave the line.
    private mutating func stopOrdering() {
        isOrdered = false
        for call in waiting where missing[call.task] != nil { held[call.task] = call }
        waiting.removeAll { held[$0.task] != nil }
    }

    private mutating func sendReady(_ perform: (Action) -> Void) {
        while state == .alive, let first = waiting.first, missing[first.task] == nil {
            waiting.removeFirst()
            send(first, perform)
        }
    }

    private mutating func loseInFlight(_ status: ActorStatusView, _ perform: (Action) -> Void) {
        guard !inFlight.isEmpty else { return }
        let calls = inFlight.values.sorted { $0.sequence < $1.sequence }
        inFlight = [:]
        let reason = "actor \(actor.short) died while the call was in flight: \(status.death?.detail ?? "its process ended")"
        // In front of each other, so the latest first.
        for sent in calls.reversed() where status.state != .dead && hasRetry(sent.call) {
            again(sent.call, failure(.actorUnavailable, reason, status.death), perform)
        }
        let code = status.state == .dead ? status.death?.errorCode ?? .actorDied : .actorUnavailable
        let future = status.state == .dead ? "" : "; the actor is made again, and takes later calls"
        for sent in calls where status.state == .dead || !hasRetry(sent.call) {
            let tries = sent.call.attempt > 1 ? "; it was tried \(sent.call.attempt) times" : ""
            let text = "\(reason); the call may have run\(tries)\(future)"
            perform(.fail(sent.call.task, sent.call.payload, failure(code, text, status.death, attempts: Int(sent.call.attempt))))
        }
    }

    /// The status with what the queue learned of the actor before.
    package func completed(_ status: ActorStatusView) -> ActorStatusView {
        var status = status
        (status.death, status.type) = (status.death ?? death, status.type ?? actorDetails.actorType)
        (status.name, status.node) = (status.name ?? actorDetails.actorName, status.node ?? actorDetails.node)
        return status
    }

    private func died() -> MantaError {
        failure(death?.errorCode ?? .actorDied, "actor \(actor.short) is dead: \(death?.detail ?? "it was ended")", death)
    }

    private func failure(_ code: MantaError.Code, _ message: String, _ death: DeathCause?, attempts: Int? = nil) -> MantaError {
        var details = actorDetails
        (details.death, details.attempts) = (death, attempts)
        return MantaError(code, message, details: details)
    }
}

/// What a caller needs to know of an actor's status.
package struct ActorStatusView: Hashable, Sendable {
    package var state: ActorState
    /// 0 for the first incarnation; grows with each restart.
    package var incarnation: Int
    package var death: DeathCause?
    /// Retries of the calls to it that do not say otherwise; -1 is without end.
    package var maxTaskRetries: Int
    /// Calls of one process to it that may be without an end at a time; nil is without limit.
    package var maxPendingCalls: Int?
    /// Whether a call whose arguments are missing holds up those behind it.
    package var ordersCalls: Bool
    package var type: String?
    package var name: String?
    /// Where it lives, or is about to.
    package var node: NodeID?
    package init(
        state: ActorState, incarnation: Int, death: DeathCause?, maxTaskRetries: Int = 0, maxPendingCalls: Int? = nil, ordersCalls: Bool = true,
        type: String? = nil, name: String? = nil, node: NodeID? = nil
    ) {
        (self.type, self.name, self.node) = (type, name, node)
        (self.state, self.incarnation, self.death, self.maxTaskRetries) = (state, incarnation, death, maxTaskRetries)
        (self.maxPendingCalls, self.ordersCalls) = (maxPendingCalls, ordersCalls)
    }
}

extension DeathCause {
    /// What callers of an actor that died so see. The loss of its node is the death of the actor too: the reason says which node.
    fileprivate var errorCode: MantaError.Code {
        switch kind {
        case .unschedulable: .unschedulable
        case .outOfMemory: .outOfMemory
        case .groupRemoved: .placementGroupRemoved
        default: .actorDied
        }
    }
}
