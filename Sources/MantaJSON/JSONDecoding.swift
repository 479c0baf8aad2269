// JSONDecoding: the Decoder behind JSONCoder.decode. A struct around one JSON value; containers look members and elements up in it.
//
// Every failure is a JSONError with the path of the value that is wrong.

struct JSONDecoding: Decoder {
    let value: JSONValue
    let codingPath: [any CodingKey]
    /// Present if unknown members are to be rejected.
    let record: MemberRecord?
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    static func decode<T: Decodable>(_ type: T.Type, from value: JSONValue, at path: [any CodingKey], record: MemberRecord?) throws -> T {
        let decoder = JSONDecoding(value: value, codingPath: path, record: record)
        // The stdlib's own leaf types would come back here through a single value container; any value is taken as it is.
        switch type {
        case is JSONValue.Type: return try decoder.cast(value)
        case is Bool.Type: return try decoder.cast(decoder.expect(value.bool, "a boolean"))
        case is String.Type: return try decoder.cast(decoder.expect(value.string, "a string"))
        case is Double.Type: return try decoder.cast(decoder.expect(value.double, "a number"))
        case is Float.Type: return try decoder.cast(Float(decoder.expect(value.double, "a number")))
        case let type as any FixedWidthInteger.Type: return try decoder.cast(decoder.integer(type))
        default: return try T(from: decoder)
        }
    }

    private func cast<T>(_ value: Any) throws -> T {
        guard let value = value as? T else { preconditionFailure("\(type(of: value)) was decoded where \(T.self) was asked for") }
        return value
    }

    private func integer<T: FixedWidthInteger>(_ type: T.Type) throws -> T {
        guard value.double != nil else { throw mismatch("an integer") }
        guard let integer = value.integer else { throw JSONError.mismatch(path: JSONError.path(codingPath), expected: "an integer", found: "the number \(value)") }
        guard let fitting = T(exactly: integer) else {
            throw JSONError.mismatch(path: JSONError.path(codingPath), expected: "an integer from \(T.min) to \(T.max)", found: "\(integer)")
        }
        return fitting
    }

    private func expect<T>(_ found: T?, _ expected: String) throws -> T {
        guard let found else { throw mismatch(expected) }
        return found
    }

    fileprivate func mismatch(_ expected: String) -> JSONError {
        .mismatch(path: JSONError.path(codingPath), expected: expected, found: value.kind)
    }

    fileprivate func nested(_ value: JSONValue, _ key: any CodingKey) -> JSONDecoding {
        JSONDecoding(value: value, codingPath: codingPath + [key], record: record)
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        let members = try expect(value.object, "an object")
        return KeyedDecodingContainer(Keyed<Key>(decoder: self, members: members, seen: record?.open(members, at: codingPath)))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        Unkeyed(decoder: self, elements: try expect(value.array, "an array"))
    }

    func singleValueContainer() throws -> any SingleValueDecodingContainer { Single(decoder: self) }

    private struct Keyed<Key: CodingKey>: KeyedDecodingContainerProtocol {
        let decoder: JSONDecoding
        let members: JSONObject
        let seen: MemberRecord.Entry?
        var codingPath: [any CodingKey] { decoder.codingPath }

        var allKeys: [Key] {
            members.keys.compactMap { key in
                guard let known = Key(stringValue: key) else { return nil }
                seen?.asked.insert(key)
                return known
            }
        }

        private func find(_ key: any CodingKey) -> JSONValue? {
            seen?.asked.insert(key.stringValue)
            return members[key.stringValue]
        }

        private func require(_ key: any CodingKey) throws -> JSONDecoding {
            guard let value = find(key) else { throw JSONError.missing(path: JSONError.path(codingPath + [key])) }
            return decoder.nested(value, key)
        }

        func contains(_ key: Key) -> Bool { find(key) != nil }
        func decodeNil(forKey key: Key) throws -> Bool { try require(key).value.isNull }
        func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
            let nested = try require(key)
            return try JSONDecoding.decode(type, from: nested.value, at: nested.codingPath, record: nested.record)
        }
        func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type, forKey key: Key) throws -> KeyedDecodingContainer<Nested> {
            try require(key).container(keyedBy: type)
        }
        func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer { try require(key).unkeyedContainer() }
        func superDecoder() throws -> any Decoder { try require(JSONKey.superKey) }
        func superDecoder(forKey key: Key) throws -> any Decoder { try require(key) }
    }

    private struct Unkeyed: UnkeyedDecodingContainer {
        let decoder: JSONDecoding
        let elements: [JSONValue]
        var currentIndex = 0
        var codingPath: [any CodingKey] { decoder.codingPath }
        var count: Int? { elements.count }
        var isAtEnd: Bool { currentIndex >= elements.count }

        init(decoder: JSONDecoding, elements: [JSONValue]) { (self.decoder, self.elements) = (decoder, elements) }

        private func peek() throws -> JSONDecoding {
            guard !isAtEnd else {
                throw JSONError.invalid(path: JSONError.path(codingPath), reason: "expected more than \(elements.count) elements")
            }
            return decoder.nested(elements[currentIndex], JSONKey(intValue: currentIndex))
        }
        /// The place moves on only after success, as `decodeIfPresent` and users that try several types rely on.
        private mutating func next<T>(_ body: (JSONDecoding) throws -> T) throws -> T {
            let result = try body(peek())
            currentIndex += 1
            return result
        }
        mutating func decodeNil() throws -> Bool {
            guard try peek().value.isNull else { return false }
            currentIndex += 1
            return true
        }
        mutating func decode<T: Decodable>(_ type: T.Type) throws -> T {
            try next { try JSONDecoding.decode(type, from: $0.value, at: $0.codingPath, record: $0.record) }
        }
        mutating func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) throws -> KeyedDecodingContainer<Nested> {
            try next { try $0.container(keyedBy: type) }
        }
        mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer { try next { try $0.unkeyedContainer() } }
        mutating func superDecoder() throws -> any Decoder { try next { $0 } }
    }

    private struct Single: SingleValueDecodingContainer {
        let decoder: JSONDecoding
        var codingPath: [any CodingKey] { decoder.codingPath }
        func decodeNil() -> Bool { decoder.value.isNull }
        func decode<T: Decodable>(_ type: T.Type) throws -> T {
            try JSONDecoding.decode(type, from: decoder.value, at: decoder.codingPath, record: decoder.record)
        }
    }
}

/// Which members were there and which were asked for, over one whole decoding.
///
/// An object may be opened more than once, by an enum or a superclass; a member is known if anyone asked for it.
final class MemberRecord {
    final class Entry {
        let path: [any CodingKey]
        let present: [String]
        var asked: Set<String> = []
        init(path: [any CodingKey], present: [String]) { (self.path, self.present) = (path, present) }
    }

    private var entries: [Entry] = []
    private var byPath: [String: Int] = [:]

    func open(_ members: JSONObject, at path: [any CodingKey]) -> Entry {
        let name = JSONError.path(path)
        if let known = byPath[name] { return entries[known] }
        let entry = Entry(path: path, present: members.keys)
        byPath[name] = entries.count
        entries.append(entry)
        return entry
    }

    /// Fails for the first member that nobody asked for.
    func check() throws {
        for entry in entries {
            for key in entry.present where !entry.asked.contains(key) {
                throw JSONError.unknown(path: JSONError.path(entry.path + [JSONKey(stringValue: key)]), known: entry.asked.sorted())
            }
        }
    }
}
