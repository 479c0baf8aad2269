// Transport+Listening: where others find this process, and the options of every socket with their reasons.

import CSystem
import CZeroMQ
import Glibc
import MantaLoop
package import MantaModel
import MantaWire

/// ZeroMQ's constants that the transport looks at.
enum ZMQEvents {
    static let readable = ZMQ_POLLIN
    static let writable = ZMQ_POLLOUT
    static let disconnected = ZMQ_EVENT_DISCONNECTED
    static let connection = ZMQ_EVENT_DISCONNECTED
    static let connected = ZMQ_EVENT_CONNECTED
    static let retried = ZMQ_EVENT_CONNECT_RETRIED
}

extension Transport {
    /// Listens on an endpoint and answers the address it really got: `tcp://127.0.0.1:0` and `tcp://*:0` take a free port. The directory of an `ipc://`
    /// path is made with mode 0700. Several endpoints are possible; the first becomes the identity's.
    /// - Parameter isGuarded: Whether an `ipc://` path may be wanted by others. One that is this process's alone, in a directory that is there, needs no lock.
    @discardableResult
    package func listen(on endpoint: String, isGuarded: Bool = true) throws(MantaError) -> String {
        loop.assertOnLoop()
        let router: SocketChannel
        if let open = self.router { router = open } else { router = try openRouter() }
        var held: EndpointGuard?
        if isGuarded, endpoint.hasPrefix("ipc://") { held = try EndpointGuard(path: String(endpoint.dropFirst(6))) }
        configure(router.socket, for: endpoint)
        let failure = router.socket.bind(endpoint)
        guard failure == 0 else { throw bindError(endpoint, failure) }
        if let held { guards.append(held) }
        let address = router.socket.lastEndpoint
        if identity.endpoint.isEmpty { identity.endpoint = address }
        activate(router)
        return address
    }

    /// Listens at a path, and on a port that was reserved, if there is one.
    /// - Parameter isGuarded: As in `listen(on:)`.
    package func listen(at place: ListeningPlace, isGuarded: Bool = true) throws(MantaError) {
        if let local = place.endpoint.local { try listen(on: local, isGuarded: isGuarded) }
        if let port = place.port, let router {
            configure(router.socket, for: port.endpoint)
            let socket = try port.take()
            router.socket.set(ZMQ_USE_FD, socket)
            let failure = router.socket.bind(port.endpoint)
            router.socket.set(ZMQ_USE_FD, -1)
            guard failure == 0 else {
                Glibc.close(socket)
                throw bindError(port.endpoint, failure)
            }
        }
        identity.endpoint = place.endpoint.text
    }

    private func openRouter() throws(MantaError) -> SocketChannel {
        guard let context else { throw MantaError(.notConnected, "this process has closed its links") }
        let socket = try ZeroMQSocket(.router, in: context)
        socket.set(ZMQ_ROUTER_MANDATORY, 1)
        socket.set(ZMQ_BACKLOG, 1024)
        let monitor = try socket.monitor(ZMQEvents.connection, at: "inproc://monitor-router-\(UInt(bitPattern: ObjectIdentifier(self)))")
        let channel = try add(socket, .router)
        routerMonitor = try add(monitor, .monitor(nil))
        router = channel
        return channel
    }

    private func bindError(_ endpoint: String, _ failure: Int32) -> MantaError {
        switch failure {
        case EADDRINUSE:
            MantaError(.addressInUse, "\(endpoint) is in use by another process: stop that one, or choose another port")
        case EADDRNOTAVAIL, ENODEV:
            MantaError(.invalidArgument, "cannot listen on \(endpoint): this machine has no such address")
        case EACCES:
            MantaError(.invalidArgument, "cannot listen on \(endpoint): not permitted; ports below 1024 need rights")
        default:
            MantaError(.invalidArgument, "cannot listen on \"\(endpoint)\": \(zeroMQText(failure)); expected tcp://HOST:PORT or ipc://PATH")
        }
    }

    /// Options of a socket that is about to bind or connect; a ROUTER's later bind takes those of its own address.
    func configure(_ socket: borrowing ZeroMQSocket, for endpoint: String) {
        // With 1, ZeroMQ drops what has arrived and is not yet read when the connection ends: a last answer, or a goodbye. See Transport.
        socket.set(ZMQ_IMMEDIATE, 0)
        // Long enough for a goodbye, short enough for an end.
        socket.set(ZMQ_LINGER, 500)
        // Few: behind them the link's batches grow, which costs less per message, and are counted in bytes.
        socket.set(ZMQ_SNDHWM, 128)
        socket.set(ZMQ_RCVHWM, 128)
        // A batch may hold one message of the largest size behind a batch's worth of others.
        socket.set(ZMQ_MAXMSGSIZE, wide: Int64(settings.messageBytes + settings.batchBytes + 65_536))
        socket.set(ZMQ_HANDSHAKE_IVL, 5000)
        socket.set(ZMQ_RECONNECT_IVL, 50)
        socket.set(ZMQ_RECONNECT_IVL_MAX, 1000)
        guard endpoint.hasPrefix("tcp://") else { return }
        socket.set(ZMQ_CONNECT_TIMEOUT, 3000)
        // Longer than the largest message takes: a peer cannot answer while it is on the wire. Within a machine the kernel tells when a peer dies.
        socket.set(ZMQ_HEARTBEAT_IVL, 2000)
        socket.set(ZMQ_HEARTBEAT_TIMEOUT, 15_000)
        socket.set(ZMQ_HEARTBEAT_TTL, 20_000)
        socket.set(ZMQ_TCP_KEEPALIVE, 1)
        socket.set(ZMQ_TCP_KEEPALIVE_IDLE, 30)
        socket.set(ZMQ_TCP_KEEPALIVE_INTVL, 5)
        socket.set(ZMQ_TCP_KEEPALIVE_CNT, 3)
    }
}
