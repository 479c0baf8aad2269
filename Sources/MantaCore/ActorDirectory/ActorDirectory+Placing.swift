// ActorDirectory+Placing: finding a node for an actor that has none: the policy, what nodes have free, and the reason while there is none.
//
// What a node has free is what it said last, less what was given to actors since: an actor's resources are held back here until the first heartbeat
// behind the node's acceptance, which already counts them.

package import MantaModel

/// A node, as a placement policy sees it.
package struct NodeLoad: Hashable, Sendable {
    private struct Reservation: Hashable, Sendable {
        var resources: Resources
        var isAccepted: Bool
    }
    package let total: Resources
    package private(set) var available: Resources
    package var isUsable = true
    /// Actors that are there or on their way.
    package private(set) var actors: Set<ActorID> = []
    private var reservations: [ActorID: Reservation] = [:]

    init(total: Resources, available: Resources) { (self.total, self.available) = (total, available) }

    /// What can be given to an actor now.
    package var free: Resources {
        var free = available
        for reservation in reservations.values { free -= reservation.resources }
        return free
    }

    mutating func reserve(_ actor: ActorID, _ resources: Resources) {
        actors.insert(actor)
        reservations[actor] = Reservation(resources: resources, isAccepted: false)
    }
    mutating func hold(_ actor: ActorID) { actors.insert(actor) }
    mutating func accepted(_ actor: ActorID) { reservations[actor]?.isAccepted = true }
    mutating func release(_ actor: ActorID) {
        actors.remove(actor)
        reservations[actor] = nil
    }
    mutating func update(available: Resources) {
        self.available = available
        reservations = reservations.filter { !$0.value.isAccepted }
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

/// The node with the fewest actors, then the most free, among those where the actor fits. What an actor needs only for the moment of placing
/// (`placementResources`) is not held, so when it is free nowhere a node that has it at all will do: an actor without lifelong needs never waits
/// for busy tasks.
package struct LeastLoadedPlacement: ActorPlacement {
    package init() {}

    package func choose(for specification: ActorSpecification, among nodes: [NodeID: NodeLoad]) -> ActorChoice {
        var best: (id: NodeID, fitsNow: Bool, actors: Int, free: Int64)?
        var couldEver = false
        for (id, node) in nodes {
            guard node.total.covers(specification.resources), node.total.covers(specification.placementResources) else { continue }
            couldEver = true
            let free = node.free
            guard node.isUsable, free.covers(specification.resources) else { continue }
            let candidate = (id: id, fitsNow: free.covers(specification.placementResources), actors: node.actors.count, free: free[Resources.cpu].units)
            guard let current = best else {
                best = candidate
                continue
            }
            if (candidate.fitsNow ? 0 : 1, candidate.actors, -candidate.free, candidate.id) < (current.fitsNow ? 0 : 1, current.actors, -current.free, current.id) {
                best = candidate
            }
        }
        if let best { return .node(best.id) }
        let needs = specification.resources.isEmpty ? specification.placementResources : specification.resources
        if nodes.isEmpty { return .wait(reason: "no node is alive") }
        return couldEver
            ? .wait(reason: "it needs \(needs), which no node has free now")
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
            reserve(id, on: node)
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

    mutating func reserve(_ id: ActorID, on node: NodeID) {
        guard let entry = entries[id] else { return }
        nodes[node]?.reserve(id, entry.specification.resources)
    }
}
