// ActorDirectoryLifeTests: placing, restarting and ending actors while nodes come and go. The identifiers in comments are rows of the conformance list.

import MantaCore
import MantaModel
import Testing

@Suite struct ActorDirectoryLifeTests {
    /// ACTOR-010.
    @Test func thirtyActorsSpreadOverThreeSmallNodes() throws {
        let h = DirectoryHarness()
        let nodes = (0..<3).map { _ in h.addNode(["CPU": 1].resources) }
        var counts: [NodeID: Int] = [:]
        for _ in 0..<30 {
            let actor = h.specification(placement: ["CPU": 1].resources)
            _ = h.ask(h.create(actor))
            counts[try #require(h.place(of: actor.id)).node, default: 0] += 1
        }
        #expect(nodes.allSatisfy { counts[$0] == 10 })
    }

    /// ACTOR-054.
    @Test func whatActorsHoldIsNeverGivenTwice() throws {
        let h = DirectoryHarness()
        let nodes = (0..<3).map { _ in h.addNode(["GPU": 4].resources) }
        let actors = (0..<13).map { _ in h.specification(resources: ["GPU": 1].resources) }
        for actor in actors { _ = h.ask(h.create(actor)) }
        var counts: [NodeID: Int] = [:]
        for actor in actors[..<12] { counts[try #require(h.place(of: actor.id)).node, default: 0] += 1 }
        #expect(nodes.allSatisfy { counts[$0] == 4 })
        #expect(h.place(of: actors[12].id) == nil)
        let row = try #require(h.directory.rows(limit: 1).first)
        #expect(row.state == .pending)
        #expect(row.reason?.contains("GPU 1") == true)
        #expect(row.reason?.contains("other actors hold") == true)
        // A heartbeat that does not count them yet gives nothing away.
        let first = try #require(h.place(of: actors[0].id)).node
        h.event { $0.nodeUpdated(first, available: ["GPU": 4].resources, at: h.now, $1) }
        #expect(h.place(of: actors[12].id) == nil)
        // One goes: the last one gets its place.
        h.cameAlive(actors[0].id, on: first)
        h.event { $0.nodeUpdated(first, available: ["GPU": 3].resources, at: h.now, $1) }
        #expect(h.place(of: actors[12].id) == nil)
        h.died(actors[0].id, on: first)
        #expect(h.place(of: actors[12].id)?.node == first)
    }

    @Test func anActorThatFitsNowhereSaysWhyAndIsPlacedWhenANodeComes() throws {
        let h = DirectoryHarness()
        let actor = h.specification(resources: ["GPU": 2].resources)
        _ = h.ask(h.create(actor))
        #expect(h.directory.rows(limit: 1).first?.reason == "no node is alive")
        h.addNode(["CPU": 8].resources)
        #expect(h.directory.rows(limit: 1).first?.reason?.contains("no node of the cluster has at all") == true)
        let node = h.addNode(["GPU": 2].resources)
        #expect(h.place(of: actor.id)?.node == node)
        #expect(h.directory.rows(limit: 1).first?.reason == nil)
    }

    @Test func FAIL_045_theOwnerOfAnActorThatNoNodeCanRunIsToldOnce() throws {
        func told(_ actions: [ActorDirectory.Action]) -> [ActorID] { actions.compactMap { if case .infeasible(let id, _, _) = $0 { id } else { nil } } }
        let h = DirectoryHarness()
        h.addNode(Resources())
        let plain = h.specification(placement: ["CPU": 1].resources)
        let large = h.specification(resources: ["GPU": 9].resources)
        let group = PlacementGroupID(high: 1, low: 2)
        let grouped = h.specification(
            resources: GroupMembership(group: group, bundles: [], bundle: nil, captures: false).demand(for: ["CPU": 1].resources))
        for actor in [plain, large, grouped] { _ = h.ask(h.create(actor)) }
        h.pass(.seconds(1))
        #expect(told(h.take()).isEmpty, "nodes that start together come one after the other")
        h.pass(Limits.doubtPatience)
        #expect(Set(told(h.take())) == [plain.id, large.id], "not what waits for a group")
        #expect(h.directory.awaitedGroups == [group])
        h.pass(Limits.doubtPatience)
        #expect(told(h.take()).isEmpty)
        h.addNode(["CPU": 1].resources)
        #expect(h.place(of: plain.id) != nil)
    }

    @Test func anActorDoesNotWaitForBusyTasksButPrefersANodeWithoutThem() throws {
        let h = DirectoryHarness()
        let busy = h.addNode(["CPU": 1].resources)
        h.event { $0.nodeUpdated(busy, available: Resources(), at: h.now, $1) }
        let first = h.specification(placement: ["CPU": 1].resources)
        _ = h.ask(h.create(first))
        #expect(h.place(of: first.id)?.node == busy)
        let idle = h.addNode(["CPU": 1].resources)
        for expected in [idle, busy] {
            let actor = h.specification(resources: ["CPU": 1].resources)
            _ = h.ask(h.create(actor))
            #expect(h.place(of: actor.id)?.node == expected)
        }
        _ = h.ask(h.create(h.specification(resources: ["CPU": 1].resources)))
        #expect(h.directory.rows(limit: 1).first?.reason?.contains("other actors hold") == true)
    }

    /// ACTOR-023, ACTOR-050.
    @Test func killingAnActorBeforeItStartedFreesWhatItHeld() throws {
        let h = DirectoryHarness()
        let node = h.addNode(["CPU": 1].resources)
        let first = h.specification(resources: ["CPU": 1].resources)
        let second = h.specification(resources: ["CPU": 1].resources)
        _ = h.ask(h.create(first))
        _ = h.ask(h.create(second))
        #expect(h.place(of: second.id) == nil)
        _ = h.ask(.kill(first.id, noRestart: true))
        #expect(h.ended(first.id, on: node))
        #expect(h.place(of: second.id)?.node == node)

        let infeasible = h.specification(resources: ["GPU": 99].resources)
        _ = h.ask(h.create(infeasible))
        _ = h.ask(.kill(infeasible.id, noRestart: true))
        #expect(h.directory.status(infeasible.id)?.state == .dead)
    }

    /// ACTOR-012, ACTOR-016.
    @Test func anActorIsRestartedAsOftenAsItAllows() throws {
        let h = DirectoryHarness()
        h.addNode()
        let actor = h.specification(maxRestarts: 2)
        let node = try h.alive(actor)
        for restarts in 1...2 {
            h.died(actor.id, on: node, restarts: restarts - 1)
            #expect(h.directory.status(actor.id)?.state == .restarting)
            h.pass(.seconds(1))
            #expect(h.place(of: actor.id)?.restarts == restarts)
            h.cameAlive(actor.id, on: node, restarts: restarts)
        }
        h.died(actor.id, on: node, restarts: 2)
        #expect(h.directory.status(actor.id)?.state == .dead)
        #expect(h.directory.status(actor.id)?.death?.kind == .exited)
    }

    /// ACTOR-021, F5.
    @Test func aRestartStormSlowsDown() throws {
        let h = DirectoryHarness()
        let node = h.addNode()
        let actor = h.specification(maxRestarts: -1)
        _ = h.ask(h.create(actor))
        var pauses: [Int64] = []
        for restarts in 0..<12 {
            h.died(actor.id, on: node, restarts: restarts)
            let before = h.now
            while h.place(of: actor.id)?.restarts != restarts + 1 { h.now = try #require(h.directory.nextDeadline); h.pass(.zero) }
            pauses.append((h.now - before).inMilliseconds)
        }
        #expect(pauses == [100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000, 10000, 10000, 10000])
        h.cameAlive(actor.id, on: node, restarts: 12)
        h.pass(.seconds(60))
        h.died(actor.id, on: node, restarts: 12)
        let before = h.now
        h.now = try #require(h.directory.nextDeadline)
        #expect((h.now - before).inMilliseconds == 100, "a long life makes up for the past")
    }

    /// ACTOR-005.
    @Test func aConstructorThatThrowsIsNotTriedAgain() throws {
        let h = DirectoryHarness()
        let node = h.addNode()
        let actor = h.specification(maxRestarts: -1)
        _ = h.ask(h.create(actor))
        h.died(actor.id, on: node, .constructorThrew)
        #expect(h.directory.status(actor.id)?.death?.kind == .constructorThrew)
    }

    /// ACTOR-015, ACTOR-019, ACTOR-048.
    @Test func whenItsNodeDiesAnActorIsRestartedElsewhereOnceOrDies() throws {
        let h = DirectoryHarness()
        let first = h.addNode()
        let lasting = h.specification(maxRestarts: 1)
        let fragile = h.specification()
        #expect(try h.alive(lasting) == first)
        #expect(try h.alive(fragile) == first)
        h.event { $0.nodeDied(first, reason: "its process ended", at: h.now, $1) }
        #expect(h.directory.status(fragile.id)?.death?.kind == .nodeDied)
        #expect(h.directory.status(fragile.id)?.death?.detail.contains("its process ended") == true)
        #expect(h.directory.status(lasting.id)?.state == .restarting)
        let second = h.addNode()
        h.pass(.milliseconds(100))
        #expect(h.place(of: lasting.id)! == (second, 1))
        // The first node was only away: it must end what was given up.
        h.cameAlive(lasting.id, on: second, restarts: 1)
        let running = [lasting, fragile].map { ActorDirectory.Running(specification: $0, address: h.address(), pid: 1, restarts: 0) }
        h.addNode(running: running, id: first)
        #expect(h.ended(lasting.id, on: first))
        #expect(h.ended(fragile.id, on: first))
        #expect(h.directory.status(lasting.id)?.node == second)
        #expect(h.actions.filter { if case .place(lasting, _, _) = $0 { true } else { false } }.count == 2)
    }

    /// ACTOR-047.
    @Test func whenANodeDiesBeforeItTookAnActorNoRestartIsCounted() throws {
        let h = DirectoryHarness()
        let first = h.addNode()
        let actor = h.specification()
        _ = h.ask(h.create(actor))
        h.event { $0.nodeDied(first, reason: "gone", at: h.now, $1) }
        let second = h.addNode()
        #expect(h.place(of: actor.id)! == (second, 0))
        // Had it taken the actor, its constructor may have run.
        h.event { directory, _ in directory.accepted(actor.id, on: second, restarts: 0) }
        h.event { $0.nodeDied(second, reason: "gone", at: h.now, $1) }
        #expect(h.directory.status(actor.id)?.state == .dead)
    }

    @Test func aNodeThatRefusesIsAskedAgainLater() throws {
        let h = DirectoryHarness()
        let node = h.addNode()
        let actor = h.specification()
        _ = h.ask(h.create(actor))
        _ = h.take()
        h.event { $0.refused(actor.id, on: node, restarts: 0, MantaError(.overloaded, "all workers are busy"), at: h.now, $1) }
        #expect(h.place(of: actor.id) == nil)
        #expect(h.directory.rows(limit: 1).first?.reason?.contains("all workers are busy") == true)
        h.pass(.milliseconds(250))
        #expect(h.place(of: actor.id)?.node == node)
        h.event { $0.refused(actor.id, on: node, restarts: 0, MantaError(.unknownFunction, "no such type"), at: h.now, $1) }
        #expect(h.directory.status(actor.id)?.death?.kind == .startFailed)
    }

    @Test func nothingIsPlacedOnASuspectNode() throws {
        let h = DirectoryHarness()
        let node = h.addNode()
        h.event { $0.nodeUsable(node, false, at: h.now, $1) }
        let actor = h.specification()
        _ = h.ask(h.create(actor))
        #expect(h.place(of: actor.id) == nil)
        h.event { $0.nodeUsable(node, true, at: h.now, $1) }
        #expect(h.place(of: actor.id)?.node == node)
    }

    /// F27.
    @Test func lateReportsOfEarlierIncarnationsChangeNothing() throws {
        let h = DirectoryHarness()
        let node = h.addNode()
        let actor = h.specification(maxRestarts: 5)
        _ = try h.alive(actor)
        h.died(actor.id, on: node)
        h.died(actor.id, on: node)
        h.pass(.milliseconds(100))
        h.cameAlive(actor.id, on: node, restarts: 0)
        #expect(h.directory.status(actor.id)?.state == .restarting)
        h.cameAlive(actor.id, on: node, restarts: 1)
        h.died(actor.id, on: node, restarts: 0)
        #expect(h.directory.status(actor.id)?.state == .alive)
        #expect(h.directory.status(actor.id)?.restarts == 1)
        #expect(!h.actions.contains { if case .end = $0 { true } else { false } }, "the newer incarnation on the same node must live")
    }

    @Test func ACTOR_063_theTimeOfCreationOutlivesRestartsAndTheEndIsWritten() throws {
        let h = DirectoryHarness()
        let node = h.addNode()
        h.pass(.seconds(5))
        let actor = h.specification(maxRestarts: 1)
        _ = try h.alive(actor)
        h.pass(.seconds(5))
        h.died(actor.id, on: node)
        #expect(h.directory.rows(limit: 1).first?.createdAt == WallTime(milliseconds: 5000))
        #expect(h.directory.rows(limit: 1).first?.endedAt == nil)
        h.pass(.milliseconds(100))
        h.cameAlive(actor.id, on: node, restarts: 1)
        h.pass(.milliseconds(900))
        _ = h.ask(.kill(actor.id, noRestart: true))
        h.pass(.seconds(5))
        let row = try #require(h.directory.rows(limit: 1).first)
        #expect(row.createdAt == WallTime(milliseconds: 5000))
        #expect(row.endedAt == WallTime(milliseconds: 11_000))
    }

    @Test func deadActorsAreForgottenInTime() throws {
        let h = DirectoryHarness()
        let first = h.specification()
        _ = h.ask(h.create(first))
        _ = h.ask(.kill(first.id, noRestart: true))
        for _ in 0..<Limits.deadActors {
            let actor = h.specification()
            _ = h.ask(h.create(actor))
            _ = h.ask(.kill(actor.id, noRestart: true))
        }
        #expect(h.directory.count == Limits.deadActors)
        #expect(h.error(.watch(first.id, WatcherID(1)))?.code == .notFound)
    }

    @Test func theOrderToEndNamesTheIncarnation() throws {
        let harness = DirectoryHarness()
        harness.addNode()
        let specification = harness.specification(maxRestarts: -1)
        let id = specification.id
        let node = try harness.alive(specification)
        harness.died(id, on: node)
        harness.pass(.seconds(1))
        harness.cameAlive(id, on: try #require(harness.place(of: id)).node, restarts: 1)
        _ = harness.take()
        _ = harness.ask(.kill(id, noRestart: false))
        let orders = harness.take().compactMap { if case .end(id, _, let restarts, _) = $0 { restarts } else { nil } }
        #expect(orders == [1])
        // A leftover of the former one that is reported late is ended, and by its own number.
        let elsewhere = harness.addNode(running: [
            ActorDirectory.Running(specification: specification, address: harness.address(), pid: 7, restarts: 0)
        ])
        let leftovers = harness.take().compactMap { if case .end(id, elsewhere, let restarts, _) = $0 { restarts } else { nil } }
        #expect(leftovers == [0])
    }
}
