// Time: every phase of a connection has an absolute deadline, because libmicrohttpd's own timer starts anew with every byte and so never ends a client that
// sends one byte a second. Also: silent streams get their pings, and clients that left while libmicrohttpd was not looking are noticed.
//
// One sweep over the slots serves all deadlines; a request costs a comparison.

import CMicrohttpd
import Glibc

extension HTTPServer {
    /// How often connections are looked at for a client that has gone unnoticed.
    static let disconnectionPeriod: Int64 = 1_000_000_000
    /// Sweeps are at least this far apart.
    private static let sweepPeriod: Int64 = 5_000_000
    /// After a refusal within the body: how long the client may take to read it before the connection is closed.
    private static let discardNanoseconds: Int64 = 2_000_000_000

    /// Ends what is overdue and says when to look again.
    func sweep() {
        var next = Int64.max
        for index in 0..<table.made {
            let slot = table.slots + index
            guard slot.pointee.phase != .free else { continue }
            if slot.pointee.deadline <= now { expire(slot) }
            if slot.pointee.needsProbe {
                let due = slot.pointee.since + Self.disconnectionPeriod
                if due <= now { probe(slot) }
                if slot.pointee.needsProbe { next = min(next, max(due, now + Self.disconnectionPeriod)) }
            }
            next = min(next, slot.pointee.deadline)
        }
        nextSweep = next == .max ? .max : max(next, now + Self.sweepPeriod)
    }

    private func expire(_ slot: UnsafeMutablePointer<Slot>) {
        switch slot.pointee.phase {
        case .free, .replying: slot.pointee.deadline = .max
        case .idle, .discarding: cut(slot)
        case .header, .body:
            count(\.tooSlow)
            write(.bodyTooSlow, to: slot)
            cut(slot)
        case .waiting:
            count(\.overdue)
            let token = slot.pointee.token
            respond(HTTPRejection.deadline.response, to: slot)
            handler?.requestEnded(token, reason: .deadline, server: self)
        case .streaming:
            slot.pointee.deadline = now + pingNanoseconds
            slot.pointee.stream?.ping()
        }
    }

    /// Refuses a request while its body comes. libmicrohttpd takes no response then, so the answer goes straight to the socket, on which nothing else was
    /// written for this request; what still comes is thrown away for a while, lest the client's kernel throws away our answer.
    func refuseWithinBody(_ slot: UnsafeMutablePointer<Slot>, _ rejection: HTTPRejection) {
        count(\.refused)
        write(rejection, to: slot)
        slot.pointee.body.clear()
        enter(.discarding, slot, for: Self.discardNanoseconds)
    }

    private func write(_ rejection: HTTPRejection, to slot: UnsafeMutablePointer<Slot>) {
        identify(slot)
        let identifier = slot.pointee.requestID.bytes.dropLast()
        var body = ByteStorage()
        HTTPFailure(code: rejection.code.description, message: rejection.message.description).write(requestID: identifier, into: &body)
        var text = ByteStorage()
        text.append("HTTP/1.1 \(rejection.status) \(String(cString: MHD_get_reason_phrase_for(UInt32(rejection.status))))\r\nConnection: close\r\n")
        text.append("Content-Type: application/json\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nX-Request-Id: ")
        text.append(UnsafeRawBufferPointer(rebasing: identifier))
        text.append("\r\nContent-Length: \(body.count)\r\n\r\n")
        text.append(body.bytes)
        _ = send(slot.pointee.descriptor, text.start, text.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
    }

    /// Ends a connection. The descriptor stays libmicrohttpd's to close; it sees the end and tidies up.
    func cut(_ slot: UnsafeMutablePointer<Slot>) {
        slot.pointee.isCut = true
        slot.pointee.deadline = .max
        shutdown(slot.pointee.descriptor, Int32(SHUT_RDWR))
        if slot.pointee.isSuspended {
            if slot.pointee.phase == .streaming {
                slot.pointee.stream?.abort()
            } else {
                slot.pointee.isSuspended = false
                suspended -= 1
                waiting += 1
                MHD_resume_connection(slot.pointee.connection)
            }
        }
        if !isRunning { needsRun = true }
    }

    /// Looks whether the client has gone unnoticed: while its connection is suspended, or because its end came together with its last bytes, for which
    /// libmicrohttpd gets one event and reads once.
    private func probe(_ slot: UnsafeMutablePointer<Slot>) {
        slot.pointee.isProbed = true
        var byte: UInt8 = 0
        let count = recv(slot.pointee.descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
        if count < 0 ? errno != EAGAIN && errno != EINTR : count == 0 && slot.pointee.phase != .waiting { cut(slot) }
    }
}

extension Slot {
    /// Whether the end of the connection may pass unnoticed. The sender of a request may close its half and still wait for the reply.
    fileprivate var needsProbe: Bool {
        isSuspended || !isProbed && (phase == .idle || phase == .header || phase == .body)
    }
}
