// HTTP: requests and responses between proxies and replicas, written and read by hand straight from and into their buffers.
//
// A request is the one argument of an ordinary `CallActor`, a response the one value of an ordinary `TaskDone`, each as MessagePack binary that holds:
//   request:  [requestID, endpoint, method, path, query, [name, value, name, value …], body]   (strings, an array of strings, binary)
//   response: [status, [name, value …], body]
// The path is decoded once, the query is as it was sent (without its question mark), header names are as they were sent.

package import MantaModel

/// A request as a replica gets it: ranges of the bytes that came; strings are made when they are asked for.
package struct HTTPCall: Sendable {
    private let bytes: [UInt8]
    private let requestIDRange, endpointRange, methodRange, pathRange, queryRange: Range<Int>
    private let headers: MessagePackReader
    private let headerStrings: Int
    package let bodyRange: Range<Int>

    /// Reads a request; throws `malformed`.
    package init(_ bytes: [UInt8]) throws(MantaError) {
        self.bytes = bytes
        var reader = MessagePackReader(bytes)
        try reader.readArrayHeader(of: 7)
        requestIDRange = try reader.readStringRange()
        endpointRange = try reader.readStringRange()
        methodRange = try reader.readStringRange()
        pathRange = try reader.readStringRange()
        queryRange = try reader.readStringRange()
        headerStrings = try reader.readArrayHeader()
        guard headerStrings % 2 == 0 else { throw MantaError(.malformed, "an HTTP request has \(headerStrings) header strings; expected names and values in pairs") }
        headers = reader
        for _ in 0..<headerStrings { _ = try reader.readStringRange() }
        bodyRange = try reader.readBinaryRange()
    }

    package var requestID: String { text(requestIDRange) }
    package var endpoint: String { text(endpointRange) }
    package var method: String { text(methodRange) }
    package var path: String { text(pathRange) }
    package var query: String { text(queryRange) }
    package var body: [UInt8] { bytes.withUnsafeBufferPointer { Array(UnsafeBufferPointer(rebasing: $0[bodyRange])) } }

    /// Lends the body without copying it.
    package func withBody<Result>(_ use: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try bytes.withUnsafeBytes { try use(UnsafeRawBufferPointer(rebasing: $0[bodyRange])) }
    }

    /// Every header line, in the order of the request.
    package var headerLines: [(name: String, value: String)] {
        var reader = headers
        var lines: [(name: String, value: String)] = []
        lines.reserveCapacity(headerStrings / 2)
        for _ in 0..<headerStrings / 2 {
            // The ranges were checked when the request was read.
            guard let name = try? reader.readStringRange(), let value = try? reader.readStringRange() else { break }
            lines.append((text(name), text(value)))
        }
        return lines
    }

    /// The value of the first header of that name, whatever its letters' case.
    package func header(_ name: String) -> String? {
        var reader = headers
        var wanted = name
        for _ in 0..<headerStrings / 2 {
            guard let found = try? reader.readStringRange(), let value = try? reader.readStringRange() else { break }
            if found.count == wanted.utf8.count, wanted.withUTF8({ wanted in zip(found, wanted).allSatisfy { lower(bytes[$0]) == lower($1) } }) {
                return text(value)
            }
        }
        return nil
    }

    private func text(_ range: Range<Int>) -> String {
        bytes.withUnsafeBufferPointer { String(decoding: UnsafeBufferPointer(rebasing: $0[range]), as: UTF8.self) }
    }
    private func lower(_ byte: UInt8) -> UInt8 { byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte }
}

/// A response as a proxy gets it: ranges of the bytes that came.
package struct HTTPAnswer: Sendable {
    private let bytes: [UInt8]
    package let status: Int
    private let headers: MessagePackReader
    private let headerStrings: Int
    package let bodyRange: Range<Int>

    /// Reads a response out of `range`; throws `malformed`.
    package init(_ bytes: [UInt8], range: Range<Int>) throws(MantaError) {
        self.bytes = bytes
        var reader = MessagePackReader(bytes, range: range)
        try reader.readArrayHeader(of: 3)
        status = try reader.readInt()
        guard (200...599).contains(status) else { throw MantaError(.malformed, "an HTTP response has the status \(status); expected 200 to 599") }
        headerStrings = try reader.readArrayHeader()
        guard headerStrings % 2 == 0 else { throw MantaError(.malformed, "an HTTP response has \(headerStrings) header strings; expected names and values in pairs") }
        headers = reader
        for _ in 0..<headerStrings { _ = try reader.readStringRange() }
        bodyRange = try reader.readBinaryRange()
    }

    package var body: [UInt8] { bytes.withUnsafeBufferPointer { Array(UnsafeBufferPointer(rebasing: $0[bodyRange])) } }

    /// Lends the body without copying it.
    package func withBody<Result>(_ use: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try bytes.withUnsafeBytes { try use(UnsafeRawBufferPointer(rebasing: $0[bodyRange])) }
    }

    package var hasHeaders: Bool { headerStrings > 0 }

    /// Shows every header line, in order.
    package func forEachHeader(_ show: (_ name: String, _ value: String) -> Void) {
        var reader = headers
        for _ in 0..<headerStrings / 2 {
            guard let name = try? reader.readString(), let value = try? reader.readString() else { return }
            show(name, value)
        }
    }
}

/// A proxy's call of a replica: written on the wire as the `CallActor` it is, without an array in between.
///
/// `fill` writes the request: see `MessagePackWriter.writeHTTPCall`.
package struct CallReplica<Filling>: WireMessage where Filling: HTTPCallSource {
    package static var kind: MessageKind { .callActor }
    private let task: TaskID
    private let actor: ActorID
    private let sequence: UInt64
    private let method: UInt32
    private let source: Filling

    package init(task: TaskID, actor: ActorID, sequence: UInt64, method: UInt32, source: Filling) {
        (self.task, self.actor, self.sequence, self.method, self.source) = (task, actor, sequence, method, source)
    }

    package func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(9)
        writer.write(task)
        writer.write(actor)
        writer.write(JobID(high: 0, low: 0))
        writer.writeNil()
        writer.write(sequence)
        writer.write(method)
        writer.writeEmptyString()
        writer.write(UInt32(1))
        // One argument: a value, whose encoding is binary, whose content is the request.
        writer.writeArrayHeader(1)
        let value = writer.beginBinary()
        let request = writer.beginBinary()
        source.write(into: &writer)
        writer.endBinary(request)
        writer.endBinary(value)
    }

    /// Calls are only ever read as `CallActor`.
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        throw MantaError(.malformed, "a call of a replica is read as CallActor")
    }
}

/// What can write itself as a request, from wherever its parts lie.
package protocol HTTPCallSource: Sendable {
    /// Writes the request's array, by `writeHTTPCall`.
    func write(into writer: inout MessagePackWriter)
}

/// The end of a call of a replica: read from the `TaskDone` it is, without an array in between.
package struct ReplicaDone: WireMessage {
    package static var kind: MessageKind { .taskDone }
    package enum Outcome: Sendable {
        case answer(HTTPAnswer)
        /// The backend threw: the encoded error.
        case thrown([UInt8])
        /// The platform could not run it.
        case failed(MantaError)
    }
    package let task: TaskID
    package let outcome: Outcome
    /// How long the backend ran, in nanoseconds.
    package let duration: UInt64

    package func encode(into writer: inout MessagePackWriter) throws(MantaError) {
        throw MantaError(.malformed, "the end of a call of a replica is written as TaskDone")
    }

    package init(from reader: inout MessagePackReader) throws(MantaError) {
        // The references inside the values, if any, are nothing to a proxy.
        _ = try reader.readArrayHeader(atLeast: 5)
        task = try reader.readIdentifier()
        _ = try reader.readUInt32()
        _ = try reader.readInt64()
        duration = try reader.readUInt64()
        guard try reader.peek() == .array else {
            switch try reader.readOutcome() {
            case .thrown(let error): outcome = .thrown(error)
            case .failed(let error): outcome = .failed(error)
            case .values: throw reader.unexpected("a task's outcome")
            }
            return
        }
        try reader.readArrayHeader(of: 1)
        let value = try reader.readBinaryRange()
        var inner = MessagePackReader(reader.bytes, range: value)
        let answer = try inner.readBinaryRange()
        outcome = .answer(try HTTPAnswer(reader.bytes.array, range: answer))
    }
}

extension MessagePackWriter {
    /// Writes a request's array; `headers` writes each line with `writeHTTPHeader` and returns how many it wrote.
    @inlinable package mutating func writeHTTPCall(
        requestID: UnsafeRawBufferPointer, endpoint: String, method: String, path: UnsafeRawBufferPointer, query: UnsafeRawBufferPointer,
        body: UnsafeRawBufferPointer, headers: (inout MessagePackWriter) -> Int
    ) {
        writeArrayHeader(7)
        writeString(requestID)
        write(endpoint)
        write(method)
        writeString(path)
        writeString(query)
        writeHTTPHeaders(headers)
        writeBinary(body)
    }

    /// Writes a response's array.
    @inlinable package mutating func writeHTTPAnswer(status: Int, body: UnsafeRawBufferPointer, headers: (inout MessagePackWriter) -> Int) {
        writeArrayHeader(3)
        write(status)
        writeHTTPHeaders(headers)
        writeBinary(body)
    }

    @inlinable package mutating func writeHTTPHeader(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
        writeString(name)
        writeString(value)
    }

    /// An array whose length is known when it is written: its header always has three bytes.
    @inlinable mutating func writeHTTPHeaders(_ headers: (inout MessagePackWriter) -> Int) {
        let place = bytes.count
        append(0xdc, UInt16(0))
        let count = UInt16(truncatingIfNeeded: 2 * headers(&self))
        bytes[place + 1] = UInt8(truncatingIfNeeded: count >> 8)
        bytes[place + 2] = UInt8(truncatingIfNeeded: count)
    }

    /// Bytes that are UTF-8.
    @inlinable package mutating func writeString(_ text: UnsafeRawBufferPointer) {
        switch text.count {
        case 0...31: bytes.append(0xa0 | UInt8(truncatingIfNeeded: text.count))
        case 32...0xff: append(0xd9, UInt8(truncatingIfNeeded: text.count))
        case 0x100...0xffff: append(0xda, UInt16(truncatingIfNeeded: text.count))
        default: append(0xdb, UInt32(truncatingIfNeeded: text.count))
        }
        bytes.append(contentsOf: text)
    }

    @inlinable mutating func writeEmptyString() { bytes.append(0xa0) }

    /// Begins binary whose length is not known yet; what `endBinary` needs.
    @inlinable package mutating func beginBinary() -> Int {
        append(0xc6, UInt32(0))
        return bytes.count
    }

    @inlinable package mutating func endBinary(_ start: Int) {
        let count = UInt32(truncatingIfNeeded: bytes.count - start)
        for byte in 0..<4 { bytes[start - 4 + byte] = UInt8(truncatingIfNeeded: count >> (24 - 8 * UInt32(byte))) }
    }
}

extension MessagePackReader {
    /// Where a string's UTF-8 lies within `bytes`; the reader stands behind it afterwards.
    package mutating func readStringRange() throws(MantaError) -> Range<Int> {
        guard position < end else { throw MantaError(.malformed, "at byte \(position): the message ends where a string was expected") }
        let tag = bytes[position]
        position += 1
        let size: Int
        switch tag {
        case 0xa0...0xbf: size = 0
        case 0xd9: size = 1
        case 0xda: size = 2
        case 0xdb: size = 4
        default: throw unexpected("a string")
        }
        guard size <= remaining else { throw unexpected("the length of a string") }
        var count = size == 0 ? Int(tag & 0x1f) : 0
        for _ in 0..<size {
            count = count << 8 | Int(bytes[position])
            position += 1
        }
        guard count <= remaining else { throw MantaError(.malformed, "at byte \(position): a string of \(count) bytes does not fit the \(remaining) that are left") }
        defer { position += count }
        return position..<position + count
    }
}
