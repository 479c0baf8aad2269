// FieldProbe: asks a `Codable` type for its fields: their names, their order, their types in the documentation's words, and which may be missing.
//
// It plays the decoder: a value is made of nothing but zeros and empty containers, while what is asked for is noted.

import MantaModel

@testable import MantaWire

/// A field as its type asks for it.
struct ProbedField: Equatable, CustomStringConvertible {
    var name: String
    /// In the documentation's words, with a question mark when it may be missing.
    var type: String
    var description: String { "\(name): \(type)" }
}

final class FieldProbe: Decoder {
    private(set) var fields: [ProbedField] = []
    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    /// The fields of a type; throws when no value of it can be made.
    static func fields<Value: Decodable>(of type: Value.Type) throws -> [ProbedField] {
        let probe = FieldProbe()
        _ = try Value(from: probe)
        return probe.fields
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedDecodingContainer<Key> { KeyedDecodingContainer(ProbedContainer<Key>(probe: self)) }
    func unkeyedContainer() -> any UnkeyedDecodingContainer { NoElements() }
    func singleValueContainer() -> any SingleValueDecodingContainer { ZeroValue() }

    fileprivate func note(_ key: any CodingKey, _ type: Any.Type, isOptional: Bool) {
        fields.append(ProbedField(name: key.stringValue, type: Self.word(for: "\(type)") + (isOptional ? "?" : "")))
    }

    /// What the documentation calls a type.
    static func word(for type: String) -> String {
        if type == "Array<UInt8>" { return "bin" }
        if let inner = inside("Array<", type) { return "[\(word(for: inner))]" }
        if let inner = inside("Optional<", type) { return "\(word(for: inner))?" }
        if let inner = inside("Dictionary<String, ", type) { return "{\(word(for: inner))}" }
        return words[type] ?? type
    }

    private static func inside(_ opening: String, _ type: String) -> String? {
        type.hasPrefix(opening) ? String(type.dropFirst(opening.count).dropLast()) : nil
    }

    private static let words = [
        "Int": "int", "Int32": "int", "Int64": "int", "UInt32": "uint", "UInt64": "uint", "Bool": "bool", "String": "text", "Double": "real", "ClusterID": "id",
        "NodeID": "id", "ProcessID": "id", "JobID": "id", "ActorID": "id", "TaskID": "id", "LeaseID": "id", "PlacementGroupID": "id", "ObjectID": "object",
        "ProcessAddress": "address", "WallTime": "time", "Resources": "resources", "MantaError": "error", "Object": "StoredObject",
    ]

    /// A value of types that are not made of zeros.
    private static let samples: [any Decodable & Sendable] = [
        DeathCause.Kind.exited, ActorLifetime.job, ObjectRow.State.pending, PlacementRule.standard, LeaseAnswer.Decision.refused(MantaError(.system, "")),
        EntrypointReport.Event.started(pid: 0), ObjectID(task: TaskID(high: 0, low: 0), index: 0),
    ]

    static func sample<Value: Decodable>(of type: Value.Type) throws -> Value {
        if let identifier = type as? any Identifier.Type { return identifier.init(high: 0, low: 0) as! Value }
        if let word = type as? any CaseIterable.Type { return first(of: word) as! Value }
        if let sample = samples.lazy.compactMap({ $0 as? Value }).first { return sample }
        return try Value(from: FieldProbe())
    }

    private static func first<Word: CaseIterable>(of type: Word.Type) -> Any { Word.allCases.first! }
}

/// Notes what is asked for.
private struct ProbedContainer<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let probe: FieldProbe
    var codingPath: [any CodingKey] { [] }
    var allKeys: [Key] { [] }

    private func zero<Value: Decodable>(_ type: Value.Type, _ key: Key) throws -> Value {
        probe.note(key, type, isOptional: false)
        return try FieldProbe.sample(of: type)
    }
    private func missing<Value>(_ type: Value.Type, _ key: Key) -> Value? {
        probe.note(key, type, isOptional: true)
        return nil
    }

    func contains(_ key: Key) -> Bool { true }
    func decodeNil(forKey key: Key) throws -> Bool { false }
    func decode(_ type: Bool.Type, forKey key: Key) throws -> Bool { try zero(type, key) }
    func decode(_ type: String.Type, forKey key: Key) throws -> String { try zero(type, key) }
    func decode(_ type: Double.Type, forKey key: Key) throws -> Double { try zero(type, key) }
    func decode(_ type: Float.Type, forKey key: Key) throws -> Float { try zero(type, key) }
    func decode(_ type: Int.Type, forKey key: Key) throws -> Int { try zero(type, key) }
    func decode(_ type: Int8.Type, forKey key: Key) throws -> Int8 { try zero(type, key) }
    func decode(_ type: Int16.Type, forKey key: Key) throws -> Int16 { try zero(type, key) }
    func decode(_ type: Int32.Type, forKey key: Key) throws -> Int32 { try zero(type, key) }
    func decode(_ type: Int64.Type, forKey key: Key) throws -> Int64 { try zero(type, key) }
    func decode(_ type: UInt.Type, forKey key: Key) throws -> UInt { try zero(type, key) }
    func decode(_ type: UInt8.Type, forKey key: Key) throws -> UInt8 { try zero(type, key) }
    func decode(_ type: UInt16.Type, forKey key: Key) throws -> UInt16 { try zero(type, key) }
    func decode(_ type: UInt32.Type, forKey key: Key) throws -> UInt32 { try zero(type, key) }
    func decode(_ type: UInt64.Type, forKey key: Key) throws -> UInt64 { try zero(type, key) }
    func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value { try zero(type, key) }
    func decodeIfPresent(_ type: Bool.Type, forKey key: Key) throws -> Bool? { missing(type, key) }
    func decodeIfPresent(_ type: String.Type, forKey key: Key) throws -> String? { missing(type, key) }
    func decodeIfPresent(_ type: Double.Type, forKey key: Key) throws -> Double? { missing(type, key) }
    func decodeIfPresent(_ type: Int.Type, forKey key: Key) throws -> Int? { missing(type, key) }
    func decodeIfPresent(_ type: Int32.Type, forKey key: Key) throws -> Int32? { missing(type, key) }
    func decodeIfPresent(_ type: Int64.Type, forKey key: Key) throws -> Int64? { missing(type, key) }
    func decodeIfPresent(_ type: UInt32.Type, forKey key: Key) throws -> UInt32? { missing(type, key) }
    func decodeIfPresent(_ type: UInt64.Type, forKey key: Key) throws -> UInt64? { missing(type, key) }
    func decodeIfPresent<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value? { missing(type, key) }
    func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type, forKey key: Key) -> KeyedDecodingContainer<Nested> { FieldProbe().container(keyedBy: type) }
    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedDecodingContainer { NoElements() }
    func superDecoder() -> any Decoder { FieldProbe() }
    func superDecoder(forKey key: Key) -> any Decoder { FieldProbe() }
}

/// A list of nothing: any element that is asked for all the same is what a value of its own would be.
private struct NoElements: UnkeyedDecodingContainer {
    var codingPath: [any CodingKey] { [] }
    var count: Int? { 0 }
    var isAtEnd: Bool { true }
    var currentIndex: Int { 0 }
    func decodeNil() -> Bool { false }
    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try FieldProbe.sample(of: type) }
    func nestedContainer<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedDecodingContainer<Key> { FieldProbe().container(keyedBy: type) }
    func nestedUnkeyedContainer() -> any UnkeyedDecodingContainer { self }
    func superDecoder() -> any Decoder { FieldProbe() }
}

/// Zero, false, or the empty text.
private struct ZeroValue: SingleValueDecodingContainer {
    var codingPath: [any CodingKey] { [] }
    func decodeNil() -> Bool { false }
    func decode(_ type: Bool.Type) -> Bool { false }
    func decode(_ type: String.Type) -> String { "" }
    func decode(_ type: Double.Type) -> Double { 0 }
    func decode(_ type: Float.Type) -> Float { 0 }
    func decode(_ type: Int.Type) -> Int { 0 }
    func decode(_ type: Int8.Type) -> Int8 { 0 }
    func decode(_ type: Int16.Type) -> Int16 { 0 }
    func decode(_ type: Int32.Type) -> Int32 { 0 }
    func decode(_ type: Int64.Type) -> Int64 { 0 }
    func decode(_ type: UInt.Type) -> UInt { 0 }
    func decode(_ type: UInt8.Type) -> UInt8 { 0 }
    func decode(_ type: UInt16.Type) -> UInt16 { 0 }
    func decode(_ type: UInt32.Type) -> UInt32 { 0 }
    func decode(_ type: UInt64.Type) -> UInt64 { 0 }
    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try FieldProbe.sample(of: type) }
}
