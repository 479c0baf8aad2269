// ListenSocket: a TCP socket that listens, with errors that say which address and port, and why. Also the text form of addresses.

import CMicrohttpd  // whose header brings in what Glibc leaves out of sys/socket.h
import Glibc
import MantaModel

/// Opens a listening socket. Port 0 lets the system choose; the port that it is comes back.
func openListenSocket(address: String, port: Int, sharesPort: Bool, backlog: Int32 = 4096) throws(MantaError) -> (descriptor: Int32, port: Int) {
    let place = address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
    guard (0...65535).contains(port) else { throw MantaError(.invalidArgument, "cannot listen on \(place): expected a port from 0 to 65535") }
    var storage = sockaddr_storage()
    guard let size = parse(address: address == "localhost" ? "127.0.0.1" : address, port: UInt16(port), into: &storage) else {
        throw MantaError(.invalidArgument, "cannot listen on \(place): expected an IPv4 or IPv6 address or localhost")
    }
    let descriptor = socket(Int32(storage.ss_family), Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw failure("open a socket for", place) }
    do throws(MantaError) {
        try set(SO_REUSEADDR, on: descriptor, place)
        if sharesPort { try set(SO_REUSEPORT, on: descriptor, place) }
        let bound = withUnsafeBytes(of: &storage) { bytes in
            bytes.baseAddress.map { bind(descriptor, $0.assumingMemoryBound(to: sockaddr.self), size) } ?? -1
        }
        guard bound == 0, listen(descriptor, backlog) == 0 else { throw failure("listen on", place) }
        return (descriptor, boundPort(of: descriptor) ?? port)
    } catch {
        close(descriptor)
        throw error
    }
}

private func set(_ option: Int32, on descriptor: Int32, _ place: String) throws(MantaError) {
    var on: Int32 = 1
    guard setsockopt(descriptor, SOL_SOCKET, option, &on, socklen_t(MemoryLayout<Int32>.size)) == 0 else { throw failure("prepare a socket for", place) }
}

private func failure(_ doing: String, _ place: String) -> MantaError {
    let code = errno
    switch code {
    case EADDRINUSE:
        return MantaError(.addressInUse, "cannot listen on \(place): another process uses this port; stop it or choose another port (0 lets the system choose)")
    case EACCES: return MantaError(.system, "cannot listen on \(place): ports below 1024 need a privilege; choose a higher one")
    case EADDRNOTAVAIL: return MantaError(.invalidArgument, "cannot listen on \(place): no network interface of this machine has this address")
    default: return MantaError(.system, "cannot \(doing) \(place): \(String(cString: strerror(code)))")
    }
}

private func parse(address: String, port: UInt16, into storage: inout sockaddr_storage) -> socklen_t? {
    withUnsafeMutableBytes(of: &storage) { bytes -> socklen_t? in
        guard let start = bytes.baseAddress else { return nil }
        let ipv4 = start.assumingMemoryBound(to: sockaddr_in.self)
        if inet_pton(AF_INET, address, &ipv4.pointee.sin_addr) == 1 {
            ipv4.pointee.sin_family = sa_family_t(AF_INET)
            ipv4.pointee.sin_port = port.bigEndian
            return socklen_t(MemoryLayout<sockaddr_in>.size)
        }
        let ipv6 = start.assumingMemoryBound(to: sockaddr_in6.self)
        guard inet_pton(AF_INET6, address, &ipv6.pointee.sin6_addr) == 1 else { return nil }
        ipv6.pointee.sin6_family = sa_family_t(AF_INET6)
        ipv6.pointee.sin6_port = port.bigEndian
        return socklen_t(MemoryLayout<sockaddr_in6>.size)
    }
}

private func boundPort(of descriptor: Int32) -> Int? {
    var storage = sockaddr_storage()
    var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
    return withUnsafeMutableBytes(of: &storage) { bytes in
        guard let start = bytes.baseAddress, getsockname(descriptor, start.assumingMemoryBound(to: sockaddr.self), &size) == 0 else { return nil }
        // The port is at the same place in both families.
        return Int(UInt16(bigEndian: start.assumingMemoryBound(to: sockaddr_in.self).pointee.sin_port))
    }
}

/// The text form of an address, without its port.
func numericAddress(of storage: sockaddr_storage) -> String {
    var storage = storage
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    let family = Int32(storage.ss_family)
    withUnsafeBytes(of: &storage) { bytes in
        guard let start = bytes.baseAddress else { return }
        let offset = family == AF_INET6 ? MemoryLayout<sockaddr_in6>.offset(of: \.sin6_addr) : MemoryLayout<sockaddr_in>.offset(of: \.sin_addr)
        _ = inet_ntop(family, start + (offset ?? 0), &text, socklen_t(text.count))
    }
    return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
}
