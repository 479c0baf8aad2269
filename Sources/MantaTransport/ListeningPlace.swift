// ListeningPlace: where a process is going to listen, known before it does: a path for its own machine, and a TCP port when other machines are to reach it.
//
// The port is the process's own from the beginning, so that its address is final before anyone hears of it: the kernel has chosen it and keeps it bound,
// until the transport takes the socket over.

package import MantaModel
import Glibc
import MantaLoop
import Synchronization

/// A TCP port of one address of this machine, bound and not yet listened on.
package final class ReservedPort: Sendable {
    /// `tcp://host:port`.
    package let endpoint: String
    /// The address in numbers.
    package let host: String
    private let socket: Atomic<Int32>

    /// Takes a free port.
    /// - Parameter host: An IPv4 address of this machine.
    /// - Throws: `invalidArgument` for what is none.
    package init(host: String) throws(MantaError) {
        guard let address = SocketAddress(host: host) else {
            throw MantaError(
                .invalidArgument, "the host address \"\(host.prefix(64))\" is not understood; expected an IPv4 address of this machine, which has \(Self.known)")
        }
        guard address.value.sin_addr.s_addr != 0 else {
            throw MantaError(.invalidArgument, "the host address \(host) is every address of this machine, and other machines need one to connect to: give one of \(Self.known)")
        }
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard socket >= 0 else { throw MantaError(.system, "no socket for \(host): \(String(cString: strerror(errno)))") }
        let failure = address.bind(socket)
        guard failure == 0, let bound = SocketAddress(of: socket) else {
            close(socket)
            if failure == EADDRNOTAVAIL { throw MantaError(.invalidArgument, "this machine has no address \(host): give one of \(Self.known)") }
            throw MantaError(.system, "no port of \(host) can be had: \(String(cString: strerror(failure)))")
        }
        (self.host, endpoint) = (host, "tcp://\(host):\(bound.port)")
        self.socket = Atomic(socket)
    }

    deinit {
        let socket = socket.load(ordering: .relaxed)
        if socket >= 0 { close(socket) }
    }

    private static var known: String { Machine.addresses.joined(separator: ", ") }

    /// Hands the socket over, which listens from now on; once.
    func take() throws(MantaError) -> Int32 {
        let socket = socket.exchange(-1, ordering: .relaxed)
        guard socket >= 0, listen(socket, 1024) == 0 else { throw MantaError(.system, "cannot listen on \(endpoint): \(String(cString: strerror(errno)))") }
        return socket
    }
}

/// A path, and a port when there is one.
package struct ListeningPlace: Sendable {
    /// As others are told it.
    package let endpoint: Endpoint
    package let port: ReservedPort?

    package init(path: String, port: ReservedPort?) {
        endpoint = Endpoint(network: port?.endpoint, local: "ipc://\(path)", machine: port.map { _ in Machine.identity })
        self.port = port
    }

    /// The path at which a process of a cluster listens, in the folder of its machine's sockets.
    package static func path(of process: ProcessID, in folder: String) -> String { "\(folder)/\(process.short).sock" }
}
