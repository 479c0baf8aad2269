// Transport: a process's links to others, on ZeroMQ: one ROUTER for the peers that connect here, one DEALER for each peer this process connects to.
//
// Owns the sockets and the links; confined to its loop. Receiving, the handshake and listening are in Transport+*.swift. What always holds:
// - No call blocks, and the descriptors' edges are never lost (see SocketChannel).
// - After a break a link gives ZeroMQ nothing but the handshake until that is answered. What ZeroMQ itself had queued before the break comes in front of
//   it on the new connection; the peer, which does not know the connection yet, drops that and asks for the Hello that is on its way.
// - ROUTER is MANDATORY: a peer that is gone is an error, not silence. Its names for connections are its own and never reused.

package import MantaLoop
import MantaMemory
package import MantaModel
package import MantaWire

/// The links of one process.
///
/// `@unchecked Sendable`: every member is used on the loop only, which debug builds assert.
package final class Transport: LoopSource, @unchecked Sendable {
    /// Bounds, for tests to make small.
    package struct Settings: Sendable {
        package var messageBytes = Limits.messageBytes
        package var queueBytes = Limits.linkQueueBytes
        package var batchBytes = Limits.batchBytes
        package var reconnectGrace: Duration? = Limits.reconnectGrace
        /// How long a new link may take, at least, when no grace is given: its peer may be starting on a busy machine.
        package var firstGrace: Duration = .seconds(5)
        /// Batches received from one socket in one turn, so that one peer cannot hold back timers and other links.
        package var batchesPerTurn = 128
        /// What one direction of a link in shared memory holds, a power of two; 0: links stay on their sockets, as all of a process with `MANTA_RINGS=0`.
        package var ringBytes = ProcessEnvironment["MANTA_RINGS"] == "0" ? 0 : Limits.ringBytes
        /// A link within the machine moves to shared memory after so many batches.
        package var batchesBeforeRing = Limits.batchesBeforeRing
        /// What tells this process's machine from others: it connects to its own by path, to others by address.
        package var machine = Machine.identity
        package init() {}
    }

    package let loop: EventLoop
    package let settings: Settings
    /// What this process says of itself. The cluster is learnt from the head's Welcome when it is nil; the endpoint is set by the first `listen`.
    package var identity: Hello
    /// Kept until `close()`. Not weak: objects with weak references to them are retained and released more slowly, and this one is on every message's way.
    package private(set) var delegate: (any TransportDelegate)?

    /// Of the next socket. It ends with its last socket, then waits until the goodbyes have left.
    private(set) var context: ZeroMQContext?
    var router: SocketChannel?
    var routerMonitor: SocketChannel?
    var guards: [EndpointGuard] = []
    var outgoing: [String: Link] = [:]
    /// Incoming links by the router's name of their connection, by who they are, and by their connection's descriptor.
    var incomingByRoute: [UInt32: Link] = [:]
    var incomingByPeer: [PeerKey: Link] = [:]
    var incomingByConnection: [Int32: Link] = [:]
    private var lastLinkNumber: UInt64 = 0

    /// Sockets to look at in this turn.
    private var active: [SocketChannel] = []
    private var spareActive: [SocketChannel] = []
    /// Links that wrote in this turn.
    private var scheduled: [Link] = []
    private var spareScheduled: [Link] = []
    private var blockedIncoming: [Link] = []
    private var isClosed = false

    /// How peers tell that a ring was written or read; made with the first ring.
    var doorbell: Doorbell?
    var doorbellRegistration: DescriptorID?
    /// The link of each line of the doorbell.
    var linksByLine: [Link?] = []
    var rung: [Int] = []
    var recordsInTurn = 0
    /// Counts down the turns since one brought several records.
    private var busyTurns = 0
    private static let busyTurnsAfterSeveral = 32

    let frame = ZeroMQMessage()
    let routeFrame = ZeroMQMessage()
    var receiveBuffer: [UInt8] = []

    struct PeerKey: Hashable {
        var process: ProcessID
        var number: UInt64
    }

    /// Made on the loop, or before it runs.
    package init(loop: EventLoop, identity: Hello, delegate: (any TransportDelegate)?, settings: Settings = Settings(), context: ZeroMQContext = ZeroMQContext()) {
        (self.loop, self.identity, self.delegate, self.settings, self.context) = (loop, identity, delegate, settings, context)
        loop.add(self)
    }

    /// Reached without `close()` only when the loop has ended.
    deinit {
        for link in links { link.state = .closed(MantaError(.notConnected, "this process has closed its links")) }
    }

    // MARK: Links

    /// All links that are not closed.
    package var links: [Link] { Array(outgoing.values) + Array(incomingByPeer.values) }

    /// The link to an `Endpoint`'s text; the same one until it is closed. It can be used at once: messages leave when the connection stands. An address that
    /// cannot be right, or nobody there within the grace, ends the link with an error, later.
    /// - Parameters:
    ///   - role: Another one answering ends the link with an error.
    ///   - process: Another one answering, as after a restart, ends the link with an error.
    ///   - grace: How long the peer may be away; `.some(nil)`: for ever, also after its goodbye. Default: the transport's setting.
    package func connect(to endpoint: String, expecting role: ProcessRole? = nil, process: ProcessID? = nil, grace given: Duration?? = nil) -> Link {
        loop.assertOnLoop()
        if let link = outgoing[endpoint] { return link }
        lastLinkNumber += 1
        let link = Link(.outgoing, to: Endpoint(endpoint).address(from: settings.machine), number: lastLinkNumber, transport: self)
        link.name = endpoint
        (link.expectedRole, link.expectedProcess) = (role, process)
        if let given { link.reconnectGrace = given }
        outgoing[endpoint] = link
        do throws(MantaError) { try open(link) } catch {
            let failure = error
            loop.later { self.close(link, failure, saysGoodbye: false, tellsDelegate: true) }
            return link
        }
        link.writeHandshake(identity, correlation: link.number)
        if let grace = link.reconnectGrace { armGrace(link, given == nil ? max(grace, settings.firstGrace) : grace) }
        return link
    }

    /// The link to a process at its address.
    package func connect(to address: ProcessAddress, expecting role: ProcessRole? = nil) -> Link {
        connect(to: address.endpoint, expecting: role, process: address.process)
    }

    /// Ends all links to a process that is known to be gone, or out of reach, as if their grace had ended.
    package func lose(_ process: ProcessID, _ error: MantaError) {
        for link in links where (link.peer?.process ?? link.expectedProcess) == process { close(link, error, saysGoodbye: false, tellsDelegate: true) }
    }

    private func open(_ link: Link) throws(MantaError) {
        guard var context else { throw MantaError(.notConnected, "this process has closed its links") }
        if outgoing.count > context.links {
            context = ZeroMQContext(links: 8 * context.links)
            self.context = context
        }
        let socket = try ZeroMQSocket(.dealer, in: context)
        configure(socket, for: link.endpoint)
        let events = ZMQEvents.connection | (link.hasListener ? ZMQEvents.retried : ZMQEvents.connected)
        let monitor = try socket.monitor(events, at: "inproc://monitor-\(link.number)-\(UInt(bitPattern: ObjectIdentifier(self)))")
        let failure = socket.connect(link.endpoint)
        guard failure == 0 else {
            throw MantaError(.invalidArgument, "cannot connect to \"\(link.endpoint)\": \(zeroMQText(failure)); expected tcp://HOST:PORT or ipc://PATH")
        }
        link.channel = try add(socket, .dealer(link))
        link.monitor = try add(monitor, .monitor(link))
    }

    /// Puts a socket into the loop.
    func add(_ socket: consuming ZeroMQSocket, _ role: SocketChannel.Role) throws(MantaError) -> SocketChannel {
        let channel = SocketChannel(socket, role: role)
        try channel.watch(on: loop) { [unowned self] in activate($0) }
        activate(channel)
        return channel
    }

    func remove(_ channel: SocketChannel) {
        if case .monitor = channel.role {} else { channel.socket.stopMonitoring() }
        channel.close(on: loop)
    }

    /// Closes every link and leaves the loop, and lets go of the delegate. Nothing may be sent afterwards. Waits up to half a second until the goodbyes have
    /// left, which takes well below a millisecond unless a peer does not read, so that the process may end at once.
    /// - Parameter saysGoodbye: Peers then know at once; else they wait for this process to come back, as after a crash.
    package func close(saysGoodbye: Bool = true) {
        loop.assertOnLoop()
        guard !isClosed else { return }
        isClosed = true
        if saysGoodbye { emptyRings() }
        for link in links { close(link, MantaError(.notConnected, "this process is closing its links"), saysGoodbye: saysGoodbye, tellsDelegate: false) }
        closeDoorbell()
        for channel in [routerMonitor, router] { channel.map(remove) }
        (router, routerMonitor) = (nil, nil)
        guards = []
        (active, scheduled, blockedIncoming) = ([], [], [])
        loop.remove(self)
        (delegate, context) = (nil, nil)
    }

    // MARK: The turn

    func activate(_ channel: SocketChannel) {
        guard !channel.isActive, !channel.isClosed else { return }
        channel.isActive = true
        active.append(channel)
    }

    /// Notes that a link has something to send at the end of the turn.
    func schedule(_ link: Link) {
        guard !link.isScheduled else { return }
        link.isScheduled = true
        scheduled.append(link)
    }

    package func turn() {
        busyTurns = recordsInTurn > 1 ? Self.busyTurnsAfterSeveral : max(0, busyTurns - 1)
        recordsInTurn = 0
        turnRings()
        if !blockedIncoming.isEmpty, let router { activate(router) }
        guard !active.isEmpty else { return }
        swap(&active, &spareActive)
        for channel in spareActive {
            channel.isActive = false
            guard !channel.isClosed else { continue }
            switch channel.role {
            case .router:
                if !receiveFromRouter(channel) { activate(channel) }
                retryBlockedIncoming()
            case .dealer(let link):
                if !receiveFromDealer(channel, link) { activate(channel) }
                if link.isBlocked { flush(link) }
            case .monitor(let link):
                receiveFromMonitor(channel, of: link)
            }
        }
        spareActive.removeAll(keepingCapacity: true)
    }

    package func flush() {
        guard !scheduled.isEmpty else { return }
        swap(&scheduled, &spareScheduled)
        for link in spareScheduled {
            link.isScheduled = false
            if !link.isBlocked { flush(link) }
        }
        spareScheduled.removeAll(keepingCapacity: true)
    }

    package func prepare() -> Bool {
        if !blockedIncoming.isEmpty, let router {
            // Asking for the events takes in that peers accept messages again.
            _ = router.socket.events
            retryBlockedIncoming()
        }
        guard !active.isEmpty else { return !scheduled.isEmpty || hasNews }
        active.removeAll { channel in
            let staysActive = !channel.isClosed && hasWork(channel)
            channel.isActive = staysActive
            return !staysActive
        }
        return !active.isEmpty || !scheduled.isEmpty || hasNews
    }

    package var hasNews: Bool { doorbell?.isRung ?? false }

    package var isBusy: Bool { busyTurns > 0 }

    package func announceSleep() -> Bool { doorbell?.announceSleep() ?? true }

    private func hasWork(_ channel: SocketChannel) -> Bool {
        let events = channel.socket.events
        if events & ZMQEvents.readable != 0 { return true }
        // A link that waits for room in its ring does not wait for the socket.
        if case .dealer(let link) = channel.role { return link.isBlocked && !link.waitsForRing && events & ZMQEvents.writable != 0 }
        return false
    }

    /// A ROUTER tells nobody that one of its peers takes messages again; usually a wake-up comes with it, but a send may have swallowed that one.
    package func timeout() -> Duration? {
        blockedIncoming.isEmpty ? nil : .milliseconds(2)
    }

    // MARK: Sending

    /// Hands what the link has to its socket or its ring, until that is full.
    func flush(_ link: Link) {
        link.isBlocked = false
        if let preamble = link.preamble {
            guard send(preamble, on: link) else { return }
            link.preamble = nil
        }
        guard !link.isHolding, !link.isClosed else { return }
        if link.outbox.isEmpty { return }
        countBatch(of: link)
        let ring = link.ring.flatMap { $0.isWriting ? $0 : nil }
        while let batch = link.outbox.sealed.first, ring == nil || link.outbox.batchesForSocket > 0 {
            guard send(batch, on: link) else { return }
            link.outbox.removeFirstSealed()
        }
        if let ring { return flush(link, through: ring) }
        guard !link.outbox.batch.bytes.isEmpty, send(link.outbox.batch.bytes, on: link) else { return }
        link.outbox.clearBatch()
    }

    /// From this size on, not copying pays.
    private static let lentBytes = 1 << 16

    /// False: it did not leave; the link is blocked, broken or closed then.
    private func send(_ batch: [UInt8], on link: Link) -> Bool {
        guard let channel = link.direction == .outgoing ? link.channel : router else { return false }
        activate(channel)
        var outcome = ZeroMQSocket.Outcome.done
        if link.direction == .incoming { outcome = sendRoute(link.route, on: channel) }
        if outcome == .done {
            outcome = batch.count >= Self.lentBytes ? channel.socket.send(lending: batch) : batch.withUnsafeBytes { channel.socket.send($0) }
        }
        switch outcome {
        case .done: return true
        case .wouldBlock:
            link.isBlocked = true
            if link.direction == .incoming, !blockedIncoming.contains(where: { $0 === link }) { blockedIncoming.append(link) }
        case .unreachable: broke(link)
        case .failed(let number):
            close(link, MantaError(.unavailable, "cannot send to \(link.peerDescription): \(zeroMQText(number))"), saysGoodbye: false, tellsDelegate: true)
        }
        return false
    }

    /// The first frame for a ROUTER: which connection. Its own names are a zero byte and four others.
    func sendRoute(_ route: UInt32, on channel: SocketChannel) -> ZeroMQSocket.Outcome {
        var name = (UInt8(0), UInt8(truncatingIfNeeded: route >> 24), UInt8(truncatingIfNeeded: route >> 16), UInt8(truncatingIfNeeded: route >> 8), UInt8(truncatingIfNeeded: route))
        return withUnsafeBytes(of: &name) { channel.socket.send($0, more: true) }
    }

    private func retryBlockedIncoming() {
        guard !blockedIncoming.isEmpty else { return }
        let links = blockedIncoming
        blockedIncoming = []
        for link in links where link.isBlocked { flush(link) }
    }
}
