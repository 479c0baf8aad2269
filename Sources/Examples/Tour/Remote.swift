// Remote: the functions and the actor of the tour, each a form that the API allows.

import Manta

/// One parameter, one result.
@Remote func square(_ x: Int) -> Int { x * x }

/// Resources, retries, a default, async and throws.
@Remote(cpus: 2, retries: 5) func add(_ x: Int, to y: Int = 10) async throws -> Int { x + y }

/// A tuple: a reference for each part.
@Remote func divide(_ a: Int, by b: Int) -> (quotient: Int, remainder: Int) { a.quotientAndRemainder(dividingBy: b) }

/// Recursion: a task that waits for others gives its CPU back.
@Remote func fibonacci(_ n: Int) async throws -> Int {
    if n < 2 { return n }
    let (left, right) = (fibonacci.remote(n - 1), fibonacci.remote(n - 2))
    return try await left.value + right.value
}

enum Trainer {
    /// A static function.
    @Remote static func train(epochs: Int) async -> Double { Double(epochs) * 0.5 }
}

/// More than three parameters: each a value or a reference of it.
@Remote func describe(_ name: String, age: Int, height: Double, member: Bool) -> String {
    "\(name), \(age), \(height) m\(member ? ", member" : "")"
}

/// References inside a value: they are borrowed for as long as the task holds them.
@Remote func total(_ parts: [ObjectReference<Int>]) async throws -> Int { try await Manta.get(parts).reduce(0, +) }

/// A reference as a result: the caller waits twice.
@Remote func promise(_ x: Int) -> ObjectReference<Int> { square.remote(x) }

/// Code bound to the main actor, which a worker serves too.
@MainActor @Remote func onMainActor(_ x: Int) -> Int { x + 1 }

/// A handle as an argument.
@Remote func bump(_ counter: Counter.Handle, times: Int) async throws -> Int {
    var last = 0
    for _ in 0..<times { last = try await counter.increment().value }
    return last
}

/// An error that comes back as itself.
enum CounterError: Error, Codable, Equatable {
    case broken
    case tooFar(limit: Int)
}

@RemoteActor actor Counter {
    private var count: Int
    init(start: Int = 0) { count = start }

    func increment(by n: Int = 1) throws -> Int {
        guard count + n <= 1_000 else { throw CounterError.tooFar(limit: 1_000) }
        count += n
        return count
    }

    func fail() throws { throw CounterError.broken }
}
