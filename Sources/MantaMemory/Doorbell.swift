// Doorbell: how processes that share memory with this one tell it that there is something to look at, without a system call while it is awake.
//
// Owns a page that others write to and a pipe that wakes this process. The page, in cache lines:
//
// | offset | holds | written by |
// | --- | --- | --- |
// | 0 | 1: this process sleeps and needs the pipe | its owner sets, whoever rings clears |
// | 64 | a bit for each word below that is not zero | ringers set, owner clears |
// | 128 | 64 words, a bit for each of 4,096 lines | ringers set, owner clears |
//
// Each shared ring (or whatever else is looked at) has a *line*, a number that its other side rings. What always holds: a line that was rung is found by
// `takeRung` once or more; a process that announced its sleep is woken by the pipe. The pipe gets at most one byte for each announced sleep.

import CSystem
import Glibc
package import MantaModel
import Synchronization

private struct DoorbellPage {
    static let byteCount = 4096
    static let wordCount = 64
    let base: UnsafeMutableRawPointer

    var sleeping: UnsafeMutablePointer<Atomic<UInt32>> { base.assumingMemoryBound(to: Atomic<UInt32>.self) }
    var summary: UnsafeMutablePointer<Atomic<UInt64>> { (base + 64).assumingMemoryBound(to: Atomic<UInt64>.self) }
    func word(_ index: Int) -> UnsafeMutablePointer<Atomic<UInt64>> { (base + 128 + index * 8).assumingMemoryBound(to: Atomic<UInt64>.self) }

    func mark(_ line: Int) {
        word(line >> 6).pointee.bitwiseOr(1 << UInt64(line & 63), ordering: .sequentiallyConsistent)
        summary.pointee.bitwiseOr(1 << UInt64(line >> 6), ordering: .sequentiallyConsistent)
    }
}

/// This process's own doorbell, used by one thread.
package struct Doorbell: ~Copyable {
    private let segment: SharedSegment
    /// Readable after a ring while this process sleeps. Watch it edge-triggered: nobody empties it at each wake-up.
    package let wakeUp: Int32
    private let pipe: Int32
    private var free: [Int] = []
    private var used = 0
    private var sleeps = 0

    /// So many announced sleeps, and so at most as many bytes, before the pipe is emptied. A pipe holds 65,536.
    private static let sleepsPerDrain = 4096
    /// Lines one process can have.
    package static let lineCount = DoorbellPage.wordCount * 64

    package init() throws(MantaError) {
        let segment = try SharedSegment(named: "manta-doorbell", byteCount: DoorbellPage.byteCount)
        var ends: [Int32] = [-1, -1]
        let failure = manta_nonblocking_pipe(&ends)
        guard failure == 0 else { throw MantaError(.system, "no pipe to be woken by: \(String(cString: strerror(-failure)))") }
        self.segment = segment
        (wakeUp, pipe) = (ends[0], ends[1])
    }

    deinit {
        Glibc.close(wakeUp)
        Glibc.close(pipe)
    }

    private var page: DoorbellPage { DoorbellPage(base: segment.base) }
    /// What others open it by.
    package var address: DoorbellAddress { DoorbellAddress(page: segment.descriptor, pipe: pipe) }

    // MARK: Lines

    /// A line for something to be looked at; nil: all are in use.
    package mutating func takeLine() -> Int? {
        if let line = free.popLast() { return line }
        guard used < Self.lineCount else { return nil }
        used += 1
        return used - 1
    }

    /// A late ring of its former user may still reach the line's next one, which finds nothing then.
    package mutating func giveBack(_ line: Int) { free.append(line) }

    /// Notes on this side that a line is to be looked at again.
    package func mark(_ line: Int) { page.mark(line) }

    // MARK: Waiting

    /// Whether a line was rung.
    package var isRung: Bool { page.summary.pointee.load(ordering: .relaxed) != 0 }

    /// Announces that this process will sleep. False: a line was rung meanwhile, so it must not.
    package mutating func announceSleep() -> Bool {
        // Before the announcement: a byte that answers it must not be taken away.
        sleeps += 1
        if sleeps >= Self.sleepsPerDrain { drain() }
        _ = page.sleeping.pointee.exchange(1, ordering: .sequentiallyConsistent)
        guard page.summary.pointee.load(ordering: .sequentiallyConsistent) == 0 else {
            awake()
            return false
        }
        return true
    }

    /// Ends the announcement: rings no longer write to the pipe.
    package func awake() { page.sleeping.pointee.store(0, ordering: .relaxed) }

    private mutating func drain() {
        sleeps = 0
        withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
            while Glibc.read(wakeUp, buffer.baseAddress, buffer.count) > 0 {}
        }
    }

    /// Calls `body` for each line that was rung since the last call.
    package func takeRung(_ body: (Int) -> Void) {
        guard isRung else { return }
        var words = page.summary.pointee.exchange(0, ordering: .sequentiallyConsistent)
        while words != 0 {
            let index = words.trailingZeroBitCount
            words &= words - 1
            var lines = page.word(index).pointee.exchange(0, ordering: .sequentiallyConsistent)
            while lines != 0 {
                body(index << 6 | lines.trailingZeroBitCount)
                lines &= lines - 1
            }
        }
    }
}

/// How another process opens a doorbell: descriptor numbers of the one that owns it.
package struct DoorbellAddress: Hashable, Sendable {
    package var page: Int32
    package var pipe: Int32
    package init(page: Int32, pipe: Int32) { (self.page, self.pipe) = (page, pipe) }
}

/// Another process's doorbell.
package struct RemoteDoorbell: ~Copyable {
    private let segment: SharedSegment
    private let pipe: Int32

    /// Opens the doorbell of a process of this machine and user.
    package init(_ address: DoorbellAddress, of process: Int32) throws(MantaError) {
        let segment = try SharedSegment(descriptor: address.page, of: process, byteCount: DoorbellPage.byteCount)
        let pipe = manta_pipe_open(process, address.pipe)
        guard pipe >= 0 else {
            throw MantaError(.system, "process \(process) has no pipe by its descriptor \(address.pipe): \(String(cString: strerror(-pipe)))")
        }
        self.segment = segment
        self.pipe = pipe
    }

    deinit { Glibc.close(pipe) }

    /// Tells the process to look at a line; costs a system call only when it sleeps.
    package func ring(_ line: Int) {
        precondition(line >= 0 && line < Doorbell.lineCount, "a doorbell has \(Doorbell.lineCount) lines")
        let page = DoorbellPage(base: segment.base)
        page.mark(line)
        guard page.sleeping.pointee.load(ordering: .sequentiallyConsistent) != 0,
            page.sleeping.pointee.exchange(0, ordering: .sequentiallyConsistent) != 0
        else { return }
        var byte: UInt8 = 1
        // A process that is gone needs no waking; its end shows elsewhere.
        _ = Glibc.write(pipe, &byte, 1)
    }
}
