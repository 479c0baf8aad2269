// Declarations: remote functions and actors of every shape the macros allow, for the tests of the API. That this file compiles is itself a test.

public import Manta
import Testing

/// Gives each test a cluster of its own in serial mode.
struct Serially: SuiteTrait, TestTrait, TestScoping {
    var isRecursive: Bool { true }
    func provideScope(for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void) async throws {
        try await Manta.serially { try await function() }
    }
}

extension Trait where Self == Serially {
    static var serially: Serially { Serially() }
}

struct Point: Codable, Sendable, Hashable {
    var x, y: Double
}

enum Shape: Codable, Sendable, Hashable {
    case circle(center: Point, radius: Double)
    case polygon([Point])
    case nothing
}

enum ShopError: Error, Codable, Hashable {
    case soldOut(item: String, left: Int)
    case closed
}

struct Secret: Error, CustomStringConvertible {
    let text: String
    var description: String { "secret: \(text)" }
}

@Remote func square(_ x: Int) -> Int { x * x }
@Remote(cpus: 2, retries: 5) public func add(_ x: Int, to y: Int = 10) async throws -> Int { x + y }
@Remote func divide(_ a: Int, by b: Int) -> (quotient: Int, remainder: Int) { a.quotientAndRemainder(dividingBy: b) }
@Remote func pair(_ a: Int) async throws -> (Int, String) { (a, "\(a)") }
@Remote func hello() async -> String { "hello" }
struct Bulky: Error, Codable {
    var text: String
}
@Remote func explodeWith(_ bytes: Int) throws { throw Bulky(text: String(repeating: "x", count: bytes)) }
@Remote func explode(_ how: Int) throws {
    switch how {
    case 0: throw ShopError.soldOut(item: "tea", left: 0)
    case 1: throw Secret(text: "xyz")
    case 2: throw MantaError(.conflict, "own words")
    default: throw CancellationError()
    }
}
@Remote private func hidden(_ x: Int) -> Int { x + 1 }
@Remote func moved(_ shape: Shape, by offset: Point?, times: Int = 1, label: String) -> [String: Shape] {
    guard let offset, case .circle(var center, let radius) = shape else { return [label: shape] }
    center.x += offset.x * Double(times)
    center.y += offset.y * Double(times)
    return [label: .circle(center: center, radius: radius)]
}
@Remote func keyword(in: Int, default: String, _ `class`: Bool) -> String { "\(`in`)\(`default`)\(`class`)" }
@Remote func nested(_ references: [ObjectReference<Int>]) async throws -> Int { try await Manta.get(references).reduce(0, +) }
@Remote func promise(_ x: Int) -> ObjectReference<Int> { square.remote(x) }
@Remote func whoami(_ x: Int) throws -> [String] {
    let context = try Manta.context
    return [context.function ?? "", "\(context.task != nil)", "\(context.attempt)"]
}
@MainActor @Remote func onMain(_ x: Int) -> Int { x + 1 }
@Remote func fibonacci(_ n: Int) async throws -> Int {
    if n < 2 { return n }
    let (left, right) = (fibonacci.remote(n - 1), fibonacci.remote(n - 2))
    return try await left.value + right.value
}
@Remote func after(_ first: Int) async throws -> Int { first }

enum Trainer {
    @Remote static func train(epochs: Int) async -> Double { Double(epochs) * 0.5 }
    enum Deep {}
}
extension Trainer.Deep {
    @Remote(name: "deep name") static func level(_ x: Int) -> Int { x + 2 }
}

func callHidden(_ x: Int) -> ObjectReference<Int> { hidden.remote(x) }

@RemoteActor actor Counter {
    private var count: Int
    init(start: Int = 0) { count = start }
    init(failing: String) throws { throw ShopError.closed }
    init(slowly start: Int) async throws { count = start }
    func increment(by n: Int = 1) -> Int {
        count += n
        return count
    }
    func increment(twice: Bool) -> Int { increment(by: twice ? 2 : 1) }
    func get() -> Int { count }
    func fail() throws { throw ShopError.soldOut(item: "milk", left: 1) }
    func id() -> String { "id" }
    func string() -> String { "string" }
    func options(_ x: Int) -> Int { x }
    func remote() async -> Int { count }
    func split(_ a: Int, by b: Int) -> (quotient: Int, remainder: Int) { a.quotientAndRemainder(dividingBy: b) }
    func many(_ a: Int, b: Int, c: Int, d: String) -> String { "\(a)\(b)\(c)\(d)" }
    private func unseen() {}
    static func shared() {}
}

@RemoteActor final class Journal {
    private var lines: [String] = []
    private var busy = false
    func append(_ line: String) async throws -> Int {
        guard !busy else { throw ShopError.closed }
        busy = true
        defer { busy = false }
        await Task.yield()
        lines.append(line)
        return lines.count
    }
    func all() -> [String] { lines }
}

@RemoteActor(maxConcurrency: 8) actor Gate {
    private var waiters: [CheckedContinuation<Void, Never>] = []
    func wait() async { await withCheckedContinuation { waiters.append($0) } }
    func waitThenCount() async -> Int {
        await wait()
        return waiters.count
    }
    func waiting() -> Int { waiters.count }
    func open() {
        for waiter in waiters { waiter.resume() }
        waiters = []
    }
}

@RemoteActor final class Bare {
    func ping() -> String { "pong" }
}

@Remote func use(_ counter: Counter.Handle, times: Int) async throws -> Int {
    var last = 0
    for _ in 0..<times { last = try await counter.increment().value }
    return last
}
