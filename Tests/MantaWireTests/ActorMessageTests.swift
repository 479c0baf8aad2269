// Messages about actors: what is written is read again, whatever is absent; fields of a newer sender are skipped; what is wrong says where.

import MantaModel
import Testing

@testable import MantaWire

@Suite struct ActorMessageTests {
    private static let address = ProcessAddress(process: .random(), endpoint: "ipc:///tmp/a")
    private static let plain = ActorSpecification(
        id: .random(), job: .random(), program: Program(path: "/bin/program"), type: "Module.Type", initializer: 0, arguments: [], name: nil, namespace: "default",
        lifetime: .job, resources: Resources(), placementResources: Resources([Resources.cpu: 1]), maxRestarts: 0, maxConcurrency: 1, owner: address)
    private static let full = ActorSpecification(
        id: .random(), job: .random(), program: Program(path: "/bin/program", environment: ["A": "1", "B": ""], hash: "0123"), type: "Module.Type",
        initializer: 3, arguments: [[1, 2, 3], []], name: "counter", namespace: "other", lifetime: .detached,
        resources: Resources([Resources.gpu: 0.5, "disk": 3]), placementResources: Resources(), maxRestarts: -1, maxConcurrency: 1_000, owner: address,
        maxTaskRetries: -1, concurrencyGroups: ["io": 2], scheduling: Scheduling(rule: .node(.random(), soft: true)), isolation: .shared,
        snapshots: .every(.seconds(2)), references: [ArgumentReference(index: 1, object: ObjectAddress(object: ObjectID(task: .random(), index: 7), owner: address))],
        maxPendingCalls: 20, ordersCalls: false, createdAt: WallTime(milliseconds: 1_700_000_000_000))
    private static let cause = DeathCause(.signaled, "signal 9", facts: .init(
        pid: 17, signal: 9, exitCode: nil, uptimeMilliseconds: 5, peakMemory: nil, function: "f()", lastErrors: ["a", "b"]))

    private func again<Message: WireMessage>(_ message: Message) throws -> Message {
        var writer = MessagePackWriter()
        try message.encode(into: &writer)
        var reader = MessagePackReader(writer.bytes)
        let read = try Message(from: &reader)
        #expect(reader.isAtEnd)
        return read
    }

    @Test func whatIsWrittenIsReadAgain() throws {
        for specification in [Self.plain, Self.full] {
            let create = CreateActor(specification: specification, getIfExists: true)
            #expect(try again(create) == create)
        }
        let statuses = [
            ActorStatus(id: .random(), type: "T", state: .pending, address: nil, node: nil, restarts: 0, death: nil),
            ActorStatus(id: .random(), type: "T", state: .dead, address: Self.address, node: .random(), restarts: 3, death: Self.cause, maxTaskRetries: 2),
        ]
        for status in statuses {
            #expect(try again(ActorFound(status: status)) == ActorFound(status: status))
        }
        for text in [nil, "because"] {
            let kill = KillActor(actor: .random(), noRestart: text == nil, reason: text)
            #expect(try again(kill) == kill)
        }
    }

    @Test func manyActorsTravelTogether() throws {
        let alike = ActorSpecification(id: .random(), arguments: [[4]], sharing: Self.plain.shared)
        let specifications = [Self.plain, alike, Self.full, Self.plain]
        let create = try again(CreateActors(specifications))
        #expect(create == CreateActors(specifications))
        #expect(create.specifications[0].shared === create.specifications[1].shared, "what two have in common is there once")
        let place = PlaceActors(specifications.map { .init(specification: $0, restarts: 4) })
        #expect(try again(place) == place)
        let start = StartActors(specifications.map { .init(specification: $0, restarts: 2, gpus: $0.name == nil ? nil : ["0", "1"]) })
        #expect(try again(start) == start)
        let started = ActorsStarted([nil, "because"].map { .init(actor: .random(), error: $0) })
        #expect(try again(started) == started)
        let taken = ActorsTaken(refusals: [.init(actor: .random(), error: MantaError(.conflict, "no"))])
        #expect(try again(taken) == taken)
        let alive = ActorReports.Event.alive(address: Self.address, pid: 17)
        let reports = ActorReports(
            node: .random(), reports: [alive, alive, .died(Self.cause), .died(Self.cause), alive].map { .init(actor: .random(), restarts: 1, event: $0) })
        #expect(try again(reports) == reports)
        let dead = ActorStatus(id: .random(), type: "T", state: .dead, address: nil, node: nil, restarts: 3, death: Self.cause, maxTaskRetries: 2)
        var second = dead
        second.id = .random()
        let pending = ActorStatus(id: .random(), type: "T", state: .pending, address: nil, node: nil, restarts: 0, death: nil)
        var (named, limited, unordered) = (second, second, second)
        (named.name, limited.maxPendingCalls, unordered.ordersCalls) = ("a", 3, false)
        let changed = ActorsChanged([dead, second, named, limited, unordered, pending, dead])
        #expect(try again(changed) == changed)
        let other = DeathCause(.killed, "it was killed")
        let ends = EndActors([Self.cause, Self.cause, other].map { .init(actor: .random(), restarts: 2, isFinal: $0 == other, cause: $0) })
        #expect(try again(ends) == ends)
        let dropped = DropActors([.random(), .random()])
        #expect(try again(dropped) == dropped)
        let hosted = EndHostedActors([.random()])
        #expect(try again(hosted) == hosted)
    }

    @Test func theFirstOfManyMustBeWhole() {
        var writer = MessagePackWriter()
        writer.writeArrayHeader(1)
        writer.writeArrayHeader(3)
        writer.write(ActorID.random())
        writer.writeArrayHeader(0)
        writer.writeNil()
        var reader = MessagePackReader(writer.bytes)
        #expect(throws: MantaError.self) { try CreateActors(from: &reader) }
        writer = MessagePackWriter()
        writer.writeArrayHeader(1)
        writer.write(ActorID.random())
        reader = MessagePackReader(writer.bytes)
        #expect(throws: MantaError.self) { try ActorsChanged(from: &reader) }
    }

    @Test func fieldsOfANewerSenderAreSkipped() throws {
        var writer = MessagePackWriter()
        writer.writeArrayHeader(4)
        let cause = DeathCause(.exited, "exit code 1")
        writer.write(cause.kind.rawValue)
        writer.write(cause.detail)
        writer.writeNil()
        writer.writeArrayHeader(2)
        writer.write("new")
        writer.write(Int64(1))
        var reader = MessagePackReader(writer.bytes)
        #expect(try reader.readDeathCause() == cause)
        #expect(reader.isAtEnd)
    }

    @Test func aMessageThatIsCutOffOrWrongIsRefused() throws {
        var writer = MessagePackWriter()
        try CreateActor(specification: Self.full, getIfExists: false).encode(into: &writer)
        for end in stride(from: 0, to: writer.bytes.count, by: 3) {
            var reader = MessagePackReader(Array(writer.bytes[..<end]))
            #expect(throws: MantaError.self) { try CreateActor(from: &reader) }
        }
        var state = MessagePackWriter()
        try state.write(ActorStatus(id: .random(), type: "T", state: .pending, address: nil, node: nil, restarts: 0, death: nil))
        let place = try #require(state.bytes.indices.first { state.bytes[$0...].starts(with: "pending".utf8) })
        state.bytes[place] = UInt8(ascii: "x")
        var reader = MessagePackReader(state.bytes)
        let error = #expect(throws: MantaError.self) { try reader.readActorStatus() }
        #expect(error?.message.contains("an actor's state") == true)
    }
}
