// What libmicrohttpd calls: connections come and go, a request line, the header, parts of the body, the request complete, and, while its reply is awaited,
// the request again in every run.

import CMicrohttpd
import Glibc

extension HTTPServer {
    /// How long a request waits unsuspended for its reply.
    static let suspendAfter: Int64 = 5_000_000

    /// The table of C functions. `context` is the server, which outlives the daemon.
    func callbacks(context: UnsafeMutableRawPointer) -> manta_mhd_callbacks {
        manta_mhd_callbacks(
            context: context,
            handle: { context, connection, url, method, version, part, partSize, attachment in
                guard let context, let slot = attachment?.pointee?.assumingMemoryBound(to: Slot.self), let partSize else { return .NO }
                return HTTPServer.from(context).proceed(slot, connection, url, method, version, part, partSize)
            },
            target: { context, target, connection in
                guard let context, let target, let attachment = manta_mhd_attachment(connection) else { return nil }
                HTTPServer.from(context).begin(attachment.assumingMemoryBound(to: Slot.self), target: target)
                return attachment
            },
            completed: { context, _, attachment, _ in
                guard let context, let slot = attachment?.pointee?.assumingMemoryBound(to: Slot.self) else { return }
                HTTPServer.from(context).end(slot)
            },
            connection: { context, connection, attachment, what in
                guard let context, let attachment else { return }
                let server = HTTPServer.from(context)
                if what == .CONNECTION_NOTIFY_STARTED {
                    attachment.pointee = UnsafeMutableRawPointer(server.connected(connection))
                } else if let slot = attachment.pointee?.assumingMemoryBound(to: Slot.self) {
                    server.disconnected(slot)
                }
            },
            // Nothing is decoded in place: the raw path is needed, and is decoded once, by RequestTarget.
            unescape: { _, _, text in text.map { strlen($0) } ?? 0 })
    }

    private static func from(_ context: UnsafeMutableRawPointer) -> HTTPServer { Unmanaged<HTTPServer>.fromOpaque(context).takeUnretainedValue() }

    private func connected(_ connection: OpaquePointer?) -> UnsafeMutablePointer<Slot>? {
        guard let slot = table.take() else { return nil }
        slot.pointee.connection = connection
        slot.pointee.descriptor = manta_mhd_descriptor(connection)
        enter(.idle, slot, for: headerNanoseconds)
        count(\.connections)
        return slot
    }

    private func disconnected(_ slot: UnsafeMutablePointer<Slot>) {
        // At its limit libmicrohttpd does not listen; it begins again in its next run only.
        if table.isFull { needsRun = true }
        table.giveBack(slot)
    }

    /// The request line has come.
    private func begin(_ slot: UnsafeMutablePointer<Slot>, target: UnsafePointer<CChar>) {
        slot.pointee.target.append(UnsafeRawBufferPointer(start: target, count: strlen(target)))
        // A new connection's time runs since it was accepted, a kept one's since now.
        let isFirst = slot.pointee.generation == slot.pointee.firstGeneration
        let deadline = isFirst ? slot.pointee.deadline : now + headerNanoseconds
        enter(.header, slot, for: deadline - now)
        unfinished += 1
        wasActive = true
    }

    private func proceed(
        _ slot: UnsafeMutablePointer<Slot>, _ connection: OpaquePointer?, _ url: UnsafePointer<CChar>?, _ method: UnsafePointer<CChar>?,
        _ version: UnsafePointer<CChar>?, _ part: UnsafePointer<CChar>?, _ partSize: UnsafeMutablePointer<Int>
    ) -> MHD_Result {
        switch slot.pointee.phase {
        case .header:
            guard let url, let method, let version else { return .NO }
            examine(slot, connection, url, method, version)
        case .body:
            guard let part, partSize.pointee > 0 else {
                dispatch(slot)
                break
            }
            receive(UnsafeRawBufferPointer(start: part, count: partSize.pointee), slot)
            partSize.pointee = 0
        case .discarding:
            guard partSize.pointee > 0 else { return .NO }
            partSize.pointee = 0
        case .waiting: return stillWaiting(slot)
        case .free, .idle, .replying, .streaming: break
        }
        return .YES
    }

    /// The header is complete: is the request acceptable?
    private func examine(
        _ slot: UnsafeMutablePointer<Slot>, _ connection: OpaquePointer?, _ url: UnsafePointer<CChar>, _ method: UnsafePointer<CChar>,
        _ version: UnsafePointer<CChar>
    ) {
        count(\.requests)
        if let rejection = check(slot, connection, url, method, version) {
            refuse(slot, rejection)
        } else if slot.pointee.target.count == 1, slot.pointee.target.bytes[0] == UInt8(ascii: "*") {
            respond(HTTPResponse(status: 204, headers: [.allow]), to: slot)
        } else {
            // libmicrohttpd calls again, at once if there is no body.
            let size = Int64(slot.pointee.contentLength ?? 0)
            enter(.body, slot, for: max(bodyNanoseconds, size &* (1_000_000_000 / 1024)))
        }
    }

    private func check(
        _ slot: UnsafeMutablePointer<Slot>, _ connection: OpaquePointer?, _ url: UnsafePointer<CChar>, _ method: UnsafePointer<CChar>,
        _ version: UnsafePointer<CChar>
    ) -> HTTPRejection? {
        let methodBytes = UnsafeRawBufferPointer(start: method, count: strlen(method))
        slot.pointee.isVersion10 = strcmp(version, cString("HTTP/1.0")) == 0
        guard slot.pointee.isVersion10 || strcmp(version, cString("HTTP/1.1")) == 0 else { return .version }
        var guarding = HeaderGuard(limits: limits, isVersion10: slot.pointee.isVersion10, cursor: nil)
        var end: UInt?
        if knowsLayout {
            // The version, eight bytes, is followed by what was CR LF.
            guard url == method + methodBytes.count + 1, version == url + slot.pointee.target.count + 1, version[9] == 0 else { return .layout }
            guarding.cursor = UInt(bitPattern: version) + 10
            end = UInt(bitPattern: method) + UInt(manta_mhd_header_size(connection))
        }
        guard slot.pointee.target.count <= limits.targetBytes else { return .targetTooLong }
        guard manta_mhd_header_size(connection) <= limits.headerBytes else { return .headersTooLarge }
        withUnsafeMutablePointer(to: &guarding) { guarding in
            _ = MHD_get_connection_values_n(
                connection, .HEADER_KIND,
                { context, _, name, nameCount, value, valueCount in
                    let goesOn = context?.assumingMemoryBound(to: HeaderGuard.self).pointee.line(
                        name: UnsafeRawBufferPointer(start: name, count: nameCount), value: UnsafeRawBufferPointer(start: value, count: valueCount))
                    return goesOn == true ? .YES : .NO
                }, guarding)
        }
        if let identifier = guarding.requestID {
            slot.pointee.requestID.append(identifier)
            slot.pointee.requestID.append(0)
        }
        guard let known = HTTPMethod(methodBytes) else {
            return equals(methodBytes, "trace") || equals(methodBytes, "connect") ? .forbiddenMethod : .method
        }
        slot.pointee.method = known
        if let rejection = guarding.decide(method: known, end: end) { return rejection }
        slot.pointee.contentLength = guarding.contentLength
        if let allowedHosts, let host = guarding.host, !allowedHosts.contains(where: { isSame($0, host) }) { return .hostUnknown }
        return checkTarget(slot, host: guarding.host)
    }

    private func checkTarget(_ slot: UnsafeMutablePointer<Slot>, host: UnsafeRawBufferPointer?) -> HTTPRejection? {
        let target = slot.pointee.target.bytes
        if slot.pointee.method == .options, target.count == 1, target[0] == UInt8(ascii: "*") { return nil }
        switch RequestTarget.parse(target) {
        case .failure(let rejection): return rejection
        case .success(let parts):
            slot.pointee.parts = parts
            if !parts.authority.isEmpty {
                guard let host, isSame(String(decoding: target[parts.authority], as: UTF8.self), host) else { return .targetAuthority }
            }
            guard parts.isEscaped else { return nil }
            RequestTarget.decode(UnsafeRawBufferPointer(rebasing: target[parts.path]), into: &slot.pointee.decodedPath)
            let path = slot.pointee.decodedPath.bytes
            return String(validating: path, as: UTF8.self) != nil && RequestTarget.isSafe(path) ? nil : .path
        }
    }

    /// A part of the body has come.
    private func receive(_ part: UnsafeRawBufferPointer, _ slot: UnsafeMutablePointer<Slot>) {
        wasActive = true
        slot.pointee.chunks += 1
        let size = slot.pointee.body.count + part.count
        guard size <= limits.bodyBytes else { return refuseWithinBody(slot, .bodyTooLarge) }
        guard slot.pointee.chunks <= limits.smallChunks + size / 1024 else { return refuseWithinBody(slot, .smallChunks) }
        if slot.pointee.body.count == 0, let whole = slot.pointee.contentLength { slot.pointee.body.reserve(min(whole, 1 << 20)) }
        slot.pointee.body.append(part)
        if slot.pointee.contentLength == nil {
            slot.pointee.deadline = slot.pointee.since + max(bodyNanoseconds, Int64(size) &* (1_000_000_000 / 1024))
        }
    }

    /// The request is complete: over to the handler.
    private func dispatch(_ slot: UnsafeMutablePointer<Slot>) {
        wasActive = true
        unfinished -= 1
        waiting += 1
        enter(.waiting, slot, for: requestNanoseconds)
        identify(slot)
        handler?.handle(HTTPRequest(slot), token: slot.pointee.token, server: self)
    }

    /// libmicrohttpd asks for the reply again, as it does in every run.
    private func stillWaiting(_ slot: UnsafeMutablePointer<Slot>) -> MHD_Result {
        if slot.pointee.isCut { return .NO }
        if now - slot.pointee.since >= Self.suspendAfter, !isStopping {
            MHD_suspend_connection(slot.pointee.connection)
            slot.pointee.isSuspended = true
            waiting -= 1
            suspended += 1
            nextSweep = min(nextSweep, now + Self.disconnectionPeriod)
        }
        return .YES
    }

    /// The response is sent, or the connection lost.
    private func end(_ slot: UnsafeMutablePointer<Slot>) {
        wasActive = true
        let phase = slot.pointee.phase
        let token = slot.pointee.token
        let stream = slot.pointee.stream
        if phase == .waiting { leaveWaiting(slot) } else if phase != .idle { unfinished -= 1 }
        if phase == .streaming, slot.pointee.isSuspended { suspended -= 1; unfinished += 1 }
        slot.pointee.endRequest()
        enter(.idle, slot, for: idleNanoseconds)
        // A response without `Connection: close` was under way when draining began.
        if isDraining { (slot.pointee.deadline, nextSweep) = (now, now) }
        if phase == .waiting { handler?.requestEnded(token, reason: isStopping ? .stopped : .disconnected, server: self) }
        stream?.ended()
    }

    func enter(_ phase: Phase, _ slot: UnsafeMutablePointer<Slot>, for nanoseconds: Int64) {
        slot.pointee.phase = phase
        slot.pointee.since = now
        slot.pointee.deadline = now &+ nanoseconds
        slot.pointee.isProbed = false
        nextSweep = min(nextSweep, slot.pointee.deadline, now &+ Self.disconnectionPeriod)
    }

    func leaveWaiting(_ slot: UnsafeMutablePointer<Slot>) {
        if slot.pointee.isSuspended { suspended -= 1 } else { waiting -= 1 }
    }
}

/// Whether a host is the same, in any letters.
private func isSame(_ host: String, _ bytes: UnsafeRawBufferPointer) -> Bool {
    host.utf8.count == bytes.count && zip(host.utf8, bytes).allSatisfy { $0 == $1 || ($0 | 0x20 == $1 | 0x20 && UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 | 0x20) }
}
