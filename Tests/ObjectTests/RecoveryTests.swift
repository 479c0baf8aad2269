// Objects whose only copies went with a node: made again, or lost with the reason.

import Glibc
import Manta
import MantaLoop
import MantaModel
import MantaTestCluster
import MantaTestKit
import Testing

/// Elements of one megabyte.
private let perMegabyte = (1 << 20) / 8

/// Makes numbers, and adds a line to a file each time it does.
@Remote func makeNoted(seed: Int, count: Int, noting path: String) -> [Int64] {
    guard let file = fopen(path, "ae") else { return [] }
    fputs("made\n", file)
    fclose(file)
    return numbers(seed, count: count)
}

@Remote func doubled(_ values: SharedArray<Int64>) -> [Int64] { values.map { $0 &* 2 } }

/// How many lines a file has.
func lines(of path: String) -> Int {
    guard let file = fopen(path, "re") else { return 0 }
    defer { fclose(file) }
    var count = 0
    while true {
        let character = fgetc(file)
        if character == EOF { return count }
        if character == 10 { count += 1 }
    }
}

extension ObjectTests {
    @Suite(.serialized) struct RecoveryTests {
        @Test func OBJ_015_aLostResultIsMadeAgainAsOftenAsItsTaskMay() async throws {
            try await TestCluster.run(nodes: [1, 1, 1]) { _, nodes in
                let folder = TemporaryDirectory()
                let path = folder.file("made")
                let result = makeNoted.options(retries: 1, scheduling: .node(nodes[1].id, soft: true)).remote(seed: 3, count: 2 * perMegabyte, noting: path)
                _ = try await Manta.wait([result], fetch: false)
                nodes[1].kill()
                // The driver itself, and a task that depends on it.
                let total = try await addUpInPlace.remote(result.inPlace()).value
                #expect(total == sum(numbers(3, count: 2 * perMegabyte)))
                let value = try await result.value
                #expect(value == numbers(3, count: 2 * perMegabyte))
                #expect(lines(of: path) == 2)
            }
        }

        @Test func OBJ_015_beyondThatItIsLostWithTheReason() async throws {
            // All that is made lies on the one node that runs tasks.
            try await TestCluster.run(nodes: [0, 1]) { cluster, nodes in
                let result = makeNumbers.options(retries: 1).remote(seed: 3, count: 2 * perMegabyte)
                _ = try await Manta.wait([result], fetch: false)
                nodes[1].kill()
                let second = try await cluster.addNode(cpus: 1)
                let total = try await addUpInPlace.remote(result.inPlace()).value
                #expect(total == sum(numbers(3, count: 2 * perMegabyte)))
                second.kill()
                try await cluster.addNode(cpus: 1)
                let error = await #expect(throws: MantaError.self) { try await result.value }
                #expect(error?.code == .objectLost)
                #expect(error?.message.contains("maximum of reconstruction attempts was exceeded") == true)
            }
        }

        @Test func OBJ_017_anotherCopyIsUsedFirst() async throws {
            try await TestCluster.run(nodes: [1, 1]) { _, nodes in
                let result = makeNumbers.options(retries: 0, scheduling: .node(nodes[1].id)).remote(seed: 4, count: 2 * perMegabyte)
                let first = try await result.value
                #expect(first == numbers(4, count: 2 * perMegabyte))
                nodes[1].kill()
                let again = try await addUpInPlace.remote(result.inPlace()).value
                #expect(again == sum(first))
                let last = try await result.value
                #expect(last == first)
            }
        }

        @Test func whatItWasMadeOfIsMadeAgainFirst() async throws {
            try await TestCluster.run(nodes: [1, 1]) { _, nodes in
                let there: Scheduling = .node(nodes[1].id, soft: true)
                var chain = makeNumbers.options(scheduling: there).remote(seed: 5, count: perMegabyte)
                for _ in 0..<5 { chain = doubled.options(scheduling: there).remote(chain.inPlace()) }
                _ = try await Manta.wait([chain], fetch: false)
                nodes[1].kill()
                let value = try await chain.value
                #expect(value == numbers(5, count: perMegabyte).map { $0 &* 32 })
            }
        }

        @Test func OBJ_018_aCallIsMadeAgainOnlyWithRetries() async throws {
            try await TestCluster.run(nodes: [0, 1]) { cluster, nodes in
                let keeper = Keeper.options(maxRestarts: -1, maxTaskRetries: -1).remote()
                let fragile = Keeper.options(maxRestarts: -1).remote()
                let (kept, lost) = (keeper.make(seed: 6, count: perMegabyte), fragile.make(seed: 7, count: perMegabyte))
                _ = try await Manta.wait([kept, lost], count: 2, fetch: false)
                var worker = nodes[1]
                for _ in 0..<3 {
                    worker.kill()
                    worker = try await cluster.addNode(cpus: 2)
                    let total = try await addUpInPlace.remote(kept.inPlace()).value
                    #expect(total == sum(numbers(6, count: perMegabyte)))
                }
                let error = await #expect(throws: MantaError.self) { try await lost.value }
                #expect(error?.code == .objectLost && error?.message.contains("maxTaskRetries") == true)
                let after = try await fragile.make(seed: 8, count: 10).value
                #expect(after == numbers(8, count: 10), "the handle stays usable")
            }
        }

        @Test func aReferenceWhoseOwnerIsKnownToBeDeadCanBePassedOn() async throws {
            try await TestCluster.run(nodes: [3]) { _, _ in
                let (donor, keeper) = (Donor.remote(), Keeper.remote())
                let given = try await donor.give(2, count: 10).value
                let process = try await donor.process().value
                try await Manta.kill(donor)
                try await eventually("the owner's end", within: .seconds(30)) { hasEnded(process) }
                // Who holds one asks, and learns that the owner is gone.
                try await keeper.hold([given[0]]).value
                let gone = await #expect(throws: MantaError.self) { try await keeper.totalHeld().value }
                #expect(gone?.code == .ownerDied)
                // The call ends although nobody acknowledges what it holds now.
                try await keeper.hold([given[1]]).value
                let error = await #expect(throws: MantaError.self) { try await keeper.totalHeld().value }
                #expect(error?.code == .ownerDied)
            }
        }

        @Test func whatIsPutWhenTheNodeHasJustDiedIsKeptByTheProcess() async throws {
            try await TestCluster.run(nodes: [1, 1]) { _, nodes in
                _ = try await Manta.put(numbers(0, count: 2 * perMegabyte)).value
                // The driver's node: of equal ones the older.
                nodes[0].kill()
                // It may give memory away until then.
                try await eventually("the end of the node", within: .seconds(30)) { hasEnded(nodes[0].pid) }
                let references = (1..<6).map { Manta.put(numbers($0, count: 2 * perMegabyte)) }
                for (index, reference) in references.enumerated() {
                    let value = try await reference.value
                    #expect(value == numbers(index + 1, count: 2 * perMegabyte))
                    let total = try await addUpInPlace.remote(reference.inPlace()).value
                    #expect(total == sum(value), "also to others")
                }
            }
        }

        @Test func whatWasPutIsLostWithItsNode() async throws {
            try await TestCluster.run(nodes: [1, 1]) { _, nodes in
                let reference = Manta.put(numbers(9, count: 2 * perMegabyte))
                _ = try await reference.value
                // The driver's node: of equal ones the older.
                nodes[0].kill()
                try await eventually("the loss", within: .seconds(30)) {
                    do {
                        _ = try await reference.value
                        return false
                    } catch let error as MantaError { return error.code == .objectLost && error.message.contains("what was put cannot be made again") }
                }
                let value = try await Manta.put(numbers(10, count: 2 * perMegabyte)).value
                #expect(value == numbers(10, count: 2 * perMegabyte), "the next node's store serves")
            }
        }
    }
}
