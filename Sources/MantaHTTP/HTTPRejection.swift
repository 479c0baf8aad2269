// HTTPRejection: why a request is refused before any handler sees it. Each one is an answer with a status, a code for programs and a sentence for people.
//
// The sentences are constants: nothing of what a client sent comes back in them.

/// A refusal of the server itself; the connection is closed after it.
struct HTTPRejection: Error {
    let status: Int
    let code: StaticString
    let message: StaticString
    /// Names the methods that are served, where the refusal is about the method.
    var allowsMethods = false

    private static func bad(_ message: StaticString) -> HTTPRejection { HTTPRejection(status: 400, code: "badRequest", message: message) }

    // The request line
    static let targetForm = bad("the request target must begin with a slash")
    static let targetBytes = bad("the request target may hold printable ASCII only, without space, backslash and #; escape other bytes with %")
    static let escape = bad("the request target holds a % that is not followed by two hexadecimal digits")
    static let path = bad("the path must be UTF-8 and, decoded, without control characters, backslashes and dot segments")
    static let layout = bad("the request line and header lines must end with CR LF, hold no NUL, no folded lines and single spaces between their parts")
    static let targetAuthority = bad("the authority in the request target must be the same as the Host header")
    static let version = HTTPRejection(status: 505, code: "versionNotSupported", message: "the protocol version must be HTTP/1.1 or HTTP/1.0")
    static let method = HTTPRejection(
        status: 501, code: "notImplemented", message: "the method is unknown; methods are written in capital letters", allowsMethods: true)
    static let forbiddenMethod = HTTPRejection(status: 405, code: "methodNotAllowed", message: "this server is no proxy and does not trace", allowsMethods: true)
    static let targetTooLong = HTTPRejection(status: 414, code: "uriTooLong", message: "the request target is over this server's limit")

    // Header lines
    static let headerName = bad("a header name holds a byte that is not allowed there; no space may stand before the colon")
    static let headerValue = bad("a header value holds a control character")
    static let headersTooLarge = HTTPRejection(status: 431, code: "headersTooLarge", message: "the header is over this server's limit of lines or bytes")
    static let contentLengthTwice = bad("Content-Length occurs more than once")
    static let contentLength = bad("Content-Length must be decimal digits without leading zeros")
    static let transferEncodingTwice = bad("Transfer-Encoding occurs more than once")
    static let transferEncoding = HTTPRejection(status: 501, code: "notImplemented", message: "the only transfer encoding this server knows is chunked")
    static let transferEncodingInOldVersion = bad("HTTP/1.0 has no Transfer-Encoding")
    static let lengthAndEncoding = bad("Content-Length and Transfer-Encoding exclude each other")
    static let hostMissing = bad("an HTTP/1.1 request needs exactly one Host header")
    static let hostTwice = bad("Host occurs more than once")
    static let host = bad("the Host header must be a name or address with an optional port")
    static let hostUnknown = HTTPRejection(status: 421, code: "misdirectedRequest", message: "this server does not serve the host that the Host header names")
    static let expectation = HTTPRejection(status: 417, code: "expectationFailed", message: "the only expectation this server knows is 100-continue")

    // The body
    static let bodyTooLarge = HTTPRejection(status: 413, code: "payloadTooLarge", message: "the request body is over this server's limit")
    static let needlessBody = bad("a request with this method must not have a body here")
    static let smallChunks = bad("the body comes in too many too small chunks")
    static let bodyTooSlow = HTTPRejection(status: 408, code: "requestTimeout", message: "the request did not arrive in time")
    static let shuttingDown = HTTPRejection(status: 503, code: "unavailable", message: "the server is shutting down")
    static let deadline = HTTPRejection(status: 504, code: "timeout", message: "the request was not answered within its deadline")
}
