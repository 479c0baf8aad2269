// Many tasks at once and tasks within tasks, in numbers that a debug build can take; the large ones are rows of `manta microbenchmark`.

import Glibc
import Manta
import MantaTestKit
import Testing

@Remote func nest(_ depth: Int) async throws -> Int { depth == 0 ? 0 : try await nest.remote(depth - 1).value + 1 }

/// The same, with the processes it runs in.
@Remote func nestNoting(_ depth: Int) async throws -> [Int32] {
    let below = depth == 0 ? [] : try await nestNoting.remote(depth - 1).value
    return Array(Set(below + [getpid()])).sorted()
}

extension SharedClusterTests {
@Suite(.serialized) struct ScaleTests {
    @Test func tasksNestDeeplyOnFewProcesses() async throws {
        #expect(try await nest.remote(100).value == 100)
        #expect(try await nestNoting.remote(50).value.count <= 4, "a task that waits leaves its process to others")
    }

    @Test func queuedTasksCostLittleMemory() async throws {
        _ = try await Manta.get((0..<1_000).map { echoInt.remote($0) })
        let before = residentBytes()
        let count = 30_000
        let tasks = (0..<count).map { echoInt.remote($0) }
        _ = try await Manta.wait([tasks[0]])
        let perTask = (residentBytes() - before) / count
        #expect(perTask < 4_000, "\(perTask) bytes a task")
        #expect(try await Manta.get(tasks) == Array(0..<count))
    }
}
}
