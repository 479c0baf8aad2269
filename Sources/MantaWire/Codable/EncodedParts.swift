// EncodedParts: an encoded value before its large arrays were copied: they are copied once, to where the value goes, and there aligned.

package import MantaModel

/// A large array inside a value that is being encoded.
package struct DeferredArray: Sendable {
    /// Its place in the writer's bytes, behind the extension's tag.
    var at: Int
    let kind: NumberArrayKind
    let count: Int
    /// Calls its argument with the elements.
    let withBytes: @Sendable ((UnsafeRawBufferPointer) -> Void) -> Void

    package init(at: Int = 0, kind: NumberArrayKind, count: Int, withBytes: @escaping @Sendable ((UnsafeRawBufferPointer) -> Void) -> Void) {
        (self.at, self.kind, self.count, self.withBytes) = (at, kind, count, withBytes)
    }

    /// Length, type, kind, number of zeros.
    static let headerBytes = 7
    /// The zeros before the elements, when the header is at this offset.
    func padding(at offset: Int) -> Int { (NumberArrayKind.alignment - (offset + Self.headerBytes) % NumberArrayKind.alignment) % NumberArrayKind.alignment }
}

/// An encoded value, in pieces.
package struct EncodedParts: Sendable {
    private let bytes: [UInt8]
    private let arrays: [DeferredArray]
    /// The size of the whole.
    package let count: Int

    init(_ writer: MessagePackWriter) {
        (bytes, arrays) = (writer.bytes, writer.deferred ?? [])
        var offset = 0
        var from = 0
        for array in arrays {
            offset += array.at - from
            from = array.at
            offset += DeferredArray.headerBytes + array.padding(at: offset) + array.count
        }
        count = offset + bytes.count - from
    }

    package init(_ bytes: [UInt8]) { (self.bytes, arrays, count) = (bytes, [], bytes.count) }

    /// The largest array inside, in bytes.
    var largestArray: Int { arrays.reduce(0) { max($0, $1.count) } }

    /// In one piece, in memory of its own.
    package var array: [UInt8] {
        if arrays.isEmpty { return bytes }
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            copy(into: UnsafeMutableRawBufferPointer(buffer))
            initialized = count
        }
    }

    /// Writes the value; `target` has room for `count` bytes, and lies at a multiple of 64 where arrays are to be read in place.
    package func copy(into target: UnsafeMutableRawBufferPointer) {
        precondition(target.count >= count, "a value is copied to where it fits")
        guard let start = target.baseAddress else { return }
        var (offset, from) = (0, 0)
        func copyBytes(to end: Int) {
            bytes.withUnsafeBytes { if end > from { (start + offset).copyMemory(from: $0.baseAddress! + from, byteCount: end - from) } }
            offset += end - from
            from = end
        }
        for array in arrays {
            copyBytes(to: array.at)
            let padding = array.padding(at: offset)
            let length = UInt32(2 + padding + array.count).bigEndian
            (start + offset).storeBytes(of: length, as: UInt32.self)
            target[offset + 4] = NumberArrayKind.aligned
            target[offset + 5] = array.kind.rawValue
            target[offset + 6] = UInt8(padding)
            offset += DeferredArray.headerBytes
            for index in offset..<offset + padding { target[index] = 0 }
            offset += padding
            array.withBytes { source in
                if let elements = source.baseAddress { (start + offset).copyMemory(from: elements, byteCount: source.count) }
            }
            offset += array.count
        }
        copyBytes(to: bytes.count)
    }
}

/// Where the elements of a number array lie.
package struct NumberArrayPlace: Sendable {
    package let bytes: ValueBytes
    package let range: Range<Int>
    package let kind: NumberArrayKind

    /// The number array that is next in a `ValueDecoder`; nil in any other decoder, or when something else is next.
    package static func next(in decoder: any Decoder) throws(MantaError) -> NumberArrayPlace? {
        guard let frame = decoder as? DecodingFrame else { return nil }
        let reader = frame.state.reader
        frame.state.reader.position = frame.start
        defer { frame.state.reader.position = reader.position }
        switch try frame.state.reader.peek() {
        case .binary:
            let range = try frame.state.reader.readBinaryRange()
            return NumberArrayPlace(bytes: reader.bytes, range: range, kind: .uint8)
        case .extension:
            let (kind, range) = try frame.state.reader.readNumberArray()
            return NumberArrayPlace(bytes: reader.bytes, range: range, kind: kind)
        default: return nil
        }
    }

    /// Writes a number array into a `ValueEncoder`; false in any other encoder. `owner` keeps `elements` where they are.
    package static func write(
        _ kind: NumberArrayKind, _ elements: UnsafeRawBufferPointer, keptBy owner: any AnyObject & Sendable, to encoder: any Encoder
    ) -> Bool {
        guard let frame = encoder as? EncodingFrame else { return false }
        _ = frame.singleValueContainer()
        if elements.count >= MessagePackWriter.deferredArrayBytes, frame.state.writer.deferred != nil {
            nonisolated(unsafe) let elements = elements  // what its owner keeps does not change
            frame.state.writer.writeDeferred(
                DeferredArray(kind: kind, count: elements.count) { body in withExtendedLifetime(owner) { body(elements) } })
        } else {
            frame.state.writer.writeNumberArray(kind, elements)
        }
        return true
    }
}
