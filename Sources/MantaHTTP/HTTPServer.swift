// HTTPServer: libmicrohttpd on an EventLoop, without a thread of its own. What it owns: the listening socket, the connections, the requests under way.
//
// Everything happens on the loop's thread: libmicrohttpd's callbacks, the handler, the replies. A request costs no allocation here besides the response
// that libmicrohttpd makes. A request that waits for its reply keeps its connection inside libmicrohttpd's ready list for a few milliseconds, because a
// suspension costs four system calls; only then it is suspended. While such requests wait, libmicrohttpd asks to be run again at once, for ever; so what
// it says is believed only if some connection can really go on (see `wait`).
//
// What libmicrohttpd calls is in HTTPServer+Callbacks.swift, replies in +Respond, time in +Deadlines, the loop and the end in +Life.

import CMicrohttpd
import Glibc
package import MantaLoop
package import MantaModel

/// Answers requests. Its methods are called on the server's loop and must not block.
package protocol HTTPHandler: AnyObject {
    /// Takes a request, which is borrowed for the call; `server.respond` answers it now or later, on the loop.
    func handle(_ request: borrowing HTTPRequest, token: RequestToken, server: HTTPServer)
    /// The request ended without the handler's answer: what it started may be cancelled, and an answer now is dropped.
    func requestEnded(_ token: RequestToken, reason: RequestEnd, server: HTTPServer)
}

extension HTTPHandler {
    package func requestEnded(_ token: RequestToken, reason: RequestEnd, server: HTTPServer) {}
}

/// Why a request ended without the handler's answer.
package enum RequestEnd: Sendable {
    /// The connection was lost.
    case disconnected
    /// The server has answered 504.
    case deadline
    /// The server is stopping.
    case stopped
}

/// An HTTP server on an event loop.
package final class HTTPServer: @unchecked Sendable {
    // Unchecked: all state belongs to the loop's thread. `stop`, `drain` and `respond` must be called there; the loop checks in debug builds.

    package let loop: EventLoop
    package let address: String
    /// The port it listens on, also if port 0 was asked for.
    package let port: Int
    package let limits: HTTPLimits
    /// The values of `Host` that are served; others get 421. `nil` serves all. Set by servers that a browser's page from elsewhere must not reach.
    package var allowedHosts: [String]?
    package private(set) var statistics = HTTPStatistics()

    /// The limits' times in nanoseconds, since dividing durations costs more than the rest of a deadline.
    let headerNanoseconds: Int64
    let bodyNanoseconds: Int64
    let requestNanoseconds: Int64
    let idleNanoseconds: Int64
    let pingNanoseconds: Int64

    var handler: (any HTTPHandler)?
    var daemon: OpaquePointer?
    let listener: Int32
    var table: ConnectionTable
    var isDraining = false

    /// The time of the current turn, in nanoseconds of the monotonic clock.
    var now: Int64 = 0
    /// When some phase of some connection may be over.
    var nextSweep = Int64.max
    /// When libmicrohttpd must run again, if nothing happens before.
    var nextRun: Int64 = 0
    /// A reply was queued outside of libmicrohttpd's run.
    var needsRun = false
    var isRunning = false
    /// Something happened in the last run that libmicrohttpd may want to go on with.
    var wasActive = false
    /// Requests that wait for their reply unsuspended, those that are suspended, and those in a phase in which libmicrohttpd has work to do.
    var waiting = 0
    var suspended = 0
    var unfinished = 0

    /// The beginning of every request identifier this server makes, and the number of the latest.
    private let identifierPrefix: UInt32
    private var identifierCount: UInt32 = 0
    /// Whether header lines lie in memory as this version of libmicrohttpd leaves them.
    let knowsLayout: Bool
    var attachment: LoopAttachment?

    /// Listens, and serves from the loop's next turn on until `stop`. Call it on the loop's thread or before the loop runs.
    ///
    /// - Parameters:
    ///   - address: an IPv4 or IPv6 address of this machine, or `localhost`.
    ///   - port: 0 lets the system choose.
    ///   - sharesPort: lets several servers listen on the same port, each with a part of the connections: one per loop.
    ///   - handler: kept until `stop`.
    /// - Throws: `addressInUse`, `invalidArgument` or `system`, naming address and port.
    package init(
        loop: EventLoop, address: String = "127.0.0.1", port: Int, limits: HTTPLimits = .ingress, sharesPort: Bool = false, handler: any HTTPHandler
    ) throws(MantaError) {
        signal(SIGPIPE, SIG_IGN)  // a client that has gone is an error of a write, not the end of the process
        (self.loop, self.address, self.limits, self.handler) = (loop, address, limits, handler)
        (listener, self.port) = try openListenSocket(address: address, port: port, sharesPort: sharesPort)
        headerNanoseconds = limits.headerDeadline.inNanoseconds
        bodyNanoseconds = limits.bodyDeadline.inNanoseconds
        requestNanoseconds = limits.requestDeadline.inNanoseconds
        idleNanoseconds = limits.idleDeadline.inNanoseconds
        pingNanoseconds = limits.pingPeriod.inNanoseconds
        table = ConnectionTable(capacity: limits.connections)
        identifierPrefix = UInt32.random(in: 0...UInt32.max)
        knowsLayout = MHD_get_version().map { strcmp($0, "0.9.75") == 0 } ?? false
        now = EventLoop.clock().nanoseconds
        daemon = manta_mhd_start(
            listener, UInt32(limits.connections), UInt32(limits.connectionsPerAddress), UInt32(limits.idleDeadline.components.seconds), 32 << 10,
            callbacks(context: Unmanaged.passUnretained(self).toOpaque()))
        guard daemon != nil else {
            close(listener)
            throw MantaError(.system, "cannot serve HTTP on \(address):\(self.port): libmicrohttpd did not start")
        }
        attach()
    }

    deinit { precondition(daemon == nil, "an HTTPServer must be stopped before it is released") }

    /// Gives a request again that still waits for its answer; nothing if it is over.
    package func withRequest<Result>(_ token: RequestToken, _ body: (borrowing HTTPRequest) -> Result) -> Result? {
        loop.assertOnLoop()
        guard let slot = table.waiting(token) else { return nil }
        return body(HTTPRequest(slot))
    }

    /// Says when the server shall answer 504 in the handler's place, counted from now.
    package func setDeadline(_ token: RequestToken, after duration: Duration) {
        guard let slot = table.waiting(token) else { return }
        slot.pointee.deadline = loop.now.nanoseconds + duration.inNanoseconds
        nextSweep = min(nextSweep, slot.pointee.deadline)
        nextRun = min(nextRun, nextSweep)
    }

    /// Gives the request an identifier of 16 hexadecimal digits, unless its client sent one.
    func identify(_ slot: UnsafeMutablePointer<Slot>) {
        guard slot.pointee.requestID.count == 0 else { return }
        identifierCount &+= 1
        var number = UInt64(identifierPrefix) << 32 | UInt64(identifierCount)
        slot.pointee.requestID.append(count: 17) { digits in
            for index in stride(from: 15, through: 0, by: -1) {
                let digit = UInt8(truncatingIfNeeded: number & 0xF)
                digits[index] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
                number >>= 4
            }
            digits[16] = 0
        }
    }

    /// Counts something.
    func count(_ counter: WritableKeyPath<HTTPStatistics, Int>) { statistics[keyPath: counter] += 1 }
}

/// What a server has counted since it began.
package struct HTTPStatistics: Sendable {
    package var connections = 0
    package var requests = 0
    /// Requests that the server itself refused.
    package var refused = 0
    /// Connections that were cut because they were too slow.
    package var tooSlow = 0
    /// Requests whose deadline passed.
    package var overdue = 0
    /// Replies to requests that were over.
    package var lateReplies = 0
    /// Response headers that were left out because they were not fit to be sent.
    package var droppedHeaders = 0
    /// Streams that ended because their client took too little.
    package var overflowedStreams = 0
}
