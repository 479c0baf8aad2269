// LeaseBook+Doubts: requests that have waited for a while for what may never come: for a placement group that this node holds nothing of, for more than any
// node of the cluster has, and for what placement groups hold where they must run.
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
            } else if let lease = leases[entry.lease] {
                doubt(index, group, entry.lease, lease, at: now, perform)
            }
        }
        if !unknown.isEmpty { perform(.inquireGroups(unknown.sorted())) }
    }

    private mutating func doubt(_ index: Int, _ group: Group, _ id: LeaseID, _ lease: Lease, at now: Instant, _ perform: (Action) -> Void) {
        if !group.isToldInfeasible, lease.mayMove, let shortfall = shortfall(of: group.key) {
            guard !failsInfeasible else { return refuse(index, shortfall, at: now, perform) }
            groups[index]?.isToldInfeasible = true
            perform(.infeasible(id, shortfall, owner: lease.owner))
        } else if !group.isToldHeld, isBoundHere(group.key, mayMove: lease.mayMove), areGroupsInTheWay(of: group.key.resources) {
            groups[index]?.isToldHeld = true
            perform(.infeasible(id, "on node \(node.short) \(holders(of: group.key.resources)); it waits until one of them ends", owner: lease.owner))
        }
    }

    /// Whether no other node may serve the request: it came here for good, is to run here as long as this node can, or no other one ever could.
    private func isBoundHere(_ key: GroupKey, mayMove: Bool) -> Bool {
        if !mayMove { return true }
        if case .node(node, _) = key.rule { return true }
        return !views.contains { key.rule.allows($0.id, labels: $0.labels) && $0.mayHold(key.resources) }
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

    // MARK: What is held for good

    /// What the bundles on this node hold of it.
    private var heldByBundles: Resources {
        heldGroups.values.reduce(into: Resources()) { held, group in
            for index in group.committed.union(group.prepared.keys) { held += group.specification.bundles[index] }
        }
    }

    /// Whether it lacks here what bundles hold: leases end, these stay.
    private func areGroupsInTheWay(of demand: Resources) -> Bool {
        guard total.covers(demand), !couldEverFit(demand) else { return false }
        let (rest, bundles) = (reclaimable, heldByBundles)
        return demand.amounts.contains { rest[$0.key] < $0.value && bundles[$0.key].units > 0 }
    }

    /// Who holds for good what a demand lacks here, as a sentence.
    func holders(of demand: Resources) -> String {
        let bundles = heldByBundles
        var actors = heldByActors
        actors -= bundles
        func named(_ resources: Resources) -> Resources { Resources(resources.amounts.filter { $0.value.units > 0 && demand.amounts[$0.key] != nil }) }
        let held = [("placement groups", named(bundles)), ("actors", named(actors))].filter { !$0.1.isEmpty }.map { "\($0) hold \($1)" }
        return "\(held.joined(separator: " and ")) of \(named(total)), it needs \(demand)"
    }
}
