// ValueDecoder: MessagePack back into `Codable` values, checking everything, since the bytes come from other processes, programs and people.
//
// It is lenient where no meaning is lost: a whole number for a Double, 3.0 for an Int, a list for a number array, keys in any order, unknown keys. Every
// other mismatch says the path inside the value, what was expected and what was found. A keyed container reads ahead only as far as it must, so
// values whose keys come in the order they are asked for are read in one pass.

package import MantaModel

/// Decodes `Codable` values.
package enum ValueDecoder {
    /// Reads one value; the reader then stands behind it. Throws `wrongType`, or `malformed` when the bytes are no MessagePack.
    package static func decode<Value: Decodable>(_ type: Value.Type, from reader: inout MessagePackReader) throws(MantaError) -> Value {
        let state = DecodingState(reader: reader)
        do {
            let value = try DecodingFrame.decode(type, at: reader.position, state: state, parent: nil, key: nil)
            reader.position = state.reader.position
            return value
        } catch {
            throw CodingFailure.decoding(error, type: type)
        }
    }

    /// Reads a value that must be all there is.
    package static func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws(MantaError) -> Value {
        try decode(type, from: .array(bytes))
    }

    /// Reads a value that must be all there is. Arrays that are read in place keep the bytes.
    package static func decode<Value: Decodable>(_ type: Value.Type, from bytes: ValueBytes) throws(MantaError) -> Value {
        if let plain = plain(type, bytes) { return plain }
        var reader = MessagePackReader(bytes)
        let value = try decode(type, from: &reader)
        guard reader.isAtEnd else {
            throw MantaError(.malformed, "\(type) cannot be decoded: \(reader.remaining) bytes follow the value; expected none")
        }
        return value
    }

    /// A whole number or bytes and nothing else, written as such: most small results are, and need no decoder. Nil for anything else, wrong values too.
    private static func plain<Value>(_ type: Value.Type, _ bytes: ValueBytes) -> Value? {
        if type == Int.self {
            var reader = MessagePackReader(bytes)
            guard (try? reader.peek()) == .integer, let value = try? reader.readInt(), reader.isAtEnd else { return nil }
            return unsafeBitCast(value, to: type)
        }
        if type == [UInt8].self {
            var reader = MessagePackReader(bytes)
            guard (try? reader.peek()) == .binary, let value = try? reader.readBinary(), reader.isAtEnd else { return nil }
            return unsafeBitCast(value, to: type)
        }
        return nil
    }
}

/// What all frames of one decoding share. Its accesses never overlap: each is one statement here, and one thread decodes; checking that at run time
/// would be a tenth of the cost.
final class DecodingState {
    @exclusivity(unchecked) var reader: MessagePackReader
    @exclusivity(unchecked) var depth: Int
    /// The owner of the reference that was read last, and where that was said.
    @exclusivity(unchecked) var lastOwner: (address: ProcessAddress, described: Range<Int>)?
    init(reader: MessagePackReader, depth: Int = 0) { (self.reader, self.depth) = (reader, depth) }
}

/// One value on its way out of the buffer: the `Decoder` its `init(from:)` gets.
final class DecodingFrame: Decoder {
    let state: DecodingState
    private let parent: DecodingFrame?
    private let key: (any CodingKey)?
    /// Where the value begins.
    let start: Int
    @exclusivity(unchecked) private var keyed: KeyedCursor?
    @exclusivity(unchecked) private var unkeyed: UnkeyedCursor?

    init(state: DecodingState, parent: DecodingFrame?, key: (any CodingKey)?, start: Int) {
        (self.state, self.parent, self.key, self.start) = (state, parent, key, start)
    }

    var codingPath: [any CodingKey] { (parent?.codingPath ?? []) + (key.map { [$0] } ?? []) }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    /// Decodes the value at a position; afterwards the state's reader stands behind it.
    static func decode<Value: Decodable>(
        _ type: Value.Type, at position: Int, state: DecodingState, parent: DecodingFrame?, key: (any CodingKey)?
    ) throws -> Value {
        state.reader.position = position
        let path = ValuePath(frame: parent, key: key)
        if let leaf = try state.readLeaf(type, path) { return leaf }
        if let list = try state.readReferenceList(type) { return list }
        guard state.depth < ValueEncoder.depthLimit else {
            throw MantaError(.tooLarge, "at \(CodingFailure.path(path.keys)): the value is nested deeper than \(ValueEncoder.depthLimit) levels")
        }
        state.depth += 1
        defer { state.depth -= 1 }
        let frame = DecodingFrame(state: state, parent: parent, key: key, start: position)
        let value = try type.init(from: frame)
        try frame.passOver()
        return value
    }

    /// Puts the reader behind the value, whatever of it was read.
    private func passOver() throws(MantaError) {
        if let keyed {
            try keyed.passOver()
        } else if let unkeyed, unkeyed.state === state {
            try unkeyed.passOver()
        } else {
            state.reader.position = start
            try state.reader.skipValue()
        }
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        let cursor = try keyed ?? KeyedCursor(frame: self)
        keyed = cursor
        return KeyedDecodingContainer(KeyedDecoding<Key>(frame: self, cursor: cursor))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        // Each container begins at the first element, so each has its own cursor; the last one tells where the value ends.
        let cursor = try UnkeyedCursor(frame: self)
        unkeyed = cursor
        return UnkeyedDecoding(frame: self, cursor: cursor)
    }

    func singleValueContainer() -> any SingleValueDecodingContainer { SingleDecoding(frame: self) }
}

/// Where a value lies inside the whole, worked out only when it is needed for a message.
struct ValuePath {
    let frame: DecodingFrame?
    let key: (any CodingKey)?
    var keys: [any CodingKey] { (frame?.codingPath ?? []) + (key.map { [$0] } ?? []) }
}

// MARK: Leaves

extension DecodingState {
    /// The value at the reader, when its type has a direct form; nil when it must go through `Codable`.
    func readLeaf<Value>(_ type: Value.Type, _ path: ValuePath) throws -> Value? {
        func found<Leaf>(_ leaf: Leaf) -> Value { unsafeBitCast(leaf, to: Value.self) }
        if type == Int.self { return found(try readInteger(Int.self, path)) }
        if type == String.self { return found(try readString(path)) }
        if type == Double.self { return found(try readDouble(path)) }
        if type == Bool.self { return found(try readBool(path)) }
        if type == Float.self { return found(try readFloat(path)) }
        if type == [UInt8].self, isNext(.binary) { return found(try reader.readBinary()) }
        if type == [Float].self { return try readNumbers(Float.self).map(found) }
        if type == [Double].self { return try readNumbers(Double.self).map(found) }
        if type == [Int].self { return try readNumbers(Int.self).map(found) }
        if type == [Int64].self { return try readNumbers(Int64.self).map(found) }
        return nil
    }

    /// A number array of exactly this element; nil for anything else, which the ordinary way reads or refuses.
    private func readNumbers<Element: NumberArrayElement>(_ type: Element.Type) throws -> [Element]? {
        guard isNext(.extension) else { return nil }
        let start = reader.position
        let (kind, content) = try reader.readNumberArray()
        guard kind == type.arrayKind else {
            reader.position = start
            return nil
        }
        return reader.numbers(in: content)
    }

    private func isNext(_ kind: MessagePackReader.Kind) -> Bool { (try? reader.peek()) == kind }

    func readBool(_ path: ValuePath) throws -> Bool {
        guard try reader.peek() == .bool else { throw mismatch("Bool", path) }
        return try reader.readBool()
    }

    func readString(_ path: ValuePath) throws -> String {
        guard try reader.peek() == .string else { throw mismatch("String", path) }
        return try reader.readString()
    }

    func readDouble(_ path: ValuePath) throws -> Double {
        let kind = try reader.peek()
        guard kind == .float || kind == .integer else { throw mismatch("Double", path) }
        return try reader.readDouble()
    }

    func readFloat(_ path: ValuePath) throws -> Float {
        let kind = try reader.peek()
        guard kind == .float || kind == .integer else { throw mismatch("Float", path) }
        let start = reader.position
        let wide = try reader.readDouble()
        let value = Float(wide)
        guard value.isFinite || !wide.isFinite else {
            reader.position = start
            throw mismatch("Float", path)
        }
        return value
    }

    func readInteger<Integer: FixedWidthInteger>(_ type: Integer.Type, _ path: ValuePath) throws -> Integer {
        let start = reader.position
        let value: Integer?
        switch try reader.peek() {
        case .integer: value = reader.bytes[start] == 0xcf ? Integer(exactly: try reader.readUInt64()) : Integer(exactly: try reader.readInt64())
        case .float: value = Integer(exactly: try reader.readDouble())
        default: value = nil
        }
        guard let value else {
            reader.position = start
            throw mismatch("\(type)", path)
        }
        return value
    }

    /// The value at the reader is not what was expected.
    func mismatch(_ expected: String, _ path: ValuePath) -> DecodingError {
        var probe = reader
        return .typeMismatch(Any.self, .init(codingPath: path.keys, debugDescription: "expected \(expected), found \(probe.describeNext())"))
    }
}

extension MessagePackReader {
    /// The next value in a few words, for messages.
    mutating func describeNext() -> String {
        do {
            switch try peek() {
            case .nil: return "nil"
            case .bool: return "\(try readBool())"
            case .integer: return position < end && bytes[position] == 0xcf ? "\(try readUInt64())" : "\(try readInt64())"
            case .float: return "\(try readDouble())"
            case .string:
                let text = try readString()
                return text.count > 32 ? "the string \"\(text.prefix(32))…\"" : "the string \"\(text)\""
            case .binary: return "\(try readBinaryRange().count) bytes of binary data"
            case .array: return "a list of \(try readArrayHeader())"
            case .map: return "a map of \(try readMapHeader()) keys"
            case .extension:
                if try readReferenceContent() != nil { return "a reference" }
                let (kind, content) = try readNumberArray()
                return "a list of \(content.count / kind.elementSize) numbers"
            }
        } catch {
            return "bytes that are no MessagePack"
        }
    }

    /// Passes over one value of any kind, extensions too, without recursion.
    mutating func skipValue() throws(MantaError) {
        var pending = 1
        while pending > 0 {
            pending -= 1
            switch try peek() {
            case .array: pending += try readArrayHeader()
            case .map: pending += 2 * (try readMapHeader())
            case .extension: _ = try readExtension()
            case .string: try skipString()
            default: try skip()
            }
        }
    }

    /// Without making the string.
    private mutating func skipString() throws(MantaError) {
        let tag = bytes[position]
        let lengthSize = tag < 0xc0 ? 0 : 1 << Int(tag - 0xd9)
        guard 1 + lengthSize <= remaining else { throw MantaError(.malformed, "at byte \(position): the message ends inside a string") }
        var count = lengthSize == 0 ? Int(tag & 0x1f) : 0
        for offset in 0..<lengthSize { count = count << 8 | Int(bytes[position + 1 + offset]) }
        guard count <= remaining - 1 - lengthSize else {
            throw MantaError(.malformed, "at byte \(position): a string of \(count) bytes does not fit the \(remaining) that are left")
        }
        position += 1 + lengthSize + count
    }
}
