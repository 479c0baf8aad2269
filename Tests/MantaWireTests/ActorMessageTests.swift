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
        snapshots: .every(.seconds(2)), references: [ArgumentReference(index: 1, object: ObjectAddress(object: ObjectID(task: .random(), index: 7), owner: address))])
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
            let place = PlaceActor(specification: specification, restarts: 4)
            let start = StartActor(specification: specification, restarts: 2, gpus: specification.name == nil ? nil : ["0", "1"])
            #expect(try again(create) == create)
            #expect(try again(place) == place)
            #expect(try again(start) == start)
        }
        let statuses = [
            ActorStatus(id: .random(), type: "T", state: .pending, address: nil, node: nil, restarts: 0, death: nil),
            ActorStatus(id: .random(), type: "T", state: .dead, address: Self.address, node: .random(), restarts: 3, death: Self.cause, maxTaskRetries: 2),
        ]
        for status in statuses {
            #expect(try again(ActorFound(status: status)) == ActorFound(status: status))
            #expect(try again(ActorChanged(status: status)) == ActorChanged(status: status))
        }
        for event in [ActorReport.Event.alive(address: Self.address, pid: 17), .died(Self.cause)] {
            let report = ActorReport(actor: .random(), node: .random(), restarts: 1, event: event)
            #expect(try again(report) == report)
        }
        for restarts in [nil, 3] {
            let end = EndActor(actor: .random(), cause: Self.cause, restarts: restarts)
            #expect(try again(end) == end)
        }
        for text in [nil, "because"] {
            let kill = KillActor(actor: .random(), noRestart: text == nil, reason: text)
            let started = ActorStarted(actor: .random(), error: text)
            #expect(try again(kill) == kill)
            #expect(try again(started) == started)
        }
        let ended = EndHostedActor(actor: .random(), cause: DeathCause(.killed, "it was killed"))
        #expect(try again(ended) == ended)
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
