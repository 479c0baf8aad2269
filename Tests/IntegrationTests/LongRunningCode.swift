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
