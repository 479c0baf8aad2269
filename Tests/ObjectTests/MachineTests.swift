// Several machines: processes that reach each other by the network only, links that are cut while objects travel, machines that are lost.

import CSystem
import Glibc
import Manta
import MantaModel
import MantaTestCluster
import MantaTestKit
import MantaWire
import Testing

private let megabyte = 1 << 20
private let perMegabyte = megabyte / 8

@Remote func checksum(_ bytes: SharedArray<UInt8>) -> UInt32 {
    bytes.withUnsafeBufferPointer { manta_crc32c(0, $0.baseAddress, $0.count) }
}

/// What a process of the node owns: a small value, and a large one.
@Remote func ownedThere(count: Int) -> [ObjectReference<[Int64]>] { [Manta.put([1, 2, 3]), Manta.put(numbers(11, count: count))] }

/// Adds up what others own, by references inside a value.
@Remote func addUpInside(_ references: [ObjectReference<[Int64]>]) async throws -> Int64 {
    var total: Int64 = 0
    for reference in references { total &+= sum(try await reference.value) }
    return total
}

/// Holds a CPU until its node dies.
@Remote func holdOn() async throws { try await Task.sleep(for: .seconds(600)) }

/// Keeps a task of its own running on another node.
@RemoteActor actor FarOwner {
    private var held: ObjectReference<Void>?
    init() {}
    func hold(on node: NodeID) { held = holdOn.options(retries: 0, scheduling: .node(node)).remote() }
}

/// Bytes of which no megabyte is like another.
private func noise(megabytes: Int) -> [UInt8] {
    let block = (0..<megabyte).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 7) }
    return [UInt8](unsafeUninitializedCapacity: megabytes * megabyte) { bytes, count in
        for index in 0..<megabytes {
            UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(bytes)[index * megabyte..<(index + 1) * megabyte]).copyBytes(from: block)
            for byte in 0..<8 { bytes[index * megabyte + byte * 1_000] = UInt8(truncatingIfNeeded: index &* 31 &+ byte) }
        }
        count = bytes.count
    }
}

extension ObjectTests {
    @Suite(.serialized) struct MachineTests {
        /// Two nodes of one machine that are told to be two: they, their workers and this program reach each other by TCP.
        @Test func tasksActorsAndObjectsTravelBetweenMachines() async throws {
            try await TestCluster.run(nodes: [1], stores: [64 << 20], host: "127.0.0.1") { cluster, nodes in
                let far = try await cluster.addNode(cpus: 2, store: 64 << 20, variables: ["MANTA_MACHINE": "another"])
                let rows = try await cluster.state(.nodes).nodes
                #expect(rows.allSatisfy { $0.endpoint.hasPrefix("tcp://127.0.0.1:") })
                #expect(rows.first { $0.id == far.id }?.endpoint.contains(";machine=another;") == true)

                let there: Scheduling = .node(far.id)
                #expect(try await place.options(scheduling: there).remote().value == far.id.description)
                let values = numbers(3, count: 2 * perMegabyte)
                #expect(try await addUp.options(scheduling: there).remote(Manta.put(values)).value == sum(values), "an argument in this machine's store")
                #expect(try await makeNumbers.options(scheduling: there).remote(seed: 5, count: perMegabyte).value == numbers(5, count: perMegabyte), "a result in the other's")

                let owned = try await ownedThere.options(scheduling: there).remote(count: perMegabyte).value
                #expect(try await owned[0].value == [1, 2, 3], "objects of the other machine's process")
                #expect(try await owned[1].value == numbers(11, count: perMegabyte))
                let mine = [Manta.put([4, 5] as [Int64]), Manta.put(values)]
                #expect(try await addUpInside.options(scheduling: there).remote(mine + owned).value == 9 &+ sum(values) &+ 6 &+ sum(numbers(11, count: perMegabyte)))

                let keeper = Keeper.options(scheduling: there).remote()
                _ = try await keeper.keep(SharedArray(values), as: 1).value
                #expect(try await keeper.total(of: 1).value == sum(values))
                var streamed = 0
                for try await reference in arrays.options(scheduling: there).remote(3, count: 10) { streamed += try await reference.value.count }
                #expect(streamed == 30)
            }
        }

        /// Of a process whose node lives on: nothing but the kernel of its machine tells of its end.
        @Test func anOwnerThatDiesAloneOnAnotherMachineIsKnownToBeGoneAtOnce() async throws {
            try await TestCluster.run(nodes: [2], stores: [64 << 20], host: "127.0.0.1") { cluster, nodes in
                let far = try await cluster.addNode(cpus: 1, store: 64 << 20, variables: ["MANTA_MACHINE": "another"])
                let donor = Donor.options(scheduling: .node(far.id)).remote()
                // One whose value is not here, and one with a copy in this machine's store.
                let given = try await donor.give(2, count: perMegabyte).value
                let keeper = Keeper.options(scheduling: .node(nodes[0].id)).remote()
                try await keeper.hold([given[1]]).value
                #expect(try await keeper.totalHeld().value == sum(numbers(1, count: perMegabyte)))
                kill(try await donor.process().value, SIGKILL)
                let error = await #expect(throws: MantaError.self) { try await given[0].value }
                #expect(error?.code == .ownerDied && error?.cause?.contains("nobody listens there any more") == true, "\(error.map { "\($0)" } ?? "")")
                // Who asks later is told the same.
                let later = await #expect(throws: MantaError.self) { try await addUpAll.options(scheduling: .node(nodes[0].id)).remote([given[0]]).value }
                #expect(later?.code == .ownerDied && later?.description.contains("waited") == false, "\(later.map { "\($0)" } ?? "")")
            }
        }

        @Test func aHostThatIsNoAddressOfThisMachineIsAnError() async throws {
            for (host, words) in [("192.0.2.1", "this machine has no address 192.0.2.1: give one of "), ("0.0.0.0", "every address"), ("nonsense", "is not understood")] {
                try await TestCluster.run(nodes: [1]) { cluster, _ in
                    let error = await #expect(throws: MantaError.self) { try await cluster.addNode(cpus: 1, variables: ["MANTA_HOST": host]) }
                    #expect(error?.message.contains(words) == true && error?.message.contains(host) == true, "\(error?.message ?? "")")
                }
            }
        }
    }

    @Suite(.serialized, .enabled(if: NetworkNamespace.isPermitted, "needs root, ip, nsenter and namespaces of the network"))
    struct CutLinkTests {
        /// A gigabyte; the link is gone for two and a half seconds when a quarter of it has left.
        @Test func aTransferGoesOnWhereItsLinkWasCut() async throws {
            let size = 1024
            let network = try await NetworkNamespace()
            try await TestCluster.run(nodes: [1], stores: [(size + 64) << 20], host: network.near) { cluster, _ in
                let far = try await cluster.addNode(behind: network, cpus: 1, store: (size + 64) << 20)
                // The program is not over there, and goes by the network too.
                let before = network.sentBytes
                #expect(try await place.options(scheduling: .node(far.id)).remote().value == far.id.description)
                #expect(network.sentBytes - before > megabyte, "the program was fetched")

                let bytes = noise(megabytes: size)
                let expected = bytes.withUnsafeBytes { manta_crc32c(0, $0.baseAddress, $0.count) }
                let reference = Manta.put(bytes)
                let start = network.sentBytes
                let result = checksum.options(scheduling: .node(far.id)).remote(reference.inPlace())
                try await eventually("a quarter of the object", within: .seconds(120), poll: .milliseconds(1)) { network.sentBytes - start > bytes.count / 4 }
                network.cut()
                let (sent, end) = (network.sentBytes - start, ContinuousClock.now + .milliseconds(2_500))
                #expect(sent < bytes.count * 9 / 10, "the link was cut in the middle")
                try await eventually("the cut's end", within: .seconds(30)) { ContinuousClock.now >= end }
                #expect(network.sentBytes - start - sent < 16 * megabyte, "nothing travels meanwhile")
                network.restore()
                #expect(try await result.value == expected)
                #expect(network.sentBytes - start < bytes.count * 5 / 4, "what had come was not sent again")
                #expect(try await cluster.state(.nodes).nodes.allSatisfy { $0.state == .alive })
            }
        }

        @Test func aMachineThatStaysCutOffIsGivenUpWithAllItHas() async throws {
            let network = try await NetworkNamespace()
            try await TestCluster.run(nodes: [1], stores: [64 << 20], host: network.near) { cluster, nodes in
                let far = try await cluster.addNode(behind: network, cpus: 1, store: 64 << 20)
                let made = makeNumbers.options(retries: 1, scheduling: .node(far.id, soft: true)).remote(seed: 3, count: 2 * perMegabyte)
                _ = try await Manta.wait([made], fetch: false)
                // Owned over there: one whose value is not here, and one with a copy in this machine's store.
                let owned = try await ownedThere.options(scheduling: .node(far.id)).remote(count: 4 * perMegabyte).value
                #expect(try await addUp.options(scheduling: .node(nodes[0].id)).remote(owned[1]).value == sum(numbers(11, count: 4 * perMegabyte)))
                // A lease of this machine's CPU for a process over there.
                let owner = FarOwner.options(scheduling: .node(far.id)).remote()
                _ = try await owner.hold(on: nodes[0].id).value
                try await eventually("the lease", within: .seconds(30)) { try await self.near(nodes[0], cluster).available[Resources.cpu].units == 0 }

                network.cut()
                let cut = ContinuousClock.now
                try await eventually("the node's death", within: .seconds(30), poll: .milliseconds(50)) {
                    try await cluster.state(.nodes).nodes.first { $0.id == far.id }?.state == .dead
                }
                #expect(ContinuousClock.now - cut < .seconds(25), "ten seconds of silence, and what a busy machine adds")
                let told = ContinuousClock.now
                let error = await #expect(throws: MantaError.self) { try await owned[0].value }
                #expect(error?.code == .ownerDied && ContinuousClock.now - told < .seconds(3), "\(error.map { "\($0)" } ?? "") after \(ContinuousClock.now - told)")
                try await eventually("the end of the leases and objects of processes over there", within: .seconds(30)) {
                    let row = try await self.near(nodes[0], cluster)
                    return row.available == row.total && row.store?.objects == 0
                }
                #expect(try await made.value == numbers(3, count: 2 * perMegabyte), "made again")
                network.restore()
                try await eventually("the machine's return", within: .seconds(60), poll: .milliseconds(50)) {
                    try await cluster.state(.nodes).nodes.first { $0.id == far.id }?.state == .alive
                }
                #expect(try await place.options(scheduling: .node(far.id)).remote().value == far.id.description)
            }
        }

        private func near(_ node: TestNode, _ cluster: TestCluster) async throws -> NodeRow {
            try #require(try await cluster.state(.nodes).nodes.first { $0.id == node.id })
        }
    }
}
