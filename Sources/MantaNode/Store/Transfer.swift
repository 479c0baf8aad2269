// Transfer: objects on their way from other nodes into this node's store, in parts, which `TransferBook` decides about; and the parts of own objects for
// other nodes. What always holds: bytes of a part are written where they belong only when their checksum is right.

import Logging
import MantaCore
import MantaLoop
import MantaMemory
import MantaModel
import MantaTransport
import MantaWire

extension Limits {
    /// A source that does not know the object yet may hear of it in a moment.
    static let pullPatience: Duration = .seconds(1)
    static let partDeadline: Duration = .seconds(10)
}

extension ObjectStore {
    // MARK: For this node

    func fetch(_ id: ObjectID, into bytes: Extent) {
        guard let wish = wishes[id] else { preconditionFailure("a copy is fetched for somebody who asks") }
        arrivals[id] = bytes
        // Later: the book must not be called while it performs.
        node.loop.later { [self] in
            let alive = wish.sources.filter { node.knowsAsAlive($0.node) }
            transfers.begin(id, size: bytes.count, sources: alive) { perform($0) }
        }
    }

    func nodeLost(_ lost: NodeID) { transfers.nodeLost(lost) { perform($0) } }

    func perform(_ action: TransferBook.Action) {
        switch action {
        case .ask(let number, let id, let offset, let count, let source):
            node.transport.connect(to: source.endpoint).request(PullObject(object: id, offset: offset, count: count), deadline: Limits.partDeadline) { [self] result in
                // Later: a link that is closed answers at once.
                node.loop.later { [self] in arrived(number, from: source, result) }
            }
        case .finished(let id, let error): finished(id, error)
        }
    }

    private func arrived(_ number: UInt64, from source: NodeAddress, _ result: Result<ObjectPart, MantaError>) {
        guard let wanted = transfers.expected(number), let bytes = arrivals[wanted.object] else { return }
        switch result {
        case .success(let part):
            if let complaint = part.complaint(size: wanted.size, count: wanted.count) {
                node.logger.error("a part of an object is damaged", metadata: ["object": "\(wanted.object)", "offset": "\(wanted.offset)", "from": "\(source.node)", "because": "\(complaint)"])
                return transfers.failed(number, because: "at byte \(wanted.offset) \(complaint)", mayComeBack: false) { perform($0) }
            }
            segment.writable(Extent(offset: bytes.offset + wanted.offset, count: wanted.count)).copyBytes(from: part.bytes)
            transfers.arrived(number) { perform($0) }
        case .failure(let error):
            // A link that broke may be made again while the node lives; what has come stays.
            let mayComeBack = (error.code == .timeout || error.code == .unavailable) && node.knowsAsAlive(source.node)
            transfers.failed(number, because: error.message, mayComeBack: mayComeBack) { perform($0) }
        }
    }

    private func finished(_ id: ObjectID, _ error: MantaError?) {
        arrivals[id] = nil
        if error == nil { hasCome(id) }
        book.arrived(id, error, publish: segment.publish, at: node.loop.now) { perform($0) }
    }

    // MARK: For other nodes

    /// Answers with a part of an object that is here, or will be in a moment.
    func pull(_ request: PullObject, _ correlation: Correlation, on link: Link) {
        guard request.offset >= 0, request.count >= 0, request.count <= Limits.partBytes else {
            return link.fail(correlation, MantaError(.malformed, "a part of \(request.count) bytes from byte \(request.offset); expected at most \(Limits.partBytes)"))
        }
        guard book.holds(request.object) || book.hasEnded(request.object) else {
            // Whoever made it told the owner at once, and this node in a moment.
            return waitForObject(request, correlation, link)
        }
        let own = OpenObject(object: request.object, owner: ProcessAddress(process: ProcessID(high: 0, low: 0), endpoint: ""), size: 0, sources: [])
        open(own) { [self] result in
            switch result {
            case .success(.object(let use, let size)): send(request, use, size, correlation, on: link)
            case .success(.onDisk(let place, let size)):
                guard request.offset + request.count <= size else { return lacks(request, correlation, link) }
                readPart(request, place, size) { part in
                    switch part {
                    case .success(let part): link.reply(to: correlation, part)
                    case .failure(let error): link.fail(correlation, error)
                    }
                }
            case .success: preconditionFailure("an object is answered with an object")
            case .failure(let error): link.fail(correlation, error)
            }
        }
    }

    private func send(_ request: PullObject, _ use: SlotUse, _ size: Int, _ correlation: Correlation, on link: Link) {
        // On the loop, so it cannot leave meanwhile.
        guard request.offset + request.count <= size, let extent = segment.resident(use) else { return lacks(request, correlation, link) }
        let bytes = segment.readable(Extent(offset: extent.offset + request.offset, count: request.count))
        link.reply(to: correlation, ObjectPart(size: size, of: bytes))
    }

    private func lacks(_ request: PullObject, _ correlation: Correlation, _ link: Link) {
        link.fail(correlation, MantaError(.objectLost, "object \(request.object) has no \(request.count) bytes from byte \(request.offset) any more"))
    }

    private func waitForObject(_ request: PullObject, _ correlation: Correlation, _ link: Link) {
        lastPull += 1
        let number = lastPull
        pulls[request.object, default: [:]][number] = { [self] in pull(request, correlation, on: link) }
        _ = node.loop.schedule(after: Limits.pullPatience) { [self] in
            guard pulls[request.object]?.removeValue(forKey: number) != nil else { return }
            if pulls[request.object]?.isEmpty == true { pulls[request.object] = nil }
            link.fail(correlation, MantaError(.objectLost, "object \(request.object) is not in the store of node \(node.configuration.node.short)"))
        }
    }

    func pullsWaiting(for id: ObjectID) {
        for retry in pulls.removeValue(forKey: id)?.sorted(by: { $0.key < $1.key }) ?? [] { retry.value() }
    }
}
