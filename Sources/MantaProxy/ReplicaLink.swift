// ReplicaLink: a lane's way to one replica: the link to its process, and what an actor's caller must keep: the number of its next call.

import MantaModel
import MantaTransport

final class ReplicaLink {
    let tag: String
    let actor: ActorID
    let method: UInt32
    /// The router's slot of the replica.
    let slot: Int
    let link: Link
    var nextSequence: UInt64 = 0
    /// Whether the replica's process has ever answered: before that nothing can have been carried out.
    var hasOpened = false
    /// Its row is gone; what it still has is answered or lost soon.
    var isLeaving = false

    init(_ description: ReplicaDescription, actor: ActorID, slot: Int, link: Link) {
        (tag, method) = (description.tag, description.method)
        (self.actor, self.slot, self.link) = (actor, slot, link)
    }
}
