// CallQueue: the calls of one process to one actor, from submission to their end.
//
// Life of a call: 1. submitted, behind all earlier ones 2. its arguments are there 3. all earlier ones were sent 4. sent, with the next sequence
// number of the actor's incarnation 5. done; or failed, when the incarnation it was sent to, or the actor, dies.
// Always: calls are sent in the order they were submitted; each ends exactly once; nothing is sent to an actor that is not alive. A call that was
// sent to an incarnation that died is not sent again: it may have run (at most once).

import DequeModule
package import MantaModel

package struct CallQueue<Payload> {
    package enum Action {
        /// Send the call to the living incarnation.
        case send(TaskID, sequence: UInt64, Payload)
        /// The call ends with this error.
        case fail(TaskID, Payload, MantaError)
    }

    private struct Waiting {
        var task: TaskID
        var payload: Payload
    }

    package let actor: ActorID
    private var state: ActorState = .pending
    private var incarnation = -1
    private var death: DeathCause?
    private var nextSequence: UInt64 = 0
    private var waiting: Deque<Waiting> = []
    /// How many arguments a waiting call still misses; a call that misses none is not in here.
    private var missing: [TaskID: Int] = [:]
    private var inFlight: [TaskID: Payload] = [:]

    package init(actor: ActorID) { self.actor = actor }

    package var waitingCount: Int { waiting.count }
    package var inFlightCount: Int { inFlight.count }

    /// A call was made; `missing` of its arguments are not there yet.
    package mutating func submitted(_ task: TaskID, missing count: Int, payload: Payload, perform: (Action) -> Void) {
        if state == .dead { return perform(.fail(task, payload, died())) }
        if waiting.count >= Limits.queuedActorCalls {
            let message = "\(waiting.count) calls wait for actor \(actor.short); await some before you make more"
            return perform(.fail(task, payload, MantaError(.overloaded, message)))
        }
        if state == .alive, waiting.isEmpty, count == 0 { return send(task, payload, perform) }
        if count > 0 { missing[task] = count }
        waiting.append(Waiting(task: task, payload: payload))
    }

    /// One more argument of a waiting call is there.
    package mutating func argumentReady(_ task: TaskID, perform: (Action) -> Void) {
        guard let count = missing[task] else { return }
        missing[task] = count > 1 ? count - 1 : nil
        sendReady(perform)
    }

    /// An argument failed, so the call cannot be made; those behind it can.
    package mutating func argumentFailed(_ task: TaskID, error: MantaError, perform: (Action) -> Void) {
        guard let index = waiting.firstIndex(where: { $0.task == task }) else { return }
        missing[task] = nil
        perform(.fail(task, waiting.remove(at: index).payload, error))
        sendReady(perform)
    }

    /// The head, or the call's link, told what became of the actor.
    package mutating func changed(to status: ActorStatusView, perform: (Action) -> Void) {
        guard state != .dead, status.incarnation >= incarnation else { return }
        if status.incarnation > incarnation || status.state != .alive { failInFlight(status.death, perform) }
        if status.incarnation > incarnation { (incarnation, nextSequence) = (status.incarnation, 0) }
        (state, death) = (status.state, status.death ?? death)
        switch state {
        case .alive: sendReady(perform)
        case .dead:
            let calls = waiting
            (waiting, missing) = ([], [:])
            for call in calls { perform(.fail(call.task, call.payload, died())) }
        case .pending, .restarting: break
        }
    }

    /// A sent call has ended; nil when it is not (or no longer) in flight.
    package mutating func done(_ task: TaskID) -> Payload? { inFlight.removeValue(forKey: task) }

    /// Nobody wants the call any more: one that was not sent is given back, to be failed; one in flight stays until it is done.
    package mutating func cancelled(_ task: TaskID, perform: (Action) -> Void) {
        argumentFailed(task, error: MantaError(.cancelled, "the call was cancelled before it was sent"), perform: perform)
    }

    package func isInFlight(_ task: TaskID) -> Bool { inFlight[task] != nil }

    private mutating func send(_ task: TaskID, _ payload: Payload, _ perform: (Action) -> Void) {
        inFlight[task] = payload
        defer { nextSequence += 1 }
        perform(.send(task, sequence: nextSequence, payload))
    }

    private mutating func sendReady(_ perform: (Action) -> Void) {
        while state == .alive, let first = waiting.first, missing[first.task] == nil {
            waiting.removeFirst()
            send(first.task, first.payload, perform)
        }
    }

    private mutating func failInFlight(_ cause: DeathCause?, _ perform: (Action) -> Void) {
        let calls = inFlight
        inFlight = [:]
        let reason = cause?.detail ?? "its process ended"
        for (task, payload) in calls {
            perform(.fail(task, payload, MantaError(.actorDied, "actor \(actor.short) died while the call was in flight: \(reason); the call may have run")))
        }
    }

    private func died() -> MantaError {
        MantaError(.actorDied, "actor \(actor.short) is dead: \(death?.detail ?? "it was ended")")
    }
}

/// What a caller needs to know of an actor's status.
package struct ActorStatusView: Hashable, Sendable {
    package var state: ActorState
    /// 0 for the first incarnation; grows with each restart.
    package var incarnation: Int
    package var death: DeathCause?
    package init(state: ActorState, incarnation: Int, death: DeathCause?) { (self.state, self.incarnation, self.death) = (state, incarnation, death) }
}
