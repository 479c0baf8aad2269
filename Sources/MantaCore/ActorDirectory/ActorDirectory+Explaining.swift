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
        case .dead(let cause): lines.append("it died (\(cause.kind.rawValue)): \(cause.detail)")
        }
        if let choice = entry.choice { lines.append(choice) }
        let allowed = specification.maxRestarts < 0 ? "without end" : "\(specification.maxRestarts) times"
        if entry.restarts > 0 || !entry.ends.isEmpty { lines.append("it was restarted \(entry.restarts) times; it may be restarted \(allowed)") }
        for end in entry.ends { lines.append("an incarnation ended: \(end)") }
        return lines
    }

    /// Why the node was chosen.
    func choice(of node: NodeID, for specification: ActorSpecification) -> String {
        let rule = specification.scheduling?.rule ?? .standard
        let able = nodes.filter {
            rule.allows($0.key, labels: $0.value.labels) && $0.value.total.covers(specification.resources)
                && $0.value.total.covers(specification.placementResources)
        }
        let load = nodes[node].map { "which had \($0.actorCount) actors and \($0.free(Resources.cpu)) CPU free" } ?? ""
        return "it was put on node \(node.short), \(load): of \(able.count) nodes that could hold it (\(rule.sentence)), those with room and the fewest actors come first"
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
