// Handshake: the first messages on a link. The side that connects says Hello; the other answers Welcome or Refused; a side that hears a message from a
// peer it does not know (because it was restarted) answers HelloRequired, and the peer begins again.

package import MantaModel

/// The part a process plays.
package enum ProcessRole: String, Sendable, Codable {
    case head, node, proxy, worker, driver, admin, tool
}

/// Who speaks.
package struct Hello: WireMessage, Hashable {
    package static var kind: MessageKind { .hello }
    package var version: UInt32
    /// Unknown until a head has told it.
    package var cluster: ClusterID?
    package var role: ProcessRole
    package var process: ProcessID
    package var pid: Int32
    /// Where this process listens; empty when it does not.
    package var endpoint: String
    /// Name of the machine it runs on: process identifiers (pid) mean something only there.
    package var host: String

    package init(version: UInt32 = protocolVersion, cluster: ClusterID?, role: ProcessRole, process: ProcessID, pid: Int32, endpoint: String, host: String) {
        (self.version, self.cluster, self.role, self.process) = (version, cluster, role, process)
        (self.pid, self.endpoint, self.host) = (pid, endpoint, host)
    }

    package func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(7)
        writer.write(version)
        if let cluster { writer.write(cluster) } else { writer.writeNil() }
        writer.write(role.rawValue)
        writer.write(process)
        writer.write(Int64(pid))
        writer.write(endpoint)
        writer.write(host)
    }

    package init(from reader: inout MessagePackReader) throws(MantaError) {
        // Only the version is sure to be readable in a Hello of another version.
        let fields = try reader.readArrayHeader()
        version = try reader.readUInt32()
        guard version == protocolVersion else {
            (cluster, role, process, pid, endpoint, host) = (nil, .tool, ProcessID(high: 0, low: 0), 0, "", "")
            return
        }
        guard fields == 7 else { throw reader.unexpected("the seven fields of a Hello") }
        cluster = reader.readNilIfNext() ? nil : try reader.readIdentifier()
        let name = try reader.readString()
        guard let role = ProcessRole(rawValue: name) else { throw MantaError(.malformed, "a Hello names the unknown role \"\(name)\"") }
        self.role = role
        process = try reader.readIdentifier()
        pid = Int32(truncatingIfNeeded: try reader.readInt64())
        endpoint = try reader.readString()
        host = try reader.readString()
    }
}

/// The answer to a Hello that is accepted: who answers.
package struct Welcome: WireMessage, Hashable {
    package static var kind: MessageKind { .welcome }
    package var hello: Hello
    package init(hello: Hello) { self.hello = hello }
    package func encode(into writer: inout MessagePackWriter) { hello.encode(into: &writer) }
    package init(from reader: inout MessagePackReader) throws(MantaError) { hello = try Hello(from: &reader) }
}

/// The answer to a Hello that is not accepted, and to everything after it.
package struct Refused: WireMessage, Hashable {
    package static var kind: MessageKind { .refused }
    package var version: UInt32
    package var error: MantaError
    package init(version: UInt32 = protocolVersion, error: MantaError) { (self.version, self.error) = (version, error) }
    package func encode(into writer: inout MessagePackWriter) {
        writer.write(version)
        writer.write(error)
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        version = try reader.readUInt32()
        error = try reader.readError()
    }
}

/// "I do not know you; say Hello again": its sender was restarted.
package struct HelloRequired: WireMessage, Hashable {
    package static var kind: MessageKind { .helloRequired }
    package init() {}
    package func encode(into writer: inout MessagePackWriter) { writer.writeNil() }
    package init(from reader: inout MessagePackReader) throws(MantaError) { _ = reader.readNilIfNext() }
}

/// The answer of a request that has nothing to say but "done".
package struct Acknowledged: WireMessage, Hashable {
    package static var kind: MessageKind { .acknowledged }
    package init() {}
    package func encode(into writer: inout MessagePackWriter) { writer.writeNil() }
    package init(from reader: inout MessagePackReader) throws(MantaError) { _ = reader.readNilIfNext() }
}

/// The answer of a request that could not be done.
package struct Failed: WireMessage, Hashable {
    package static var kind: MessageKind { .failed }
    package var error: MantaError
    package init(error: MantaError) { self.error = error }
    package func encode(into writer: inout MessagePackWriter) { writer.write(error) }
    package init(from reader: inout MessagePackReader) throws(MantaError) { error = try reader.readError() }
}

extension MessagePackWriter {
    package mutating func write(_ error: MantaError) {
        // Without details as ever.
        let details = error.details.flatMap { try? ValueEncoder.bytes($0) }
        writeArrayHeader(details == nil ? 3 : 4)
        write(error.code.rawValue)
        write(error.message)
        if let cause = error.cause { write(cause) } else { writeNil() }
        if let details { writeBinary(details) }
    }
}

extension MessagePackReader {
    package mutating func readError() throws(MantaError) -> MantaError {
        let count = try readArrayHeader(atLeast: 3)
        var error = MantaError(MantaError.Code(rawValue: try readString()), try readString())
        error.cause = try readOptionalString()
        guard count > 3 else { return error }
        if !readNilIfNext() { error.details = try ValueDecoder.decode(MantaError.Details.self, from: readBinary()) }
        if count > 4 { try skipFields(from: 4, to: count) }
        return error
    }
}
