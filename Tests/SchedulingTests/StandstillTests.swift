// Machines that stand still for a while, and go on: nothing is lost by that.

import Glibc
import Manta
import MantaModel
import MantaTestCluster
import MantaTestKit
import MantaWire
import Testing

extension SchedulingTests {
    @Suite(.serialized) struct StandstillTests {
        /// For so long that the node is given up; its workers, of which one runs nothing then, hear of that before it does.
        @Test(.timeLimit(.minutes(3))) func aNodeThatWasGivenUpWhileItStoodStillWorksWhenItIsBack() async throws {
            try await TestCluster.run(nodes: [1, 1]) { cluster, nodes in
                let there: Scheduling = .node(nodes[1].id)
                #expect(try await whereAmI.options(scheduling: there).remote().value == nodes[1].id.description)
                try await standStill(nodes[1]) {
                    try await eventually("the node's end, for the head", within: .seconds(60)) { try await state(of: nodes[1], cluster) == .dead }
                }
                try await eventually("its return", within: .seconds(60)) { try await state(of: nodes[1], cluster) == .alive }
                // Each waits for a task of its own, to which it lends the one CPU.
                for _ in 0..<3 { #expect(try await waitForChild.options(scheduling: there).remote().value != "nowhere") }
                try await cluster.expectEverythingIsReturned()
            }
        }

        /// The node stands still for longer than a new link's patience, just when it has started the process.
        @Test(.timeLimit(.minutes(3))) func anActorsProcessWaitsForANodeThatAnswersLate() async throws {
            try await TestCluster.run(nodes: [1]) { cluster, nodes in
                _ = try await whereAmI.remote().value  // so that no process of tasks is about to start
                let before = children(of: nodes[0].pid)
                let resident = Resident.remote()
                try await eventually("the actor's process", within: .seconds(30), poll: .milliseconds(1)) { children(of: nodes[0].pid) != before }
                try await standStill(nodes[0]) {
                    let end = ContinuousClock.now + .seconds(8)
                    try await eventually("the end of the standstill", within: .seconds(30)) { ContinuousClock.now >= end }
                }
                let process = try await resident.process().value
                #expect(children(of: nodes[0].pid).subtracting(before).contains(process), "the first one, which may not be started again")
            }
        }

        private func standStill(_ node: TestNode, while body: () async throws -> Void) async throws {
            kill(node.pid, SIGSTOP)
            try await body()
            kill(node.pid, SIGCONT)
        }

        private func state(of node: TestNode, _ cluster: TestCluster) async throws -> NodeState? {
            try await cluster.state(.nodes).nodes.first { $0.id == node.id }?.state
        }

        private func children(of pid: Int32) -> Set<Int32> {
            guard let threads = opendir("/proc/\(pid)/task") else { return [] }
            defer { closedir(threads) }
            var found: Set<Int32> = []
            while let entry = readdir(threads) {
                let thread = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
                guard let file = fopen("/proc/\(pid)/task/\(thread)/children", "re") else { continue }
                defer { fclose(file) }
                var bytes = [UInt8](repeating: 0, count: 1 << 14)
                let count = fread(&bytes, 1, bytes.count, file)
                found.formUnion(String(decoding: bytes[..<count], as: UTF8.self).split(separator: " ").compactMap { Int32($0) })
            }
            return found
        }
    }
}

/// Where a task runs that this one waits for.
@Remote func waitForChild() async throws -> String { try await whereAmI.remote().value }
