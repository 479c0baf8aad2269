// ConnectionTable: what the server keeps of each connection and of the request that is under way on it.
//
// One slot per connection, for a connection answers one request after the other. Slots are made once and used again, with their storage, through a free
// list, so that a request allocates nothing. A request is named by slot and generation: the generation grows with every request's end, so a reply that
// comes too late names nothing.

import CMicrohttpd

/// Names one request of one server, until it is answered or its connection is lost.
package struct RequestToken: Hashable, Sendable {
    package let slot: UInt32
    package let generation: UInt32
}

/// What a connection is doing. Life of a connection: 1. idle 2. header 3. body 4. waiting, or from 2 or 3 refused 5. replying or streaming, then 1 again.
enum Phase: UInt8 {
    /// No connection uses the slot.
    case free
    /// Between requests, or before the first; bytes of a request line may have come.
    case idle
    /// The request line has come.
    case header
    /// The header was accepted; the body is coming, if there is one.
    case body
    /// A refusal was written to the socket while the body still comes; what comes is thrown away.
    case discarding
    /// The handler has the request.
    case waiting
    /// A response is queued.
    case replying
    /// A stream's response is queued.
    case streaming
}

struct Slot: ~Copyable {
    let index: UInt32
    var generation: UInt32 = 0
    var phase = Phase.free
    /// libmicrohttpd does not look at the connection, because its reply takes longer, or its stream has nothing to say.
    var isSuspended = false
    /// The connection is to be closed as soon as libmicrohttpd looks at it.
    var isCut = false
    /// Whether the connection's end was looked for in this phase.
    var isProbed = false
    /// The generation of the connection's first request.
    var firstGeneration: UInt32 = 0
    var isVersion10 = false
    var method = HTTPMethod.get
    var descriptor: Int32 = -1
    var connection: OpaquePointer?
    /// When the phase must be over, in nanoseconds of the monotonic clock.
    var deadline = Int64.max
    /// When the phase began.
    var since: Int64 = 0
    var chunks = 0
    var contentLength: Int?

    /// The request target as it was sent, and its parts.
    var target = ByteStorage()
    var parts = RequestTarget()
    /// The decoded path, if it differs.
    var decodedPath = ByteStorage()
    var body = ByteStorage()
    /// The identifier, 64 bytes at most, and a NUL.
    var requestID = ByteStorage()
    /// What a small response lends to libmicrohttpd until it is sent.
    var reply = ByteStorage()
    var stream: HTTPStream?
    var nextFree: UInt32?

    init(index: UInt32) { self.index = index }

    var token: RequestToken { RequestToken(slot: index, generation: generation) }
    var path: UnsafeRawBufferPointer { parts.isEscaped ? decodedPath.bytes : UnsafeRawBufferPointer(rebasing: target.bytes[parts.path]) }
    var query: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: target.bytes[parts.query]) }

    /// Makes the slot ready for the next request of its connection.
    mutating func endRequest() {
        generation &+= 1
        isSuspended = false
        isCut = false
        stream = nil
        chunks = 0
        contentLength = nil
        target.clear()
        decodedPath.clear()
        body.clear()
        requestID.clear()
        reply.clear()
    }
}

/// The slots of one server.
struct ConnectionTable: ~Copyable {
    let slots: UnsafeMutablePointer<Slot>
    let capacity: Int
    /// Slots that were ever used; those behind are not initialized.
    private(set) var made = 0
    private var firstFree: UInt32?

    init(capacity: Int) {
        self.capacity = capacity
        slots = .allocate(capacity: capacity)  // untouched pages cost nothing
    }

    deinit {
        slots.deinitialize(count: made)
        slots.deallocate()
    }

    /// A slot for a new connection, or nothing if all are in use.
    mutating func take() -> UnsafeMutablePointer<Slot>? {
        if let index = firstFree {
            let slot = slots + Int(index)
            firstFree = slot.pointee.nextFree
            slot.pointee.nextFree = nil
            slot.pointee.firstGeneration = slot.pointee.generation
            // Its former connection may have been cut while it was idle, between two requests.
            slot.pointee.isCut = false
            return slot
        }
        guard made < capacity else { return nil }
        let slot = slots + made
        slot.initialize(to: Slot(index: UInt32(made)))
        made += 1
        return slot
    }

    var isFull: Bool { made == capacity && firstFree == nil }

    mutating func giveBack(_ slot: UnsafeMutablePointer<Slot>) {
        slot.pointee.phase = .free
        slot.pointee.connection = nil
        slot.pointee.deadline = .max
        slot.pointee.nextFree = firstFree
        firstFree = slot.pointee.index
    }

    /// The slot of a request that still waits for its answer.
    func waiting(_ token: RequestToken) -> UnsafeMutablePointer<Slot>? {
        guard Int(token.slot) < made else { return nil }
        let slot = slots + Int(token.slot)
        return slot.pointee.generation == token.generation && slot.pointee.phase == .waiting ? slot : nil
    }
}
