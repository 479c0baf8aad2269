// PlacementGroups: messages about reserving bundles of resources together: what users ask of the head, and what the head tells nodes.
//
// A reservation: 1. CreateGroup 2. PrepareBundles to every node concerned, which sets them aside or fails 3. CommitBundles to all, or AbandonBundles to
// those that had set theirs aside 4. AwaitGroup is answered. Every one of them may arrive twice. What each group needs is written and read by hand.

package import MantaModel

/// Any process → head: register this group. Sent again, it is recognized by its identifier. Answered when it is registered, not when it is created.
package struct CreateGroup: WireRequest, Hashable {
    package static var kind: MessageKind { .createGroup }
    package typealias Reply = GroupFound
    package var specification: PlacementGroupSpecification
    /// It was registered at the former head, and is said again to a new one.
    package var isRepeated: Bool
    package init(specification: PlacementGroupSpecification, isRepeated: Bool = false) { (self.specification, self.isRepeated) = (specification, isRepeated) }
    package func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(2)
        writer.write(specification)
        writer.write(isRepeated)
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        let count = try reader.readArrayHeader(atLeast: 2)
        specification = try reader.readGroupSpecification()
        isRepeated = try reader.readBool()
        try reader.skipFields(from: 2, to: count)
    }
}

/// A group as its users see it.
package struct GroupFound: WireMessage, Hashable {
    package static var kind: MessageKind { .groupFound }
    package var specification: PlacementGroupSpecification
    package var state: PlacementGroupState
    /// The node of each bundle that is reserved.
    package var nodes: [NodeID?]
    /// Why it is not created, when it is not.
    package var reason: String?
    package init(specification: PlacementGroupSpecification, state: PlacementGroupState, nodes: [NodeID?], reason: String?) {
        (self.specification, self.state, self.nodes, self.reason) = (specification, state, nodes, reason)
    }
    package func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(4)
        writer.write(specification)
        writer.write(state.rawValue)
        writer.writeArrayHeader(nodes.count)
        for node in nodes { writer.write(node) }
        writer.write(reason)
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        let count = try reader.readArrayHeader(atLeast: 4)
        specification = try reader.readGroupSpecification()
        guard let state = PlacementGroupState(rawValue: try reader.readString()) else { throw reader.unexpected("a placement group's state") }
        self.state = state
        nodes = []
        for _ in 0..<(try reader.readArrayHeader()) { nodes.append(try reader.readOptionalIdentifier()) }
        reason = try reader.readOptionalString()
        try reader.skipFields(from: 4, to: count)
    }
}

/// Any process → head. Answered when the group is created, with `placementGroupRemoved` when it is removed.
package struct AwaitGroup: WireRequest, Hashable {
    package static var kind: MessageKind { .awaitGroup }
    package typealias Reply = GroupFound
    package var group: PlacementGroupID
    package init(group: PlacementGroupID) { self.group = group }
    package func encode(into writer: inout MessagePackWriter) {
        writer.write(group)
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        group = try reader.readIdentifier()
    }
}

/// Any process → head: which group has this name?
package struct FindGroup: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .findGroup }
    package typealias Reply = GroupFound
    package var name: String
    package var namespace: String
    package init(name: String, namespace: String) { (self.name, self.namespace) = (name, namespace) }
}

/// Any process → head: what runs in the group ends, what it holds is free. Removing it twice is no error.
package struct RemoveGroup: WireRequest, Hashable {
    package static var kind: MessageKind { .removeGroup }
    package typealias Reply = Acknowledged
    package var group: PlacementGroupID
    package init(group: PlacementGroupID) { self.group = group }
    package func encode(into writer: inout MessagePackWriter) {
        writer.write(group)
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        group = try reader.readIdentifier()
    }
}

/// Head → node: set these bundles aside at once, or fail.
package struct PrepareBundles: WireRequest, Hashable {
    package static var kind: MessageKind { .prepareBundles }
    package typealias Reply = Acknowledged
    package var specification: PlacementGroupSpecification
    package var indices: [Int]
    package var attempt: UInt64
    package init(specification: PlacementGroupSpecification, indices: [Int], attempt: UInt64) {
        (self.specification, self.indices, self.attempt) = (specification, indices, attempt)
    }
    package func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(3)
        writer.write(specification)
        writer.write(indices)
        writer.write(attempt)
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        let count = try reader.readArrayHeader(atLeast: 3)
        specification = try reader.readGroupSpecification()
        indices = try reader.readIndices()
        attempt = try reader.readUInt64()
        try reader.skipFields(from: 3, to: count)
    }
}

/// Head → node: make what you set aside resources of the group.
package struct CommitBundles: WireRequest, Hashable {
    package static var kind: MessageKind { .commitBundles }
    package typealias Reply = Acknowledged
    package var group: PlacementGroupID
    package var indices: [Int]
    package var attempt: UInt64
    package init(group: PlacementGroupID, indices: [Int], attempt: UInt64) { (self.group, self.indices, self.attempt) = (group, indices, attempt) }
    package func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(3)
        writer.write(group)
        writer.write(indices)
        writer.write(attempt)
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        let count = try reader.readArrayHeader(atLeast: 3)
        group = try reader.readIdentifier()
        indices = try reader.readIndices()
        attempt = try reader.readUInt64()
        try reader.skipFields(from: 3, to: count)
    }
}

/// Head → node: let go of what you set aside in this attempt; the largest number means every attempt.
package struct AbandonBundles: CodedMessage, Hashable {
    package static var kind: MessageKind { .abandonBundles }
    package var group: PlacementGroupID
    package var attempt: UInt64
    package init(group: PlacementGroupID, attempt: UInt64) { (self.group, self.attempt) = (group, attempt) }
}

/// Head → node: what you hold of the group was placed elsewhere while you were away; what runs in it at your place ends. The group lives on.
package struct DropBundles: CodedMessage, Hashable {
    package static var kind: MessageKind { .dropBundles }
    package var group: PlacementGroupID
    package init(group: PlacementGroupID) { self.group = group }
}

/// Head → every node and the group's maker: the group is gone for good.
package struct GroupRemoved: WireMessage, Hashable {
    package static var kind: MessageKind { .groupRemoved }
    package var group: PlacementGroupID
    package init(group: PlacementGroupID) { self.group = group }
    package func encode(into writer: inout MessagePackWriter) {
        writer.write(group)
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        group = try reader.readIdentifier()
    }
}

/// Bundles that a node holds, as it tells a head that does not know it.
package struct HeldBundlesReport: Hashable, Sendable, Codable {
    package var specification: PlacementGroupSpecification
    package var indices: [Int]
    package var isCommitted: Bool
    package init(specification: PlacementGroupSpecification, indices: [Int], isCommitted: Bool) {
        (self.specification, self.indices, self.isCommitted) = (specification, indices, isCommitted)
    }
}

extension MessagePackWriter {
    fileprivate mutating func write(_ group: PlacementGroupSpecification) {
        writeArrayHeader(9)
        write(group.id)
        writeArrayHeader(group.bundles.count)
        for bundle in group.bundles { write(bundle) }
        write(group.strategy.rawValue)
        write(group.name)
        write(group.namespace)
        write(group.lifetime == .detached)
        write(group.job)
        writeField(group.owner)
        write(group.isOwnedByActor)
    }

    fileprivate mutating func write(_ indices: [Int]) {
        writeArrayHeader(indices.count)
        for index in indices { write(index) }
    }
}

extension MessagePackReader {
    fileprivate mutating func readGroupSpecification() throws(MantaError) -> PlacementGroupSpecification {
        let count = try readArrayHeader(atLeast: 9)
        let id: PlacementGroupID = try readIdentifier()
        var bundles: [Resources] = []
        for _ in 0..<(try readArrayHeader()) { bundles.append(try readResources()) }
        guard let strategy = PlacementStrategy(rawValue: try readString()) else { throw unexpected("a placement strategy") }
        let (name, namespace, isDetached) = (try readOptionalString(), try readString(), try readBool())
        let (job, owner, isOwnedByActor): (JobID, ProcessAddress, Bool) = (try readIdentifier(), try readAddressField(), try readBool())
        try skipFields(from: 9, to: count)
        return PlacementGroupSpecification(
            id: id, bundles: bundles, strategy: strategy, name: name, namespace: namespace, lifetime: isDetached ? .detached : .job, job: job, owner: owner,
            isOwnedByActor: isOwnedByActor)
    }

    fileprivate mutating func readIndices() throws(MantaError) -> [Int] {
        var indices: [Int] = []
        for _ in 0..<(try readArrayHeader()) { indices.append(try readInt()) }
        return indices
    }
}
