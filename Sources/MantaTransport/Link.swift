// Link: one connection to another process, in either direction. Both sides send requests, answers and one-way messages on it.
//
// Owned by a transport and confined to its loop. What always holds:
// - What is sent in one turn leaves as one ZeroMQ message at the end of the turn, in order; a batch is cut at `Settings.batchBytes`.
// - Sending never blocks. What cannot leave waits here, bounded in bytes.
// - After a break, nothing leaves before the handshake was made again; unanswered requests are then sent again, so handlers must be idempotent but for the
//   kinds whose answers the link remembers (`MessageKind.runsOnce`).

package import MantaLoop
package import MantaModel
package import MantaWire

/// A connection to a peer.
///
/// `@unchecked Sendable`: every member is used on the transport's loop only, which debug builds assert.
package final class Link: @unchecked Sendable {
    package enum Direction: Sendable { case outgoing, incoming }

    enum State {
        /// The peer has not said who it is yet.
        case opening
        case open
        /// The connection is gone and may come back.
        case broken
        case closed(MantaError)
    }

    package let direction: Direction
    /// Where the link leads, by the way it takes; empty for an incoming one.
    package let endpoint: String
    /// The whole text of an outgoing link's endpoint, by which the transport knows it.
    var name = ""
    /// Distinguishes the outgoing links of one process.
    let number: UInt64
    /// How long the link may be broken, or not yet there, before it is closed; nil: for ever.
    package var reconnectGrace: Duration?
    /// Who is at the other end, once it has said so.
    package internal(set) var peer: Hello? {
        didSet { (peerProcess, peerRole, peerPid) = (peer?.process, peer?.role, peer?.pid) }
    }
    /// The same, for those who ask with every message: without copying all that it has said.
    @exclusivity(unchecked) package private(set) var peerProcess: ProcessID?
    @exclusivity(unchecked) package private(set) var peerRole: ProcessRole?
    @exclusivity(unchecked) package private(set) var peerPid: Int32?
    /// For the link's user: what it keeps about the peer, at hand without a look-up.
    package var attachment: AnyObject?

    /// Unsafe, since every message reads it and it needs no check: a transport closes its links before it goes, and a closed link does not look here.
    unowned(unsafe) let transport: Transport
    package let loop: EventLoop
    var state = State.opening
    var expectedRole: ProcessRole?
    var expectedProcess: ProcessID?

    // Sending
    var outbox = Outbox()
    /// Goes before everything else: the handshake of a link that comes back.
    var preamble: [UInt8]?
    /// Nothing but the preamble may leave.
    var isHolding = false
    /// ZeroMQ takes no more at present.
    var isBlocked = false
    /// Waits for the end of the turn.
    var isScheduled = false
    /// Outgoing: the link's own socket and its monitor. Incoming: the router's name for the connection, and its descriptor.
    var channel: SocketChannel?
    var monitor: SocketChannel?
    var route: UInt32 = 0
    var connection: Int32 = -1
    /// Where the link has moved to, or moves.
    var ring: RingChannel?
    /// False after a ring that turned out odd.
    var mayMove = true
    /// Batches since the link stands on its socket.
    var batchCount = 0

    // Requests of this side
    private var pending: [UInt64: PendingRequest] = [:]
    private var deadlines = DeadlineHeap()
    private var deadlineTimer: TimerID?
    private var deadlineTimerDue = Instant(nanoseconds: .max)
    private var lastRequest: UInt64 = 0
    /// Requests up to this one were sent before the break.
    private var resendThrough: UInt64 = 0
    /// Grows when another process answers at the same endpoint.
    private(set) var epoch: UInt32 = 0

    // Requests of the peer
    /// Those that are not to be carried out twice.
    private var answered = AnsweredRequests()

    /// Somebody has accepted a connection, of a link to a place and not to a process.
    var wasAccepted = false
    var graceTimer: TimerID?
    /// Since when the peer is away, or not yet there.
    var awaySince: Instant?
    /// Asks whether it still listens.
    var probe: ListenerProbe?

    init(_ direction: Direction, to endpoint: String, number: UInt64, transport: Transport) {
        (self.direction, self.endpoint, self.number, self.transport, loop) = (direction, endpoint, number, transport, transport.loop)
        reconnectGrace = transport.settings.reconnectGrace
    }

    // MARK: What it is

    /// Whether the peer is known and reachable as far as this side knows.
    package var isOpen: Bool { if case .open = state { true } else { false } }
    package var isClosed: Bool { if case .closed = state { true } else { false } }
    private var closingError: MantaError? { if case .closed(let error) = state { error } else { nil } }
    /// Whether both directions have moved to shared memory.
    package var isShared: Bool { ring.map { $0.isReading && $0.isWriting } ?? false }
    /// What is to be sent goes to the ring, and nothing before it to the socket.
    var waitsForRing: Bool { ring?.isWriting == true && outbox.batchesForSocket == 0 }
    /// Bytes that wait to be sent.
    package var queuedBytes: Int { outbox.byteCount }
    package var pendingRequests: Int { pending.count }

    /// The peer in words, for error texts: its role, the first digits of its identifier, and where it is.
    package var peerDescription: String {
        guard let peer else { return endpoint.isEmpty ? "an unknown peer" : "the process at \(endpoint)" }
        let place = endpoint.isEmpty ? "pid \(peer.pid) on \(peer.host)" : endpoint
        return "\(peer.role) \(peer.process.short) (\(place))"
    }

    // MARK: Sending

    /// Sends a one-way message. Nil when it was taken, which is not yet delivered; else why it was not.
    @discardableResult
    package func send(_ message: some WireMessage) -> MantaError? {
        write(message, flags: [], correlation: 0)
    }

    /// Sends a request and calls `reply`, on the loop, exactly once, after this call has returned: with the answer, the peer's failure, `timeout`
    /// after the deadline (nil: none), or the link's end.
    package func request<Request: WireRequest>(
        _ request: Request, deadline: Duration? = Limits.requestDeadline, _ reply: @escaping (Result<Request.Reply, MantaError>) -> Void
    ) {
        lastRequest += 1
        if let error = write(request, flags: .request, correlation: lastRequest, milliseconds: deadline.map(Self.milliseconds) ?? 0) ?? closingError {
            return loop.later { reply(.failure(error)) }
        }
        let due = deadline.map { EventLoop.clock() + $0 }
        pending[lastRequest] = TypedRequest(request, due: due, patience: deadline, reply: reply)
        if let due {
            deadlines.insert(lastRequest, at: due)
            armDeadlineTimer()
        }
    }

    /// Sends a request and returns the answer. From any thread, best on the loop.
    package func request<Request: WireRequest>(_ request: Request, deadline: Duration? = Limits.requestDeadline) async throws(MantaError) -> Request.Reply {
        let result: Result<Request.Reply, MantaError> = await withUnsafeContinuation { continuation in
            let begin: @Sendable () -> Void = { self.request(request, deadline: deadline) { continuation.resume(returning: $0) } }
            if loop.isCurrent { begin() } else { loop.execute(begin) }
        }
        return try result.get()
    }

    /// Answers a request. An answer that cannot be sent becomes a failure.
    @discardableResult
    package func reply(to correlation: Correlation, _ message: some WireMessage) -> MantaError? {
        guard correlation.epoch == epoch else { return nil }
        if answered.keeps(correlation.number) { keep(message, to: correlation.number) }
        guard let error = write(message, flags: .reply, correlation: correlation.number) else { return nil }
        if !isClosed, type(of: message).kind != .failed { fail(correlation, error) }
        return error
    }

    private func keep(_ answer: some WireMessage, to request: UInt64) {
        var writer = MessagePackWriter()
        guard (try? writer.writeRecord(answer, flags: .reply, correlation: request, limit: transport.settings.messageBytes)) != nil else { return }
        answered.answered(request, by: writer.bytes)
    }

    /// Whether a request that is to be carried out once is to be carried out; one that has come before gets its answer again, when there is one.
    func begins(_ request: UInt64) -> Bool {
        switch answered.begin(request) {
        case .new: return true
        case .underWay: return false
        case .answered(let record):
            // A peer that does not read can ask again when it does.
            guard obstacle == nil else { return false }
            outbox.batch.bytes.append(contentsOf: record)
            wrote()
            return false
        }
    }

    /// Answers a request with a failure.
    package func fail(_ correlation: Correlation, _ error: MantaError) {
        reply(to: correlation, Failed(error: error))
    }

    /// Ends the link: the peer is told, requests fail with `error`. The delegate is not called.
    package func close(_ error: MantaError? = nil) {
        loop.assertOnLoop()
        guard !isClosed else { return }
        transport.close(self, error ?? MantaError(.unavailable, "the link to \(peerDescription) was closed on this side"), saysGoodbye: true, tellsDelegate: false)
    }

    /// Why nothing can be written: the link has ended, or too much waits.
    private var obstacle: MantaError? {
        if let closingError { return closingError }
        let limit = transport.settings.queueBytes
        guard outbox.sealedBytes >= limit else { return nil }
        return MantaError(.overloaded, "\(outbox.byteCount) bytes wait for \(peerDescription), which does not read them; the limit is \(limit): send less, or later")
    }

    private func write(_ message: some WireMessage, flags: RecordFlags, correlation: UInt64, milliseconds: UInt64 = 0) -> MantaError? {
        loop.assertOnLoop()
        if let obstacle { return obstacle }
        do throws(MantaError) {
            try outbox.batch.writeRecord(message, flags: flags, correlation: correlation, milliseconds: milliseconds, limit: transport.settings.messageBytes)
        } catch { return error }
        wrote()
        return nil
    }

    /// Sees to it that what was written leaves.
    private func wrote() {
        if outbox.batch.bytes.count >= transport.settings.batchBytes {
            outbox.seal()
            if !isBlocked, !isHolding { transport.flush(self) }
        }
        transport.schedule(self)
    }

    /// Writes a record of the handshake behind what is there.
    func writeHandshake(_ message: some WireMessage, correlation: UInt64 = 0) {
        // A handshake is far below every limit.
        _ = try? outbox.batch.writeRecord(message, flags: [], correlation: correlation, limit: .max)
        transport.schedule(self)
    }

    // MARK: Answers and deadlines

    func receivedAnswer(_ header: RecordHeader, _ body: inout MessagePackReader) {
        // A late or second answer finds nothing here.
        guard let request = pending.removeValue(forKey: header.correlation) else { return }
        trimDeadlines()
        request.answer(header, &body)
    }

    private func trimDeadlines() {
        guard deadlines.count > 64 else { return }
        deadlines.trim(live: pending.count) { pending[$0] != nil }
    }

    private func armDeadlineTimer() {
        guard let due = deadlines.first?.due, due < deadlineTimerDue else { return }
        if let deadlineTimer { loop.cancel(deadlineTimer) }
        deadlineTimerDue = due
        deadlineTimer = loop.schedule(after: due - EventLoop.clock()) { self.expire() }
    }

    private func expire() {
        (deadlineTimer, deadlineTimerDue) = (nil, Instant(nanoseconds: .max))
        let now = EventLoop.clock()
        while let (number, due) = deadlines.first, due <= now || pending[number] == nil {
            deadlines.removeFirst()
            guard let request = pending.removeValue(forKey: number) else { continue }
            request.fail(
                MantaError(.timeout, "no answer to \(request.kind) from \(peerDescription) within \(request.patience.map { "\($0)" } ?? "its deadline")"))
        }
        armDeadlineTimer()
    }

    func failAll(_ error: MantaError) {
        if let deadlineTimer { loop.cancel(deadlineTimer) }
        (deadlineTimer, deadlines) = (nil, DeadlineHeap())
        let requests = pending.sorted { $0.key < $1.key }
        pending = [:]
        for (_, request) in requests { request.fail(error) }
    }

    // MARK: Breaks

    /// Notes that what was sent may be lost: requests wait to be sent again, one-way messages that are still here wait for the new handshake.
    func interrupt() {
        transport.dropRing(of: self)
        batchCount = 0
        outbox.dropRequests()
        resendThrough = lastRequest
        isHolding = true
    }

    /// The handshake is made again: `first` leaves before the requests that were sent earlier, and those before what waited.
    func resume(restarted: Bool, first: () -> Void) {
        if restarted { (epoch, answered) = (epoch &+ 1, AnsweredRequests()) }
        let waited = outbox.takeAll()
        isHolding = false
        first()
        guard !isClosed else { return }
        let again = pending.filter { $0.key <= resendThrough }.sorted { $0.key < $1.key }
        resendThrough = 0
        let now = EventLoop.clock()
        for (number, request) in again {
            let milliseconds = request.due.map { Self.milliseconds($0 - now) } ?? 0
            // It was encoded once already, within the limits.
            _ = try? request.write(into: &outbox.batch, number: number, milliseconds: milliseconds, limit: .max)
            wrote()
        }
        outbox.append(waited)
        transport.schedule(self)
    }

    /// Rounded up, and at least 1: 0 means no deadline.
    private static func milliseconds(_ duration: Duration) -> UInt64 { UInt64(max(1, (duration.inNanoseconds &+ 999_999) / 1_000_000)) }
}

extension Link: Hashable {
    package static func == (left: Link, right: Link) -> Bool { left === right }
    package func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
