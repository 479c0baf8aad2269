// Machines that stand still for a while, and go on: nothing is lost by that.

import Glibc
import Manta
import MantaModel
import MantaTestCluster
import MantaTestKit
import Testing

extension SchedulingTests {
    @Suite(.serialized) struct StandstillTests {
        /// The node stands still for twice a link's patience, just when it has started the process.
        @Test func anActorsProcessWaitsForANodeThatAnswersLate() async throws {
            try await TestCluster.run(nodes: [1]) { cluster, nodes in
                _ = try await whereAmI.remote().value  // so that no process of tasks is about to start
                let before = children(of: nodes[0].pid)
                let resident = Resident.remote()
                try await eventually("the actor's process", within: .seconds(30), poll: .milliseconds(1)) { children(of: nodes[0].pid) != before }
                kill(nodes[0].pid, SIGSTOP)
                let end = ContinuousClock.now + Limits.reconnectGrace * 2
                try await eventually("the end of the standstill", within: .seconds(30)) { ContinuousClock.now >= end }
                kill(nodes[0].pid, SIGCONT)
                let process = try await resident.process().value
                #expect(children(of: nodes[0].pid).subtracting(before).contains(process), "the first one, which may not be started again")
            }
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
