// Snapshots of the actors that this process made and that end with it: the newest state of each, until the actor is dead for good.

import MantaCore
import MantaModel
import MantaTransport
import MantaWire

/// Confined to the loop, like its owner.
struct Snapshots {
    private var latest: [ActorID: ActorSnapshot] = [:]
    private var bytes = 0

    subscript(_ actor: ActorID) -> ActorSnapshot? { latest[actor] }

    /// Keeps a state unless a newer one is there; throws when this process keeps too much.
    mutating func store(_ snapshot: ActorSnapshot, of actor: ActorID) throws(MantaError) {
        let before = latest[actor]
        if let before, !snapshot.isNewer(than: before) { return }
        let sum = bytes - (before?.bytes.count ?? 0) + snapshot.bytes.count
        guard sum <= Limits.snapshotBytesTogether else {
            throw MantaError(.overloaded, "the states of this process's actors have \(bytes) bytes; at most \(Limits.snapshotBytesTogether) are kept")
        }
        (latest[actor], bytes) = (snapshot, sum)
    }

    mutating func forget(_ actor: ActorID) {
        if let gone = latest.removeValue(forKey: actor) { bytes -= gone.bytes.count }
    }
}

extension Owner {
    func store(_ message: StoreSnapshot, correlation: Correlation, on link: Link) throws(MantaError) {
        guard let actor = actors[message.actor], actor.isOwned, !actor.queue.isDead else {
            throw MantaError(.actorDied, "actor \(message.actor.short) is dead, or was not made here; its state is not kept")
        }
        try snapshots.store(message.snapshot, of: message.actor)
        link.reply(to: correlation, Acknowledged())
    }
}
