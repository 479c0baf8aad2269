// HTTPRequest: what a handler sees of a request, borrowed from the connection; nothing is copied or looked up before it is asked for.
// HTTPRequestCopy: the same as a value of its own, for handlers that are in no hurry.

import CMicrohttpd
import Glibc
import MantaModel

/// A request, valid only during the call that got it. `HTTPServer.withRequest` gives it again while the request waits for its answer.
package struct HTTPRequest: ~Copyable {
    private let slot: UnsafeMutablePointer<Slot>

    init(_ slot: UnsafeMutablePointer<Slot>) { self.slot = slot }

    package var token: RequestToken { slot.pointee.token }
    package var method: HTTPMethod { slot.pointee.method }
    /// The path, decoded once.
    package var path: String { String(decoding: pathBytes, as: UTF8.self) }
    /// The path, decoded once: UTF-8 that begins with a slash and has no dot segments.
    package var pathBytes: UnsafeRawBufferPointer { slot.pointee.path }
    /// The path as it was sent.
    package var rawPathBytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: slot.pointee.target.bytes[slot.pointee.parts.path]) }
    /// What follows the question mark, as it was sent; empty if nothing does.
    package var queryBytes: UnsafeRawBufferPointer { slot.pointee.query }
    /// The decoded value of the first query parameter of that name; empty if it has none.
    package func query(_ name: String) -> String? { slot.pointee.query.isEmpty ? nil : queryValue(name, in: slot.pointee.query) }
    package var body: UnsafeRawBufferPointer { slot.pointee.body.bytes }
    /// Identifies the request in the response, in errors and in logs.
    package var requestID: String { String(decoding: requestIDBytes, as: UTF8.self) }
    package var requestIDBytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: slot.pointee.requestID.bytes.dropLast()) }

    /// The value of the first header of that name, in any letters.
    package func header(_ name: StaticString) -> String? {
        headerBytes(name).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The value of the first header of that name, in any letters.
    package func headerBytes(_ name: StaticString) -> UnsafeRawBufferPointer? {
        var value: UnsafePointer<CChar>?
        var count = 0
        let found = MHD_lookup_connection_value_n(slot.pointee.connection, .HEADER_KIND, cString(name), name.utf8CodeUnitCount, &value, &count)
        return found == .YES ? UnsafeRawBufferPointer(start: value, count: count) : nil
    }

    /// Shows every header line, in the order of the request.
    package func forEachHeader(_ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Void) {
        withoutActuallyEscaping(body) { body in
            var visit: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void = body
            withUnsafeMutablePointer(to: &visit) { visit in
                _ = MHD_get_connection_values_n(
                    slot.pointee.connection, .HEADER_KIND,
                    { context, _, name, nameCount, value, valueCount in
                        context?.assumingMemoryBound(to: ((UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void).self).pointee(
                            UnsafeRawBufferPointer(start: name, count: nameCount), UnsafeRawBufferPointer(start: value, count: valueCount))
                        return .YES
                    }, visit)
            }
        }
    }

    /// The client's address without its port, such as `127.0.0.1` or `::1`.
    package var remoteAddress: String {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = withUnsafeMutableBytes(of: &storage) { bytes in
            bytes.baseAddress.map { getpeername(slot.pointee.descriptor, $0.assumingMemoryBound(to: sockaddr.self), &size) } ?? -1
        }
        return result == 0 ? numericAddress(of: storage) : "unknown"
    }

    /// The request as a value that lives as long as it is needed.
    package func copy() -> HTTPRequestCopy {
        var headers: [HTTPHeader] = []
        forEachHeader { headers.append(HTTPHeader(String(decoding: $0, as: UTF8.self), String(decoding: $1, as: UTF8.self))) }
        return HTTPRequestCopy(
            method: method, path: path, queryText: String(decoding: queryBytes, as: UTF8.self), headers: headers, body: Array(body), requestID: requestID,
            remoteAddress: remoteAddress)
    }
}

/// A request as a value.
package struct HTTPRequestCopy: Sendable {
    package var method: HTTPMethod
    /// The path, decoded once.
    package var path: String
    /// What follows the question mark, as it was sent.
    package var queryText: String
    package var headers: [HTTPHeader]
    package var body: [UInt8]
    package var requestID: String
    package var remoteAddress: String

    package init(
        method: HTTPMethod, path: String, queryText: String = "", headers: [HTTPHeader] = [], body: [UInt8] = [], requestID: String = "",
        remoteAddress: String = "127.0.0.1"
    ) {
        (self.method, self.path, self.queryText, self.headers, self.body) = (method, path, queryText, headers, body)
        (self.requestID, self.remoteAddress) = (requestID, remoteAddress)
    }

    /// The decoded value of the first query parameter of that name; empty if it has none.
    package func query(_ name: String) -> String? {
        var text = queryText
        return text.withUTF8 { queryValue(name, in: UnsafeRawBufferPointer($0)) }
    }

    /// The value of the first header of that name, in any letters.
    package func header(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }
}
