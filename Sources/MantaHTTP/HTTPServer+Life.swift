// The server's place in the loop: when libmicrohttpd runs, how long the loop may sleep, and the server's end.

import CMicrohttpd
import Glibc
import MantaLoop
import MantaModel

/// The server's hooks in its loop.
final class LoopAttachment: LoopSource {
    private unowned let server: HTTPServer
    fileprivate var descriptor: DescriptorID?
    /// libmicrohttpd's epoll descriptor has something.
    fileprivate var isReady = false

    fileprivate init(server: HTTPServer) { self.server = server }

    func prepare() -> Bool { server.needsRun || server.wait() == 0 }
    func timeout() -> Duration? { server.wait().map { .nanoseconds($0) } }
    func turn() {
        guard isReady || server.needsRun || server.wait() == 0 else { return }
        isReady = false
        server.run()
    }
}

extension HTTPServer {
    var isStopping: Bool { handler == nil }

    func attach() {
        let attachment = LoopAttachment(server: self)
        self.attachment = attachment
        loop.add(attachment)
        let epoll = manta_mhd_epoll_descriptor(daemon)
        do {
            attachment.descriptor = try loop.addDescriptor(epoll, .read) { [unowned attachment] _ in attachment.isReady = true }
        } catch {
            preconditionFailure("the loop cannot watch libmicrohttpd's descriptor \(epoll): \(error)")
        }
        needsRun = true
    }

    /// Lets libmicrohttpd do what there is to do, ends what is overdue, and finds out when to run next.
    func run() {
        guard daemon != nil else { return }
        now = loop.now.nanoseconds
        needsRun = false
        wasActive = false
        var rest = runOnce()
        // A connection that has sent its reply is made ready for the next request in one run and read in the next: that needs no look at the loop between.
        if rest == 0 {
            wasActive = false
            rest = runOnce()
        }
        if nextSweep <= now { sweep() }
        nextRun = rest.map { min(nextSweep, now + $0) } ?? nextSweep
    }

    /// Runs libmicrohttpd; returns after how many nanoseconds it wants to be run again, if nothing happens before.
    private func runOnce() -> Int64? {
        isRunning = true
        MHD_run(daemon)
        isRunning = false
        var milliseconds: UInt64 = 0
        guard MHD_get_timeout(daemon, &milliseconds) == .YES else { return nil }
        guard milliseconds == 0, waiting > 0, unfinished == 0 || !wasActive else { return Int64(min(milliseconds, 1 << 32)) * 1_000_000 }
        // While requests wait unsuspended it says zero in any case. Then it is run again at once only if a connection that does not wait has moved.
        return Self.suspendAfter
    }

    /// How long nothing need be done, in nanoseconds; nothing if for ever.
    func wait() -> Int64? {
        if needsRun { return 0 }
        return nextRun == .max ? nil : max(0, nextRun - loop.now.nanoseconds)
    }

    /// Stops accepting, lets the requests under way finish, ends kept connections and streams, and stops after that, or when the time is over.
    ///
    /// Responses from now on carry `Connection: close`.
    package func drain(within grace: Duration, then finished: @escaping @Sendable () -> Void) {
        loop.assertOnLoop()
        guard daemon != nil, !isDraining else { return loop.execute(finished) }
        isDraining = true
        close(MHD_quiesce_daemon(daemon))
        for index in 0..<table.made {
            let slot = table.slots + index
            switch slot.pointee.phase {
            case .idle: cut(slot)
            case .streaming: slot.pointee.stream?.close()
            default: break
            }
        }
        needsRun = true
        let end = EventLoop.clock() + grace
        var timer: TimerID?
        timer = loop.schedule(after: .zero, repeating: .milliseconds(5)) { [self] in
            guard daemon == nil || manta_mhd_connection_count(daemon) == 0 || EventLoop.clock() >= end else { return }
            if let timer { loop.cancel(timer) }
            stop()
            finished()
        }
    }

    /// Stops at once: requests under way get 503 if their connection takes it without waiting, then every connection is closed.
    package func stop() {
        loop.assertOnLoop()
        guard let daemon else { return }
        precondition(!isRunning, "an HTTP server cannot be stopped by its own handler: let the loop do it later")
        let handler = handler
        self.handler = nil  // from here on `isStopping`
        now = EventLoop.clock().nanoseconds
        for index in 0..<table.made {
            let slot = table.slots + index
            switch slot.pointee.phase {
            case .waiting:
                let token = slot.pointee.token
                respond(HTTPRejection.shuttingDown.response, to: slot)
                handler?.requestEnded(token, reason: .stopped, server: self)
            case .streaming: slot.pointee.stream?.abort()
            default: break
            }
        }
        // Resumed connections need one run to become ready and one to be written.
        for _ in 0..<3 { MHD_run(daemon) }
        if let descriptor = attachment?.descriptor { loop.removeDescriptor(descriptor) }
        if let attachment { loop.remove(attachment) }
        if !isDraining { close(MHD_quiesce_daemon(daemon)) }
        MHD_stop_daemon(daemon)
        self.daemon = nil
        attachment = nil
    }
}
