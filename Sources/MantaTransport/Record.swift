// Record: the form of one message in a batch: a 32-bit big-endian length, the MessagePack array [kind, flags, correlation, deadline], the body.
//
// The length counts everything behind itself. The deadline is the time left in milliseconds, 0 for none. The correlation is 0 for one-way messages and
// the link's number for a Hello.

import MantaModel
import MantaWire

struct RecordFlags: OptionSet {
    let rawValue: UInt64
    static let request = RecordFlags(rawValue: 1)
    static let reply = RecordFlags(rawValue: 2)
    /// The sender closes the link: its last record.
    static let goodbye = RecordFlags(rawValue: 4)
}

struct RecordHeader {
    var kind: UInt16
    var flags: RecordFlags
    var correlation: UInt64
    var milliseconds: UInt64

    init(from reader: inout MessagePackReader) throws(MantaError) {
        try reader.readArrayHeader(of: 4)
        kind = UInt16(truncatingIfNeeded: min(try reader.readUInt64(), UInt64(UInt16.max)))
        flags = RecordFlags(rawValue: try reader.readUInt64())
        correlation = try reader.readUInt64()
        milliseconds = min(try reader.readUInt64(), 1 << 48)
    }
}

extension MessagePackWriter {
    /// Appends a record. On failure nothing is appended.
    mutating func writeRecord(
        _ message: some WireMessage, flags: RecordFlags, correlation: UInt64, milliseconds: UInt64 = 0, limit: Int
    ) throws(MantaError) {
        let start = bytes.count
        bytes.append(contentsOf: [0, 0, 0, 0])
        writeArrayHeader(4)
        write(UInt64(type(of: message).kind.rawValue))
        write(flags.rawValue)
        write(correlation)
        write(milliseconds)
        do throws(MantaError) { try message.encode(into: &self) } catch {
            bytes.removeLast(bytes.count - start)
            throw error
        }
        let length = bytes.count - start - 4
        guard length <= limit else {
            bytes.removeLast(bytes.count - start)
            throw MantaError(
                .tooLarge, "a \(type(of: message).kind) message of \(length) bytes is over the limit of \(limit) bytes for one message: pass large values by reference")
        }
        let length32 = UInt32(length).bigEndian
        withUnsafeBytes(of: length32) { source in
            bytes.withUnsafeMutableBytes { $0[start..<start + 4].copyBytes(from: source) }
        }
    }
}

/// Reads a batch record by record.
struct RecordReader {
    let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { position >= bytes.count }

    /// The next record's header, and a reader that stands at its body.
    mutating func next() throws(MantaError) -> (RecordHeader, MessagePackReader) {
        let range = try nextRange()
        var reader = MessagePackReader(bytes, range: range)
        let header = try RecordHeader(from: &reader)
        return (header, reader)
    }

    /// Where the next record lies, without its length.
    mutating func nextRange() throws(MantaError) -> Range<Int> {
        guard bytes.count - position >= 4 else { throw MantaError(.malformed, "a batch of \(bytes.count) bytes ends within a record's length") }
        let length = bytes.withUnsafeBytes { Int(UInt32(bigEndian: $0.loadUnaligned(fromByteOffset: position, as: UInt32.self))) }
        let start = position + 4
        guard length <= bytes.count - start else {
            throw MantaError(.malformed, "at byte \(start): a record of \(length) bytes does not fit the batch of \(bytes.count)")
        }
        position = start + length
        return start..<position
    }
}
