// Outbox: what one link has yet to send: the batch that is being filled, and full ones behind which it waits. Bounded in bytes.

import DequeModule
import MantaModel
import MantaWire

struct Outbox {
    /// The batch that the present turn fills.
    var batch = MessagePackWriter()
    private(set) var sealed = Deque<[UInt8]>()
    private(set) var sealedBytes = 0

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

    mutating func removeFirstSealed() { sealedBytes -= sealed.removeFirst().count }

    mutating func clearBatch() {
        if batch.bytes.capacity > Self.keptCapacity { batch.bytes = [] } else { batch.bytes.removeAll(keepingCapacity: true) }
    }

    /// Everything, out of here.
    mutating func takeAll() -> Deque<[UInt8]> {
        seal()
        defer { (sealed, sealedBytes) = ([], 0) }
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
