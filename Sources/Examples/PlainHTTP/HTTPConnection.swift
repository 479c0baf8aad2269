// HTTPConnection: one kept-alive HTTP/1.1 connection over a plain socket, blocking, for clients that count every microsecond or send odd bytes.
//
// It belongs to one thread at a time. Every wait has an end: the time-out given at its making. After an error the connection is closed for good.

import Foundation
import Glibc

/// What a server answered.
package struct HTTPAnswer: Sendable {
    package var status: Int
    /// In the order they came, names as they came.
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]

    package var text: String { String(decoding: body, as: UTF8.self) }
    /// The first header of that name, whatever its case.
    package func header(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }
}

/// Why there is no answer.
package enum HTTPFailure: Error, CustomStringConvertible {
    case unreachable(String)
    case timedOut(String)
    /// The server closed the connection before a whole answer had come.
    case closed
    case malformed(String)

    package var description: String {
        switch self {
        case .unreachable(let reason): "cannot connect: \(reason)"
        case .timedOut(let what): "no answer in time: \(what)"
        case .closed: "the server closed the connection before it had answered"
        case .malformed(let reason): "the answer is not HTTP: \(reason)"
        }
    }
}

package final class HTTPConnection {
    private let descriptor: Int32
    private let host: String
    private var received: [UInt8] = []
    private var start = 0

    /// Connects; `timeout` in seconds bounds every later wait for the server too.
    package init(host: String, port: UInt16, timeout: Int = 30) throws(HTTPFailure) {
        self.host = "\(host):\(port)"
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let lookup = getaddrinfo(host, String(port), &hints, &found)
        guard lookup == 0, let first = found else { throw .unreachable("\(host): \(String(cString: gai_strerror(lookup)))") }
        defer { freeaddrinfo(first) }
        var candidate: UnsafeMutablePointer<addrinfo>? = first
        var reason = "no address"
        while let address = candidate {
            let descriptor = socket(address.pointee.ai_family, address.pointee.ai_socktype | Int32(SOCK_CLOEXEC.rawValue), 0)
            if descriptor >= 0 {
                var limit = timeval(tv_sec: timeout, tv_usec: 0)
                setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
                setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
                var one: Int32 = 1
                setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
                if connect(descriptor, address.pointee.ai_addr, address.pointee.ai_addrlen) == 0 {
                    self.descriptor = descriptor
                    return
                }
                reason = String(cString: strerror(errno))
                close(descriptor)
            }
            candidate = address.pointee.ai_next
        }
        throw .unreachable("\(self.host): \(reason)")
    }

    deinit { close(descriptor) }

    /// Sends one request and waits for its answer.
    package func request(
        _ method: String, _ path: String, headers: [(name: String, value: String)] = [], body: [UInt8] = []
    ) throws(HTTPFailure) -> HTTPAnswer {
        var head = "\(method) \(path) HTTP/1.1\r\nHost: \(host)\r\n"
        for header in headers { head += "\(header.name): \(header.value)\r\n" }
        if !body.isEmpty || method == "POST" || method == "PUT" { head += "Content-Length: \(body.count)\r\n" }
        try send(Array(head.utf8) + [13, 10] + body)
        return try answer(hasBody: method != "HEAD")
    }

    /// Sends bytes as they are.
    package func send(_ bytes: [UInt8]) throws(HTTPFailure) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count > 0 {
                sent += count
            } else if errno != EINTR {
                throw errno == EAGAIN ? .timedOut("while sending to \(host)") : .closed
            }
        }
    }

    /// Waits for one answer.
    package func answer(hasBody: Bool = true) throws(HTTPFailure) -> HTTPAnswer {
        var answer = try head()
        guard hasBody, answer.status >= 200, answer.status != 204, answer.status != 304 else { return answer }
        if answer.header("Transfer-Encoding")?.lowercased() == "chunked" {
            while true {
                let line = try line()
                guard let size = Int(line.prefix { $0 != ";" }, radix: 16) else { throw .malformed("chunk size \"\(line)\"") }
                if size == 0 { break }
                answer.body += try take(size)
                _ = try take(2)
            }
            while try !line().isEmpty {}
        } else if let length = answer.header("Content-Length") {
            guard let count = Int(length), count >= 0 else { throw .malformed("Content-Length \"\(length)\"") }
            answer.body = try take(count)
        } else {
            while try fill() {}
            answer.body = Array(received[start...])
            start = received.count
        }
        return answer
    }

    /// Whether the server closes the connection, without another byte, within the time-out.
    package func isClosedByServer() -> Bool {
        guard start == received.count, let more = try? fill() else { return false }
        return !more
    }

    private func head() throws(HTTPFailure) -> HTTPAnswer {
        let words = try line().split(separator: " ", maxSplits: 2)
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else {
            throw .malformed("status line \"\(words.joined(separator: " "))\"")
        }
        var answer = HTTPAnswer(status: status, headers: [], body: [])
        while true {
            let header = try line()
            if header.isEmpty { return answer }
            guard let colon = header.firstIndex(of: ":") else { throw .malformed("header \"\(header)\"") }
            let value = header[header.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            answer.headers.append((String(header[..<colon]), value))
        }
    }

    /// The next line, without its end.
    private func line() throws(HTTPFailure) -> String {
        var searched = start
        while true {
            if let end = received[searched...].firstIndex(of: 10) {
                let bytes = received[start..<(end > start && received[end - 1] == 13 ? end - 1 : end)]
                start = end + 1
                return String(decoding: bytes, as: UTF8.self)
            }
            searched = received.count - start
            guard try fill() else { throw .closed }
            searched += start
        }
    }

    private func take(_ count: Int) throws(HTTPFailure) -> [UInt8] {
        while received.count - start < count {
            guard try fill() else { throw .closed }
        }
        defer { start += count }
        return Array(received[start..<start + count])
    }

    /// Receives some bytes; false when the server has closed.
    private func fill() throws(HTTPFailure) -> Bool {
        if start == received.count {
            received.removeAll(keepingCapacity: true)
            start = 0
        } else if start > 1 << 16 {
            received.removeFirst(start)
            start = 0
        }
        var buffer = [UInt8](repeating: 0, count: 1 << 14)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count > 0 {
                received += buffer[..<count]
                return true
            }
            if count == 0 { return false }
            switch errno {
            case EINTR: continue
            case EAGAIN: throw .timedOut("waiting for \(host)")
            default: return false
            }
        }
    }
}
