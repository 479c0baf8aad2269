// Transfer: an object on its way from another node into this node's store, in parts, a few at a time; and the parts of own objects for other nodes.
//
// A part that does not come is asked for again, from the next source when the link is gone; what has come stays. What always holds: no more than
// `Limits.partsInFlight` parts are asked for and not here, so that a slow receiver is never sent more than it can take.

import MantaCore
import MantaLoop
import MantaMemory
import MantaModel
import MantaTransport
import MantaWire

extension Limits {
    /// Of one transfer.
    static let partsInFlight = 8
    /// So often a source that is silent is left for the next one before the copy is given up.
    static let transferTurns = 6
    /// A source that does not know the object yet may hear of it in a moment.
    static let pullPatience: Duration = .seconds(1)
    static let partDeadline: Duration = .seconds(10)
}

struct Transfer {
    let bytes: Extent
    var size: Int { bytes.count }
    var sources: [NodeAddress]
    /// How often the source was changed: tells late answers of an earlier one.
    var turn = 0
    /// Offsets of parts that nobody was asked for, and how many are on their way.
    var missing: [Int]
    var inFlight = 0
    var failures: [String] = []
}

extension Transfer {
    /// A source has not got the object, or is gone: it is not asked again.
    mutating func drop(_ source: NodeAddress, _ reason: String) {
        guard sources.contains(source) else { return }
        sources.removeAll { $0 == source }
        failures.append(reason)
    }
}

extension ObjectStore {
    // MARK: For this node

    func fetch(_ id: ObjectID, into bytes: Extent) {
        guard let wish = wishes[id] else { return }
        let parts = stride(from: 0, to: max(bytes.count, 1), by: Limits.partBytes).reversed()
        transfers[id] = Transfer(bytes: bytes, sources: wish.sources, missing: Array(parts))
        node.loop.later { [self] in ask(id) }
    }

    /// Asks for as many parts as may be on their way.
    private func ask(_ id: ObjectID) {
        while let gone = transfers[id]?.sources.first(where: { !node.knowsAsAlive($0.node) }) {
            transfers[id]!.drop(gone, "node \(gone.node.short) is dead")
        }
        guard let transfer = transfers[id] else { return }
        guard transfer.turn < Limits.transferTurns, !transfer.sources.isEmpty else {
            return finish(id, MantaError(.objectLost, "object \(id) could not be fetched from any node: \(transfer.failures.joined(separator: "; "))"))
        }
        let source = transfer.sources[transfer.turn % transfer.sources.count]
        let link = node.transport.connect(to: source.endpoint)
        while transfers[id]!.inFlight < Limits.partsInFlight, let offset = transfers[id]!.missing.popLast() {
            transfers[id]!.inFlight += 1
            let count = min(Limits.partBytes, transfer.size - offset)
            link.request(PullObject(object: id, offset: offset, count: count), deadline: Limits.partDeadline) { [self] result in
                arrived(id, offset, count, turn: transfer.turn, from: source, result)
            }
        }
        if transfers[id]!.inFlight == 0, transfers[id]!.missing.isEmpty { finish(id, nil) }
    }

    private func arrived(_ id: ObjectID, _ offset: Int, _ count: Int, turn: Int, from source: NodeAddress, _ result: Result<ObjectPart, MantaError>) {
        guard let transfer = transfers[id] else { return }
        transfers[id]!.inFlight -= 1
        switch result {
        case .success(let part) where part.size == transfer.size && part.bytes.count == count:
            segment.writable(Extent(offset: transfer.bytes.offset + offset, count: count)).copyBytes(from: part.bytes)
        case .success(let part):
            transfers[id]!.missing.append(offset)
            transfers[id]!.drop(
                source, "node \(source.node.short) sent \(part.bytes.count) bytes of an object of \(part.size), expected \(count) of \(transfer.size)")
        case .failure(let error):
            transfers[id]!.missing.append(offset)
            // A link that broke may be made again while the node lives; what has come stays.
            let mayComeBack = error.code == .timeout || error.code == .unavailable && node.knowsAsAlive(source.node)
            if !mayComeBack {
                transfers[id]!.drop(source, "node \(source.node.short): \(error.message)")
            } else if transfers[id]!.turn == turn {
                transfers[id]!.turn += 1
            }
        }
        ask(id)
    }

    private func finish(_ id: ObjectID, _ error: MantaError?) {
        guard let transfer = transfers[id] else { return }
        // Parts of an earlier source may still come: the memory is theirs until then.
        if error != nil, transfer.inFlight > 0 { return }
        transfers[id] = nil
        if error == nil { tellOwner(id, isThere: true) } else { wishes[id] = nil }
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
            case .success: break
            case .failure(let error): link.fail(correlation, error)
            }
        }
    }

    private func send(_ request: PullObject, _ use: SlotUse, _ size: Int, _ correlation: Correlation, on link: Link) {
        // On the loop, so it cannot leave meanwhile.
        guard request.offset + request.count <= size, let extent = segment.resident(use) else {
            return link.fail(correlation, MantaError(.objectLost, "object \(request.object) has no \(request.count) bytes from byte \(request.offset) any more"))
        }
        let bytes = Array(segment.readable(Extent(offset: extent.offset + request.offset, count: request.count)))
        link.reply(to: correlation, ObjectPart(size: size, bytes: bytes))
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
