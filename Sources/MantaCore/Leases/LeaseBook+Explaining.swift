// What a LeaseBook tells people and other modules: who waits and why, what is used.

package import MantaModel
internal import OrderedCollections

extension LeaseBook {
    /// One sentence about a lease: its state and, when it waits, what for. Nil when it is not known.
    package func explain(_ id: LeaseID) -> String? {
        guard let lease = leases[id], let group = groups[lease.group] else {
            return switch endings[id] {
            case .returned: "ended: its owner gave it back"
            case .refused(let error): "refused: \(error.message)"
            case .moved(let address, _): "moved to node \(address.node.short)"
            case .lost(let cause): "lost: \(cause.detail)"
            case nil: nil
            }
        }
        let place = lease.worker.flatMap { workers[$0] }.map { "worker \($0.address.process.short) (pid \($0.pid))" } ?? "no worker"
        return switch lease.state {
        case .active: "active on \(place), holds \(group.key.resources)"
        case .blocked: "blocked on \(place): its task awaits something" + (lease.gpus == nil ? "" : "; it keeps its GPUs")
        case .resuming: "on \(place), about to go on: waits for \(group.key.resources) or for the worker"
        case .waiting: reason(for: id)
        }
    }

    /// Why a request waits, as a sentence; nil when it does not wait.
    package func reason(for id: LeaseID) -> String? {
        guard let lease = leases[id], lease.state == .waiting, let group = groups[lease.group] else { return nil }
        let demand = group.key.resources
        if group.isForeign { return "no node that its scheduling rule allows has room for it: \(group.key.rule.sentence)" }
        if let group = demand.group, !total.covers(demand) {
            return "placement group \(group.short) has no bundle on this node that can hold it; it waits until the group is created"
        }
        if !total.covers(demand) {
            let others = views.filter { $0.mayHold(demand) }
            if others.isEmpty {
                return "no node can ever serve it: " + Placement.shortfall(of: demand, among: views + [ownView])
            }
            return "this node has \(total), it needs \(demand)" + (lease.mayMove ? "" : "; it was moved here and may not move again")
        }
        if !couldEverFit(demand) { return holders(of: demand) }
        if !available.covers(demand) { return "needs \(demand), available \(available) of \(total)" }
        if !hasGPUs(for: group.gpus) { return "needs \(demand): as much of the GPUs is free, but on none of them, or no whole one" }
        let starting = pools[group.key.program]?.starting ?? 0
        if starting > 0 { return "waits for a worker of \(group.key.program.path) to start" }
        return "waits its turn: others have waited longer for \(demand)"
    }

    /// Leases that wait, hold resources, and await something.
    package var counts: (waiting: Int, active: Int, blocked: Int) {
        let active = groups.reduce(0) { $0 + ($1?.active ?? 0) }
        return (waitingCount, active, leases.count - waitingCount - active)
    }

    /// How many kinds of requests wait.
    package var waitingKinds: Int { waitingGroups.count + foreignGroups.count }

    /// Whether others are to hear how the node stands before its next report: they move work here by what it has free, and people are to see no demand that
    /// is met. As of its last report.
    package func isNews(since available: Resources, waitingKinds: Int) -> Bool { available != self.available || self.waitingKinds < waitingKinds }

    /// What waiting requests need, for people to see: as it was asked for, also of bundles.
    package func demands(limit: Int = Limits.reportedDemands) -> [DemandRow] {
        let waiting = (Array(waitingGroups) + Array(foreignGroups)).compactMap { groups[$0] }
        return DemandRow.merged(
            waiting.lazy.map { group in
                let isInfeasible = group.placementGroup == nil && shortfall(of: group.key) != nil
                return DemandRow(resources: group.key.resources.asAsked, count: group.waiting, infeasible: isInfeasible)
            }, limit: limit)
    }

    /// Known workers, in order of their arrival.
    package var workerAddresses: [ProcessAddress] { roster.compactMap { workers[$0]?.address } }

    /// The job whose leases the worker carries, or carried last.
    package func job(of process: ProcessID) -> JobID? { workers[process].flatMap { $0.job ?? $0.lastJob } }

    /// Whether everything that the worker carries is tried again when it dies.
    package func runsAgain(_ process: ProcessID) -> Bool {
        workers[process]?.leases.allSatisfy { leases[$0].flatMap { groups[$0.group]?.key.runsAgain } ?? true } ?? true
    }

    /// Whether the process is a worker of this node without any lease, also one that was asked to leave.
    package func isIdle(_ process: ProcessID) -> Bool { workers[process].map { $0.active.isEmpty && $0.leases.isEmpty } ?? false }
}
