// HTTPResponse: what a handler answers. A value; how it becomes bytes is in HTTPServer+Respond.swift.
//
// Length, date, connection and transfer headers belong to the server and are not accepted here.

/// One header line.
package struct HTTPHeader: Hashable, Sendable {
    package var name: String
    package var value: String
    package init(_ name: String, _ value: String) { (self.name, self.value) = (name, value) }
}

/// What went wrong, as clients read it: `{"code", "message", "detail", "requestId"}`.
package struct HTTPFailure: Hashable, Sendable {
    /// A stable word for programs, such as `notFound`.
    package var code: String
    /// A sentence for people: what, where, what was expected, what to do. No raw input, no secrets.
    package var message: String
    /// More, if there is more: the member or parameter that is wrong.
    package var detail: String?

    package init(code: String, message: String, detail: String? = nil) {
        (self.code, self.message, self.detail) = (code, message, detail)
    }
}

/// The content of a response.
package enum HTTPBody: Sendable {
    case none
    /// Bytes that the response owns; they are not copied if they are many.
    case bytes([UInt8])
    case text(String)
    /// Becomes JSON with the request's identifier when it is sent.
    case failure(HTTPFailure)
    /// Content that is written later, piece by piece; the closure gets the stream on the loop and keeps it.
    case stream(@Sendable (HTTPStream) -> Void)
    /// Server-sent events: as `stream`, with comments while there is silence.
    case events(@Sendable (HTTPStream) -> Void)
}

/// An HTTP response.
package struct HTTPResponse: Sendable {
    package var status: Int
    /// Without it, text is `text/plain`, a failure `application/json`, events `text/event-stream`, and anything else `application/octet-stream`.
    package var contentType: String?
    package var headers: [HTTPHeader]
    package var body: HTTPBody
    /// Whether the connection ends after this response.
    package var closesConnection = false

    package init(status: Int = 200, contentType: String? = nil, headers: [HTTPHeader] = [], body: HTTPBody = .none) {
        (self.status, self.contentType, self.headers, self.body) = (status, contentType, headers, body)
    }

    /// A text, UTF-8.
    package static func text(_ text: String, status: Int = 200) -> HTTPResponse { HTTPResponse(status: status, body: .text(text)) }

    /// JSON that is serialized already.
    package static func json(_ bytes: [UInt8], status: Int = 200) -> HTTPResponse {
        HTTPResponse(status: status, contentType: "application/json", body: .bytes(bytes))
    }

    /// An error in the platform's form, not to be cached.
    package static func failure(_ status: Int, code: String, message: String, detail: String? = nil, headers: [HTTPHeader] = []) -> HTTPResponse {
        HTTPResponse(status: status, headers: headers, body: .failure(HTTPFailure(code: code, message: message, detail: detail)))
    }
}
