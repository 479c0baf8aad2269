// RawClient: a blocking TCP client that sends exactly the bytes it is given and reads with a deadline, so that tests can be as rude as they like.

import Glibc
import MantaHTTP

struct Timeout: Error, CustomStringConvertible { let description: String }

struct Reply: Equatable {
    var status: Int
    var headers: [String: String]
    var body: String
}

final class RawClient {
    let descriptor: Int32
    private var received: [UInt8] = []

    init(port: Int, address: String = "127.0.0.1") throws {
        let isVersion6 = address.contains(":")
        descriptor = socket(isVersion6 ? AF_INET6 : AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var storage = sockaddr_storage()
        let size = withUnsafeMutableBytes(of: &storage) { bytes -> Int in
            let start = bytes.baseAddress!
            if isVersion6 {
                let to = start.assumingMemoryBound(to: sockaddr_in6.self)
                to.pointee.sin6_family = sa_family_t(AF_INET6)
                to.pointee.sin6_port = UInt16(port).bigEndian
                inet_pton(AF_INET6, address, &to.pointee.sin6_addr)
                return MemoryLayout<sockaddr_in6>.size
            }
            let to = start.assumingMemoryBound(to: sockaddr_in.self)
            to.pointee.sin_family = sa_family_t(AF_INET)
            to.pointee.sin_port = UInt16(port).bigEndian
            inet_pton(AF_INET, address, &to.pointee.sin_addr)
            return MemoryLayout<sockaddr_in>.size
        }
        let result = withUnsafeBytes(of: &storage) { connect(descriptor, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(size)) }
        guard result == 0 else { throw Timeout(description: "cannot connect to port \(port): \(String(cString: strerror(errno)))") }
    }

    deinit { close(descriptor) }

    /// Sends everything; says false if the server does not take it any more.
    @discardableResult
    func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    /// No more bytes will come from this side.
    func closeWriting() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Makes the coming close a reset, as a crashed client's would be.
    func resetOnClose() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }

    /// Waits for bytes. False: none came in that time. An end or a reset counts as something that came.
    func waitReadable(milliseconds: Int) -> Bool {
        var item = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&item, 1, Int32(milliseconds)) > 0
    }

    /// Reads what has come, at least one byte; false at the end.
    func receive(milliseconds: Int = 5_000) throws -> Bool {
        guard waitReadable(milliseconds: milliseconds) else {
            throw Timeout(description: "nothing came within \(milliseconds) ms; so far: \(String(decoding: received, as: UTF8.self))")
        }
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &chunk, chunk.count, 0)
        guard count > 0 else { return false }
        received += chunk[..<count]
        return true
    }

    /// Everything until the server closes.
    func readToEnd(milliseconds: Int = 5_000) throws -> String {
        while try receive(milliseconds: milliseconds) {}
        defer { received = [] }
        return String(decoding: received, as: UTF8.self)
    }

    /// Everything up to and including the text.
    func read(through text: String) throws -> String {
        let wanted = Array(text.utf8)
        while true {
            if let range = received.firstRange(of: wanted) {
                defer { received.removeSubrange(..<range.upperBound) }
                return String(decoding: received[..<range.upperBound], as: UTF8.self)
            }
            guard try receive() else { throw Timeout(description: "the end came before \(text): \(String(decoding: received, as: UTF8.self))") }
        }
    }

    /// One response, with the body that its Content-Length announces.
    func readReply(isHead: Bool = false) throws -> Reply {
        let head = try read(through: "\r\n\r\n").split(separator: "\r\n")
        let status = head[0].split(separator: " ")
        var headers: [String: String] = [:]
        for line in head.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            headers[parts[0].lowercased()] = parts.count > 1 ? String(parts[1].drop { $0 == " " }) : ""
        }
        let size = isHead ? 0 : Int(headers["content-length"] ?? "0") ?? 0
        while received.count < size {
            guard try receive() else { throw Timeout(description: "the end came within the body") }
        }
        defer { received.removeSubrange(..<size) }
        return Reply(status: Int(status[1]) ?? 0, headers: headers, body: String(decoding: received[..<size], as: UTF8.self))
    }

    func exchange(_ text: String) throws -> Reply {
        send(text)
        return try readReply()
    }
}
