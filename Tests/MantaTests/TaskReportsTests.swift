// TaskReportsTests: what the head is told of tasks when there are more than it is told of.

import MantaModel
import MantaWire
import Testing

@testable import MantaWorker

struct TaskReportsTests {
    private let perReport = Limits.taskRecordsPerSecond / 2

    private func submission(_ number: Int) -> Submission {
        Submission(
            task: TaskID(high: 1, low: UInt64(number)), target: .function(TaskOptions()), function: "f", methodName: "", job: JobID(high: 1, low: 1), parent: nil,
            arguments: [], results: [], submittedAt: WallTime(milliseconds: 0), deadline: nil)
    }

    private func end(_ submission: Submission, _ reports: inout TaskReports) {
        reports.ended(
            submission, outcome: .values([]), startedAt: WallTime(milliseconds: 0), duration: 1, actor: nil, at: RunningPlace(), attempt: 1)
    }

    @Test func `what was told as running is told to have ended, whatever else happens`() {
        var reports = TaskReports()
        let long = submission(0)
        reports.sent(long, attempt: 1, actor: nil)
        #expect(reports.take().tasks?.tasks.map(\.state) == [.running])
        for number in 1...perReport + 10 {
            let short = submission(number)
            reports.sent(short, attempt: 1, actor: nil)
            end(short, &reports)
        }
        end(long, &reports)
        let report = reports.take().tasks
        #expect(report?.dropped == 10)
        #expect(report?.tasks.last?.id == long.task && report?.tasks.last?.state == .finished)
        #expect(report?.tasks.contains { $0.state == .running } == false)
        #expect(reports.take().tasks == nil, "each is told once")
    }

    private func call(_ number: Int, of actor: ActorID, isOld: Bool = false) -> Submission {
        Submission(
            task: TaskID(high: 2, low: UInt64(number)), target: .method(actor: actor, index: 0, terms: nil), function: "A.f", methodName: "",
            job: JobID(high: 1, low: 1), parent: nil, arguments: [], results: [],
            submittedAt: WallTime(milliseconds: isOld ? 0 : .max), deadline: nil)
    }

    @Test func `FAIL-019 calls that stand in line at their actor are not told as running`() {
        var reports = TaskReports()
        let actor = ActorID(high: 1, low: 1)
        func states(_ reports: inout TaskReports) -> [TaskState] { reports.take(limit: { _, _ in 1 }).tasks?.tasks.map(\.state) ?? [] }
        let calls = [call(0, of: actor), call(1, of: actor, isOld: true), call(2, of: actor)]
        for call in calls { reports.sent(call, attempt: 1, actor: actor) }
        #expect(states(&reports) == [.running, .waitingForLease], "the one that waits for long is told so")
        #expect(states(&reports).isEmpty, "each once")
        end(calls[0], &reports)
        #expect(states(&reports) == [.finished, .running])
        reports.failed(calls[2], error: MantaError(.cancelled, "it was cancelled"), actor: actor)
        end(calls[1], &reports)
        #expect(states(&reports) == [.cancelled, .finished])
    }

    @Test func `a later attempt that fails long after it was sent is the one that failed`() {
        var reports = TaskReports()
        let task = submission(0)
        reports.sent(task, attempt: 1, actor: nil)
        reports.retried(task, attempt: 2, reason: MantaError(.workerCrashed, "it died"), answer: nil, actor: nil)
        reports.sent(task, attempt: 2, actor: nil)
        _ = reports.take()
        reports.failed(task, error: MantaError(.timeout, "its time was over"), actor: nil)
        #expect(reports.take().tasks?.tasks.map(\.attempt) == [2])
        // Nothing was sent of one that ends while it waits for its next attempt.
        reports.sent(task, attempt: 2, actor: nil)
        reports.retried(task, attempt: 3, reason: nil, answer: nil, actor: nil)
        reports.failed(task, error: MantaError(.cancelled, "it was cancelled"), actor: nil)
        #expect(reports.take().tasks?.tasks.map(\.attempt) == [2, 3, 3])
    }

    @Test func `a task that goes on is told as running once`() {
        var reports = TaskReports()
        reports.sent(submission(0), attempt: 1, actor: nil)
        #expect(reports.take().tasks?.tasks.count == 1)
        #expect(reports.take().tasks == nil)
    }
}
