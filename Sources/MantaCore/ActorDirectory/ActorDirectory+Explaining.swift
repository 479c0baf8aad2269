// ActorDirectory+Explaining: what is known of an actor, in sentences: where it is and why there, what it waits for, how its incarnations ended.

package import MantaModel

extension ActorDirectory {
    /// Ends of incarnations that are remembered.
    static var rememberedEnds: Int { 5 }

    /// Nil when it is not known.
    package func explain(_ id: ActorID) -> [String]? {
        guard let entry = entries[id] else { return nil }
        let specification = entry.specification
        let status = status(entry)
        let name = specification.name.map { ", named \"\($0)\" in namespace \"\(specification.namespace)\"" } ?? ""
        var lines = ["actor \(id) of type \(specification.type)\(name) is \(status.state.rawValue)"]
        switch entry.phase {
        case .alive(let node, _, let pid, _): lines.append("it lives in process \(pid) on node \(node.short) and holds \(specification.resources)")
        case .placing(let node, let accepted): lines.append("node \(node.short) was told to run it and \(accepted ? "starts it" : "has not answered yet")")
        case .waiting, .backingOff: lines.append("it waits: \(entry.reason ?? "it will be placed in the next round")")
        case .storing: lines.append("it waits for the store: a detached actor is made when it is durable")
        case .awaited: lines.append("it was known before the head's restart; the nodes have not said yet whether it lives")
        case .dead(let cause, _): lines.append("it died (\(cause.kind.rawValue)): \(cause.detail)")
        }
        if let choice = entry.choice { lines.append(Self.sentence(about: choice, specification)) }
        let allowed = specification.maxRestarts < 0 ? "without end" : "\(specification.maxRestarts) times"
        if entry.restarts > 0 || !entry.story.ends.isEmpty { lines.append("it was restarted \(entry.restarts) times; it may be restarted \(allowed)") }
        for end in entry.story.ends { lines.append("an incarnation ended: \(end)") }
        return lines
    }

    /// What is known now that the node is chosen.
    func choice(of node: NodeID, for specification: ActorSpecification) -> Choice {
        let rule = specification.scheduling?.rule ?? .standard
        var able = 0
        for (id, load) in nodes where rule.allows(id, labels: load.labels) && load.total.covers(specification.resources) && load.total.covers(specification.placementResources) {
            able += 1
        }
        return Choice(node: node, actors: nodes[node]?.actorCount ?? 0, free: nodes[node]?.free(Resources.cpu) ?? 0, able: able)
    }

    /// Why the node was chosen.
    private static func sentence(about choice: Choice, _ specification: ActorSpecification) -> String {
        let rule = specification.scheduling?.rule ?? .standard
        let load = "which had \(choice.actors) actors and \(choice.free) CPU free"
        return "it was put on node \(choice.node.short), \(load): of \(choice.able) nodes that could hold it (\(rule.sentence)), those with room and the fewest actors come first"
    }
}

extension PlacementGroupBook {
    /// Nil when it is not known.
    package func explain(_ id: PlacementGroupID) -> [String]? {
        guard let entry = entries[id] else { return nil }
        let specification = entry.specification
        let name = specification.name.map { ", named \"\($0)\" in namespace \"\(specification.namespace)\"" } ?? ""
        var lines = ["placement group \(id)\(name) (\(specification.strategy.rawValue)) is \(entry.state.rawValue)\(entry.reason.map { ": \($0)" } ?? "")"]
        for (index, bundle) in entry.bundles.enumerated() {
            let place =
                switch bundle {
                case .unplaced: entry.state == .removed ? "free" : "waits for a node"
                case .preparing(let node, _): "node \(node.short) was asked to set it aside"
                case .prepared(let node, _): "set aside on node \(node.short) until all are"
                case .committing(let node, _): "about to be usable on node \(node.short)"
                case .reserved(let node): "reserved on node \(node.short)"
                }
            lines.append("bundle \(index), \(specification.bundles[index]): \(place)")
        }
        return lines
    }
}
