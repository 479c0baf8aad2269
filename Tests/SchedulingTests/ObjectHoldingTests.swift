// What objects hold on several nodes, and when it goes.

import Manta
import MantaModel
import MantaTestCluster
import MantaTestKit
import MantaWire
import Testing

/// Keeps what it was told to put.
@RemoteActor actor Hoard {
    private var kept: [ObjectReference<[UInt8]>] = []
    init() {}
    func keep(megabytes: Int) { kept.append(Manta.put([UInt8](repeating: 1, count: megabytes * 1_000_000))) }
    func dropFirst() { kept.removeFirst() }
}

extension SchedulingTests {
    @Suite(.serialized) struct ObjectHoldingTests {
        /// Whole megabytes, of all nodes that live.
        private func expect(_ megabytes: Int, in cluster: TestCluster) async throws {
            try await eventually("\(megabytes) MB of objects", within: .seconds(30)) {
                let state = try await cluster.state(.objects)
                return (state.objectBytes ?? 0) / 1_000_000 == megabytes && (state.objectTotals ?? []).reduce(0) { $0 + $1.bytes } == state.objectBytes
            }
        }

        @Test func OBJ_011_whatObjectsHoldGoesWithTheirReferencesNodesAndActors() async throws {
            try await TestCluster.run(nodes: [1, 1]) { cluster, nodes in
                var references = [Manta.put([UInt8](repeating: 1, count: 1_000_000)), Manta.put([UInt8](repeating: 1, count: 10_000_000))]
                try await expect(11, in: cluster)
                references.removeFirst()
                try await expect(10, in: cluster)
                references = []
                try await expect(0, in: cluster)

                let hoards = nodes.map { Hoard.options(scheduling: .node($0.id)).remote() }
                for hoard in hoards { for size in [1, 10] { try await hoard.keep(megabytes: size).value } }
                try await expect(22, in: cluster)
                try await hoards[0].dropFirst().value
                try await expect(21, in: cluster)
                nodes[1].kill()
                try await expect(10, in: cluster)
                try await Manta.kill(hoards[0])
                try await expect(0, in: cluster)
            }
        }
    }
}
