// ActorDirectory+Placing: finding a node for an actor that has none: the policy, what nodes have free, and the reason while there is none.
//
// What a node has free is what it said last, less what was given to actors since. But tasks come and go, and a node takes resources back from them for an
// actor that waits there; so an actor that fits beside the other actors of a node may go there although tasks hold everything at the moment.

package import MantaModel

/// A node, as a placement policy sees it.
package struct NodeLoad: Hashable, Sendable {
    package private(set) var total: Resources
    package let labels: [String: String]
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

    init(total: Resources, available: Resources, labels: [String: String] = [:]) {
        (self.total, self.available, self.labels) = (total, available, labels)
    }

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

    /// It has more, and nobody holds that.
    mutating func gain(_ resources: Resources) {
        total += resources
        available += resources
    }

    /// A heartbeat; `total`: what the node has, when that is not what it registered with.
    mutating func update(available: Resources, total: Resources? = nil) {
        self.available = available
        self.total = total ?? self.total.plain
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
    /// `isInfeasible`: no node of the cluster has what it needs.
    case wait(reason: String, isInfeasible: Bool = false)
    /// No node may ever run it.
    case never(reason: String)
}

/// Nodes where the actor fits now come first, then those where it fits beside the other actors; among them the one with the fewest actors, then the
/// most free CPU.
package struct LeastLoadedPlacement: ActorPlacement {
    package init() {}

    private struct Candidate {
        var id: NodeID
        var isPreferred: Bool
        var fitsNow: Bool
        /// Its GPUs would be left unused.
        var wastesGPUs: Bool
        var actors: Int
        var free: Int64

        func isBetter(than other: Candidate) -> Bool {
            if isPreferred != other.isPreferred { return isPreferred }
            let (load, otherLoad) = ((fitsNow ? 0 : 1, wastesGPUs ? 1 : 0), (other.fitsNow ? 0 : 1, other.wastesGPUs ? 1 : 0))
            return load == otherLoad ? (actors, -free, id) < (other.actors, -other.free, other.id) : load < otherLoad
        }
    }

    package func choose(for specification: ActorSpecification, among nodes: [NodeID: NodeLoad]) -> ActorChoice {
        var best: Candidate?
        var couldEver = false
        let rule = specification.scheduling?.rule ?? .standard
        let isBound = Self.isBound(rule, specification, nodes)
        for (id, node) in nodes where rule.allows(id, labels: node.labels) && (!isBound || rule.prefers(id, labels: node.labels)) && node.total.covers(specification.resources) && node.total.covers(specification.placementResources) {
            couldEver = true
            guard node.isUsable, node.hasFreeOfActors(specification.resources) else { continue }
            let candidate = Candidate(
                id: id, isPreferred: rule.prefers(id, labels: node.labels), fitsNow: node.hasFree(specification.resources) && node.hasFree(specification.placementResources),
                wastesGPUs: node.total.wastesGPUs(on: specification.resources), actors: node.actorCount,
                free: node.free(Resources.cpu).units)
            if best.map(candidate.isBetter) ?? true { best = candidate }
        }
        if let best { return .node(best.id) }
        if case .node(let wanted, soft: false) = rule, !couldEver {
            let place = nodes[wanted].map { "has \($0.total.plain) and can never meet \(specification.resources)" } ?? "is not a living node of this cluster"
            return .never(reason: "it may run on node \(wanted.short) only, which \(place)")
        }
        let needs = specification.resources.isEmpty ? specification.placementResources : specification.resources
        if !nodes.values.contains(where: \.isUsable) { return .wait(reason: "no node is alive") }
        if case .labels = rule, !nodes.contains(where: { rule.allows($0.key, labels: $0.value.labels) }) {
            return .wait(reason: "it may run on \(rule.sentence), and there is none; start one, or ask for other labels", isInfeasible: true)
        }
        if let group = needs.group { return .wait(reason: "its placement group \(group.short) is not ready, or its bundles are full") }
        return couldEver
            ? .wait(reason: "it needs \(needs), which other actors hold on every node that has it")
            : .wait(reason: "it needs \(needs), which no node of the cluster has at all; add such a node or ask for less", isInfeasible: true)
    }
}

extension LeastLoadedPlacement {
    /// A soft wish for a node that could hold the actor: it waits for that node also while it is busy.
    private static func isBound(_ rule: PlacementRule, _ specification: ActorSpecification, _ nodes: [NodeID: NodeLoad]) -> Bool {
        guard case .node(let wanted, soft: true) = rule, let node = nodes[wanted] else { return false }
        return node.isUsable && node.total.covers(specification.resources) && node.total.covers(specification.placementResources)
    }
}

extension ActorDirectory {
    /// Places one waiting actor, if a node fits.
    mutating func place(_ id: ActorID, at now: Instant, _ sink: (Action) -> Void) {
        guard let entry = entries[id], case .waiting(let notBefore) = entry.phase, notBefore <= now else { return }
        switch placement.choose(for: entry.specification, among: nodes) {
        case .node(let node):
            let known = choice(of: node, for: entry.specification)
            entries[id]?.choice = known
            move(id, to: .placing(on: node, accepted: false))
            nodes[node]?.assign(id, entry.specification.resources)
            sink(.place(entry.specification, restarts: entry.restarts, on: node))
        case .never(let reason) where !isRecovering:
            lost(id, DeathCause(.unschedulable, reason), at: now, sink)
        case .wait(let reason, let isInfeasible):
            waits(id, because: reason, isInfeasible: isInfeasible, at: now)
            timers[id] = nil
        case .never(let reason):
            waits(id, because: reason, isInfeasible: false, at: now)
            timers[id] = nil
        }
    }

    private mutating func waits(_ id: ActorID, because reason: String, isInfeasible: Bool, at now: Instant) {
        entries[id]?.reason = reason
        let since = isInfeasible ? entries[id]?.infeasibleSince ?? now : nil
        entries[id]?.infeasibleSince = since
    }

    /// Tells the owners of actors that have waited for a while for what no node has; or those fail.
    mutating func tellInfeasible(at now: Instant, _ sink: (Action) -> Void) {
        for id in waiting {
            guard let entry = entries[id], !entry.story.isToldInfeasible, let since = entry.infeasibleSince, since + Limits.doubtPatience <= now, let reason = entry.reason
            else { continue }
            entries[id]?.story.isToldInfeasible = true
            if failsInfeasible, entry.specification.lifetime == .job {
                lost(id, DeathCause(.unschedulable, reason), at: now, sink)
                continue
            }
            sink(.infeasible(id, reason, owner: entry.specification.owner.process))
        }
    }

    /// Places what waits, in the order in which it began to. A shape that did not fit is not tried again in the same round.
    mutating func placeWaiting(at now: Instant, _ sink: (Action) -> Void) {
        guard !waiting.isEmpty else { return }
        struct Shape: Hashable {
            var resources: Resources
            var placementResources: Resources
            var scheduling: Scheduling?
        }
        var reasons: [Shape: (text: String, isInfeasible: Bool)] = [:]
        var seen: Set<ActorID> = []
        defer { waiting = waiting.filter { if case .waiting = entries[$0]?.phase { seen.insert($0).inserted } else { false } } }
        for id in waiting {
            guard let specification = entries[id]?.specification, case .waiting = entries[id]?.phase else { continue }
            let shape = Shape(
                resources: specification.resources, placementResources: specification.placementResources, scheduling: specification.scheduling)
            if let reason = reasons[shape] {
                waits(id, because: reason.text, isInfeasible: reason.isInfeasible, at: now)
                continue
            }
            place(id, at: now, sink)
            if case .waiting(let notBefore) = entries[id]?.phase, notBefore <= now, let reason = entries[id]?.reason { reasons[shape] = (reason, entries[id]?.infeasibleSince != nil) }
        }
    }
}
