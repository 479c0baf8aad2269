// ActorDirectoryRecoveryTests: a new head finds its actors again. The identifiers in comments are rows of the fault and conformance lists.

import MantaCore
import MantaModel
import Testing

@Suite struct ActorDirectoryRecoveryTests {
    private func restored(_ specifications: [ActorSpecification], restarts: Int = 0) -> DirectoryHarness {
        let h = DirectoryHarness()
        let rows = specifications.map { ActorDirectory.Row(specification: $0, state: .alive, restarts: restarts, createdAt: WallTime(milliseconds: 1)) }
        h.event { directory, _ in directory.restore(rows, at: h.now, time: h.time) }
        return h
    }

    private func running(_ specification: ActorSpecification, restarts: Int = 0) -> ActorDirectory.Running {
        ActorDirectory.Running(specification: specification, address: ProcessAddress(process: .random(), endpoint: "ipc:///tmp/a"), pid: 7, restarts: restarts)
    }

    @Test func ACTOR_063_theEndIsCountedFromTheCreationAlsoByANewHead() throws {
        let maker = DirectoryHarness()
        let actor = maker.specification(name: "controller", lifetime: .detached)
        let h = DirectoryHarness()
        h.pass(.seconds(7))
        let row = ActorDirectory.Row(specification: actor, state: .alive, restarts: 0, createdAt: WallTime(milliseconds: 1_000))
        h.event { directory, _ in directory.restore([row], at: h.now, time: h.time) }
        h.addNode(running: [running(actor)])
        h.pass(.seconds(1))
        _ = h.ask(.kill(actor.id, noRestart: true))
        #expect(h.directory.rows(limit: 1).first?.createdAt == WallTime(milliseconds: 1_000))
        #expect(h.directory.rows(limit: 1).first?.endedAt == WallTime(milliseconds: 8_000))
    }

    /// What is in no store is as old as its creator says, whether its node tells of it or its creator asks for it again.
    @Test(arguments: [true, false]) func ACTOR_063_whatANewHeadDoesNotKnowKeepsItsCreationTime(runs: Bool) throws {
        let h = DirectoryHarness()
        h.pass(.seconds(7))
        var actor = h.specification()
        actor.createdAt = WallTime(milliseconds: 2_000)
        h.addNode(running: runs ? [running(actor)] : [])
        if !runs { _ = h.ask(h.create(actor)) }
        #expect(h.directory.rows(limit: 1).first?.createdAt == WallTime(milliseconds: 2_000))
        h.pass(.seconds(1))
        _ = h.ask(.kill(actor.id, noRestart: true))
        #expect(h.directory.rows(limit: 1).first?.endedAt == WallTime(milliseconds: 8_000))
    }

    /// Clocks differ, and a time may be nonsense.
    @Test(arguments: [Int64.min, -1, 8_000, .max]) func aCreationTimeIsNeverInTheFutureOrBeforeTime(_ milliseconds: Int64) throws {
        let h = DirectoryHarness()
        h.pass(.seconds(7))
        var actor = h.specification()
        actor.createdAt = WallTime(milliseconds: milliseconds)
        _ = h.ask(h.create(actor))
        #expect(h.directory.rows(limit: 1).first?.createdAt == WallTime(milliseconds: milliseconds < 0 ? 0 : 7_000))
    }

    /// F15, ACTOR-029.
    @Test func whatRunsIsFoundAgainAndNothingIsRestarted() throws {
        let maker = DirectoryHarness()
        let detached = maker.specification(name: "controller", lifetime: .detached, maxRestarts: -1)
        let ordinary = maker.specification(name: "mine")
        let h = restored([detached], restarts: 2)
        let named = h.ask(.named("controller", namespace: "default"))
        let watched = h.ask(.watch(ordinary.id, WatcherID(1)))
        let byName = h.ask(.named("mine", namespace: "default"))
        #expect(h.answers.isEmpty, "until the nodes have spoken nobody is told that anything is gone")
        let node = h.addNode(running: [running(detached, restarts: 2), running(ordinary)])
        #expect(try #require(h.answers[named]).get().state == .alive)
        #expect(try #require(h.answers[named]).get().restarts == 2)
        #expect(try #require(h.answers[watched]).get().node == node)
        #expect(try #require(h.answers[byName]).get().id == ordinary.id)
        h.pass(.seconds(60))
        #expect(!h.actions.contains { if case .place = $0 { true } else { false } })
        #expect(!h.actions.contains { if case .end = $0 { true } else { false } })
        h.died(ordinary.id, on: node)
        #expect(h.actions.contains { if case .notify(WatcherID(1), let status) = $0 { status.state == .dead } else { false } })
    }

    /// FAIL-027.
    @Test func aDetachedActorThatNobodyReportsIsRestartedOrDead() throws {
        let maker = DirectoryHarness()
        let lasting = maker.specification(name: "lasting", lifetime: .detached, maxRestarts: -1)
        let fragile = maker.specification(name: "fragile", lifetime: .detached)
        let h = restored([lasting, fragile], restarts: 0)
        let node = h.addNode()
        let question = h.ask(.named("fragile", namespace: "default"))
        h.pass(.seconds(9))
        #expect(h.answers[question] == nil)
        #expect(h.place(of: lasting.id) == nil)
        h.pass(.seconds(1))
        #expect(try #require(h.answers[question]).get().death?.kind == .nodeDied)
        #expect(h.actions.contains(.forget(fragile.id)))
        h.pass(.milliseconds(100))
        #expect(h.place(of: lasting.id)! == (node, 1))
    }

    /// An actor of a running job that may restart is kept as well: its worker may die while no head is there to see it.
    @Test func anActorThatMayRestartIsKeptAndStartedAgain() throws {
        let maker = DirectoryHarness()
        maker.addNode()
        let (lasting, fragile) = (maker.specification(maxRestarts: 1), maker.specification())
        for specification in [lasting, fragile] { _ = try maker.answer(maker.create(specification)) }
        let kept = maker.take().compactMap { if case .persist(let row) = $0 { row.specification.id } else { nil } }
        #expect(kept == [lasting.id])
        let h = restored([lasting])
        #expect(h.directory.awaited.map(\.job) == [lasting.job])
        let node = h.addNode()
        h.event { $0.recoveryIsComplete(at: h.now, time: h.time, $1) }
        h.pass(.milliseconds(100))
        #expect(h.place(of: lasting.id)! == (node, 1))
        h.event { $0.jobEnded(lasting.job, at: h.now, $1) }
        #expect(h.actions.contains(.forget(lasting.id)))
    }

    @Test func aDeathThatTheHeadMissedIsTakenAsItsNodeTellsIt() throws {
        let maker = DirectoryHarness()
        let h = restored([maker.specification(name: "a", lifetime: .detached)])
        let id = try #require(h.directory.rows(limit: 1).first?.id)
        let node = h.addNode()
        h.died(id, on: node, .signaled)
        #expect(h.directory.status(id)?.death?.kind == .signaled)
    }

    @Test func theOlderOfTwoIncarnationsEnds() throws {
        let maker = DirectoryHarness()
        let actor = maker.specification(lifetime: .detached, maxRestarts: -1)
        for newerFirst in [true, false] {
            let h = restored([actor], restarts: 1)
            let (older, newer) = (NodeID.random(), NodeID.random())
            let joins = [(older, 1), (newer, 2)]
            for (node, restarts) in newerFirst ? joins.reversed() : joins { h.addNode(running: [running(actor, restarts: restarts)], id: node) }
            #expect(h.ended(actor.id, on: older))
            #expect(!h.ended(actor.id, on: newer))
            #expect(h.directory.status(actor.id)?.node == newer)
            #expect(h.directory.status(actor.id)?.restarts == 2)
        }
    }

    @Test func whatTheHeadGaveUpEnds() throws {
        let h = DirectoryHarness()
        let orphan = h.specification(job: .random())
        let removed = h.specification(lifetime: .detached)
        let node = NodeID.random()
        h.event {
            $0.nodeJoined(
                node, total: Resources(), available: Resources(), running: [running(orphan), running(removed)], jobHasEnded: { $0 == orphan.job },
                at: h.now, time: h.time, $1)
        }
        #expect(h.ended(orphan.id, on: node))
        #expect(h.ended(removed.id, on: node))
        #expect(h.directory.count == 0)
    }

    @Test func aNamedCreationWaitsUntilTheNameIsKnownToBeFree() throws {
        let maker = DirectoryHarness()
        let holder = maker.specification(name: "a")
        let h = restored([])
        let early = h.specification(name: "a")
        let token = h.ask(h.create(early, getIfExists: true))
        let unnamed = h.ask(h.create(h.specification()))
        #expect(h.answers[token] == nil)
        #expect(h.answers[unnamed] != nil)
        h.addNode(running: [running(holder)])
        #expect(try #require(h.answers[token]).get().id == holder.id)

        let other = restored([])
        let late = other.ask(other.create(early))
        other.pass(Limits.deadAfter)
        #expect(try #require(other.answers[late]).get().id == early.id)
    }

    @Test func whenAllNodesHaveSpokenNobodyWaitsAnyLonger() throws {
        let maker = DirectoryHarness()
        let (found, gone, lasting) = (
            maker.specification(lifetime: .detached), maker.specification(name: "gone", lifetime: .detached),
            maker.specification(lifetime: .detached, maxRestarts: -1)
        )
        let h = restored([found, gone, lasting])
        let unknown = h.ask(.named("nobody", namespace: "default"))
        let awaited = h.ask(.named("gone", namespace: "default"))
        let node = h.addNode(running: [running(found)])
        #expect(h.answers.isEmpty)
        h.event { $0.recoveryIsComplete(at: h.now, time: h.time, $1) }
        #expect(!h.directory.isRecovering)
        #expect(throws: MantaError.self) { try #require(h.answers[unknown]).get() }
        #expect(try #require(h.answers[awaited]).get().state == .dead)
        #expect(h.directory.status(found.id)?.state == .alive)
        h.pass(.milliseconds(100))
        #expect(h.place(of: lasting.id)! == (node, 1))
        #expect(h.error(.named("nobody", namespace: "default"))?.code == .notFound)
    }

    @Test func aNodeThatRegistersAgainLosesWhatItNoLongerRuns() throws {
        let h = DirectoryHarness()
        let node = h.addNode()
        let (kept, lost, starting) = (h.specification(), h.specification(), h.specification())
        for actor in [kept, lost] { _ = try h.alive(actor) }
        _ = h.ask(h.create(starting))
        let status = try #require(h.directory.status(kept.id))
        _ = h.take()
        h.addNode(running: [ActorDirectory.Running(specification: kept, address: status.address!, pid: 42, restarts: 0)], id: node)
        #expect(h.directory.status(kept.id) == status)
        #expect(h.directory.status(lost.id)?.state == .dead)
        #expect(h.place(of: starting.id)?.node == node, "the order may have been lost")
    }

    /// ACTOR-049 for jobs: questions of a job that ended do not create anything later.
    @Test func aJobThatEndsDuringRecoveryCreatesNothing() throws {
        let h = restored([])
        let token = h.ask(h.create(h.specification(name: "a")))
        h.event { $0.jobEnded(h.job, at: h.now, $1) }
        #expect(throws: MantaError.self) { try #require(h.answers[token]).get() }
        h.pass(.seconds(20))
        #expect(h.directory.count == 0)
    }
}
