// Stranger: a peer written by hand from the protocol's description, without ZeroMQ: ZMTP 3.0 over TCP as a DEALER. It can say what no process of ours would.

import Glibc
import MantaTestKit

/// A connection that speaks just enough ZMTP. Reads have a deadline.
final class Stranger {
    private let descriptor: Int32

    init(connectingTo address: String) throws {
        let port = UInt16(address.split(separator: ":").last!)!
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = port.bigEndian
        target.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let connected = withUnsafePointer(to: &target) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        guard connected == 0 else { throw DidNotHappen(description: "no connection to \(address)") }
    }

    deinit { close(descriptor) }

    /// Greeting and READY of the NULL mechanism.
    func shakeHands() throws {
        write([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0] + Array("NULL".utf8) + [UInt8](repeating: 0, count: 48))
        _ = try read(64)
        let ready: [UInt8] = [5] + Array("READY".utf8) + [11] + Array("Socket-Type".utf8) + [0, 0, 0, 6] + Array("DEALER".utf8)
        write([0x04, UInt8(ready.count)] + ready)
        _ = try readFrame()
    }

    /// A message of one frame.
    func send(_ batch: [UInt8]) {
        let size = UInt64(batch.count)
        write([0x02] + (0..<8).map { UInt8(truncatingIfNeeded: size >> (56 - 8 * $0)) } + batch)
    }

    func write(_ bytes: [UInt8]) { _ = bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) } }

    func readFrame() throws -> [UInt8] {
        let flags = try read(1)[0]
        let size = flags & 2 == 0 ? Int(try read(1)[0]) : try read(8).reduce(0) { $0 << 8 | Int($1) }
        return try read(size)
    }

    private func read(_ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var found = 0
        while found < count {
            let more = bytes.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress! + found, count - found) }
            guard more > 0 else { throw DidNotHappen(description: "the connection ended, or nothing came for 10 s") }
            found += more
        }
        return bytes
    }
}

/// A record as the protocol describes it: length, [kind, flags, correlation, deadline], body.
func record(kind: UInt8, flags: UInt8 = 0, correlation: UInt8 = 0, _ body: [UInt8]) -> [UInt8] {
    let content = [0x94, kind, flags, correlation, 0] + body
    return (0..<4).map { UInt8(truncatingIfNeeded: content.count >> (24 - 8 * $0)) } + content
}

/// The body of a Hello: version, no cluster, role, process, pid, endpoint, host.
func helloBody(version: UInt8 = 1, role: String = "worker") -> [UInt8] {
    [0x97, version, 0xc0] + text(role) + [0xc4, 16] + (0..<16).map { _ in UInt8.random(in: 0...255) } + [1] + text("") + text("elsewhere")
}

private func text(_ value: String) -> [UInt8] { [0xa0 | UInt8(value.utf8.count)] + Array(value.utf8) }
