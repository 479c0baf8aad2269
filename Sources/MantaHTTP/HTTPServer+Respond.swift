// Replies: a response becomes libmicrohttpd's and is queued, inside its run or later. A small body is lent from the slot's storage, a large one from its
// array, so that nothing is copied twice.

import CMicrohttpd
import MantaLoop

extension HTTPServer {
    /// Bodies up to this size are copied into the connection's storage; larger ones are kept alive and lent.
    private static let copiedBody = 4096

    /// Answers a request, now or later. A request that is over already is left alone.
    ///
    /// - Returns: whether the request was still waiting for its answer.
    @discardableResult
    package func respond(_ token: RequestToken, _ response: HTTPResponse) -> Bool {
        guard let slot = slotToAnswer(token) else { return false }
        respond(response, to: slot)
        return true
    }

    /// Answers a request with bytes that are copied before the call returns: the way for bodies that lie in a message.
    @discardableResult
    package func respond(
        _ token: RequestToken, status: Int, contentType: String, headers: [HTTPHeader] = [], copying body: UnsafeRawBufferPointer
    ) -> Bool {
        guard let slot = slotToAnswer(token) else { return false }
        slot.pointee.reply.append(body)
        finish(slot, response: lend(slot.pointee.reply.bytes), status: status, contentType: contentType, headers: headers, closes: false)
        return true
    }

    /// Answers a request with bytes that `owner` keeps alive and unchanged; it is released when they are sent.
    @discardableResult
    package func respond(
        _ token: RequestToken, status: Int, contentType: String, headers: [HTTPHeader] = [], lending body: UnsafeRawBufferPointer, of owner: AnyObject
    ) -> Bool {
        guard let slot = slotToAnswer(token) else { return false }
        finish(slot, response: lend(body, of: owner), status: status, contentType: contentType, headers: headers, closes: false)
        return true
    }

    /// Answers a request with a stream that is written to afterwards. Nothing if the request is over.
    ///
    /// - Parameter isEvents: whether these are server-sent events, which get a comment whenever they are silent for long.
    package func stream(
        _ token: RequestToken, status: Int = 200, contentType: String = "text/event-stream", headers: [HTTPHeader] = [], isEvents: Bool = true
    ) -> HTTPStream? {
        guard let slot = slotToAnswer(token) else { return nil }
        return startStream(slot, HTTPResponse(status: status, contentType: contentType, headers: headers), isEvents: isEvents)
    }

    private func slotToAnswer(_ token: RequestToken) -> UnsafeMutablePointer<Slot>? {
        loop.assertOnLoop()
        let slot = table.waiting(token)
        if slot == nil { count(\.lateReplies) }
        return slot
    }

    func respond(_ response: HTTPResponse, to slot: UnsafeMutablePointer<Slot>) {
        var body: OpaquePointer?
        var contentType = response.contentType
        var headers = response.headers
        switch response.body {
        case .none: body = lend(UnsafeRawBufferPointer(start: nil, count: 0))
        case .bytes(let bytes):
            contentType = contentType ?? "application/octet-stream"
            if bytes.count <= Self.copiedBody {
                bytes.withUnsafeBytes { slot.pointee.reply.append($0) }
                body = lend(slot.pointee.reply.bytes)
            } else {
                body = lend(bytes)
            }
        case .text(let text):
            contentType = contentType ?? "text/plain; charset=utf-8"
            slot.pointee.reply.append(text)
            body = lend(slot.pointee.reply.bytes)
        case .failure(let failure):
            contentType = contentType ?? "application/json"
            headers += HTTPHeader.ofFailures
            identify(slot)
            failure.write(requestID: slot.pointee.requestID.bytes.dropLast(), into: &slot.pointee.reply)
            body = lend(slot.pointee.reply.bytes)
        case .stream(let start):
            start(startStream(slot, response, isEvents: false))
            return
        case .events(let start):
            start(startStream(slot, response, isEvents: true))
            return
        }
        finish(slot, response: body, status: response.status, contentType: contentType, headers: headers, closes: response.closesConnection)
    }

    /// Refuses a request whose header was just read; libmicrohttpd closes the connection after the reply, since the body was not read.
    func refuse(_ slot: UnsafeMutablePointer<Slot>, _ rejection: HTTPRejection) {
        count(\.refused)
        respond(rejection.response, to: slot)
    }

    private func startStream(_ slot: UnsafeMutablePointer<Slot>, _ response: HTTPResponse, isEvents: Bool) -> HTTPStream {
        let stream = HTTPStream(server: self, token: slot.pointee.token, limit: limits.streamBytes, isEvents: isEvents)
        let contentType = response.contentType ?? (isEvents ? "text/event-stream" : "application/octet-stream")
        let headers = isEvents ? response.headers + [HTTPHeader("Cache-Control", "no-store")] : response.headers
        // libmicrohttpd would send the last chunk, which is a body, also to a HEAD.
        let isHead = slot.pointee.method == .head
        if isHead { stream.ended() } else { slot.pointee.stream = stream }
        let body = isHead ? lend(UnsafeRawBufferPointer(start: nil, count: 0)) : stream.makeResponse()
        finish(slot, response: body, status: response.status, contentType: contentType, headers: headers, closes: response.closesConnection)
        if !isHead, slot.pointee.phase == .replying { enter(.streaming, slot, for: pingNanoseconds) }
        return stream
    }

    /// Adds the headers, queues the response and lets go of it.
    private func finish(
        _ slot: UnsafeMutablePointer<Slot>, response: OpaquePointer?, status: Int, contentType: String?, headers: [HTTPHeader], closes: Bool
    ) {
        guard let response else { return cut(slot) }
        defer { MHD_destroy_response(response) }
        identify(slot)
        if let contentType { add(cString("Content-Type"), contentType, to: response) }
        for header in headers where !header.isOfServer { header.name.withCString { add($0, header.value, to: response) } }
        if let identifier = slot.pointee.requestID.start {
            MHD_add_response_header(response, cString("X-Request-Id"), UnsafeRawPointer(identifier).assumingMemoryBound(to: CChar.self))
        }
        if closes || isDraining { MHD_add_response_header(response, cString("Connection"), cString("close")) }
        let wasSuspended = slot.pointee.isSuspended
        if slot.pointee.phase == .waiting {
            leaveWaiting(slot)
            unfinished += 1
        }
        slot.pointee.isSuspended = false
        slot.pointee.phase = .replying
        slot.pointee.deadline = .max  // from here on libmicrohttpd's own idle time counts
        if MHD_queue_response(slot.pointee.connection, UInt32(status), response) != .YES { slot.pointee.isCut = true }
        if wasSuspended { MHD_resume_connection(slot.pointee.connection) }
        if slot.pointee.isCut { cut(slot) }
        if isRunning { wasActive = true } else { needsRun = true }
    }

    private func add(_ name: UnsafePointer<CChar>, _ value: String, to response: OpaquePointer) {
        let length = value.utf8.count
        let isAdded = value.withCString { value in
            // libmicrohttpd refuses line ends only; other control characters have no business in a header either.
            var end = value
            while end.pointee < 0 || end.pointee >= 0x20 && end.pointee != 0x7F || end.pointee == 0x09 { end += 1 }
            return length > 0 && end == value + length && MHD_add_response_header(response, name, value) == .YES
        }
        if !isAdded { count(\.droppedHeaders) }
    }

    private func lend(_ bytes: UnsafeRawBufferPointer) -> OpaquePointer? {
        MHD_create_response_from_buffer(bytes.count, UnsafeMutableRawPointer(mutating: bytes.baseAddress), .RESPMEM_PERSISTENT)
    }

    private func lend(_ bytes: [UInt8]) -> OpaquePointer? {
        // The box keeps the array and never changes it, so its elements stay where they are.
        let box = ByteBox(bytes: bytes)
        return box.bytes.withUnsafeBytes { lend($0, of: box) }
    }

    private func lend(_ bytes: UnsafeRawBufferPointer, of owner: AnyObject) -> OpaquePointer? {
        MHD_create_response_from_buffer_with_free_callback_cls(
            bytes.count, UnsafeMutableRawPointer(mutating: bytes.baseAddress),
            { owner in if let owner { Unmanaged<AnyObject>.fromOpaque(owner).release() } }, Unmanaged.passRetained(owner).toOpaque())
    }
}

/// The text as a C string, which Swift would otherwise make anew, on the heap, for every call.
func cString(_ text: StaticString) -> UnsafePointer<CChar> { UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self) }

private final class ByteBox {
    let bytes: [UInt8]
    init(bytes: [UInt8]) { self.bytes = bytes }
}

extension HTTPHeader {
    static let allow = HTTPHeader("Allow", HTTPMethod.allCases.map(\.rawValue).joined(separator: ", "))
    static let ofFailures = [HTTPHeader("X-Content-Type-Options", "nosniff"), HTTPHeader("Cache-Control", "no-store")]

    /// Whether the server alone decides about the header.
    fileprivate var isOfServer: Bool {
        switch name.utf8.count {
        case 4: name.lowercased() == "date"
        case 10: name.lowercased() == "connection"
        case 14: name.lowercased() == "content-length"
        case 17: name.lowercased() == "transfer-encoding"
        default: false
        }
    }
}

extension HTTPRejection {
    var response: HTTPResponse {
        var response = HTTPResponse.failure(status, code: code.description, message: message.description, headers: allowsMethods ? [.allow] : [])
        response.closesConnection = true
        return response
    }
}

extension HTTPFailure {
    /// `{"code", "message", "detail", "requestId"}`; the detail is null where there is none.
    func write(requestID: Slice<UnsafeRawBufferPointer>, into json: inout ByteStorage) {
        json.append("{\"code\":\"")
        json.append(escaping: code)
        json.append("\",\"message\":\"")
        json.append(escaping: message)
        if let detail {
            json.append("\",\"detail\":\"")
            json.append(escaping: detail)
            json.append("\"")
        } else {
            json.append("\",\"detail\":null")
        }
        json.append(",\"requestId\":\"")
        json.append(UnsafeRawBufferPointer(rebasing: requestID))
        json.append("\"}\n")
    }
}

extension ByteStorage {
    /// Appends text as it stands between the quotes of a JSON string.
    fileprivate mutating func append(escaping text: String) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                append(UInt8(ascii: "\\"))
                append(byte)
            case 0..<0x20:
                append("\\u00")
                append(byte < 0x10 ? UInt8(ascii: "0") : UInt8(ascii: "1"))
                append(Array("0123456789abcdef".utf8)[Int(byte & 0xF)])
            default: append(byte)
            }
        }
    }
}
