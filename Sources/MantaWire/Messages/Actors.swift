// Actors: messages about who is where: creation, look-up, watching and ending. Calls themselves are in Tasks.swift.

package import MantaModel

/// Any process → head: create this actor. Sent again, it is recognized by its identifier.
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

/// Any process → head: tell me this actor's status now and at every change, by `ActorChanged` on this link.
package struct WatchActor: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .watchActor }
    package typealias Reply = ActorFound
    package var actor: ActorID
    package init(actor: ActorID) { self.actor = actor }
}

/// Head → watchers.
package struct ActorChanged: WireMessage, Hashable {
    package static var kind: MessageKind { .actorChanged }
    package var status: ActorStatus
    package init(status: ActorStatus) { self.status = status }
    package func encode(into writer: inout MessagePackWriter) throws(MantaError) {
        try writer.write(status)
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        status = try reader.readActorStatus()
    }
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

/// Head → node: run this actor. Acknowledged when its resources are taken; `ActorReport` tells what became of it.
package struct PlaceActor: WireRequest, Hashable {
    package static var kind: MessageKind { .placeActor }
    package typealias Reply = Acknowledged
    package var specification: ActorSpecification
    package var restarts: Int
    package init(specification: ActorSpecification, restarts: Int) { (self.specification, self.restarts) = (specification, restarts) }
    package func encode(into writer: inout MessagePackWriter) throws(MantaError) {
        writer.writeArrayHeader(2)
        try writer.write(specification)
        writer.write(restarts)
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        let count = try reader.readArrayHeader(atLeast: 2)
        specification = try reader.readActorSpecification()
        restarts = try reader.readInt()
        try reader.skipFields(from: 2, to: count)
    }
}

/// Node → head: an actor here is alive or has died.
package struct ActorReport: WireRequest, Hashable {
    package static var kind: MessageKind { .actorReport }
    package typealias Reply = Acknowledged
    package enum Event: Hashable, Sendable {
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
    package func encode(into writer: inout MessagePackWriter) throws(MantaError) {
        writer.writeArrayHeader(4)
        writer.write(actor)
        writer.write(node)
        writer.write(restarts)
        switch event {
        case .alive(let address, let pid):
            writer.writeArrayHeader(2)
            writer.writeField(address)
            writer.write(Int64(pid))
        case .died(let cause):
            writer.writeArrayHeader(1)
            try writer.write(cause)
        }
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        let count = try reader.readArrayHeader(atLeast: 4)
        actor = try reader.readIdentifier()
        node = try reader.readIdentifier()
        restarts = try reader.readInt()
        if try reader.readArrayHeader(atLeast: 1) == 1 {
            event = .died(try reader.readDeathCause())
        } else {
            let address = try reader.readAddressField()
            guard let pid = Int32(exactly: try reader.readInt64()) else { throw reader.unexpected("a process's number") }
            event = .alive(address: address, pid: pid)
        }
        try reader.skipFields(from: 4, to: count)
    }
}

/// Head → node: end this actor's process. Acknowledged when it is heard, also when nothing runs.
package struct EndActor: WireRequest, Hashable {
    package static var kind: MessageKind { .endActor }
    package typealias Reply = Acknowledged
    package var actor: ActorID
    package var cause: DeathCause
    /// The latest incarnation that is to end: the order may come late, and a newer one must not end in its place.
    package var restarts: Int?
    package init(actor: ActorID, cause: DeathCause, restarts: Int?) { (self.actor, self.cause, self.restarts) = (actor, cause, restarts) }
    package func encode(into writer: inout MessagePackWriter) throws(MantaError) {
        writer.writeArrayHeader(3)
        writer.write(actor)
        try writer.write(cause)
        writer.write(restarts)
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        let count = try reader.readArrayHeader(atLeast: 3)
        actor = try reader.readIdentifier()
        cause = try reader.readDeathCause()
        restarts = try reader.readOptionalInt()
        try reader.skipFields(from: 3, to: count)
    }
}
