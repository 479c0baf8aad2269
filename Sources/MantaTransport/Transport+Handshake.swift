// Transport+Handshake: who is at the other end, what happens when a connection breaks, comes back or ends.
//
// The side that connects says Hello and goes on without waiting; the other answers Welcome or Refused. After a break the connecting side says Hello again
// and waits for the Welcome: it tells whether the same process answers. A side that hears a stranger answers HelloRequired.

import MantaLoop
import MantaModel
import MantaWire

extension Transport {
    // MARK: Incoming links

    /// A batch on a connection whose peer has not said Hello.
    func receive(_ bytes: [UInt8], fromUnknown route: UInt32, connection: Int32) {
        var records = RecordReader(bytes)
        guard let (header, reader) = try? records.next(), header.kind == MessageKind.hello.rawValue, header.flags == [] else {
            return answer(HelloRequired(), to: route)
        }
        var body = reader
        let hello: Hello
        do throws(MantaError) { hello = try Hello(from: &body) } catch {
            return answer(Refused(error: MantaError(.malformed, "the Hello cannot be read: \(error.message)")), to: route)
        }
        if let error = refusal(of: hello) {
            answer(Refused(error: error), to: route)
            delegate?.linkRefused(hello, error: error)
            return
        }
        // A closed connection's descriptor may be this one's now; that it was closed has been reported before.
        if let routerMonitor { receiveFromMonitor(routerMonitor, of: nil) }
        let key = PeerKey(process: hello.process, number: header.correlation)
        if let link = incomingByPeer[key] {
            if !link.isHolding { link.interrupt() }
            unroute(link)
            bind(link, to: route, connection, hello)
            link.state = .open
            disarmGrace(link)
            link.resume(restarted: false) {
                link.writeHandshake(Welcome(hello: identity))
                delegate?.linkReopened(link, hello: hello, restarted: false)
            }
            receive(records, on: link)
        } else {
            let link = Link(.incoming, to: "", number: header.correlation, transport: self)
            incomingByPeer[key] = link
            bind(link, to: route, connection, hello)
            link.state = .open
            link.writeHandshake(Welcome(hello: identity))
            delegate?.linkOpened(link, hello: hello)
            receive(records, on: link)
        }
    }

    private func bind(_ link: Link, to route: UInt32, _ connection: Int32, _ hello: Hello) {
        (link.route, link.connection, link.peer) = (route, connection, hello)
        link.isBlocked = false
        incomingByRoute[route] = link
        if connection >= 0 { incomingByConnection[connection] = link }
    }

    private func unroute(_ link: Link) {
        if incomingByRoute[link.route] === link { incomingByRoute[link.route] = nil }
        if incomingByConnection[link.connection] === link { incomingByConnection[link.connection] = nil }
    }

    private func refusal(of hello: Hello) -> MantaError? {
        if hello.version != protocolVersion {
            return MantaError(
                .versionMismatch, "\(identity.role) speaks protocol version \(protocolVersion), its peer version \(hello.version): run the same release on both sides")
        }
        if let own = identity.cluster, let other = hello.cluster, own != other {
            return MantaError(
                .versionMismatch, "\(identity.role) belongs to cluster \(own.short), the \(hello.role) that connects to cluster \(other.short): check the address")
        }
        return nil
    }

    /// A message to a connection that is no link.
    private func answer(_ message: some WireMessage, to route: UInt32) {
        guard let router, sendRoute(route, on: router) == .done else { return }
        var writer = MessagePackWriter()
        _ = try? writer.writeRecord(message, flags: [], correlation: 0, limit: .max)
        _ = writer.bytes.withUnsafeBytes { router.socket.send($0) }
        activate(router)
    }

    // MARK: The handshake on a link

    func received(_ kind: MessageKind, _ body: inout MessagePackReader, on link: Link) throws(MantaError) {
        switch (kind, link.direction) {
        case (.hello, .incoming): helloAgain(link)
        case (.welcome, .outgoing): welcomed(link, try Welcome(from: &body).hello)
        case (.refused, .outgoing):
            close(link, try Refused(from: &body).error, saysGoodbye: false, tellsDelegate: true)
        case (.helloRequired, .outgoing):
            if link.preamble == nil, !link.isHolding { broke(link) }
        case (.offerRing, .incoming): received(try OfferRing(from: &body), on: link)
        case (.ringAnswer, .outgoing): received(try RingAnswer(from: &body), on: link)
        case (.ringBegins, .incoming): receivedRingBegins(on: link)
        default:
            throw MantaError(.malformed, "a \(kind) message has no place on an \(link.direction) link")
        }
    }

    /// A Hello on a connection that is known: the connecting side has begun again, as after a ring that was dropped, or has said it twice.
    private func helloAgain(_ link: Link) {
        guard link.isHolding || link.ring != nil else { return link.writeHandshake(Welcome(hello: identity)) }
        if !link.isHolding { link.interrupt() }
        link.state = .open
        disarmGrace(link)
        link.resume(restarted: false) {
            link.writeHandshake(Welcome(hello: identity))
            if let hello = link.peer { delegate?.linkReopened(link, hello: hello, restarted: false) }
        }
    }

    private func welcomed(_ link: Link, _ hello: Hello) {
        // A Welcome to a Hello of before the break says nothing about the connection that comes.
        guard link.preamble == nil else { return }
        if let error = refusal(of: hello) ?? mismatch(of: hello, with: link) {
            return close(link, error, saysGoodbye: true, tellsDelegate: true)
        }
        if identity.cluster == nil, hello.role == .head { identity.cluster = hello.cluster }
        let former = link.peer
        (link.peer, link.state) = (hello, .open)
        disarmGrace(link)
        guard let former else {
            if link.isHolding { link.resume(restarted: false) { delegate?.linkOpened(link, hello: hello) } } else { delegate?.linkOpened(link, hello: hello) }
            return
        }
        let restarted = former.process != hello.process
        // Not held and the same process: the second answer to a Hello said twice. Another process: its predecessor's last Welcome ended the holding.
        guard link.isHolding || restarted else { return }
        if !link.isHolding { link.interrupt() }
        link.resume(restarted: restarted) { delegate?.linkReopened(link, hello: hello, restarted: restarted) }
    }

    private func mismatch(of hello: Hello, with link: Link) -> MantaError? {
        if let role = link.expectedRole, hello.role != role {
            return MantaError(.conflict, "a \(hello.role) answers at \(link.endpoint); expected a \(role): check the address")
        }
        if let process = link.expectedProcess, hello.process != process {
            return MantaError(.unavailable, "process \(process.short) at \(link.endpoint) is gone; process \(hello.process.short) is there now")
        }
        return nil
    }

    // MARK: Breaks and ends

    /// The connection is gone, or the peer has forgotten the link.
    func broke(_ link: Link) {
        switch link.state {
        case .closed: return
        case .opening: break
        case .open, .broken: link.state = .broken
        }
        if !link.isHolding { link.interrupt() }
        switch link.direction {
        case .outgoing:
            var writer = MessagePackWriter()
            _ = try? writer.writeRecord(identity, flags: [], correlation: link.number, limit: .max)
            (link.preamble, link.connection) = (writer.bytes, -1)
            schedule(link)
        case .incoming:
            // The route stays: last messages may still wait to be read. The descriptor's number may be given to another connection now.
            if incomingByConnection[link.connection] === link { incomingByConnection[link.connection] = nil }
        }
        armGrace(link)
    }

    /// - Parameter patience: Instead of the link's grace.
    func armGrace(_ link: Link, _ patience: Duration? = nil) {
        guard link.graceTimer == nil, let grace = patience ?? link.reconnectGrace else { return }
        if link.awaySince == nil { link.awaySince = EventLoop.clock() }
        link.graceTimer = loop.schedule(after: grace) { [self] in
            link.graceTimer = nil
            if mayStillCome(link) { return armGrace(link, grace) }
            let what = link.peer == nil ? "nothing answers at \(link.endpoint)" : "\(link.peerDescription) is gone"
            close(link, MantaError(.unavailable, "\(what) (waited \(grace)): is it running?"), saysGoodbye: false, tellsDelegate: true)
        }
    }

    private func disarmGrace(_ link: Link) {
        link.graceTimer.map(loop.cancel)
        (link.graceTimer, link.awaySince) = (nil, nil)
    }

    func close(_ link: Link, _ error: MantaError, saysGoodbye: Bool, tellsDelegate: Bool) {
        guard !link.isClosed else { return }
        if saysGoodbye, !link.isHolding, link.preamble == nil {
            _ = try? link.outbox.batch.writeRecord(Acknowledged(), flags: .goodbye, correlation: 0, limit: .max)
            flush(link)
            // Sending it may have shown that the peer is gone.
            guard !link.isClosed else { return }
        }
        link.state = .closed(error)
        disarmGrace(link)
        link.probe?.cancel()
        link.probe = nil
        dropRing(of: link)
        for channel in [link.monitor, link.channel] { channel.map(remove) }
        (link.monitor, link.channel, link.preamble, link.outbox) = (nil, nil, nil, Outbox())
        switch link.direction {
        case .outgoing: if outgoing[link.name] === link { outgoing[link.name] = nil }
        case .incoming:
            unroute(link)
            let key = link.peer.map { PeerKey(process: $0.process, number: link.number) }
            if let key, incomingByPeer[key] === link { incomingByPeer[key] = nil }
        }
        link.failAll(error)
        if tellsDelegate { delegate?.linkClosed(link, error: error) }
        link.attachment = nil
    }

    /// Drops an incoming link without a word to anybody, as if this process had been restarted. For tests.
    package func forget(_ link: Link) {
        close(link, MantaError(.unavailable, "the link was forgotten"), saysGoodbye: false, tellsDelegate: false)
    }

    // MARK: Monitors

    /// Reads what ZeroMQ reports of connections; `link` is nil for the router's.
    func receiveFromMonitor(_ channel: SocketChannel, of link: Link?) {
        while !channel.isClosed, channel.socket.receive(into: frame) {
            let bytes = frame.bytes
            guard bytes.count >= 6 else { continue }
            let event = Int32(bytes.loadUnaligned(fromByteOffset: 0, as: UInt16.self))
            let descriptor = bytes.loadUnaligned(fromByteOffset: 2, as: Int32.self)
            while frame.hasMore, channel.socket.receive(into: frame) {}
            if event == ZMQEvents.retried, let link { lookForListener(of: link) }
            if event == ZMQEvents.connected { link?.wasAccepted = true }
            guard event == ZMQEvents.disconnected, let broken = link ?? incomingByConnection[descriptor] else { continue }
            // A peer that has ended may have written its last words before.
            if broken.ring != nil { receiveFromRing(broken) }
            broke(broken)
        }
    }
}
