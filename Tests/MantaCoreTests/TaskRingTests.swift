// TaskRingTests: one record per task, the newest word wins, the oldest record goes.

import MantaModel
import Testing

@testable import MantaCore

@Suite struct TaskRingTests {
    private let job = JobID.random()
    private let process = ProcessID(high: 1, low: 1)

    private func row(_ number: UInt64, _ state: TaskState, attempt: Int = 1, at milliseconds: Int64 = 0, job: JobID? = nil) -> TaskRow {
        TaskRow(
            id: TaskID(high: 0, low: number), job: job ?? self.job, function: "M.f()", state: state, attempt: attempt,
            submittedAt: WallTime(milliseconds: milliseconds))
    }

    @Test func laterStatesReplaceEarlierOnesInAnyOrder() {
        var ring = TaskRing()
        var running = row(1, .running, at: 5)
        running.worker = .random()
        running.startedAt = WallTime(milliseconds: 6)
        var finished = row(1, .finished, at: 5)
        finished.endedAt = WallTime(milliseconds: 9)
        ring.record([finished], of: process, dropped: 0)
        ring.record([running], of: process, dropped: 0)
        ring.record([row(1, .waitingForLease, at: 4)], of: process, dropped: 0)
        let found = ring.rows(limit: 10)
        #expect(found.count == 1)
        #expect(found[0].state == .finished)
        #expect(found[0].worker == running.worker)
        #expect(found[0].startedAt == running.startedAt)
        #expect(found[0].endedAt == finished.endedAt)
        #expect(found[0].submittedAt == WallTime(milliseconds: 4))
    }

    @Test func aRetryStartsAnew() {
        var ring = TaskRing()
        var failed = row(1, .failed)
        failed.error = "crash"
        failed.endedAt = WallTime(milliseconds: 3)
        ring.record([failed, row(1, .waitingForLease, attempt: 2)], of: process, dropped: 0)
        #expect(ring.rows(limit: 1)[0].state == .waitingForLease)
        #expect(ring.rows(limit: 1)[0].error == nil)
        #expect(ring.rows(limit: 1)[0].endedAt == nil)
        ring.record([failed], of: process, dropped: 0)
        #expect(ring.rows(limit: 1)[0].attempt == 2)
        #expect(ring.rows(limit: 1)[0].attempts == [TaskAttempt(attempt: 1, state: .failed, worker: nil, error: "crash")])
    }

    @Test func theOldestGoAndAreCounted() {
        var ring = TaskRing(capacity: 10)
        ring.record((1...25).map { row($0, .running) }, of: process, dropped: 3)
        #expect(ring.count == 10)
        #expect(ring.dropped == 18)
        #expect(ring.rows(limit: 3).map(\.id.low) == [25, 24, 23])
        #expect(ring.rows(limit: 100).map(\.id.low) == (16...25).reversed())
        ring.record([row(20, .finished), row(15, .finished)], of: process, dropped: 0)
        #expect(ring[TaskID(high: 0, low: 20)]?.state == .finished)
        #expect(ring.rows(limit: 1).map(\.id.low) == [15])
        #expect(ring[TaskID(high: 0, low: 16)] == nil)
        #expect(ring.rows(limit: -1).isEmpty)
    }

    @Test func statesAreCountedThroughReplacementsAndLosses() {
        var ring = TaskRing(capacity: 10)
        #expect(ring.states.isEmpty)
        ring.record((1...25).map { row($0, .running) }, of: process, dropped: 0)
        #expect(ring.states == ["running": 10])
        ring.record([row(20, .finished), row(21, .failed), row(21, .running), row(3, .finished)], of: process, dropped: 0)
        #expect(ring.states == ["running": 7, "finished": 2, "failed": 1])
        ring.jobEnded(job, at: WallTime(milliseconds: 8))
        #expect(ring.states == ["failed": 8, "finished": 2])
        #expect(ring.states == ring.rows(limit: 10).reduce(into: [:]) { $0[$1.state.rawValue, default: 0] += 1 })
    }

    /// STATE-005.
    @Test func whatAnEndedJobStillRanHasFailed() {
        var ring = TaskRing()
        ring.record([row(1, .finished), row(2, .running), row(3, .waitingForLease), row(4, .running, job: .random())], of: process, dropped: 0)
        ring.jobEnded(job, at: WallTime(milliseconds: 8))
        #expect(ring.rows(limit: 4).map(\.state) == [.running, .failed, .failed, .finished])
        #expect(ring.rows(limit: 4)[1].endedAt == WallTime(milliseconds: 8))
        // A worker that outlives the job tells how it was.
        ring.record([row(2, .finished), row(3, .running)], of: process, dropped: 0)
        #expect(ring.rows(limit: 4).map(\.state) == [.running, .failed, .finished, .finished])
        #expect(ring.rows(limit: 4)[2].error == nil)
        #expect(ring.states == ["running": 1, "failed": 1, "finished": 2])
    }

    /// STATE-005.
    @Test func whatAProcessSubmittedEndsWithIt() {
        var ring = TaskRing()
        let other = ProcessID(high: 1, low: 2)
        ring.record([row(1, .running), row(2, .running), row(3, .finished)], of: process, dropped: 0)
        ring.record([row(4, .running)], of: other, dropped: 0)
        ring.processEnded(process, at: WallTime(milliseconds: 8))
        #expect(ring.rows(limit: 4).map(\.state) == [.running, .finished, .failed, .failed])
        #expect(ring[row(1, .running).id]?.endedAt == WallTime(milliseconds: 8))
        #expect(ring.isGone(process) && !ring.isGone(other))
        // Its last report was on its way.
        ring.record([row(2, .finished)], of: process, dropped: 0)
        #expect(ring.states == ["running": 1, "failed": 1, "finished": 2])
        ring.processEnded(process, at: WallTime(milliseconds: 9))
        #expect(ring.states == ["running": 1, "failed": 1, "finished": 2])
    }

    @Test func nothingIsKeptOfTasksThatAreGone() {
        var ring = TaskRing(capacity: 10)
        let other = ProcessID(high: 1, low: 2)
        ring.record((1...25).map { row($0, .running) }, of: process, dropped: 0)
        #expect(ring.unfinished[process]?.count == 10)
        ring.record([row(20, .finished), row(30, .running, job: .random())], of: process, dropped: 0)
        ring.record([row(31, .running)], of: other, dropped: 0)
        // The ring has 18 to 25, 30 and 31.
        #expect(Set(ring.unfinished[process, default: []].map(\.low)) == [18, 19, 21, 22, 23, 24, 25, 30])
        #expect(ring.unfinished[other]?.map(\.low) == [31])
        ring.jobEnded(job, at: WallTime(milliseconds: 8))
        #expect(ring.unfinished == [process: [TaskID(high: 0, low: 30)]])
        ring.processEnded(process, at: WallTime(milliseconds: 9))
        #expect(ring.unfinished.isEmpty)
    }

    @Test func whatOutlivesTheJobIsNoFailure() {
        var ring = TaskRing()
        let controller = ProcessID(high: 1, low: 2)
        ring.record([row(1, .running), row(2, .running)], of: process, dropped: 0)
        ring.record([row(3, .running)], of: controller, dropped: 0)
        ring.jobEnded(job, at: WallTime(milliseconds: 8), butFor: [controller])
        #expect(ring.states == ["running": 1, "failed": 2])
        ring.processEnded(controller, at: WallTime(milliseconds: 9))
        #expect(ring.states == ["failed": 3])
        #expect(ring[row(3, .running).id]?.error?.contains("process") == true)
    }
}
