// MessagePackReader: reads MessagePack out of a range of bytes, checking everything: bytes come from other processes.
//
// A read either advances behind the value or throws `malformed` naming the offset, what was expected and what was found; it never reads outside of
// its range, and a length is believed only when that many bytes (or elements of at least one byte) are there.

package import MantaModel

/// A cursor over MessagePack bytes.
package struct MessagePackReader: Sendable {
    package let bytes: ValueBytes
    package var position: Int
    package let end: Int

    package init(_ bytes: [UInt8]) { self.init(.array(bytes), range: 0..<bytes.count) }
    package init(_ bytes: ValueBytes) { self.init(bytes, range: 0..<bytes.count) }
    package init(_ bytes: [UInt8], range: Range<Int>) { self.init(.array(bytes), range: range) }

    /// Reads only `range`, which must lie within the bytes.
    package init(_ bytes: ValueBytes, range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count, "a reader's range lies within its bytes")
        (self.bytes, position, end) = (bytes, range.lowerBound, range.upperBound)
    }

    package var isAtEnd: Bool { position >= end }
    package var remaining: Int { end - position }

    /// The kind of the next value, without reading it.
    package enum Kind: Equatable, Sendable { case `nil`, bool, integer, float, string, binary, array, map, `extension` }

    package func peek() throws(MantaError) -> Kind {
        switch try peekByte() {
        case 0x00...0x7f, 0xcc...0xd3, 0xe0...0xff: .integer
        case 0x80...0x8f, 0xde, 0xdf: .map
        case 0x90...0x9f, 0xdc, 0xdd: .array
        case 0xa0...0xbf, 0xd9...0xdb: .string
        case 0xc0: .nil
        case 0xc2, 0xc3: .bool
        case 0xc4...0xc6: .binary
        case 0xca, 0xcb: .float
        default: .extension
        }
    }

    /// Reads a nil if one is next.
    package mutating func readNilIfNext() -> Bool {
        guard position < end, bytes[position] == 0xc0 else { return false }
        position += 1
        return true
    }

    package mutating func readBool() throws(MantaError) -> Bool {
        switch try readByte() {
        case 0xc2: return false
        case 0xc3: return true
        default: throw unexpected("a boolean")
        }
    }

    package mutating func readUInt64() throws(MantaError) -> UInt64 {
        let tag = try readByte()
        switch tag {
        case 0x00...0x7f: return UInt64(tag)
        case 0xcc: return UInt64(try readByte())
        case 0xcd: return UInt64(try readBigEndian(UInt16.self))
        case 0xce: return UInt64(try readBigEndian(UInt32.self))
        case 0xcf: return try readBigEndian(UInt64.self)
        default: throw unexpected("a whole number that is not negative")
        }
    }

    package mutating func readInt64() throws(MantaError) -> Int64 {
        let tag = try peekByte()
        switch tag {
        case 0xe0...0xff:
            position += 1
            return Int64(Int8(bitPattern: tag))
        case 0xd0:
            position += 1
            return Int64(Int8(bitPattern: try readByte()))
        case 0xd1:
            position += 1
            return Int64(Int16(bitPattern: try readBigEndian(UInt16.self)))
        case 0xd2:
            position += 1
            return Int64(Int32(bitPattern: try readBigEndian(UInt32.self)))
        case 0xd3:
            position += 1
            return Int64(bitPattern: try readBigEndian(UInt64.self))
        default:
            let value = try readUInt64()
            guard value <= UInt64(Int64.max) else { throw unexpected("a whole number below 2^63") }
            return Int64(value)
        }
    }

    package mutating func readInt() throws(MantaError) -> Int { Int(try readInt64()) }

    package mutating func readUInt32() throws(MantaError) -> UInt32 {
        guard let value = UInt32(exactly: try readUInt64()) else { throw unexpected("a whole number below 2^32") }
        return value
    }

    /// A 64-bit float; a 32-bit float or a whole number is converted.
    package mutating func readDouble() throws(MantaError) -> Double {
        switch try peekByte() {
        case 0xcb:
            position += 1
            return Double(bitPattern: try readBigEndian(UInt64.self))
        case 0xca:
            position += 1
            return Double(Float(bitPattern: try readBigEndian(UInt32.self)))
        case 0xcf:
            return Double(try readUInt64())
        default:
            return Double(try readInt64())
        }
    }

    package mutating func readString() throws(MantaError) -> String {
        let tag = try readByte()
        let count: Int
        switch tag {
        case 0xa0...0xbf: count = Int(tag & 0x1f)
        case 0xd9: count = Int(try readByte())
        case 0xda: count = Int(try readBigEndian(UInt16.self))
        case 0xdb: count = Int(try readBigEndian(UInt32.self))
        default: throw unexpected("a string")
        }
        guard count <= remaining else { throw truncated(count) }
        defer { position += count }
        return bytes.withUnsafeBytes { String(decoding: UnsafeRawBufferPointer(rebasing: $0[position..<position + count]), as: UTF8.self) }
    }

    /// Copies a binary value out.
    package mutating func readBinary() throws(MantaError) -> [UInt8] {
        bytes[try readBinaryRange()]
    }

    /// Where a binary value lies within `bytes`; the reader stands behind it afterwards.
    package mutating func readBinaryRange() throws(MantaError) -> Range<Int> {
        let count: Int
        switch try readByte() {
        case 0xc4: count = Int(try readByte())
        case 0xc5: count = Int(try readBigEndian(UInt16.self))
        case 0xc6: count = Int(try readBigEndian(UInt32.self))
        default: throw unexpected("binary data")
        }
        guard count <= remaining else { throw truncated(count) }
        defer { position += count }
        return position..<position + count
    }

    package mutating func readArrayHeader() throws(MantaError) -> Int {
        let tag = try readByte()
        let count: Int
        switch tag {
        case 0x90...0x9f: count = Int(tag & 0x0f)
        case 0xdc: count = Int(try readBigEndian(UInt16.self))
        case 0xdd: count = Int(try readBigEndian(UInt32.self))
        default: throw unexpected("an array")
        }
        guard count <= remaining else { throw truncated(count) }
        return count
    }

    /// An array of exactly `count` elements.
    package mutating func readArrayHeader(of count: Int) throws(MantaError) {
        let found = try readArrayHeader()
        guard found == count else { throw MantaError(.malformed, "at byte \(position): expected \(count) fields, found \(found)") }
    }

    /// The header of an array of fields that may have more than `count`: fields that were added later. Returns how many there are.
    package mutating func readArrayHeader(atLeast count: Int) throws(MantaError) -> Int {
        let found = try readArrayHeader()
        guard found >= count else { throw MantaError(.malformed, "at byte \(position): expected at least \(count) fields, found \(found)") }
        return found
    }

    /// Skips the fields from `known` to `count`: those that a newer sender added.
    package mutating func skipFields(from known: Int, to count: Int) throws(MantaError) {
        for _ in known..<max(known, count) { try skip() }
    }

    package mutating func readMapHeader() throws(MantaError) -> Int {
        let tag = try readByte()
        let count: Int
        switch tag {
        case 0x80...0x8f: count = Int(tag & 0x0f)
        case 0xde: count = Int(try readBigEndian(UInt16.self))
        case 0xdf: count = Int(try readBigEndian(UInt32.self))
        default: throw unexpected("a map")
        }
        guard count * 2 <= remaining else { throw truncated(count * 2) }
        return count
    }

    /// Passes over one value of any kind, without recursion: nesting cannot overflow the stack.
    package mutating func skip() throws(MantaError) {
        var pending = 1
        while pending > 0 {
            pending -= 1
            switch try peek() {
            case .nil, .bool: position += 1
            case .integer: if try peekByte() == 0xcf { _ = try readUInt64() } else { _ = try readInt64() }
            case .float: _ = try readDouble()
            case .string: _ = try readString()
            case .binary: _ = try readBinaryRange()
            case .array: pending += try readArrayHeader()
            case .map: pending += 2 * (try readMapHeader())
            case .extension: _ = try readExtension()
            }
        }
    }

    private func peekByte() throws(MantaError) -> UInt8 {
        guard position < end else { throw MantaError(.malformed, "at byte \(position): the message ends where a value was expected") }
        return bytes[position]
    }

    private mutating func readByte() throws(MantaError) -> UInt8 {
        let byte = try peekByte()
        position += 1
        return byte
    }

    private mutating func readBigEndian<T: FixedWidthInteger>(_ type: T.Type) throws(MantaError) -> T {
        let size = MemoryLayout<T>.size
        guard size <= remaining else { throw truncated(size) }
        defer { position += size }
        return bytes.withUnsafeBytes { T(bigEndian: $0.loadUnaligned(fromByteOffset: position, as: T.self)) }
    }

    /// The value that begins before `position` is of another kind than `expected`.
    package func unexpected(_ expected: String) -> MantaError {
        let found = position < end || position > 0 ? "byte 0x\(String(bytes[Swift.max(0, Swift.min(position, end) - 1)], radix: 16))" : "nothing"
        return MantaError(.malformed, "near byte \(position): expected \(expected), found \(found)")
    }

    private func truncated(_ needed: Int) -> MantaError {
        MantaError(.malformed, "at byte \(position): a value of \(needed) bytes does not fit the \(remaining) that are left")
    }
}
