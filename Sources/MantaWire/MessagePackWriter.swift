// MessagePackWriter: appends MessagePack to a byte array. The one writer behind every message and every value.
//
// Always the shortest form of a number, so equal values have equal bytes. It never fails; limits are checked where a message leaves.

/// An append-only MessagePack buffer.
package struct MessagePackWriter: Sendable {
    package var bytes: [UInt8]
    /// Large arrays that are copied later; nil where they are copied at once.
    var deferred: [DeferredArray]?

    package init() { bytes = [] }
    package init(reserving capacity: Int) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    @inlinable package mutating func writeNil() { bytes.append(0xc0) }
    @inlinable package mutating func write(_ value: Bool) { bytes.append(value ? 0xc3 : 0xc2) }

    @inlinable package mutating func write(_ value: UInt64) {
        switch value {
        case 0...0x7f: bytes.append(UInt8(truncatingIfNeeded: value))
        case 0x80...0xff: append(0xcc, UInt8(truncatingIfNeeded: value))
        case 0x100...0xffff: append(0xcd, UInt16(truncatingIfNeeded: value))
        case 0x1_0000...0xffff_ffff: append(0xce, UInt32(truncatingIfNeeded: value))
        default: append(0xcf, value)
        }
    }

    @inlinable package mutating func write(_ value: Int64) {
        if value >= 0 { return write(UInt64(value)) }
        switch value {
        case -32...(-1): bytes.append(UInt8(bitPattern: Int8(value)))
        case -0x80...(-33): append(0xd0, UInt8(bitPattern: Int8(value)))
        case -0x8000...(-0x81): append(0xd1, UInt16(bitPattern: Int16(value)))
        case -0x8000_0000...(-0x8001): append(0xd2, UInt32(bitPattern: Int32(value)))
        default: append(0xd3, UInt64(bitPattern: value))
        }
    }

    @inlinable package mutating func write(_ value: Int) { write(Int64(value)) }
    @inlinable package mutating func write(_ value: UInt32) { write(UInt64(value)) }
    @inlinable package mutating func write(_ value: Double) { append(0xcb, value.bitPattern) }
    @inlinable package mutating func write(_ value: Float) { append(0xca, value.bitPattern) }

    @inlinable package mutating func write(_ value: String) {
        var value = value
        value.withUTF8 { text in
            switch text.count {
            case 0...31: bytes.append(0xa0 | UInt8(truncatingIfNeeded: text.count))
            case 32...0xff: append(0xd9, UInt8(truncatingIfNeeded: text.count))
            case 0x100...0xffff: append(0xda, UInt16(truncatingIfNeeded: text.count))
            default: append(0xdb, UInt32(truncatingIfNeeded: text.count))
            }
            bytes.append(contentsOf: text)
        }
    }

    @inlinable package mutating func writeBinary(_ value: [UInt8]) {
        writeBinaryHeader(value.count)
        bytes.append(contentsOf: value)
    }

    @inlinable package mutating func writeBinary(_ value: UnsafeRawBufferPointer) {
        writeBinaryHeader(value.count)
        bytes.append(contentsOf: value)
    }

    @inlinable package mutating func writeBinaryHeader(_ count: Int) {
        switch count {
        case 0...0xff: append(0xc4, UInt8(truncatingIfNeeded: count))
        case 0x100...0xffff: append(0xc5, UInt16(truncatingIfNeeded: count))
        default: append(0xc6, UInt32(truncatingIfNeeded: count))
        }
    }

    @inlinable package mutating func writeArrayHeader(_ count: Int) {
        switch count {
        case 0...15: bytes.append(0x90 | UInt8(truncatingIfNeeded: count))
        case 16...0xffff: append(0xdc, UInt16(truncatingIfNeeded: count))
        default: append(0xdd, UInt32(truncatingIfNeeded: count))
        }
    }

    @inlinable package mutating func writeMapHeader(_ count: Int) {
        switch count {
        case 0...15: bytes.append(0x80 | UInt8(truncatingIfNeeded: count))
        case 16...0xffff: append(0xde, UInt16(truncatingIfNeeded: count))
        default: append(0xdf, UInt32(truncatingIfNeeded: count))
        }
    }

    /// A tag byte and a big-endian number.
    @inlinable mutating func append(_ tag: UInt8, _ value: some FixedWidthInteger) {
        bytes.append(tag)
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }
}
