// LeaseQueueTests: what of a lease's queue runs, is given back and can be cancelled, with a clock of the test's own.

import MantaModel
import Testing

@testable import MantaWorker

final class LeaseQueueTests {
    private struct Piece: LeaseQueueElement { let task: TaskID }

    private var queue = LeaseQueue<Piece>()
    private let patience: Duration = .milliseconds(20)

    private func task(_ number: Int) -> TaskID { TaskID(high: 0, low: UInt64(number)) }
    private func at(_ milliseconds: Int) -> Instant { .zero + .milliseconds(milliseconds) }

    private func add(_ number: Int, at time: Int) -> Bool { queue.add(Piece(task: task(number)), at: at(time)) }
    private func begin(at time: Int) -> TaskID? { queue.begin(at: at(time))?.task }
    private func replaceCancelled(at time: Int) -> Bool? { queue.replaceCancelled(at: at(time)) }
    private func waitBegan() -> Bool { queue.waitBegan() }
    private func waitEnded() -> Bool { queue.waitEnded() }
    private func delayed(at time: Int) -> [TaskID] { queue.takeDelayed(at: at(time), patience: patience).map(\.task) }

    @Test func `runs begin in the order they came, and one drainer is started for them`() {
        #expect(add(1, at: 0))
        #expect(!add(2, at: 0))
        #expect(begin(at: 0) == task(1))
        #expect(queue.standing(of: task(1))?.sentence == Standing.running.sentence)
        #expect(queue.standing(of: task(2))?.sentence == Standing.inLine(0).sentence)
        #expect(queue.unknown(among: [task(1), task(2), task(3)]) == [task(3)])
        #expect(begin(at: 1) == task(2))
        #expect(begin(at: 2) == nil)
        #expect(!add(3, at: 2), "it is still looked for more")
        #expect(begin(at: 3) == task(3))
        #expect(begin(at: 4) == nil)
        queue.rest(at: at(4))
        #expect(queue.occupation == .idle)
        #expect(add(4, at: 5))
    }

    @Test func `what waits behind a long run is given back, and what has begun is not`() {
        _ = add(1, at: 0)
        _ = add(2, at: 0)
        #expect(begin(at: 1) == task(1))
        #expect(delayed(at: 21).isEmpty)
        #expect(delayed(at: 22) == [task(2)])
        #expect(queue.occupation == .oneRun)
        #expect(queue.isRunning(task(1)))
    }

    /// Its owner would send nothing for a while to a worker that gave everything back.
    @Test func `nothing is given back for the sake of a run that has ended`() {
        _ = add(1, at: 0)
        #expect(begin(at: 0) == task(1))
        #expect(begin(at: 100) == nil)
        _ = add(2, at: 101)
        #expect(delayed(at: 101).isEmpty, "the long run before it is over")
        #expect(begin(at: 101) == task(2))
        #expect(begin(at: 109) == nil)
        queue.rest(at: at(109))
        #expect(add(3, at: 500))
        #expect(delayed(at: 500).isEmpty, "what drains it has not begun")
        #expect(delayed(at: 521) == [task(3)], "what drains it gets no thread")
    }

    @Test func `what waits behind a blocked run is given back at once`() {
        _ = add(1, at: 0)
        _ = add(2, at: 0)
        #expect(begin(at: 0) == task(1))
        #expect(waitBegan())
        #expect(!waitBegan())
        #expect(delayed(at: 0) == [task(2)])
        #expect(!waitEnded())
        #expect(queue.isBlocked)
        #expect(waitEnded())
        _ = add(3, at: 1)
        #expect(delayed(at: 1).isEmpty)
    }

    @Test func `what drains the queue is replaced when its run was cancelled`() {
        _ = add(1, at: 0)
        _ = add(2, at: 0)
        #expect(begin(at: 0) == task(1))
        guard case .notBegun(let piece) = queue.cancel(task(2)) else { return _ = Issue.record("it had not begun") }
        #expect(piece.task == task(2))
        guard case .unknown = queue.cancel(task(2)) else { return _ = Issue.record("it is gone") }
        #expect(replaceCancelled(at: 1) == nil)
        guard case .running = queue.cancel(task(1)) else { return _ = Issue.record("it runs") }
        _ = add(3, at: 50)
        #expect(replaceCancelled(at: 100) == true)
        #expect(delayed(at: 100).isEmpty, "the cancelled run is over")
        #expect(!add(4, at: 100), "the replacement was started")
        #expect(begin(at: 100) == task(3))
        guard case .running = queue.cancel(task(3)) else { return _ = Issue.record("it runs") }
        #expect(begin(at: 101) == task(4))
        #expect(replaceCancelled(at: 102) == false)
        #expect(queue.occupation == .idle)
    }
}
