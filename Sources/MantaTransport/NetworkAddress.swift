// NetworkAddress: the addresses of this machine, as listening on one and finding the way to another process need them.

import Glibc
package import MantaLoop

extension Machine {
    /// The address of this machine from which packets for `endpoint` leave; nil when there is no way to it.
    package static func address(towards endpoint: String) -> String? {
        guard let colon = endpoint.lastIndex(of: ":") else { return nil }
        let host = endpoint[..<colon].dropFirst("tcp://".count)
        var (hints, found) = (addrinfo(), UnsafeMutablePointer<addrinfo>?.none)
        (hints.ai_family, hints.ai_socktype) = (AF_INET, Int32(SOCK_DGRAM.rawValue))
        guard getaddrinfo(String(host), String(endpoint[endpoint.index(after: colon)...]), &hints, &found) == 0, let target = found?.pointee else { return nil }
        defer { freeaddrinfo(found) }
        // To connect a datagram socket asks for the way and sends nothing.
        let socket = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(socket) }
        guard socket >= 0, connect(socket, target.ai_addr, target.ai_addrlen) == 0, let own = SocketAddress(of: socket) else { return nil }
        return own.host
    }

    /// Its addresses, for error texts.
    static var addresses: [String] {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return [] }
        defer { freeifaddrs(list) }
        return sequence(first: list, next: { $0?.pointee.ifa_next }).compactMap { entry in
            guard let address = entry?.pointee.ifa_addr, address.pointee.sa_family == UInt16(AF_INET) else { return nil }
            return address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { SocketAddress($0.pointee).host }
        }
    }
}

/// An IPv4 address and port.
struct SocketAddress {
    var value: sockaddr_in

    init(_ value: sockaddr_in) { self.value = value }

    /// Nil when the text is no IPv4 address.
    init?(host: String, port: UInt16 = 0) {
        value = sockaddr_in()
        (value.sin_family, value.sin_port) = (sa_family_t(AF_INET), port.bigEndian)
        guard inet_pton(AF_INET, host, &value.sin_addr) == 1 else { return nil }
    }

    /// Nil when it is not `tcp://host:port` with an address in numbers.
    init?(endpoint: String) {
        guard endpoint.hasPrefix("tcp://"), let colon = endpoint.lastIndex(of: ":"), let port = UInt16(endpoint[endpoint.index(after: colon)...]) else { return nil }
        self.init(host: String(endpoint[..<colon].dropFirst("tcp://".count)), port: port)
    }

    /// What the socket is bound to.
    init?(of socket: Int32) {
        var (address, size) = (sockaddr_in(), socklen_t(MemoryLayout<sockaddr_in>.size))
        let result = withUnsafeMutablePointer(to: &address) { $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket, $0, &size) } }
        guard result == 0 else { return nil }
        value = address
    }

    var host: String {
        var (text, address) = ([CChar](repeating: 0, count: Int(INET_ADDRSTRLEN)), value.sin_addr)
        guard inet_ntop(AF_INET, &address, &text, socklen_t(text.count)) != nil else { return "" }
        return text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    var port: UInt16 { UInt16(bigEndian: value.sin_port) }

    /// Binds the socket to the address; answers the error's number, 0 when it worked.
    func bind(_ socket: Int32) -> Int32 { call(Glibc.bind, socket) }

    /// Connects the socket to the address; answers the error's number, 0 when it worked.
    func connect(_ socket: Int32) -> Int32 { call(Glibc.connect, socket) }

    private func call(_ function: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32, _ socket: Int32) -> Int32 {
        withUnsafePointer(to: value) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { function(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0 ? 0 : errno }
        }
    }
}
