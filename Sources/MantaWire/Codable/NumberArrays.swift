// NumberArrays: arrays of numbers as one MessagePack extension value, so that a million floats are one copy instead of a million writes.
//
// Extension types, with elements in little-endian order, one after the other, unaligned: 1 = 32-bit floats, 2 = 64-bit floats, 3 = signed 64-bit
// integers. `[UInt8]` is MessagePack's own binary. A reader of such an array also takes an ordinary array of numbers, so other languages need not
// know this, and the ordinary decoding path also reads these.

package import MantaModel

/// The element of a number array; the raw value is the extension's type.
package enum NumberArrayKind: UInt8, Sendable {
    case float = 1, double = 2, int64 = 3

    package var elementSize: Int { self == .float ? 4 : 8 }
}

/// A type whose arrays travel as number arrays. The library's machines are little-endian; a big-endian port would swap here.
protocol NumberArrayElement: BitwiseCopyable {
    static var arrayKind: NumberArrayKind { get }
    static var zero: Self { get }
}

extension Float: NumberArrayElement { static var arrayKind: NumberArrayKind { .float } }
extension Double: NumberArrayElement { static var arrayKind: NumberArrayKind { .double } }
extension Int: NumberArrayElement { static var arrayKind: NumberArrayKind { .int64 } }
extension Int64: NumberArrayElement { static var arrayKind: NumberArrayKind { .int64 } }

extension MessagePackWriter {
    mutating func writeNumberArray<Element: NumberArrayElement>(_ values: [Element]) {
        let count = values.count * MemoryLayout<Element>.size
        switch count {
        case 0...0xff: append(0xc7, UInt8(truncatingIfNeeded: count))
        case 0x100...0xffff: append(0xc8, UInt16(truncatingIfNeeded: count))
        default: append(0xc9, UInt32(truncatingIfNeeded: count))
        }
        bytes.append(Element.arrayKind.rawValue)
        values.withUnsafeBytes { bytes.append(contentsOf: $0) }
    }
}

extension MessagePackReader {
    /// Reads an extension's header: its type and where its content lies; the reader stands behind the content afterwards.
    package mutating func readExtension() throws(MantaError) -> (type: UInt8, content: Range<Int>) {
        guard position < end else { throw unexpected("an extension value") }
        let tag = bytes[position]
        let lengthSize: Int
        switch tag {
        case 0xd4...0xd8: lengthSize = 0
        case 0xc7...0xc9: lengthSize = 1 << Int(tag - 0xc7)
        default:
            position += 1
            throw unexpected("an extension value")
        }
        guard 2 + lengthSize <= remaining else { throw MantaError(.malformed, "at byte \(position): the message ends inside an extension value") }
        var count = lengthSize == 0 ? 1 << Int(tag - 0xd4) : 0
        for offset in 0..<lengthSize { count = count << 8 | Int(bytes[position + 1 + offset]) }
        let type = bytes[position + 1 + lengthSize]
        let start = position + 2 + lengthSize
        guard count <= end - start else {
            throw MantaError(.malformed, "at byte \(position): an extension value of \(count) bytes does not fit the \(end - start) that are left")
        }
        position = start + count
        return (type, start..<start + count)
    }

    /// Reads an extension that must be a number array.
    package mutating func readNumberArray() throws(MantaError) -> (kind: NumberArrayKind, content: Range<Int>) {
        let start = position
        let (type, content) = try readExtension()
        guard let kind = NumberArrayKind(rawValue: type) else {
            throw MantaError(.malformed, "at byte \(start): extension type \(type) is unknown; expected 1 (32-bit floats), 2 (64-bit floats) or 3 (64-bit integers)")
        }
        guard content.count % kind.elementSize == 0 else {
            throw MantaError(.malformed, "at byte \(start): \(content.count) bytes are no whole number of elements of \(kind.elementSize) bytes")
        }
        return (kind, content)
    }

    /// Copies out elements that are known to be of this type.
    func numbers<Element: NumberArrayElement>(in content: Range<Int>) -> [Element] {
        let count = content.count / MemoryLayout<Element>.size
        return [Element](unsafeUninitializedCapacity: count) { target, initialized in
            bytes.withUnsafeBytes { source in
                UnsafeMutableRawBufferPointer(target).copyMemory(from: UnsafeRawBufferPointer(rebasing: source[content]))
            }
            initialized = count
        }
    }
}
