// Tasks go where their large arguments lie, and arguments come to a node before a task takes its worker.

import Manta
import MantaModel
import MantaTestCluster
import MantaTestKit
import Testing

/// Elements of one megabyte.
private let perMegabyte = (1 << 20) / 8

@Remote func whereWith(_ values: SharedArray<Int64>) async throws -> String { try Manta.context.node?.description ?? "nowhere" }
@Remote func whereWithBoth(_ a: SharedArray<Int64>, _ b: SharedArray<Int64>) async throws -> String { try Manta.context.node?.description ?? "nowhere" }
/// Where a task runs that a borrower of the reference submits.
@Remote func whereChildWith(_ references: [ObjectReference<[Int64]>]) async throws -> String { try await whereWith.remote(references[0].inPlace()).value }

extension ObjectTests {
    @Suite(.serialized) struct LocalityTests {
        /// A large result that lies on one node only.
        private func large(_ seed: Int, on node: TestNode, megabytes: Int = 1) async throws -> ObjectReference<[Int64]> {
            let result = makeNumbers.options(scheduling: .node(node.id)).remote(seed: seed, count: megabytes * perMegabyte)
            _ = try await Manta.wait([result], fetch: false)
            return result
        }

        @Test func SCHED_003_aTaskGoesWhereItsLargeArgumentLies() async throws {
            try await TestCluster.run(nodes: [2, 2]) { _, nodes in
                let there = try await large(1, on: nodes[1])
                let place = try await whereWith.remote(there.inPlace()).value
                #expect(place == nodes[1].id.description)
                let pending = makeNumbers.options(scheduling: .node(nodes[1].id)).remote(seed: 2, count: perMegabyte)
                let places = try await Manta.get([whereWith.remote(pending.inPlace()), whereWith.remote(Manta.put(numbers(3, count: perMegabyte)).inPlace())])
                #expect(places == nodes.reversed().map(\.id.description))
            }
        }

        @Test func SCHED_003_alsoWhenTheReferenceIsBorrowed() async throws {
            try await TestCluster.run(nodes: [2, 2]) { _, nodes in
                let there = try await large(1, on: nodes[1])
                let place = try await whereChildWith.options(scheduling: .node(nodes[0].id)).remote([there]).value
                #expect(place == nodes[1].id.description)
            }
        }

        @Test func SCHED_003_alsoWhenTheCopyIsACachedOne() async throws {
            try await TestCluster.run(nodes: [2, 2, 2]) { _, nodes in
                let (a, b) = (try await large(1, on: nodes[1]).inPlace(), Manta.put(numbers(2, count: perMegabyte)).inPlace())
                let first = try await whereWithBoth.options(scheduling: .node(nodes[2].id)).remote(a, b).value
                #expect(first == nodes[2].id.description)
                // The owner hears of the copies beside the task's answer.
                try await eventually("a task where both copies are", within: .seconds(30)) { try await whereWithBoth.remote(a, b).value == nodes[2].id.description }
            }
        }

        @Test func SCHED_003_aFullNodeIsNotWaitedFor() async throws {
            try await TestCluster.run(nodes: [1, 1]) { _, nodes in
                let there = try await large(1, on: nodes[1])
                let gate = FileGate()
                let busy = wait.options(scheduling: .node(nodes[1].id)).remote(for: gate.path)
                try await eventually("a task on the node that is free", within: .seconds(30)) {
                    try await whereWith.remote(there.inPlace()).value == nodes[0].id.description
                }
                gate.open()
                _ = try await busy.value
            }
        }

        @Test func SCHED_017_aNodeWithoutRoomForTheArgumentDoesNotGetItsTask() async throws {
            try await TestCluster.run(nodes: [1, 1], stores: [8 << 20, 32 << 20], environment: ["MANTA_SPILL_DIRECTORY": "off"]) { _, nodes in
                let there = try await large(1, on: nodes[1], megabytes: 6)
                let filling = Manta.put(numbers(2, count: 6 * perMegabyte))
                let gate = FileGate()
                let busy = wait.options(scheduling: .node(nodes[1].id)).remote(for: gate.path)
                try await eventually("a task on the node that has the argument", within: .seconds(30)) { gate.isAwaited }
                let place = whereWith.remote(there.inPlace())
                let (ready, _) = try await Manta.wait([place], timeout: .seconds(1))
                #expect(ready.isEmpty)
                gate.open()
                let found = try await place.value
                #expect(found == nodes[1].id.description)
                _ = try await busy.value
                let kept = try await filling.value
                #expect(kept.count == 6 * perMegabyte)
            }
        }
    }
}
