// Snapshots: the state of an actor, kept outside of its process so that its next incarnation continues where it was.
//
// The state of an actor that ends with its job lies with the process that made it, whose end is the actor's too; that of a detached actor lies in a table of
// the head, on disk. Snapshots of an actor are ordered by its incarnation and a number; an older one never replaces a newer.

package import MantaModel

/// An actor's worker → the actor's creator: keep this state. Answered when it is kept.
package struct StoreSnapshot: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .storeSnapshot }
    package typealias Reply = Acknowledged
    package var actor: ActorID
    package var snapshot: ActorSnapshot
    package init(actor: ActorID, snapshot: ActorSnapshot) { (self.actor, self.snapshot) = (actor, snapshot) }
}

/// The next incarnation's worker → the actor's creator: what was kept last?
package struct GetSnapshot: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .getSnapshot }
    package typealias Reply = SnapshotFound
    package var actor: ActorID
    package init(actor: ActorID) { self.actor = actor }
}

package struct SnapshotFound: CodedMessage, Hashable {
    package static var kind: MessageKind { .snapshotFound }
    /// Nil: none was taken.
    package var snapshot: ActorSnapshot?
    package init(snapshot: ActorSnapshot?) { self.snapshot = snapshot }
}

/// A state, and which of the actor's states it is.
package struct ActorSnapshot: Hashable, Sendable, Codable {
    /// The incarnation.
    package var restarts: Int
    /// From 1 in each incarnation.
    package var number: UInt64
    package var bytes: [UInt8]
    package init(restarts: Int, number: UInt64, bytes: [UInt8]) { (self.restarts, self.number, self.bytes) = (restarts, number, bytes) }

    package func isNewer(than other: ActorSnapshot) -> Bool { (restarts, number) > (other.restarts, other.number) }
}
