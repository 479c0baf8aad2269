// OwnedGroups: the placement groups that this process made, as far as the head may have to be told of them again.
//
// The head answers for a group that is not detached before its store has it: a head that is killed at that moment knows nothing of it when it is back, or of
// its removal. So whoever made or removed such a group says it again to every head it meets. Each is said once by whoever knows it best, and saying it
// twice changes nothing.

import DequeModule
import MantaModel
import MantaTransport
import MantaWire

/// Confined to the loop, like its owner.
struct OwnedGroups {
    private var made: [PlacementGroupID: PlacementGroupSpecification] = [:]
    /// The latest removals by this process, the oldest first.
    private var removals: Deque<PlacementGroupID> = []

    /// A head stores what it hears within a moment; more removals than this do not happen meanwhile.
    private static let rememberedRemovals = 1_000

    var ownsAny: Bool { !made.isEmpty }

    /// A group that ends with this process's job was registered.
    mutating func made(_ specification: PlacementGroupSpecification) { made[specification.id] = specification }

    /// Whoever removed it, the head knows.
    mutating func removed(_ id: PlacementGroupID) { made[id] = nil }

    /// This process removed it.
    mutating func remove(_ id: PlacementGroupID) {
        removed(id)
        removals.append(id)
        if removals.count > Self.rememberedRemovals { removals.removeFirst() }
    }

    /// The head may be a new one.
    func sayAgain(on head: Link) {
        for id in removals { head.request(RemoveGroup(group: id)) { _ in } }
        for specification in made.values { head.request(CreateGroup(specification: specification, isRepeated: true)) { _ in } }
    }
}
