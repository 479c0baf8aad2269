// ObjectPartTests: parts of objects on their way, whole and damaged.

import MantaModel
import MantaWire
import Testing

@Suite struct ObjectPartTests {
    private let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 * 7) }

    private func part() -> ObjectPart { bytes.withUnsafeBytes { ObjectPart(size: 5000, of: $0) } }

    @Test func aPartArrivesWholeWithItsChecksum() throws {
        var writer = MessagePackWriter()
        part().encode(into: &writer)
        var reader = MessagePackReader(writer.bytes)
        let found = try ObjectPart(from: &reader)
        #expect(found == part() && found.complaint(size: 5000, count: 1000) == nil)
    }

    @Test func aDamagedPartIsFound() {
        for place in [0, 499, 999] {
            var damaged = part()
            damaged.bytes[place] ^= 0x10
            #expect(damaged.complaint(size: 5000, count: 1000)?.contains("checksum") == true)
        }
        #expect(part().complaint(size: 5001, count: 1000)?.contains("5000") == true)
        #expect(part().complaint(size: 5000, count: 999)?.contains("1000 bytes") == true)
        // Of a sender that knows of no checksums.
        var plain = part()
        plain.checksum = nil
        #expect(plain.complaint(size: 5000, count: 1000) == nil)
    }
}
