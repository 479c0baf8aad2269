// Transport+Rings: links within this machine that move from their socket to shared memory, and back when anything about that is odd.
//
// The side that connected offers, after so many batches. The socket stays: it tells when the peer is gone, and the next handshake goes there. A ring that
// is dropped, for whatever reason, is a break of the link: what was unanswered is sent again.

import CSystem
import Glibc
import MantaLoop
import MantaMemory
import MantaModel
import MantaWire

extension Transport {
    // MARK: The upgrade

    /// Counts a batch; offers shared memory when the link is worth it.
    func countBatch(of link: Link) {
        guard link.isOpen, link.mayMove else { return }
        link.batchCount += 1
        guard link.batchCount == settings.batchesBeforeRing, link.direction == .outgoing, link.endpoint.hasPrefix("ipc://") else { return }
        // Not within a flush: the offer is a message of its own.
        loop.later { [self] in offerRing(on: link) }
    }

    private func offerRing(on link: Link) {
        guard link.isOpen, !link.isHolding, link.ring == nil, let line = takeLine(for: link) else { return }
        do throws(MantaError) {
            let ring = try RingChannel(capacity: settings.ringBytes, line: line)
            link.ring = ring
            guard let address = bellAddress(of: line) else { return }
            link.writeHandshake(OfferRing(segment: ring.descriptor, capacity: UInt32(settings.ringBytes), token: ring.token, bell: address))
        } catch {
            // No memory or descriptors for it: the socket does.
            giveBack(line)
        }
    }

    func received(_ offer: OfferRing, on link: Link) {
        guard link.ring == nil, link.mayMove, settings.ringBytes > 0, let line = takeLine(for: link), let address = bellAddress(of: line) else {
            return link.writeHandshake(RingAnswer(bell: nil))
        }
        let process = manta_peer_process(link.connection)
        guard process > 0, let ring = try? RingChannel(offer, of: process, line: line) else {
            giveBack(line)
            return link.writeHandshake(RingAnswer(bell: nil))
        }
        link.ring = ring
        link.writeHandshake(RingAnswer(bell: address))
        beginWriting(link, ring)
    }

    func received(_ answer: RingAnswer, on link: Link) {
        guard let ring = link.ring, !ring.isReading else { return }
        guard let bell = answer.bell else { return dropRing(of: link) }
        let process = manta_peer_process(link.connection)
        do throws(MantaError) {
            guard process > 0 else { throw MantaError(.system, "the peer's process is unknown") }
            try ring.open(bell, of: process)
        } catch { return giveUpRing(of: link) }  // the peer writes there already
        ring.isReading = true
        doorbell?.mark(ring.line)
        link.writeHandshake(RingBegins())
        beginWriting(link, ring)
    }

    func receivedRingBegins(on link: Link) {
        guard let ring = link.ring, ring.isWriting else { return }
        ring.isReading = true
        doorbell?.mark(ring.line)
    }

    /// What was written so far leaves by the socket, everything after it by the ring.
    private func beginWriting(_ link: Link, _ ring: RingChannel) {
        ring.isWriting = true
        link.outbox.sealForSocket()
    }

    // MARK: Sending and receiving

    /// Hands what the link has to its ring, until that is full.
    func flush(_ link: Link, through ring: RingChannel) {
        do throws(MantaError) { link.isBlocked = !(try ring.send(&link.outbox)) } catch { overwritten(link, error) }
    }

    /// Looks at the links whose lines were rung.
    func turnRings() {
        guard doorbell != nil else { return }
        doorbell?.awake()
        doorbell?.takeRung { rung.append($0) }
        guard !rung.isEmpty else { return }
        for line in rung {
            guard line < linksByLine.count, let link = linksByLine[line] else { continue }
            if link.isBlocked { flush(link) }
            receiveFromRing(link)
        }
        rung.removeAll(keepingCapacity: true)
    }

    /// Reads everything that is there.
    func receiveFromRing(_ link: Link) {
        guard let ring = link.ring, ring.isReading else {
            if let ring = link.ring, ring.isClosed { broke(link) }
            return
        }
        // Looked at first: what was written before the end is then seen.
        let isClosed = ring.isClosed
        do throws(MantaError) {
            try ring.receive()
            guard var records = try ring.takeRecords(limit: settings.messageBytes + 64) else {
                if isClosed { broke(link) }
                return
            }
            receive(RecordReader(records), on: link)
            ring.reuse(&records)
        } catch { return overwritten(link, error) }
        if isClosed, link.ring === ring { broke(link) }
    }

    /// The peer has written what cannot be. The socket may still do.
    private func overwritten(_ link: Link, _ error: MantaError) {
        reportMalformed(error, on: link)
        giveUpRing(of: link)
    }

    /// Begins again on the socket, and stays there.
    private func giveUpRing(of link: Link) {
        link.mayMove = false
        broke(link)
    }

    // MARK: Lines

    private func takeLine(for link: Link) -> Int? {
        guard settings.ringBytes > 0 else { return nil }
        if doorbell == nil { openDoorbell() }
        guard let line = doorbell?.takeLine() else { return nil }
        while linksByLine.count <= line { linksByLine.append(nil) }
        linksByLine[line] = link
        return line
    }

    private func giveBack(_ line: Int) {
        linksByLine[line] = nil
        doorbell?.giveBack(line)
    }

    private func bellAddress(of line: Int) -> BellAddress? {
        guard let address = doorbell?.address else { return nil }
        return BellAddress(page: address.page, pipe: address.pipe, line: UInt32(line))
    }

    private func openDoorbell() {
        guard let bell = try? Doorbell() else { return }
        // The turn that follows a wake-up looks at the lines: there is nothing else to do.
        guard let registration = try? loop.addDescriptor(bell.wakeUp, [.read, .edge], handler: { _ in }) else { return }
        doorbell = consume bell
        doorbellRegistration = registration
    }

    func closeDoorbell() {
        doorbellRegistration.map(loop.removeDescriptor)
        doorbell = nil
        (doorbellRegistration, linksByLine) = (nil, [])
    }

    /// Waits up to half a second until peers have taken what their rings had no room for.
    func emptyRings() {
        let end = EventLoop.clock() + .milliseconds(500)
        for link in links where link.ring?.isWriting == true {
            flush(link)
            while link.isBlocked, EventLoop.clock() < end {
                usleep(100)
                flush(link)
            }
        }
    }

    func dropRing(of link: Link) {
        guard let ring = link.ring else { return }
        link.ring = nil
        link.outbox.forgetSocket()
        ring.close()
        giveBack(ring.line)
    }
}

extension Link {
    /// Writes nonsense into what the peer reads, as a peer that overwrites shared memory would. For tests.
    package func spoilRing() { ring?.spoil() }
}
