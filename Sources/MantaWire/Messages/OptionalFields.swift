// Fields of messages that may be absent: nil, or what a field of their type is.

import MantaModel

extension MessagePackWriter {
    mutating func write(_ text: String?) { if let text { write(text) } else { writeNil() } }
    mutating func write(_ flag: Bool?) { if let flag { write(flag) } else { writeNil() } }
    mutating func write(_ number: Int?) { if let number { write(number) } else { writeNil() } }
    mutating func write(_ number: Int64?) { if let number { write(number) } else { writeNil() } }
    mutating func write(_ identifier: (some Identifier)?) { if let identifier { write(identifier) } else { writeNil() } }
    /// An address that is one field: an array of its two values.
    mutating func writeField(_ address: ProcessAddress) {
        writeArrayHeader(2)
        write(address)
    }
    mutating func writeField(_ address: ProcessAddress?) { if let address { writeField(address) } else { writeNil() } }
    mutating func write(_ cause: DeathCause?) throws(MantaError) { if let cause { try write(cause) } else { writeNil() } }
    mutating func write(_ texts: [String]?) {
        guard let texts else { return writeNil() }
        writeArrayHeader(texts.count)
        for text in texts { write(text) }
    }
    /// What is seldom there, in its `Codable` form.
    mutating func writeCodable(_ value: (some Encodable)?) throws(MantaError) {
        if let value { try ValueEncoder.encode(value, into: &self) } else { writeNil() }
    }
}

extension MessagePackReader {
    mutating func readOptionalString() throws(MantaError) -> String? { readNilIfNext() ? nil : try readString() }
    mutating func readOptionalBool() throws(MantaError) -> Bool? { readNilIfNext() ? nil : try readBool() }
    mutating func readOptionalInt() throws(MantaError) -> Int? { readNilIfNext() ? nil : try readInt() }
    mutating func readOptionalInt64() throws(MantaError) -> Int64? { readNilIfNext() ? nil : try readInt64() }
    mutating func readOptionalIdentifier<ID: Identifier>(_ type: ID.Type = ID.self) throws(MantaError) -> ID? { readNilIfNext() ? nil : try readIdentifier() }
    mutating func readAddressField() throws(MantaError) -> ProcessAddress {
        // A head's store may have rows in which the two values stand by themselves.
        guard try peek() == .array else { return try readProcessAddress() }
        let count = try readArrayHeader(atLeast: 2)
        let address = try readProcessAddress()
        try skipFields(from: 2, to: count)
        return address
    }
    mutating func readOptionalAddressField() throws(MantaError) -> ProcessAddress? { readNilIfNext() ? nil : try readAddressField() }
    mutating func readOptionalDeathCause() throws(MantaError) -> DeathCause? { readNilIfNext() ? nil : try readDeathCause() }
    mutating func readOptionalStrings() throws(MantaError) -> [String]? {
        if readNilIfNext() { return nil }
        var texts: [String] = []
        for _ in 0..<(try readArrayHeader()) { texts.append(try readString()) }
        return texts
    }
    mutating func readCodable<Value: Decodable>(_ type: Value.Type = Value.self) throws(MantaError) -> Value? {
        readNilIfNext() ? nil : try ValueDecoder.decode(type, from: &self)
    }
}
