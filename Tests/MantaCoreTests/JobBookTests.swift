// JobBookTests: how jobs begin and end.

import MantaCore
import MantaModel
import Testing

@Suite struct JobBookTests {
    private let time = WallTime(milliseconds: 77)

    private func job(_ id: JobID = .random(), namespace: String = "n") -> JobBook.Job {
        JobBook.Job(
            id: id, program: Program(path: "/bin/p"), namespace: namespace, driver: ProcessAddress(process: .random(), endpoint: ""), pid: 3, host: "h",
            startedAt: WallTime(milliseconds: 1))
    }

    @Test func aJobEndsOnce() throws {
        var book = JobBook()
        var actions: [JobBook.Action] = []
        let job = job()
        try book.register(job) { actions.append($0) }
        try book.register(job) { actions.append($0) }
        #expect(actions == [.persist(job)])
        book.end(job.id, as: .finished, at: time) { actions.append($0) }
        book.end(job.id, as: .failed, at: WallTime(milliseconds: 99)) { actions.append($0) }
        #expect(book[job.id]?.state == .finished)
        #expect(book[job.id]?.endedAt == time)
        #expect(actions.filter { if case .ended = $0 { true } else { false } }.count == 1)
        #expect(book.hasEnded(job.id))
        let error = #expect(throws: MantaError.self) { try book.register(job) { _ in } }
        #expect(error?.code == .conflict)
    }

    /// STATE-006.
    @Test func aNamespaceMustBeSomething() {
        var book = JobBook()
        for namespace in ["", " ", String(repeating: "x", count: 300)] {
            let error = #expect(throws: MantaError.self) { try book.register(job(namespace: namespace)) { _ in } }
            #expect(error?.code == .invalidArgument)
        }
        #expect(book.count == 0)
    }

    @Test func aDriverThatIsAwayForTooLongHasFailed() throws {
        var book = JobBook(grace: .seconds(10))
        let (back, lost) = (job(), job())
        for job in [back, lost] {
            try book.register(job) { _ in }
            book.driverDisconnected(job.id, at: .zero)
        }
        book.driverConnected(back.id)
        var ended: [JobID] = []
        func tick(_ seconds: Int) {
            book.tick(at: .zero + .seconds(seconds), time: time) { if case .ended(let job) = $0 { ended.append(job.id) } }
        }
        tick(9)
        #expect(ended.isEmpty)
        tick(10)
        #expect(ended == [lost.id])
        #expect(book[lost.id]?.state == .failed)
    }

    @Test func afterARestartOfTheHeadRunningJobsAreAwaited() throws {
        var book = JobBook(grace: .seconds(10))
        let (again, gone, old) = (job(), job(), job())
        book.restore(again, state: .running, endedAt: nil, at: .zero)
        book.restore(gone, state: .running, endedAt: nil, at: .zero)
        book.restore(old, state: .finished, endedAt: time, at: .zero)
        book.restored()
        try book.register(again) { _ in }
        #expect(book.nextDeadline == .zero + .seconds(10))
        book.tick(at: .zero + .seconds(10), time: time) { _ in }
        #expect(book[again.id]?.state == .running)
        #expect(book[gone.id]?.state == .failed)
        #expect(book[old.id]?.state == .finished)
    }

    @Test func aNodesWordAddsAJobButRevivesNone() throws {
        var book = JobBook()
        let (new, ended) = (job(), job())
        try book.register(ended) { _ in }
        book.end(ended.id, as: .failed, at: time) { _ in }
        book.adopt(new) { _ in }
        book.adopt(ended) { _ in }
        #expect(book[new.id]?.state == .running)
        #expect(book.hasEnded(ended.id))
    }

    @Test func endedJobsAreForgottenInTime() throws {
        var book = JobBook()
        var forgotten: [JobID] = []
        let jobs = (0..<1001).map { _ in job() }
        for job in jobs {
            try book.register(job) { _ in }
            book.end(job.id, as: .finished, at: time) { if case .forget(let id) = $0 { forgotten.append(id) } }
        }
        #expect(forgotten == [jobs[0].id])
        #expect(book.count == 1000)
    }
}
