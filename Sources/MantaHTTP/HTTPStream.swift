// HTTPStream: a response that is written piece by piece, such as server-sent events.
//
// Bytes wait in a bounded buffer until libmicrohttpd takes them; a client that takes too little ends its stream, and with it only itself. While there is
// nothing to send the connection is suspended; every write resumes it.

import CMicrohttpd
import Glibc
import MantaLoop

/// One stream. `write`, `send`, `close` and `abort` may be called from any thread.
package final class HTTPStream: @unchecked Sendable {
    // Unchecked: the state belongs to the loop's thread; calls from elsewhere are handed to it.

    private enum State { case open, closing, aborted, ended }

    private unowned let server: HTTPServer
    private let token: RequestToken
    private let limit: Int
    private let isEvents: Bool
    private var state = State.open
    private var buffer: [UInt8] = []
    private var taken = 0
    private var endHandler: (@Sendable () -> Void)?

    init(server: HTTPServer, token: RequestToken, limit: Int, isEvents: Bool) {
        (self.server, self.token, self.limit, self.isEvents) = (server, token, limit, isEvents)
    }

    /// Sends bytes. Says false if the stream is known to be over; what does not fit in the client's buffer ends the stream.
    @discardableResult
    package func write(_ bytes: [UInt8]) -> Bool {
        guard server.loop.isCurrent else {
            server.loop.execute { self.write(bytes) }
            return true
        }
        guard state == .open else { return false }
        guard buffer.count - taken + bytes.count <= limit else {
            server.count(\.overflowedStreams)
            abort()
            return false
        }
        buffer.append(contentsOf: bytes)
        server.streamChanged(token)
        return true
    }

    /// Sends one event; `data` may have several lines.
    @discardableResult
    package func send(event: String? = nil, id: String? = nil, data: String) -> Bool {
        var text = ""
        if let id { text += "id: \(id)\n" }
        if let event { text += "event: \(event)\n" }
        for line in data.split(separator: "\n", omittingEmptySubsequences: false) { text += "data: \(line)\n" }
        return write(Array((text + "\n").utf8))
    }

    /// Ends the response after what was written.
    package func close() { finish(.closing) }

    /// Ends the response at once, so that the client sees that it is not complete.
    package func abort() { finish(.aborted) }

    /// Runs once, on the loop, when the stream is over, whoever ended it; at once if it is over already.
    package func onEnd(_ body: @escaping @Sendable () -> Void) {
        guard server.loop.isCurrent else { return server.loop.execute { self.onEnd(body) } }
        if state == .ended { body() } else { endHandler = body }
    }

    private func finish(_ end: State) {
        guard server.loop.isCurrent else { return server.loop.execute { self.finish(end) } }
        guard state == .open || state == .closing && end == .aborted else { return }
        state = end
        server.streamChanged(token)
    }

    /// A comment keeps the connection alive, and its failure shows that the client has gone.
    func ping() {
        if isEvents, taken == buffer.count { write(Array(": ping\n\n".utf8)) }
    }

    /// The request is over.
    func ended() {
        state = .ended
        buffer = []
        taken = 0
        endHandler?()
        endHandler = nil
    }

    /// libmicrohttpd's response that reads from this stream; it holds the stream until it is destroyed.
    func makeResponse() -> OpaquePointer? {
        manta_mhd_stream(
            16 << 10,
            { context, _, room, size in
                guard let context, let room else { return manta_mhd_end_with_error }
                return Unmanaged<HTTPStream>.fromOpaque(context).takeUnretainedValue().read(into: room, size: size)
            },
            Unmanaged.passRetained(self).toOpaque(),
            { context in if let context { Unmanaged<HTTPStream>.fromOpaque(context).release() } })
    }

    private func read(into room: UnsafeMutablePointer<CChar>, size: Int) -> Int {
        let count = min(size, buffer.count - taken)
        if state == .aborted { return manta_mhd_end_with_error }
        if count > 0 {
            buffer.withUnsafeBytes { bytes in _ = bytes.baseAddress.map { memcpy(room, $0 + taken, count) } }
            taken += count
            if taken == buffer.count {
                buffer.removeAll(keepingCapacity: buffer.count <= 4096)
                taken = 0
            }
            server.wasActive = true
            return count
        }
        if state != .open { return manta_mhd_end_of_stream }
        server.park(token)  // libmicrohttpd would ask again at once, for ever
        return 0
    }
}

extension HTTPServer {
    private func streaming(_ token: RequestToken) -> UnsafeMutablePointer<Slot>? {
        guard Int(token.slot) < table.made else { return nil }
        let slot = table.slots + Int(token.slot)
        return slot.pointee.generation == token.generation && slot.pointee.stream != nil ? slot : nil
    }

    /// A stream has nothing to send: its connection sleeps until it has.
    fileprivate func park(_ token: RequestToken) {
        guard let slot = streaming(token), !slot.pointee.isSuspended else { return }
        MHD_suspend_connection(slot.pointee.connection)
        slot.pointee.isSuspended = true
        suspended += 1
        unfinished -= 1
        slot.pointee.deadline = now + pingNanoseconds
        nextSweep = min(nextSweep, slot.pointee.deadline, now + Self.disconnectionPeriod)
    }

    /// A stream has something to send, or is to end.
    fileprivate func streamChanged(_ token: RequestToken) {
        guard let slot = streaming(token) else { return }
        if slot.pointee.isSuspended {
            slot.pointee.isSuspended = false
            suspended -= 1
            unfinished += 1
            MHD_resume_connection(slot.pointee.connection)
        }
        if isRunning { wasActive = true } else { needsRun = true }
    }
}
