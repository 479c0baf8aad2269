// LeaseBook+Doubts: requests that have waited for a while for what may never come: for a placement group that this node holds nothing of, and for more than
// any node of the cluster has.
//
// A node that came after a group's removal has not heard of it, so the head is asked as long as something waits. Demands that no node can meet go on
// waiting, since a node that can may come; their owner is told once.

internal import DequeModule
internal import MantaModel
internal import OrderedCollections

extension LeaseBook {
    /// Looks at what waits, every `Limits.doubtPeriod`.
    mutating func doubt(at now: Instant, _ perform: (Action) -> Void) {
        if let doubtedAt, now < doubtedAt + Limits.doubtPeriod { return }
        doubtedAt = now
        var unknown: Set<PlacementGroupID> = []
        for index in Array(waitingGroups) + Array(foreignGroups) {
            guard let entry = head(of: index), entry.since + Limits.doubtPatience <= now, let group = groups[index] else { continue }
            if let id = group.placementGroup {
                if heldGroups[id] == nil { unknown.insert(id) }
            } else if !group.isToldInfeasible, let lease = leases[entry.lease], lease.mayMove, let shortfall = shortfall(of: group.key) {
                if failsInfeasible {
                    refuse(index, shortfall, at: now, perform)
                    continue
                }
                groups[index]?.isToldInfeasible = true
                perform(.infeasible(entry.lease, shortfall, owner: lease.owner))
            }
        }
        if !unknown.isEmpty { perform(.inquireGroups(unknown.sorted())) }
    }

    /// Nothing will ever serve the requests of a group.
    private mutating func refuse(_ index: Int, _ shortfall: String, at now: Instant, _ perform: (Action) -> Void) {
        let error = MantaError(.unschedulable, shortfall)
        for entry in groups[index]?.queue ?? [] {
            guard let lease = leases[entry.lease], lease.state == .waiting else { continue }
            end(entry.lease, .refused(error), at: now)
            perform(.refuse(entry.lease, error, owner: lease.owner))
        }
    }

    /// What no node has that might serve the request; nil when one could, if others gave back what they hold.
    func shortfall(of key: GroupKey) -> String? {
        if key.rule == .standard, total.covers(key.resources) { return nil }
        let allowed = (views + [ownView]).filter { key.rule.allows($0.id, labels: $0.labels) }
        if allowed.isEmpty { return "it may run on \(key.rule.sentence), and there is none; start one, or ask for another" }
        return allowed.contains { $0.mayHold(key.resources) } ? nil : Placement.shortfall(of: key.resources, among: allowed)
    }
}
