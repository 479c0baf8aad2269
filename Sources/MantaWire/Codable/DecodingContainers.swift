// DecodingContainers: the three containers of `Decoder`, and the cursors that find elements in the buffer.
//
// A failed decode leaves a cursor where it was, so `try?` with another type works. Positions are always inside the buffer: the reader checks.

import MantaModel

/// The entries of one map, found as they are asked for.
final class KeyedCursor {
    private let state: DecodingState
    @exclusivity(unchecked) private var entries: [(key: String, position: Int)] = []
    /// Built when there are too many entries to search one by one.
    @exclusivity(unchecked) private var index: [String: Int] = [:]
    @exclusivity(unchecked) private var unread: Int
    /// Where the next key is, unless a value must be passed over first.
    @exclusivity(unchecked) private var next: Int
    @exclusivity(unchecked) private var unpassed: Int?
    /// The entry found last; the next one asked for is most often it or the one behind it.
    @exclusivity(unchecked) private var last = 0

    init(frame: DecodingFrame) throws {
        state = frame.state
        state.reader.position = frame.start
        guard try state.reader.peek() == .map else { throw state.mismatch("a map", ValuePath(frame: frame, key: nil)) }
        unread = try state.reader.readMapHeader()
        next = state.reader.position
        entries.reserveCapacity(min(unread, 8))
    }

    func position(of key: String) throws(MantaError) -> Int? {
        for candidate in last..<min(last + 2, entries.count) where entries[candidate].key == key {
            last = candidate
            return entries[candidate].position
        }
        if entries.count > 8 {
            if let found = index[key] { return found }
        } else if let found = entries.firstIndex(where: { $0.key == key }) {
            last = found
            return entries[found].position
        }
        while try readEntry() {
            if entries[entries.count - 1].key == key {
                last = entries.count - 1
                return entries[last].position
            }
        }
        return nil
    }

    func allKeys() throws(MantaError) -> [String] {
        while try readEntry() {}
        return entries.map(\.key)
    }

    /// Tells where a value that was decoded ends, which saves passing over it.
    func passed(_ position: Int, end: Int) {
        guard unpassed == position else { return }
        (next, unpassed) = (end, nil)
    }

    /// Puts the reader behind the whole map.
    func passOver() throws(MantaError) {
        try finishValue()
        state.reader.position = next
        while unread > 0 {
            try state.reader.skipValue()
            try state.reader.skipValue()
            unread -= 1
        }
        next = state.reader.position
    }

    private func finishValue() throws(MantaError) {
        guard let position = unpassed else { return }
        state.reader.position = position
        try state.reader.skipValue()
        (next, unpassed) = (state.reader.position, nil)
    }

    private func readEntry() throws(MantaError) -> Bool {
        guard unread > 0 else { return false }
        try finishValue()
        state.reader.position = next
        let key: String
        switch try state.reader.peek() {
        case .string: key = try state.reader.readString()
        case .integer: key = state.reader.describeNext()
        default: throw MantaError(.malformed, "at byte \(next): a map's key is \(state.reader.describeNext()); expected a string or an integer")
        }
        unread -= 1
        entries.append((key, state.reader.position))
        unpassed = state.reader.position
        if entries.count == 9 {
            for entry in entries { index[entry.key] = entry.position }
        } else if entries.count > 9 {
            index[key] = state.reader.position
        }
        return true
    }
}

/// The elements of one list.
final class UnkeyedCursor {
    /// The frame's own, or one over a copy in plain form, for a number array or binary data.
    let state: DecodingState
    let count: Int
    @exclusivity(unchecked) var index = 0
    @exclusivity(unchecked) var next: Int

    init(frame: DecodingFrame) throws {
        let reader = frame.state
        reader.reader.position = frame.start
        switch try reader.reader.peek() {
        case .array: state = reader
        case .extension, .binary: state = DecodingState(reader: MessagePackReader(try reader.plainList()), depth: reader.depth)
        default: throw reader.mismatch("a list", ValuePath(frame: frame, key: nil))
        }
        count = try state.reader.readArrayHeader()
        next = state.reader.position
    }

    /// Puts the reader behind the whole list.
    func passOver() throws(MantaError) {
        state.reader.position = next
        for _ in index..<count { try state.reader.skipValue() }
        (next, index) = (state.reader.position, count)
    }
}

extension DecodingState {
    /// A number array or binary data as an ordinary MessagePack list.
    fileprivate func plainList() throws -> [UInt8] {
        var writer = MessagePackWriter()
        if try reader.peek() == .binary {
            let bytes = try reader.readBinary()
            writer.writeArrayHeader(bytes.count)
            for byte in bytes { writer.write(UInt64(byte)) }
            return writer.bytes
        }
        let (kind, content) = try reader.readNumberArray()
        writer.writeArrayHeader(content.count / kind.elementSize)
        switch kind {
        case .float: for number: Float in reader.numbers(in: content) { writer.write(number) }
        case .double: for number: Double in reader.numbers(in: content) { writer.write(number) }
        case .int64: for number: Int in reader.numbers(in: content) { writer.write(number) }
        case .uint64: for number: UInt64 in reader.numbers(in: content) { writer.write(number) }
        case .int32: for number: Int32 in reader.numbers(in: content) { writer.write(Int64(number)) }
        case .uint32: for number: UInt32 in reader.numbers(in: content) { writer.write(UInt64(number)) }
        case .int16: for number: Int16 in reader.numbers(in: content) { writer.write(Int64(number)) }
        case .uint16: for number: UInt16 in reader.numbers(in: content) { writer.write(UInt64(number)) }
        case .int8: for number: Int8 in reader.numbers(in: content) { writer.write(Int64(number)) }
        case .uint8: for number: UInt8 in reader.numbers(in: content) { writer.write(UInt64(number)) }
        }
        return writer.bytes
    }
}

struct KeyedDecoding<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let frame: DecodingFrame
    let cursor: KeyedCursor
    var codingPath: [any CodingKey] { frame.codingPath }

    /// Broken bytes end the list; decoding a key then throws what is wrong.
    var allKeys: [Key] { ((try? cursor.allKeys()) ?? []).compactMap { Key(stringValue: $0) } }

    func contains(_ key: Key) -> Bool { (try? cursor.position(of: key.stringValue)) != nil }

    private func position(_ key: any CodingKey) throws -> Int {
        guard let position = try cursor.position(of: key.stringValue) else {
            throw DecodingError.keyNotFound(key, .init(codingPath: codingPath, debugDescription: "the key is missing"))
        }
        return position
    }

    /// Reads at the key's value and tells the cursor where it ended.
    private func read<Value>(_ key: Key, _ body: (ValuePath) throws -> Value) throws -> Value {
        let start = try position(key)
        frame.state.reader.position = start
        let value = try body(ValuePath(frame: frame, key: key))
        cursor.passed(start, end: frame.state.reader.position)
        return value
    }

    func decodeNil(forKey key: Key) throws -> Bool {
        let start = try position(key)
        frame.state.reader.position = start
        return frame.state.reader.readNilIfNext()
    }
    func decode(_ type: Bool.Type, forKey key: Key) throws -> Bool { try read(key, frame.state.readBool) }
    func decode(_ type: String.Type, forKey key: Key) throws -> String { try read(key, frame.state.readString) }
    func decode(_ type: Double.Type, forKey key: Key) throws -> Double { try read(key, frame.state.readDouble) }
    func decode(_ type: Float.Type, forKey key: Key) throws -> Float { try read(key, frame.state.readFloat) }
    func decode(_ type: Int.Type, forKey key: Key) throws -> Int { try integer(type, key) }
    func decode(_ type: Int8.Type, forKey key: Key) throws -> Int8 { try integer(type, key) }
    func decode(_ type: Int16.Type, forKey key: Key) throws -> Int16 { try integer(type, key) }
    func decode(_ type: Int32.Type, forKey key: Key) throws -> Int32 { try integer(type, key) }
    func decode(_ type: Int64.Type, forKey key: Key) throws -> Int64 { try integer(type, key) }
    func decode(_ type: UInt.Type, forKey key: Key) throws -> UInt { try integer(type, key) }
    func decode(_ type: UInt8.Type, forKey key: Key) throws -> UInt8 { try integer(type, key) }
    func decode(_ type: UInt16.Type, forKey key: Key) throws -> UInt16 { try integer(type, key) }
    func decode(_ type: UInt32.Type, forKey key: Key) throws -> UInt32 { try integer(type, key) }
    func decode(_ type: UInt64.Type, forKey key: Key) throws -> UInt64 { try integer(type, key) }
    private func integer<Integer: FixedWidthInteger>(_ type: Integer.Type, _ key: Key) throws -> Integer {
        try read(key) { try frame.state.readInteger(type, $0) }
    }
    func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
        let start = try position(key)
        let value = try DecodingFrame.decode(type, at: start, state: frame.state, parent: frame, key: key)
        cursor.passed(start, end: frame.state.reader.position)
        return value
    }

    private func child(_ key: any CodingKey) throws -> DecodingFrame {
        DecodingFrame(state: frame.state, parent: frame, key: key, start: try position(key))
    }
    func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type, forKey key: Key) throws -> KeyedDecodingContainer<Nested> {
        try child(key).container(keyedBy: type)
    }
    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer { try child(key).unkeyedContainer() }
    func superDecoder() throws -> any Decoder { try child(SuperKey()) }
    func superDecoder(forKey key: Key) throws -> any Decoder { try child(key) }
}

struct UnkeyedDecoding: UnkeyedDecodingContainer {
    let frame: DecodingFrame
    let cursor: UnkeyedCursor
    var codingPath: [any CodingKey] { frame.codingPath }
    var count: Int? { cursor.count }
    var isAtEnd: Bool { cursor.index >= cursor.count }
    var currentIndex: Int { cursor.index }

    private func requireElement(_ type: Any.Type) throws {
        guard isAtEnd else { return }
        throw DecodingError.valueNotFound(
            type, .init(codingPath: codingPath + [IndexKey(cursor.index)], debugDescription: "expected \(type), found the end of a list of \(cursor.count)"))
    }

    func decodeNil() throws -> Bool {
        try requireElement(Any?.self)
        cursor.state.reader.position = cursor.next
        guard cursor.state.reader.readNilIfNext() else { return false }
        cursor.next = cursor.state.reader.position
        cursor.index += 1
        return true
    }

    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        try requireElement(type)
        let value = try DecodingFrame.decode(type, at: cursor.next, state: cursor.state, parent: frame, key: IndexKey(cursor.index))
        cursor.next = cursor.state.reader.position
        cursor.index += 1
        return value
    }

    /// A frame for the next element, which counts as read.
    private func child(_ type: Any.Type) throws -> DecodingFrame {
        try requireElement(type)
        let child = DecodingFrame(state: cursor.state, parent: frame, key: IndexKey(cursor.index), start: cursor.next)
        cursor.state.reader.position = cursor.next
        try cursor.state.reader.skipValue()
        cursor.next = cursor.state.reader.position
        cursor.index += 1
        return child
    }
    func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) throws -> KeyedDecodingContainer<Nested> {
        try child(Any.self).container(keyedBy: type)
    }
    func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer { try child(Any.self).unkeyedContainer() }
    func superDecoder() throws -> any Decoder { try child(Any.self) }
}

struct SingleDecoding: SingleValueDecodingContainer {
    let frame: DecodingFrame
    var codingPath: [any CodingKey] { frame.codingPath }

    private func at<Value>(_ body: (ValuePath) throws -> Value) throws -> Value {
        frame.state.reader.position = frame.start
        return try body(ValuePath(frame: frame, key: nil))
    }

    func decodeNil() -> Bool {
        frame.state.reader.position = frame.start
        return frame.state.reader.readNilIfNext()
    }
    func decode(_ type: Bool.Type) throws -> Bool { try at(frame.state.readBool) }
    func decode(_ type: String.Type) throws -> String { try at(frame.state.readString) }
    func decode(_ type: Double.Type) throws -> Double { try at(frame.state.readDouble) }
    func decode(_ type: Float.Type) throws -> Float { try at(frame.state.readFloat) }
    func decode(_ type: Int.Type) throws -> Int { try integer(type) }
    func decode(_ type: Int8.Type) throws -> Int8 { try integer(type) }
    func decode(_ type: Int16.Type) throws -> Int16 { try integer(type) }
    func decode(_ type: Int32.Type) throws -> Int32 { try integer(type) }
    func decode(_ type: Int64.Type) throws -> Int64 { try integer(type) }
    func decode(_ type: UInt.Type) throws -> UInt { try integer(type) }
    func decode(_ type: UInt8.Type) throws -> UInt8 { try integer(type) }
    func decode(_ type: UInt16.Type) throws -> UInt16 { try integer(type) }
    func decode(_ type: UInt32.Type) throws -> UInt32 { try integer(type) }
    func decode(_ type: UInt64.Type) throws -> UInt64 { try integer(type) }
    private func integer<Integer: FixedWidthInteger>(_ type: Integer.Type) throws -> Integer {
        try at { try frame.state.readInteger(type, $0) }
    }
    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        try DecodingFrame.decode(type, at: frame.start, state: frame.state, parent: frame, key: nil)
    }
}
