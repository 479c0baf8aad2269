// HTTPLimits: every bound of one HTTP server, with the two sets the platform uses. What is over a limit gets a clear 4xx or the connection is cut.

/// The bounds of one HTTP server.
package struct HTTPLimits: Sendable {
    /// Open connections; more wait in the listen queue.
    package var connections = 10_000
    /// Open connections of one remote address; more are closed at once. 0 means no such bound.
    package var connectionsPerAddress = 0
    /// Bytes of a request body; more is a 413.
    package var bodyBytes = 64 << 20
    /// Bytes from the method to the empty line; more is a 431.
    package var headerBytes = 16 << 10
    /// Header lines; more is a 431.
    package var headerLines = 128
    /// Bytes of the request target; more is a 414.
    package var targetBytes = 8 << 10
    /// Chunks of a chunked body beyond one per KiB; more is a 400.
    package var smallChunks = 100_000
    /// From the connection's or, later, the request line's arrival until the header is complete. A new connection that sends nothing is closed then.
    package var headerDeadline: Duration = .seconds(10)
    /// From the header's end until the body is complete, at least; larger bodies get a second per KiB.
    package var bodyDeadline: Duration = .seconds(30)
    /// A kept connection without a request, or one that does not take its response, is closed after this time.
    package var idleDeadline: Duration = .seconds(65)
    /// How long a handler may take until the server answers 504 in its place; a handler may set another time per request.
    package var requestDeadline: Duration = .seconds(60)
    /// Bytes that wait for one client of a stream; more ends the stream.
    package var streamBytes = 1 << 20
    /// Silence on a stream of events after which a comment is sent, to keep it and to notice that the client has gone.
    package var pingPeriod: Duration = .seconds(15)
    /// Whether GET, HEAD and DELETE may have a body; otherwise it is a 400.
    package var acceptsBodyWithoutNeed = true

    package init() {}

    /// For a proxy that serves users.
    package static let ingress = HTTPLimits()
    /// For the admin API and dashboard: few connections, small bodies, strict about bodies.
    package static let admin: HTTPLimits = {
        var limits = HTTPLimits()
        limits.connections = 256
        limits.connectionsPerAddress = 64
        limits.bodyBytes = 1 << 20
        limits.headerDeadline = .seconds(5)
        limits.bodyDeadline = .seconds(15)
        limits.requestDeadline = .seconds(30)
        limits.acceptsBodyWithoutNeed = false
        return limits
    }()
}
