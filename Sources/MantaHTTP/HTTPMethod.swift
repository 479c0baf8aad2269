// HTTPMethod: the methods a handler can see. Everything else is answered by the server itself.

/// A request method.
package enum HTTPMethod: String, Sendable, CaseIterable {
    case get = "GET"
    case head = "HEAD"
    case post = "POST"
    case put = "PUT"
    case patch = "PATCH"
    case delete = "DELETE"
    case options = "OPTIONS"

    /// Whether a request body has a meaning for the method.
    package var needsBody: Bool {
        switch self {
        case .post, .put, .patch: true
        case .get, .head, .delete, .options: false
        }
    }

    /// The method of that exact spelling: methods are case-sensitive.
    init?(_ name: UnsafeRawBufferPointer) {
        func matches(_ spelling: StaticString) -> Bool {
            name.elementsEqual(UnsafeRawBufferPointer(start: spelling.utf8Start, count: spelling.utf8CodeUnitCount))
        }
        switch (name.count, name.first) {
        case (3, UInt8(ascii: "G")) where matches("GET"): self = .get
        case (4, UInt8(ascii: "P")) where matches("POST"): self = .post
        case (3, UInt8(ascii: "P")) where matches("PUT"): self = .put
        case (4, UInt8(ascii: "H")) where matches("HEAD"): self = .head
        case (5, UInt8(ascii: "P")) where matches("PATCH"): self = .patch
        case (6, UInt8(ascii: "D")) where matches("DELETE"): self = .delete
        case (7, UInt8(ascii: "O")) where matches("OPTIONS"): self = .options
        default: return nil
        }
    }
}
