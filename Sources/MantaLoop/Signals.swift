// Signals: a process's signals as events of a loop. A signal belongs to one loop of the process; the last registration wins.

import CSystem
import Glibc
package import MantaModel

/// The routing of some signals to a handler, until `cancel()`.
///
/// `@unchecked Sendable`: used on its loop only, which debug builds assert.
package final class SignalWatch: @unchecked Sendable {
    private let loop: EventLoop
    private let signals: [Int32]
    private var pipe: (read: Int32, write: Int32)
    private var registration: DescriptorID?

    init(_ signals: [Int32], loop: EventLoop, handler: @escaping (Int32) -> Void) throws(MantaError) {
        (self.signals, self.loop) = (signals, loop)
        var ends: [Int32] = [-1, -1]
        let failure = manta_nonblocking_pipe(&ends)
        guard failure == 0 else { throw MantaError(.system, "no pipe for signals: \(String(cString: strerror(-failure)))") }
        let source = ends[0]
        pipe = (source, ends[1])
        registration = try loop.addDescriptor(source, .read) { _ in
            var number: UInt8 = 0
            while read(source, &number, 1) == 1 { handler(Int32(number)) }
        }
        for signal in signals {
            let failure = manta_route_signal(signal, pipe.write)
            guard failure == 0 else { throw MantaError(.invalidArgument, "signal \(signal) cannot be handled: \(String(cString: strerror(-failure)))") }
        }
    }

    /// Gives the signals their default actions back.
    package func cancel() {
        loop.assertOnLoop()
        guard let registration else { return }
        for signal in signals { _ = manta_unroute_signal(signal) }
        loop.removeDescriptor(registration)
        self.registration = nil
        close(pipe.read)
        close(pipe.write)
    }
}

extension EventLoop {
    /// Calls `handler` on the loop with the number of each of these signals that arrives, instead of its default action.
    @discardableResult
    package func watchSignals(_ signals: [Int32], handler: @escaping (Int32) -> Void) throws(MantaError) -> SignalWatch {
        assertOnLoop()
        return try SignalWatch(signals, loop: self, handler: handler)
    }
}
