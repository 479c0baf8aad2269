// Objects: fetching a value from its owner, asking where values lie and what keeps them, and giving values up.

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

/// Node → process on its machine, head → node: which objects do you own? At most `limit`, the largest first. A process tells its own node only.
package struct ListObjects: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .listObjects }
    package typealias Reply = ObjectList
    package var limit: Int
    /// The row of this one alone, however many larger ones there are; what is counted is of all.
    package var object: ObjectID?
    package init(limit: Int, object: ObjectID? = nil) { (self.limit, self.object) = (limit, object) }
}

package struct ObjectList: CodedMessage, Hashable {
    package static var kind: MessageKind { .objectList }
    package var rows: [ObjectRow]
    /// How many there are in all.
    package var total: Int
    package var totalBytes: Int
    /// How many of them are in which state.
    package var states: [String: Int]?
    /// Processes that did not answer in time, and whose objects are missing here.
    package var silent: Int?
    package init(rows: [ObjectRow], total: Int, totalBytes: Int, states: [String: Int]? = nil) {
        (self.rows, self.total, self.totalBytes, self.states) = (rows, total, totalBytes, states)
    }
}

/// Head, owner → node: where in your store are these objects?
package struct DescribeCopies: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .describeCopies }
    package typealias Reply = CopiesDescribed
    package var objects: [ObjectID]
    package init(objects: [ObjectID]) { self.objects = objects }
}

package struct CopiesDescribed: CodedMessage, Hashable {
    package static var kind: MessageKind { .copiesDescribed }
    /// For each object whether it is on disk and not in memory; nil: it is not here.
    package var areSpilled: [Bool?]
    package init(areSpilled: [Bool?]) { self.areSpilled = areSpilled }
}

/// Any process → owner: where do the values of these objects of yours lie?
package struct LocateObjects: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .locateObjects }
    package typealias Reply = ObjectsLocated
    package var objects: [ObjectID]
    package init(objects: [ObjectID]) { self.objects = objects }
}

package struct ObjectsLocated: CodedMessage, Hashable {
    package static var kind: MessageKind { .objectsLocated }
    /// One for each object; nil: it has ended.
    package var places: [Place?]

    package struct Place: Codable, Hashable, Sendable {
        /// Bytes of the encoded value; nil while there is none.
        package var size: Int?
        /// Those whose stores have it.
        package var nodes: [NodeID]
        /// Those of them that have it on disk and not in memory.
        package var spilled: [NodeID]
        package init(size: Int?, nodes: [NodeID], spilled: [NodeID] = []) { (self.size, self.nodes, self.spilled) = (size, nodes, spilled) }
    }
    package init(places: [Place?]) { self.places = places }
}

/// Any process → owner: nobody will read the values of these objects of yours any more. Acknowledged, also for objects that have ended.
package struct FreeValues: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .freeValues }
    package typealias Reply = Acknowledged
    package var objects: [ObjectID]
    package init(objects: [ObjectID]) { self.objects = objects }
}
