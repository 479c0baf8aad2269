// LeaseBook: a node's decisions about its resources and workers. Who may use which worker, who waits, which workers start and end.
//
// A lease is the right of an owner to run tasks on one worker with given resources:
//   1. waiting (or moved to another node, or refused)   2. active: granted, holds its resources
//   3. blocked: its task awaits something, its resources but for GPUs are free   4. resuming: its task could go on; then active again   5. ended.
//
// Always holds:
// - The resources of active leases and of actors together never exceed the total (unless the total itself shrinks).
// - A worker carries any number of leases, of one job, and at most one of them is active, unless tasks of others could go on for
//   `Limits.resumptionPatience`.
// - Every message may come twice, late or in the wrong order: a request twice is the same grant again, a return twice is nothing.
// - Resumptions are served before actors, actors before requests.
// - Requests of a group (same owner, job, program and resources) are served in order. Among groups the one with the fewest active leases goes
//   first, then the one that waits longest. What does not fit is passed over, until the oldest request has waited `Limits.leasePatience`: from
//   then on nothing that it lacks is given to younger ones, so large demands do not starve. Demands this node can never meet hold back nobody.
// - What bundles of a placement group lacked is kept from requests for `Limits.bundlePatience` after each attempt, so that groups do not starve.
// - Every `killWorker` frees its resources only when `workerDied` follows. Leases on it whose end nobody wanted are lost as bystanders.
//
// Every method takes an event and hands actions to `perform`, which must not call the book. Call `tick` every `Limits.tickPeriod`.

internal import DequeModule
package import MantaModel
internal import OrderedCollections

/// The leases, workers and resources of one node.
package struct LeaseBook: Sendable {
    package let node: NodeID
    package let labels: [String: String]
    /// Whether requests for more than any node has are refused after a while, as those of a cluster that nothing can be added to.
    package var failsInfeasible = false
    package internal(set) var total: Resources
    /// What is not held by active leases and actors.
    package internal(set) var available: Resources

    var leases: [LeaseID: Lease] = [:]
    var groups: [Group?] = []
    var freeGroups: [Int] = []
    var groupIndex: [GroupKey: Int] = [:]
    /// The groups with requests that wait to be served here.
    var waitingGroups: OrderedSet<Int> = []
    /// The groups with requests that wait for a node they may run on.
    var foreignGroups: OrderedSet<Int> = []
    var waitingCount = 0

    var workers: [ProcessID: Worker] = [:]
    /// Workers in order of their arrival.
    var roster: [ProcessID] = []
    var pools: OrderedDictionary<Program, Pool> = [:]
    /// Workers with leases whose tasks could go on.
    var resumingWorkers: OrderedSet<ProcessID> = []

    var actors: [ActorID: ActorClaim] = [:]
    var waitingActors: Deque<ActorID> = []
    var heldByActors = Resources()
    var gpus: GPUBook

    /// Placement groups with bundles here.
    var heldGroups: [PlacementGroupID: HeldGroup] = [:]
    var closingGroups: OrderedSet<PlacementGroupID> = []
    /// What groups could not have at once, and until when it is kept from requests so that they get it.
    var bundleWishes: OrderedDictionary<PlacementGroupID, (demand: Resources, until: Instant)> = [:]
    var removedGroups = Remembered<PlacementGroupID, Bool>(limit: Limits.rememberedLeases)

    /// Every lease of an owner, in any state.
    var owned: [ProcessID: Set<LeaseID>] = [:]
    /// The nodes of owners that live elsewhere.
    var homes: [ProcessID: NodeID] = [:]
    var views: [NodeView] = []
    var endings = Remembered<LeaseID, Ending>(limit: Limits.rememberedLeases)
    var departed = Remembered<ProcessID, Bool>(limit: Limits.rememberedProcesses)
    var sequence: UInt64 = 0
    var spreadTurn = 0
    var askedBackAt: Instant?
    var auditedAt: Instant?
    var doubtedAt: Instant?

    package init(node: NodeID, total: Resources, labels: [String: String] = [:]) {
        (self.node, self.total, self.available, self.labels) = (node, total, total, labels)
        gpus = GPUBook(total[Resources.gpu])
    }

    /// Workers of one program kept ready, and started at once: one per CPU, at least one.
    package var cpuCount: Int { max(1, Int(total[Resources.cpu].units / 10_000)) }

    /// What would be free if no lease were active.
    package var reclaimable: Resources {
        var rest = total
        rest -= heldByActors
        return rest
    }

    /// The node's capacity is now this much. Less than what is held: nothing is taken away, nothing new is given.
    package mutating func capacity(_ total: Resources, at now: Instant, perform: (Action) -> Void) {
        available -= self.total
        available += total
        self.total = total
        gpus.resize(to: total[Resources.gpu])
        serve(at: now, perform)
    }

    /// The other nodes, as last reported. Requests that wait and may move go where there is room.
    package mutating func clusterView(_ views: [NodeView], at now: Instant, perform: (Action) -> Void) {
        self.views = views.filter { $0.id != node }
        moveWaiting(waitingGroups, at: now, perform)
        moveWaiting(foreignGroups, at: now, perform)
    }

    /// Whether this is a living node of the cluster, as far as the head has told.
    package func knows(_ other: NodeID) -> Bool { other == node || views.contains { $0.id == other } }

    /// A node is lost, and with it every owner that lived there.
    package mutating func nodeLost(_ lost: NodeID, at now: Instant, perform: (Action) -> Void) {
        views.removeAll { $0.id == lost }
        for owner in homes.filter({ $0.value == lost }).keys.sorted() {
            departed.remember(owner, true)
            dropLeases(of: owner, at: now, perform)
        }
        serve(at: now, perform)
    }

    // MARK: Owners

    /// An owner wants a lease, or asks again because it has no answer yet.
    package mutating func requestLease(_ request: LeaseRequest, at now: Instant, perform: (Action) -> Void) {
        if departed[request.owner.process] != nil { return }
        if let lease = leases[request.lease] {
            if let worker = lease.worker.flatMap({ workers[$0] }) {
                leases[request.lease]?.confirmedAt = now
                perform(.grant(request.lease, worker: worker.address, gpus: numbers(ofGPUsHeldBy: request.lease), owner: lease.owner))
            }
            return
        }
        switch endings[request.lease] {
        case .returned: return
        case .moved(let address, let reason): return perform(.move(request.lease, to: address, reason, owner: request.owner))
        case .refused(let error): return perform(.refuse(request.lease, error, owner: request.owner))
        case .lost(let cause): return perform(.lost(request.lease, cause, owner: request.owner))
        case nil: break
        }
        guard waitingCount < Limits.queuedLeaseRequests else {
            let message = "node \(node.short) has \(waitingCount) lease requests waiting, its limit; ask again later"
            return perform(.refuse(request.lease, MantaError(.overloaded, message), owner: request.owner))
        }
        if let group = request.resources.group, removedGroups[group] != nil {
            let error = Self.removed(group)
            endings.remember(request.lease, .refused(error))
            return perform(.refuse(request.lease, error, owner: request.owner))
        }
        if passOn(request, perform) { return }
        enqueue(request, at: now)
        serve(at: now, perform)
        if leases[request.lease]?.state == .waiting { _ = move(request.lease, at: now, perform) }
    }

    /// The owner gives a lease back: nothing of it runs any more. Also when it was never granted, or is not known.
    /// - Parameter endsWorker: the owner cannot reach the worker: it is killed, for nobody else is to be given one that may be dead, or busy with what was given
    ///   up.
    package mutating func returnLease(_ lease: LeaseID, endsWorker: Bool = false, at now: Instant, perform: (Action) -> Void) {
        let held = endsWorker ? leases[lease] : nil
        end(lease, .returned, at: now)
        if let held, let worker = held.worker {
            kill(worker, because: "process \(held.owner.process.short), for which it ran a task, could not reach it", .lease(lease), perform)
        }
        serve(at: now, perform)
    }

    /// The owner no longer wants what it asked for; a grant that is on its way will come back too.
    package mutating func cancelRequest(_ lease: LeaseID, at now: Instant, perform: (Action) -> Void) {
        returnLease(lease, at: now, perform: perform)
    }

    /// The owner believes that it holds the lease; it is told when that is wrong.
    package mutating func confirmLease(_ lease: LeaseID, owner: ProcessAddress, at now: Instant, perform: (Action) -> Void) {
        guard leases[lease] == nil else {
            leases[lease]?.confirmedAt = now
            return
        }
        if case .lost(let cause) = endings[lease] { return perform(.lost(lease, cause, owner: owner)) }
        perform(.lost(lease, DeathCause(.killed, "node \(node.short) does not hold lease \(lease.short) for this owner"), owner: owner))
    }

    /// A process is gone: what it asked for is dropped, workers that work for it are killed.
    package mutating func ownerDied(_ process: ProcessID, at now: Instant, perform: (Action) -> Void) {
        departed.remember(process, true)
        dropLeases(of: process, at: now, perform)
        serve(at: now, perform)
    }

    /// A job is over: what it asked for is dropped, workers that work for it are killed. Its owners get no message.
    package mutating func jobEnded(_ job: JobID, at now: Instant, perform: (Action) -> Void) {
        for (id, lease) in leases.sorted(by: { $0.key < $1.key }) where groups[lease.group]?.key.job == job {
            drop(id, because: "job \(job.short) ended", .job(job), at: now, perform)
        }
        serve(at: now, perform)
    }

    // MARK: Blocking

    /// The task of an active lease awaits something. `turn` grows with every blocking in the life of the worker, and names it in what follows.
    package mutating func blocked(_ lease: LeaseID, turn: UInt64, at now: Instant, perform: (Action) -> Void) {
        guard let record = leases[lease], record.state == .active, turn > record.turn else { return }
        leases[lease]?.turn = turn
        release(lease, as: .blocked, at: now)
        serve(at: now, perform)
    }

    /// The task that blocked in this turn could go on. Repeated by the worker until `resumed` or `ended` answers.
    package mutating func resume(_ lease: LeaseID, turn: UInt64, worker: ProcessAddress, at now: Instant, perform: (Action) -> Void) {
        guard let record = leases[lease] else { return perform(.ended(lease, worker: worker)) }
        guard turn >= record.turn, record.worker == worker.process else { return }
        leases[lease]?.turn = turn
        switch record.state {
        case .active: perform(.resumed(lease, turn: turn, worker: worker))
        case .waiting, .resuming: break
        case .blocked:
            sequence += 1
            leases[lease]?.state = .resuming
            leases[lease]?.since = now
            workers[worker.process]?.resumes.append(Entry(lease: lease, sequence: sequence, since: now))
            resumingWorkers.append(worker.process)
            serve(at: now, perform)
        }
    }

    // MARK: Actors

    /// An actor is placed here and holds these resources until `release`. Answered by `reserved`, now or when they are free.
    package mutating func reserve(_ actor: ActorID, _ resources: Resources, at now: Instant, perform: (Action) -> Void) {
        if let claim = actors[actor] {
            if claim.isGranted { perform(.reserved(actor)) }
            return
        }
        actors[actor] = ActorClaim(resources: resources)
        waitingActors.append(actor)
        serve(at: now, perform)
    }

    /// The actor is gone, or no longer wanted here.
    package mutating func release(_ actor: ActorID, at now: Instant, perform: (Action) -> Void) {
        guard let claim = actors.removeValue(forKey: actor) else { return }
        if claim.isGranted {
            giveGPUs(claim.gpus)
            available += claim.resources
            heldByActors -= claim.resources
        } else {
            waitingActors.removeAll { $0 == actor }
        }
        serve(at: now, perform)
    }
}
