// What the tests of the object store run remotely.

import Glibc
import Manta
import MantaModel
import MantaTestKit

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
    private var held: [ObjectReference<SharedArray<Int64>>] = []
    func hold(_ references: [ObjectReference<SharedArray<Int64>>]) { held = references }
    func totalHeld() async throws -> Int64 {
        var total: Int64 = 0
        for reference in held { total &+= sum(try await reference.value) }
        return total
    }
}

/// Owns arrays that others hold.
@RemoteActor actor Donor {
    init() {}
    func give(_ howMany: Int, count: Int) -> [ObjectReference<SharedArray<Int64>>] { (0..<howMany).map { Manta.put(numbers($0, count: count)).inPlace() } }
    func process() -> Int32 { getpid() }
}

/// Something that a test lets tasks wait for: a file that is there or not.
final class FileGate {
    private let folder = TemporaryDirectory()
    init() {}
    var path: String { folder.file("gate") }
    var isOpen: Bool { access(path, F_OK) == 0 }
    func open() { touch(path) }
    /// A task waits for it.
    var isAwaited: Bool { access("\(path).began", F_OK) == 0 }
}

/// Adds a line to a file; returns how many it has then.
func addLine(_ text: String = "x", to path: String) -> Int {
    guard let file = fopen(path, "ae") else { return -1 }
    fputs("\(text)\n", file)
    fclose(file)
    return lines(of: path)
}

private func touch(_ path: String) { if let file = fopen(path, "ae") { fclose(file) } }

private func untilThere(_ path: String) async throws { while access(path, F_OK) != 0 { try await Task.sleep(for: .milliseconds(5)) } }  // until the test says so

@Remote func makeNumbersWhenOpen(gate: String, seed: Int, count: Int) async throws -> [Int64] {
    touch("\(gate).began")
    try await untilThere(gate)
    return numbers(seed, count: count)
}

/// Gives up what others own.
@Remote func giveUp(_ references: [ObjectReference<[Int64]>]) async throws -> Int {
    try await Manta.free(references)
    return references.count
}

@Remote func wait(for gate: String) async throws -> Int {
    touch("\(gate).began")
    try await untilThere(gate)
    return 0
}

@Remote func addUpBehind(_ signal: Int, _ values: [Int64]) -> Int64 { sum(values) &+ Int64(signal) }

@Remote func addUpFour(_ a: SharedArray<Int64>, _ b: SharedArray<Int64>, _ c: SharedArray<Int64>, _ d: SharedArray<Int64>) -> Int64 {
    sum(a) &+ sum(b) &+ sum(c) &+ sum(d)
}

/// Asks for values again and again, each time for a millisecond.
@Remote func poll(_ references: [ObjectReference<[Int64]>], until gate: String, telling began: String) async throws -> Int {
    var polls = 0
    while access(gate, F_OK) != 0 {
        for reference in references {
            do { _ = try await Manta.get([reference], timeout: .milliseconds(1)) } catch let error as MantaError where error.code == .timeout {}
        }
        polls += 1
        touch(began)
    }
    return polls
}

/// Owns more than its node's store holds.
@RemoteActor actor Hoarder {
    private var kept: [ObjectReference<[Int64]>] = []
    init() {}
    func hoard(_ howMany: Int, count: Int) async throws {
        for seed in 0..<howMany { kept.append(Manta.put(numbers(seed, count: count))) }
        _ = try await Manta.wait(kept, count: kept.count, fetch: false)
    }
}
