// Outbox: what one link has yet to send: the batch that is being filled, and full ones behind which it waits. Bounded in bytes.

import DequeModule
import MantaMemory
import MantaModel
import MantaWire

struct Outbox {
    /// The batch that the present turn fills.
    var batch = MessagePackWriter()
    private(set) var sealed = Deque<[UInt8]>()
    private(set) var sealedBytes = 0
    /// So many of the sealed ones leave by the socket yet, although the link has moved to its ring.
    private(set) var batchesForSocket = 0
    /// Of the first sealed batch, what the ring has taken.
    private var sentOfFirst = 0

    /// A batch's memory is kept for the next one up to this size.
    private static let keptCapacity = 1 << 18

    var isEmpty: Bool { batch.bytes.isEmpty && sealed.isEmpty }
    var byteCount: Int { sealedBytes + batch.bytes.count }

    /// Ends the batch that is being filled.
    mutating func seal() {
        guard !batch.bytes.isEmpty else { return }
        sealedBytes += batch.bytes.count
        sealed.append(batch.bytes)
        batch = MessagePackWriter()
    }

    mutating func removeFirstSealed() {
        sealedBytes -= sealed.removeFirst().count
        batchesForSocket = max(0, batchesForSocket - 1)
        sentOfFirst = 0
    }

    /// The link moves to its ring: what is here leaves by the socket yet.
    mutating func sealForSocket() {
        seal()
        batchesForSocket = sealed.count
    }

    mutating func forgetSocket() {
        batchesForSocket = 0
        // The rest of a batch is of no use to anybody.
        if sentOfFirst > 0 { removeFirstSealed() }
    }

    /// Writes as much as the ring takes.
    mutating func write(to ring: inout RingWriter) throws(MantaError) -> (wrote: Bool, isEmpty: Bool) {
        var wrote = false
        while let first = sealed.first {
            let rest = first.count - sentOfFirst
            let count = try Self.write(first, from: sentOfFirst, to: &ring)
            wrote = wrote || count > 0
            guard count == rest else {
                sentOfFirst += count
                return (wrote, false)
            }
            removeFirstSealed()
        }
        guard !batch.bytes.isEmpty else { return (wrote, true) }
        let count = try Self.write(batch.bytes, from: 0, to: &ring)
        guard count < batch.bytes.count else {
            clearBatch()
            return (true, true)
        }
        // Not a byte of it has left: it may grow yet.
        if count > 0 { seal() }
        sentOfFirst = count
        return (wrote || count > 0, false)
    }

    private static func write(_ bytes: [UInt8], from start: Int, to ring: inout RingWriter) throws(MantaError) -> Int {
        var result: Result<Int, MantaError> = .success(0)
        bytes.withUnsafeBytes { source in
            let rest = UnsafeRawBufferPointer(rebasing: source[start...])
            do throws(MantaError) { result = .success(try ring.write(rest)) } catch { result = .failure(error) }
        }
        return try result.get()
    }

    mutating func clearBatch() {
        if batch.bytes.capacity > Self.keptCapacity { batch.bytes = [] } else { batch.bytes.removeAll(keepingCapacity: true) }
    }

    /// Everything, out of here.
    mutating func takeAll() -> Deque<[UInt8]> {
        seal()
        defer { (sealed, sealedBytes, batchesForSocket, sentOfFirst) = ([], 0, 0, 0) }
        return sealed
    }

    mutating func append(_ batches: Deque<[UInt8]>) {
        seal()
        for batch in batches {
            sealedBytes += batch.count
            sealed.append(batch)
        }
    }

    /// Drops requests: they wait for their answers elsewhere, too, and are written anew.
    mutating func dropRequests() {
        var kept = Deque<[UInt8]>()
        for batch in takeAll() {
            var reader = RecordReader(batch)
            var rest: [UInt8] = []
            while !reader.isAtEnd, let range = try? reader.nextRange() {
                var header = MessagePackReader(batch, range: range)
                // Own records are well-formed.
                guard let header = try? RecordHeader(from: &header), !header.flags.contains(.request), header.kind != MessageKind.hello.rawValue else { continue }
                rest.append(contentsOf: batch[range.lowerBound - 4..<range.upperBound])
            }
            if !rest.isEmpty { kept.append(rest) }
        }
        append(kept)
    }
}
