// ByteRing: a stream of bytes from one process to another through shared memory: one writer, one reader, no lock.
//
// Memory: a header of four cache lines, each written mostly by one side, then `capacity` bytes (a power of two).
//
// | offset | holds | written by |
// | --- | --- | --- |
// | 0 | bytes written since the beginning | writer |
// | 64 | bytes read since the beginning | reader |
// | 128 | 1: the writer waits for room | writer sets, reader clears |
// | 192 | 1: one side has let go of the ring | either, once |
//
// What always holds: bytes become visible with the count that says so; neither side trusts the other's counts: one that cannot be is an error, never an
// access outside of the ring.

package import MantaModel
import Synchronization

/// Where a ring lies in a mapping. The mapping must outlive it.
package struct ByteRing: Sendable {
    package static let headerBytes = 256
    package static func byteCount(capacity: Int) -> Int { headerBytes + capacity }

    /// `nonisolated(unsafe)`: shared with another process anyway; every access to the header is atomic.
    fileprivate nonisolated(unsafe) let base: UnsafeMutableRawPointer
    fileprivate let capacity: Int

    package init(at base: UnsafeMutableRawPointer, capacity: Int) {
        precondition(capacity > 0 && capacity & (capacity - 1) == 0, "a ring's capacity is a power of two")
        (self.base, self.capacity) = (base, capacity)
    }

    fileprivate var written: UnsafeMutablePointer<Atomic<UInt64>> { base.assumingMemoryBound(to: Atomic<UInt64>.self) }
    fileprivate var read: UnsafeMutablePointer<Atomic<UInt64>> { (base + 64).assumingMemoryBound(to: Atomic<UInt64>.self) }
    fileprivate var writerWaits: UnsafeMutablePointer<Atomic<UInt32>> { (base + 128).assumingMemoryBound(to: Atomic<UInt32>.self) }
    fileprivate var closed: UnsafeMutablePointer<Atomic<UInt32>> { (base + 192).assumingMemoryBound(to: Atomic<UInt32>.self) }
    fileprivate var bytes: UnsafeMutableRawPointer { base + Self.headerBytes }

    /// Whether a side has let go. What was written before can still be read.
    package var isClosed: Bool { closed.pointee.load(ordering: .acquiring) != 0 }
    package func close() { closed.pointee.store(1, ordering: .releasing) }

    /// For tests: says that far more was written than there is room for.
    package func spoil() { written.pointee.store(1 << 62, ordering: .releasing) }

    fileprivate func count(_ written: UInt64, _ read: UInt64) throws(MantaError) -> Int {
        let count = written &- read
        guard count <= UInt64(capacity) else {
            throw MantaError(.malformed, "a shared ring of \(capacity) bytes says that it holds \(count): its other side has overwritten it")
        }
        return Int(count)
    }
}

/// The writing end; one in one process.
package struct RingWriter {
    package let ring: ByteRing
    private var written: UInt64 = 0
    /// As last seen: the reader's line is looked at only when this says that there is no room.
    private var read: UInt64 = 0

    package init(_ ring: ByteRing) { self.ring = ring }

    /// Writes as much as there is room for; returns how much. When that is less than all, the reader will find, and tell, that the writer waits.
    package mutating func write(_ source: UnsafeRawBufferPointer) throws(MantaError) -> Int {
        var count = try room(for: source.count)
        if count < source.count {
            // Announced before the last look, so that the reader sees the announcement or this side sees the room.
            _ = ring.writerWaits.pointee.exchange(1, ordering: .sequentiallyConsistent)
            count = try room(for: source.count)
            if count == source.count { ring.writerWaits.pointee.store(0, ordering: .relaxed) }
        }
        guard count > 0, let start = source.baseAddress else { return 0 }
        let offset = Int(written & UInt64(ring.capacity - 1))
        let first = min(count, ring.capacity - offset)
        (ring.bytes + offset).copyMemory(from: start, byteCount: first)
        if count > first { ring.bytes.copyMemory(from: start + first, byteCount: count - first) }
        written &+= UInt64(count)
        ring.written.pointee.store(written, ordering: .releasing)
        return count
    }

    private mutating func room(for wanted: Int) throws(MantaError) -> Int {
        var room = ring.capacity - Int(written &- read)
        if room < wanted {
            read = ring.read.pointee.load(ordering: .sequentiallyConsistent)
            room = ring.capacity - (try ring.count(written, read))
        }
        return min(room, wanted)
    }
}

/// The reading end; one in one process.
package struct RingReader {
    package let ring: ByteRing
    private var read: UInt64 = 0

    package init(_ ring: ByteRing) { self.ring = ring }

    /// Appends what is there to `buffer`. True: the writer waits for the room that this made, and must be told.
    package mutating func read(into buffer: inout [UInt8]) throws(MantaError) -> Bool {
        let count = try ring.count(ring.written.pointee.load(ordering: .acquiring), read)
        guard count > 0 else { return false }
        let offset = Int(read & UInt64(ring.capacity - 1))
        let first = min(count, ring.capacity - offset)
        buffer.append(contentsOf: UnsafeRawBufferPointer(start: ring.bytes + offset, count: first))
        if count > first { buffer.append(contentsOf: UnsafeRawBufferPointer(start: ring.bytes, count: count - first)) }
        read &+= UInt64(count)
        ring.read.pointee.store(read, ordering: .sequentiallyConsistent)
        guard ring.writerWaits.pointee.load(ordering: .sequentiallyConsistent) != 0 else { return false }
        return ring.writerWaits.pointee.exchange(0, ordering: .sequentiallyConsistent) != 0
    }
}
