// The bundles of placement groups on this node: set aside at once or refused, then turned into resources of the group, and freed at the end.
//
// A bundle that is set aside takes its resources from what is available; a committed one adds as much under the group's names, of which leases and actors
// take like of anything else. When the group is removed, what runs in it is ended, and only when nothing of it is held any more are the resources free.

internal import DequeModule
package import MantaModel
internal import OrderedCollections

extension LeaseBook {
    struct HeldGroup: Sendable {
        let specification: PlacementGroupSpecification
        /// Bundles that are set aside, by the attempt in which they were.
        var prepared: [Int: UInt64] = [:]
        var committed: Set<Int> = []
        /// It was removed, and waits for what still runs in it.
        var isClosing = false
        /// The GPUs of bundles that have any.
        var gpus: [Int: GPUBook] = [:]
    }

    /// What the node tells a head that does not know it.
    package var heldBundles: [(specification: PlacementGroupSpecification, indices: [Int], isCommitted: Bool)] {
        heldGroups.sorted { $0.key < $1.key }.flatMap { _, group in
            group.isClosing
                ? []
                : [(group.specification, group.committed.sorted(), true), (group.specification, group.prepared.keys.sorted(), false)].filter { !$0.1.isEmpty }
        }
    }

    /// Sets bundles aside, all or none. Throws what is missing; owners are then asked for leases back, so that a later attempt may succeed.
    package mutating func prepare(
        _ specification: PlacementGroupSpecification, _ indices: [Int], attempt: UInt64, at now: Instant, perform: (Action) -> Void
    ) throws(MantaError) {
        let id = specification.id
        if removedGroups[id] != nil { throw MantaError(.placementGroupRemoved, "placement group \(id.short) was removed") }
        let group = heldGroups[id] ?? HeldGroup(specification: specification)
        if group.isClosing { throw MantaError(.overloaded, "node \(node.short) still frees what it held of placement group \(id.short)") }
        let missing = indices.filter { group.prepared[$0] != attempt }
        guard missing.allSatisfy({ specification.bundles.indices.contains($0) && group.prepared[$0] == nil && !group.committed.contains($0) }) else {
            throw MantaError(.conflict, "node \(node.short) holds bundles of placement group \(id.short) of another attempt")
        }
        var demand = Resources()
        for index in missing { demand += specification.bundles[index] }
        guard available.covers(demand) else {
            if couldEverFit(demand) {
                bundleWishes[id] = (demand, now + Limits.bundlePatience)
                askBackAll(at: now, perform)
            }
            throw MantaError(.overloaded, "node \(node.short) has \(available.plain) available, the bundles need \(demand)")
        }
        guard let taken = takeGPUs(forBundles: missing, of: specification) else {
            throw MantaError(.overloaded, "node \(node.short) has parts of several GPUs available, the bundles need \(demand)")
        }
        bundleWishes[id] = nil
        available -= demand
        heldByActors += demand
        heldGroups[id] = group
        heldGroups[id]!.gpus.merge(taken) { _, new in new }
        for index in missing { heldGroups[id]!.prepared[index] = attempt }
    }

    /// Makes bundles usable that were set aside. Throws when they are not, any more.
    package mutating func commit(_ id: PlacementGroupID, _ indices: [Int], attempt: UInt64, at now: Instant, perform: (Action) -> Void) throws(MantaError) {
        let open = indices.filter { heldGroups[id]?.committed.contains($0) != true }
        guard let group = heldGroups[id], !group.isClosing, open.allSatisfy({ group.prepared[$0] == attempt }) else {
            throw MantaError(.notFound, "node \(node.short) holds no such bundles of placement group \(id.short)")
        }
        for index in open {
            heldGroups[id]!.prepared[index] = nil
            heldGroups[id]!.committed.insert(index)
            let gained = BundleResource.gained(id, index, group.specification.bundles[index])
            total += gained
            available += gained
        }
        serve(at: now, perform)
    }

    /// Lets go of what was set aside in an attempt, or, with the largest attempt, of everything that is not committed.
    package mutating func abandon(_ id: PlacementGroupID, attempt: UInt64, at now: Instant, perform: (Action) -> Void) {
        guard let group = heldGroups[id] else { return }
        var freed = Resources()
        for (index, made) in group.prepared where made == attempt || attempt == .max {
            free(index, of: id)
            freed += group.specification.bundles[index]
        }
        // Another node refused: the next attempt is to find here what this one had.
        if attempt != .max, !freed.isEmpty { bundleWishes[id] = (freed, now + Limits.bundlePatience) }
        if heldGroups[id]!.prepared.isEmpty, heldGroups[id]!.committed.isEmpty { heldGroups[id] = nil }
        serve(at: now, perform)
    }

    private mutating func free(_ index: Int, of id: PlacementGroupID) {
        guard let bundle = heldGroups[id]?.specification.bundles[index] else { return }
        heldGroups[id]!.prepared[index] = nil
        freeGPUs(index, of: id)
        available += bundle
        heldByActors -= bundle
    }

    /// The bundle's GPUs, of which nothing is held, are the node's again.
    private mutating func freeGPUs(_ index: Int, of id: PlacementGroupID) {
        if let held = heldGroups[id]?.gpus.removeValue(forKey: index) { gpus.give(held.shares) }
    }

    /// The group is gone for good: requests for it are refused, leases in it lost; its resources are free when nothing holds them. Its actors are ended by
    /// the head.
    package mutating func groupRemoved(_ id: PlacementGroupID, at now: Instant, perform: (Action) -> Void) {
        removedGroups.remember(id, true)
        bundleWishes[id] = nil
        for (lease, record) in leases.sorted(by: { $0.key < $1.key }) where record.worker == nil && groups[record.group]?.key.resources.group == id {
            let error = Self.removed(id)
            end(lease, .refused(error), at: now)
            perform(.refuse(lease, error, owner: record.owner))
        }
        close(id, because: "its placement group \(id.short) was removed", as: .groupRemoved, at: now, perform)
    }

    /// What this node holds of the group was placed elsewhere while the node was away: what runs in it here ends. The group lives on, perhaps here again.
    package mutating func dropBundles(_ id: PlacementGroupID, at now: Instant, perform: (Action) -> Void) {
        close(id, because: "its bundle of placement group \(id.short) was placed on another node while this one was away", as: .nodeDied, at: now, perform)
    }

    /// Ends what runs in the group's bundles; they are free when nothing is held of them.
    private mutating func close(
        _ id: PlacementGroupID, because reason: String, as kind: DeathCause.Kind, at now: Instant, _ perform: (Action) -> Void
    ) {
        abandon(id, attempt: .max, at: now, perform: perform)
        for (_, record) in leases.sorted(by: { $0.key < $1.key }) where groups[record.group]?.key.resources.group == id {
            if let process = record.worker { kill(process, because: reason, as: kind, .group(id), perform) }
        }
        if heldGroups[id] != nil {
            heldGroups[id]!.isClosing = true
            closingGroups.append(id)
        }
        serve(at: now, perform)
    }

    static func removed(_ id: PlacementGroupID) -> MantaError {
        MantaError(.placementGroupRemoved, "placement group \(id.short) was removed; what was to run in it cannot")
    }

    /// Frees the groups of which nothing is held any more.
    mutating func settleClosing() {
        for id in Array(closingGroups) {
            guard let group = heldGroups[id] else {
                closingGroups.remove(id)
                continue
            }
            let bundles = group.specification.bundles
            let names = group.committed.reduce(into: Set<String>()) { $0.formUnion(BundleResource.gained(id, $1, bundles[$1]).amounts.keys) }
            guard names.allSatisfy({ available[$0] == total[$0] }) else { continue }
            for name in names { (total[name], available[name]) = (0, 0) }
            for index in group.committed {
                freeGPUs(index, of: id)
                available += group.specification.bundles[index]
                heldByActors -= group.specification.bundles[index]
            }
            heldGroups[id] = nil
            closingGroups.remove(id)
        }
    }

    /// Keeps from requests what bundles were refused a moment ago.
    mutating func keepForBundles(_ free: inout Resources, _ shortage: inout Shortage, at now: Instant) {
        guard !bundleWishes.isEmpty else { return }
        bundleWishes.removeAll { $0.value.until <= now }
        for wish in bundleWishes.values where couldEverFit(wish.demand) {
            if !free.covers(wish.demand) { shortage.isUrgent = true }
            free -= wish.demand
        }
    }

    /// Asks for every lease back whose slice is over.
    private mutating func askBackAll(at now: Instant, _ perform: (Action) -> Void) {
        for id in activeLeases {
            guard let lease = leases[id], lease.askedAt.map({ now >= $0 + Limits.reclaimPeriod }) ?? true else { continue }
            leases[id]?.askedAt = now
            perform(.reclaim(id, owner: lease.owner))
        }
    }
}
