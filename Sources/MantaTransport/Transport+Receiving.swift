// Transport+Receiving: from a socket's frames to records, and each record to whom it concerns. Nothing a peer sends can stop the process.

import MantaModel
import MantaWire

extension Transport {
    /// True: everything was read. False: the turn's share is used up.
    func receiveFromDealer(_ channel: SocketChannel, _ link: Link) -> Bool {
        for _ in 0..<settings.batchesPerTurn {
            guard !channel.isClosed, channel.socket.receive(into: frame) else { return true }
            guard !frame.hasMore else {
                dropRest(of: channel)
                reportMalformed(MantaError(.malformed, "a message of several frames; expected one"), on: link)
                continue
            }
            if link.connection < 0 { link.connection = frame.sourceDescriptor }
            withReceivedBytes { receive(RecordReader($0), on: link) }
        }
        return false
    }

    func receiveFromRouter(_ channel: SocketChannel) -> Bool {
        for _ in 0..<settings.batchesPerTurn {
            guard !channel.isClosed, channel.socket.receive(into: routeFrame) else { return true }
            guard routeFrame.hasMore, channel.socket.receive(into: frame) else { continue }
            guard !frame.hasMore else {
                dropRest(of: channel)
                continue
            }
            // Peers that chose a name of their own are not ours.
            let name = routeFrame.bytes
            guard name.count == 5, name[0] == 0 else { continue }
            let route = UInt32(bigEndian: name.loadUnaligned(fromByteOffset: 1, as: UInt32.self))
            let connection = frame.sourceDescriptor
            withReceivedBytes { bytes in
                if let link = incomingByRoute[route] {
                    receive(RecordReader(bytes), on: link)
                } else {
                    receive(bytes, fromUnknown: route, connection: connection)
                }
            }
        }
        return false
    }

    private func dropRest(of channel: SocketChannel) {
        while frame.hasMore, channel.socket.receive(into: frame) {}
    }

    /// Copies the frame into a buffer that is used again unless somebody kept it.
    private func withReceivedBytes(_ body: ([UInt8]) -> Void) {
        var buffer: [UInt8] = []
        swap(&buffer, &receiveBuffer)
        buffer.removeAll(keepingCapacity: true)
        buffer.append(contentsOf: frame.bytes)
        if buffer.count > Limits.batchBytes { frame.clear() }
        body(buffer)
        if buffer.capacity <= 2 * Limits.batchBytes { receiveBuffer = buffer }
    }

    /// A batch of a peer that has said Hello, or of an outgoing link's.
    func receive(_ batch: RecordReader, on link: Link) {
        guard let delegate else { return }
        var records = batch
        do throws(MantaError) {
            while !records.isAtEnd, !link.isClosed {
                var (header, body) = try records.next()
                recordsInTurn += 1
                if header.flags.contains(.reply) {
                    link.receivedAnswer(header, &body)
                } else if header.flags.contains(.goodbye) {
                    // A peer that may be away for ever, as the head, comes back after an orderly end, too.
                    if link.direction == .outgoing, link.reconnectGrace == nil { return broke(link) }
                    let error = MantaError(.unavailable, "\(link.peerDescription) has closed the link")
                    return close(link, error, saysGoodbye: false, tellsDelegate: true)
                } else if let kind = MessageKind(rawValue: header.kind), kind.isOfLink {
                    try received(kind, &body, on: link)
                } else {
                    deliver(header, body, on: link, to: delegate)
                }
            }
        } catch { reportMalformed(error, on: link) }
    }

    private func deliver(_ header: RecordHeader, _ body: MessagePackReader, on link: Link, to delegate: any TransportDelegate) {
        let isRequest = header.flags.contains(.request)
        let correlation = isRequest ? Correlation(number: header.correlation, epoch: link.epoch) : nil
        guard let kind = MessageKind(rawValue: header.kind) else {
            let error = MantaError(.malformed, "\(identity.role) does not know messages of kind \(header.kind)")
            if let correlation { link.fail(correlation, error) }
            return reportMalformed(error, on: link)
        }
        if isRequest, kind.runsOnce, !link.begins(header.correlation) { return }
        var message = InboundMessage(
            kind: kind, correlation: correlation, deadline: header.milliseconds == 0 ? nil : .milliseconds(Int64(header.milliseconds)), body: body)
        delegate.received(&message, on: link)
    }

    func reportMalformed(_ error: MantaError, on link: Link) {
        delegate?.received(malformed: MantaError(.malformed, "from \(link.peerDescription): \(error.message)", cause: nil), on: link)
    }
}
