// Doubts: messages about what waits and may never be served: for a placement group that may be gone, or for more than any node has.

package import MantaModel

/// Node → head: requests wait here for these placement groups, of which the node holds nothing. The head says `GroupRemoved` of those that are gone.
package struct InquireGroups: CodedMessage, Hashable {
    package static var kind: MessageKind { .inquireGroups }
    package var groups: [PlacementGroupID]
    package init(groups: [PlacementGroupID]) { self.groups = groups }
}

/// Node or head → owner: something of yours waits for what no node of the cluster has. It goes on waiting, since such a node may come.
package struct DemandInfeasible: CodedMessage, Hashable {
    package static var kind: MessageKind { .demandInfeasible }
    /// The tasks that wait for this lease, or for others like it; nil when it is an actor.
    package var lease: LeaseID?
    package var actor: ActorID?
    /// What is missing and what to do, for people.
    package var reason: String
    package init(lease: LeaseID, reason: String) { (self.lease, self.reason) = (lease, reason) }
    package init(actor: ActorID, reason: String) { (self.actor, self.reason) = (actor, reason) }
}
