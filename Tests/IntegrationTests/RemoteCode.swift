// What the integration tests run remotely: functions and actors of this test program, which is also the workers' program.

import Glibc
import Manta

@Remote func echoInt(_ value: Int) -> Int { value }
@Remote func echoText(_ value: String) -> String { value }
@Remote func echoNested(_ value: [String: [Int?]]) -> [String: [Int?]] { value }
@Remote func sum(_ a: Int, _ b: Int) -> Int { a + b }
@Remote func divide(_ a: Int, by b: Int) -> (quotient: Int, remainder: Int) { a.quotientAndRemainder(dividingBy: b) }
@Remote func total(_ values: [Double]) -> Double { values.reduce(0, +) }
@Remote func ones(_ count: Int) -> [Double] { [Double](repeating: 1, count: count) }

@Remote func factorial(_ n: Int) async throws -> Int {
    n <= 1 ? 1 : n * (try await factorial.remote(n - 1).value)
}

@Remote func chainF(_ x: Int) async throws -> Int { try await chainG.remote(x).value + 1 }
@Remote func chainG(_ x: Int) async throws -> Int { try await chainH.remote(x).value + 1 }
@Remote func chainH(_ x: Int) -> Int { x + 1 }

@Remote func valueInside(_ references: [ObjectReference<Int>]) async throws -> Int {
    var result = 0
    for reference in references { result += try await reference.value }
    return result
}

@Remote func makeReferences(_ count: Int) -> [ObjectReference<Int>] { (0..<count).map { Manta.put($0) } }

enum Trouble: Error, Codable, Equatable { case broken(code: Int) }
struct Opaque: Error {}
@Remote func failing(_ code: Int) throws -> Int { throw Trouble.broken(code: code) }
@Remote func failingOpaquely() async throws -> Int { throw Opaque() }

/// Waits until the gate opens, holding its CPU for as long as it spins on something that is no reference.
@Remote func waitFor(_ gate: Gate.Handle) async throws -> Int {
    try await gate.wait().value
    return 1
}

@Remote func workerProcess() async -> Int32 { getpid() }
@Remote func crash() async -> Int { abort() }

/// Lets callers wait until someone opens it.
@RemoteActor(maxConcurrency: 1000) actor Gate {
    private var isOpen = false
    private var waiters: [CheckedContinuation<Void, Never>] = []
    init() {}
    func wait() async {
        if isOpen { return }
        await withCheckedContinuation { waiters.append($0) }
    }
    func open() {
        isOpen = true
        for waiter in waiters { waiter.resume() }
        waiters = []
    }
    func waiting() -> Int { waiters.count }
}

@RemoteActor actor Counter {
    private var count: Int
    init(start: Int = 0) throws {
        guard start >= 0 else { throw Trouble.broken(code: start) }
        count = start
    }
    func increment(by n: Int = 1) -> Int {
        count += n
        return count
    }
    func fail() throws { throw Trouble.broken(code: count) }
    func process() -> Int32 { getpid() }
    func end() -> Int { abort() }
}

@Remote func incrementThrice(_ counter: Counter.Handle) async throws -> Int {
    _ = counter.increment()
    _ = counter.increment()
    return try await counter.increment().value
}

@RemoteActor final class Ledger {
    private var entries: [Int] = []
    init() {}
    func append(_ entry: Int) -> Int {
        entries.append(entry)
        return entries.count
    }
    func all() -> [Int] { entries }
}

@Remote(scheduling: .spread, maxCalls: 2) func processOfTwo(_ ignored: Int) -> Int32 { getpid() }

/// Tells who it is, and throws as itself.
@RemoteActor(scheduling: .standard) actor Telling {
    init() {}
    func context() throws -> [String?] {
        let context = try Manta.context
        return [context.actorType, context.actorName, context.parent?.description, context.nodeLabels[NodeLabel.node], context.clusterAddress]
    }
    func breaks() throws -> Int { throw Trouble.broken(code: 5) }
}

@Remote func tellOfParents(_ telling: Telling.Handle) async throws -> [String?] {
    [try Manta.context.task?.description] + (try await telling.context().value)
}
