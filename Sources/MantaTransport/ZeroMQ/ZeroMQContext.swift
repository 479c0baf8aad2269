// ZeroMQContext: libzmq's context: its I/O thread and the namespace of inproc endpoints.
//
// Sockets hold their context, so it ends after the last of them; ending it waits for what they still send, at most their linger time.

import CSystem
import CZeroMQ
import MantaModel

/// Owns a context. `@unchecked Sendable`: libzmq's contexts are safe for use by any thread.
package final class ZeroMQContext: @unchecked Sendable {
    let handle: UnsafeMutableRawPointer
    /// A process with more links than this takes a larger context for the further ones: what a context sets aside is touched memory, and there may be
    /// thousands of processes on a machine.
    let links: Int

    package init(links: Int = Limits.linksAtFirst) {
        // A ROUTER that runs out of descriptors spins at full load without an error.
        manta_raise_descriptor_limit()
        guard let handle = zmq_ctx_new() else { preconditionFailure("no memory for ZeroMQ's context") }
        (self.handle, self.links) = (handle, links)
        zmq_ctx_set(handle, ZMQ_IO_THREADS, 1)
        // An outgoing link takes three sockets: itself, and both ends of its monitor. Those of closed links go a little later.
        zmq_ctx_set(handle, ZMQ_MAX_SOCKETS, Int32(clamping: max(64, 4 * links)))
        zmq_ctx_set(handle, ZMQ_BLOCKY, 0)
    }

    deinit {
        // EINTR: a signal hit the thread while it waited.
        while zmq_ctx_term(handle) != 0, zmq_errno() == EINTR {}
    }
}
