// JSONValue: any JSON document as a Swift value, with literals, subscripts and typed access.
//
// A value tree, so it is Sendable and compares by content. Integers stay exact (Int64) and apart from numbers with a fraction or exponent.

/// A JSON document or a part of one.
///
///     let reply: JSONValue = ["status": "ok", "replicas": 3, "traffic": ["v1": 0.9, "v2": 0.1]]
///     reply["traffic"]["v1"].double  // 0.9
package enum JSONValue: Hashable, Sendable {
    case null
    case bool(Bool)
    /// A number written without fraction and exponent.
    case integer(Int64)
    /// Any other number. JSON has no NaN and no infinity: both are written as `null`.
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)
}

extension JSONValue {
    /// What kind of value it is, with its article, as error messages name it: "a string".
    package var kind: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .integer: "an integer"
        case .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }

    package var isNull: Bool { self == .null }
    package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    /// The integer; also that of a number without a fraction, such as `3.0`.
    package var integer: Int64? {
        switch self {
        case .integer(let value): value
        case .number(let value): Int64(exactly: value)
        default: nil
        }
    }
    /// The number, whichever way it was written.
    package var double: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }
    package var string: String? { if case .string(let value) = self { value } else { nil } }
    package var array: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
    package var object: JSONObject? { if case .object(let value) = self { value } else { nil } }

    /// The member of that name, or `null` if there is none or this is no object. Setting a member makes a `null` an object.
    package subscript(key: String) -> JSONValue {
        get { if case .object(let members) = self { members[key] ?? .null } else { .null } }
        set {
            var members = object ?? JSONObject()
            self = .null  // the members must be owned once, or every change would copy them
            members[key] = newValue
            self = .object(members)
        }
    }

    /// The element at that place, or `null` if there is none or this is no array.
    package subscript(index: Int) -> JSONValue {
        if case .array(let elements) = self, elements.indices.contains(index) { elements[index] } else { .null }
    }
}

extension JSONValue: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByStringInterpolation, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    package init(nilLiteral: ()) { self = .null }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(integerLiteral value: Int64) { self = .integer(value) }
    package init(floatLiteral value: Double) { self = .number(value) }
    package init(stringLiteral value: String) { self = .string(value) }
    package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    /// The members in the order written; a key written twice is a bug.
    package init(dictionaryLiteral elements: (String, JSONValue)...) { self = .object(JSONObject(uniqueMembers: elements)) }

    package init(_ value: Bool) { self = .bool(value) }
    package init(_ value: some BinaryInteger) { self = Int64(exactly: value).map(JSONValue.integer) ?? .number(Double(value)) }
    package init(_ value: Double) { self = .number(value) }
    package init(_ value: String) { self = .string(value) }
    package init(_ elements: [JSONValue]) { self = .array(elements) }
    package init(_ members: JSONObject) { self = .object(members) }
}

extension JSONValue: CustomStringConvertible {
    /// The document as compact JSON text.
    package var description: String { String(decoding: serialize(), as: UTF8.self) }
}
