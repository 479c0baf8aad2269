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

        @Test(.timeLimit(.minutes(3))) func FAIL_047_memoryRetriesAreCountedApartAndWorkWithoutRetriesIsSpared() async throws {
            // Of the nodes' workers: an actor in one of them owns the task.
            try await TestCluster.run(nodes: [2], workerMemory: 400 << 20, environment: ["MANTA_MEMORY_RETRIES": "1"]) { cluster, _ in
                let folder = TemporaryDirectory()
                let owner = HoardOwner.remote()
                // It holds more than the other when memory runs out, but cannot be tried again.
                let spared = holdSome.options(retries: 0).remote(mebibytes: 190, until: folder.file("gate"))
                let error = await #expect(throws: MantaError.self) { try await owner.hoard(mebibytes: 2_000, noting: folder.file("tries")).value }
                #expect(error?.code == .outOfMemory && error?.message.contains("2 times") == true, "\(String(describing: error))")
                #expect(lines(of: folder.file("tries")) == 2)
                _ = try #require(fopen(folder.file("gate"), "we").map { fclose($0) })
                #expect(try await spared.value == 190)
                try await Manta.kill(owner)
                try await cluster.expectEverythingIsReturned()
            }
        }

        private func lines(of path: String) -> Int {
            guard let file = fopen(path, "re") else { return 0 }
            defer { fclose(file) }
            var count = 0
            while case let byte = fgetc(file), byte != EOF { if byte == 10 { count += 1 } }
            return count
        }
    }
}

/// Owns a task that takes too much memory, and may be tried without end after other losses.
@RemoteActor actor HoardOwner {
    init() {}
    func hoard(mebibytes: Int, noting path: String) async throws -> Int {
        try await notedHoard.options(retries: -1).remote(mebibytes: mebibytes, noting: path).value
    }
}

/// Notes that it was begun, then takes memory until it is stopped.
@Remote func notedHoard(mebibytes: Int, noting path: String) async throws -> Int {
    if let file = fopen(path, "ae") {
        fputs("begun\n", file)
        fclose(file)
    }
    return try await takeMemory(mebibytes)
}

/// Holds memory until a file is there.
@Remote func holdSome(mebibytes: Int, until path: String) async throws -> Int {
    let held = [UInt8](repeating: 1, count: mebibytes << 20)
    while access(path, F_OK) != 0 { try await Task.sleep(for: .milliseconds(20)) }  // until the test says so
    return held.count >> 20
}

/// Takes memory until it is stopped, a few mebibytes at a time.
@Remote func hoard(mebibytes: Int) async throws -> Int { try await takeMemory(mebibytes) }

private func takeMemory(_ mebibytes: Int) async throws -> Int {
    var held: [[UInt8]] = []
    for index in 0..<(mebibytes / 20) {
        held.append([UInt8](repeating: UInt8(index & 0xff), count: 20 << 20))
        try await Task.sleep(for: .milliseconds(50))  // the monitor looks a few times a second
    }
    return held.count
}
