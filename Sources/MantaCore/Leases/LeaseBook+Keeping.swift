// The book-keeping of a LeaseBook: how leases begin, change hands and end. Every change of `available` by leases is here.
//
// Records are changed in place: a copy of a record that is alive while the original changes would copy its sets and queues, which may be long.

internal import DequeModule
internal import MantaModel
internal import OrderedCollections

extension LeaseBook {
    /// Puts a new request at the end of its group's queue.
    mutating func enqueue(_ request: LeaseRequest, at now: Instant) {
        let key = GroupKey(
            owner: request.owner.process, job: request.job, program: request.program, resources: request.resources, rule: request.rule, runsAgain: request.runsAgain,
            endsWorker: request.endsWorker)
        let index = self.index(of: key)
        sequence += 1
        groups[index]?.queue.append(Entry(lease: request.lease, sequence: sequence, since: now))
        groups[index]?.waiting += 1
        groups[index]?.members += 1
        if groups[index]!.isForeign { foreignGroups.append(index) } else { waitingGroups.append(index) }
        waitingCount += 1
        leases[request.lease] = Lease(
            state: .waiting, owner: request.owner, group: index, mayMove: request.mayMove, worker: nil, since: now, confirmedAt: now)
        owned[request.owner.process, default: []].insert(request.lease)
        if let home = request.home, home != node { homes[request.owner.process] = home }
    }

    private mutating func index(of key: GroupKey) -> Int {
        if let index = groupIndex[key] { return index }
        let index: Int
        if let free = freeGroups.popLast() {
            index = free
            groups[index] = Group(key: key, isForeign: !key.rule.allows(node, labels: labels))
        } else {
            index = groups.count
            groups.append(Group(key: key, isForeign: !key.rule.allows(node, labels: labels)))
        }
        groupIndex[key] = index
        return index
    }

    /// The request is no longer in its group's queue.
    private mutating func leaveQueue(_ index: Int) {
        waitingCount -= 1
        guard var group = groups[index].take() else { return }
        group.waiting -= 1
        if group.waiting == 0 {
            group.queue.removeAll()
            waitingGroups.remove(index)
            foreignGroups.remove(index)
        } else if group.queue.count > 2 * group.waiting + 16 {
            group.queue.removeAll { leases[$0.lease]?.state != .waiting }
        }
        groups[index] = group
    }

    /// The oldest request of a group that still waits.
    mutating func head(of index: Int) -> Entry? {
        while let entry = groups[index]?.queue.first {
            if leases[entry.lease]?.state == .waiting { return entry }
            groups[index]?.queue.removeFirst()
        }
        return nil
    }

    /// Gives a waiting lease a worker without an active lease, and its resources.
    mutating func grant(_ id: LeaseID, on process: ProcessID, at now: Instant, _ perform: (Action) -> Void) {
        guard let lease = leases[id], let key = groups[lease.group]?.key, let worker = workers[process]?.address else { return }
        precondition(lease.state == .waiting && workers[process]?.active.isEmpty == true, "a lease is granted once, on a worker without an active one")
        leases[id]?.worker = process
        workers[process]?.leases.insert(id)
        workers[process]?.job = key.job
        workers[process]?.lastJob = key.job
        leaveIdle(process, of: key.program)
        activate(id, at: now)
        leaveQueue(lease.group)
        if leases[id]?.gpus != nil || key.endsWorker { workers[process]?.isSpent = true }
        perform(.grant(id, worker: worker, gpus: numbers(ofGPUsHeldBy: id), owner: lease.owner))
    }

    /// The worker is no longer one without any lease.
    mutating func leaveIdle(_ process: ProcessID, of program: Program) {
        if pools[program]?.idle.last == process { pools[program]?.idle.removeLast() } else { pools[program]?.idle.removeAll { $0 == process } }
    }

    /// The lease holds its resources, and is active on its worker.
    mutating func activate(_ id: LeaseID, at now: Instant) {
        guard let lease = leases[id], let process = lease.worker, let group = groups[lease.group] else { return }
        if lease.gpus == nil {
            let taken = takeGPUs(for: group.gpus)
            leases[id]?.gpus = taken
            available -= group.key.resources
        } else {
            available -= group.key.resources.withoutGPUs
        }
        leases[id]?.state = .active
        leases[id]?.since = now
        leases[id]?.askedAt = nil
        leases[id]?.confirmedAt = now
        groups[lease.group]?.active += 1
        workers[process]?.active.append(id)
    }

    /// An active lease gives up its resources; it keeps its GPUs.
    mutating func release(_ id: LeaseID, as state: Lease.State, at now: Instant) {
        guard let lease = leases[id], lease.state == .active, let process = lease.worker, let demand = groups[lease.group]?.key.resources else { return }
        available += lease.gpus == nil ? demand : demand.withoutGPUs
        leases[id]?.state = state
        leases[id]?.since = now
        groups[lease.group]?.active -= 1
        workers[process]?.active.removeAll { $0 == id }
    }

    /// Ends a lease in any state, or remembers that one which is not known must not begin.
    mutating func end(_ id: LeaseID, _ ending: Ending, at now: Instant) {
        guard let lease = leases[id] else {
            if endings[id] == nil { endings.remember(id, ending) }
            return
        }
        endings.remember(id, ending)
        if lease.state == .active { release(id, as: .blocked, at: now) }
        if let held = lease.gpus, let demand = groups[lease.group]?.key.resources {
            giveGPUs(held)
            available += demand
            available -= demand.withoutGPUs
        }
        leases[id] = nil
        if lease.state == .waiting { leaveQueue(lease.group) }
        leaveWorker(id, lease, at: now)
        leaveOwner(id, lease.owner.process)
        groups[lease.group]?.members -= 1
        if let group = groups[lease.group], group.members == 0 {
            groupIndex[group.key] = nil
            groups[lease.group] = nil
            freeGroups.append(lease.group)
        }
    }

    private mutating func leaveWorker(_ id: LeaseID, _ lease: Lease, at now: Instant) {
        guard let process = lease.worker, workers[process]?.leases.remove(id) != nil else { return }
        guard workers[process]!.leases.isEmpty else { return }
        workers[process]!.job = nil
        workers[process]!.resumes.removeAll()
        workers[process]!.idleSince = now
        resumingWorkers.remove(process)
        if workers[process]!.isIdle, !workers[process]!.isSpent { pools[workers[process]!.program]?.idle.append(process) }
    }

    private mutating func leaveOwner(_ id: LeaseID, _ owner: ProcessID) {
        owned[owner]?.remove(id)
        if owned[owner]?.isEmpty == true { (owned[owner], homes[owner]) = (nil, nil) }
    }

    /// Drops the leases of a dead owner.
    mutating func dropLeases(of owner: ProcessID, at now: Instant, _ perform: (Action) -> Void) {
        for id in (owned[owner] ?? []).sorted() {
            drop(id, because: "process \(owner.short), for which it ran a task, is gone", .owner(owner), at: now, perform)
        }
    }

    /// Nobody wants the lease any more: a request ends, a worker that has begun is killed.
    mutating func drop(_ id: LeaseID, because reason: String, _ sake: KillReason, at now: Instant, _ perform: (Action) -> Void) {
        guard let lease = leases[id] else { return }
        if let process = lease.worker {
            kill(process, because: reason, as: sake.deathKind, sake, perform)
        } else {
            end(id, .returned, at: now)
        }
    }

    /// Kills a worker, once. What it carries ends when it is dead.
    mutating func kill(
        _ process: ProcessID, because reason: String, as kind: DeathCause.Kind = .killed, _ sake: KillReason, _ perform: (Action) -> Void
    ) {
        guard let program = workers[process]?.program, workers[process]?.killed == nil else { return }
        workers[process]?.killed = sake
        workers[process]?.isLeaving = true
        leaveIdle(process, of: program)
        perform(.killWorker(process, DeathCause(kind, reason)))
    }
}
