// Who is served next. One round gives what is free to resumptions, actors and requests, in that order, starts the workers that are missing, and
// asks owners for leases back when somebody goes without.
//
// `free` is what is available less what those before in line claim but cannot have yet: it may be negative in a resource that is claimed.

internal import DequeModule
internal import MantaModel
internal import OrderedCollections

extension LeaseBook {
    /// Who went without in a round.
    struct Shortage {
        /// Resumptions or actors lack resources.
        var isUrgent = false
        /// Groups with requests that do not fit.
        var groups: [Int] = []
        var requests = 0
    }

    mutating func serve(at now: Instant, _ perform: (Action) -> Void) {
        if !closingGroups.isEmpty { settleClosing() }
        guard !waitingGroups.isEmpty || !resumingWorkers.isEmpty || !waitingActors.isEmpty else { return }
        var free = available
        var shortage = Shortage()
        serveResumptions(&free, &shortage, at: now, perform)
        serveActors(&free, &shortage, perform)
        keepForBundles(&free, &shortage, at: now)
        serveRequests(&free, &shortage, at: now, perform)
        askBack(for: shortage, at: now, perform)
    }

    // MARK: Resumptions

    /// Oldest first; what does not fit claims its resources, so that nobody later takes them. In a process with an active lease a task waits for that one's
    /// end, but not for long: it may be what that one waits for without a word.
    private mutating func serveResumptions(_ free: inout Resources, _ shortage: inout Shortage, at now: Instant, _ perform: (Action) -> Void) {
        guard !resumingWorkers.isEmpty else { return }
        var heads: [(entry: Entry, process: ProcessID)] = []
        for process in resumingWorkers {
            guard let entry = firstResume(of: process), let worker = workers[process] else { continue }
            if worker.active.isEmpty || entry.since + Limits.resumptionPatience <= now { heads.append((entry, process)) }
        }
        heads.sort { $0.entry.sequence < $1.entry.sequence }
        for (entry, process) in heads {
            guard let lease = leases[entry.lease], var demand = groups[lease.group]?.key.resources, let worker = workers[process]?.address else { continue }
            if lease.gpus != nil { demand = demand.withoutGPUs }
            guard free.covers(demand) else {
                free -= demand
                shortage.isUrgent = true
                continue
            }
            free -= demand
            workers[process]?.resumes.removeFirst()
            activate(entry.lease, at: now)
            perform(.resumed(entry.lease, turn: lease.turn, worker: worker))
        }
        resumingWorkers.removeAll { workers[$0]?.resumes.isEmpty ?? true }
    }

    private mutating func firstResume(of process: ProcessID) -> Entry? {
        while let entry = workers[process]?.resumes.first {
            if leases[entry.lease]?.state == .resuming { return entry }
            workers[process]?.resumes.removeFirst()
        }
        return nil
    }

    // MARK: Actors

    private mutating func serveActors(_ free: inout Resources, _ shortage: inout Shortage, _ perform: (Action) -> Void) {
        guard !waitingActors.isEmpty else { return }
        var remaining: Deque<ActorID> = []
        while let actor = waitingActors.popFirst() {
            guard let claim = actors[actor] else { continue }
            let demand = claim.resources
            if free.covers(demand), hasGPUs(for: claim.gpuDemand) {
                let taken = takeGPUs(for: claim.gpuDemand)
                actors[actor]?.gpus = taken
                free -= demand
                available -= demand
                heldByActors += demand
                actors[actor]?.isGranted = true
                perform(.reserved(actor))
            } else {
                // Only what can be met when the leases come back may hold others up.
                if couldEverFit(demand) {
                    free -= demand
                    shortage.isUrgent = true
                }
                remaining.append(actor)
            }
        }
        waitingActors = remaining
    }

    /// Whether the demand fits when no lease is active.
    func couldEverFit(_ demand: Resources) -> Bool { reclaimable.covers(demand) }

    // MARK: Requests

    private mutating func serveRequests(_ free: inout Resources, _ shortage: inout Shortage, at now: Instant, _ perform: (Action) -> Void) {
        guard !waitingGroups.isEmpty else { return }
        for index in waitingGroups {
            groups[index]?.starting = 0
            groups[index]?.isDone = false
        }
        var wanted: [Program: Int] = [:]
        if let overdue = overdueGroup(at: now) {
            serveOne(overdue, &free, &wanted, at: now, perform)
            if groups[overdue]?.isDone == true, groups[overdue]?.starting == 0, let demand = groups[overdue]?.key.resources { free -= demand }
        }
        while let index = nextGroup(free) { serveOne(index, &free, &wanted, at: now, perform) }
        startWorkers(wanted, perform)
        for index in waitingGroups {
            let unserved = groups[index]!.waiting - groups[index]!.starting
            guard unserved > 0, !free.covers(groups[index]!.key.resources) || !hasGPUs(for: groups[index]!.gpus) else { continue }
            shortage.groups.append(index)
            shortage.requests += unserved
        }
    }

    /// The group whose oldest request has waited longest, if that is too long and it could be met.
    private mutating func overdueGroup(at now: Instant) -> Int? {
        var oldest: (sequence: UInt64, index: Int)?
        for index in waitingGroups {
            guard let entry = head(of: index), entry.since + Limits.leasePatience <= now else { continue }
            guard oldest == nil || entry.sequence < oldest!.sequence, let demand = groups[index]?.key.resources, couldEverFit(demand) else { continue }
            oldest = (entry.sequence, index)
        }
        return oldest?.index
    }

    /// The group that is served next: of those that fit, the one with the fewest active leases, then with the oldest request.
    private mutating func nextGroup(_ free: Resources) -> Int? {
        var best: (active: Int, sequence: UInt64, index: Int)?
        for index in waitingGroups {
            guard groups[index]!.hasUnserved, free.covers(groups[index]!.key.resources), hasGPUs(for: groups[index]!.gpus), let entry = head(of: index) else { continue }
            let rank = (groups[index]!.active + groups[index]!.starting, entry.sequence, index)
            if best == nil || rank < best! { best = rank }
        }
        return best?.index
    }

    /// Serves the oldest request of a group, or notes that a worker must start for it, or that no more can be done for the group now.
    private mutating func serveOne(
        _ index: Int, _ free: inout Resources, _ wanted: inout [Program: Int], at now: Instant, _ perform: (Action) -> Void
    ) {
        guard let entry = head(of: index), let key = groups[index]?.key else { return }
        guard free.covers(key.resources), hasGPUs(for: groups[index]?.gpus) else {
            groups[index]?.isDone = true
            return
        }
        if groups[index]?.starting == 0, let process = worker(for: key, alone: groups[index]?.gpus != nil) {
            free -= key.resources
            grant(entry.lease, on: process, at: now, perform)
        } else if wanted[key.program, default: 0] < cpuCount, roster.count < Limits.workersPerNode {
            free -= key.resources
            wanted[key.program, default: 0] += 1
            groups[index]?.starting += 1
        } else {
            groups[index]?.isDone = true
        }
    }

    /// A worker without an active lease: one without any, else, for a lease that need not be `alone` there, once the job has a process per CPU, the one that carries the fewest blocked leases
    /// of the same job, none of which could go on.
    private func worker(for key: GroupKey, alone: Bool) -> ProcessID? {
        guard let pool = pools[key.program] else { return nil }
        if let idle = pool.idle.last { return idle }
        guard !alone else { return nil }
        var carrying = pool.starting
        var best: (leases: Int, process: ProcessID)?
        for process in pool.members {
            guard let worker = workers[process], worker.job == key.job, !worker.isLeaving, !worker.isSpent else { continue }
            carrying += 1
            guard worker.active.isEmpty, worker.resumes.isEmpty, best == nil || worker.leases.count < best!.leases else { continue }
            best = (worker.leases.count, process)
        }
        return carrying >= cpuCount || roster.count >= Limits.workersPerNode ? best?.process : nil
    }

    private mutating func startWorkers(_ wanted: [Program: Int], _ perform: (Action) -> Void) {
        for (program, count) in wanted.sorted(by: { $0.key.path < $1.key.path }) {
            while pools[program, default: Pool()].starting < count {
                pools[program, default: Pool()].starting += 1
                perform(.startWorker(program))
            }
        }
    }

    // MARK: Asking back

    /// In the order in which their workers came.
    var activeLeases: [LeaseID] { roster.flatMap { workers[$0]?.active ?? [] } }

    /// Asks for leases back: at once for those of a process that would go on and for the one that keeps a resumption from its worker, later for any one
    /// while resumptions or actors lack resources, and one of another group for each request that does not fit.
    private mutating func askBack(for shortage: Shortage, at now: Instant, _ perform: (Action) -> Void) {
        guard shortage.isUrgent || !shortage.groups.isEmpty || !resumingWorkers.isEmpty else { return }
        let isEarly = askedBackAt.map { now < $0 + Limits.leaseSlice } ?? false
        if isEarly, resumingWorkers.isEmpty { return }
        if !isEarly { askedBackAt = now }
        var requests = shortage.requests
        for id in activeLeases {
            guard let lease = leases[id], let process = lease.worker else { continue }
            // What a task awaited has most likely ended when it could go on: its process holds the lease for nothing.
            // And one that keeps a task from going on in its process is likely to be held by what waits for that very task.
            let isUrgent = resumingWorkers.contains(lease.owner.process) || workers[process]?.resumes.isEmpty == false
            guard isUrgent || !isEarly && now >= lease.since + Limits.leaseSlice, lease.askedAt.map({ now >= $0 + Limits.reclaimPeriod }) ?? true else { continue }
            if shortage.isUrgent || isUrgent {
                // Needed at once.
            } else if requests > 0, shortage.groups.contains(where: { $0 != lease.group }) {
                requests -= 1
            } else {
                continue
            }
            leases[id]?.askedAt = now
            perform(.reclaim(id, owner: lease.owner))
        }
    }
}
