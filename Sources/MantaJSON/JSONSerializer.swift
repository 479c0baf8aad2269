// JSONSerializer: a JSONValue into text by way of jansson. No json_t leaves this file.
//
// What is written reads back equal, except that NaN and infinity, which JSON lacks, are written as null.

import CJansson

extension JSONValue {
    /// The document as UTF-8 JSON text: compact, or indented by two spaces if `pretty`.
    package func serialize(pretty: Bool = false) -> [UInt8] {
        var digits = 1
        guard let document = node(digits: &digits) else { return Array("null".utf8) }  // only without memory
        defer { json_decref(document) }
        let layout = pretty ? 2 : JSON_COMPACT
        // jansson writes every number of a document with one precision, so that is the least at which all of them read back exactly: 0.1 stays 0.1.
        let flags = size_t(layout | JSON_ENCODE_ANY) | size_t(digits) << 11
        var text: [UInt8] = []
        withUnsafeMutablePointer(to: &text) { text in
            _ = json_dump_callback(
                document,
                { chunk, count, text in
                    text?.assumingMemoryBound(to: [UInt8].self).pointee.append(contentsOf: UnsafeRawBufferPointer(start: chunk, count: count))
                    return 0
                }, text, flags)
        }
        return text
    }

    /// The document as jansson's tree; the caller owns it.
    private func node(digits: inout Int) -> UnsafeMutablePointer<json_t>? {
        switch self {
        case .null: return json_null()
        case .bool(let value): return value ? json_true() : json_false()
        case .integer(let value): return json_integer(json_int_t(value))
        case .number(let value):
            guard value.isFinite else { return json_null() }
            digits = max(digits, value.significantDigits)
            return json_real(value)
        case .string(let value):
            return value.withBytes { json_stringn_nocheck($0, $1) }
        case .array(let elements):
            let array = json_array()
            for element in elements { json_array_append_new(array, element.node(digits: &digits)) }
            return array
        case .object(let members):
            let object = json_object()
            for (key, value) in members {
                let node = value.node(digits: &digits)
                _ = key.withBytes { json_object_setn_new_nocheck(object, $0, $1, node) }
            }
            return object
        }
    }
}

extension Double {
    /// How many decimal digits it takes to write the number so that it reads back exactly and without an exponent that its description lacks.
    fileprivate var significantDigits: Int {
        var digits = 0
        for character in description.utf8 {
            switch character {
            case UInt8(ascii: "e"): return min(17, max(1, digits))
            case UInt8(ascii: "0") where digits == 0: break  // leading zeros are no digits
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digits += 1
            default: break
            }
        }
        // A whole number's description ends in ".0", which is no digit that carries anything.
        if description.hasSuffix(".0") { digits -= 1 }
        return min(17, max(1, digits))
    }
}

extension String {
    fileprivate func withBytes<Result>(_ body: (UnsafePointer<CChar>, Int) -> Result) -> Result {
        var copy = self
        return copy.withUTF8 { text in
            text.withMemoryRebound(to: CChar.self) { characters in
                guard let start = characters.baseAddress else { return withUnsafePointer(to: 0 as CChar) { body($0, 0) } }
                return body(start, characters.count)
            }
        }
    }
}
