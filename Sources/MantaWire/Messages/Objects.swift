// Objects: fetching a value from its owner.

package import MantaModel

/// Any process → owner: I need this object's value. Answered when it is ready.
package struct GetObject: WireRequest, Hashable {
    package static var kind: MessageKind { .getObject }
    package typealias Reply = ObjectValue
    package var object: ObjectID
    /// The node at which it was said to be and could not be read.
    package var lostAt: NodeID?
    package init(object: ObjectID, lostAt: NodeID? = nil) { (self.object, self.lostAt) = (object, lostAt) }
    package func encode(into writer: inout MessagePackWriter) {
        writer.write(object)
        if let lostAt { writer.write(lostAt) }
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        object = try reader.readObjectID()
        if !reader.isAtEnd { lostAt = try reader.readIdentifier() }
    }
}

package struct ObjectValue: WireMessage, Hashable {
    package static var kind: MessageKind { .objectValue }
    package var object: ObjectID
    /// One value, an encoded thrown error, or why there is none.
    package var outcome: TaskOutcome
    package init(object: ObjectID, outcome: TaskOutcome) { (self.object, self.outcome) = (object, outcome) }
    package func encode(into writer: inout MessagePackWriter) {
        writer.write(object)
        writer.write(outcome)
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        object = try reader.readObjectID()
        outcome = try reader.readOutcome()
    }
}

/// Node → process on its machine, head → node: which objects do you own? At most `limit`, the largest first.
package struct ListObjects: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .listObjects }
    package typealias Reply = ObjectList
    package var limit: Int
    package init(limit: Int) { self.limit = limit }
}

package struct ObjectList: CodedMessage, Hashable {
    package static var kind: MessageKind { .objectList }
    package var rows: [ObjectRow]
    /// How many there are in all.
    package var total: Int
    package var totalBytes: Int
    /// How many of them are in which state.
    package var states: [String: Int]?
    package init(rows: [ObjectRow], total: Int, totalBytes: Int, states: [String: Int]? = nil) {
        (self.rows, self.total, self.totalBytes, self.states) = (rows, total, totalBytes, states)
    }
}
