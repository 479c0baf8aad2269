// The rules of CallQueue: order, ends, cancellation, and what becomes of calls when their actor dies. One test a rule.

import MantaModel
import Testing

@testable import MantaCore

private enum Told: Equatable {
    case send(Int, attempt: Int, sequence: UInt64)
    case retried(Int, attempt: Int)
    case cancelSent(TaskID)
    case fail(Int, MantaError.Code)
    case crowded(Int)
}

private final class Numbered: Sendable {
    let number: Int
    init(_ number: Int) { self.number = number }
}

private struct Bench {
    var queue = CallQueue(actor: ActorID(high: 1, low: 1))
    private(set) var asked: [Told] = []

    private static func number(_ payload: CallQueue.Payload) -> Int { unsafeDowncast(payload, to: Numbered.self).number }
    static func task(_ number: Int) -> TaskID { TaskID(high: 1, low: UInt64(number)) }

    mutating func on(_ event: (inout CallQueue, (CallQueue.Action) -> Void) -> Void) {
        event(&queue) { action in
            switch action {
            case .send(_, let attempt, let sequence, let number): asked.append(.send(Self.number(number), attempt: attempt, sequence: sequence))
            case .retried(_, let attempt, _, let number): asked.append(.retried(Self.number(number), attempt: attempt))
            case .cancelSent(let task): asked.append(.cancelSent(task))
            case .crowded(let count): asked.append(.crowded(count))
            case .fail(_, let number, let error): asked.append(.fail(Self.number(number), error.code))
            }
        }
    }
    mutating func submit(_ number: Int, missing: Int = 0, retries: Int? = nil) {
        on { $0.submitted(Self.task(number), missing: missing, retries: retries, payload: Numbered(number), perform: $1) }
    }
    mutating func become(
        _ state: ActorState, _ incarnation: Int = 0, maxTaskRetries: Int = 0, maxPendingCalls: Int? = nil, ordersCalls: Bool = true
    ) {
        let death = state == .alive || state == .pending ? nil : DeathCause(.signaled, "signal 9")
        let status = ActorStatusView(
            state: state, incarnation: incarnation, death: death, maxTaskRetries: maxTaskRetries, maxPendingCalls: maxPendingCalls, ordersCalls: ordersCalls)
        on { $0.changed(to: status, perform: $1) }
    }
    mutating func done(_ number: Int, attempt: Int = 1, mayRetry: Bool = false) -> Int? {
        var result: CallQueue.Payload?
        on { result = $0.done(Self.task(number), attempt: attempt, mayRetry: mayRetry, perform: $1) }
        return result.map(Self.number)
    }
    mutating func take() -> [Told] {
        defer { asked = [] }
        return asked
    }
}

@Suite struct CallQueueTests {
    @Test func callsAreSentInOrderOnceTheActorLives() {
        var caller = Bench()
        caller.submit(1, missing: 1)
        caller.submit(2)
        caller.become(.alive)
        #expect(caller.take().isEmpty, "the first misses an argument, the second waits behind it")
        caller.on { $0.argumentReady(Bench.task(1), perform: $1) }
        #expect(caller.take() == [.send(1, attempt: 1, sequence: 0), .send(2, attempt: 1, sequence: 1)])
        #expect(caller.done(2) == 2)
        #expect(caller.done(2) == nil, "an answer twice")
    }

    @Test func aDeathFailsWhatWasSentAndKeepsWhatWasNot() {
        var caller = Bench()
        caller.become(.alive)
        caller.submit(1)
        caller.submit(2, missing: 1)
        _ = caller.take()
        caller.become(.restarting, 1)
        #expect(caller.take() == [.fail(1, .actorUnavailable)])
        caller.on { $0.argumentReady(Bench.task(2), perform: $1) }
        caller.become(.alive, 1)
        #expect(caller.take() == [.send(2, attempt: 1, sequence: 0)])
    }

    @Test func lateNewsTakeAnIncarnationThatLivesNoStepBack() {
        var caller = Bench()
        caller.become(.alive)
        caller.submit(1)
        caller.become(.pending)
        caller.submit(2)
        #expect(caller.take() == [.send(1, attempt: 1, sequence: 0), .send(2, attempt: 1, sequence: 1)])
        caller.become(.restarting, 1)
        caller.become(.alive, 1)
        caller.submit(3)
        caller.become(.restarting, 1)
        caller.become(.pending)
        #expect(caller.take() == [.fail(1, .actorUnavailable), .fail(2, .actorUnavailable), .send(3, attempt: 1, sequence: 0)])
    }

    @Test func callsWithRetriesAreMadeAgainInTheirOrder() {
        var caller = Bench()
        caller.become(.alive, maxTaskRetries: 1)
        for number in 1...4 { caller.submit(number, retries: number == 3 ? 0 : nil) }
        #expect(caller.done(2) == 2)
        _ = caller.take()
        caller.become(.restarting, 1, maxTaskRetries: 1)
        caller.submit(5)
        #expect(caller.take() == [.retried(4, attempt: 2), .retried(1, attempt: 2), .fail(3, .actorUnavailable)])
        caller.become(.alive, 1, maxTaskRetries: 1)
        #expect(caller.take() == [.send(1, attempt: 2, sequence: 0), .send(4, attempt: 2, sequence: 1), .send(5, attempt: 1, sequence: 2)])
        #expect(caller.done(1, attempt: 1) == nil, "the answer of an earlier attempt")
        caller.become(.restarting, 2, maxTaskRetries: 1)
        #expect(caller.take() == [.retried(5, attempt: 2), .fail(1, .actorUnavailable), .fail(4, .actorUnavailable)])
    }

    @Test func anActorThatIsDeadForGoodFailsAllCalls() {
        var caller = Bench()
        caller.become(.alive, maxTaskRetries: -1)
        caller.submit(1)
        caller.submit(2, missing: 1)
        _ = caller.take()
        caller.become(.dead)
        #expect(caller.take() == [.fail(1, .actorDied), .fail(2, .actorDied)])
        caller.submit(3)
        #expect(caller.take() == [.fail(3, .actorDied)])
    }

    @Test func callersOfAnActorThatWentWithItsGroupAreToldOfTheGroup() {
        var caller = Bench()
        caller.become(.alive)
        caller.submit(1)
        _ = caller.take()
        caller.on { $0.changed(to: ActorStatusView(state: .dead, incarnation: 0, death: DeathCause(.groupRemoved, "gone")), perform: $1) }
        caller.submit(2)
        #expect(caller.take() == [.fail(1, .placementGroupRemoved), .fail(2, .placementGroupRemoved)])
    }

    @Test func callsBeyondTheLimitFailAtOnceUntilOthersHaveEnded() {
        var caller = Bench()
        caller.queue = CallQueue(actor: ActorID(high: 1, low: 1), maxPendingCalls: 2)
        for number in 1...3 { caller.submit(number) }
        #expect(caller.take() == [.fail(3, .overloaded)], "the actor does not live yet")
        caller.become(.alive, maxPendingCalls: 2)
        caller.submit(4)
        #expect(caller.take() == [.send(1, attempt: 1, sequence: 0), .send(2, attempt: 1, sequence: 1), .fail(4, .overloaded)])
        #expect(caller.done(1) == 1)
        caller.submit(5)
        #expect(caller.take() == [.send(5, attempt: 1, sequence: 2)])
    }

    @Test func manyCallsWithoutAnEndAreToldOnce() {
        var caller = Bench()
        for number in 1...Limits.crowdedActorCalls { caller.submit(number) }
        #expect(caller.take().isEmpty)
        for number in 1...3 { caller.submit(Limits.crowdedActorCalls + number) }
        #expect(caller.take() == [.crowded(Limits.crowdedActorCalls)])
    }

    @Test func whereCallsAreNotOrderedThoseThatMissArgumentsHoldUpNone() {
        var caller = Bench()
        caller.submit(1, missing: 2)
        caller.submit(2)
        caller.become(.alive, ordersCalls: false)
        caller.submit(3, missing: 1)
        caller.submit(4)
        #expect(caller.take() == [.send(2, attempt: 1, sequence: 0), .send(4, attempt: 1, sequence: 1)])
        caller.on { $0.argumentReady(Bench.task(1), perform: $1) }
        caller.on { $0.argumentReady(Bench.task(3), perform: $1) }
        caller.on { $0.argumentReady(Bench.task(1), perform: $1) }
        #expect(caller.take() == [.send(3, attempt: 1, sequence: 2), .send(1, attempt: 1, sequence: 3)])
        caller.submit(5, missing: 1)
        caller.submit(6, missing: 1)
        #expect(caller.queue.explain(Bench.task(5))?.hasPrefix("waits for 1 of its arguments") == true)
        #expect(caller.queue.longestWaiting(limit: 3).map(\.waitsForArguments) == [true, true])
        caller.on { $0.cancel(Bench.task(5), because: MantaError(.cancelled, "x"), perform: $1) }
        #expect(caller.take() == [.fail(5, .cancelled)])
        #expect(caller.queue.waitingCount == 1 && caller.queue.inFlightCount == 4)
        caller.become(.restarting, 1, maxTaskRetries: 1, ordersCalls: false)
        caller.on { $0.argumentReady(Bench.task(6), perform: $1) }
        caller.become(.alive, 1, maxTaskRetries: 1, ordersCalls: false)
        #expect(caller.take().compactMap { if case .send(let number, _, _) = $0 { number } else { nil } } == [2, 4, 3, 1, 6])
        caller.submit(7, missing: 1)
        caller.become(.dead, 1)
        #expect(caller.take().filter { if case .fail = $0 { true } else { false } }.count == 6)
    }

    @Test func failuresSayWhichActorDiedAndHow() {
        var queue = CallQueue(actor: ActorID(high: 1, low: 1))
        let node = NodeID(high: 3, low: 3)
        queue.changed(to: ActorStatusView(state: .alive, incarnation: 0, death: nil, type: "Shop.Counter", name: "hits", node: node)) { _ in }
        let death = DeathCause(.signaled, "it crashed", facts: DeathCause.Facts(pid: 7, signal: 11, uptimeMilliseconds: 5))
        queue.changed(to: ActorStatusView(state: .dead, incarnation: 0, death: death, type: "Shop.Counter", name: "hits")) { _ in }
        var failure: MantaError?
        queue.submitted(Bench.task(1), missing: 0, payload: Numbered(1)) { if case .fail(_, _, let error) = $0 { failure = error } }
        let details = failure?.details
        #expect(details?.death?.facts?.signal == 11 && details?.actor == queue.actor && details?.node == node)
        #expect(details?.actorType == "Shop.Counter" && details?.actorName == "hits")
    }

    @Test func anErrorToRetryOnUsesTheSameBudget() {
        var caller = Bench()
        caller.become(.alive)
        caller.submit(1, retries: 2)
        #expect(caller.done(1, attempt: 1, mayRetry: true) == nil)
        #expect(caller.take() == [.send(1, attempt: 1, sequence: 0), .retried(1, attempt: 2), .send(1, attempt: 2, sequence: 1)])
        caller.become(.restarting, 1)
        caller.become(.alive, 1)
        #expect(caller.take() == [.retried(1, attempt: 3), .send(1, attempt: 3, sequence: 0)])
        #expect(caller.done(1, attempt: 3, mayRetry: true) == 1, "no retry is left: the answer is the end")
    }

    @Test func aWaitingCallIsCancelledAndThoseBehindItGoOn() {
        var caller = Bench()
        caller.become(.alive)
        caller.submit(1, missing: 1)
        caller.submit(2)
        caller.on { $0.cancel(Bench.task(1), because: MantaError(.cancelled, "x"), perform: $1) }
        #expect(caller.take() == [.fail(1, .cancelled), .send(2, attempt: 1, sequence: 0)])
    }

    @Test func aSentCallIsCancelledAndItsAnswerChangesNothing() {
        var caller = Bench()
        caller.become(.alive, maxTaskRetries: -1)
        caller.submit(1)
        _ = caller.take()
        caller.on { $0.cancel(Bench.task(1), because: MantaError(.timeout, "x"), perform: $1) }
        #expect(caller.take() == [.cancelSent(Bench.task(1)), .fail(1, .timeout)])
        #expect(caller.done(1) == nil)
        caller.become(.restarting, 1)
        #expect(caller.take().isEmpty, "it is not made again")
    }
}
