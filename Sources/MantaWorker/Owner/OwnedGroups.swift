// OwnedGroups: the placement groups that this process made, as far as the head may have to be told of them again.
//
// The head answers for a group that is not detached before its store has it: a head that is killed at that moment knows nothing of it when it is back, or of
// its removal. So whoever made or removed such a group says it again to every head it meets. Each is said once by whoever knows it best, and saying it
// twice changes nothing. Groups without a name that end with their job are made and removed without waiting for the head, which hears of all in order.

import DequeModule
import MantaLoop
import MantaModel
import MantaTransport
import MantaWire
import OrderedCollections

/// Confined to the loop, like its owner.
struct OwnedGroups {
    private var made: [PlacementGroupID: PlacementGroupSpecification] = [:]
    /// The latest removals by this process, the oldest first.
    private var removals: Deque<PlacementGroupID> = []
    /// Why the head refused the latest ones that it did not register, the oldest first.
    private var refusals: OrderedDictionary<PlacementGroupID, MantaError> = [:]

    /// A head stores what it hears within a moment; more removals than this do not happen meanwhile. Refusals are asked for at once.
    private static let remembered = 1_000

    var ownsAny: Bool { !made.isEmpty }

    /// A group that ends with this process's job was registered, or will be.
    mutating func made(_ specification: PlacementGroupSpecification) { made[specification.id] = specification }

    func owns(_ id: PlacementGroupID) -> Bool { made[id] != nil }

    /// The head did not register it.
    mutating func refused(_ id: PlacementGroupID, _ error: MantaError) {
        made[id] = nil
        refusals[id] = error
        if refusals.count > Self.remembered { refusals.removeFirst() }
    }

    /// Why there is no such group, when the head said so.
    func refusal(of id: PlacementGroupID) -> MantaError? { refusals[id] }

    /// Whoever removed it, the head knows.
    mutating func removed(_ id: PlacementGroupID) { made[id] = nil }

    /// This process removed it.
    mutating func remove(_ id: PlacementGroupID) {
        removed(id)
        removals.append(id)
        if removals.count > Self.remembered { removals.removeFirst() }
    }

    /// The head may be a new one.
    func sayAgain(on head: Link) {
        for id in removals { head.request(RemoveGroup(group: id)) { _ in } }
        for specification in made.values { head.request(CreateGroup(specification: specification, isRepeated: true)) { _ in } }
    }
}

extension Owner {
    private static var groupPause: Duration { .seconds(1) }

    /// Registers a group that has no name and ends with its job. Nobody waits for that: who asks whether it is ready hears if it was refused.
    func register(_ specification: PlacementGroupSpecification) {
        var specification = specification
        specification.isOwnedByActor = execution.actors.areDetached
        ownedGroups.made(specification)
        askToRegister(specification)
        // Most who make a group wait for it next.
        askWhetherReady(specification.id)
    }

    private func askToRegister(_ specification: PlacementGroupSpecification) {
        headLink.request(CreateGroup(specification: specification)) { [self] result in
            guard case .failure(let error) = result, ownedGroups.owns(specification.id) else { return }
            guard error.code == .timeout || error.code == .unavailable else { return ownedGroups.refused(specification.id, error) }
            loop.schedule(after: Self.groupPause) { [self] in
                if ownedGroups.owns(specification.id) { askToRegister(specification) }
            }
        }
    }

    /// Removes such a group. A head that is away hears of it when it is back.
    func remove(_ id: PlacementGroupID) {
        ownedGroups.remove(id)
        askToRemove(id)
    }

    private func askToRemove(_ id: PlacementGroupID) {
        headLink.request(RemoveGroup(group: id)) { [self] result in
            guard case .failure(let error) = result, error.code == .timeout || error.code == .unavailable else { return }
            loop.schedule(after: Self.groupPause) { [self] in askToRemove(id) }
        }
    }
}
