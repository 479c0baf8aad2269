// The link between two machines is cut while tasks and calls run on the far one: what is tried again, what fails, and what is left when the link is back.

import Glibc
import Manta
import MantaLoop
import MantaModel
import MantaTestCluster
import MantaTestKit
import MantaWire
import Testing

/// Notes that it runs, waits for the gate, and returns its number. The files are those of both machines.
@Remote func noteAndWait(_ number: Int, in notes: String, for gate: String) async throws -> Int {
    try note("task \(number)", in: notes)
    while access(gate, F_OK) != 0 { try await Task.sleep(for: .milliseconds(20)) }  // until the test says so
    return number
}

/// Notes each of its calls. Which incarnation it is, its process tells.
@RemoteActor(maxConcurrency: 1) actor Noter {
    init() {}
    func process() -> Int32 { getpid() }
    func node() throws -> String { try Manta.context.node?.description ?? "nowhere" }
    func add(_ number: Int, in notes: String, for gate: String) async throws -> Int {
        try note("call \(number)", in: notes)
        while access(gate, F_OK) != 0 { try await Task.sleep(for: .milliseconds(20)) }  // until the test says so
        return number
    }
}

private func note(_ text: String, in path: String) throws {
    guard let file = fopen(path, "ae") else { throw MantaError(.system, "\(path) cannot be written") }
    fputs("\(text) \(getpid())\n", file)
    fclose(file)
}

extension SchedulingTests {
    @Suite(.serialized, .timeLimit(.minutes(5)), .enabled(if: NetworkNamespace.isPermitted, "needs root, ip, nsenter and namespaces of the network"))
    struct CutLinkTests {
        /// Shorter than the links' patience: nothing is lost, so nothing is tried again.
        @Test func aCutThatIsSoonOverIsNotNoticed() async throws {
            try await run { network, cluster, far, notes, gate in
                let tasks = (0..<4).map { noteAndWait.options(cpus: 0.25, scheduling: .node(far.id)).remote($0, in: notes, for: gate) }
                let noter = Noter.options(cpus: 0, scheduling: .node(far.id)).remote()
                let calls = (0..<5).map { noter.add($0, in: notes, for: gate) }
                try await begun(5, in: notes)
                let before = lines(of: notes)
                network.cut()
                try await passed(.milliseconds(1_000))
                network.restore()
                open(gate)
                #expect(try await Manta.get(tasks) == Array(0..<4))
                #expect(try await Manta.get(calls) == Array(0..<5))
                let later = lines(of: notes).dropFirst(before.count).map { $0.split(separator: " ").dropLast().joined(separator: " ") }
                #expect(later == (1..<5).map { "call \($0)" }, "nothing ran again: \(before) \(later)")
                withExtendedLifetime(noter) {}
            }
        }

        /// Until the far machine is given up: its work goes on here, and nothing of it is left there when it comes back.
        @Test func FAIL_010_workOfAMachineThatIsCutOffRunsElsewhereAndNothingIsLeftOfItThere() async throws {
            try await run { network, cluster, far, notes, gate in
                let tasks = (0..<4).map { noteAndWait.options(cpus: 0.25, scheduling: .node(far.id, soft: true)).remote($0, in: notes, for: gate) }
                let once = noteAndWait.options(cpus: 0.25, retries: 0, scheduling: .node(far.id, soft: true)).remote(9, in: notes, for: gate)
                let lasting = Noter.options(cpus: 0.25, maxRestarts: -1, maxTaskRetries: -1, scheduling: .node(far.id, soft: true)).remote()
                let brittle = Noter.options(cpus: 0.25, scheduling: .node(far.id, soft: true)).remote()
                let before = [try await lasting.process().value, try await brittle.process().value]
                for noter in [lasting, brittle] { #expect(try await noter.node().value == far.id.description) }
                let retried = (10..<13).map { lasting.add($0, in: notes, for: gate) }
                let failing = (20..<23).map { brittle.add($0, in: notes, for: gate) }
                try await begun(7, in: notes)
                let there = Set(lines(of: notes).compactMap { $0.split(separator: " ").last.flatMap { Int32($0) } })

                network.cut()
                try await eventually("the machine is given up", within: .seconds(60), poll: .milliseconds(50)) {
                    try await cluster.state(.nodes).nodes.first { $0.id == far.id }?.state == .dead
                }
                for call in failing {
                    let error = await #expect(throws: MantaError.self) { try await call.value }
                    #expect(error.map { [.actorDied, .nodeDied].contains($0.code) } == true, "\(String(describing: error))")
                }
                let lost = await #expect(throws: MantaError.self) { try await once.value }
                #expect(lost.map { [.workerCrashed, .nodeDied].contains($0.code) } == true, "\(String(describing: lost))")
                open(gate)
                #expect(try await Manta.get(tasks) == Array(0..<4), "tried again here")
                #expect(try await Manta.get(retried) == Array(10..<13), "made again, of the actor's next incarnation")
                let process = try await lasting.process().value
                #expect(!before.contains(process))

                network.restore()
                try await eventually("the machine's return", within: .seconds(60), poll: .milliseconds(50)) {
                    try await cluster.state(.nodes).nodes.first { $0.id == far.id }?.state == .alive
                }
                try await eventually("the end of what ran there", within: .seconds(60)) { there.union(before).allSatisfy(hasEnded) }
                let counts = Dictionary(lines(of: notes).map { ($0.split(separator: " ").dropLast().joined(separator: " "), 1) }, uniquingKeysWith: +)
                for number in 0..<4 { #expect((1...2).contains(counts["task \(number)"] ?? 0), "once there, once here: \(counts)") }
                #expect(counts["task 9"] == 1, "it allows no retry: \(counts)")
                // What had reached the far actors may have run there until the link was back.
                for number in 20..<23 { #expect((counts["call \(number)"] ?? 0) <= 1, "calls that may not be made again are not: \(counts)") }
                for number in 10..<13 { #expect((1...2).contains(counts["call \(number)"] ?? 0), "once there, once here: \(counts)") }
                // The far node works again.
                #expect(try await whereAmI.options(scheduling: .node(far.id)).remote().value == far.id.description)
                try await Manta.kill(lasting)
                try await cluster.expectEverythingIsReturned()
            }
        }

        // MARK: What they share

        private func run(_ body: (NetworkNamespace, TestCluster, TestNode, _ notes: String, _ gate: String) async throws -> Void) async throws {
            let network = try await NetworkNamespace()
            try await TestCluster.run(nodes: [2], stores: [64 << 20], host: network.near) { cluster, _ in
                let far = try await cluster.addNode(behind: network, cpus: 2, store: 64 << 20)
                let folder = TemporaryDirectory()
                try await body(network, cluster, far, folder.file("notes"), folder.file("gate"))
            }
        }

        /// So many tasks and calls have begun.
        private func begun(_ count: Int, in notes: String) async throws {
            do {
                try await eventually("the beginning of all", within: .seconds(90)) {
                    Set(lines(of: notes).map { $0.split(separator: " ").dropLast().joined(separator: " ") }).count == count
                }
            } catch {
                Issue.record("of \(count), begun are \(lines(of: notes))")
                throw error
            }
        }

        private func open(_ gate: String) { if let file = fopen(gate, "we") { fclose(file) } }

        private func passed(_ time: Duration) async throws {
            let end = ContinuousClock.now + time
            try await eventually("the time's end", within: .seconds(60)) { ContinuousClock.now >= end }
        }

        private func lines(of path: String) -> [Substring] {
            guard let file = fopen(path, "re") else { return [] }
            defer { fclose(file) }
            var bytes = [UInt8](repeating: 0, count: 1 << 16)
            let count = fread(&bytes, 1, bytes.count, file)
            return String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n")
        }
    }
}
