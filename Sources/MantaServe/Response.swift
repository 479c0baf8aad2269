// Response: what a backend answers: a status, header lines, a body.

import MantaJSON
import MantaModel
import MantaWire

/// An answer.
///
/// Lengths, dates and connection headers are the server's; those given here are left out.
public struct Response: Hashable, Sendable {
    /// 200 to 599.
    public var status: Int
    public var headers: [Header]
    public var body: [UInt8]

    public init(status: Int = 200, headers: [Header] = [], body: [UInt8] = []) { (self.status, self.headers, self.body) = (status, headers, body) }

    /// Bytes of a type: `Response(bytes, contentType: "image/png")`.
    public init(_ body: [UInt8], contentType: String, status: Int = 200) {
        self.init(status: status, headers: [Header("Content-Type", contentType)], body: body)
    }

    /// A text, UTF-8.
    public static func text(_ text: String, status: Int = 200) -> Response {
        Response(Array(text.utf8), contentType: "text/plain; charset=utf-8", status: status)
    }

    /// A value as JSON.
    ///
    /// - Throws: `MantaError` with the code `wrongType` for what JSON lacks: NaN, infinity, numbers beyond 64 bits.
    public static func json(_ value: some Encodable, status: Int = 200) throws -> Response {
        do throws(JSONError) {
            return Response(try JSONCoder.encode(value).serialize(), contentType: "application/json", status: status)
        } catch { throw MantaError(.wrongType, "the value cannot be written as JSON: \(error)") }
    }

    /// The value of the first header of that name, in any letters.
    public func header(_ name: String) -> String? { headers.first { $0.name.lowercased() == name.lowercased() }?.value }

    /// The body as text; bytes that are not UTF-8 become U+FFFD.
    public var text: String { String(decoding: body, as: UTF8.self) }

    /// The body, JSON, as a Swift value.
    public func json<Value: Decodable>(as type: Value.Type = Value.self) throws -> Value {
        do throws(JSONError) { return try JSONCoder.decode(type, from: try JSONValue.parse(body, limits: JSONLimits(bytes: 64 << 20))) } catch {
            throw MantaError(.wrongType, "the response's body does not fit: \(error)")
        }
    }

    /// The bytes that travel; throws `invalidArgument` for a status that cannot be.
    func encoded() throws(MantaError) -> [UInt8] {
        guard (200...599).contains(status) else { throw MantaError(.invalidArgument, "the backend answered with the status \(status); expected 200 to 599") }
        var writer = MessagePackWriter(reserving: body.count + 64)
        body.withUnsafeBytes { body in writer.writeHTTPAnswer(status: status, body: body) { $0.write(headers) } }
        return writer.bytes
    }

    /// Reads what `encoded` wrote.
    init(encoded bytes: [UInt8]) throws(MantaError) {
        let answer = try HTTPAnswer(bytes, range: 0..<bytes.count)
        (status, body, headers) = (answer.status, answer.body, [])
        answer.forEachHeader { headers.append(Header($0, $1)) }
    }
}
