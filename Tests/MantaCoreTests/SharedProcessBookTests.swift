// Who shares a process with whom, when processes of shared actors start and end.

import MantaModel
import Testing

@testable import MantaCore

@Suite struct SharedProcessBookTests {
    private func kind(job: UInt64 = 1, path: String = "/bin/program", lifetime: ActorLifetime = .job) -> SharedProcessBook.Kind {
        SharedProcessBook.Kind(
            ActorSpecification(
                id: actor(1), job: JobID(high: 0, low: job), program: Program(path: path), type: "T", initializer: 0, arguments: [], name: nil, namespace: "n",
                lifetime: lifetime, resources: Resources(), placementResources: Resources(), maxRestarts: 0, maxConcurrency: 1, owner: LeaseBench.driver))
    }
    private func actor(_ number: UInt64) -> ActorID { ActorID(high: 3, low: number) }
    private func process(_ number: UInt64) -> ProcessAddress { LeaseBench.process(number) }

    @Test func aProcessTakesActorsUntilItIsFull() {
        var book = SharedProcessBook(capacity: 2)
        #expect(book.place(actor(1), kind()) == nil)
        book.started(process(1).process, for: kind())
        #expect(book.place(actor(1), kind()) == process(1).process)
        #expect(book.place(actor(2), kind()) == process(1).process)
        #expect(book.place(actor(3), kind()) == nil, "it is full")
        #expect(book.address(of: process(1).process) == nil)
        #expect(book.ready(process(1)) == [actor(1), actor(2)])
        #expect(book.address(of: process(1).process) == process(1))
        book.left(actor(1), mayReturn: false, at: .zero)
        #expect(book.place(actor(3), kind()) == process(1).process)
        #expect(book.ended(process(1).process) == [actor(2), actor(3)])
        #expect(book.process(of: actor(2)) == nil)
    }

    @Test func strangersShareNothing() {
        var book = SharedProcessBook()
        book.started(process(1).process, for: kind())
        #expect(book.place(actor(1), kind(job: 2)) == nil)
        #expect(book.place(actor(1), kind(path: "/bin/other")) == nil)
        #expect(book.place(actor(1), kind(lifetime: .detached)) == nil)
        book.started(process(2).process, for: kind(lifetime: .detached))
        #expect(book.processes(of: JobID(high: 0, low: 1)) == [process(1).process], "a detached actor outlives its job")
    }

    @Test func anActorThatIsMadeAgainGoesElsewhere() {
        var book = SharedProcessBook()
        book.started(process(1).process, for: kind())
        #expect(book.place(actor(1), kind()) == process(1).process)
        book.left(actor(1), mayReturn: true, at: .zero)
        #expect(book.place(actor(1), kind()) == nil)
        #expect(book.place(actor(2), kind()) == process(1).process)
    }

    /// The order to place its next life may come before its process has said that the one before is out.
    @Test func aNewLifeIsNotWhereTheOldOneStillEnds() {
        var book = SharedProcessBook()
        book.started(process(1).process, for: kind())
        _ = book.ready(process(1))
        #expect(book.place(actor(1), kind()) == process(1).process)
        #expect(book.place(actor(1), kind()) == nil, "its process takes it no more")
        #expect(book.process(of: actor(1)) == nil, "what the old process says is not about the new life")
        book.started(process(2).process, for: kind())
        #expect(book.place(actor(1), kind()) == process(2).process)
        #expect(book.ended(process(1).process) == [], "the end of the old process takes nobody with it")
        #expect(book.process(of: actor(1)) == process(2).process)
    }

    @Test func anEmptyProcessIsAskedToLeaveOnceAndTakesNobodyThen() {
        var book = SharedProcessBook()
        book.started(process(1).process, for: kind())
        _ = book.ready(process(1))
        _ = book.place(actor(1), kind())
        let later = Instant.zero + Limits.idleSharedProcessLifetime
        #expect(book.idle(at: later).isEmpty)
        book.left(actor(1), mayReturn: false, at: .zero)
        #expect(book.idle(at: .zero).isEmpty)
        #expect(book.idle(at: later) == [process(1).process])
        #expect(book.idle(at: later).isEmpty)
        #expect(book.place(actor(2), kind()) == nil)
        book.stays(process(1).process, at: later)
        #expect(book.place(actor(2), kind()) == process(1).process)
        #expect(book.idle(at: later + Limits.idleSharedProcessLifetime).isEmpty)
    }
}
