// ListenerProbe: one question to the kernel of another machine: does anybody listen at this address?
//
// Owns a socket that connects without waiting, until the answer or for `patience`. A process listens from before anyone hears of its address until it ends,
// so a machine that refuses the connection says that the process is gone; one that says nothing, or cannot be reached, says nothing about the process.

import Glibc
import MantaLoop
import MantaModel

/// Confined to its loop.
final class ListenerProbe {
    private static let patience: Duration = .seconds(3)
    private let loop: EventLoop
    private var socket: Int32
    private var registration: DescriptorID?
    private var timer: TimerID?
    /// Called once, later, and not after `cancel`: whether the machine refused.
    private var answered: ((_ isRefused: Bool) -> Void)?

    /// Nil when nothing can be learnt: no address in numbers, or no socket to be had.
    /// - Parameter endpoint: `tcp://host:port`.
    init?(of endpoint: String, on loop: EventLoop, _ answered: @escaping (_ isRefused: Bool) -> Void) {
        guard let address = SocketAddress(endpoint: endpoint) else { return nil }
        (self.loop, self.answered) = (loop, answered)
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard socket >= 0 else { return nil }
        let failure = address.connect(socket)
        timer = loop.schedule(after: failure == EINPROGRESS ? Self.patience : .zero) { [self] in end(with: failure) }
        guard failure == EINPROGRESS else { return }
        // What cannot be watched ends with its patience.
        registration = try? loop.addDescriptor(socket, .write) { [self] _ in
            var (failure, size) = (Int32(0), socklen_t(MemoryLayout<Int32>.size))
            getsockopt(socket, SOL_SOCKET, SO_ERROR, &failure, &size)
            end(with: failure)
        }
    }

    private func end(with failure: Int32) {
        let answered = answered
        cancel()
        answered?(failure == ECONNREFUSED)
    }

    /// Nobody wants to know any more.
    func cancel() {
        registration.map(loop.removeDescriptor)
        timer.map(loop.cancel)
        if socket >= 0 { close(socket) }
        (socket, registration, timer, answered) = (-1, nil, nil, nil)
    }
}
