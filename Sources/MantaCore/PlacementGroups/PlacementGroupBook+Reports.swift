// PlacementGroupBook+Reports: what nodes say: what they have and hold, what they set aside or refused, and what follows when one is lost.

package import MantaModel

/// What a node holds of a group, as it tells a head that does not know it.
package struct HeldBundles: Hashable, Sendable {
    package var specification: PlacementGroupSpecification
    package var indices: [Int]
    /// Whether they can be used already.
    package var isCommitted: Bool
    package init(specification: PlacementGroupSpecification, indices: [Int], isCommitted: Bool) {
        (self.specification, self.indices, self.isCommitted) = (specification, indices, isCommitted)
    }
}

extension PlacementGroupBook {
    /// The groups of the store, at the start of the head; where they are, the nodes tell. They also tell of those that did not get to the store.
    package mutating func restore(_ specifications: [PlacementGroupSpecification], at now: Instant, time: WallTime, grace: Duration = Limits.deadAfter) {
        for specification in specifications.sorted(by: { $0.id < $1.id }) { add(specification, createdAt: time) }
        if !specifications.isEmpty { recoveryEnd = now + grace }
        adoptsUntil = now + grace
    }

    /// Every node has spoken, or is gone: what nobody holds is placed anew.
    package mutating func recoveryIsComplete(at now: Instant, _ sink: (Action) -> Void) {
        guard recoveryEnd != nil else { return }
        recoveryEnd = nil
        place(at: now, sink)
    }

    /// A node registered, with everything it holds. What it holds of groups that are gone is answered by `removed`; of attempts that were given up, by
    /// `abandon`; of bundles that were placed elsewhere since, by `drop`.
    package mutating func nodeJoined(
        _ id: NodeID, total: Resources, available: Resources, held: [HeldBundles], jobHasEnded: (JobID) -> Bool, at now: Instant, time: WallTime,
        _ sink: (Action) -> Void
    ) {
        nodes[id] = NodeRoom(total: total.plain, free: available.plain, reclaimable: available.plain)
        if now < adoptsUntil { for group in removedBefore.sorted() { sink(.tellRemoved(group, on: id)) } } else { removedBefore = [] }
        // It may have missed what it was told before.
        for entry in entries.values.filter({ $0.bundles.contains { $0.node == id } }).sorted(by: { $0.number < $1.number }) {
            let group = entry.specification.id
            let known = Set(held.filter { $0.specification.id == group && $0.isCommitted }.flatMap(\.indices))
            forget(id, of: group, keeping: known, at: now, sink)
        }
        for bundles in held {
            let group = bundles.specification.id
            adopt(bundles, jobHasEnded, at: now, time: time, sink)
            guard let entry = entries[group], entry.state != .removed else {
                sink(.removed(bundles.specification))
                continue
            }
            let mine = bundles.indices.filter { entry.bundles.indices.contains($0) && (entry.bundles[$0] == .unplaced || entry.bundles[$0].node == id) }
            guard bundles.isCommitted else {
                sink(.abandon(group, on: id, attempt: .max))
                continue
            }
            guard mine.count == bundles.indices.count else {
                forget(id, of: group, keeping: [], at: now, sink)
                sink(.drop(group, on: id))
                continue
            }
            for index in mine { entries[group]!.bundles[index] = .reserved(id) }
            settle(group, sink)
        }
        waiting = entries.values.filter { $0.state != .removed && $0.bundles.contains(.unplaced) }.sorted { $0.number < $1.number }.map(\.specification.id)
        place(at: now, sink)
    }

    /// A node holds bundles of a group that is not known: at the start of a head, one that the former head had not stored when it died.
    private mutating func adopt(
        _ bundles: HeldBundles, _ jobHasEnded: (JobID) -> Bool, at now: Instant, time: WallTime, _ sink: (Action) -> Void
    ) {
        let specification = bundles.specification
        guard entries[specification.id] == nil, bundles.isCommitted, now < adoptsUntil, !removedBefore.contains(specification.id) else { return }
        if specification.lifetime == .job, !specification.isOwnedByActor, jobHasEnded(specification.job) { return }
        if let name = specification.name, names[FullName(name: name, namespace: specification.namespace)] != nil { return }
        add(specification, createdAt: time)
        // Other nodes may hold the rest.
        delay(specification.id, until: adoptsUntil)
        sink(.persist(specification))
    }

    /// A heartbeat: what the node has free now.
    /// `reclaimable`: what it would have free if no lease were active, if that is more.
    package mutating func nodeUpdated(
        _ id: NodeID, available: Resources, reclaimable: Resources? = nil, at now: Instant, _ sink: (Action) -> Void
    ) {
        guard nodes[id] != nil else { return }
        nodes[id]!.free = available.plain
        nodes[id]!.reclaimable = (reclaimable ?? available).plain
        // What it was asked to set aside and has not said anything about may not be counted yet.
        for group in inPreparation {
            guard let entry = entries[group] else { continue }
            for (index, bundle) in entry.bundles.enumerated() {
                if case .preparing(id, _) = bundle { nodes[id]!.free -= entry.specification.bundles[index] }
            }
        }
        place(at: now, sink)
    }

    package mutating func nodeUsable(_ id: NodeID, _ isUsable: Bool, at now: Instant, _ sink: (Action) -> Void) {
        nodes[id]?.isUsable = isUsable
        if isUsable { place(at: now, sink) }
    }

    /// A node is gone, and every bundle on it.
    package mutating func nodeDied(_ id: NodeID, at now: Instant, _ sink: (Action) -> Void) {
        nodes[id] = nil
        for group in entries.values.filter({ $0.bundles.contains { $0.node == id } }).sorted(by: { $0.number < $1.number }).map(\.specification.id) {
            forget(id, of: group, keeping: [], at: now, sink)
        }
        place(at: now, sink)
    }

    /// The node set the bundles aside, or refused.
    package mutating func prepared(
        _ id: PlacementGroupID, on node: NodeID, attempt: UInt64, refusal: MantaError?, at now: Instant, _ sink: (Action) -> Void
    ) {
        guard let entry = entries[id], entry.bundles.contains(.preparing(node, attempt: attempt)) else {
            // The attempt was given up, or the group removed, while the node answered.
            if refusal == nil { sink(.abandon(id, on: node, attempt: attempt)) }
            return
        }
        if let refusal {
            giveUp(id, attempt: attempt, except: node, sink)
            entries[id]!.reason = "node \(node.short) did not set its bundles aside: \(refusal.message)"
            delay(id, until: now + Self.refusalPause)
            return
        }
        for index in entry.bundles.indices where entry.bundles[index] == .preparing(node, attempt: attempt) {
            entries[id]!.bundles[index] = .prepared(node, attempt: attempt)
        }
        noteProgress(id)
        commitIfPrepared(id, sink)
    }

    private mutating func commitIfPrepared(_ id: PlacementGroupID, _ sink: (Action) -> Void) {
        guard let entry = entries[id] else { return }
        let isReady = entry.bundles.allSatisfy {
            switch $0 {
            case .prepared, .committing, .reserved: true
            case .unplaced, .preparing: false
            }
        }
        guard isReady else { return }
        var byNode: [NodeID: (indices: [Int], attempt: UInt64)] = [:]
        for (index, bundle) in entry.bundles.enumerated() {
            guard case .prepared(let node, let attempt) = bundle else { continue }
            byNode[node, default: ([], attempt)].indices.append(index)
            entries[id]!.bundles[index] = .committing(node, attempt: attempt)
        }
        for (node, part) in byNode.sorted(by: { $0.key < $1.key }) { sink(.commit(id, part.indices, on: node, attempt: part.attempt)) }
    }

    /// The node made the bundles usable; false: it does not know of them any more.
    package mutating func committed(
        _ id: PlacementGroupID, on node: NodeID, attempt: UInt64, success: Bool, at now: Instant, _ sink: (Action) -> Void
    ) {
        guard let entry = entries[id] else { return }
        for index in entry.bundles.indices where entry.bundles[index] == .committing(node, attempt: attempt) {
            entries[id]!.bundles[index] = success ? .reserved(node) : .unplaced
        }
        if !success { waitAgain(id, at: now, sink) }
        settle(id, sink)
    }

    /// Answers those who wait for a group that is whole.
    private mutating func settle(_ id: PlacementGroupID, _ sink: (Action) -> Void) {
        guard let entry = entries[id], entry.state != .created, entry.state != .removed else { return }
        guard entry.bundles.allSatisfy({ if case .reserved = $0 { true } else { false } }) else { return }
        entries[id]!.state = .created
        entries[id]!.lacksSince = nil
        entries[id]!.reason = nil
        let waiters = entry.waiters
        entries[id]!.waiters = []
        let status = status(entries[id]!)
        for token in waiters { sink(.answer(token, .success(status))) }
    }

    /// One node refused: the others let go of what they set aside in this attempt.
    private mutating func giveUp(_ id: PlacementGroupID, attempt: UInt64, except refuser: NodeID?, _ sink: (Action) -> Void) {
        guard let entry = entries[id] else { return }
        var told: Set<NodeID> = []
        for (index, bundle) in entry.bundles.enumerated() {
            switch bundle {
            case .preparing(let node, attempt), .prepared(let node, attempt):
                nodes[node]?.free += entry.specification.bundles[index]
                entries[id]!.bundles[index] = .unplaced
                if node != refuser, told.insert(node).inserted { sink(.abandon(id, on: node, attempt: attempt)) }
            default: break
            }
        }
        noteProgress(id)
        putInLine(id)
    }

    private mutating func noteProgress(_ id: PlacementGroupID) {
        let isPreparing = entries[id]?.bundles.contains { if case .preparing = $0 { true } else { false } } ?? false
        if !isPreparing { inPreparation.remove(id) }
    }

    /// The node no longer has the group's bundles, except for those to keep: they must be placed again, with everything of the same attempt.
    private mutating func forget(
        _ node: NodeID, of id: PlacementGroupID, keeping kept: Set<Int>, at now: Instant, _ sink: (Action) -> Void
    ) {
        guard let entry = entries[id], entry.state != .removed else { return }
        var isHit = false
        for (index, bundle) in entry.bundles.enumerated() where bundle.node == node && !kept.contains(index) {
            isHit = true
            switch bundle {
            case .preparing(_, let attempt), .prepared(_, let attempt): giveUp(id, attempt: attempt, except: node, sink)
            default: entries[id]!.bundles[index] = .unplaced
            }
        }
        if isHit { waitAgain(id, at: now, sink) }
    }

    private mutating func waitAgain(_ id: PlacementGroupID, at now: Instant, _ sink: (Action) -> Void) {
        guard let entry = entries[id] else { return }
        if entry.state == .created {
            entries[id]!.state = .rescheduling
            entries[id]!.reason = "a node with some of its bundles was lost"
        }
        putInLine(id)
    }

    private mutating func putInLine(_ id: PlacementGroupID) {
        guard !waiting.contains(id) else { return }
        waiting.append(id)
        waiting.sort { entries[$0]!.number < entries[$1]!.number }
    }

    /// Does what is due.
    package mutating func tick(at now: Instant, _ sink: (Action) -> Void) {
        if let recoveryEnd, recoveryEnd <= now { recoveryIsComplete(at: now, sink) }
        place(at: now, sink)
        if failsInfeasible { failInfeasible(at: now, sink) }
    }
}
