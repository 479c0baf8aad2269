// Runtime+Groups: placement groups as a program makes, finds, awaits and removes them. See OwnedGroups for how the head hears of them.

import MantaLoop
package import MantaModel
import MantaWire
import Synchronization

/// What is known of placement groups on every thread, so that nobody need ask the loop for it.
struct GroupNotes {
    /// Those that were registered without waiting for the head.
    var nameless: Set<PlacementGroupID> = []
    /// When the head said last that they are ready.
    var ready: [PlacementGroupID: Instant] = [:]

    /// How long the head's word is taken for what is so: it would not have noticed the loss of a node within that time either.
    static let freshness: Duration = .seconds(1)
    static let remembered = 1_000
}

extension Runtime {
    /// A group without a name that ends with its job is registered without waiting for the head: what is submitted to it from here on comes after it.
    package func createGroup(
        bundles: [Resources], strategy: PlacementStrategy, name: String?, namespace: String?, lifetime: ActorLifetime
    ) async throws -> PlacementGroupSpecification {
        var specification = PlacementGroupSpecification(
            id: .random(), bundles: bundles, strategy: strategy, name: name, namespace: namespace ?? self.namespace, lifetime: lifetime, job: job,
            owner: address, isOwnedByActor: false)
        if let complaint = specification.complaint { throw MantaError(.invalidArgument, complaint) }
        if name == nil, lifetime == .job {
            groups.withLock { _ = $0.nameless.insert(specification.id) }
            post(.registerGroup(specification))
            return specification
        }
        specification.isOwnedByActor = try await onLoop { $0.execution.actors.areDetached }
        let created = try await head(CreateGroup(specification: specification)).specification
        if lifetime == .job { try await onLoop { $0.ownedGroups.made(created) } }
        return created
    }

    package func findGroup(name: String, namespace: String?) async throws -> PlacementGroupSpecification {
        try await head(FindGroup(name: name, namespace: namespace ?? self.namespace)).specification
    }

    package func removeGroup(_ id: PlacementGroupID) async throws {
        if groupIsRemoved(id) { return post(.removeGroup(id)) }
        _ = try await head(RemoveGroup(group: id))
        try await onLoop { $0.ownedGroups.remove(id) }
    }

    /// A handle that is settled with the value when the group is created, or fails when it is removed.
    package func whenReady(_ id: PlacementGroupID, value: [UInt8]) -> ObjectHandle {
        if wasReadyJustNow(id) { return put(EncodedValue(bytes: value)) }
        let handle = ObjectHandle(id: ObjectID(task: nextTaskID(), index: 0), owner: address, keeper: self)
        loop.execute { self.owner.awaitGroup(id, value, handle) }
        return handle
    }

    /// The head said so within the second, in which it would not have noticed the loss of a node either.
    private func wasReadyJustNow(_ id: PlacementGroupID) -> Bool {
        groups.withLock { $0.ready[id] }.map { EventLoop.clock() - $0 < GroupNotes.freshness } ?? false
    }

    /// Whether it was registered without waiting for the head.
    @discardableResult
    func groupIsRemoved(_ id: PlacementGroupID) -> Bool {
        groups.withLock { groups in
            groups.ready[id] = nil
            return groups.nameless.remove(id) != nil
        }
    }

    func groupIsReady(_ id: PlacementGroupID) {
        let now = EventLoop.clock()
        groups.withLock { groups in
            // It may have been removed while the answer was on its way.
            guard groups.nameless.contains(id) else { return }
            if groups.ready.count >= GroupNotes.remembered { groups.ready = groups.ready.filter { now - $0.value < GroupNotes.freshness } }
            groups.ready[id] = now
        }
    }
}
