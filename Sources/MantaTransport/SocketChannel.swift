// SocketChannel: a ZeroMQ socket in the loop: its descriptor is watched, and it is *active* from a wake-up, or a use, until its events say that it is quiet.
//
// ZeroMQ's descriptor tells only that something may have changed, and any use of the socket may swallow that. So a used socket must be asked for its
// events before the loop sleeps; an unused one need not be, which keeps a turn's cost independent of the number of links.

import MantaLoop
import MantaModel

final class SocketChannel {
    enum Role {
        case router
        case dealer(Link)
        /// Reports connections of a dealer's link, or of the router (nil).
        case monitor(Link?)
    }

    private(set) var socket: ZeroMQSocket
    let role: Role
    var isActive = false
    var isClosed = false
    private var registration: DescriptorID?

    init(_ socket: consuming ZeroMQSocket, role: Role) {
        self.socket = socket
        self.role = role
    }

    /// Calls `wake` when the socket's descriptor fires.
    func watch(on loop: EventLoop, wake: @escaping (SocketChannel) -> Void) throws(MantaError) {
        registration = try loop.addDescriptor(socket.descriptor, .read) { [unowned self] _ in wake(self) }
    }

    /// The socket closes when the last holder of the channel lets go.
    func close(on loop: EventLoop) {
        isClosed = true
        if let registration { loop.removeDescriptor(registration) }
        registration = nil
    }
}
