// Remote code that takes its time, fails a chosen number of times, or does not listen; and the board on which it tells what it does.

import Glibc
import Manta

/// Where remote code of any process leaves notes.
@RemoteActor final class Board {
    private var notes: [String: Int] = [:]
    init() {}
    /// Notes something once more; returns how often it was noted.
    func note(_ what: String) -> Int {
        notes[what, default: 0] += 1
        return notes[what]!
    }
    func count(_ what: String) -> Int { notes[what] ?? 0 }
    func all() -> [String: Int] { notes }
}

/// Holds its CPU until it is cancelled; notes "began NAME" and "cancelled NAME", never waiting, so that it always holds its CPU.
@Remote func hold(_ board: Board.Handle, _ name: String) async throws -> Int {
    board.note("began \(name)")
    return try await untilCancelled(board, name)
}

func untilCancelled(_ board: Board.Handle, _ name: String) async throws -> Int {
    do {
        try await Task.sleep(for: .seconds(600))  // the work itself
    } catch {
        // In a task of its own, which has no deadline: what a task submits ends with its time.
        await Task.detached { _ = board.note("cancelled \(name)") }.value
        throw error
    }
    return 0
}

/// Holds its CPU whatever anybody asks of it.
@Remote func deaf(_ board: Board.Handle, _ name: String) async throws -> Int {
    board.note("began \(name)")
    while true { pause() }
}

/// Submits `width` children, which hold their CPUs, and waits for them.
@Remote func parent(_ board: Board.Handle, width: Int) async throws -> Int {
    try await Manta.get((0..<width).map { hold.remote(board, "child \($0)") }).count
}

/// Waits for the gate, and notes "went on".
@Remote func goOnBehind(_ board: Board.Handle, _ gate: Gate.Handle) async throws -> Int {
    try await gate.wait().value
    return try await board.note("went on").value
}

@Remote func parentOfPatient(_ board: Board.Handle, _ gate: Gate.Handle) async throws -> Int { try await goOnBehind.remote(board, gate).value }

@Remote func takesAWhile() async throws -> Int {
    try await Task.sleep(for: .milliseconds(5))  // the work itself
    return 1
}

/// Does everything that people see inside of a task: takes a large argument, waits, puts, returns a large result.
@Remote func visible(_ numbers: [Float]) async throws -> [Float] {
    try await Manta.span("waits") {
        _ = try await takesAWhile.remote().value
        _ = try await Manta.wait([takesAWhile.remote()])
    }
    let copy = Manta.span("computes") { [Float](repeating: 1, count: numbers.count) }
    _ = Manta.put(copy)
    return copy
}

/// A small value that takes two milliseconds to decode.
struct Intricate: Codable, Sendable {
    var text: String
    init(text: String) { self.text = text }
    init(from decoder: any Decoder) throws {
        text = try decoder.singleValueContainer().decode(String.self)
        Self.takeTime()
    }
    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
    private static func takeTime() {
        let end = ContinuousClock.now + .milliseconds(2)
        while ContinuousClock.now < end {}
    }
}

@Remote func textLength(of value: Intricate) -> Int { value.text.count }

@Remote func passOn(_ value: Int) -> Int { value + 1 }

/// A reference of a task that another process owns.
@Remote func submitHold(_ board: Board.Handle) -> ObjectReference<Int> { hold.remote(board, "inner") }

/// Fails until it was tried `tries` times.
@Remote func flaky(_ board: Board.Handle, _ name: String, tries: Int) async throws -> Int {
    let attempt = try await board.note(name).value
    if attempt < tries { throw Trouble.broken(code: attempt) }
    return attempt
}

/// Ends its process until it was tried `tries` times.
@Remote func fragile(_ board: Board.Handle, _ name: String, tries: Int) async throws -> Int {
    let attempt = try await board.note(name).value
    if attempt < tries { abort() }
    return try Manta.context.attempt
}

/// The time that what it submits has left, when it has a deadline.
@Remote func childTimeLeft(_ depth: Int) async throws -> Double? {
    if depth > 0 { return try await childTimeLeft.remote(depth - 1).value }
    return try Manta.context.timeLeft.map { Double($0.components.seconds) + Double($0.components.attoseconds) / 1e18 }
}

@Remote func waitForHold(_ board: Board.Handle, _ name: String) async throws -> Int { try await hold.remote(board, name).value }

/// An actor whose calls overlap, fail and crash as they are told.
@RemoteActor actor Patient {
    private let board: Board.Handle
    private var count = 0
    init(_ board: Board.Handle) { self.board = board }

    func hold(_ name: String) async throws -> Int {
        board.note("began \(name)")
        return try await untilCancelled(board, name)
    }
    func next() -> Int {
        count += 1
        return count
    }
    func flaky(_ name: String, tries: Int) async throws -> Int {
        let attempt = try await board.note(name).value
        if attempt < tries { throw Trouble.broken(code: attempt) }
        return attempt
    }
    /// What each try does: "raise", "exit", or anything else to return.
    func play(_ name: String, _ script: [String]) async throws -> Int {
        let attempt = try await board.note(name).value
        switch attempt <= script.count ? script[attempt - 1] : "return" {
        case "raise": throw Trouble.broken(code: attempt)
        case "exit": abort()
        default: return attempt
        }
    }
    func process() -> Int32 { getpid() }
    func attempt() throws -> Int { try Manta.context.attempt }
}

/// Counts its calls one by one, and crashes when told.
@RemoteActor final class Tally {
    private var count = 0
    init() {}
    func next(crashing: Bool = false) -> Int {
        if crashing { abort() }
        count += 1
        return count
    }
    func process() -> Int32 { getpid() }
}

/// Says goodbye on the board when it is terminated.
@RemoteActor final class Departing: TerminationHandler {
    private let board: Board.Handle
    private let name: String
    init(_ board: Board.Handle, _ name: String) { (self.board, self.name) = (board, name) }
    func slow(_ value: Int) async throws -> Int {
        try await Task.sleep(for: .milliseconds(5))  // the work itself
        return value
    }
    func willTerminate() async { _ = try? await board.note("goodbye \(name)").value }
}

/// Answers when as many calls as it was made for have come.
@RemoteActor actor Batcher {
    private let size: Int
    private var values: [Int] = []
    private var waiters: [CheckedContinuation<Void, Never>] = []
    init(_ size: Int) { self.size = size }
    func join(_ value: Int) async -> [Int] {
        values.append(value)
        if values.count < size {
            await withCheckedContinuation { waiters.append($0) }
        } else {
            for waiter in waiters { waiter.resume() }
            waiters = []
        }
        return values.sorted()
    }
    /// Threads of its process.
    func threads() -> Int {
        var count = 0
        guard let folder = opendir("/proc/self/task") else { return -1 }
        while readdir(folder) != nil { count += 1 }
        closedir(folder)
        return count - 2
    }
}

@RemoteActor actor Overlapping {
    private var order: [Int] = []
    init() {}
    func begin(_ number: Int) async {
        order.append(number)
        await Task.yield()
    }
    func begun() -> [Int] { order }
}

/// Two groups beside the default one; notes how many calls ran at once.
@RemoteActor(concurrencyGroups: ["io": 2, "compute": 4]) actor Grouped {
    private var running: [String: Int] = [:]
    private var highest: [String: Int] = [:]
    init() {}
    @RemoteMethod(concurrencyGroup: "io") func read() async throws -> String { try await work("read") }
    @RemoteMethod(concurrencyGroup: "compute") func compute() async throws -> String { try await work("compute") }
    func never() async throws -> String {
        try await Task.sleep(for: .seconds(600))  // the work itself
        return "never"
    }
    func most(_ what: String) -> Int { highest[what] ?? 0 }
    private func work(_ what: String) async throws -> String {
        running[what, default: 0] += 1
        highest[what] = max(highest[what] ?? 0, running[what]!)
        try await Task.sleep(for: .milliseconds(100))  // the work itself
        running[what]! -= 1
        return what
    }
}

/// Calls itself.
@RemoteActor final class Selfish {
    init() {}
    func answer() -> Int { 42 }
    func waitFor(_ gate: Gate.Handle) async throws -> Int {
        try await gate.wait().value
        return 0
    }
    func wait(for own: Selfish.Handle) async throws -> Int { try await own.answer().value }
    func later(_ own: Selfish.Handle) -> ObjectReference<Int> { own.answer() }
    func split(_ a: Int, by b: Int) -> (quotient: Int, remainder: Int) { a.quotientAndRemainder(dividingBy: b) }
    func failAt(_ bad: Int, _ value: Int) throws -> Int {
        if value == bad { throw Trouble.broken(code: value) }
        return value
    }
}

/// What each caller pushed, in the order it came.
@RemoteActor final class CallerLog {
    private var seen: [Int: [Int]] = [:]
    init() {}
    func push(_ caller: Int, _ value: Int) { seen[caller, default: []].append(value) }
    func all() -> [Int: [Int]] { seen }
}

@Remote func pushNumbered(_ log: CallerLog.Handle, _ caller: Int, _ count: Int) async throws -> Int {
    let calls = (0..<count).map { log.push(caller, $0) }
    for call in calls { try await call.value }
    return caller
}
@Remote func pushFromBelow(_ log: CallerLog.Handle, _ caller: Int, _ count: Int) async throws -> Int {
    try await pushNumbered.remote(log, caller, count).value
}

@Remote func joinByName(_ name: String) async throws -> Int {
    try await Tally.options(name: name, lifetime: .detached, getIfExists: true).remote().next().value
}

@Remote func crashUntilCounted(_ tally: Tally.Handle, above limit: Int) async throws -> Int {
    let count = try await tally.next().value
    if count <= limit { abort() }
    return count
}

/// How often it was restarted, as its constructor and as its methods see it.
@RemoteActor final class Reborn {
    private let born: Int
    init() throws { born = try Manta.context.restarts }
    func lives() throws -> [Int] { [born, try Manta.context.restarts] }
    func process() -> Int32 { getpid() }
}

@RemoteActor final class Caller {
    private let target: Tally.Handle
    init(_ target: Tally.Handle) { self.target = target }
    func call() async throws -> Int { try await target.next().value }
    func process() -> Int32 { getpid() }
}

@RemoteActor final class CrashingAtFirst {
    private let attempt: Int
    init(_ board: Board.Handle, _ name: String, tries: Int) async throws {
        attempt = try await board.note(name).value
        if attempt < tries { abort() }
    }
    func answer() -> Int { attempt }
}

@Remote func drainQueue(_ queue: DistributedQueue<Int>, _ count: Int) async throws -> Int {
    var sum = 0
    for _ in 0..<count { sum += try await queue.take() }
    return sum
}

/// Ends itself.
@RemoteActor actor Leaver: TerminationHandler {
    private let board: Board.Handle
    private let name: String
    init(_ board: Board.Handle, _ name: String) { (self.board, self.name) = (board, name) }
    init(_ board: Board.Handle, leavingAs name: String) async throws {
        (self.board, self.name) = (board, name)
        try Manta.exitActor()
    }
    func terminateMyself(_ me: Leaver.Handle) async throws { try await Manta.terminate(me) }
    func leave() throws -> Int {
        try Manta.exitActor()
        return 1
    }
    func willTerminate() async { _ = try? await board.note("goodbye \(name)").value }
}

/// Is made with a value of some size.
@RemoteActor actor Weighty {
    private let bytes: [UInt8]
    init(_ bytes: [UInt8], _ note: String) { self.bytes = bytes }
    func size() -> Int { bytes.count }
}
