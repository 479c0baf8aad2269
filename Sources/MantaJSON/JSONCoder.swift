// JSONCoder: between Codable types and JSONValue. The containers are in JSONEncoding.swift and JSONDecoding.swift.
//
// Numbers keep their value or the conversion fails; nothing is rounded to fit. Errors name the member, by its path, and what was expected there.

/// Encodes Swift values as JSON values and decodes them back.
///
/// Members are written in the order in which the type encodes them, usually that of its declaration. `nil` members are left out.
package enum JSONCoder {
    /// What decoding does about members that a type does not ask for.
    package enum UnknownMembers: Sendable {
        case ignore
        /// An error that names the member: for requests, where a misspelt option must not pass in silence.
        case reject
    }

    /// The value as JSON. Fails for integers beyond `Int64` and for numbers that JSON lacks (NaN, infinity).
    package static func encode(_ value: some Encodable) throws(JSONError) -> JSONValue {
        do { return try JSONEncoding.encode(value, at: []) } catch { throw JSONError(error) }
    }

    /// The JSON value as a Swift value.
    package static func decode<T: Decodable>(_ type: T.Type, from value: JSONValue, unknownMembers: UnknownMembers = .ignore) throws(JSONError) -> T {
        let record = unknownMembers == .reject ? MemberRecord() : nil
        do {
            let result = try JSONDecoding.decode(type, from: value, at: [], record: record)
            try record?.check()
            return result
        } catch { throw JSONError(error) }
    }
}

/// A name or a place: what a coding path is made of where no enum of keys exists.
struct JSONKey: CodingKey {
    let stringValue: String
    let intValue: Int?
    init(stringValue: String) { (self.stringValue, intValue) = (stringValue, nil) }
    init(intValue: Int) { (stringValue, self.intValue) = (String(intValue), intValue) }
    static let superKey = JSONKey(stringValue: "super")
}

extension JSONError {
    /// `endpoint.traffic.v1`, `replicas[2].name`.
    static func path(_ keys: [any CodingKey]) -> String {
        var path = ""
        for key in keys {
            if let place = key.intValue, key is JSONKey {
                path += "[\(place)]"
            } else {
                path += path.isEmpty ? key.stringValue : ".\(key.stringValue)"
            }
        }
        return path
    }

    /// Whatever a type's own coding threw, as this module's error.
    init(_ error: any Error) {
        switch error {
        case let error as JSONError: self = error
        case DecodingError.keyNotFound(let key, let context): self = .missing(path: Self.path(context.codingPath + [key]))
        case DecodingError.dataCorrupted(let context), DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
            self = .invalid(path: Self.path(context.codingPath), reason: context.debugDescription)
        case EncodingError.invalidValue(_, let context): self = .invalid(path: Self.path(context.codingPath), reason: context.debugDescription)
        default: self = .invalid(path: "", reason: String(describing: error))
        }
    }
}

extension JSONValue: Codable {
    /// Reads any value a self-describing format holds.
    package init(from decoder: any Decoder) throws {
        if let decoder = decoder as? JSONDecoding {
            self = decoder.value
            return
        }
        if let container = try? decoder.container(keyedBy: JSONKey.self) {
            var members = JSONObject()
            for key in container.allKeys { members.append(key.stringValue, try container.decode(JSONValue.self, forKey: key)) }
            self = .object(members)
            return
        }
        if var container = try? decoder.unkeyedContainer() {
            var elements: [JSONValue] = []
            while !container.isAtEnd { elements.append(try container.decode(JSONValue.self)) }
            self = .array(elements)
            return
        }
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int64.self) {
            self = .integer(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else {
            self = .string(try container.decode(String.self))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        switch self {
        case .object(let members):
            var container = encoder.container(keyedBy: JSONKey.self)
            for (key, value) in members { try container.encode(value, forKey: JSONKey(stringValue: key)) }
        case .array(let elements):
            var container = encoder.unkeyedContainer()
            for element in elements { try container.encode(element) }
        default:
            var container = encoder.singleValueContainer()
            switch self {
            case .bool(let value): try container.encode(value)
            case .integer(let value): try container.encode(value)
            case .number(let value): try container.encode(value)
            case .string(let value): try container.encode(value)
            default: try container.encodeNil()
            }
        }
    }
}
