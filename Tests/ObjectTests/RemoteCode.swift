// What the tests of the object store run remotely.

import Glibc
import Manta
import MantaModel

/// Numbers that tell which object they are of.
func numbers(_ seed: Int, count: Int) -> [Int64] { (0..<count).map { Int64(seed &* 1_000_003 &+ $0) } }

func sum(_ numbers: some Collection<Int64>) -> Int64 { numbers.reduce(0, &+) }

@Remote func makeNumbers(seed: Int, count: Int) -> [Int64] { numbers(seed, count: count) }

@Remote func addUp(_ values: [Int64]) -> Int64 { sum(values) }

/// The same without a copy.
@Remote func addUpInPlace(_ values: SharedArray<Int64>) -> Int64 { sum(values) }

@Remote func addUpAll(_ references: [ObjectReference<SharedArray<Int64>>]) async throws -> Int64 {
    var total: Int64 = 0
    for reference in references { total &+= sum(try await reference.value) }
    return total
}

@Remote func fourLargeResults(count: Int) -> ([Int64], [Int64], [Int64], [Int64]) {
    (numbers(1, count: count), numbers(2, count: count), numbers(3, count: count), numbers(4, count: count))
}

@Remote func place() async throws -> String { try Manta.context.node?.description ?? "nowhere" }

@Remote func processID() async -> Int32 { getpid() }

@Remote func arrays(_ howMany: Int, count: Int) -> ResultStream<[Int64]> {
    ResultStream { yield in for seed in 0..<howMany { try await yield(numbers(seed, count: count)) } }
}

/// A tensor as a user would write one.
struct Tensor: Codable, Sendable {
    var shape: [Int]
    var elements: SharedArray<Float>
}

@Remote func scaled(_ tensor: Tensor, by factor: Float) -> Tensor {
    Tensor(shape: tensor.shape, elements: SharedArray(tensor.elements.map { $0 * factor }))
}

@RemoteActor actor Keeper {
    private var kept: [Int: SharedArray<Int64>] = [:]
    init() {}
    func keep(_ values: SharedArray<Int64>, as number: Int) { kept[number] = values }
    func total(of number: Int) -> Int64 { sum(kept[number] ?? SharedArray([])) }
    func make(seed: Int, count: Int) -> [Int64] { numbers(seed, count: count) }
    func process() -> Int32 { getpid() }
}
