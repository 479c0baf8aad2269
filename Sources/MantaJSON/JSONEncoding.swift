// JSONEncoding: the Encoder behind JSONCoder.encode. One per value; its containers write into it, nested ones into an encoder of their own that is
// put in place when everything below is finished.
//
// A value that encodes nothing becomes {}, as its kind cannot be known.

final class JSONEncoding: Encoder {
    /// What was written: leaves at once, containers as a tree of encoders, because a container may still be written to after it was asked for.
    private enum Content {
        case nothing
        case leaf(JSONValue)
        case elements([JSONEncoding])
        case members([(key: String, value: JSONEncoding)])
    }

    private var content = Content.nothing
    let codingPath: [any CodingKey]
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    private init(at path: [any CodingKey]) { codingPath = path }

    static func encode(_ value: some Encodable, at path: [any CodingKey]) throws -> JSONValue {
        let encoder = JSONEncoding(at: path)
        try encoder.write(value)
        return encoder.finished()
    }

    private func finished() -> JSONValue {
        switch content {
        case .nothing: return .object(JSONObject())
        case .leaf(let value): return value
        case .elements(let elements): return .array(elements.map { $0.finished() })
        case .members(let members):
            var object = JSONObject()
            for (key, value) in members { object[key] = value.finished() }  // a key encoded twice keeps the last value
            return .object(object)
        }
    }

    fileprivate func write(_ value: some Encodable) throws {
        switch value {
        case let value as JSONValue: content = .leaf(value)
        case let value as Bool: content = .leaf(.bool(value))
        case let value as String: content = .leaf(.string(value))
        case let value as any BinaryInteger:
            guard let exact = Int64(exactly: value) else { throw invalid("the integer \(value) is beyond 64 bits with sign; write it as a string") }
            content = .leaf(.integer(exact))
        case let value as Double: try write(number: value)
        case let value as Float: try write(number: Double("\(value)") ?? Double(value))  // 0.1 as Float is written 0.1
        default: try value.encode(to: self)
        }
    }

    private func write(number: Double) throws {
        guard number.isFinite else { throw invalid("JSON has no number \(number)") }
        content = .leaf(.number(number))
    }

    private func invalid(_ reason: String) -> JSONError { .invalid(path: JSONError.path(codingPath), reason: reason) }

    fileprivate func writeNull() { content = .leaf(.null) }

    fileprivate func element() -> JSONEncoding {
        guard case .elements(var elements) = content else { preconditionFailure("an encoder was asked for two kinds of containers") }
        content = .nothing  // so that the array is owned once and grows in place
        let element = JSONEncoding(at: codingPath + [JSONKey(intValue: elements.count)])
        elements.append(element)
        content = .elements(elements)
        return element
    }

    fileprivate var elementCount: Int { if case .elements(let elements) = content { elements.count } else { 0 } }

    fileprivate func member(_ key: any CodingKey) -> JSONEncoding {
        guard case .members(var members) = content else { preconditionFailure("an encoder was asked for two kinds of containers") }
        content = .nothing
        let member = JSONEncoding(at: codingPath + [key])
        members.append((key.stringValue, member))
        content = .members(members)
        return member
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        if case .nothing = content { content = .members([]) }
        return KeyedEncodingContainer(Keyed<Key>(encoder: self))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        if case .nothing = content { content = .elements([]) }
        return Unkeyed(encoder: self)
    }

    func singleValueContainer() -> any SingleValueEncodingContainer { Single(encoder: self) }

    private struct Keyed<Key: CodingKey>: KeyedEncodingContainerProtocol {
        let encoder: JSONEncoding
        var codingPath: [any CodingKey] { encoder.codingPath }
        mutating func encodeNil(forKey key: Key) { encoder.member(key).writeNull() }
        mutating func encode(_ value: some Encodable, forKey key: Key) throws { try encoder.member(key).write(value) }
        mutating func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type, forKey key: Key) -> KeyedEncodingContainer<Nested> {
            encoder.member(key).container(keyedBy: type)
        }
        mutating func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer { encoder.member(key).unkeyedContainer() }
        mutating func superEncoder() -> any Encoder { encoder.member(JSONKey.superKey) }
        mutating func superEncoder(forKey key: Key) -> any Encoder { encoder.member(key) }
    }

    private struct Unkeyed: UnkeyedEncodingContainer {
        let encoder: JSONEncoding
        var codingPath: [any CodingKey] { encoder.codingPath }
        var count: Int { encoder.elementCount }
        mutating func encodeNil() { encoder.element().writeNull() }
        mutating func encode(_ value: some Encodable) throws { try encoder.element().write(value) }
        mutating func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) -> KeyedEncodingContainer<Nested> {
            encoder.element().container(keyedBy: type)
        }
        mutating func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { encoder.element().unkeyedContainer() }
        mutating func superEncoder() -> any Encoder { encoder.element() }
    }

    private struct Single: SingleValueEncodingContainer {
        let encoder: JSONEncoding
        var codingPath: [any CodingKey] { encoder.codingPath }
        mutating func encodeNil() { encoder.writeNull() }
        mutating func encode(_ value: some Encodable) throws { try encoder.write(value) }
    }
}
