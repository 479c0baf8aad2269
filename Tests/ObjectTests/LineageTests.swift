// What is made again, by running what made it: streams, results that come out differently, and long chains.

import Glibc
import Manta
import MantaModel
import MantaTestCluster
import MantaTestKit
import Testing

/// Elements of one megabyte.
private let perMegabyte = (1 << 20) / 8

/// Makes large or small numbers, by turns: the first try makes `first`, every other one makes `then`.
@Remote func makeByTurns(first: Int, then: Int, noting path: String) -> ([Int64], [Int64]) {
    let count = addLine(to: path) == 1 ? first : then
    return (numbers(1, count: count), numbers(2, count: perMegabyte))
}

@Remote func crash(noting path: String) -> Int {
    _ = addLine(to: path)
    abort()
}
/// Its process has the node's environment, and is no task's worker.
@RemoteActor actor Submitter {
    init() {}
    func crashChild(noting path: String, retries: Int?) async throws -> Int {
        if let retries { return try await crash.options(retries: retries).remote(noting: path).value }
        return try await crash.remote(noting: path).value
    }
}

/// Items of one megabyte; a line for each start. With a gate it waits there before its last item.
@Remote func megabytes(_ howMany: Int, noting path: String, gate: String?) -> ResultStream<[Int64]> {
    ResultStream { yield in
        _ = addLine(to: path)
        for seed in 0..<howMany {
            while let gate, seed == howMany - 1, access(gate, F_OK) != 0 { try await Task.sleep(for: .milliseconds(5)) }  // until the test says so
            try await yield(numbers(seed, count: perMegabyte))
        }
    }
}

@Remote func times(two values: SharedArray<Int64>) -> [Int64] { values.map { $0 &* 2 } }

/// An actor with a large argument.
@RemoteActor actor Summed {
    private let sumOfAll: Int64
    init(_ values: SharedArray<Int64>) { sumOfAll = sum(values) }
    func total() -> Int64 { sumOfAll }
}

extension ObjectTests {
    @Suite(.serialized) struct LineageTests {
        private func items(_ howMany: Int, of stream: ReferenceStream<[Int64]>) async throws -> [ObjectReference<[Int64]>] {
            var items: [ObjectReference<[Int64]>] = []
            for try await item in stream {
                items.append(item)
                if items.count == howMany { break }
            }
            return items
        }

        @Test(arguments: [(perMegabyte, 10), (10, perMegabyte)])
        func OBJ_034_whatComesOutDifferentlyServesItsReadersToo(first: Int, then: Int) async throws {
            try await TestCluster.run(nodes: [1, 1]) { _, nodes in
                let folder = TemporaryDirectory()
                let (a, b) = makeByTurns.options(scheduling: .node(nodes[1].id, soft: true)).remote(first: first, then: then, noting: folder.file("made"))
                _ = try await Manta.wait([a, b], count: 2, fetch: false)
                nodes[1].kill()
                let total = addUp.remote(a)
                let found = try await b.value
                #expect(found == numbers(2, count: perMegabyte))
                // What was small was in the message, and is what it was.
                let found2 = try await total.value
                #expect(found2 == sum(numbers(1, count: 10)))
                let found3 = try await a.value
                #expect(found3 == numbers(1, count: 10))
                #expect(lines(of: folder.file("made")) > 1)
            }
        }

        @Test(arguments: [Int?.none, 1]) func OBJ_019_aTaskThatCrashesRunsAsOftenAsItMay(unlessSaid: Int?) async throws {
            let environment = unlessSaid.map { ["MANTA_TASK_RETRIES": "\($0)"] } ?? [:]
            try await TestCluster.run(nodes: [2], environment: environment) { _, _ in
                let folder = TemporaryDirectory()
                let submitter = Submitter.remote()
                for (retries, runs) in [(nil, 1 + (unlessSaid ?? 3)), (0, 1), (2, 3)] as [(Int?, Int)] {
                    let path = folder.file("runs-\(runs)")
                    let error = await #expect(throws: MantaError.self) { try await submitter.crashChild(noting: path, retries: retries).value }
                    #expect(error?.code == .workerCrashed)
                    #expect(lines(of: path) == runs)
                }
            }
        }

        @Test func OBJ_035_beyondItsBudgetLineageIsForgotten() async throws {
            setenv("MANTA_LINEAGE_BYTES", "10000", 1)
            defer { unsetenv("MANTA_LINEAGE_BYTES") }
            try await TestCluster.run(nodes: [1, 1]) { _, nodes in
                let there: Scheduling = .node(nodes[1].id, soft: true)
                var chain = makeNumbers.options(scheduling: there).remote(seed: 5, count: 20_000)
                for _ in 0..<100 { chain = times.options(scheduling: there).remote(two: chain.inPlace()) }
                _ = try await Manta.wait([chain], fetch: false)
                nodes[1].kill()
                let error = await #expect(throws: MantaError.self) { try await chain.value }
                #expect(error.map { "\($0)".contains("lineage eviction") } == true, "\(error.map { "\($0)" } ?? "")")
            }
        }

        @Test func OBJ_038_itemsOfAStreamAreMadeAgainAsOftenAsItsTaskMay() async throws {
            // All that is made lies on the one node that runs tasks.
            try await TestCluster.run(nodes: [0, 1]) { cluster, nodes in
                let folder = TemporaryDirectory()
                let path = folder.file("made")
                let stream = megabytes.options(retries: 2).remote(3, noting: path, gate: nil)
                let items = try await items(3, of: stream)
                try await stream.completed.value
                var worker = nodes[1]
                for loss in 1...2 {
                    worker.kill()
                    worker = try await cluster.addNode(cpus: 1)
                    for seed in [2, 0] {
                        let found = try await addUp.remote(items[seed]).value
                        #expect(found == sum(numbers(seed, count: perMegabyte)))
                    }
                    #expect(lines(of: path) == 1 + loss)
                }
                worker.kill()
                try await cluster.addNode(cpus: 1)
                let error = await #expect(throws: MantaError.self) { try await addUp.remote(items[1]).value }
                #expect(error?.code == .objectLost)
                #expect(error.map { "\($0)".contains("maximum of reconstruction attempts was exceeded") } == true)
            }
        }

        @Test func OBJ_033_anActorThatIsRestartedGetsItsLostArgumentMadeAgain() async throws {
            try await TestCluster.run(nodes: [0, 1]) { cluster, nodes in
                let folder = TemporaryDirectory()
                let argument = makeNoted.remote(seed: 4, count: perMegabyte, noting: folder.file("made"))
                _ = try await Manta.wait([argument], fetch: false)
                let summed = Summed.options(maxRestarts: 1, maxTaskRetries: 1).remote(argument.inPlace())
                let before = try await summed.total().value
                #expect(before == sum(numbers(4, count: perMegabyte)))
                nodes[1].kill()
                try await cluster.addNode(cpus: 1)
                let after = try await summed.total().value
                #expect(after == before && lines(of: folder.file("made")) == 2)
            }
        }

        @Test func OBJ_033_withoutReconstructionItsCallsSayWhichArgumentIsLost() async throws {
            try await TestCluster.run(nodes: [0, 1]) { cluster, nodes in
                let argument = makeNumbers.options(retries: 0).remote(seed: 4, count: perMegabyte)
                _ = try await Manta.wait([argument], fetch: false)
                let summed = Summed.options(maxRestarts: 1, maxTaskRetries: 1).remote(argument.inPlace())
                let before = try await summed.total().value
                #expect(before == sum(numbers(4, count: perMegabyte)))
                nodes[1].kill()
                try await cluster.addNode(cpus: 1)
                let error = await #expect(throws: MantaError.self) { try await summed.total().value }
                #expect(error?.code == .actorDied)
                let text = error.map { "\($0)" } ?? ""
                #expect(text.contains("argument") && text.contains(argument.id.description), "\(text)")
            }
        }

        @Test func OBJ_047_aRunningStreamWhoseItemIsLostIsMadeAgain() async throws {
            try await TestCluster.run(nodes: [2, 1]) { _, nodes in
                let folder = TemporaryDirectory()
                let gate = FileGate()
                let path = folder.file("made")
                let stream = megabytes.options(scheduling: .node(nodes[1].id, soft: true)).remote(3, noting: path, gate: gate.path)
                let items = try await items(2, of: stream)
                nodes[1].kill()
                let start = ContinuousClock.now
                let found = try await addUp.remote(items[0]).value
                #expect(found == sum(numbers(0, count: perMegabyte)))
                let found2 = try await items[1].value
                #expect(found2 == numbers(1, count: perMegabyte))
                #expect(ContinuousClock.now - start < .seconds(30))
                #expect(lines(of: path) == 2)
                gate.open()
                var rest: [[Int64]] = []
                for try await item in stream.values { rest.append(item) }
                #expect(rest == [numbers(2, count: perMegabyte)])
            }
        }
    }
}
