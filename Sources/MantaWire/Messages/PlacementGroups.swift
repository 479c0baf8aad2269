// PlacementGroups: messages about reserving bundles of resources together: what users ask of the head, and what the head tells nodes.
//
// A reservation: 1. CreateGroup 2. PrepareBundles to every node concerned, which sets them aside or fails 3. CommitBundles to all, or AbandonBundles to
// those that had set theirs aside 4. AwaitGroup is answered. Every one of them may arrive twice.

package import MantaModel

/// Any process → head: register this group. Sent again, it is recognized by its identifier. Answered when it is registered, not when it is created.
package struct CreateGroup: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .createGroup }
    package typealias Reply = GroupFound
    package var specification: PlacementGroupSpecification
    /// It was registered at the former head, and is said again to a new one.
    package var isRepeated: Bool?
    package init(specification: PlacementGroupSpecification, isRepeated: Bool? = nil) { (self.specification, self.isRepeated) = (specification, isRepeated) }
}

/// A group as its users see it.
package struct GroupFound: CodedMessage, Hashable {
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
}

/// Any process → head. Answered when the group is created, with `placementGroupRemoved` when it is removed.
package struct AwaitGroup: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .awaitGroup }
    package typealias Reply = GroupFound
    package var group: PlacementGroupID
    package init(group: PlacementGroupID) { self.group = group }
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
package struct RemoveGroup: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .removeGroup }
    package typealias Reply = Acknowledged
    package var group: PlacementGroupID
    package init(group: PlacementGroupID) { self.group = group }
}

/// Head → node: set these bundles aside at once, or fail.
package struct PrepareBundles: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .prepareBundles }
    package typealias Reply = Acknowledged
    package var specification: PlacementGroupSpecification
    package var indices: [Int]
    package var attempt: UInt64
    package init(specification: PlacementGroupSpecification, indices: [Int], attempt: UInt64) {
        (self.specification, self.indices, self.attempt) = (specification, indices, attempt)
    }
}

/// Head → node: make what you set aside resources of the group.
package struct CommitBundles: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .commitBundles }
    package typealias Reply = Acknowledged
    package var group: PlacementGroupID
    package var indices: [Int]
    package var attempt: UInt64
    package init(group: PlacementGroupID, indices: [Int], attempt: UInt64) { (self.group, self.indices, self.attempt) = (group, indices, attempt) }
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
package struct GroupRemoved: CodedMessage, Hashable {
    package static var kind: MessageKind { .groupRemoved }
    package var group: PlacementGroupID
    package init(group: PlacementGroupID) { self.group = group }
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
