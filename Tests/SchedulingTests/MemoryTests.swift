// What happens when the workers of a node hold more memory than they may.

import Glibc
import Manta
import MantaModel
import MantaTestCluster
import MantaTestKit
import MantaWire
import Testing

extension SchedulingTests {
    @Suite(.serialized) struct MemoryTests {
        @Test func FAIL_048_theWorkerThatHoldsTheMemoryEndsAndSaysSo() async throws {
            try await TestCluster.run(nodes: [2], workerMemory: 400 << 20) { cluster, _ in
                let folder = TemporaryDirectory()
                let bystander = Resident.remote()
                let before = try await bystander.process().value
                let modest = holdSome.options(retries: 0).remote(mebibytes: 40, until: folder.file("gate"))
                let error = await #expect(throws: MantaError.self) { try await hoard.options(retries: 0).remote(mebibytes: 2_000).value }
                #expect(error?.code == .outOfMemory)
                for part in ["memory ran out", "hoard", "400.0 MiB"] { #expect(error?.message.contains(part) == true, "\(error?.message ?? "")") }
                #expect(try await bystander.process().value == before, "it held nothing and lives")
                _ = try #require(fopen(folder.file("gate"), "we").map { fclose($0) })
                #expect(try await modest.value == 40, "it held less and lives")
                try await eventually("the death in the list of errors", within: .seconds(30)) {
                    try await cluster.state(.errors).errors.contains { $0.code == "outOfMemory" && $0.message.contains("hoard") }
                }
            }
        }
    }
}

/// Holds memory until a file is there.
@Remote func holdSome(mebibytes: Int, until path: String) async throws -> Int {
    let held = [UInt8](repeating: 1, count: mebibytes << 20)
    while access(path, F_OK) != 0 { try await Task.sleep(for: .milliseconds(20)) }  // until the test says so
    return held.count >> 20
}

/// Takes memory until it is stopped, a few mebibytes at a time.
@Remote func hoard(mebibytes: Int) async throws -> Int {
    var held: [[UInt8]] = []
    for index in 0..<(mebibytes / 20) {
        held.append([UInt8](repeating: UInt8(index & 0xff), count: 20 << 20))
        try await Task.sleep(for: .milliseconds(50))  // the monitor looks a few times a second
    }
    return held.count
}
