// HTTPCalls: an HTTP client just large enough for these tests: one request per connection, over a plain socket, off Swift's own threads.

import Glibc
import Manta

struct HTTPReply: Sendable {
    var status = 0
    var headers: [String: String] = [:]
    var body: [UInt8] = []
    var text: String { String(decoding: body, as: UTF8.self) }
}

/// Sends a request to `http://host:port` and reads the whole answer.
func http(
    _ method: String, _ path: String, at base: String, headers: [String: String] = [:], body: [UInt8] = [], within seconds: Int = 30
) async throws -> HTTPReply {
    let place = base.split(separator: ":")
    let port = UInt16(place.last ?? "0") ?? 0
    var text = "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: \(body.count)\r\n"
    for (name, value) in headers { text += "\(name): \(value)\r\n" }
    let request = Array((text + "\r\n").utf8) + body
    let result: Result<[UInt8], MantaError> = await withUnsafeContinuation { continuation in
        let job = Job { continuation.resume(returning: exchange(request, port: port, seconds: seconds)) }
        var thread = pthread_t()
        let failure = pthread_create(&thread, nil, { argument in
            Unmanaged<Job>.fromOpaque(argument!).takeRetainedValue().body()
            return nil
        }, Unmanaged.passRetained(job).toOpaque())
        precondition(failure == 0, "no thread for a request")
        pthread_detach(thread)
    }
    return try parse(try result.get())
}

private final class Job {
    let body: () -> Void
    init(_ body: @escaping () -> Void) { self.body = body }
}

private func exchange(_ request: [UInt8], port: UInt16, seconds: Int) -> Result<[UInt8], MantaError> {
    func failure(_ what: String) -> Result<[UInt8], MantaError> { .failure(MantaError(.system, "\(what): \(String(cString: strerror(errno)))")) }
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return failure("socket") }
    defer { close(descriptor) }
    var limit = timeval(tv_sec: seconds, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let connected = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
    guard connected == 0 else { return failure("connect to port \(port)") }
    var sent = 0
    while sent < request.count {
        let count = request.withUnsafeBytes { send(descriptor, $0.baseAddress! + sent, request.count - sent, Int32(MSG_NOSIGNAL)) }
        guard count > 0 else { return failure("send") }
        sent += count
    }
    var answer: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let count = recv(descriptor, &part, part.count, 0)
        guard count >= 0 else { return failure("no answer within \(seconds) s") }
        if count == 0 { return .success(answer) }
        answer.append(contentsOf: part[..<count])
    }
}

private func parse(_ bytes: [UInt8]) throws -> HTTPReply {
    guard let end = (0..<max(0, bytes.count - 3)).first(where: { bytes[$0] == 13 && bytes[$0 + 1] == 10 && bytes[$0 + 2] == 13 && bytes[$0 + 3] == 10 }) else {
        throw MantaError(.malformed, "an answer without a header: \(String(decoding: bytes.prefix(200), as: UTF8.self))")
    }
    let lines = String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\r\n")
    var reply = HTTPReply()
    reply.status = Int(lines.first?.split(separator: " ").dropFirst().first ?? "0") ?? 0
    for line in lines.dropFirst() {
        let parts = line.split(separator: ":", maxSplits: 1)
        reply.headers[parts[0].lowercased()] = String((parts.last ?? "").drop { $0 == " " })
    }
    reply.body = Array(bytes[(end + 4)...])
    return reply
}
