// HeadTests: what a head answers and tells, seen from the processes around it.

import Foundation
import MantaCore
import MantaHead
import MantaLoop
import MantaModel
import MantaStorage
import MantaTestKit
import MantaWire
import Testing

@Suite(.timeLimit(.minutes(2))) struct HeadTests {
    private func head(_ configure: @escaping (inout HeadConfiguration) -> Void = { _ in }) async throws -> HeadProcess {
        let head = try HeadProcess()
        head.configure = configure
        try await head.start()
        return head
    }

    @Test func nodesRegisterAndHearOfEachOther() async throws {
        let head = try await head()
        let first = try await FakeNode(at: head)
        #expect(await first.cluster != nil)
        let second = try await FakeNode(at: head)
        try await eventually("both know both") { [first, second].allSatisfy { Set($0.views.values.last?.nodes.map(\.id) ?? []) == [first.node, second.node] } }
        await second.beat(available: Resources(["CPU": 1]))
        try await eventually("what is free is told") {
            first.views.values.last?.nodes.first { $0.id == second.node }?.available == Resources(["CPU": 1])
        }
    }

    @Test func aDriverIsGivenTheNodeOfItsMachine() async throws {
        let head = try await head()
        let early = try await FakeDriver(at: head)
        #expect(early.registered?.node == nil)
        let other = try await FakeNode(at: head, host: "elsewhere")
        let here = try await FakeNode(at: head)
        let driver = try await FakeDriver(at: head)
        #expect(driver.registered?.node?.id == here.node)
        #expect(try await driver.ask(RegisterJob(job: driver.description())) == driver.registered)
        let far = try await FakeDriver(at: head, host: "elsewhere")
        #expect(far.registered?.node?.id == other.node)
    }

    @Test func anActorIsPlacedFoundWatchedAndKilled() async throws {
        let head = try await head()
        let node = try await FakeNode(at: head)
        let driver = try await FakeDriver(at: head)
        let specification = driver.specification(name: "counter")
        let alive = try await driver.alive(specification)
        #expect(node.placed.values.map(\.specification) == [specification])
        #expect(alive.node == node.node)
        #expect(alive.address != nil)
        #expect(driver.actorChanges.values.last == alive, "its creator hears of it without asking")
        #expect(try await driver.ask(GetActor(name: "counter", namespace: "default")).status == alive)
        #expect(try await driver.create(specification) == alive)
        let taken = await failure { () throws(MantaError) in try await driver.create(driver.specification(name: "counter")) }
        #expect(taken?.code == .alreadyExists)

        _ = try await driver.ask(KillActor(actor: specification.id, noRestart: true))
        #expect(try await driver.status(specification.id, is: .dead).death?.kind == .killed)
        try await eventually("the node ends it") { node.ended.values == [specification.id] }
        #expect(driver.actorChanges.values.last?.state == .dead)
        #expect(await failure { () throws(MantaError) in try await driver.ask(GetActor(name: "counter", namespace: "default")) }?.code == .notFound)
    }

    @Test func manyActorsAreMadeAndDroppedInOneMessageEach() async throws {
        let head = try await head()
        let node = try await FakeNode(at: head)
        let driver = try await FakeDriver(at: head)
        let specifications = (0..<50).map { _ in driver.specification() }
        let refused = driver.specification(name: "a")
        let answer = try await driver.ask(CreateActors(specifications + [refused]))
        #expect(answer.refusals.map(\.actor) == [refused.id])
        try await eventually("all alive") { driver.actorChanges.values.count { $0.state == .alive } == 50 }
        #expect(node.placed.values.map(\.specification.id) == specifications.map(\.id))
        _ = try await driver.ask(DropActors(specifications.map(\.id)))
        #expect(Set(node.ended.values) == Set(specifications.map(\.id)), "acknowledged when the node has heard")
        for specification in specifications { try await driver.status(specification.id, is: .dead) }
        #expect(driver.actorChanges.values.allSatisfy { $0.state == .alive }, "whoever drops an actor need not be told")
    }

    /// A node that is away when actors are dropped hears of it when it is back.
    @Test func actorsThatWereDroppedWhileTheirNodeWasAwayEnd() async throws {
        let head = try await head()
        let node = try await FakeNode(at: head)
        let driver = try await FakeDriver(at: head)
        let specification = driver.specification()
        _ = try await driver.alive(specification)
        await node.breakOff()
        try await eventually("the head has noticed") { try await driver.query(.nodes).nodes.first { $0.id == node.node }?.state != .alive }
        _ = try await driver.ask(DropActors([specification.id]))
        try await driver.status(specification.id, is: .dead)
    }

    @Test func anActorThatDiesIsStartedAgain() async throws {
        let head = try await head()
        let node = try await FakeNode(at: head)
        let driver = try await FakeDriver(at: head)
        let specification = driver.specification(maxRestarts: 1)
        _ = try await driver.alive(specification)
        await node.kill(specification.id)
        try await driver.status(specification.id, is: .alive, restarts: 1)
        await node.kill(specification.id)
        let dead = try await driver.status(specification.id, is: .dead)
        #expect(dead.death?.detail == "it exited with code 3")
        #expect(try await driver.query(.errors).errors.first?.message.contains("it exited with code 3") == true)
    }

    @Test func theDeathOfADriverEndsItsJobAtOnce() async throws {
        let head = try await head()
        let node = try await FakeNode(at: head)
        let process = try IdleProcess()
        let driver = try await FakeDriver(at: head, pid: process.pid)
        let (ordinary, detached) = (driver.specification(), driver.specification(name: "stays", lifetime: .detached))
        _ = try await driver.alive(ordinary)
        _ = try await driver.alive(detached)
        process.kill()
        try await eventually("the job failed", within: .seconds(2)) { try await driver.query(.jobs).jobs.first?.state == .failed }
        try await eventually("the node is told") { node.endedJobs.values == [driver.job] && node.ended.values == [ordinary.id] }
        #expect(try await driver.status(ordinary.id, is: .dead).death?.kind == .jobEnded)
        #expect(try await driver.ask(GetActor(name: "stays", namespace: "default")).status.state == .alive)
        let error = await failure { () throws(MantaError) in try await driver.create(driver.specification()) }
        #expect(error?.code == .conflict)
    }

    @Test func aFinishedJobIsFinished() async throws {
        let head = try await head()
        let node = try await FakeNode(at: head)
        let driver = try await FakeDriver(at: head)
        _ = try await driver.ask(FinishJob(job: driver.job))
        _ = try await driver.ask(FinishJob(job: driver.job))
        #expect(try await driver.query(.jobs).jobs.map(\.state) == [.finished])
        try await eventually("the node is told") { node.endedJobs.values == [driver.job] }
        #expect(await failure { () throws(MantaError) in try await driver.ask(RegisterJob(job: driver.description())) }?.code == .conflict)
    }

    /// F12.
    @Test func theDeathOfANodeIsSeenAtOnceAndItsActorsGoElsewhere() async throws {
        let head = try await head()
        let process = try IdleProcess()
        let first = try await FakeNode(at: head, pid: process.pid)
        let driver = try await FakeDriver(at: head)
        let specification = driver.specification(maxRestarts: -1)
        _ = try await driver.alive(specification)
        let second = try await FakeNode(at: head)
        process.kill()
        let moved = try await driver.status(specification.id, is: .alive, restarts: 1)
        #expect(moved.node == second.node)
        let nodes = try await driver.query(.nodes).nodes
        #expect(nodes.first { $0.id == first.node }?.state == .dead)
        try await eventually("the others hear of it") { second.views.values.last?.nodes.map(\.id) == [second.node] }
    }

    @Test func aNodeWhoseConnectionBreaksIsGivenUpLongBeforeASilentOne() async throws {
        let head = try await head()
        let far = try await FakeNode(at: head, host: "elsewhere")
        let near = try await FakeNode(at: head)
        let driver = try await FakeDriver(at: head)
        let broke = ContinuousClock.now
        await far.breakOff()
        try await eventually("it counts as dead", within: .seconds(30)) {
            try await driver.query(.nodes).nodes.first { $0.id == far.node }?.state == .dead
        }
        #expect(ContinuousClock.now - broke < Limits.deadAfter)
        let errors = try await driver.query(.errors).errors
        #expect(errors.contains { $0.node == far.node && $0.message.contains("the connection") })
        try await eventually("the others hear of it") { near.views.values.last?.nodes.map(\.id) == [near.node] }
    }

    /// The links of a dead machine end in any order.
    @Test func processesWhoseLinksEndedBeforeTheirMachineWasLostAreGivenUpWithIt() async throws {
        let head = try await head()
        let far = try await FakeNode(at: head, total: Resources(), host: "elsewhere", on: "another")
        let near = try await FakeNode(at: head)
        let driver = try await FakeDriver(at: head)
        let owner = await FakeProcess(.worker, at: head, host: "elsewhere", on: "another")
        var specification = driver.specification(resources: Resources(["CPU": 1]))
        specification.owner = owner.address
        _ = try await owner.ask(CreateActor(specification: specification, getIfExists: false))
        try await driver.status(specification.id, is: .alive)
        await owner.breakOff()
        await far.breakOff()
        try await eventually("the others hear of both", within: .seconds(30)) {
            near.lostNodes.values.contains { $0.node == far.node && $0.processes?.contains(owner.id) == true }
        }
        try await eventually("the actor of the lost owner ends", within: .seconds(30)) { near.ended.values == [specification.id] }
    }

    /// F14, F29.
    @Test func aNodeThatWasAwayForTooLongMustEndWhatWasGivenUp() async throws {
        let head = try await head { $0.timing.deadAfter = .milliseconds(600) }
        let zombie = try await FakeNode(at: head)
        let driver = try await FakeDriver(at: head)
        let specification = driver.specification(maxRestarts: -1)
        _ = try await driver.alive(specification)
        try await eventually("it counts as dead") { try await driver.query(.nodes).nodes.first?.state == .dead }
        let lively = try await FakeNode(at: head)
        try await eventually("its actor runs elsewhere") {
            await lively.beat()
            return lively.placed.values.count == 1
        }
        await zombie.beat()
        try await eventually("it registers again and is told what to end") { zombie.registrations.values.contains([specification.id]) }
        #expect(lively.ended.values.isEmpty)
    }

    @Test func rowsAreVersionedConditionalAndWatched() async throws {
        let head = try await head()
        let (writer, watcher) = (await FakeProcess(.worker, at: head), await FakeProcess(.proxy, at: head))
        #expect(try await watcher.ask(WatchTable(table: "endpoints")) == TableSnapshot(table: "endpoints", version: 0, entries: []))
        let first = try await writer.ask(TablePut(table: "endpoints", key: "a", value: [1], expectedVersion: 0)).entry
        #expect(first == TableEntry(table: "endpoints", key: "a", value: [1], version: 1))
        #expect(try await writer.ask(TablePut(table: "endpoints", key: "a", value: [1], expectedVersion: 0)).entry == first, "the same request again")
        let conflict = await failure { () throws(MantaError) in try await writer.ask(TablePut(table: "endpoints", key: "a", value: [2], expectedVersion: 0)) }
        #expect(conflict?.code == .conflict)
        _ = try await writer.ask(TablePut(table: "endpoints", key: "a", value: [2], expectedVersion: 1))
        #expect(try await watcher.ask(TableGet(table: "endpoints", key: "a")).entry?.value == [2])
        _ = try await writer.ask(TableDelete(table: "endpoints", key: "a"))
        _ = try await writer.ask(TableDelete(table: "endpoints", key: "a"))
        try await eventually("the watcher hears of all") { watcher.tableChanges.values.count == 3 }
        #expect(watcher.tableChanges.values.map(\.version) == [1, 2, 3])
        #expect(watcher.tableChanges.values.map(\.value) == [[1], [2], nil])
        #expect(try await writer.ask(TableGet(table: "endpoints", key: "a")).entry == nil)
    }

    /// F19.
    @Test func aStoreThatFailsFailsRequestsAndNothingElse() async throws {
        let head = try HeadProcess()
        let storage = MemoryStorage()
        head.storage = storage
        try await head.start()
        let node = try await FakeNode(at: head)
        let driver = try await FakeDriver(at: head)
        _ = try await driver.ask(TablePut(table: "t", key: "a", value: [1]))
        let ordinary = driver.specification()
        _ = try await driver.alive(ordinary)
        storage.fail(with: MantaError(.overloaded, "the disk is full"))
        #expect(await failure { () throws(MantaError) in try await driver.ask(TablePut(table: "t", key: "a", value: [2])) }?.code == .overloaded)
        let detached = driver.specification(name: "a", lifetime: .detached)
        #expect(await failure { () throws(MantaError) in try await driver.create(detached) }?.code == .overloaded)
        #expect(try await driver.ask(TableGet(table: "t", key: "a")).entry?.version == 1)
        #expect(await failure { () throws(MantaError) in try await driver.ask(GetActor(name: "a", namespace: "default")) }?.code == .notFound)
        _ = try await driver.alive(driver.specification())
        #expect(node.placed.values.count == 2)
        #expect(try await driver.query(.errors).errors.contains { $0.message == "the disk is full" })
        storage.fail(with: nil)
        #expect(try await driver.ask(TablePut(table: "t", key: "a", value: [3])).entry?.version == 2)
        try await driver.create(detached)
    }

    /// F21, F26.
    @Test func aSlowDiskHoldsUpOnlyWhatMustBeDurable() async throws {
        let head = try HeadProcess()
        let storage = StuckStorage()
        head.storage = storage
        try await head.start()
        let node = try await FakeNode(at: head)
        let driver = try await FakeDriver(at: head)
        storage.stick()
        let put = TablePut(table: "t", key: "a", value: [1], expectedVersion: 0)
        async let first = driver.ask(put)
        async let second = driver.ask(put)
        async let detached = driver.create(driver.specification(name: "a", lifetime: .detached))
        // Everything else goes on: heartbeats, ordinary actors, reading.
        await node.beat()
        _ = try await driver.alive(driver.specification())
        #expect(try await driver.ask(TableGet(table: "t", key: "a")).entry == nil)
        #expect(try await driver.query(.nodes).nodes.map(\.state) == [.alive])
        #expect(try storage.load().rows.isEmpty)
        storage.release()
        let made = try await first.entry
        #expect(made?.version == 1)
        #expect(try await second.entry == made, "the copy of a request that is under way gets its answer")
        #expect(try await detached.state != .dead)
        #expect(try storage.load().rows.map(\.version) == [1])
    }

    /// What comes and goes while the disk is busy is not written in between, and does not count against what may wait.
    @Test func groupsThatWereMadeAndRemovedMeanwhileAreWrittenOnce() async throws {
        let head = try HeadProcess()
        let storage = StuckStorage()
        head.storage = storage
        try await head.start()
        let driver = try await FakeDriver(at: head)
        func group() -> PlacementGroupSpecification {
            PlacementGroupSpecification(
                id: .random(), bundles: [Resources(["CPU": 1])], strategy: .pack, name: nil, namespace: "default", lifetime: .job, job: driver.job,
                owner: driver.address, isOwnedByActor: false)
        }
        storage.stick()
        // Until the first is answered by the disk, all others wait.
        _ = try await driver.ask(CreateGroup(specification: group()))
        let before = storage.changes.values.count
        for _ in 0..<50 {
            let specification = group()
            _ = try await driver.ask(CreateGroup(specification: specification))
            _ = try await driver.ask(RemoveGroup(group: specification.id))
        }
        let last = group()
        _ = try await driver.ask(CreateGroup(specification: last))
        storage.release()
        try await eventually("the last is stored") { try storage.load().rows.contains { $0.key == last.id.description } }
        let after = storage.changes.values.dropFirst(before)
        #expect(after.count { if case .removeRow = $0 { true } else { false } } == 50)
        #expect(after.count { if case .putRow = $0 { true } else { false } } == 1)
    }

    /// A fact is not lost because the store failed when it happened.
    @Test func whatHappenedWhileTheStoreFailedIsKeptInTheEnd() async throws {
        let head = try HeadProcess()
        let storage = MemoryStorage()
        head.storage = storage
        try await head.start()
        let node = try await FakeNode(at: head)
        let driver = try await FakeDriver(at: head)
        let detached = driver.specification(lifetime: .detached)
        _ = try await driver.alive(detached)
        storage.fail(with: MantaError(.overloaded, "the disk is full"))
        #expect(await failure { () throws(MantaError) in try await driver.ask(KillActor(actor: detached.id, noRestart: true)) }?.code == .overloaded)
        #expect(try storage.load().actors.count == 1)
        storage.fail(with: nil)
        try await eventually("the store forgets it") { try storage.load().actors.isEmpty }
        #expect(node.ended.values == [detached.id])
    }

    @Test func theStateOfEverythingCanBeAskedFor() async throws {
        let head = try await head()
        let node = try await FakeNode(at: head)
        let silent = try await FakeNode(at: head)
        let driver = try await FakeDriver(at: head)
        let object = ObjectRow(
            id: ObjectID(task: .random(), index: 0), state: .ready, size: 10, owner: driver.id, ownerPid: 1, node: node.node, source: "put")
        await node.running.loop.perform { node.objects = ObjectList(rows: [object], total: 5, totalBytes: 10) }
        await silent.running.loop.perform { silent.objects = nil }
        let task = TaskRow(
            id: .random(), job: driver.job, function: "f()", state: .running, attempt: 1, submittedAt: WallTime(milliseconds: 1))
        await driver.tell(ReportTasks(tasks: [task], dropped: 2))
        await driver.tell(ReportErrors(errors: [ErrorRow(at: WallTime(milliseconds: 3), code: "x", message: "boom", source: "task")]))
        try await driver.create(driver.specification())
        let state = try await driver.query(.nodes, .jobs, .tasks, .actors, .objects, .errors)
        #expect(state.nodes.count == 2)
        #expect(state.jobs.map(\.id) == [driver.job])
        #expect(state.tasks == [task])
        #expect(state.droppedTasks == 2)
        #expect(state.actors.count == 1)
        #expect(state.objects == [object], "the silent node is left out")
        #expect(state.totals["objects"] == 5)
        #expect(state.warnings == ["1 of 2 nodes did not answer in time; their objects are left out"], "STATE-012")
        #expect(state.states?["tasks"] == ["running": 1])
        #expect(state.states?["nodes"] == ["alive": 2])
        var total = node.total
        total += silent.total
        #expect(state.resources == total)
        #expect(state.errors.map(\.message) == ["boom"])
        #expect(try await driver.query(.jobs).nodes.isEmpty)
    }

    @Test func STATE_016_theHeadFiltersAndCountsAllOfATable() async throws {
        let head = try await head()
        let driver = try await FakeDriver(at: head)
        // In several reports: more than any one listing shows.
        for part in 0..<12 {
            let tasks = (0..<1000).map { number in
                TaskRow(
                    id: TaskID(high: 1, low: UInt64(part * 1000 + number)), job: driver.job, function: "f()", state: number % 100 == 0 ? .failed : .finished, attempt: 1,
                    submittedAt: WallTime(milliseconds: 1))
            }
            await driver.tell(ReportTasks(tasks: tasks, dropped: 0))
        }
        let failed = try await driver.ask(QueryState(tables: [.tasks], limit: 50, filters: [RowFilter("state", "failed")]))
        #expect(failed.tasks.count == 50)
        #expect(failed.totals["tasks"] == 120)
        #expect(failed.states?["tasks"] == ["failed": 120])
        #expect(failed.hasMore == true)
        let rest = try await driver.ask(QueryState(tables: [.tasks], limit: 100, filters: [RowFilter("state", "failed")], after: failed.tasks.last?.key))
        #expect(rest.tasks.count == 70 && rest.hasMore != true)
        #expect(Set((failed.tasks + rest.tasks).map(\.id)).count == 120)
        // The oldest of them is found too.
        let oldest = try await driver.ask(QueryState(tables: [.tasks], limit: 1, filters: [RowFilter("id", TaskID(high: 1, low: 0).description)]))
        #expect(oldest.tasks.map(\.state) == [.failed])
        let unknown = await failure { () throws(MantaError) in try await driver.ask(QueryState(tables: [.tasks], limit: 1, filters: [RowFilter("color", "red")])) }
        #expect(unknown?.code == .invalidArgument)
        let mixed = await failure { () throws(MantaError) in try await driver.ask(QueryState(tables: [.tasks, .jobs], limit: 1, after: "x")) }
        #expect(mixed?.code == .invalidArgument)
    }

    @Test func whatAHeadDoesNotTakeIsRefusedClearly() async throws {
        let head = try await head()
        let process = await FakeProcess(.tool, at: head)
        let error = await failure { () throws(MantaError) in try await process.ask(ListObjects(limit: 1)) }
        #expect(error?.code == .malformed)
        #expect(error?.message.contains("listObjects") == true)
        let specification = ActorSpecification(
            id: .random(), job: .random(), program: Program(path: "/x"), type: "T", initializer: 0, arguments: [], name: " ", namespace: "n", lifetime: .job,
            resources: Resources(), placementResources: Resources(), maxRestarts: 0, maxConcurrency: 1, owner: process.address)
        #expect(await failure { () throws(MantaError) in try await process.ask(CreateActor(specification: specification, getIfExists: false)) }?.code == .invalidArgument)
    }

    /// F18.
    @Test func aSecondHeadOnTheSameStoreOrPortIsRefused() async throws {
        let head = try await head()
        let twin = try HeadProcess()
        let directory = head.directory
        twin.configure = { $0.directory = directory }
        let error = await #expect(throws: MantaError.self) { try await twin.start() }
        #expect(error?.code == .addressInUse)
        #expect(error?.message.contains("process \(getpid())") == true)

        let other = try HeadProcess()
        let endpoint = head.endpoint
        other.configure = { $0.endpoint = endpoint }
        let busy = await #expect(throws: MantaError.self) { try await other.start() }
        #expect(busy?.code == .addressInUse)
        #expect(busy?.message.contains(endpoint) == true)
        other.configure = { _ in }
        try await other.start()  // its store was let go of
        other.stop()
    }
}
