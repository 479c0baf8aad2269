// RingChannel: a link's two rings in memory that it shares with its peer, and the doorbells of both sides.
//
// Owned by a link. The segment holds a token, then the ring that the connecting side writes, then the other side's. Each direction begins by itself: a
// side reads, or writes, only after the last message of that direction on the socket has passed.

import MantaMemory
import MantaModel
import MantaWire

final class RingChannel {
    private let segment: SharedSegment
    private var reader: RingReader
    private var writer: RingWriter
    private var bell: RemoteDoorbell?
    private var remoteLine = 0
    /// This side's line: rung when there is something to read, or room to write.
    let line: Int

    /// What follows in that direction is in the ring.
    var isReading = false
    var isWriting = false
    /// Bytes that were read and do not yet make a whole record.
    var inbox: [UInt8] = []

    private static let tokenBytes = 256

    private static func byteCount(capacity: Int) -> Int { tokenBytes + 2 * ByteRing.byteCount(capacity: capacity) }

    /// The connecting side's: makes the segment.
    init(capacity: Int, line: Int) throws(MantaError) {
        segment = try SharedSegment(named: "manta-ring", byteCount: Self.byteCount(capacity: capacity))
        let (first, second) = Self.rings(in: segment, capacity: capacity)
        (writer, reader, self.line) = (RingWriter(first), RingReader(second), line)
        segment.base.storeBytes(of: UInt64.random(in: 1 ... .max), as: UInt64.self)
    }

    /// The other side's: opens what the process offers.
    init(_ offer: OfferRing, of process: Int32, line: Int) throws(MantaError) {
        let capacity = Int(offer.capacity)
        guard (4096...1 << 26).contains(capacity), capacity.nonzeroBitCount == 1 else {
            throw MantaError(.malformed, "a ring of \(capacity) bytes is offered; expected a power of two from 4,096 to 67,108,864")
        }
        segment = try SharedSegment(descriptor: offer.segment, of: process, byteCount: Self.byteCount(capacity: capacity))
        let (first, second) = Self.rings(in: segment, capacity: capacity)
        (writer, reader, self.line) = (RingWriter(second), RingReader(first), line)
        guard token == offer.token else {
            throw MantaError(.malformed, "descriptor \(offer.segment) of process \(process) is not the memory that was offered")
        }
        try open(offer.bell, of: process)
    }

    private static func rings(in segment: borrowing SharedSegment, capacity: Int) -> (ByteRing, ByteRing) {
        let start = segment.base + tokenBytes
        return (ByteRing(at: start, capacity: capacity), ByteRing(at: start + ByteRing.byteCount(capacity: capacity), capacity: capacity))
    }

    var descriptor: Int32 { segment.descriptor }
    var token: UInt64 { segment.base.load(as: UInt64.self) }

    /// Opens the peer's doorbell.
    func open(_ address: BellAddress, of process: Int32) throws(MantaError) {
        guard address.line < Doorbell.lineCount else {
            throw MantaError(.malformed, "a doorbell has \(Doorbell.lineCount) lines; the peer names line \(address.line)")
        }
        bell = try RemoteDoorbell(DoorbellAddress(page: address.page, pipe: address.pipe), of: process)
        remoteLine = Int(address.line)
    }

    /// Whether the peer has let go; what it wrote before can still be read.
    var isClosed: Bool { reader.ring.isClosed }

    func ringBell() { bell?.ring(remoteLine) }

    /// Lets go: the peer finds that nobody reads or writes here any more.
    func close() {
        writer.ring.close()
        reader.ring.close()
        ringBell()
    }

    /// Writes what the outbox holds, as far as there is room, and tells the peer. False: something is left.
    func send(_ outbox: inout Outbox) throws(MantaError) -> Bool {
        let (wrote, isEmpty) = try outbox.write(to: &writer)
        if wrote { ringBell() }
        return isEmpty
    }

    /// Appends what is there to the inbox.
    func receive() throws(MantaError) {
        if try reader.read(into: &inbox) { ringBell() }
    }

    /// Takes the whole records out of the inbox; nil when there is none.
    /// - Parameter limit: A longer record is an error.
    func takeRecords(limit: Int) throws(MantaError) -> [UInt8]? {
        var end = 0
        while inbox.count - end >= 4 {
            let length = inbox.withUnsafeBytes { Int(UInt32(bigEndian: $0.loadUnaligned(fromByteOffset: end, as: UInt32.self))) }
            guard length <= limit else { throw MantaError(.malformed, "a record of \(length) bytes; the limit is \(limit)") }
            guard length <= inbox.count - end - 4 else {
                if end == 0 { inbox.reserveCapacity(length + 4) }
                break
            }
            end += 4 + length
        }
        guard end > 0 else { return nil }
        var records: [UInt8] = []
        swap(&records, &inbox)
        if end < records.count {
            inbox.append(contentsOf: records[end...])
            records.removeLast(records.count - end)
        }
        return records
    }

    /// For tests: the count of written bytes becomes one that cannot be.
    func spoil() {
        writer.ring.spoil()
        ringBell()
    }

    /// Gives memory back that `takeRecords` handed out, to be used again.
    func reuse(_ buffer: inout [UInt8]) {
        guard inbox.isEmpty, inbox.capacity < buffer.capacity, buffer.capacity <= 2 * Limits.batchBytes else { return }
        buffer.removeAll(keepingCapacity: true)
        swap(&buffer, &inbox)
    }
}
