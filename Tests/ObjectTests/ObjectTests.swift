// Large objects on a real cluster: in the shared store, read in place, on disk when it is full, fetched from other nodes. One cluster at a time.

import Glibc
import Manta
import MantaModel
import MantaTestCluster
import MantaTestKit
import MantaWire
import MantaWorker
import Testing

/// Elements of one megabyte.
private let perMegabyte = (1 << 20) / 8

extension ObjectTests {
    @Suite(.serialized) struct StoreTests {
        @Test func largeValuesComeBackEqual() async throws {
            try await TestCluster.run(nodes: [2], stores: [64 << 20]) { cluster, _ in
                let values = numbers(7, count: 3 * perMegabyte)
                let reference = Manta.put(values)
                #expect(try await reference.value == values)
                let (inPlace, copied) = try await Manta.get(addUpInPlace.remote(reference.inPlace()), addUp.remote(reference))
                #expect(inPlace == sum(values) && copied == sum(values))
                #expect(try await makeNumbers.remote(seed: 3, count: perMegabyte).value == numbers(3, count: perMegabyte))
                #expect(try await addUp.remote(values).value == sum(values), "a large argument by value")
            }
        }

        @Test func aSharedArrayIsReadWhereItLies() async throws {
            try await TestCluster.run(nodes: [2], stores: [64 << 20]) { cluster, _ in
                let values = numbers(1, count: 4 * perMegabyte)
                let reference = Manta.put(values).inPlace()
                let (first, second) = (try await reference.value, try await reference.value)
                let addresses = [first, second].map { $0.withUnsafeBufferPointer { UInt(bitPattern: $0.baseAddress) } }
                #expect(addresses[0] == addresses[1])
                #expect(addresses[0] % 64 == 0)
                #expect(first.elementsEqual(values))
                #expect(first.span[17] == values[17])
            }
        }

        @Test func arraysInsideValuesAreReadInPlaceToo() async throws {
            try await TestCluster.run(nodes: [2], stores: [64 << 20]) { _, _ in
                let tensor = Tensor(shape: [512, 1024], elements: SharedArray((0..<512 * 1024).map { Float($0) }))
                let result = try await scaled.remote(Manta.put(tensor), by: 2).value
                #expect(result.shape == [512, 1024])
                #expect(result.elements[1000] == 2000 && result.elements.count == 512 * 1024)
                #expect(result.elements.withUnsafeBufferPointer { UInt(bitPattern: $0.baseAddress) % 64 } == 0)
            }
        }

        @Test func OBJ_012_moreThanTheStoreHoldsGoesToDiskAndComesBack() async throws {
            try await TestCluster.run(nodes: [2], stores: [16 << 20]) { cluster, _ in
                let references = (0..<60).map { Manta.put(numbers($0, count: perMegabyte)).inPlace() }
                var reads = 0
                for index in (0..<60).shuffled() + (0..<60).shuffled() {
                    let values = try await references[index].value
                    #expect(values.elementsEqual(numbers(index, count: perMegabyte)), "object \(index)")
                    reads += 1
                }
                #expect(cluster.spillFiles().count > 0)
                let restored = try await cluster.usages()[0].restoreBytes
                #expect(restored <= reads * ((1 << 20) + 4096), "nothing is brought back that nobody reads")
            }
        }

        @Test func OBJ_014_spillFilesGoWithTheirObjects() async throws {
            try await TestCluster.run(nodes: [2], stores: [16 << 20]) { cluster, _ in
                var references: [ObjectReference<[Int64]>] = (0..<12).map { Manta.put(numbers($0, count: 4 * perMegabyte)) }
                _ = try await references[0].value
                try await eventually("spill files", within: .seconds(30)) { !cluster.spillFiles().isEmpty }
                references = []
                try await eventually("an empty spill folder", within: .seconds(30)) { cluster.spillFiles().isEmpty }
                // Some end while others are made.
                for seed in 0..<12 {
                    references.append(Manta.put(numbers(seed, count: 4 * perMegabyte)))
                    if references.count > 5 { references.removeFirst() }
                }
                references = []
                try await eventually("an empty spill folder", within: .seconds(30)) { cluster.spillFiles().isEmpty }
                let hoarder = Hoarder.remote()
                try await hoarder.hoard(10, count: 2 * perMegabyte).value
                try await eventually("spill files", within: .seconds(30)) { !cluster.spillFiles().isEmpty }
                try await Manta.kill(hoarder)
                try await eventually("an empty spill folder", within: .seconds(30)) { cluster.spillFiles().isEmpty }
            }
        }

        @Test func OBJ_022_smallResultsStayInMessages() async throws {
            try await TestCluster.run(nodes: [2], stores: [64 << 20]) { cluster, _ in
                let keeper = Keeper.remote()
                let small = keeper.make(seed: 1, count: 100)
                #expect(try await small.value.count == 100)
                #expect(small.handle.outcome.map { if case .stored = $0 { true } else { false } } == false)
                let large = keeper.make(seed: 1, count: 10 * perMegabyte)
                let (ready, _) = try await Manta.wait([large])
                #expect(ready.count == 1)
                #expect(large.handle.outcome.map { if case .stored = $0 { true } else { false } } == true)
                #expect(try await large.value == numbers(1, count: 10 * perMegabyte))
            }
        }

        @Test func OBJ_028_severalLargeResultsOfOneTaskFitOneAfterTheOther() async throws {
            try await TestCluster.run(nodes: [2], stores: [20 << 20]) { _, _ in
                let (a, b, c, d) = fourLargeResults.remote(count: 8 * perMegabyte)
                for (index, reference) in [a, b, c, d].enumerated() {
                    let total = sum(try await reference.value)
                    #expect(total == sum(numbers(index + 1, count: 8 * perMegabyte)))
                }
            }
        }

        @Test func OBJ_003_whatAnActorHasAReferenceOfStays() async throws {
            try await TestCluster.run(nodes: [2], stores: [24 << 20], environment: ["MANTA_SPILL_DIRECTORY": "off"]) { _, _ in
                let keeper = Keeper.remote()
                try await keeper.hold([Manta.put(numbers(1, count: 6 * perMegabyte)).inPlace()]).value
                for seed in 2..<12 { _ = try await Manta.put(numbers(seed, count: 4 * perMegabyte)).inPlace().value }
                #expect(try await keeper.totalHeld().value == sum(numbers(1, count: 6 * perMegabyte)))
            }
        }

        @Test func whatIsReadStays() async throws {
            try await TestCluster.run(nodes: [2], stores: [24 << 20]) { _, _ in
                let keeper = Keeper.remote()
                try await keeper.keep(Manta.put(numbers(1, count: 6 * perMegabyte)).inPlace(), as: 1).value
                for seed in 2..<12 { _ = try await Manta.put(numbers(seed, count: 4 * perMegabyte)).value }
                #expect(try await keeper.total(of: 1).value == sum(numbers(1, count: 6 * perMegabyte)))
            }
        }

        @Test func anObjectThatFitsNoStoreIsRefused() async throws {
            try await TestCluster.run(nodes: [2], stores: [8 << 20]) { _, _ in
                let error = await #expect(throws: MantaError.self) { try await Manta.put(numbers(1, count: 9 * perMegabyte)).value }
                #expect(error?.code == .objectStoreFull)
                let result = await #expect(throws: MantaError.self) { try await makeNumbers.remote(seed: 1, count: 9 * perMegabyte).value }
                #expect(result?.code == .objectStoreFull)
                let count = try await Manta.put(numbers(1, count: perMegabyte)).value.count
                #expect(count == perMegabyte)
            }
        }

        @Test func theMemoryOfAKilledClientComesBack() async throws {
            try await TestCluster.run(nodes: [2], stores: [24 << 20]) { _, _ in
                for seed in 0..<6 {
                    let keeper = Keeper.remote()
                    try await keeper.keep(Manta.put(numbers(seed, count: 8 * perMegabyte)).inPlace(), as: 1).value
                    _ = try await keeper.make(seed: seed, count: 8 * perMegabyte).value
                    kill(try await keeper.process().value, SIGKILL)
                }
                let count = try await Manta.put(numbers(1, count: 20 * perMegabyte)).value.count
                #expect(count == 20 * perMegabyte)
            }
        }

        @Test func OBJ_011_OBJ_027_theStoreSaysWhatIsInItAndWhatItDid() async throws {
            try await TestCluster.run(nodes: [2], stores: [100 << 20]) { cluster, _ in
                func usage() async throws -> StoreUsage? { try await cluster.state(.nodes).nodes.first?.store }
                let fifty = 50 << 20
                var references: [ObjectReference<[Int64]>] = []
                for seed in 0..<4 {
                    references.append(makeNumbers.remote(seed: seed, count: (fifty - 4096) / 8))
                    _ = try await Manta.wait([references[seed]], fetch: false)
                }
                for reference in references.dropLast() { _ = try await reference.value }
                try await eventually("as many objects as there are references", within: .seconds(30)) {
                    guard let usage = try await usage() else { return false }
                    return usage.objects + usage.spilledObjects == 4 && usage.restores > 0
                }
                let full = try #require(try await usage())
                #expect(full.objects >= 1 && full.spilledObjects >= 2 && full.spills >= full.spilledObjects)
                #expect(full.spillBytes / full.spills >= fifty - 8192 && full.restoreBytes / full.restores >= fifty - 8192)
                #expect(full.used <= full.capacity && full.objectBytes <= full.used)
                references.removeLast(2)
                try await eventually("the end of two objects", within: .seconds(30)) {
                    guard let usage = try await usage() else { return false }
                    return usage.objects + usage.spilledObjects == 2
                }
                references = []
                try await eventually("an empty store", within: .seconds(30)) {
                    guard let usage = try await usage() else { return false }
                    return usage.objects + usage.spilledObjects == 0 && usage.used == 0
                }
            }
        }

        @Test func aDamagedSpillFileIsNoticed() async throws {
            try await TestCluster.run(nodes: [2], stores: [16 << 20]) { cluster, _ in
                let references = (0..<8).map { Manta.put(numbers($0, count: 4 * perMegabyte)) }
                try await eventually("spill files", within: .seconds(30)) { !cluster.spillFiles().isEmpty }
                for path in cluster.spillFiles() {
                    let file = try #require(fopen(path, "r+e"))
                    fseek(file, 100_000, SEEK_SET)
                    fputs("damage", file)
                    fclose(file)
                }
                var lost = 0
                for (index, reference) in references.enumerated() {
                    do { #expect(sum(try await reference.value) == sum(numbers(index, count: 4 * perMegabyte))) } catch let error as MantaError {
                        #expect(error.code == .objectLost && error.cause?.contains(".spill") == true)
                        lost += 1
                    }
                }
                #expect(lost > 0)
            }
        }
    }

    @Suite(.serialized) struct TransferTests {
        @Test func anObjectIsFetchedFromTheNodeThatHasIt() async throws {
            try await TestCluster.run(nodes: [2, 2], stores: [32 << 20, 32 << 20]) { _, nodes in
                let remote = makeNumbers.options(scheduling: .node(nodes[1].id)).remote(seed: 5, count: 8 * perMegabyte)
                let fetched = try await remote.value
                #expect(fetched == numbers(5, count: 8 * perMegabyte))
                let local = Manta.put(numbers(6, count: 8 * perMegabyte))
                #expect(try await addUpInPlace.options(scheduling: .node(nodes[1].id)).remote(local.inPlace()).value == sum(numbers(6, count: 8 * perMegabyte)))
            }
        }

        @Test func OBJ_013_whatIsOnDiskElsewhereIsFetched() async throws {
            try await TestCluster.run(nodes: [2, 2], stores: [64 << 20, 24 << 20]) { _, nodes in
                let remote = (0..<12).map { makeNumbers.options(scheduling: .node(nodes[1].id)).remote(seed: $0, count: 4 * perMegabyte) }
                for (index, reference) in remote.enumerated() {
                    let total = sum(try await reference.value)
                    #expect(total == sum(numbers(index, count: 4 * perMegabyte)))
                }
                let totals = try await Manta.get(remote.map { addUpInPlace.options(scheduling: .node(nodes[0].id)).remote($0.inPlace()) })
                #expect(totals == (0..<12).map { sum(numbers($0, count: 4 * perMegabyte)) })
            }
        }
    }
}
