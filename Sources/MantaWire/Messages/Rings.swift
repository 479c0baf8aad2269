// Rings: how a link between two processes of one machine moves from its socket to shared memory. The side that connected offers a segment with two
// rings; the other accepts, and writes to its ring from then on; the first then says that it begins, and does, too. So each side's last message on the
// socket tells where the next ones are, and none overtakes another.

package import MantaModel

/// "Let us use this memory." Descriptors are numbers in the sending process.
package struct OfferRing: WireMessage, Hashable {
    package static var kind: MessageKind { .offerRing }
    /// The segment: a token, then the ring of the sender, then the one of the receiver.
    package var segment: Int32
    /// Bytes each ring holds; a power of two.
    package var capacity: UInt32
    /// Stands at the segment's beginning: who finds another one has opened something else.
    package var token: UInt64
    package var bell: BellAddress

    package init(segment: Int32, capacity: UInt32, token: UInt64, bell: BellAddress) {
        (self.segment, self.capacity, self.token, self.bell) = (segment, capacity, token, bell)
    }

    package func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(4)
        writer.write(Int64(segment))
        writer.write(capacity)
        writer.write(token)
        bell.encode(into: &writer)
    }

    package init(from reader: inout MessagePackReader) throws(MantaError) {
        try reader.readArrayHeader(of: 4)
        segment = Int32(clamping: try reader.readInt64())
        capacity = try reader.readUInt32()
        token = try reader.readUInt64()
        bell = try BellAddress(from: &reader)
    }
}

/// The answer to an offer; without a bell the link stays on its socket.
package struct RingAnswer: WireMessage, Hashable {
    package static var kind: MessageKind { .ringAnswer }
    package var bell: BellAddress?

    package init(bell: BellAddress?) { self.bell = bell }

    package func encode(into writer: inout MessagePackWriter) {
        if let bell { bell.encode(into: &writer) } else { writer.writeNil() }
    }

    package init(from reader: inout MessagePackReader) throws(MantaError) {
        bell = reader.readNilIfNext() ? nil : try BellAddress(from: &reader)
    }
}

/// "What follows is in the ring."
package struct RingBegins: WireMessage, Hashable {
    package static var kind: MessageKind { .ringBegins }
    package init() {}
    package func encode(into writer: inout MessagePackWriter) { writer.writeNil() }
    package init(from reader: inout MessagePackReader) throws(MantaError) { _ = reader.readNilIfNext() }
}

/// A line of a process's doorbell: the page that others mark, the pipe that wakes it, and the line that is this link's.
package struct BellAddress: Hashable, Sendable {
    package var page: Int32
    package var pipe: Int32
    package var line: UInt32

    package init(page: Int32, pipe: Int32, line: UInt32) { (self.page, self.pipe, self.line) = (page, pipe, line) }

    func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(3)
        writer.write(Int64(page))
        writer.write(Int64(pipe))
        writer.write(line)
    }

    init(from reader: inout MessagePackReader) throws(MantaError) {
        try reader.readArrayHeader(of: 3)
        page = Int32(clamping: try reader.readInt64())
        pipe = Int32(clamping: try reader.readInt64())
        line = try reader.readUInt32()
    }
}
