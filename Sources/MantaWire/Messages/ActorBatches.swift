// ActorBatches: messages about many actors at once: what a turn of a process brings about them leaves in one message, in its order, and what an actor has in
// common with the one before it is not written again. Each part may be repeated: its receiver knows it by actor and incarnation.

package import MantaModel

/// Any process → head: create these actors, which have no names and end with their job. Answered when they are known; what becomes of them is told by
/// `ActorsChanged`.
package struct CreateActors: WireRequest, Hashable {
    package static var kind: MessageKind { .createActors }
    package typealias Reply = ActorsTaken
    package var specifications: [ActorSpecification]
    package init(_ specifications: [ActorSpecification]) { self.specifications = specifications }
    package func encode(into writer: inout MessagePackWriter) throws(MantaError) {
        try writer.writeList(specifications) { (writer, specification, previous) throws(MantaError) in try writer.write(specification, after: previous) }
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        specifications = try reader.readList { (reader, previous) throws(MantaError) in try reader.readActorSpecification(after: previous) }
    }
}

/// The answer: all but these were taken.
package struct ActorsTaken: WireMessage, Hashable {
    package static var kind: MessageKind { .actorsTaken }
    package struct Refusal: Hashable, Sendable {
        package var actor: ActorID
        package var error: MantaError
        package init(actor: ActorID, error: MantaError) { (self.actor, self.error) = (actor, error) }
    }
    package var refusals: [Refusal]
    package init(refusals: [Refusal] = []) { self.refusals = refusals }
    package func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(refusals.count)
        for refusal in refusals {
            writer.writeArrayHeader(2)
            writer.write(refusal.actor)
            writer.write(refusal.error)
        }
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        refusals = try reader.readList(fields: 2) { (reader, _) throws(MantaError) in Refusal(actor: try reader.readIdentifier(), error: try reader.readError()) }
    }
}

/// Head → node: run these actors. Answered when their resources are asked for; `ActorReports` tell what became of them.
package struct PlaceActors: WireRequest, Hashable {
    package static var kind: MessageKind { .placeActors }
    package typealias Reply = ActorsTaken
    package struct Order: Hashable, Sendable {
        package var specification: ActorSpecification
        /// The incarnation, from 0.
        package var restarts: Int
        package init(specification: ActorSpecification, restarts: Int) { (self.specification, self.restarts) = (specification, restarts) }
    }
    package var orders: [Order]
    package init(_ orders: [Order]) { self.orders = orders }
    package func encode(into writer: inout MessagePackWriter) throws(MantaError) {
        try writer.writeList(orders) { (writer, order, previous) throws(MantaError) in
            writer.writeArrayHeader(2)
            try writer.write(order.specification, after: previous?.specification)
            writer.write(order.restarts)
        }
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        orders = try reader.readList(fields: 2) { (reader, previous) throws(MantaError) in
            Order(specification: try reader.readActorSpecification(after: previous?.specification), restarts: try reader.readInt())
        }
    }
}

/// Node → worker: host these actors: one for good, or, of those that share a process, each until `EndHostedActors`. The answer comes when all constructors
/// have returned; what is done before is told by `ActorsStarted` messages.
package struct StartActors: WireRequest, Hashable {
    package static var kind: MessageKind { .startActors }
    package typealias Reply = ActorsStarted
    package struct Order: Hashable, Sendable {
        package var specification: ActorSpecification
        /// The incarnation, from 0.
        package var restarts: Int
        /// The GPUs it may use, as `CUDA_VISIBLE_DEVICES` names them; nil is none.
        package var gpus: [String]?
        package init(specification: ActorSpecification, restarts: Int, gpus: [String]? = nil) {
            (self.specification, self.restarts, self.gpus) = (specification, restarts, gpus)
        }
    }
    package var orders: [Order]
    package init(_ orders: [Order]) { self.orders = orders }
    package func encode(into writer: inout MessagePackWriter) throws(MantaError) {
        try writer.writeList(orders) { (writer, order, previous) throws(MantaError) in
            writer.writeArrayHeader(3)
            try writer.write(order.specification, after: previous?.specification)
            writer.write(order.restarts)
            writer.write(order.gpus)
        }
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        orders = try reader.readList(fields: 3) { (reader, previous) throws(MantaError) in
            let specification = try reader.readActorSpecification(after: previous?.specification)
            return Order(specification: specification, restarts: try reader.readInt(), gpus: try reader.readOptionalStrings())
        }
    }
}

/// Worker → node: the constructors of these actors returned, or threw `error`.
package struct ActorsStarted: WireMessage, Hashable {
    package static var kind: MessageKind { .actorsStarted }
    package struct Result: Hashable, Sendable {
        package var actor: ActorID
        package var error: String?
        package init(actor: ActorID, error: String?) { (self.actor, self.error) = (actor, error) }
    }
    package var results: [Result]
    package init(_ results: [Result]) { self.results = results }
    package func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(results.count)
        for result in results {
            writer.writeArrayHeader(2)
            writer.write(result.actor)
            writer.write(result.error)
        }
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        results = try reader.readList(fields: 2) { (reader, _) throws(MantaError) in Result(actor: try reader.readIdentifier(), error: try reader.readOptionalString()) }
    }
}

/// Node → head: actors here are alive or have died.
package struct ActorReports: WireRequest, Hashable {
    package static var kind: MessageKind { .actorReports }
    package typealias Reply = Acknowledged
    package enum Event: Hashable, Sendable {
        case alive(address: ProcessAddress, pid: Int32)
        case died(DeathCause)
    }
    package struct Report: Hashable, Sendable {
        package var actor: ActorID
        /// The incarnation it speaks of.
        package var restarts: Int
        package var event: Event
        package init(actor: ActorID, restarts: Int, event: Event) { (self.actor, self.restarts, self.event) = (actor, restarts, event) }
    }
    package var node: NodeID
    package var reports: [Report]
    package init(node: NodeID, reports: [Report]) { (self.node, self.reports) = (node, reports) }
    package func encode(into writer: inout MessagePackWriter) throws(MantaError) {
        writer.writeArrayHeader(2)
        writer.write(node)
        try writer.writeList(reports) { (writer, report, previous) throws(MantaError) in
            let isAlike = report.event == previous?.event
            writer.writeArrayHeader(isAlike ? 2 : 3)
            writer.write(report.actor)
            writer.write(report.restarts)
            if !isAlike { try Self.write(report.event, &writer) }
        }
    }
    private static func write(_ event: Event, _ writer: inout MessagePackWriter) throws(MantaError) {
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
        let fields = try reader.readArrayHeader(atLeast: 2)
        node = try reader.readIdentifier()
        reports = try reader.readList { (reader, previous) throws(MantaError) in
            let parts = try reader.readArrayHeader(atLeast: 2)
            let (actor, restarts): (ActorID, Int) = (try reader.readIdentifier(), try reader.readInt())
            let event = parts > 2 ? try Self.event(&reader) : previous?.event
            guard let event else { throw reader.unexpected("the event of the first report") }
            try reader.skipFields(from: 3, to: parts)
            return Report(actor: actor, restarts: restarts, event: event)
        }
        try reader.skipFields(from: 2, to: fields)
    }
    private static func event(_ reader: inout MessagePackReader) throws(MantaError) -> Event {
        if try reader.readArrayHeader(atLeast: 1) == 1 { return .died(try reader.readDeathCause()) }
        let address = try reader.readAddressField()
        guard let pid = Int32(exactly: try reader.readInt64()) else { throw reader.unexpected("a process's number") }
        return .alive(address: address, pid: pid)
    }
}

/// Head → watchers: how these actors stand now.
package struct ActorsChanged: WireMessage, Hashable {
    package static var kind: MessageKind { .actorsChanged }
    package var statuses: [ActorStatus]
    package init(_ statuses: [ActorStatus]) { self.statuses = statuses }
    package func encode(into writer: inout MessagePackWriter) throws(MantaError) {
        try writer.writeList(statuses) { (writer, status, previous) throws(MantaError) in try writer.write(status, after: previous) }
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        statuses = try reader.readList { (reader, previous) throws(MantaError) in try reader.readActorStatus(after: previous) }
    }
}

/// The process that made them → head: nobody can call these actors any more: end them, and tell this process nothing more about them. Acknowledged when
/// their nodes have heard, or the head will see to it whatever happens.
package struct DropActors: WireRequest, Hashable {
    package static var kind: MessageKind { .dropActors }
    package typealias Reply = Acknowledged
    package var actors: [ActorID]
    package init(_ actors: [ActorID]) { self.actors = actors }
    package func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(actors.count)
        for actor in actors { writer.write(actor) }
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        actors = try reader.readList { (reader, _) throws(MantaError) in try reader.readIdentifier() }
    }
}

/// Head → node: end these actors' processes, or take them out of those they share. Acknowledged when it is heard, also when nothing runs.
package struct EndActors: WireRequest, Hashable {
    package static var kind: MessageKind { .endActors }
    package typealias Reply = Acknowledged
    package struct Order: Hashable, Sendable {
        package var actor: ActorID
        /// The latest incarnation that is to end: the order may come late, and a newer one must not end in its place.
        package var restarts: Int
        /// The actor is dead for the head: its end need not be reported.
        package var isFinal: Bool
        package var cause: DeathCause
        package init(actor: ActorID, restarts: Int, isFinal: Bool, cause: DeathCause) {
            (self.actor, self.restarts, self.isFinal, self.cause) = (actor, restarts, isFinal, cause)
        }
    }
    package var orders: [Order]
    package init(_ orders: [Order]) { self.orders = orders }
    package func encode(into writer: inout MessagePackWriter) throws(MantaError) {
        try writer.writeList(orders) { (writer, order, previous) throws(MantaError) in
            let isAlike = order.cause == previous?.cause
            writer.writeArrayHeader(isAlike ? 3 : 4)
            writer.write(order.actor)
            writer.write(order.restarts)
            writer.write(order.isFinal)
            if !isAlike { try writer.write(order.cause) }
        }
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        orders = try reader.readList { (reader, previous) throws(MantaError) in
            let fields = try reader.readArrayHeader(atLeast: 3)
            let (actor, restarts, isFinal): (ActorID, Int, Bool) = (try reader.readIdentifier(), try reader.readInt(), try reader.readBool())
            guard let cause = fields > 3 ? try reader.readDeathCause() : previous?.cause else { throw reader.unexpected("the cause of the first end") }
            try reader.skipFields(from: 4, to: fields)
            return Order(actor: actor, restarts: restarts, isFinal: isFinal, cause: cause)
        }
    }
}

/// Node → worker that hosts several actors: these have ended; let go of them. Acknowledged, also when they are not there.
package struct EndHostedActors: WireRequest, Hashable {
    package static var kind: MessageKind { .endHostedActors }
    package typealias Reply = Acknowledged
    package var actors: [ActorID]
    package init(_ actors: [ActorID]) { self.actors = actors }
    package func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(actors.count)
        for actor in actors { writer.write(actor) }
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        actors = try reader.readList { (reader, _) throws(MantaError) in try reader.readIdentifier() }
    }
}

// MARK: - Lists

extension MessagePackWriter {
    /// Elements of which each may leave out what it has in common with the one before.
    fileprivate mutating func writeList<Element>(
        _ elements: [Element], _ write: (inout Self, Element, _ previous: Element?) throws(MantaError) -> Void
    ) throws(MantaError) {
        writeArrayHeader(elements.count)
        var previous: Element?
        for element in elements {
            try write(&self, element, previous)
            previous = element
        }
    }
}

extension MessagePackReader {
    /// The elements of a list, each read with the one before at hand.
    fileprivate mutating func readList<Element>(_ read: (inout Self, _ previous: Element?) throws(MantaError) -> Element) throws(MantaError) -> [Element] {
        let count = try readArrayHeader()
        var elements: [Element] = []
        // An element takes more memory than its least bytes.
        elements.reserveCapacity(min(count, 4096))
        for _ in 0..<count { elements.append(try read(&self, elements.last)) }
        return elements
    }

    /// The same where each element is an array of at least so many fields.
    fileprivate mutating func readList<Element>(
        fields: Int, _ read: (inout Self, _ previous: Element?) throws(MantaError) -> Element
    ) throws(MantaError) -> [Element] {
        try readList { (reader, previous) throws(MantaError) in
            let count = try reader.readArrayHeader(atLeast: fields)
            let element = try read(&reader, previous)
            try reader.skipFields(from: fields, to: count)
            return element
        }
    }
}
