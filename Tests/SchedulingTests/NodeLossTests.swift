// Actors, calls and waits across nodes: how actors spread, what becomes of them and their callers when nodes, owners or the head are lost.

import Glibc
import Manta
import MantaLoop
import MantaModel
import MantaTestCluster
import MantaTestKit
import MantaWire
import Testing

/// Counts, on a node of its own choosing.
@RemoteActor actor Tally {
    private var count = 0
    init() {}
    func next() -> Int {
        count += 1
        return count
    }
    func node() throws -> String { try Manta.context.node?.description ?? "nowhere" }
    func process() -> Int32 { getpid() }
    func hang() async throws -> Int {
        try await Task.sleep(for: .seconds(3600))  // until its process ends
        return 0
    }
    /// Waits for what another process made; how many became ready.
    func waitFor(_ references: [ObjectReference<Int>]) async throws -> Int {
        var (rest, ready) = (references, 0)
        while !rest.isEmpty {
            let (done, pending) = try await Manta.wait(rest)
            (rest, ready) = (pending, ready + done.count)
        }
        return ready
    }
    /// Makes actors that nothing can host.
    func makeImpossible(_ count: Int) -> Int {
        for _ in 0..<count { kept.append(Tally.options(resources: ["nothing": 1]).remote()) }
        return kept.count
    }
    private var kept: [Tally.Handle] = []
}

@Remote func addThrough(_ tally: Tally.Handle) async throws -> Int { try await tally.next().value }
@Remote func hangOn(_ ignored: Int) async throws -> Int {
    try await Task.sleep(for: .seconds(3600))  // until the test ends
    return ignored
}

extension SchedulingTests {
    @Suite(.serialized) struct NodeLossTests {
        @Test func ACTOR_010_actorsThatNeedNothingSpread() async throws {
            try await TestCluster.run(nodes: [1, 1, 1]) { _, _ in
                let actors = (0..<30).map { _ in Tally.remote() }
                let nodes = try await Manta.get(actors.map { $0.node() })
                let counts = Dictionary(grouping: nodes) { $0 }.mapValues(\.count)
                #expect(counts.count == 3 && counts.values.allSatisfy { $0 >= 5 }, "\(counts)")
            }
        }

        @Test func ACTOR_015_callsGoOnWhereTheActorIsMadeAgain() async throws {
            try await TestCluster.run(nodes: [1]) { cluster, _ in
                let first = try await cluster.addNode(cpus: 1, resources: "home=1")
                let tally = Tally.options(resources: ["home": 1], maxRestarts: 1, maxTaskRetries: -1).remote()
                #expect(try await tally.node().value == first.id.description)
                let calls = (0..<100).map { _ in tally.next() }
                first.kill()
                let second = try await cluster.addNode(cpus: 1, resources: "home=1")
                let values = try await Manta.get(calls)
                #expect(values.count == 100)
                #expect(try await tally.node().value == second.id.description)
            }
        }

        @Test func ACTOR_018_noCallIsLostWhileNodesGo() async throws {
            try await TestCluster.run(nodes: [1]) { cluster, _ in
                for _ in 0..<3 {
                    let node = try await cluster.addNode(cpus: 1)
                    let actors = (0..<3).map { _ in Tally.options(maxRestarts: -1, maxTaskRetries: -1).remote() }
                    let calls = actors.map { actor in (0..<10).map { _ in actor.next() } }
                    node.kill()
                    for made in calls {
                        var last = 0
                        for value in try await Manta.get(made) {
                            #expect(value == last + 1 || value == 1, "the next one, or it began anew")
                            last = value
                        }
                    }
                }
            }
        }

        @Test func ACTOR_019_callsOfALostActorFail() async throws {
            try await TestCluster.run(nodes: [1]) { cluster, _ in
                let node = try await cluster.addNode(cpus: 1, resources: "home=1")
                let tally = Tally.options(resources: ["home": 1]).remote()
                #expect(try await tally.next().value == 1)
                var calls = (0..<50).map { _ in tally.hang() }
                node.kill()
                for call in calls { #expect(await code(of: call) == .actorDied) }
                calls = (0..<50).map { _ in tally.hang() }
                for call in calls { #expect(await code(of: call) == .actorDied) }
            }
        }

        @Test func aSilentNodeIsGivenUpAndEndsWhatItRanWhenItIsBack() async throws {
            try await TestCluster.run(nodes: [1, 1]) { cluster, nodes in
                func state() async throws -> NodeState? { try await cluster.state(.nodes).nodes.first { $0.id == nodes[1].id }?.state }
                let folder = TemporaryDirectory()
                let task = hangOnce.options(scheduling: .node(nodes[1].id, soft: true)).remote(noting: folder.file("tries"))
                try await eventually("the first try", within: .seconds(30)) { (try? String.lines(of: folder.file("tries")).count) == 1 }
                let first = try #require(try String.lines(of: folder.file("tries"))[0].split(separator: " ").last.flatMap { Int32($0) })
                let stopped = ContinuousClock.now
                kill(nodes[1].pid, SIGSTOP)
                #expect(try await task.value == nodes[0].id.description)
                #expect(ContinuousClock.now - stopped > Limits.deadAfter - Limits.heartbeatPeriod, "a short silence is no death")
                #expect(try await state() == .dead)
                #expect(try await cluster.state(.errors).errors.contains { $0.node == nodes[1].id && $0.message.contains("nothing was heard") })
                kill(nodes[1].pid, SIGCONT)
                try await eventually("its return", within: .seconds(30)) { try await state() == .alive }
                try await eventually("the end of what it ran", within: .seconds(30)) { hasEnded(first) }
                #expect(try await whereAmI.options(scheduling: .node(nodes[1].id)).remote().value == nodes[1].id.description)
                try await cluster.expectEverythingIsReturned()
            }
        }

        @Test func CORE_031_whatDiedIsReadyForWhoWaits() async throws {
            try await TestCluster.run(nodes: [2]) { cluster, _ in
                let node = try await cluster.addNode(cpus: 1, resources: "home=1")
                let tally = Tally.options(resources: ["home": 1]).remote()
                let waiter = Tally.options(cpus: 0.1).remote()
                #expect(try await tally.next().value == 1)
                let calls = (0..<5).map { _ in tally.hang() }
                let waited = waiter.waitFor(calls)
                node.kill()
                let (ready, pending) = try await Manta.wait(calls, count: 5, timeout: .seconds(30))
                #expect(ready.count == 5 && pending.isEmpty)
                #expect(try await waited.value == 5)
                for call in calls { #expect(await code(of: call) == .actorDied) }
            }
        }

        @Test func CORE_036_whatEndedElsewhereIsReadyWithoutBeingFetched() async throws {
            try await TestCluster.run(nodes: [0]) { cluster, _ in
                for _ in 0..<2 { try await cluster.addNode(cpus: 2) }
                let references = (0..<10).map { _ in whereAmI.remote() }
                _ = try await Manta.wait(references, count: 10, timeout: .seconds(30))
                let (ready, pending) = try await Manta.wait(references, count: 10, timeout: .zero)
                #expect(ready.count == 10 && pending.isEmpty)
            }
        }

        @Test func CORE_039_queuedTasksStartNoFurtherWorkers() async throws {
            try await TestCluster.run(nodes: [2]) { cluster, _ in
                let tasks = (0..<10_000).map { hangOn.options(cpus: 0.25).remote($0) }
                try await eventually("a worker for each quarter of a CPU", within: .seconds(60)) {
                    try await cluster.state(.nodes).nodes.first?.workers == 8
                }
                for _ in 0..<20 {
                    let (ready, _) = try await Manta.wait([tasks[0]], timeout: .milliseconds(100))
                    #expect(ready.isEmpty)
                    #expect(try await cluster.state(.nodes).nodes.first?.workers == 8)
                }
            }
        }

        @Test func ACTOR_047_actorsThatWereBeingMadeOnALostNodeComeToBe() async throws {
            try await TestCluster.run(nodes: [1, 1]) { cluster, nodes in
                let actors = (0..<15).map { _ in Tally.options(maxRestarts: 1, maxTaskRetries: -1).remote() }
                let calls = actors.map { $0.next() }
                nodes[1].kill()
                let values = try await Manta.get(calls)
                #expect(values == Array(repeating: 1, count: 15))
            }
        }

        @Test func ACTOR_048_manyCallersRestartAnActorOnce() async throws {
            try await TestCluster.run(nodes: [2]) { cluster, _ in
                let other = try await cluster.addNode(cpus: 2)
                let actors = (0..<6).map { _ in Tally.options(maxRestarts: 1, maxTaskRetries: -1).remote() }
                _ = try await Manta.get(actors.map { $0.next() })
                other.kill()
                let calls = (0..<48).map { addThrough.options(cpus: 0.1, retries: -1).remote(actors[$0 % 6]) }
                #expect(try await Manta.get(calls).count == 48)
                let rows = try await cluster.state(.actors).actors.filter { row in actors.contains { "\($0)".contains(row.id.description) } }
                #expect(rows.count == 6 && rows.allSatisfy { $0.restarts <= 1 && $0.state == .alive })
                #expect(rows.contains { $0.restarts == 1 }, "some lived on the node that went")
            }
        }

        @Test func ACTOR_049_actorsThatWaitGoWithTheirOwner() async throws {
            try await TestCluster.run(nodes: [1]) { cluster, _ in
                let owner = Tally.remote()
                #expect(try await owner.makeImpossible(3).value == 3)
                try await eventually("three that wait", within: .seconds(30)) { try await waiting(cluster) == 3 }
                kill(try await owner.process().value, SIGKILL)
                try await eventually("the end of those that wait", within: .seconds(30)) { try await waiting(cluster) == 0 }
            }
        }

        @Test func ACTOR_050_aKilledActorWaitsForNothing() async throws {
            try await TestCluster.run(nodes: [1]) { cluster, _ in
                let impossible = Tally.options(resources: ["nothing": 1]).remote()
                let call = impossible.next()
                try await eventually("one that waits", within: .seconds(30)) { try await waiting(cluster) == 1 }
                try await Manta.kill(impossible)
                #expect(await code(of: call) == .actorDied)
                try await eventually("nothing that waits", within: .seconds(10)) { try await waiting(cluster) == 0 }
            }
        }

        @Test func FAIL_041_handlesEndTheirActorsAlsoAfterTheHeadsRestart() async throws {
            try await TestCluster.run(nodes: [1]) { cluster, _ in
                var tally: Tally.Handle? = Tally.remote()
                let named = Tally.options(name: "lasting").remote()
                let processes = try await Manta.get([tally!.process(), named.process()])
                try await cluster.restartHead()
                #expect(try await tally!.next().value == 1)
                tally = nil
                try await Manta.kill(named)
                try await eventually("the end of both", within: .seconds(30)) { processes.allSatisfy(hasEnded) }
                let next = Tally.options(name: "lasting").remote()
                #expect(try await next.next().value == 1, "the name is free")
            }
        }

        @Test func FAIL_042_tablesAreReadWhenTheHeadIsBack() async throws {
            try await TestCluster.run(nodes: [1]) { cluster, _ in
                let table = try Manta.table("kept", of: Int.self)
                try await table.put("answer", 42)
                cluster.killHead()
                async let read = table.get("answer")
                try await cluster.restartHead()
                #expect(try await read == 42)
            }
        }

        private func waiting(_ cluster: TestCluster) async throws -> Int {
            try await cluster.state(.actors).actors.count { $0.state == .pending && $0.reason?.contains("nothing") == true }
        }
    }
}

/// What reading fails with; nil when it does not.
func code<Value: Decodable>(of reference: ObjectReference<Value>) async -> MantaError.Code? {
    do {
        _ = try await reference.value
        return nil
    } catch { return (error as? MantaError)?.code }
}
