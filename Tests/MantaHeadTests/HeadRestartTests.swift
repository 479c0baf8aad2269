// HeadRestartTests: a head that is killed and comes back loses nothing, and starts nothing again that runs.

import MantaCore
import MantaHead
import MantaLoop
import MantaModel
import MantaTestKit
import MantaWire
import Testing

@Suite(.timeLimit(.minutes(2))) struct HeadRestartTests {
    /// F15.
    @Test(arguments: [true, false]) func everythingIsThereAgainAndNothingIsRestarted(crashes: Bool) async throws {
        let head = try HeadProcess()
        try await head.start()
        let node = try await FakeNode(at: head)
        let driver = try await FakeDriver(at: head)
        await node.running.loop.perform { node.jobs = [driver.description()] }
        let detached = driver.specification(name: "controller", lifetime: .detached, maxRestarts: -1)
        let ordinary = driver.specification(name: "mine", maxRestarts: 3)
        let before = [try await driver.alive(detached), try await driver.alive(ordinary)]
        await node.kill(ordinary.id)
        let restarted = try await driver.status(ordinary.id, is: .alive, restarts: 1)
        // In no store: only its node tells a new head of it.
        var plain = driver.specification()
        plain.createdAt = WallTime(milliseconds: 1_700_000_000_000)
        _ = try await driver.alive(plain)
        for key in ["a", "b"] { _ = try await driver.ask(TablePut(table: "endpoints", key: key, value: [1])) }
        _ = try await driver.ask(TableDelete(table: "endpoints", key: "b"))
        let cluster = await driver.cluster
        let placed = node.placed.values.count

        if crashes {
            try await head.crashAndStart()
        } else {
            head.stop()
            try await head.start()
        }
        // The questions come before the node has registered again, and wait for it.
        async let controller = driver.ask(GetActor(name: "controller", namespace: "default"))
        async let mine = driver.ask(WatchActor(actor: ordinary.id))
        #expect(try await controller.status == before[0])
        #expect(try await mine.status == restarted)
        #expect(try await driver.query(.actors).actors.first { $0.id == plain.id }?.createdAt == plain.createdAt)
        #expect(try await driver.ask(RegisterJob(job: driver.description())).node?.id == node.node)
        #expect(await driver.cluster == cluster)
        #expect(driver.openings.values.last == true)
        let snapshot = try await driver.ask(WatchTable(table: "endpoints"))
        #expect(snapshot.version == 3)
        #expect(snapshot.entries.map(\.key) == ["a"])
        #expect(try await driver.query(.jobs).jobs.map(\.state) == [.running])
        #expect(node.placed.values.count == placed)
        #expect(node.ended.values.isEmpty)
        #expect(node.registrations.values.flatMap { $0 } == [])
        // And life goes on.
        _ = try await driver.ask(KillActor(actor: detached.id, noRestart: true))
        try await eventually("it ends") { node.ended.values == [detached.id] }
        await node.kill(ordinary.id)
        try await driver.status(ordinary.id, is: .alive, restarts: 2)
    }

    /// A kill that was acknowledged holds over a restart, also when the node was away at the time.
    @Test func whatWasKilledStaysDead() async throws {
        let head = try HeadProcess()
        try await head.start()
        let node = try await FakeNode(at: head)
        let driver = try await FakeDriver(at: head)
        let specification = driver.specification(name: "a", lifetime: .detached, maxRestarts: -1)
        _ = try await driver.alive(specification)
        let running = await node.running.loop.perform { node.actors[specification.id]! }
        _ = try await driver.ask(KillActor(actor: specification.id, noRestart: true))
        // The node did not hear of it.
        await node.running.loop.perform { node.actors[specification.id] = running }
        try await head.crashAndStart()
        try await eventually("the node is told to end it") { node.registrations.values.contains([specification.id]) }
        #expect(await failure { () throws(MantaError) in try await driver.ask(GetActor(name: "a", namespace: "default")) }?.code == .notFound)
    }

    /// The whole machine went down: nobody can come back, so nobody is waited for.
    @Test func whatEndedWithEverythingElseIsStartedAgainAtOnce() async throws {
        let head = try HeadProcess()
        try await head.start()
        let process = try IdleProcess()
        let node = try await FakeNode(at: head, pid: process.pid)
        let driver = try await FakeDriver(at: head)
        let lasting = driver.specification(name: "controller", lifetime: .detached, maxRestarts: -1)
        let fragile = driver.specification(name: "fragile", lifetime: .detached)
        for actor in [lasting, fragile] { _ = try await driver.alive(actor) }
        head.stop()
        await node.leave()
        try await head.start()
        process.kill()
        let next = try await FakeNode(at: head)
        let other = try await FakeDriver(at: head)
        let clock = ContinuousClock.now
        let found = try await other.ask(CreateActor(specification: other.specification(name: "controller", lifetime: .detached), getIfExists: true)).status
        #expect(found.id == lasting.id)
        let alive = try await other.status(lasting.id, is: .alive)
        #expect(ContinuousClock.now - clock < .seconds(5))
        #expect(alive.restarts == 1)
        #expect(alive.node == next.node)
        #expect(await failure { () throws(MantaError) in try await other.ask(GetActor(name: "fragile", namespace: "default")) }?.code == .notFound)
    }

    /// Answers that a dead head owed are given by the next one: what is not known any more has been removed.
    @Test func whatTheLastHeadDidIsDoneForTheNextOneToo() async throws {
        let head = try HeadProcess()
        try await head.start()
        let node = try await FakeNode(at: head)
        let driver = try await FakeDriver(at: head)
        _ = try await driver.ask(RemoveGroup(group: .random()))
        let unknown = driver.specification()
        let registrations = node.registrations.count
        _ = try await node.ask(
            ActorReports(node: node.node, reports: [
                .init(actor: unknown.id, restarts: 0, event: .alive(address: ProcessAddress(process: .random(), endpoint: "ipc:///tmp/a"), pid: 7))
            ]))
        try await eventually("the node says what it runs") { node.registrations.count > registrations }
        #expect(node.ended.values.isEmpty, "it may have been made while there was no head")
    }

    /// A driver that died while there was no head.
    @Test func aJobWhoseDriverIsGoneHasFailed() async throws {
        let head = try HeadProcess()
        try await head.start()
        let process = try IdleProcess()
        let node = try await FakeNode(at: head)
        let gone = try await FakeDriver(at: head, pid: process.pid)
        let specification = gone.specification(name: "a")
        _ = try await gone.alive(specification)
        await node.running.loop.perform { node.jobs = [gone.description(pid: process.pid)] }
        head.stop()
        process.kill()
        try await head.start()
        let other = try await FakeDriver(at: head)
        try await eventually("the job failed") { try await other.query(.jobs).jobs.first { $0.id == gone.job }?.state == .failed }
        try await eventually("the node is told") { node.endedJobs.values.contains(gone.job) }
        #expect(await failure { () throws(MantaError) in try await other.ask(GetActor(name: "a", namespace: "default")) }?.code == .notFound)
    }

    /// A driver on another machine, which does not register its job again, and whose node is slow to come back.
    @Test func aJobWhoseDriverComesBackGoesOn() async throws {
        let head = try HeadProcess()
        head.configure = { $0.timing.deadAfter = .seconds(1) }
        try await head.start()
        let driver = try await FakeDriver(at: head, host: "elsewhere")
        let silent = try await FakeDriver(at: head, host: "elsewhere")
        await silent.leave()
        try await head.crashAndStart()
        try await eventually("the silent one failed") { try await driver.query(.jobs).jobs.first { $0.id == silent.job }?.state == .failed }
        #expect(try await driver.query(.jobs).jobs.first { $0.id == driver.job }?.state == .running)
    }

    /// F17: another store is another cluster; nobody is merged into it in silence.
    @Test func aHeadWithAnotherStoreIsAnotherCluster() async throws {
        let head = try HeadProcess()
        try await head.start()
        let first = await FakeProcess(.tool, at: head)
        _ = try await first.ask(QueryState(tables: [], limit: 0))
        let cluster = await first.cluster
        let empty = try HeadProcess()
        let endpoint = head.endpoint
        head.stop()
        empty.configure = { $0.endpoint = endpoint }
        try await empty.start(asSuccessor: true)
        let error = await failure { () throws(MantaError) in try await first.ask(QueryState(tables: [], limit: 0)) }
        #expect(error?.code == .versionMismatch)
        #expect(await first.cluster == cluster)
    }
}
