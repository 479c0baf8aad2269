// TransferBook: objects on their way from other nodes into this node's store, in parts: which part is asked for at which source, and when a copy is given up.
//
// Life of a transfer: 1. some of its parts are asked for, each at the source that is asked for the fewest of them 2. what comes stays; what does not come is
// asked for again, from whichever source is best then 3. it is finished when all parts are here, or when no source is left and nothing is on its way, since
// until then the memory belongs to what may still come.
//
// What always holds:
// - No more parts are on their way than `Limits.partsInFlight` for one transfer, and `Limits.partsOfNodeInFlight` for all of them, so that a slow receiver
//   is never sent more than it can take; transfers take turns, part by part.
// - A source that has not got the object, sends wrong bytes or is dead is asked no more. One that is silent or whose link breaks is asked after all others,
//   and no more when that has happened `Limits.sourceBreaks` times in a row.

internal import DequeModule
package import MantaModel

extension Limits {
    /// Of one transfer.
    package static let partsInFlight = 8
    /// Of all transfers of a node.
    package static let partsOfNodeInFlight = 64
    /// So often in a row a source may be silent, or its link break.
    package static let sourceBreaks = 4
}

package struct TransferBook {
    package enum Action: Hashable, Sendable {
        /// Ask the source for this part of the object, then say `arrived` or `failed` with the number.
        case ask(UInt64, ObjectID, offset: Int, count: Int, of: NodeAddress)
        /// All of it is here, or it cannot be had.
        case finished(ObjectID, MantaError?)
    }

    fileprivate struct Source {
        var address: NodeAddress
        var inFlight = 0
        var breaks = 0
        /// Grows with each break, of which many parts on their way tell.
        var epoch = 0
    }

    fileprivate struct Transfer {
        let size: Int
        var sources: [Source]
        /// Offsets of parts that nobody is asked for now, the next one last.
        var missing: [Int]
        var inFlight = 0
        var isQueued = false
        /// Sources that are asked no more, and why.
        var gone: Set<NodeID> = []
        var failures: [String] = []
    }

    /// A part that was asked for.
    private struct Part {
        var object: ObjectID
        var offset: Int
        var source: NodeID
        var epoch: Int
    }

    private var transfers: [ObjectID: Transfer] = [:]
    private var parts: [UInt64: Part] = [:]
    /// Those that can ask for a part, in turn.
    private var queue: Deque<ObjectID> = []
    private var lastNumber: UInt64 = 0

    package init() {}

    package var isEmpty: Bool { transfers.isEmpty }
    /// How many parts are on their way.
    package var inFlight: Int { parts.count }

    /// An object is to come from these sources; one that is on its way comes once.
    package mutating func begin(_ id: ObjectID, size: Int, sources: [NodeAddress], perform: (Action) -> Void) {
        guard transfers[id] == nil else { return }
        let offsets = stride(from: 0, to: max(size, 1), by: Limits.partBytes).reversed()
        transfers[id] = Transfer(size: size, sources: sources.map { Source(address: $0) }, missing: Array(offsets))
        goOn(id, perform)
    }

    package func isRunning(_ id: ObjectID) -> Bool { transfers[id] != nil }

    /// The object can be had from these sources too. One that is asked no more stays so.
    package mutating func offer(_ id: ObjectID, sources: [NodeAddress], perform: (Action) -> Void) {
        guard let transfer = transfers[id] else { return }
        let new = sources.filter { source in !transfer.gone.contains(source.node) && !transfer.sources.contains { $0.address.node == source.node } }
        guard !new.isEmpty else { return }
        transfers[id]!.sources += new.map { Source(address: $0) }
        goOn(id, perform)
    }

    /// What is expected of a part; nil when nobody waits for it.
    package func expected(_ number: UInt64) -> (object: ObjectID, size: Int, offset: Int, count: Int)? {
        guard let part = parts[number], let transfer = transfers[part.object] else { return nil }
        return (part.object, transfer.size, part.offset, count(at: part.offset, of: transfer))
    }

    private func count(at offset: Int, of transfer: Transfer) -> Int { min(Limits.partBytes, transfer.size - offset) }

    /// A part is here, and is what it should be.
    package mutating func arrived(_ number: UInt64, perform: (Action) -> Void) {
        guard let part = takeOut(number) else { return }
        change(part) { $0.breaks = 0 }
        goOn(part.object, perform)
    }

    /// A part did not come. Its source `mayComeBack`, or is asked no more.
    package mutating func failed(_ number: UInt64, because reason: String, mayComeBack: Bool, perform: (Action) -> Void) {
        guard let part = takeOut(number) else { return }
        transfers[part.object]!.missing.append(part.offset)
        if mayComeBack {
            change(part) { source in
                guard source.epoch == part.epoch else { return }
                source.breaks += 1
                source.epoch += 1
            }
            transfers[part.object]!.drop(because: reason) { $0.address.node == part.source && $0.breaks >= Limits.sourceBreaks }
        } else {
            transfers[part.object]!.drop(because: reason) { $0.address.node == part.source }
        }
        goOn(part.object, perform)
    }

    /// A node is gone; of parts that it was asked for `failed` tells.
    package mutating func nodeLost(_ node: NodeID, perform: (Action) -> Void) {
        for id in transfers.filter({ $0.value.sources.contains { $0.address.node == node } }).keys {
            transfers[id]!.drop(because: "it is dead") { $0.address.node == node }
            goOn(id, perform)
        }
    }

    private mutating func takeOut(_ number: UInt64) -> Part? {
        guard let part = parts.removeValue(forKey: number) else { return nil }
        transfers[part.object]!.inFlight -= 1
        change(part) { $0.inFlight -= 1 }
        return part
    }

    private mutating func change(_ part: Part, _ body: (inout Source) -> Void) {
        guard let index = transfers[part.object]?.sources.firstIndex(where: { $0.address.node == part.source }) else { return }
        body(&transfers[part.object]!.sources[index])
    }

    // MARK: Asking

    /// A transfer may be over, or may ask; others may since it asks for less.
    private mutating func goOn(_ id: ObjectID, _ perform: (Action) -> Void) {
        guard let transfer = transfers[id] else { return }
        if transfer.inFlight == 0, transfer.missing.isEmpty || transfer.sources.isEmpty {
            transfers[id] = nil
            perform(.finished(id, transfer.missing.isEmpty ? nil : transfer.failure(of: id)))
        } else {
            enqueue(id)
        }
        takeTurns(perform)
    }

    private mutating func enqueue(_ id: ObjectID) {
        guard let transfer = transfers[id], !transfer.isQueued, !transfer.missing.isEmpty, !transfer.sources.isEmpty, transfer.inFlight < Limits.partsInFlight
        else { return }
        transfers[id]!.isQueued = true
        queue.append(id)
    }

    private mutating func takeTurns(_ perform: (Action) -> Void) {
        while parts.count < Limits.partsOfNodeInFlight, let id = queue.popFirst() {
            transfers[id]?.isQueued = false
            ask(id, perform)
            enqueue(id)
        }
    }

    private mutating func ask(_ id: ObjectID, _ perform: (Action) -> Void) {
        guard var transfer = transfers[id], transfer.inFlight < Limits.partsInFlight, let best = transfer.best, let offset = transfer.missing.popLast() else { return }
        lastNumber += 1
        transfer.inFlight += 1
        transfer.sources[best].inFlight += 1
        let source = transfer.sources[best]
        transfers[id] = transfer
        parts[lastNumber] = Part(object: id, offset: offset, source: source.address.node, epoch: source.epoch)
        perform(.ask(lastNumber, id, offset: offset, count: count(at: offset, of: transfer), of: source.address))
    }
}

extension TransferBook.Transfer {
    /// The source to ask next: the one that is the least trouble, and of those the least busy.
    fileprivate var best: Int? { sources.indices.min { (sources[$0].breaks, sources[$0].inFlight) < (sources[$1].breaks, sources[$1].inFlight) } }

    fileprivate mutating func drop(because reason: String, where isGone: (TransferBook.Source) -> Bool) {
        for source in sources where isGone(source) {
            gone.insert(source.address.node)
            failures.append("node \(source.address.node.short): \(reason)")
        }
        sources.removeAll(where: isGone)
    }

    fileprivate func failure(of id: ObjectID) -> MantaError {
        MantaError(.objectLost, "object \(id) could not be fetched from any node: \(failures.isEmpty ? "none is known to have it" : failures.joined(separator: "; "))")
    }
}
