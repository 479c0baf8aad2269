// ThrownError: what user code threw, as it travels to the caller.
//
// The thrown value goes along when its type is `Codable`, and comes out as the same type where that type can be found by name; any other comes out as
// `TaskError`, with the type's name and the value's description. A `TaskError` that passes through a further task stays what it was.

package import MantaModel
import MantaWire

package struct ThrownError: Sendable {
    package var typeName: String
    package var message: String
    var mangledName: String
    /// The encoded value, when its type is `Codable`.
    var value: [UInt8]?
    var function: String
    var task: TaskID
    var node: NodeID
    var attempt: Int

    /// Texts longer than this are cut: an error is not a way to move data.
    private static let textLimit = 16 * 1024

    package init(_ error: any Error, function: String, task: TaskID, node: NodeID, attempt: Int) {
        typeName = String(reflecting: type(of: error))
        message = String(String(describing: error).prefix(Self.textLimit))
        mangledName = _mangledTypeName(type(of: error)) ?? ""
        if let codable = error as? any Encodable, error is any Decodable { value = try? ValueEncoder.bytes(codable) }
        (self.function, self.task, self.node, self.attempt) = (function, task, node, attempt)
    }

    /// The bytes that travel.
    package var encoded: [UInt8] {
        var writer = MessagePackWriter()
        writer.writeArrayHeader(8)
        writer.write(typeName)
        writer.write(message)
        writer.write(mangledName)
        if let value { writer.writeBinary(value) } else { writer.writeNil() }
        writer.write(function)
        writer.write(task)
        writer.write(node)
        writer.write(attempt)
        return writer.bytes
    }

    /// The name of the type that was thrown; nil when the bytes are not what `encoded` writes.
    package static func typeName(of bytes: [UInt8]) -> String? {
        var reader = MessagePackReader(bytes)
        guard (try? reader.readArrayHeader()) != nil else { return nil }
        return try? reader.readString()
    }

    /// Reads what `encoded` wrote and makes the error the caller sees.
    package static func decoded(_ bytes: [UInt8]) -> any Error {
        do { return try read(bytes).error } catch { return error }
    }

    private static func read(_ bytes: [UInt8]) throws(MantaError) -> ThrownError {
        var reader = MessagePackReader(bytes)
        try reader.readArrayHeader(of: 8)
        let (typeName, message, mangledName) = (try reader.readString(), try reader.readString(), try reader.readString())
        let value: [UInt8]? = reader.readNilIfNext() ? nil : try reader.readBinary()
        return ThrownError(
            typeName: typeName, message: message, mangledName: mangledName, value: value, function: try reader.readString(),
            task: try reader.readIdentifier(), node: try reader.readIdentifier(), attempt: try reader.readInt())
    }

    private init(typeName: String, message: String, mangledName: String, value: [UInt8]?, function: String, task: TaskID, node: NodeID, attempt: Int) {
        (self.typeName, self.message, self.mangledName, self.value) = (typeName, message, mangledName, value)
        (self.function, self.task, self.node, self.attempt) = (function, task, node, attempt)
    }

    private var error: any Error {
        if let value, let type = _typeByName(mangledName) as? any (Error & Decodable).Type, let original = try? ValueDecoder.decode(type, from: value) {
            return original
        }
        return TaskError(typeName: typeName, message: message, function: function, task: task, node: node, attempt: attempt)
    }
}
