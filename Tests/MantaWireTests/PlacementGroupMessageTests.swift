// Messages about placement groups: what is written is read again, whatever is absent.

import MantaModel
import Testing

@testable import MantaWire

@Suite struct PlacementGroupMessageTests {
    private static let owner = ProcessAddress(process: .random(), endpoint: "ipc:///tmp/a")
    private static let plain = PlacementGroupSpecification(
        id: .random(), bundles: [Resources([Resources.cpu: 0.001])], strategy: .pack, name: nil, namespace: "default", lifetime: .job, job: .random(),
        owner: owner, isOwnedByActor: false)
    private static let full = PlacementGroupSpecification(
        id: .random(), bundles: [Resources([Resources.cpu: 1, "disk": 2]), Resources([Resources.gpu: 1])], strategy: .strictSpread, name: "group",
        namespace: "other", lifetime: .detached, job: .random(), owner: owner, isOwnedByActor: true)

    private func again<Message: WireMessage>(_ message: Message) throws -> Message {
        var writer = MessagePackWriter()
        try message.encode(into: &writer)
        var reader = MessagePackReader(writer.bytes)
        let read = try Message(from: &reader)
        #expect(reader.isAtEnd)
        return read
    }

    @Test(arguments: [plain, full])
    func whatIsWrittenIsReadAgain(_ specification: PlacementGroupSpecification) throws {
        let create = CreateGroup(specification: specification, isRepeated: specification.isOwnedByActor)
        let prepare = PrepareBundles(specification: specification, indices: [0, 3], attempt: .max)
        let commit = CommitBundles(group: specification.id, indices: [], attempt: 7)
        let pending = GroupFound(specification: specification, state: .pending, nodes: [nil, nil], reason: "others hold what it needs")
        let created = GroupFound(specification: specification, state: .created, nodes: [.random(), nil], reason: nil)
        #expect(try again(create) == create)
        #expect(try again(prepare) == prepare)
        #expect(try again(commit) == commit)
        #expect(try again(pending) == pending)
        #expect(try again(created) == created)
        let (wait, remove, removed) = (AwaitGroup(group: specification.id), RemoveGroup(group: specification.id), GroupRemoved(group: specification.id))
        #expect(try again(wait) == wait)
        #expect(try again(remove) == remove)
        #expect(try again(removed) == removed)
    }

    @Test func aStrategyThatNobodyKnowsIsRefused() throws {
        var writer = MessagePackWriter()
        CreateGroup(specification: Self.full).encode(into: &writer)
        let place = try #require(writer.bytes.indices.first { writer.bytes[$0...].starts(with: "strictSpread".utf8) })
        writer.bytes[place] = UInt8(ascii: "x")
        var reader = MessagePackReader(writer.bytes)
        let error = #expect(throws: MantaError.self) { try CreateGroup(from: &reader) }
        #expect(error?.message.contains("a placement strategy") == true)
    }
}
