// EncodingContainers: the three containers of `Encoder` over one `EncodingFrame`.
//
// They hold nothing themselves. A nested container must be filled before its parent goes on, which is what every synthesized `encode(to:)` does.

import MantaModel

struct KeyedEncoding<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let frame: EncodingFrame
    var codingPath: [any CodingKey] { frame.codingPath }

    func encodeNil(forKey key: Key) {
        frame.addKey(key)
        frame.state.writer.writeNil()
    }
    func encode(_ value: Bool, forKey key: Key) {
        frame.addKey(key)
        frame.state.writer.write(value)
    }
    func encode(_ value: String, forKey key: Key) {
        frame.addKey(key)
        frame.state.writer.write(value)
    }
    func encode(_ value: Double, forKey key: Key) {
        frame.addKey(key)
        frame.state.writer.write(value)
    }
    func encode(_ value: Float, forKey key: Key) {
        frame.addKey(key)
        frame.state.writer.write(value)
    }
    func encode(_ value: Int, forKey key: Key) { signed(Int64(value), key) }
    func encode(_ value: Int8, forKey key: Key) { signed(Int64(value), key) }
    func encode(_ value: Int16, forKey key: Key) { signed(Int64(value), key) }
    func encode(_ value: Int32, forKey key: Key) { signed(Int64(value), key) }
    func encode(_ value: Int64, forKey key: Key) { signed(value, key) }
    func encode(_ value: UInt, forKey key: Key) { unsigned(UInt64(value), key) }
    func encode(_ value: UInt8, forKey key: Key) { unsigned(UInt64(value), key) }
    func encode(_ value: UInt16, forKey key: Key) { unsigned(UInt64(value), key) }
    func encode(_ value: UInt32, forKey key: Key) { unsigned(UInt64(value), key) }
    func encode(_ value: UInt64, forKey key: Key) { unsigned(value, key) }

    private func signed(_ value: Int64, _ key: Key) {
        frame.addKey(key)
        frame.state.writer.write(value)
    }
    private func unsigned(_ value: UInt64, _ key: Key) {
        frame.addKey(key)
        frame.state.writer.write(value)
    }

    func encode<Value: Encodable>(_ value: Value, forKey key: Key) throws {
        frame.addKey(key)
        try EncodingFrame.encode(value, state: frame.state, parent: frame, key: key)
    }

    func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type, forKey key: Key) -> KeyedEncodingContainer<Nested> {
        frame.addKey(key)
        return frame.child(key).container(keyedBy: type)
    }
    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
        frame.addKey(key)
        return frame.child(key).unkeyedContainer()
    }
    func superEncoder() -> any Encoder {
        frame.addKey(SuperKey())
        return frame.superChild(SuperKey())
    }
    func superEncoder(forKey key: Key) -> any Encoder {
        frame.addKey(key)
        return frame.superChild(key)
    }
}

struct UnkeyedEncoding: UnkeyedEncodingContainer {
    let frame: EncodingFrame
    var codingPath: [any CodingKey] { frame.codingPath }
    var count: Int { frame.count }

    func encodeNil() {
        frame.addElement()
        frame.state.writer.writeNil()
    }
    func encode<Value: Encodable>(_ value: Value) throws {
        frame.addElement()
        if frame.state.writer.writeLeaf(value) { return }
        try EncodingFrame.encode(value, state: frame.state, parent: frame, key: IndexKey(count - 1))
    }
    func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) -> KeyedEncodingContainer<Nested> {
        frame.addElement()
        return frame.child(IndexKey(count - 1)).container(keyedBy: type)
    }
    func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer {
        frame.addElement()
        return frame.child(IndexKey(count - 1)).unkeyedContainer()
    }
    func superEncoder() -> any Encoder {
        frame.addElement()
        return frame.superChild(IndexKey(count - 1))
    }
}

struct SingleEncoding: SingleValueEncodingContainer {
    let frame: EncodingFrame
    var codingPath: [any CodingKey] { frame.codingPath }

    func encodeNil() { frame.state.writer.writeNil() }
    func encode(_ value: Bool) { frame.state.writer.write(value) }
    func encode(_ value: String) { frame.state.writer.write(value) }
    func encode(_ value: Double) { frame.state.writer.write(value) }
    func encode(_ value: Float) { frame.state.writer.write(value) }
    func encode(_ value: Int) { frame.state.writer.write(Int64(value)) }
    func encode(_ value: Int8) { frame.state.writer.write(Int64(value)) }
    func encode(_ value: Int16) { frame.state.writer.write(Int64(value)) }
    func encode(_ value: Int32) { frame.state.writer.write(Int64(value)) }
    func encode(_ value: Int64) { frame.state.writer.write(value) }
    func encode(_ value: UInt) { frame.state.writer.write(UInt64(value)) }
    func encode(_ value: UInt8) { frame.state.writer.write(UInt64(value)) }
    func encode(_ value: UInt16) { frame.state.writer.write(UInt64(value)) }
    func encode(_ value: UInt32) { frame.state.writer.write(UInt64(value)) }
    func encode(_ value: UInt64) { frame.state.writer.write(value) }
    func encode<Value: Encodable>(_ value: Value) throws {
        try EncodingFrame.encode(value, state: frame.state, parent: frame, key: nil)
    }
}
