// Actors: messages about who is where: creation, look-up, watching and ending of one actor. Those of many are in ActorBatches.swift, calls in Tasks.swift.

package import MantaModel

/// Any process → head: create this actor, which has a name, is detached, or belongs into a placement group. Sent again, it is recognized by its identifier.
package struct CreateActor: WireRequest, Hashable {
    package static var kind: MessageKind { .createActor }
    package typealias Reply = ActorFound
    package var specification: ActorSpecification
    /// With a name: answer the actor that already has it instead of failing.
    package var getIfExists: Bool
    package init(specification: ActorSpecification, getIfExists: Bool) { (self.specification, self.getIfExists) = (specification, getIfExists) }
    package func encode(into writer: inout MessagePackWriter) throws(MantaError) {
        writer.writeArrayHeader(2)
        try writer.write(specification)
        writer.write(getIfExists)
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        let count = try reader.readArrayHeader(atLeast: 2)
        specification = try reader.readActorSpecification()
        getIfExists = try reader.readBool()
        try reader.skipFields(from: 2, to: count)
    }
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
    /// Calls of one process to it that may be without an end at a time; nil is without limit.
    package var maxPendingCalls: Int?
    /// Whether a call whose arguments are missing holds up those behind it; nil is yes.
    package var ordersCalls: Bool?
    package var name: String?
    package init(
        id: ActorID, type: String, state: ActorState, address: ProcessAddress?, node: NodeID?, restarts: Int, death: DeathCause?, maxTaskRetries: Int? = nil,
        maxPendingCalls: Int? = nil, ordersCalls: Bool? = nil, name: String? = nil
    ) {
        (self.maxPendingCalls, self.ordersCalls, self.name) = (maxPendingCalls, ordersCalls, name)
        (self.id, self.type, self.state, self.address) = (id, type, state, address)
        (self.node, self.restarts, self.death, self.maxTaskRetries) = (node, restarts, death, maxTaskRetries)
    }
}

extension ActorStatus {
    /// Whether the two differ in nothing but who they are of.
    func isLike(_ other: ActorStatus) -> Bool {
        state == other.state && restarts == other.restarts && maxTaskRetries == other.maxTaskRetries && node == other.node && type == other.type
            && address == other.address && death == other.death && maxPendingCalls == other.maxPendingCalls && ordersCalls == other.ordersCalls
            && name == other.name
    }
}

package struct ActorFound: WireMessage, Hashable {
    package static var kind: MessageKind { .actorFound }
    package var status: ActorStatus
    package init(status: ActorStatus) { self.status = status }
    package func encode(into writer: inout MessagePackWriter) throws(MantaError) {
        try writer.write(status)
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        status = try reader.readActorStatus()
    }
}

/// Any process → head: tell me this actor's status now and at every change, by `ActorsChanged` on this link.
package struct WatchActor: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .watchActor }
    package typealias Reply = ActorFound
    package var actor: ActorID
    package init(actor: ActorID) { self.actor = actor }
}

/// Any process → head: end this actor; with `noRestart` false it may be started again.
package struct KillActor: WireRequest, Hashable {
    package static var kind: MessageKind { .killActor }
    package typealias Reply = Acknowledged
    package var actor: ActorID
    package var noRestart: Bool
    /// Why, for people; nil says only that it was killed.
    package var reason: String?
    package init(actor: ActorID, noRestart: Bool, reason: String? = nil) { (self.actor, self.noRestart, self.reason) = (actor, noRestart, reason) }
    package func encode(into writer: inout MessagePackWriter) throws(MantaError) {
        writer.writeArrayHeader(3)
        writer.write(actor)
        writer.write(noRestart)
        writer.write(reason)
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        let count = try reader.readArrayHeader(atLeast: 3)
        actor = try reader.readIdentifier()
        noRestart = try reader.readBool()
        reason = try reader.readOptionalString()
        try reader.skipFields(from: 3, to: count)
    }
}
