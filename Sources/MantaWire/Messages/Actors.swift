// Actors: messages about who is where: creation, look-up, watching and ending. Calls themselves are in Tasks.swift.

package import MantaModel

/// Any process → head: create this actor. Sent again, it is recognized by its identifier.
package struct CreateActor: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .createActor }
    package typealias Reply = ActorFound
    package var specification: ActorSpecification
    /// With a name: answer the actor that already has it instead of failing.
    package var getIfExists: Bool
    package init(specification: ActorSpecification, getIfExists: Bool) { (self.specification, self.getIfExists) = (specification, getIfExists) }
}

/// Any process → head: which actor has this name?
package struct GetActor: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .getActor }
    package typealias Reply = ActorFound
    package var name: String
    package var namespace: String
    package init(name: String, namespace: String) { (self.name, self.namespace) = (name, namespace) }
}

/// An actor as its callers see it.
package struct ActorStatus: Hashable, Sendable, Codable {
    package var id: ActorID
    package var type: String
    package var state: ActorState
    /// Where to send calls, when it is alive.
    package var address: ProcessAddress?
    package var node: NodeID?
    /// Grows with every incarnation, from 0; a caller starts its sequence numbers anew with each.
    package var restarts: Int
    /// Why it is dead; of one that restarts, how its last incarnation ended.
    package var death: DeathCause?
    /// Retries of the calls to it that do not say otherwise; nil is none, -1 is without end.
    package var maxTaskRetries: Int?
    package init(
        id: ActorID, type: String, state: ActorState, address: ProcessAddress?, node: NodeID?, restarts: Int, death: DeathCause?, maxTaskRetries: Int? = nil
    ) {
        (self.id, self.type, self.state, self.address) = (id, type, state, address)
        (self.node, self.restarts, self.death, self.maxTaskRetries) = (node, restarts, death, maxTaskRetries)
    }
}

package struct ActorFound: CodedMessage, Hashable {
    package static var kind: MessageKind { .actorFound }
    package var status: ActorStatus
    package init(status: ActorStatus) { self.status = status }
}

/// Any process → head: tell me this actor's status now and at every change, by `ActorChanged` on this link.
package struct WatchActor: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .watchActor }
    package typealias Reply = ActorFound
    package var actor: ActorID
    package init(actor: ActorID) { self.actor = actor }
}

/// Head → watchers.
package struct ActorChanged: CodedMessage, Hashable {
    package static var kind: MessageKind { .actorChanged }
    package var status: ActorStatus
    package init(status: ActorStatus) { self.status = status }
}

/// Any process → head: end this actor; with `noRestart` false it may be started again.
package struct KillActor: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .killActor }
    package typealias Reply = Acknowledged
    package var actor: ActorID
    package var noRestart: Bool
    /// Why, for people; nil says only that it was killed.
    package var reason: String?
    package init(actor: ActorID, noRestart: Bool, reason: String? = nil) { (self.actor, self.noRestart, self.reason) = (actor, noRestart, reason) }
}

/// Head → node: run this actor. Acknowledged when its resources are taken; `ActorReport` tells what became of it.
package struct PlaceActor: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .placeActor }
    package typealias Reply = Acknowledged
    package var specification: ActorSpecification
    package var restarts: Int
    package init(specification: ActorSpecification, restarts: Int) { (self.specification, self.restarts) = (specification, restarts) }
}

/// Node → head: an actor here is alive or has died.
package struct ActorReport: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .actorReport }
    package typealias Reply = Acknowledged
    package enum Event: Hashable, Sendable, Codable {
        case alive(address: ProcessAddress, pid: Int32)
        case died(DeathCause)
    }
    package var actor: ActorID
    package var node: NodeID
    /// The incarnation it speaks of.
    package var restarts: Int
    package var event: Event
    package init(actor: ActorID, node: NodeID, restarts: Int, event: Event) {
        (self.actor, self.node, self.restarts, self.event) = (actor, node, restarts, event)
    }
}

/// Head → node: end this actor's process. Acknowledged when it is heard, also when nothing runs.
package struct EndActor: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .endActor }
    package typealias Reply = Acknowledged
    package var actor: ActorID
    package var cause: DeathCause
    /// The latest incarnation that is to end: the order may come late, and a newer one must not end in its place.
    package var restarts: Int?
    package init(actor: ActorID, cause: DeathCause, restarts: Int?) { (self.actor, self.cause, self.restarts) = (actor, cause, restarts) }
}
