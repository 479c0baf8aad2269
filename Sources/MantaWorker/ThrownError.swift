// ThrownError: what user code threw, as it travels to the caller.
//
// The thrown value goes along when its type is `Codable`, and comes out as the same type where that type can be found by name; any other comes out as
// `TaskError`, with the type's name and the value's description. A `TaskError` that passes through a further task stays what it was.

import Glibc
import MantaLoop
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
    var actor: ActorID?
    /// Nil where it is not known, as for an error of no task.
    var pid: Int32?
    var host: String?

    /// An error is not a way to move data: texts longer than this are cut, and of a value that is larger only its text travels.
    private static let textLimit = 16 * 1024
    private static let valueLimit = 1 << 20

    /// An error as people see it in lists and lines.
    static func text(of error: any Error) -> String {
        let text = String(describing: error)
        return text.utf8.count > textLimit ? String(text.prefix(textLimit / 4)) + "… (cut)" : text
    }

    package init(_ error: any Error, function: String, task: TaskID, node: NodeID, attempt: Int, actor: ActorID? = nil) {
        self.init(error, TaskError(typeName: "", message: "", function: function, task: task, node: node, attempt: attempt, actor: actor, pid: getpid(), host: Machine.name))
    }

    /// What was thrown where the report says.
    init(_ error: any Error, _ report: TaskError) {
        typeName = String(reflecting: type(of: error))
        message = String(String(describing: error).prefix(Self.textLimit))
        mangledName = _mangledTypeName(type(of: error)) ?? ""
        if let codable = error as? any Encodable, error is any Decodable, let bytes = try? ValueEncoder.bytes(codable), bytes.count <= Self.valueLimit { value = bytes }
        (function, task, node, attempt) = (report.function, report.task, report.node, report.attempt)
        (actor, pid, host) = (report.actor, report.pid, report.host)
    }

    /// The bytes that travel.
    package var encoded: [UInt8] {
        var writer = MessagePackWriter()
        writer.writeArrayHeader(11)
        writer.write(typeName)
        writer.write(message)
        writer.write(mangledName)
        if let value { writer.writeBinary(value) } else { writer.writeNil() }
        writer.write(function)
        writer.write(task)
        writer.write(node)
        writer.write(attempt)
        if let actor { writer.write(actor) } else { writer.writeNil() }
        if let pid { writer.write(Int(pid)) } else { writer.writeNil() }
        if let host { writer.write(host) } else { writer.writeNil() }
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

    /// And where it was thrown; nil when the bytes are not what `encoded` writes, or nobody knows.
    package static func reported(_ bytes: [UInt8]) -> (error: any Error, report: TaskError?) {
        do {
            let thrown = try read(bytes)
            return (thrown.error, thrown.function.isEmpty ? nil : thrown.report)
        } catch { return (error, nil) }
    }

    private static func read(_ bytes: [UInt8]) throws(MantaError) -> ThrownError {
        var reader = MessagePackReader(bytes)
        let count = try reader.readArrayHeader(atLeast: 8)
        let (typeName, message, mangledName) = (try reader.readString(), try reader.readString(), try reader.readString())
        let value: [UInt8]? = reader.readNilIfNext() ? nil : try reader.readBinary()
        let (function, task, node): (String, TaskID, NodeID) = (try reader.readString(), try reader.readIdentifier(), try reader.readIdentifier())
        let attempt = try reader.readInt()
        var thrown = ThrownError(
            typeName: typeName, message: message, mangledName: mangledName, value: value, function: function, task: task, node: node, attempt: attempt)
        guard count >= 11 else { return thrown }
        thrown.actor = reader.readNilIfNext() ? nil : try reader.readIdentifier()
        thrown.pid = reader.readNilIfNext() ? nil : Int32(truncatingIfNeeded: try reader.readInt())
        thrown.host = reader.readNilIfNext() ? nil : try reader.readString()
        return thrown
    }

    private init(typeName: String, message: String, mangledName: String, value: [UInt8]?, function: String, task: TaskID, node: NodeID, attempt: Int) {
        (self.typeName, self.message, self.mangledName, self.value) = (typeName, message, mangledName, value)
        (self.function, self.task, self.node, self.attempt) = (function, task, node, attempt)
    }

    private var report: TaskError {
        TaskError(
            typeName: typeName, message: message, function: function, task: task, node: node, attempt: attempt, actor: actor, pid: pid, host: host)
    }

    private var error: any Error {
        if let value, let type = _typeByName(mangledName) as? any (Error & Decodable).Type, let original = try? ValueDecoder.decode(type, from: value) {
            return original
        }
        return report
    }
}
