// JSONParser: bytes into a JSONValue by way of jansson. No json_t leaves this file.
//
// Strict: one document of any kind and nothing after it but white space, UTF-8 only, no key twice, no U+0000, integers within Int64. Size and depth are checked
// before jansson sees a byte, because jansson recurses and its own limit (2048 levels) costs stack.

import CJansson

/// How large and how deep a JSON text may be.
package struct JSONLimits: Hashable, Sendable {
    /// Bytes of text, 1 MiB by default.
    package var bytes: Int
    /// Levels of arrays and objects, 64 by default.
    package var depth: Int

    package init(bytes: Int = 1 << 20, depth: Int = 64) {
        (self.bytes, self.depth) = (bytes, depth)
    }
}

extension JSONValue {
    /// Reads one JSON document.
    package static func parse(_ bytes: UnsafeRawBufferPointer, limits: JSONLimits = JSONLimits()) throws(JSONError) -> JSONValue {
        guard bytes.count <= limits.bytes else { throw .tooLarge(size: bytes.count, limit: limits.bytes) }
        try checkDepth(bytes, limit: limits.depth)
        var failure = json_error_t()
        guard let start = bytes.baseAddress, !bytes.isEmpty else { throw .syntax(message: "the text is empty; expected \(aValue)", at: position(of: 0, in: bytes)) }
        guard let document = json_loadb(start.assumingMemoryBound(to: CChar.self), bytes.count, size_t(JSON_REJECT_DUPLICATES | JSON_DECODE_ANY), &failure)
        else { throw syntaxError(failure, in: bytes) }
        defer { json_decref(document) }
        return try JSONValue(borrowing: document)
    }

    /// Reads one JSON document.
    package static func parse(_ bytes: [UInt8], limits: JSONLimits = JSONLimits()) throws(JSONError) -> JSONValue {
        try bytes.withUnsafeBytes { raw in Result { () throws(JSONError) in try parse(raw, limits: limits) } }.get()
    }

    /// Reads one JSON document.
    package static func parse(_ text: String, limits: JSONLimits = JSONLimits()) throws(JSONError) -> JSONValue {
        try parse(Array(text.utf8), limits: limits)
    }

    /// Copies what jansson read. Recursion is bounded by the depth limit.
    private init(borrowing node: UnsafeMutablePointer<json_t>) throws(JSONError) {
        switch node.pointee.type {
        case JSON_TRUE: self = .bool(true)
        case JSON_FALSE: self = .bool(false)
        case JSON_INTEGER: self = .integer(Int64(json_integer_value(node)))
        case JSON_REAL: self = .number(json_real_value(node))
        case JSON_STRING: self = .string(String(copying: json_string_value(node), count: json_string_length(node)))
        case JSON_ARRAY:
            let count = json_array_size(node)
            var elements: [JSONValue] = []
            elements.reserveCapacity(count)
            for index in 0..<count {
                guard let element = json_array_get(node, index) else { continue }
                elements.append(try JSONValue(borrowing: element))
            }
            self = .array(elements)
        case JSON_OBJECT:
            var members = JSONObject()
            var iterator = json_object_iter(node)
            while let member = iterator {
                let key = String(copying: json_object_iter_key(member), count: json_object_iter_key_len(member))
                if let value = json_object_iter_value(member) {
                    let isNew = members.append(key, try JSONValue(borrowing: value))
                    // jansson compares bytes; Swift also takes composed and decomposed accents for the same text.
                    guard isNew else { throw .invalid(path: key, reason: "this key occurs twice in one object") }
                }
                iterator = json_object_iter_next(node, member)
            }
            self = .object(members)
        default: self = .null
        }
    }
}

/// What may stand where a value is expected.
private let aValue = "a value (an object, array, string, number, true, false or null)"

/// Counts brackets outside of strings. Bytes that are no JSON at all are left to jansson to complain about.
private func checkDepth(_ bytes: UnsafeRawBufferPointer, limit: Int) throws(JSONError) {
    var depth = 0
    var inString = false
    var index = 0
    while index < bytes.count {
        switch bytes[index] {
        case UInt8(ascii: "\""): inString.toggle()
        case UInt8(ascii: "\\") where inString: index += 1
        case UInt8(ascii: "["), UInt8(ascii: "{"):
            guard !inString else { break }
            depth += 1
            guard depth <= limit else { throw .tooDeep(limit: limit, at: position(of: index, in: bytes)) }
        case UInt8(ascii: "]"), UInt8(ascii: "}"):
            if !inString { depth -= 1 }
        default: break
        }
        index += 1
    }
}

/// jansson's complaint in our words: it names what it found, and often what it expected.
private func syntaxError(_ failure: json_error_t, in bytes: UnsafeRawBufferPointer) -> JSONError {
    var failure = failure
    let text = withUnsafeBytes(of: &failure.text) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    let code = json_error_code(&failure)
    let message =
        switch code {
        case json_error_premature_end_of_input: "the text ends too early; \(text)"
        case json_error_end_of_input_expected: "expected the end of the text after the document; \(text)"
        case json_error_invalid_utf8: "expected UTF-8; \(text)"
        case json_error_duplicate_key: "this key occurs twice in one object; \(text)"
        case json_error_numeric_overflow: "expected a number in the range of a 64-bit integer or double; \(text)"
        case json_error_null_byte_in_key, json_error_null_character: "expected no U+0000 in a string; \(text)"
        default: text.contains("expected ") && !text.hasPrefix("unexpected token") ? text : "expected \(aValue); \(text)"
        }
    // jansson counts the byte after the token it stumbled over; columns likewise.
    return .syntax(message: message, at: .init(line: max(1, Int(failure.line)), column: max(1, Int(failure.column)), byte: max(0, Int(failure.position) - 1)))
}

/// The line and column of a byte.
private func position(of byte: Int, in bytes: UnsafeRawBufferPointer) -> JSONError.Position {
    var (line, column) = (1, 1)
    for value in bytes.prefix(byte) {
        if value == UInt8(ascii: "\n") {
            (line, column) = (line + 1, 1)
        } else if value & 0xC0 != 0x80 {
            column += 1  // continuation bytes belong to the character before
        }
    }
    return .init(line: line, column: column, byte: byte)
}

extension String {
    /// Copies text of the C library, which has checked that it is UTF-8.
    fileprivate init(copying start: UnsafePointer<CChar>?, count: Int) {
        let bytes = UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : count)
        self.init(decoding: bytes, as: UTF8.self)
    }
}
