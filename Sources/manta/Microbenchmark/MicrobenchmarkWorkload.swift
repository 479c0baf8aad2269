// MicrobenchmarkWorkload: the remote functions and actors that the rows of `manta microbenchmark` call: each does as little as it can. Those that do
// something many times answer how often.

import Manta

@Remote func small() async -> [UInt8] { Array("ok".utf8) }

@Remote func nothing(_ value: Int) -> Int { value }

/// Waits for one of its own kind, so deep; answers the depth.
@Remote func nest(_ depth: Int) async throws -> Int { depth == 0 ? 0 : try await manta.nest.remote(depth - 1).value + 1 }

/// Puts from inside a task.
@Remote func putMany(_ count: Int) -> Int {
    for _ in 0..<count { _ = Manta.put(0) }
    return count
}

/// One object that holds many references.
@Remote func hold(_ count: Int) -> [ObjectReference<Int>] { (0..<count).map { _ in Manta.put(1) } }

/// Runs one call at a time.
@RemoteActor(cpus: 0) final class PlainActor {
    init() {}
    func small() -> [UInt8] { Array("ok".utf8) }
    func echo(_ value: Int) -> Int { value }

    /// Submits tasks from here and waits for all.
    func submitTasks(_ count: Int) async throws -> Int {
        try await Manta.get((0..<count).map { _ in manta.small.remote() }).count
    }

    /// Calls each actor from here and waits for all.
    func call(_ actors: [PlainActor.Handle], times count: Int) async throws -> Int {
        try await Manta.get(actors.flatMap { actor in (0..<count).map { _ in actor.small() } }).count
    }

    /// Calls an actor from here with a reference.
    func echo(through actor: PlainActor.Handle, times count: Int) async throws -> Int {
        let value = Manta.put(0)
        return try await Manta.get((0..<count).map { _ in actor.echo(value) }).count
    }
}

/// May run calls at the same time.
@RemoteActor(cpus: 0, maxConcurrency: 1000) actor ConcurrentActor {
    init() {}
    func small() async -> [UInt8] { Array("ok".utf8) }
}

/// How many numbers an array has, without reading them.
@Remote func countOf(_ numbers: SharedArray<Int64>) -> Int { numbers.count }

/// Warm memory to copy to.
struct MemoryCopy: @unchecked Sendable {  // one step at a time uses it
    private let target: UnsafeMutableRawBufferPointer

    init(of source: [Int64]) {
        target = .allocate(byteCount: source.count * 8, alignment: 64)
        copy(source)
    }

    func copy(_ source: [Int64]) { source.withUnsafeBytes { target.copyMemory(from: $0) } }
}

@Remote func block(_ points: Int, seed: Int) -> Double { Block.work(points, seed: seed) }

/// A share of a computation: π by points at random.
enum Block {
    /// About 8 ms of work on a core of 2024.
    static let points = 1_200_000

    /// The same machine code with tasks and without: inlined, one of the two may come out faster by some percent.
    @inline(never) static func work(_ points: Int, seed: Int) -> Double {
        // Knuth's linear congruential generator, MMIX: a multiplication and an addition for each coordinate.
        var (state, inside) = (UInt64(seed), 0)
        func coordinate() -> Double {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Double(state >> 11) * 0x1p-53
        }
        for _ in 0..<points {
            let (x, y) = (coordinate(), coordinate())
            if x * x + y * y < 1 { inside += 1 }
        }
        return 4 * Double(inside) / Double(points)
    }

    static func asTasks(_ count: Int) async throws { _ = try await Manta.get((0..<count).map { block.remote(points, seed: $0) }) }

    static func onTwoThreads(_ count: Int) async {
        await withTaskGroup(of: Double.self) { group in
            for half in [0..<count / 2, count / 2..<count] { group.addTask { half.reduce(0) { $0 + work(points, seed: $1) } } }
            for await _ in group {}
        }
    }
}
