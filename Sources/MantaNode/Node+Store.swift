// Node+Store: the messages of the object store: of this machine's processes, of owners, and of other nodes.

import Glibc
import MantaCore
import MantaLoop
import MantaMemory
import MantaModel
import MantaTransport
import MantaWire

extension Node {
    var nodeAddress: NodeAddress { NodeAddress(node: configuration.node, endpoint: address.endpoint) }

    /// Whether the head counts it among the living; everyone is before it has told.
    func knowsAsAlive(_ other: NodeID) -> Bool { !hasView || book.knows(other) }

    /// True when the message was one of the store's.
    func dispatchStore(_ message: inout InboundMessage, on link: Link) throws(MantaError) -> Bool {
        switch message.kind {
        case .openStore:
            _ = try client(link)
            link.reply(
                to: try message.required(), StoreOpened(pid: getpid(), descriptor: store.segment.descriptor, arenaBytes: store.segment.layout.arenaBytes))
        case .joinStore:
            let join = try JoinStore(from: &message.body)
            let correlation = try message.required()
            try store.join(client(link), pid: join.pid, pins: join.pins)
            link.reply(to: correlation, Acknowledged())
        case .leaseMemory: lease(try LeaseMemory(from: &message.body), try message.required(), to: try client(link), on: link)
        case .returnMemory: store.returned(try ReturnMemory(from: &message.body).lease, by: try client(link))
        case .objectsStored: store.stored(try ObjectsStored(from: &message.body), by: try client(link))
        case .freeObjects: store.free(try FreeObjects(from: &message.body).objects)
        case .openObject: open(try OpenObject(from: &message.body), try message.required(), on: link)
        case .ownsElsewhere: sentElsewhere.insert(try client(link))
        case .describeCopies:
            let objects = try DescribeCopies(from: &message.body).objects.prefix(Limits.listRows)
            link.reply(to: try message.required(), CopiesDescribed(areSpilled: objects.map(store.book.isSpilled)))
        case .pullObject: store.pull(try PullObject(from: &message.body), try message.required(), on: link)
        default: return false
        }
        return true
    }

    /// A process of this machine that said hello.
    private func client(_ link: Link) throws(MantaError) -> ProcessID {
        guard let peer = link.peer, Machine.isHere(host: peer.host, endpoint: peer.endpoint) else {
            throw MantaError(.invalidArgument, "only processes of this machine use the store of node \(configuration.node.short)")
        }
        return peer.process
    }

    private func lease(_ message: LeaseMemory, _ correlation: Correlation, to client: ProcessID, on link: Link) {
        guard message.bytes > 0 else { return link.fail(correlation, MantaError(.invalidArgument, "a lease of \(message.bytes) bytes; expected at least 1")) }
        store.lease(message.bytes, to: client) { result in
            switch result {
            case .success(.lease(let extent, let uses)): link.reply(to: correlation, MemoryLeased(extent, uses))
            case .success: preconditionFailure("a lease is answered with a lease")
            case .failure(let error): link.fail(correlation, error)
            }
        }
    }

    private func open(_ message: OpenObject, _ correlation: Correlation, on link: Link) {
        store.open(message) { result in
            switch result {
            case .success(.object(let use, _)): link.reply(to: correlation, ObjectOpened(slot: use.slot, generation: use.generation))
            case .success(.onDisk): link.reply(to: correlation, ObjectOpened(slot: .max, generation: 0, isOnDisk: true))
            case .success: preconditionFailure("an object is answered with an object")
            case .failure(let error): link.fail(correlation, error)
            }
        }
    }
}
