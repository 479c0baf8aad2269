// ReferenceMessageTests: references beside the values that hold them, and what borrowers tell owners, there and back.

import MantaModel
import MantaWire
import Testing

struct ReferenceMessageTests {
    private func reference(_ number: UInt64, of owner: UInt64) -> ObjectAddress {
        ObjectAddress(
            object: ObjectID(task: TaskID(high: 1, low: number), index: UInt32(number)),
            owner: ProcessAddress(process: ProcessID(high: owner, low: 2), endpoint: "ipc:///run/\(owner).sock"))
    }

    private func copy<Message: WireMessage>(_ message: Message) throws -> Message {
        var writer = MessagePackWriter()
        try message.encode(into: &writer)
        var reader = MessagePackReader(writer.bytes)
        return try Message(from: &reader)
    }

    @Test func anAnswerCarriesItsReferences() throws {
        var done = TaskDone(task: TaskID(high: 3, low: 4), attempt: 2, outcome: .values([.inline([1]), .inline([2, 3])]), startedAt: WallTime(milliseconds: 5), duration: 6)
        #expect(try copy(done) == done)
        done.contents = [[reference(1, of: 1), reference(2, of: 1), reference(3, of: 9), reference(4, of: 1)], []]
        #expect(try copy(done) == done)
    }

    @Test func aStreamItemCarriesItsReferences() throws {
        var item = StreamItem(task: TaskID(high: 3, low: 4), attempt: 1, index: 7, window: 2, value: .inline([1]))
        #expect(try copy(item) == item)
        item.contents = [reference(1, of: 1)]
        #expect(try copy(item) == item)
    }

    @Test func borrowersNumberWhatTheySay() throws {
        let objects = [reference(1, of: 1).object, reference(2, of: 1).object]
        #expect(try copy(BorrowObjects(number: 3, objects: objects)) == BorrowObjects(number: 3, objects: objects))
        #expect(try copy(ReleaseObjects(number: .max, objects: [])) == ReleaseObjects(number: .max, objects: []))
        #expect(try copy(AwaitBorrows(task: TaskID(high: 1, low: 2), item: 9)) == AwaitBorrows(task: TaskID(high: 1, low: 2), item: 9))
    }

    @Test func aFirstReferenceWithoutAnOwnerIsMalformed() throws {
        var writer = MessagePackWriter()
        writer.writeArrayHeader(6)
        writer.write(TaskID(high: 3, low: 4))
        for _ in 0..<4 { writer.write(UInt64(0)) }
        writer.writeArrayHeader(1)
        writer.writeArrayHeader(4)
        writer.write(reference(1, of: 1).object)
        writer.writeNil()
        writer.writeNil()
        var reader = MessagePackReader(writer.bytes)
        let error = #expect(throws: MantaError.self) { try TaskDone(from: &reader) }
        #expect(error?.code == .malformed)
    }
}
