// Doubts: messages about what waits and may never be served: for a placement group that may be gone, for more than any node has, or for each other.

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

/// To the process that runs a task, has it in line, or owns its result: does it wait, in the end, for those that wait for it? Passed on along the way.
package struct InquireWait: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .inquireWait }
    package typealias Reply = WaitFound
    package var task: TaskID
    /// When it is known that it is a call, of this actor.
    package var actor: ActorID?
    /// The way up to here: each waits for the next, the last one for `task`.
    package var waiting: [WaitingTask]
    /// How often it was passed on.
    package var hops = 0
    package init(task: TaskID, waiting: [WaitingTask]) { (self.task, self.waiting) = (task, waiting) }
}

/// A task or call that waits for another one.
package struct WaitingTask: Hashable, Sendable, Codable {
    package var task: TaskID
    package var function: String
    /// What it waits for waits in line behind the running call of an actor.
    package var isInLine = false
    package init(task: TaskID, function: String) { (self.task, self.function) = (task, function) }
}

/// The answer.
package struct WaitFound: CodedMessage, Hashable {
    package static var kind: MessageKind { .waitFound }
    /// The functions that wait for each other, the asking one first; nil when they do not, or when another one's wait is to fail.
    package var cycle: [String]?
    package init(cycle: [String]?) { self.cycle = cycle }
}
