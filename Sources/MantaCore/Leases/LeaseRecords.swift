// The records of a LeaseBook: leases, groups of alike leases, workers, pools of workers, actors that hold resources.

internal import DequeModule
internal import MantaModel

extension LeaseBook {
    struct Lease: Sendable {
        enum State: Sendable {
            /// In its group's queue.
            case waiting
            /// Granted; holds its resources.
            case active
            /// Its task awaits something: the worker keeps it, the resources are free for others.
            case blocked
            /// As `blocked`, and its task could go on.
            case resuming
        }
        var state: State
        let owner: ProcessAddress
        let group: Int
        /// From its grant to its end.
        var gpus: HeldGPUs?
        var mayMove: Bool
        var worker: ProcessID?
        /// The latest turn of blocking and resuming that the worker told; older messages are ignored.
        var turn: UInt64 = 0
        /// When it got into its state.
        var since: Instant
        var askedAt: Instant?
        var confirmedAt: Instant
    }

    struct Entry: Sendable {
        let lease: LeaseID
        let sequence: UInt64
        let since: Instant
    }

    struct GroupKey: Hashable, Sendable {
        let owner: ProcessID
        let job: JobID
        let program: Program
        let resources: Resources
        let rule: PlacementRule
        let runsAgain: Bool
        let endsWorker: Bool
    }

    /// The leases of one owner that are alike: one queue, first come, first served.
    struct Group: Sendable {
        let key: GroupKey
        let gpus: GPUDemand?
        /// The rule forbids this node: its requests wait here for another one to be known, and are never served.
        let isForeign: Bool
        /// The placement group that they are for, if they are for one.
        let placementGroup: PlacementGroupID?
        /// The owner knows that no node can ever meet the demand.
        var isToldInfeasible = false
        /// The owner knows that placement groups hold what it waits for.
        var isToldHeld = false

        init(key: GroupKey, isForeign: Bool) {
            (self.key, self.isForeign, gpus, placementGroup) = (key, isForeign, GPUDemand(key.resources), key.resources.group)
        }

        /// Entries of requests; those of cancelled ones stay until they are met or outnumber the others.
        var queue: Deque<Entry> = []
        var waiting = 0
        /// Leases that hold resources.
        var active = 0
        /// Leases in any state; a group without one is forgotten.
        var members = 0
        /// Requests in this round of serving that wait only for their worker to start.
        var starting = 0
        /// Nothing more can be done for it in this round.
        var isDone = false

        /// Whether requests are left that this round may serve.
        var hasUnserved: Bool { !isDone && waiting > starting }
    }

    struct Worker: Sendable {
        let address: ProcessAddress
        let program: Program
        let pid: Int32
        /// Those that hold resources: one, and more only where tasks went on beside one that takes long.
        var active: [LeaseID] = []
        var leases: Set<LeaseID> = []
        /// Whose leases it carries: only those of one job at a time, so that no job suffers when another ends.
        var job: JobID?
        /// The job that it carried leases of last.
        var lastJob: JobID?
        /// Leases whose tasks could go on, oldest first; ended ones are skipped.
        var resumes: Deque<Entry> = []
        var idleSince: Instant
        /// It was asked to leave, or killed: it gets nothing more.
        var isLeaving = false
        /// For whose sake it was killed, if it was.
        var killed: KillReason?
        /// It serves, or served, a lease with GPUs, or one behind which it is to end: it gets no other one.
        var isSpent = false

        var isIdle: Bool { active.isEmpty && leases.isEmpty && !isLeaving }
    }

    /// For whose sake a worker is killed. The leases that this does not concern are bystanders.
    enum KillReason: Hashable, Sendable {
        case owner(ProcessID)
        case job(JobID)
        case group(PlacementGroupID)
        case lease(LeaseID)
        /// The cluster gave the node up.
        case node

        var deathKind: DeathCause.Kind {
            switch self {
            case .owner: .ownerDied
            case .job: .jobEnded
            case .group, .lease, .node: .killed
            }
        }

        func concerns(_ lease: LeaseID, _ key: GroupKey) -> Bool {
            switch self {
            case .owner(let process): key.owner == process
            case .job(let job): key.job == job
            case .group(let group): key.resources.group == group
            case .lease(let id): id == lease
            case .node: true
            }
        }
    }

    /// The workers of one program.
    struct Pool: Sendable {
        var members: [ProcessID] = []
        /// Those without any lease, the one used last at the end.
        var idle: [ProcessID] = []
        var starting = 0
        /// Starts that failed since the last that did not.
        var failures = 0
    }

    struct ActorClaim: Sendable {
        let resources: Resources
        /// What it asks for, and what it was given.
        let gpuDemand: GPUDemand?
        var gpus: HeldGPUs?
        init(resources: Resources) { (self.resources, gpuDemand) = (resources, GPUDemand(resources)) }
        var isGranted = false
    }

    /// How a lease ended, for answering late messages.
    enum Ending: Sendable {
        case returned
        case moved(NodeAddress, PlacementReason)
        case refused(MantaError)
        case lost(DeathCause)
    }
}
