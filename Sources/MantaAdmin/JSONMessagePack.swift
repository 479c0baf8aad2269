// JSONMessagePack: JSON values as MessagePack and back, where people call methods with JSON and read results as JSON.
//
// What JSON lacks becomes what is nearest to it: binary is base64 text, an array of numbers an array, an integer above 2^63 a number. Map keys that are no
// text are written as text. Nesting is bounded on the way in by JSON's own limit and on the way out here.

package import MantaJSON
package import MantaModel
import MantaWire

package enum JSONMessagePack {
    /// Levels of arrays and maps in a result.
    static let depth = 128

    /// The value as MessagePack.
    package static func encode(_ value: JSONValue) -> [UInt8] {
        var writer = MessagePackWriter()
        write(value, into: &writer)
        return writer.bytes
    }

    private static func write(_ value: JSONValue, into writer: inout MessagePackWriter) {
        switch value {
        case .null: writer.writeNil()
        case .bool(let value): writer.write(value)
        case .integer(let value): writer.write(value)
        case .number(let value): writer.write(value)
        case .string(let value): writer.write(value)
        case .array(let elements):
            writer.writeArrayHeader(elements.count)
            for element in elements { write(element, into: &writer) }
        case .object(let members):
            writer.writeMapHeader(members.count)
            for member in members {
                writer.write(member.key)
                write(member.value, into: &writer)
            }
        }
    }

    /// One MessagePack value as JSON. Throws `malformed` when the bytes are none, `tooLarge` when it is nested too deep.
    package static func decode(_ bytes: [UInt8]) throws(MantaError) -> JSONValue {
        var reader = MessagePackReader(bytes)
        let value = try read(&reader, level: 0)
        guard reader.isAtEnd else { throw MantaError(.malformed, "\(reader.remaining) bytes follow the value; expected none") }
        return value
    }

    private static func read(_ reader: inout MessagePackReader, level: Int) throws(MantaError) -> JSONValue {
        guard level <= depth else { throw MantaError(.tooLarge, "the value is nested deeper than \(depth) levels; return a flatter one") }
        switch try reader.peek() {
        case .nil:
            _ = reader.readNilIfNext()
            return .null
        case .bool: return .bool(try reader.readBool())
        case .integer:
            if reader.bytes[reader.position] == 0xcf { return JSONValue(try reader.readUInt64()) }
            return .integer(try reader.readInt64())
        case .float: return .number(try reader.readDouble())
        case .string: return .string(try reader.readString())
        case .binary: return .string(base64(try reader.readBinary()[...]))
        case .array:
            let count = try reader.readArrayHeader()
            var elements: [JSONValue] = []
            elements.reserveCapacity(count)
            for _ in 0..<count { elements.append(try read(&reader, level: level + 1)) }
            return .array(elements)
        case .map:
            let count = try reader.readMapHeader()
            var members = JSONObject()
            for _ in 0..<count {
                let key = try read(&reader, level: level + 1)
                members[key.string ?? key.description] = try read(&reader, level: level + 1)
            }
            return .object(members)
        case .extension: return try numbers(&reader)
        }
    }

    private static func numbers(_ reader: inout MessagePackReader) throws(MantaError) -> JSONValue {
        let (kind, content) = try reader.readNumberArray()
        var elements: [JSONValue] = []
        elements.reserveCapacity(content.count / kind.elementSize)
        reader.bytes.withUnsafeBytes { bytes in
            for offset in stride(from: content.lowerBound, to: content.upperBound, by: kind.elementSize) {
                switch kind {
                // A 32-bit 0.1 is written 0.1, not as the 64-bit number it is nearest to.
                case .float:
                    let value = bytes.loadUnaligned(fromByteOffset: offset, as: Float.self)
                    elements.append(.number(Double("\(value)") ?? Double(value)))
                case .double: elements.append(.number(bytes.loadUnaligned(fromByteOffset: offset, as: Double.self)))
                case .int64: elements.append(.integer(bytes.loadUnaligned(fromByteOffset: offset, as: Int64.self)))
                case .uint64: elements.append(JSONValue(bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
                case .int32: elements.append(.integer(Int64(bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self))))
                case .uint32: elements.append(.integer(Int64(bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))))
                case .int16: elements.append(.integer(Int64(bytes.loadUnaligned(fromByteOffset: offset, as: Int16.self))))
                case .uint16: elements.append(.integer(Int64(bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))))
                case .int8: elements.append(.integer(Int64(bytes.loadUnaligned(fromByteOffset: offset, as: Int8.self))))
                case .uint8: elements.append(.integer(Int64(bytes[offset])))
                }
            }
        }
        return .array(elements)
    }

    static func base64(_ bytes: ArraySlice<UInt8>) -> String {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        var index = bytes.startIndex
        while index < bytes.endIndex {
            let left = bytes.endIndex - index
            let word = UInt32(bytes[index]) << 16 | (left > 1 ? UInt32(bytes[index + 1]) << 8 : 0) | (left > 2 ? UInt32(bytes[index + 2]) : 0)
            text.append(digits[Int(word >> 18)])
            text.append(digits[Int(word >> 12 & 63)])
            text.append(left > 1 ? digits[Int(word >> 6 & 63)] : UInt8(ascii: "="))
            text.append(left > 2 ? digits[Int(word & 63)] : UInt8(ascii: "="))
            index += 3
        }
        return String(decoding: text, as: UTF8.self)
    }
}
