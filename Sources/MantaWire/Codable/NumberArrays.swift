// NumberArrays: arrays of numbers as one MessagePack extension value, so that a million floats are one copy instead of a million writes, or none.
//
// | extension type | content |
// | --- | --- |
// | 1 to 10 | elements of the kind of that number (see `NumberArrayKind`), one after the other |
// | 64 | a kind, a count p, p zero bytes, then elements: p is such that they begin at a multiple of 64 bytes from the beginning of the value |
//
// Elements are little-endian. The second form is used for large arrays; where the value itself lies at a multiple of 64, they are read in place.
// `[UInt8]` is MessagePack's own binary. A reader of such an array also takes an ordinary array of numbers, so other languages need not know this, and
// the ordinary decoding path also reads these.

package import MantaModel

/// The element of a number array.
package enum NumberArrayKind: UInt8, Sendable {
    case float = 1, double = 2, int64 = 3, uint8 = 4, int32 = 5, uint32 = 6, int16 = 7, uint16 = 8, int8 = 9, uint64 = 10

    /// The extension type of arrays that are aligned.
    static let aligned: UInt8 = 64
    package static let alignment = 64

    package var elementSize: Int {
        switch self {
        case .uint8, .int8: 1
        case .int16, .uint16: 2
        case .float, .int32, .uint32: 4
        case .double, .int64, .uint64: 8
        }
    }
}

/// A type whose arrays travel as number arrays. The library's machines are little-endian; a big-endian port would swap here.
package protocol NumberArrayElement: BitwiseCopyable, Sendable {
    static var arrayKind: NumberArrayKind { get }
}

extension Float: NumberArrayElement { package static var arrayKind: NumberArrayKind { .float } }
extension Double: NumberArrayElement { package static var arrayKind: NumberArrayKind { .double } }
extension Int: NumberArrayElement { package static var arrayKind: NumberArrayKind { .int64 } }
extension Int64: NumberArrayElement { package static var arrayKind: NumberArrayKind { .int64 } }
extension UInt8: NumberArrayElement { package static var arrayKind: NumberArrayKind { .uint8 } }
extension Int8: NumberArrayElement { package static var arrayKind: NumberArrayKind { .int8 } }
extension Int16: NumberArrayElement { package static var arrayKind: NumberArrayKind { .int16 } }
extension UInt16: NumberArrayElement { package static var arrayKind: NumberArrayKind { .uint16 } }
extension Int32: NumberArrayElement { package static var arrayKind: NumberArrayKind { .int32 } }
extension UInt32: NumberArrayElement { package static var arrayKind: NumberArrayKind { .uint32 } }
extension UInt64: NumberArrayElement { package static var arrayKind: NumberArrayKind { .uint64 } }
extension UInt: NumberArrayElement { package static var arrayKind: NumberArrayKind { .uint64 } }

extension MessagePackWriter {
    /// Arrays from this size on are aligned and, where the writer allows it, copied only once, to where the value goes.
    package static let deferredArrayBytes = 16 << 10

    mutating func writeNumberArray<Element: NumberArrayElement>(_ values: [Element]) {
        let count = values.count * MemoryLayout<Element>.size
        if count >= Self.deferredArrayBytes, deferred != nil {
            return writeDeferred(DeferredArray(at: 0, kind: Element.arrayKind, count: count) { body in values.withUnsafeBytes(body) })
        }
        values.withUnsafeBytes { writeNumberArray(Element.arrayKind, $0) }
    }

    package mutating func writeNumberArray(_ kind: NumberArrayKind, _ elements: UnsafeRawBufferPointer) {
        switch elements.count {
        case 0...0xff: append(0xc7, UInt8(truncatingIfNeeded: elements.count))
        case 0x100...0xffff: append(0xc8, UInt16(truncatingIfNeeded: elements.count))
        default: append(0xc9, UInt32(truncatingIfNeeded: elements.count))
        }
        bytes.append(kind.rawValue)
        bytes.append(contentsOf: elements)
    }

    /// The elements are copied when the whole value is: here is only the extension's tag.
    package mutating func writeDeferred(_ array: DeferredArray) {
        bytes.append(0xc9)
        var array = array
        array.at = bytes.count
        deferred!.append(array)
    }

    /// Makes room for a header that has grown.
    mutating func insertZeros(_ count: Int, at position: Int) {
        bytes.insert(contentsOf: repeatElement(0, count: count), at: position)
        guard deferred?.isEmpty == false else { return }
        for index in deferred!.indices where deferred![index].at > position { deferred![index].at += count }
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

    /// Reads an extension that must be a number array: where its elements lie.
    package mutating func readNumberArray() throws(MantaError) -> (kind: NumberArrayKind, content: Range<Int>) {
        let start = position
        var (type, content) = try readExtension()
        if type == NumberArrayKind.aligned {
            guard content.count >= 2, 2 + Int(bytes[content.lowerBound + 1]) <= content.count else {
                throw MantaError(.malformed, "at byte \(start): an aligned number array of \(content.count) bytes is too short")
            }
            type = bytes[content.lowerBound]
            content = content.lowerBound + 2 + Int(bytes[content.lowerBound + 1])..<content.upperBound
        }
        guard let kind = NumberArrayKind(rawValue: type) else {
            throw MantaError(.malformed, "at byte \(start): extension type \(type) is unknown; expected 1 to 10 (number arrays) or 64 (an aligned one)")
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
