// Messages about what operators see: the rows of tasks are read again as they were written.

import MantaModel
import Testing

@testable import MantaWire

@Suite struct StateMessageTests {
    @Test func rowsOfTasksAreReadAgain() throws {
        let plain = TaskRow(id: .random(), job: .random(), function: "f()", state: .waitingForLease, attempt: 1, submittedAt: WallTime(milliseconds: 5))
        var full = TaskRow(
            id: .random(), job: .random(), function: "Type.method(_:)", name: "nightly report", state: .failed, actor: .random(), node: .random(), worker: .random(), parent: .random(),
            attempt: 3, submittedAt: WallTime(milliseconds: 5), startedAt: WallTime(milliseconds: 6), endedAt: WallTime(milliseconds: 7), error: "it threw")
        full.placement = .locality
        full.attempts = [TaskAttempt(attempt: 1, state: .failed, worker: .random(), error: "it crashed"), TaskAttempt(attempt: 2, state: .failed, worker: nil, error: nil)]
        let report = ReportTasks(tasks: [plain, full], dropped: 9, unfinished: ["running": 3])
        var writer = MessagePackWriter()
        try report.encode(into: &writer)
        var reader = MessagePackReader(writer.bytes)
        let read = try ReportTasks(from: &reader)
        #expect(read == report)
        #expect(reader.isAtEnd)
    }
}
