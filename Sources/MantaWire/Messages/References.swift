// References: what borrowers and owners of objects tell each other, and how references inside values travel beside them.
//
// The numbers of a process's messages grow with each of them, to whomever it goes: an owner applies each once, and skips one that is sent again after a
// break. `ReferenceCounter` has the rules.

package import MantaModel

/// Borrower → owner: this process uses these objects. Acknowledged, also for objects that have ended.
package struct BorrowObjects: WireRequest, Hashable {
    package static var kind: MessageKind { .borrowObjects }
    package typealias Reply = Acknowledged
    package var number: UInt64
    package var objects: [ObjectID]
    package init(number: UInt64, objects: [ObjectID]) { (self.number, self.objects) = (number, objects) }
    package func encode(into writer: inout MessagePackWriter) { writer.write(number, objects) }
    package init(from reader: inout MessagePackReader) throws(MantaError) { (number, objects) = try reader.readNumberedObjects() }
}

/// Borrower → owner: this process uses these objects no more. Acknowledged.
package struct ReleaseObjects: WireRequest, Hashable {
    package static var kind: MessageKind { .releaseObjects }
    package typealias Reply = Acknowledged
    package var number: UInt64
    package var objects: [ObjectID]
    package init(number: UInt64, objects: [ObjectID]) { (self.number, self.objects) = (number, objects) }
    package func encode(into writer: inout MessagePackWriter) { writer.write(number, objects) }
    package init(from reader: inout MessagePackReader) throws(MantaError) { (number, objects) = try reader.readNumberedObjects() }
}

/// Worker → owner of a task, behind an answer or stream item with references inside: acknowledge when you have it, and are registered with their owners.
/// The worker holds them until then.
package struct AwaitBorrows: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .awaitBorrows }
    package typealias Reply = Acknowledged
    package var task: TaskID
    /// The stream item, from 0; nil is the task's end.
    package var item: UInt64?
    package init(task: TaskID, item: UInt64? = nil) { (self.task, self.item) = (task, item) }
}

extension MessagePackWriter {
    fileprivate mutating func write(_ number: UInt64, _ objects: [ObjectID]) {
        writeArrayHeader(2)
        write(number)
        writeArrayHeader(objects.count * 2)
        for object in objects { write(object) }
    }

    /// Four elements for each reference: the object's two, and its owner's two, which are nil when it has the owner of the one before.
    mutating func write(_ references: [ObjectAddress]) {
        writeArrayHeader(references.count * 4)
        var owner: ProcessAddress?
        for reference in references {
            write(reference.object)
            // Most references of a value have one owner: its address is written once.
            if reference.owner == owner {
                writeNil()
                writeNil()
            } else {
                write(reference.owner)
                owner = reference.owner
            }
        }
    }
}

extension MessagePackReader {
    fileprivate mutating func readNumberedObjects() throws(MantaError) -> (UInt64, [ObjectID]) {
        let count = try readArrayHeader(atLeast: 2)
        let number = try readUInt64()
        let parts = try readArrayHeader()
        guard parts % 2 == 0 else { throw unexpected("two elements for each object") }
        var objects: [ObjectID] = []
        objects.reserveCapacity(parts / 2)
        for _ in 0..<parts / 2 { objects.append(try readObjectID()) }
        try skipFields(from: 2, to: count)
        return (number, objects)
    }

    mutating func readReferences() throws(MantaError) -> [ObjectAddress] {
        let parts = try readArrayHeader()
        guard parts % 4 == 0 else { throw unexpected("four elements for each reference") }
        var references: [ObjectAddress] = []
        references.reserveCapacity(parts / 4)
        for _ in 0..<parts / 4 {
            let object = try readObjectID()
            if readNilIfNext() {
                guard readNilIfNext(), let owner = references.last?.owner else { throw unexpected("the owner of the first reference") }
                references.append(ObjectAddress(object: object, owner: owner))
            } else {
                references.append(ObjectAddress(object: object, owner: try readProcessAddress()))
            }
        }
        return references
    }
}
