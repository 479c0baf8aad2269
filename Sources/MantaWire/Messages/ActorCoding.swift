// How an actor's specification and status, and the ends of incarnations, travel: in fixed fields, written and read by hand, because thousands of actors are
// made in a second and each goes through four processes. New fields come at the end; what few actors have (a placement, groups of calls, snapshots) keeps
// its `Codable` form.

package import MantaModel

/// An actor's terms as fields.
private enum Terms {
    /// How many are written, and how many there must be.
    static let (count, required) = (21, 17)
    typealias First = (job: JobID, program: Program, type: String, initializer: UInt32)
}

extension MessagePackWriter {
    /// One actor by itself: its arguments and references stand among its terms.
    package mutating func write(_ actor: ActorSpecification) throws(MantaError) {
        let terms = actor.shared.value
        writeArrayHeader(3 + Terms.count)
        write(actor.id)
        try writeFirst(terms)
        write(actor.arguments)
        try writeMiddle(terms)
        try writeCodable(actor.references)
        writeLast(terms)
    }

    /// One of several actors: what it has in common with the one before is not written again.
    mutating func write(_ actor: ActorSpecification, after previous: ActorSpecification?) throws(MantaError) {
        let isAlike = actor.shared === previous?.shared
        writeArrayHeader(isAlike ? 3 : 4)
        write(actor.id)
        write(actor.arguments)
        try writeCodable(actor.references)
        guard !isAlike else { return }
        writeArrayHeader(Terms.count)
        try writeFirst(actor.shared.value)
        try writeMiddle(actor.shared.value)
        writeLast(actor.shared.value)
    }

    private mutating func write(_ arguments: [[UInt8]]) {
        writeArrayHeader(arguments.count)
        for argument in arguments { writeBinary(argument) }
    }

    private mutating func writeFirst(_ terms: ActorTerms) throws(MantaError) {
        write(terms.job)
        try write(terms.program)
        write(terms.type)
        write(terms.initializer)
    }

    private mutating func writeMiddle(_ terms: ActorTerms) throws(MantaError) {
        write(terms.name)
        write(terms.namespace)
        write(terms.lifetime == .detached)
        write(terms.resources)
        write(terms.placementResources)
        write(terms.maxRestarts)
        write(terms.maxConcurrency)
        writeField(terms.owner)
        write(terms.maxTaskRetries)
        try writeCodable(terms.concurrencyGroups)
        try writeCodable(terms.scheduling)
        if let isolation = terms.isolation { write(isolation == .shared) } else { writeNil() }
        try writeCodable(terms.snapshots)
    }

    private mutating func writeLast(_ terms: ActorTerms) {
        write(terms.maxPendingCalls)
        write(terms.ordersCalls)
        write(terms.maxPendingItems)
        write(terms.createdAt?.milliseconds)
    }

    mutating func write(_ program: Program) throws(MantaError) {
        writeArrayHeader(3)
        write(program.path)
        writeMapHeader(program.environment.count)
        for (name, value) in program.environment {
            write(name)
            write(value)
        }
        write(program.hash)
    }

    mutating func write(_ actor: ActorStatus) throws(MantaError) {
        writeArrayHeader(11)
        write(actor.id)
        write(actor.type)
        write(actor.state.rawValue)
        writeField(actor.address)
        write(actor.node)
        write(actor.restarts)
        try write(actor.death)
        write(actor.maxTaskRetries)
        write(actor.maxPendingCalls)
        write(actor.ordersCalls)
        write(actor.name)
    }

    /// One of several: of one that is as the one before, only who it is.
    mutating func write(_ actor: ActorStatus, after previous: ActorStatus?) throws(MantaError) {
        if let previous, actor.isLike(previous) { return write(actor.id) }
        try write(actor)
    }

    mutating func write(_ cause: DeathCause) throws(MantaError) {
        writeArrayHeader(3)
        write(cause.kind.rawValue)
        write(cause.detail)
        try writeCodable(cause.facts)
    }
}

extension MessagePackReader {
    package mutating func readActorSpecification() throws(MantaError) -> ActorSpecification {
        let count = try readArrayHeader(atLeast: 3 + Terms.required)
        let id: ActorID = try readIdentifier()
        let first = try readFirstTerms()
        let arguments = try readArguments()
        var terms = try readTerms(behind: first)
        let references = try readCodable([ArgumentReference].self)
        try readLastTerms(of: count - 3, into: &terms)
        return ActorSpecification(id: id, arguments: arguments, references: references, sharing: SharedActorTerms(terms))
    }

    mutating func readActorSpecification(after previous: ActorSpecification?) throws(MantaError) -> ActorSpecification {
        let count = try readArrayHeader(atLeast: 3)
        let id: ActorID = try readIdentifier()
        let arguments = try readArguments()
        let references = try readCodable([ArgumentReference].self)
        if count > 3 {
            let termCount = try readArrayHeader(atLeast: Terms.required)
            var terms = try readTerms(behind: try readFirstTerms())
            try readLastTerms(of: termCount, into: &terms)
            try skipFields(from: 4, to: count)
            return ActorSpecification(id: id, arguments: arguments, references: references, sharing: SharedActorTerms(terms))
        }
        guard let previous else { throw unexpected("the terms of the first actor") }
        return ActorSpecification(id: id, arguments: arguments, references: references, sharing: previous.shared)
    }

    private mutating func readArguments() throws(MantaError) -> [[UInt8]] {
        var arguments: [[UInt8]] = []
        for _ in 0..<(try readArrayHeader()) { arguments.append(try readBinary()) }
        return arguments
    }

    private mutating func readFirstTerms() throws(MantaError) -> Terms.First {
        (try readIdentifier(), try readProgram(), try readString(), try readUInt32())
    }

    /// All that every actor has.
    private mutating func readTerms(behind first: Terms.First) throws(MantaError) -> ActorTerms {
        let (name, namespace, isDetached) = (try readOptionalString(), try readString(), try readBool())
        let (resources, placementResources) = (try readResources(), try readResources())
        let (maxRestarts, maxConcurrency, owner) = (try readInt(), try readInt(), try readAddressField())
        let maxTaskRetries = try readOptionalInt()
        let concurrencyGroups = try readCodable([String: Int].self)
        let scheduling = try readCodable(Scheduling.self)
        let isolation: ActorIsolation? = readNilIfNext() ? nil : try readBool() ? .shared : .process
        let snapshots = try readCodable(SnapshotPolicy.self)
        return ActorTerms(
            job: first.job, program: first.program, type: first.type, initializer: first.initializer, name: name, namespace: namespace,
            lifetime: isDetached ? .detached : .job, resources: resources, placementResources: placementResources, maxRestarts: maxRestarts,
            maxConcurrency: maxConcurrency, owner: owner, maxTaskRetries: maxTaskRetries, concurrencyGroups: concurrencyGroups, scheduling: scheduling,
            isolation: isolation, snapshots: snapshots)
    }

    /// Those that were added later, as far as there are so many terms; passes over any behind them.
    private mutating func readLastTerms(of count: Int, into terms: inout ActorTerms) throws(MantaError) {
        if count > 17 { terms.maxPendingCalls = try readOptionalInt() }
        if count > 18 { terms.ordersCalls = try readOptionalBool() }
        if count > 19 { terms.maxPendingItems = try readOptionalInt() }
        if count > 20 { terms.createdAt = try readOptionalInt64().map { WallTime(milliseconds: $0) } }
        try skipFields(from: Terms.count, to: count)
    }

    mutating func readActorStatus(after previous: ActorStatus?) throws(MantaError) -> ActorStatus {
        guard try peek() == .binary else { return try readActorStatus() }
        guard var status = previous else { throw unexpected("the status of the first actor") }
        status.id = try readIdentifier()
        return status
    }

    mutating func readProgram() throws(MantaError) -> Program {
        let count = try readArrayHeader(atLeast: 3)
        let path = try readString()
        var environment: [String: String] = [:]
        for _ in 0..<(try readMapHeader()) { environment[try readString()] = try readString() }
        let hash = try readOptionalString()
        try skipFields(from: 3, to: count)
        return Program(path: path, environment: environment, hash: hash)
    }

    mutating func readActorStatus() throws(MantaError) -> ActorStatus {
        let count = try readArrayHeader(atLeast: 8)
        let (id, type): (ActorID, String) = (try readIdentifier(), try readString())
        guard let state = ActorState(rawValue: try readString()) else { throw unexpected("an actor's state") }
        let address = try readOptionalAddressField()
        let node: NodeID? = try readOptionalIdentifier()
        let restarts = try readInt()
        let death = try readOptionalDeathCause()
        let maxTaskRetries = try readOptionalInt()
        let maxPendingCalls = count > 8 ? try readOptionalInt() : nil
        let ordersCalls = count > 9 ? try readOptionalBool() : nil
        let name = count > 10 ? try readOptionalString() : nil
        if count > 11 { try skipFields(from: 11, to: count) }
        return ActorStatus(
            id: id, type: type, state: state, address: address, node: node, restarts: restarts, death: death, maxTaskRetries: maxTaskRetries,
            maxPendingCalls: maxPendingCalls, ordersCalls: ordersCalls, name: name)
    }

    mutating func readDeathCause() throws(MantaError) -> DeathCause {
        let count = try readArrayHeader(atLeast: 3)
        guard let kind = DeathCause.Kind(rawValue: try readString()) else { throw unexpected("a kind of death") }
        let (detail, facts) = (try readString(), try readCodable(DeathCause.Facts.self))
        try skipFields(from: 3, to: count)
        return DeathCause(kind, detail, facts: facts)
    }
}
