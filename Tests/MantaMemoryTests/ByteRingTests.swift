// ByteRingTests: bytes come out as they went in, whatever the sizes; a full ring stops its writer; an overwritten one is an error.

import CSystem
import Glibc
import MantaMemory
import MantaModel
import Testing

@Suite struct ByteRingTests {
    static let capacity = 4096

    private func segment() throws -> SharedSegment { try SharedSegment(named: "test", byteCount: ByteRing.byteCount(capacity: Self.capacity)) }

    @Test func bytesComeOutInOrderWhateverTheSizes() throws {
        let segment = try segment()
        let ring = ByteRing(at: segment.base, capacity: Self.capacity)
        var (writer, reader) = (RingWriter(ring), RingReader(ring))
        var (sent, received): ([UInt8], [UInt8]) = ([], [])
        for _ in 0..<500 {
            let piece = [UInt8](repeating: UInt8.random(in: 0...255), count: Int.random(in: 0...Self.capacity + 200))
            let count = try piece.withUnsafeBytes { try writer.write($0) }
            sent += piece.prefix(count)
            #expect(count == piece.count || sent.count - received.count == Self.capacity)
            if Bool.random() { _ = try reader.read(into: &received) }
        }
        _ = try reader.read(into: &received)
        #expect(received == sent)
    }

    @Test func aFullRingStopsItsWriterUntilTheReaderSaysSo() throws {
        let segment = try segment()
        let ring = ByteRing(at: segment.base, capacity: Self.capacity)
        var (writer, reader) = (RingWriter(ring), RingReader(ring))
        let bytes = [UInt8](repeating: 7, count: Self.capacity + 1)
        #expect(try bytes.withUnsafeBytes { try writer.write($0) } == Self.capacity)
        #expect(try bytes.withUnsafeBytes { try writer.write($0) } == 0)
        var received: [UInt8] = []
        #expect(try reader.read(into: &received), "the writer waits and must be told")
        #expect(try reader.read(into: &received) == false)
        #expect(received.count == Self.capacity)
        #expect(try bytes.withUnsafeBytes { try writer.write(UnsafeRawBufferPointer(rebasing: $0[..<10])) } == 10)
        #expect(try reader.read(into: &received) == false, "nobody waits now")
    }

    @Test func countsThatCannotBeAreErrors() throws {
        let segment = try segment()
        let ring = ByteRing(at: segment.base, capacity: Self.capacity)
        var (writer, reader) = (RingWriter(ring), RingReader(ring))
        segment.base.storeBytes(of: UInt64(Self.capacity) + 1, as: UInt64.self)
        var received: [UInt8] = []
        let error = #expect(throws: MantaError.self) { try reader.read(into: &received) }
        #expect(error?.code == .malformed)
        #expect(received.isEmpty)
        segment.base.storeBytes(of: UInt64(9), toByteOffset: 64, as: UInt64.self)
        #expect(throws: MantaError.self) { try [UInt8](repeating: 1, count: Self.capacity + 1).withUnsafeBytes { try writer.write($0) } }
    }

    @Test func theEndIsSeenByBothSides() throws {
        let segment = try segment()
        let ring = ByteRing(at: segment.base, capacity: Self.capacity)
        #expect(!RingReader(ring).ring.isClosed)
        RingWriter(ring).ring.close()
        #expect(RingReader(ring).ring.isClosed)
    }

    @Test func aSegmentIsOpenedThroughItsProcessOnly() throws {
        let own = try SharedSegment(named: "test", byteCount: 8192)
        own.base.storeBytes(of: 42, as: UInt64.self)
        let other = try SharedSegment(descriptor: own.descriptor, of: getpid(), byteCount: 8192)
        #expect(other.base.load(as: UInt64.self) == 42)
        #expect(throws: MantaError.self, "another size") { _ = try SharedSegment(descriptor: own.descriptor, of: getpid(), byteCount: 4096).byteCount }
        #expect(throws: MantaError.self, "no memory file") { _ = try SharedSegment(descriptor: 0, of: getpid(), byteCount: 8192).byteCount }
        #expect(throws: MantaError.self, "no such process") { _ = try SharedSegment(descriptor: own.descriptor, of: -1, byteCount: 8192).byteCount }
    }
}
