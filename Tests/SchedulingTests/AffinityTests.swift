// Where tasks and actors run: on several nodes, by balance and by rule.

import Glibc
import Manta
import MantaModel
import MantaTestCluster
import MantaTestKit
import Testing

/// One cluster after the other: a process has one session.
@Suite(.serialized, .timeLimit(.minutes(5))) struct SchedulingTests {}

extension SchedulingTests {
    @Suite(.serialized) struct AffinityTests {
        @Test func SCHED_001_loadIsBalancedOverTheNodes() async throws {
            try await TestCluster.run(nodes: [7, 7, 7]) { cluster, _ in
                // On a busy machine the first round is over before the other nodes' workers have started.
                try await eventually("ten tasks of a hundred on each node", within: .seconds(30)) {
                    let nodes = try await Manta.get((0..<100).map { _ in work.remote(milliseconds: 100) })
                    let counts = Dictionary(grouping: nodes, by: \.self).mapValues(\.count)
                    return counts.count == 3 && counts.values.allSatisfy { $0 >= 10 }
                }
                try await cluster.expectEverythingIsReturned()
            }
        }

        @Test func SCHED_004_aHardWishIsMetOrFails() async throws {
            try await TestCluster.run(nodes: [1, 2]) { cluster, nodes in
                for node in nodes {
                    let task = whereAmI.options(scheduling: .node(node.id)).remote()
                    let resident = Resident.options(scheduling: .node(node.id)).remote()
                    let places = try await Manta.get([task, resident.node()])
                    #expect(places == [node.id.description, node.id.description])
                }
                for impossible in [Scheduling.node(.random()), .node(nodes[0].id)] {
                    let task = await #expect(throws: MantaError.self) { try await whereAmI.options(cpus: 2, scheduling: impossible).remote().value }
                    #expect(task?.code == .unschedulable)
                    let actor = Resident.options(cpus: 2, scheduling: impossible).remote()
                    let error = await #expect(throws: MantaError.self) { try await actor.node().value }
                    #expect(error?.code == .unschedulable)
                }
            }
        }

        @Test func SCHED_005_aSoftWishFallsBackWhenTheNodeIsGone() async throws {
            try await TestCluster.run(nodes: [1, 1]) { cluster, nodes in
                let (home, other) = (nodes[0], nodes[1])
                #expect(try await whereAmI.options(scheduling: .node(.random(), soft: true)).remote().value != "nowhere")
                #expect(try await Resident.options(scheduling: .node(.random(), soft: true)).remote().node().value != "nowhere")
                // The driver's own node cannot be lost under it.
                let folder = TemporaryDirectory()
                let task = hangOnce.options(scheduling: .node(other.id, soft: true)).remote(noting: folder.file("tries"))
                try await eventually("the first try", within: .seconds(30)) { access(folder.file("tries"), F_OK) == 0 }
                other.kill()
                #expect(try await task.value == home.id.description)
            }
        }

        @Test func SCHED_005_aBusyNodeIsWaitedFor() async throws {
            try await TestCluster.run(nodes: [1, 1]) { cluster, nodes in
                for node in nodes {
                    let first = work.options(scheduling: .node(node.id, soft: true)).remote(milliseconds: 300)
                    let second = work.options(scheduling: .node(node.id, soft: true)).remote(milliseconds: 1)
                    let places = try await Manta.get([first, second])
                    #expect(places == [node.id.description, node.id.description])
                }
            }
        }

        @Test func SCHED_015_spreadUsesEveryNode() async throws {
            try await TestCluster.run(nodes: [0, 8, 8]) { cluster, nodes in
                // The driver's node may not have heard of the third one yet.
                try await eventually("tasks on both nodes that have CPUs", within: .seconds(30)) {
                    let used = try await Manta.get((0..<8).map { _ in work.options(scheduling: .spread).remote(milliseconds: 200) })
                    return Set(used) == Set(nodes.dropFirst().map(\.id.description))
                }
            }
        }

        @Test func labelsChooseNodesAndWaitForThem() async throws {
            try await TestCluster.run(nodes: [1]) { cluster, nodes in
                let waiting = whereAmI.options(scheduling: .labels(["zone": "b"])).remote()
                let actor = Resident.options(scheduling: .labels(["zone": .in(["b", "c"])])).remote()
                let (ready, _) = try await Manta.wait([waiting, actor.node()], timeout: .milliseconds(300))
                #expect(ready.isEmpty)
                let node = try await cluster.addNode(cpus: 1, labels: "zone=b")
                #expect(try await Manta.get([waiting, actor.node()]) == [node.id.description, node.id.description])
                #expect(try await whereAmI.options(scheduling: .labels(["zone": .missing])).remote().value == nodes[0].id.description)
            }
        }
    }
}
