// ThrownError: an error that user code threw, on its way to the caller: as itself when its type is Codable, else as a `TaskError` that describes it.
//
// Form: a list of three: the type's mangled name or nil, the error's own encoding or nil, the TaskError. `MantaError` and `TaskError` are Codable and so
// travel as themselves. A type is looked up only among those that conform to `Error` and `Decodable`, so a sender cannot name any other.

package import MantaModel

package enum ThrownError {
    /// The error's bytes; `function` to `attempt` say where it was thrown, for the case that it arrives as a `TaskError`.
    package static func encode(_ error: any Error, function: String, task: TaskID, node: NodeID, attempt: Int) -> [UInt8] {
        var error = error
        if error is CancellationError { error = MantaError(.cancelled, "\(function) was cancelled (task \(task.short))") }
        let description = TaskError(
            typeName: String(reflecting: type(of: error)), message: String(describing: error), function: function, task: task, node: node, attempt: attempt)
        var writer = MessagePackWriter()
        writer.writeArrayHeader(3)
        if let codable = error as? any Error & Encodable, let name = portableName(of: type(of: error)), let bytes = try? ValueEncoder.bytes(codable) {
            writer.write(name)
            writer.writeBinary(bytes)
        } else {
            writer.writeNil()
            writer.writeNil()
        }
        // A TaskError holds only strings and numbers; were it refused, the receiver would say that the error is unreadable.
        try? ValueEncoder.encode(description, into: &writer)
        return writer.bytes
    }

    /// The error, as itself if this program has its type, else the `TaskError`.
    package static func decode(_ bytes: [UInt8]) -> any Error {
        do throws(MantaError) {
            var reader = MessagePackReader(bytes)
            try reader.readArrayHeader(of: 3)
            let name = reader.readNilIfNext() ? nil : try reader.readString()
            let value = reader.readNilIfNext() ? nil : try reader.readBinary()
            let description = try ValueDecoder.decode(TaskError.self, from: &reader)
            guard let name, let value, let type = _typeByName(name) as? any (Error & Decodable).Type, let error = try? decoded(type, value) else {
                return description
            }
            return error
        } catch {
            return MantaError(.malformed, "a task failed, and its error cannot be read", cause: error)
        }
    }

    private static func decoded<Failure: Error & Decodable>(_ type: Failure.Type, _ bytes: [UInt8]) throws(MantaError) -> any Error {
        try ValueDecoder.decode(type, from: bytes)
    }

    /// The mangled name of a type that other processes can find by it; a private or local type's holds an address of this process.
    private static func portableName(of type: Any.Type) -> String? {
        guard let name = _mangledTypeName(type), !name.contains("$") else { return nil }
        return name
    }
}
