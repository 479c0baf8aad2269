// PlacementGroupBook+Removing: how groups end: asked for, with their job, or with the process that made them.

package import MantaModel

extension PlacementGroupBook {
    /// The job is over: its groups go, except for the detached ones and those of detached actors.
    package mutating func jobEnded(_ job: JobID, at now: Instant, _ sink: (Action) -> Void) {
        removeAll(because: "its job ended", at: now, sink) { $0.job == job && $0.lifetime == .job && !$0.isOwnedByActor }
    }

    /// A process is gone: the groups that it made go too, except for the detached ones.
    package mutating func ownerDied(_ process: ProcessID, at now: Instant, _ sink: (Action) -> Void) {
        removeAll(because: "the process that made it is gone", at: now, sink) { $0.owner.process == process && $0.lifetime == .job }
    }

    /// The processes whose end ends a group.
    package var owners: [ProcessID] {
        entries.values.filter { $0.state != .removed && $0.specification.lifetime == .job }.map(\.specification.owner.process)
    }

    private mutating func removeAll(
        because reason: String, at now: Instant, _ sink: (Action) -> Void, where isMeant: (PlacementGroupSpecification) -> Bool
    ) {
        let gone = entries.values.filter { $0.state != .removed && isMeant($0.specification) }.sorted { $0.number < $1.number }
        guard !gone.isEmpty else { return }
        for entry in gone { remove(entry.specification.id, because: reason, sink) }
        place(at: now, sink)
    }

    /// Ends groups that wait for what can never be.
    mutating func failInfeasible(at now: Instant, _ sink: (Action) -> Void) {
        for id in waiting {
            guard let entry = entries[id], entry.specification.lifetime == .job, let since = entry.infeasibleSince, since + Limits.doubtPatience <= now, let reason = entry.reason
            else { continue }
            entries[id]!.failure = MantaError(.unschedulable, "placement group \(id.short) ended: \(reason)")
            remove(id, because: reason, sink)
        }
    }

    mutating func remove(_ id: PlacementGroupID, because reason: String, _ sink: (Action) -> Void) {
        guard let entry = entries[id], entry.state != .removed else { return }
        if let name = entry.specification.name { names[FullName(name: name, namespace: entry.specification.namespace)] = nil }
        for (index, bundle) in entry.bundles.enumerated() {
            if let node = bundle.node { nodes[node]?.free += entry.specification.bundles[index] }
        }
        entries[id]!.state = .removed
        entries[id]!.reason = reason
        entries[id]!.bundles = entry.bundles.map { _ in .unplaced }
        (entries[id]!.lacksSince, entries[id]!.infeasibleSince) = (nil, nil)
        entries[id]!.waiters = []
        waiting.removeAll { $0 == id }
        inPreparation.remove(id)
        sink(.forget(id))
        sink(.removed(entry.specification))
        for token in entry.waiters { sink(.answer(token, .failure(entry.failure ?? Self.gone(id)))) }
        removed.append(id)
        if removed.count > Self.removedLimit { entries[removed.removeFirst()] = nil }
    }
}
