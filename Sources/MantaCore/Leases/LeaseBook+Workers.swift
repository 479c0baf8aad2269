// The workers of a LeaseBook: how they come, stay idle and go; and the periodic work.

internal import DequeModule
package import MantaModel
internal import OrderedCollections

extension LeaseBook {
    /// A worker process said hello and can run tasks.
    package mutating func workerReady(_ address: ProcessAddress, program: Program, pid: Int32, at now: Instant, perform: (Action) -> Void) {
        guard workers[address.process] == nil, departed[address.process] == nil else { return }
        workers[address.process] = Worker(address: address, program: program, pid: pid, idleSince: now)
        roster.append(address.process)
        var pool = pools[program, default: Pool()]
        pool.members.append(address.process)
        pool.idle.append(address.process)
        pool.starting = max(0, pool.starting - 1)
        pool.failures = 0
        pools[program] = pool
        serve(at: now, perform)
    }

    /// A worker that was to start did not. After `Limits.workerStartFailures` in a row the requests for its program are refused.
    package mutating func workerStartFailed(_ program: Program, _ cause: DeathCause, at now: Instant, perform: (Action) -> Void) {
        var pool = pools[program, default: Pool()]
        pool.starting = max(0, pool.starting - 1)
        pool.failures += 1
        let isHopeless = pool.failures >= Limits.workerStartFailures
        if isHopeless { pool.failures = 0 }
        pools[program] = pool
        if isHopeless { refuseAll(for: program, cause, at: now, perform) }
        serve(at: now, perform)
    }

    private mutating func refuseAll(for program: Program, _ cause: DeathCause, at now: Instant, _ perform: (Action) -> Void) {
        let message = "no worker of \(program.path) could be started on node \(node.short), \(Limits.workerStartFailures) times in a row: \(cause.detail)"
        for index in Array(waitingGroups) {
            guard let group = groups[index], group.key.program == program else { continue }
            for entry in group.queue {
                guard let lease = leases[entry.lease], lease.state == .waiting else { continue }
                let error = MantaError(.unavailable, message)
                end(entry.lease, .refused(error), at: now)
                perform(.refuse(entry.lease, error, owner: lease.owner))
            }
        }
    }

    /// A worker asks to be killed: the task that it runs under the lease is not wanted any more, and does not listen.
    package mutating func endWorker(_ process: ProcessID, of lease: LeaseID, because reason: String, at now: Instant, perform: (Action) -> Void) {
        kill(process, because: reason, .lease(lease), perform)
    }

    /// The cluster took this node for dead: owners have forgotten their leases here, and what runs under them runs elsewhere by now.
    package mutating func givenUp(at now: Instant, perform: (Action) -> Void) {
        for process in roster where workers[process]?.leases.isEmpty == false {
            kill(process, because: "node \(node.short) was silent for so long that the cluster gave it up", as: .nodeDied, .node, perform)
        }
        for (id, lease) in leases.sorted(by: { $0.key < $1.key }) where lease.state == .waiting { end(id, .returned, at: now) }
        serve(at: now, perform)
    }

    /// A worker process is gone, for whatever reason. Its leases are lost; what it owned itself is dropped. Who shared it with work for whose sake it was
    /// killed is told so.
    package mutating func workerDied(_ process: ProcessID, _ cause: DeathCause, at now: Instant, perform: (Action) -> Void) {
        departed.remember(process, true)
        if let worker = workers[process] {
            for id in worker.leases.sorted() {
                guard let lease = leases[id], let key = groups[lease.group]?.key else { continue }
                let isBystander = worker.killed.map { !$0.concerns(id, key) } ?? false
                let told = isBystander ? DeathCause(.bystander, cause.detail, facts: cause.facts) : cause
                end(id, .lost(told), at: now)
                if departed[lease.owner.process] == nil { perform(.lost(id, told, owner: lease.owner)) }
            }
            workers[process] = nil
            resumingWorkers.remove(process)
            roster.removeAll { $0 == process }
            pools[worker.program]?.members.removeAll { $0 == process }
            pools[worker.program]?.idle.removeAll { $0 == process }
        }
        dropLeases(of: process, at: now, perform)
        serve(at: now, perform)
    }

    /// A worker that was asked to leave stays: others need objects it owns.
    package mutating func workerStays(_ process: ProcessID, at now: Instant, perform: (Action) -> Void) {
        guard let worker = workers[process], worker.isLeaving, worker.killed == nil else { return }
        workers[process]?.isLeaving = false
        workers[process]?.idleSince = now
        if !worker.isSpent { pools[worker.program]?.idle.insert(process, at: 0) }
        serve(at: now, perform)
    }

    /// Workers of the program are ready before anybody asks: up to `count`, at most one per CPU.
    package mutating func prestart(_ program: Program, count: Int, at now: Instant, perform: (Action) -> Void) {
        while let pool = Optional(pools[program, default: Pool()]), pool.members.count + pool.starting < min(count, cpuCount) {
            pools[program, default: Pool()].starting += 1
            perform(.startWorker(program))
        }
    }

    /// Time passes: overdue requests, workers idle for too long, leases whose owners are silent. Call it every `Limits.tickPeriod`.
    package mutating func tick(at now: Instant, perform: (Action) -> Void) {
        moveWaiting(foreignGroups, at: now, perform)
        serve(at: now, perform)
        stopIdleWorkers(at: now, perform)
        stopSpentWorkers(at: now, perform)
        doubt(at: now, perform)
        audit(at: now, perform)
    }

    /// Workers over one per CPU leave soon, the others when their program was not used for long. One that owns leases itself stays.
    private mutating func stopIdleWorkers(at now: Instant, _ perform: (Action) -> Void) {
        for program in Array(pools.keys) {
            guard var pool = pools[program] else { continue }
            var surplus = pool.idle.count - cpuCount
            for process in pool.idle {
                guard let worker = workers[process], owned[process] == nil else { continue }
                let lifetime = surplus > 0 ? Limits.surplusWorkerLifetime : Limits.idleWorkerLifetime
                guard worker.idleSince + lifetime <= now else { continue }
                surplus -= 1
                workers[process]?.isLeaving = true
                pool.idle.removeAll { $0 == process }
                perform(.stopWorker(process))
            }
            pools[program] = pool.members.isEmpty && pool.starting == 0 ? nil : pool
        }
    }

    /// A worker that saw GPUs, or ran as much as one may, is of no use to others. One that stays for its objects is asked again.
    private mutating func stopSpentWorkers(at now: Instant, _ perform: (Action) -> Void) {
        for process in roster {
            guard let worker = workers[process], worker.isSpent, worker.isIdle, worker.idleSince + Limits.spentWorkerLifetime <= now else { continue }
            workers[process]?.isLeaving = true
            perform(.stopWorker(process))
        }
    }

    /// Asks back leases that their owners did not confirm: an owner that does not hold one answers with a return.
    private mutating func audit(at now: Instant, _ perform: (Action) -> Void) {
        if let auditedAt, now < auditedAt + Limits.leaseConfirmPeriod { return }
        auditedAt = now
        // An owner of very many leases confirms so many in a tick, and no more.
        let deadlines = owned.mapValues { held in
            Limits.leaseConfirmDeadline + Limits.tickPeriod * (2 * held.count / Limits.leaseChecksPerTick)
        }
        let silent = leases.filter { _, lease in
            lease.worker != nil && lease.confirmedAt + (deadlines[lease.owner.process] ?? Limits.leaseConfirmDeadline) <= now
        }
        for (id, lease) in silent.sorted(by: { $0.key < $1.key }) { perform(.reclaim(id, owner: lease.owner)) }
    }
}
