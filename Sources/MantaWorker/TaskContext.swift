// TaskContext: who is running, for the code of a remote task or actor call: set by the worker around it, absent in a driver.
//
// The two hooks let a task that waits for a reference give its resources back. Child tasks share their parent's context, so the hooks may be called
// several times at once: a runtime gives back on the first `willBlock` and takes again on the first `didUnblock` after it.

package import MantaModel

/// What an actor is called, for all of its calls.
final class ActorNameplate: Sendable {
    let type: String
    let name: String?
    init(_ specification: ActorSpecification) { (type, name) = (specification.type, specification.name) }
}

package final class TaskContext: Sendable {
    @TaskLocal package static var current: TaskContext?

    package let job: JobID
    package let task: TaskID
    package let node: NodeID
    /// The actor whose method runs, if it is one.
    package let actor: ActorID?
    private let nameplate: ActorNameplate?
    package var actorType: String? { nameplate?.type }
    package var actorName: String? { nameplate?.name }
    /// The task or call that submitted it.
    package let parent: TaskID?
    /// `Module.Type.function(label:)`, or `Module.Type.method(label:)` of an actor.
    package let function: String
    /// What its options call it.
    package let name: String?
    /// Which try it is, from 1.
    package let attempt: Int
    /// How often the actor whose method runs was restarted.
    package let restarts: Int
    /// When it must have ended, on this process's monotonic clock; what it submits has the same, or an earlier one.
    package let deadline: Instant?
    /// The placement group that what it submits is put into, when nothing else is said; nil for none.
    package let group: GroupMembership?
    /// Calls of the actor run one by one: a call that waits for another one of the same actor waits for ever.
    let runsAlone: Bool
    /// What the task, or the actor, holds.
    package let resources: Resources
    /// The GPUs it may use, as `CUDA_VISIBLE_DEVICES` names them.
    package let gpus: [String]
    /// Where the answer goes; nil in the serial mode.
    let route: ReplyRoute?
    /// The places for items of its actor's streams; nil: as many as there are.
    let pendingItems: PendingItems?
    /// Called just before the task suspends until a reference is ready.
    package let willBlock: @Sendable () -> Void
    /// Called when it may go on; returns once it holds its resources again.
    package let didUnblock: @Sendable () async throws -> Void

    /// What people are told of: its name, else its function.
    package var title: String { name ?? function }

    package convenience init(
        job: JobID, task: TaskID, node: NodeID, actor: ActorID?, function: String, name: String? = nil, attempt: Int, group: GroupMembership? = nil,
        resources: Resources = .oneCPU, gpus: [String] = [], restarts: Int = 0, willBlock: @escaping @Sendable () -> Void,
        didUnblock: @escaping @Sendable () async throws -> Void
    ) {
        self.init(
            job: job, task: task, node: node, actor: actor, function: function, name: name, attempt: attempt, restarts: restarts, deadline: nil, group: group, runsAlone: false,
            resources: resources, gpus: gpus, nameplate: nil, parent: nil, route: nil,
            willBlock: willBlock, didUnblock: didUnblock)
    }

    init(
        job: JobID, task: TaskID, node: NodeID, actor: ActorID?, function: String, name: String? = nil, attempt: Int, restarts: Int = 0, deadline: Instant?,
        group: GroupMembership?, runsAlone: Bool, resources: Resources, gpus: [String], nameplate: ActorNameplate?, parent: TaskID?, route: ReplyRoute?,
        pendingItems: PendingItems? = nil, willBlock: @escaping @Sendable () -> Void,
        didUnblock: @escaping @Sendable () async throws -> Void
    ) {
        self.pendingItems = pendingItems
        (self.job, self.task, self.node, self.actor) = (job, task, node, actor)
        (self.function, self.name, self.attempt, self.deadline, self.group) = (function, name, attempt, deadline, group)
        (self.restarts, self.nameplate, self.parent) = (restarts, nameplate, parent)
        (self.runsAlone, self.resources, self.gpus, self.route) = (runsAlone, resources, gpus, route)
        (self.willBlock, self.didUnblock) = (willBlock, didUnblock)
    }
}
