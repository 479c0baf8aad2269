// Stores that are full: what waits, what leaves memory, what is refused, and what is gone afterwards. One cluster at a time.

import Glibc
import Manta
import MantaModel
import MantaTestCluster
import MantaTestKit
import MantaWire
import Testing

/// Elements of one megabyte.
private let perMegabyte = (1 << 20) / 8
/// Nothing leaves memory.
private let withoutDisk = ["MANTA_SPILL_DIRECTORY": "off"]

extension ObjectTests {
    @Suite(.serialized) struct PressureTests {
        @Test func OBJ_004_theArgumentOfAWaitingTaskStays() async throws {
            try await TestCluster.run(nodes: [2], stores: [16 << 20], environment: withoutDisk) { _, _ in
                let gate = FileGate()
                let total = addUpBehind.remote(wait.remote(for: gate.path), numbers(1, count: 6 * perMegabyte))
                for seed in 2..<4 {
                    let found = try await Manta.put(numbers(seed, count: 6 * perMegabyte)).value.first
                    #expect(found == numbers(seed, count: 1)[0])
                }
                #expect(!total.isReady)
                gate.open()
                let found = try await total.value
                #expect(found == sum(numbers(1, count: 6 * perMegabyte)))
            }
        }

        @Test func OBJ_028_OBJ_032_argumentsOfManyTasksTakeTurnsInASmallStore() async throws {
            try await TestCluster.run(nodes: [1, 2], stores: [64 << 20, 6 << 20]) { cluster, nodes in
                let tasks = (0..<10).map { task in
                    let arguments = (0..<4).map { Manta.put(numbers(4 * task + $0, count: perMegabyte)).inPlace() }
                    return addUpFour.options(scheduling: .node(nodes[1].id)).remote(arguments[0], arguments[1], arguments[2], arguments[3])
                }
                for (task, total) in try await Manta.get(tasks).enumerated() {
                    #expect(total == (0..<4).reduce(0) { $0 &+ sum(numbers(4 * task + $1, count: perMegabyte)) })
                }
            }
        }

        @Test func theArgumentOfATaskThatWaitsForItsTurnStaysWhereItWasBrought() async throws {
            try await TestCluster.run(nodes: [1, 1], stores: [64 << 20, 16 << 20]) { cluster, nodes in
                func store() async throws -> StoreUsage? { try await cluster.state(.nodes).nodes.first { $0.id == nodes[1].id }?.store }
                let there: Scheduling = .node(nodes[1].id)
                let hoarder = Hoarder.options(scheduling: there).remote()
                try await hoarder.hoard(0, count: 0).value
                let gate = FileGate()
                let first = wait.options(scheduling: there).remote(for: gate.path)
                try await eventually("the task that has the CPU", within: .seconds(30)) { gate.isAwaited }
                let values = numbers(1, count: 6 * perMegabyte)
                let total = addUpInPlace.options(scheduling: there).remote(Manta.put(values).inPlace())
                try await eventually("the argument's arrival", within: .seconds(30)) { try await store()?.fetches == 1 }
                // More than fits beside it; as a copy of what lies elsewhere it would be the first to go.
                try await hoarder.hoard(5, count: 4 * perMegabyte).value
                gate.open()
                #expect(try await total.value == sum(values))
                #expect(try await first.value == 0)
                var last: StoreUsage?
                try await eventually("the argument's end", within: .seconds(30)) {
                    last = try await store()
                    return last.map { $0.objects + $0.spilledObjects == 5 } ?? false
                }
                let usage = try #require(last)
                #expect(usage.spills > 0 && usage.fetches == 1 && usage.evictions == 0, "\(usage)")
            }
        }

        @Test func OBJ_031_aShortWaitForWhatIsOnDiskKeepsTheCPU() async throws {
            try await TestCluster.run(nodes: [1], stores: [16 << 20]) { cluster, _ in
                // Either one is on disk.
                let references = (0..<2).map { Manta.put(numbers($0, count: 10 * perMegabyte)) }
                let (gate, began) = (FileGate(), FileGate())
                let polls = poll.remote(references, until: gate.path, telling: began.path)
                try await eventually("the first polls", within: .seconds(30)) { began.isOpen }
                let other = processID.remote()
                let (ready, _) = try await Manta.wait([other], timeout: .seconds(2))
                #expect(ready.isEmpty && !polls.isReady)
                gate.open()
                let found = try await polls.value
                #expect(found > 0)
                _ = try await other.value
                let usage = try await cluster.usages()
                #expect(usage.allSatisfy { $0.spills > 0 })
            }
        }

        @Test func OBJ_029_everyNodeRemovesItsSpillFilesWhenTheOwnersAreKilled() async throws {
            try await TestCluster.run(nodes: [1, 1, 1], stores: [8 << 20, 8 << 20, 8 << 20]) { cluster, nodes in
                let hoarders = nodes.map { Hoarder.options(scheduling: .node($0.id)).remote() }
                for hoarder in hoarders { try await hoarder.hoard(6, count: 2 * perMegabyte).value }
                try await eventually("spill files of every node", within: .seconds(30)) {
                    Set(cluster.spillFiles().map { $0.split(separator: "/").dropLast() }).count == 3
                }
                for hoarder in hoarders { try await Manta.kill(hoarder) }
                try await eventually("empty spill folders", within: .seconds(30)) { cluster.spillFiles().isEmpty }
                try await cluster.expectEmptyStores()
            }
        }

        @Test func OBJ_044_aSpillFileThatIsGoneAlreadyIsNoTrouble() async throws {
            try await TestCluster.run(nodes: [2], stores: [16 << 20]) { cluster, _ in
                var references: [ObjectReference<[Int64]>] = (0..<8).map { Manta.put(numbers($0, count: 4 * perMegabyte)) }
                try await eventually("two spill files", within: .seconds(30)) { cluster.spillFiles().count > 1 }
                #expect(unlink(cluster.spillFiles().sorted()[0]) == 0)
                references = []
                try await eventually("an empty spill folder", within: .seconds(30)) { cluster.spillFiles().isEmpty }
                try await cluster.expectEmptyStores()
                let found = try await Manta.put(numbers(9, count: 12 * perMegabyte)).value
                #expect(found == numbers(9, count: 12 * perMegabyte))
                _ = references
            }
        }

        @Test func OBJ_045_smallObjectsShareASpillFileAndAreReadAtTheirPlaces() async throws {
            try await TestCluster.run(nodes: [2], stores: [32 << 20]) { cluster, _ in
                let counts = (0..<60).map { perMegabyte / 2 + $0 * 1_000 }
                let references = counts.enumerated().map { Manta.put(numbers($0.offset, count: $0.element)) }
                try await eventually("a file of several objects", within: .seconds(30)) {
                    cluster.spillFiles().contains { path in
                        var status = stat()
                        return stat(path, &status) == 0 && status.st_size >= 4 << 20
                    }
                }
                for index in (0..<60).shuffled() {
                    let found = try await references[index].value
                    #expect(found == numbers(index, count: counts[index]), "object \(index)")
                }
            }
        }

        @Test func FAIL_036_withoutDiskAFullStoreIsAClearError() async throws {
            try await TestCluster.run(nodes: [4], stores: [10 << 20], environment: withoutDisk) { cluster, _ in
                let results = (0..<6).map { makeNumbers.remote(seed: $0, count: 5 * perMegabyte / 2) }
                let full = await #expect(throws: MantaError.self) { try await Manta.get(results) }
                #expect(full?.code == .objectStoreFull)
                #expect(full?.message.contains("came free in this node's store") == true)
                let large = await #expect(throws: MantaError.self) { try await Manta.put(numbers(1, count: 11 * perMegabyte)).value }
                #expect(large?.code == .objectStoreFull)
                let keeper = Keeper.remote()
                let result = await #expect(throws: MantaError.self) { try await keeper.make(seed: 1, count: 11 * perMegabyte).value }
                #expect(result?.code == .objectStoreFull)
                let found = try await keeper.make(seed: 1, count: 10).value
                #expect(found == numbers(1, count: 10), "the actor lives on")
                #expect(cluster.spillFiles().isEmpty)
            }
        }

        /// A node whose memory nobody lets go of: values of other nodes are read where they are, also those that never fit; copies wait for room.
        @Test func OBJ_028_aFullNodeReadsFromTheSourceAndACopyWaitsForRoom() async throws {
            try await TestCluster.run(nodes: [2, 2], stores: [16 << 20, 64 << 20], environment: withoutDisk) { cluster, nodes in
                func fetches() async throws -> Int? { try await cluster.state(.nodes).nodes.first { $0.id == nodes[0].id }?.store?.fetches }
                let far = (1...2).map { makeNumbers.options(scheduling: .node(nodes[1].id)).remote(seed: $0, count: 4 * perMegabyte) }
                let large = makeNumbers.options(scheduling: .node(nodes[1].id)).remote(seed: 3, count: 20 * perMegabyte)
                _ = try await Manta.wait(far + [large], count: 3, fetch: false)
                var kept = (4..<7).map { Manta.put(numbers($0, count: 4 * perMegabyte)) }
                #expect(try await kept[2].value.count == 4 * perMegabyte)
                #expect(try await far[0].value == numbers(1, count: 4 * perMegabyte))
                #expect(try await Manta.get([far[0]], timeout: .seconds(60)) == [numbers(1, count: 4 * perMegabyte)])
                #expect(try await large.value == numbers(3, count: 20 * perMegabyte))
                // A worker's argument and what a task gets.
                let here: Scheduling = .node(nodes[0].id)
                #expect(try await addUp.options(scheduling: here).remote(large).value == sum(numbers(3, count: 20 * perMegabyte)))
                #expect(try await addUpAll.options(scheduling: here).remote([far[1].inPlace()]).value == sum(numbers(2, count: 4 * perMegabyte)))
                // What never fits counts as ready: it is read elsewhere. The others come when there is room.
                let (ready, pending) = try await Manta.wait([far[0], large], count: 2, timeout: .seconds(2))
                #expect(ready.map(\.id) == [large.id] && pending.map(\.id) == [far[0].id])
                let total = addUp.options(scheduling: here).remote(far[1])
                async let copy = Manta.wait([far[0]])
                #expect(try await fetches() == 0 && !total.isReady)
                kept = []
                #expect(try await copy.ready.map(\.id) == [far[0].id])
                #expect(try await total.value == sum(numbers(2, count: 4 * perMegabyte)))
                try await eventually("two copies", within: .seconds(30)) { try await fetches() == 2 }
            }
        }

        @Test func aDiskAtItsLimitIsAClearErrorLosesNothingAndServesAgain() async throws {
            try await TestCluster.run(nodes: [2], stores: [16 << 20], environment: ["MANTA_SPILL_LIMIT": "\(14 << 20)"]) { cluster, nodes in
                func written() -> Int {
                    cluster.spillFiles().reduce(0) { total, path in
                        var status = stat()
                        return stat(path, &status) == 0 ? total + Int(status.st_size) : total
                    }
                }
                // Memory and disk have room for three each.
                var kept = (0..<6).map { Manta.put(numbers($0, count: 4 * perMegabyte)) }
                let full = await #expect(throws: MantaError.self) { try await Manta.put(numbers(6, count: 4 * perMegabyte)).value }
                #expect(full?.code == .outOfDisk, "\(String(describing: full))")
                #expect(full?.cause?.contains("the \(14 << 20) bytes that this node may write to the folder") == true, "\(full?.cause ?? "no cause")")
                #expect(written() <= 14 << 20)
                let first = try await kept[5].value
                #expect(first == numbers(5, count: 4 * perMegabyte), "what is in memory is read")
                // And what is on disk, although there is no memory to bring it to, and no room on the disk to make any: here, by tasks, and by another node.
                let far = try await cluster.addNode(cpus: 1, store: 16 << 20)
                for index in [0, 1, 3] {
                    let (reference, expected) = (kept[index], numbers(index, count: 4 * perMegabyte))
                    #expect(try await reference.value == expected, "object \(index)")
                    let inPlace = reference.inPlace()
                    #expect(try await addUpInPlace.options(scheduling: .node(nodes[0].id)).remote(inPlace).value == sum(expected))
                    for node in [nodes[0], far] { #expect(try await addUpAll.options(scheduling: .node(node.id)).remote([inPlace]).value == sum(expected)) }
                }
                // One whose bytes are damaged is never given out, but lost.
                let damaged = try #require(cluster.spillFiles().max())
                #expect(truncate(damaged, 3 << 20) == 0)
                let lost = await #expect(throws: MantaError.self) { try await kept[2].value }
                #expect(lost?.code == .objectLost && lost?.description.contains(damaged) == true, "\(lost.map { "\($0)" } ?? "")")
                let gone = kept.remove(at: 2)
                // Operators hear of it: which object, where, in which file, and what becomes of it.
                try await eventually("the damage among the errors", within: .seconds(10)) {
                    try await Manta.errors(ofAllJobs: true).contains { row in
                        row.code == "objectLost" && row.source == "node" && row.node == nodes[0].id
                            && ["\(gone.id)", damaged, "made again by its task"].allSatisfy(row.message.contains)
                    }
                }
                // Room on the disk again, and nothing else that was acknowledged is gone.
                let later = Manta.put(numbers(7, count: 4 * perMegabyte))
                for (index, reference) in zip([0, 1, 3, 4, 5, 7], kept + [later]) {
                    #expect(try await reference.value == numbers(index, count: 4 * perMegabyte), "object \(index)")
                }
            }
        }

        @Test func FAIL_037_largeResultsOfManyActorsTakeTurns() async throws {
            try await TestCluster.run(nodes: [2], stores: [12 << 20]) { _, _ in
                let keepers = (0..<5).map { _ in Keeper.remote() }
                for round in 0..<5 {
                    let results = keepers.enumerated().map { $0.element.make(seed: 5 * round + $0.offset, count: 6 * perMegabyte - 100) }
                    for (index, values) in try await Manta.get(results).enumerated() { #expect(values[7] == numbers(5 * round + index, count: 8)[7]) }
                }
            }
        }

        @Test func SCHED_018_leasesPinNoArguments() async throws {
            try await TestCluster.run(nodes: [1, 1], stores: [32 << 20, 32 << 20]) { cluster, nodes in
                var references = (0..<2).map { Manta.put(numbers($0, count: perMegabyte)).inPlace() }
                let tasks = (0..<20).map { task in
                    addUpInPlace.options(scheduling: .node(nodes[task % 2].id)).remote(references[task / 2 % 2])
                }
                let found = try await Manta.get(tasks).count
                #expect(found == 20)
                references = []
                try await cluster.expectEmptyStores()
                _ = references
            }
        }

        @Test func CORE_035_whatAWaitCallsReadyIsOnThisMachine() async throws {
            try await TestCluster.run(nodes: [1, 1]) { _, nodes in
                let there = makeNumbers.options(retries: 0, scheduling: .node(nodes[1].id))
                let (brought, left) = (there.remote(seed: 1, count: perMegabyte), there.remote(seed: 2, count: perMegabyte))
                let found = try await Manta.wait([left], fetch: false).ready.count
                #expect(found == 1)
                let found2 = try await Manta.wait([brought]).ready.count
                #expect(found2 == 1)
                nodes[1].kill()
                let found3 = try await brought.value
                #expect(found3 == numbers(1, count: perMegabyte))
                let error = await #expect(throws: MantaError.self) { try await left.value }
                #expect(error?.code == .objectLost)
            }
        }
    }
}
