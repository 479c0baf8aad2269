// ActorDirectory+Placing: finding a node for an actor that has none: the policy, what nodes have free, and the reason while there is none.
//
// What a node has free is what it said last, less what was given to actors since. But tasks come and go, and a node takes resources back from them for an
// actor that waits there; so an actor that fits beside the other actors of a node may go there although tasks hold everything at the moment.

package import MantaModel

/// A node, as a placement policy sees it.
package struct NodeLoad: Hashable, Sendable {
    package let total: Resources
    /// As the node said last.
    package private(set) var available: Resources
    package var isUsable = true
    /// Actors that are there or on their way, and what they hold for life.
    private var actors: [ActorID: Resources] = [:]
    /// Actors that `available` does not count yet; true: the first heartbeat from now on does.
    private var uncounted: [ActorID: Bool] = [:]
    // Sums of the two, so that placing one of many actors costs no more than placing the first.
    private var held = Resources()
    private var heldUncounted = Resources()

    init(total: Resources, available: Resources) { (self.total, self.available) = (total, available) }

    package var actorCount: Int { actors.count }

    /// How much of a resource nobody holds now.
    package func free(_ name: String) -> ResourceAmount { ResourceAmount(units: available[name].units - heldUncounted[name].units) }

    /// Whether nobody holds any of what is asked for.
    package func hasFree(_ demand: Resources) -> Bool { demand.amounts.allSatisfy { free($0.key) >= $0.value } }

    /// Whether no actor holds any of what is asked for.
    package func hasFreeOfActors(_ demand: Resources) -> Bool {
        demand.amounts.allSatisfy { total[$0.key].units - held[$0.key].units >= $0.value.units }
    }

    /// An actor is sent there.
    mutating func assign(_ actor: ActorID, _ resources: Resources) {
        found(actor, resources)
        if uncounted.updateValue(false, forKey: actor) == nil { heldUncounted += resources }
    }

    /// An actor is there, known to be counted or assigned before.
    mutating func found(_ actor: ActorID, _ resources: Resources) {
        if actors.updateValue(resources, forKey: actor) == nil { held += resources }
    }

    mutating func accepted(_ actor: ActorID) { if uncounted[actor] != nil { uncounted[actor] = true } }

    mutating func release(_ actor: ActorID) {
        guard let resources = actors.removeValue(forKey: actor) else { return }
        held -= resources
        if uncounted.removeValue(forKey: actor) != nil { heldUncounted -= resources }
    }

    /// A heartbeat.
    mutating func update(available: Resources) {
        self.available = available
        for (actor, isAccepted) in uncounted where isAccepted {
            uncounted[actor] = nil
            heldUncounted -= actors[actor] ?? Resources()
        }
    }
}

/// Chooses a node for an actor.
package protocol ActorPlacement: Sendable {
    /// The node, or why there is none.
    func choose(for specification: ActorSpecification, among nodes: [NodeID: NodeLoad]) -> ActorChoice
}

package enum ActorChoice: Hashable, Sendable {
    case node(NodeID)
    case wait(reason: String)
}

/// Nodes where the actor fits now come first, then those where it fits beside the other actors; among them the one with the fewest actors, then the
/// most free CPU.
package struct LeastLoadedPlacement: ActorPlacement {
    package init() {}

    private struct Candidate {
        var id: NodeID
        var fitsNow: Bool
        var actors: Int
        var free: Int64

        func isBetter(than other: Candidate) -> Bool {
            (fitsNow ? 0 : 1, actors, -free, id) < (other.fitsNow ? 0 : 1, other.actors, -other.free, other.id)
        }
    }

    package func choose(for specification: ActorSpecification, among nodes: [NodeID: NodeLoad]) -> ActorChoice {
        var best: Candidate?
        var couldEver = false
        for (id, node) in nodes where node.total.covers(specification.resources) && node.total.covers(specification.placementResources) {
            couldEver = true
            guard node.isUsable, node.hasFreeOfActors(specification.resources) else { continue }
            let candidate = Candidate(
                id: id, fitsNow: node.hasFree(specification.resources) && node.hasFree(specification.placementResources), actors: node.actorCount,
                free: node.free(Resources.cpu).units)
            if best.map(candidate.isBetter) ?? true { best = candidate }
        }
        if let best { return .node(best.id) }
        let needs = specification.resources.isEmpty ? specification.placementResources : specification.resources
        if !nodes.values.contains(where: \.isUsable) { return .wait(reason: "no node is alive") }
        return couldEver
            ? .wait(reason: "it needs \(needs), which other actors hold on every node that has it")
            : .wait(reason: "it needs \(needs), which no node of the cluster has at all; add such a node or ask for less")
    }
}

extension ActorDirectory {
    /// Places one waiting actor, if a node fits.
    mutating func place(_ id: ActorID, at now: Instant, _ sink: (Action) -> Void) {
        guard let entry = entries[id], case .waiting(let notBefore) = entry.phase, notBefore <= now else { return }
        switch placement.choose(for: entry.specification, among: nodes) {
        case .node(let node):
            move(id, to: .placing(on: node, accepted: false))
            nodes[node]?.assign(id, entry.specification.resources)
            sink(.place(entry.specification, restarts: entry.restarts, on: node))
        case .wait(let reason):
            entries[id]?.reason = reason
            timers[id] = nil
        }
    }

    /// Places what waits, in the order in which it began to. A shape that did not fit is not tried again in the same round.
    mutating func placeWaiting(at now: Instant, _ sink: (Action) -> Void) {
        guard !waiting.isEmpty else { return }
        struct Shape: Hashable {
            var resources: Resources
            var placementResources: Resources
        }
        var reasons: [Shape: String] = [:]
        var seen: Set<ActorID> = []
        defer { waiting = waiting.filter { if case .waiting = entries[$0]?.phase { seen.insert($0).inserted } else { false } } }
        for id in waiting {
            guard let specification = entries[id]?.specification, case .waiting = entries[id]?.phase else { continue }
            let shape = Shape(resources: specification.resources, placementResources: specification.placementResources)
            if let reason = reasons[shape] {
                entries[id]?.reason = reason
                continue
            }
            place(id, at: now, sink)
            if case .waiting(let notBefore) = entries[id]?.phase, notBefore <= now, let reason = entries[id]?.reason { reasons[shape] = reason }
        }
    }
}
