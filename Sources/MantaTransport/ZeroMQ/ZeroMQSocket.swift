// ZeroMQSocket: one libzmq socket, owned by one value and used by one thread. No call blocks.

import CZeroMQ
import Glibc
import MantaModel

/// Owns a socket and closes it.
struct ZeroMQSocket: ~Copyable {
    enum Kind: Int32 { case router = 6, dealer = 5, pair = 0 }

    enum Outcome: Equatable {
        case done
        /// Full, or nobody is connected: later.
        case wouldBlock
        /// A ROUTER knows no such peer.
        case unreachable
        case failed(Int32)
    }

    private let handle: UnsafeMutableRawPointer
    private let context: ZeroMQContext

    init(_ kind: Kind, in context: ZeroMQContext) throws(MantaError) {
        guard let handle = zmq_socket(context.handle, kind.rawValue) else {
            throw MantaError(.system, "ZeroMQ gives no socket: \(zeroMQText(zmq_errno())); raise the limit of open files (ulimit -n)")
        }
        (self.handle, self.context) = (handle, context)
    }

    deinit { zmq_close(handle) }

    func set(_ option: Int32, _ value: Int32) {
        let result = manta_zmq_set(handle, option, value)
        assert(result == 0, "ZeroMQ refuses option \(option) = \(value): \(zeroMQText(-result))")
    }

    func set(_ option: Int32, wide value: Int64) {
        let result = manta_zmq_set_wide(handle, option, value)
        assert(result == 0, "ZeroMQ refuses option \(option) = \(value): \(zeroMQText(-result))")
    }

    /// Answers ZeroMQ's error number, 0 when it worked.
    func bind(_ endpoint: String) -> Int32 { -manta_zmq_bind(handle, endpoint) }
    func connect(_ endpoint: String) -> Int32 { -manta_zmq_connect(handle, endpoint) }

    /// The address that the last `bind` really got.
    var lastEndpoint: String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { text in
            var size = text.count
            guard zmq_getsockopt(handle, ZMQ_LAST_ENDPOINT, text.baseAddress, &size) == 0, let start = text.baseAddress else { return "" }
            return String(cString: start)
        }
    }

    /// Becomes readable when `events` may have changed, and only then: look at `events` after every use of the socket.
    var descriptor: Int32 { option(ZMQ_FD) }

    var events: Int32 { option(ZMQ_EVENTS) }

    private func option(_ name: Int32) -> Int32 {
        var value: Int32 = 0
        return manta_zmq_get(handle, name, &value) == 0 ? value : 0
    }

    /// Sends a copy of the bytes.
    func send(_ bytes: UnsafeRawBufferPointer, more: Bool = false) -> Outcome {
        outcome(manta_zmq_send(handle, bytes.baseAddress, bytes.count, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0)))
    }

    /// Sends the bytes without a copy; they live until ZeroMQ's I/O thread has written them.
    func send(lending bytes: [UInt8]) -> Outcome {
        let loan = Unmanaged.passRetained(Loan(bytes))
        var message = zmq_msg_t()
        // The address stays: the loan's array is native, never changed, and outlives the message.
        let start = loan.takeUnretainedValue().bytes.withUnsafeBytes { UnsafeMutableRawPointer(mutating: $0.baseAddress) }
        let made = zmq_msg_init_data(&message, start, bytes.count, { _, hint in Unmanaged<Loan>.fromOpaque(hint!).release() }, loan.toOpaque())
        guard made == 0 else {
            loan.release()
            return .failed(ENOMEM)
        }
        let result = outcome(manta_zmq_send_message(handle, &message, ZMQ_DONTWAIT))
        if result != .done { zmq_msg_close(&message) }
        return result
    }

    /// Receives one frame into `message`. False: there is none.
    func receive(into message: borrowing ZeroMQMessage) -> Bool {
        manta_zmq_receive(handle, message.pointer, ZMQ_DONTWAIT) >= 0
    }

    private func outcome(_ result: Int32) -> Outcome {
        switch result {
        case 0...: .done
        case -EAGAIN: .wouldBlock
        case -EHOSTUNREACH: .unreachable
        default: .failed(-result)
        }
    }

    /// Reports `events` about connections to the returned socket.
    func monitor(_ events: Int32, at address: String) throws(MantaError) -> ZeroMQSocket {
        guard zmq_socket_monitor(handle, address, events) == 0 else {
            throw MantaError(.system, "ZeroMQ cannot watch a socket's connections: \(zeroMQText(zmq_errno()))")
        }
        let monitor = try ZeroMQSocket(.pair, in: context)
        monitor.set(ZMQ_LINGER, 0)
        let failure = monitor.connect(address)
        guard failure == 0 else { throw MantaError(.system, "ZeroMQ cannot watch a socket's connections: \(zeroMQText(failure))") }
        return monitor
    }

    func stopMonitoring() { zmq_socket_monitor(handle, nil, 0) }
}

/// Bytes that ZeroMQ reads until it is done with them.
private final class Loan {
    let bytes: [UInt8]
    init(_ bytes: [UInt8]) { self.bytes = bytes }
}

/// Owns one received frame; receiving into it again drops the former one.
struct ZeroMQMessage: ~Copyable {
    let pointer: UnsafeMutablePointer<zmq_msg_t>

    init() {
        pointer = .allocate(capacity: 1)
        zmq_msg_init(pointer)
    }

    deinit {
        zmq_msg_close(pointer)
        pointer.deallocate()
    }

    /// Valid until the next receive.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: zmq_msg_data(pointer), count: zmq_msg_size(pointer)) }
    var hasMore: Bool { zmq_msg_more(pointer) != 0 }
    /// The connection it came by; -1 in process.
    var sourceDescriptor: Int32 { zmq_msg_get(pointer, ZMQ_SRCFD) }
    /// Frees the frame's memory now.
    func clear() {
        zmq_msg_close(pointer)
        zmq_msg_init(pointer)
    }
}

func zeroMQText(_ number: Int32) -> String { String(cString: zmq_strerror(number)) }
