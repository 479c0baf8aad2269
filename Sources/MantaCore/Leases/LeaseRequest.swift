// What goes into a LeaseBook and what comes out of it.

package import MantaModel

/// An owner asks for a worker of a program, with resources.
package struct LeaseRequest: Hashable, Sendable {
    /// Chosen by the owner; the same in every repetition of the request, never used again.
    package var lease: LeaseID
    package var owner: ProcessAddress
    package var job: JobID
    package var program: Program
    package var resources: Resources
    /// Whether the node may name a better node. False once it was moved, so that requests never circle.
    package var mayMove: Bool
    /// Which nodes may serve it.
    package var rule: PlacementRule
    /// The owner's node: when it is lost, so is the owner. Nil for a driver, which outlives its node.
    package var home: NodeID?
    /// Large arguments of the tasks, which are to be in the node's store before a worker is taken.
    package var arguments: [ArgumentLocation]
    /// Whether the tasks are tried again when their worker dies.
    package var runsAgain: Bool
    /// The node where memory ran out under the tasks: another one is to be preferred.
    package var avoiding: NodeID?
    /// Whether the worker serves no other lease behind this one, and ends.
    package var endsWorker: Bool

    package init(
        lease: LeaseID, owner: ProcessAddress, job: JobID, program: Program, resources: Resources, mayMove: Bool, rule: PlacementRule = .standard,
        home: NodeID? = nil, arguments: [ArgumentLocation] = [], runsAgain: Bool = true, avoiding: NodeID? = nil, endsWorker: Bool = false
    ) {
        (self.arguments, self.runsAgain, self.avoiding, self.endsWorker) = (arguments, runsAgain, avoiding, endsWorker)
        (self.lease, self.owner, self.job, self.program, self.resources, self.mayMove) = (lease, owner, job, program, resources, mayMove)
        (self.rule, self.home) = (rule, home)
    }
}

extension LeaseBook {
    /// What the node process has to do.
    package enum Action: Hashable, Sendable {
        /// Start a worker process; later `workerReady` or `workerStartFailed` must follow.
        case startWorker(Program)
        /// Ask an unused worker to leave. It exits (then `workerDied` follows), or stays because others need objects it owns (`workerStays`).
        case stopWorker(ProcessID)
        /// Kill a worker: the process that wanted its work is gone. `workerDied` must follow.
        case killWorker(ProcessID, DeathCause)
        /// Tell the owner that the lease is granted, on this worker, which may use these GPUs. Repeated when the owner asks again.
        case grant(LeaseID, worker: ProcessAddress, gpus: [Int], owner: ProcessAddress)
        /// Tell the owner to ask that node instead, with the same lease and `mayMove` false.
        case move(LeaseID, to: NodeAddress, PlacementReason, owner: ProcessAddress)
        /// Tell the owner that the request cannot be served.
        case refuse(LeaseID, MantaError, owner: ProcessAddress)
        /// Ask the owner to give the lease back as soon as what is in flight has ended.
        case reclaim(LeaseID, owner: ProcessAddress)
        /// Tell the owner that the lease is gone, with everything that ran under it.
        case lost(LeaseID, DeathCause, owner: ProcessAddress)
        /// Tell the worker that the lease has its resources again and its task may go on.
        case resumed(LeaseID, turn: UInt64, worker: ProcessAddress)
        /// Tell the worker that the lease no longer exists: cancel what still waits under it.
        case ended(LeaseID, worker: ProcessAddress)
        /// Ask the head which of these placement groups are gone; `groupRemoved` follows for those. Asked again while requests for them wait.
        case inquireGroups([PlacementGroupID])
        /// Tell the owner that the request, and others like it, wait for what no node of the cluster has. Once while any of them waits.
        case infeasible(LeaseID, String, owner: ProcessAddress)
        /// The actor's resources are taken: its worker may start.
        case reserved(ActorID)
    }
}
