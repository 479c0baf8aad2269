// Request: an HTTP request as a backend sees it, and as Swift code makes one for a handle: the bytes that travel, its parts read when they are asked for.

import MantaJSON
public import MantaModel
package import MantaWire

/// A header line.
public struct Header: Hashable, Sendable {
    public var name: String
    public var value: String
    public init(_ name: String, _ value: String) { (self.name, self.value) = (name, value) }
}

/// A request.
public struct Request: Sendable {
    package let call: HTTPCall

    package init(_ call: HTTPCall) { self.call = call }

    /// A request for `EndpointHandle.call`.
    ///
    /// - Parameters:
    ///   - query: name and value of each parameter, not escaped.
    public init(
        method: RequestMethod = .get, path: String = "/", query: [(name: String, value: String)] = [], headers: [Header] = [], body: [UInt8] = []
    ) {
        let bytes = Self.bytes(requestID: "", endpoint: "", method: method.rawValue, path: path, query: QueryText.write(query), headers: headers, body: body)
        do throws(MantaError) { call = try HTTPCall(bytes) } catch { preconditionFailure("a request that was just written can be read: \(error)") }
    }

    /// A request with a text as its body.
    public init(method: RequestMethod = .post, path: String = "/", text: String) {
        self.init(method: method, path: path, headers: [Header("Content-Type", "text/plain; charset=utf-8")], body: Array(text.utf8))
    }

    /// Identifies the request in answers, errors and logs.
    public var requestID: String { call.requestID }
    /// The name of the endpoint it came in by.
    public var endpoint: String { call.endpoint }
    /// GET, POST …
    public var method: String { call.method }
    /// The whole path, the endpoint's route included, decoded.
    public var path: String { call.path }
    /// The body's bytes.
    public var body: [UInt8] { call.body }
    /// The body as text; bytes that are not UTF-8 become U+FFFD.
    public var text: String { call.withBody { String(decoding: $0, as: UTF8.self) } }
    /// Every header line, in order.
    public var headers: [Header] { call.headerLines.map { Header($0.name, $0.value) } }
    /// What stands behind the question mark, as it was sent.
    public var queryText: String { call.query }
    /// The query's parameters, decoded, in order.
    public var query: [(name: String, value: String)] { QueryText.read(call.query) }

    /// The value of the first header of that name, in any letters.
    public func header(_ name: String) -> String? { call.header(name) }

    /// The decoded value of the first query parameter of that name.
    public func query(_ name: String) -> String? { query.first { $0.name == name }?.value }

    /// Lends the body's bytes without copying them.
    public func withBody<Result>(_ use: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result { try call.withBody(use) }

    /// The body, JSON, as a Swift value. `ConfigurationValue` takes JSON of any shape.
    ///
    /// - Throws: `MantaError` with the code `malformed` for what is not JSON, `wrongType` for what does not fit; both say where.
    public func json<Value: Decodable>(as type: Value.Type = Value.self) throws -> Value {
        let limits = JSONLimits(bytes: 64 << 20, depth: 64)
        let document: JSONValue
        do throws(JSONError) {
            document = try JSONValue.parse(call.body, limits: limits)
        } catch { throw MantaError(.malformed, "the request's body is no JSON: \(error)") }
        do throws(JSONError) { return try JSONCoder.decode(type, from: document) } catch {
            throw MantaError(.wrongType, "the request's body does not fit: \(error)")
        }
    }

    /// The same request under the endpoint's name, with an identifier.
    func addressed(to endpoint: String, requestID: String) -> [UInt8] {
        Self.bytes(requestID: requestID, endpoint: endpoint, method: method, path: path, query: call.query, headers: headers, body: body)
    }

    private static func bytes(
        requestID: String, endpoint: String, method: String, path: String, query: String, headers: [Header], body: [UInt8]
    ) -> [UInt8] {
        var writer = MessagePackWriter(reserving: body.count + 256)
        var (requestID, path, query) = (requestID, path, query)
        requestID.withUTF8 { requestID in
            path.withUTF8 { path in
                query.withUTF8 { query in
                    body.withUnsafeBytes { body in
                        writer.writeHTTPCall(
                            requestID: UnsafeRawBufferPointer(requestID), endpoint: endpoint, method: method, path: UnsafeRawBufferPointer(path),
                            query: UnsafeRawBufferPointer(query), body: body
                        ) { $0.write(headers) }
                    }
                }
            }
        }
        return writer.bytes
    }
}

extension MessagePackWriter {
    /// Writes header lines and says how many.
    mutating func write(_ headers: [Header]) -> Int {
        for header in headers {
            write(header.name)
            write(header.value)
        }
        return headers.count
    }
}

/// The form of a query: `a=1&b=two%20words`.
enum QueryText {
    static func read(_ text: String) -> [(name: String, value: String)] {
        text.split(separator: "&").map { pair in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (decode(parts[0]), parts.count > 1 ? decode(parts[1]) : "")
        }
    }

    static func write(_ parameters: [(name: String, value: String)]) -> String {
        parameters.map { "\(encode($0.name))=\(encode($0.value))" }.joined(separator: "&")
    }

    private static func decode(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16), rest.count >= 2 {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func encode(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
                UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "~"):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                result += digits.count == 1 ? "%0\(digits)" : "%\(digits)"
            }
        }
        return result
    }
}
