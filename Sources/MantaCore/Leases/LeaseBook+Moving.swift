// Which node serves a request: this one, another one, or none ever; decided by the request's rule and what is known of the other nodes.

internal import DequeModule
package import MantaModel
internal import OrderedCollections

extension LeaseBook {
    enum Destination {
        /// It is served here, or waits here.
        case here
        case node(NodeView)
        /// No node may ever serve it.
        case nowhere(MantaError)
    }

    /// What is known of this node, as the others see it.
    var ownView: NodeView { NodeView(id: node, endpoint: "", total: total, available: available, labels: labels) }

    /// Where a request that may move belongs now. `waited`: since it came.
    mutating func destination(of demand: Resources, _ rule: PlacementRule, waited: Duration) -> Destination {
        switch rule {
        case .standard: return standardDestination(of: demand)
        case .spread: return spreadDestination(of: demand)
        case .labels: return labelledDestination(of: demand, rule)
        case .node(let wanted, let soft):
            let view = wanted == node ? ownView : views.first { $0.id == wanted }
            if let view, view.total.covers(demand) {
                guard view.id != node else { return .here }
                return view.state == .alive ? .node(view) : .here
            }
            if soft { return standardDestination(of: demand) }
            if let view {
                return .nowhere(MantaError(.unschedulable, "it may run on node \(wanted.short) only, which has \(view.total.plain) and can never meet \(demand)"))
            }
            // A node that has just come may not be known here yet.
            if waited < Limits.unknownNodePatience { return .here }
            return .nowhere(MantaError(.unschedulable, "it may run on node \(wanted.short) only, which is not a living node of this cluster"))
        }
    }

    /// To a node that has room now, or that can hold it when this node never can.
    private func standardDestination(of demand: Resources) -> Destination {
        guard !views.isEmpty, !demand.isEmpty, !(available.covers(demand) && total.covers(demand)) else { return .here }
        switch Placement.hybrid(preferring: nil).choose(for: demand, among: views) {
        case .room(let view): return .node(view)
        case .later(let view) where !total.covers(demand): return .node(view)
        case .later, .nowhere: return .here
        }
    }

    /// In turn over the nodes that have room, or else over those that will.
    private mutating func spreadDestination(of demand: Resources) -> Destination {
        let able = (views + [ownView]).filter { $0.canHold(demand) }.sorted { $0.id < $1.id }
        let free = able.filter { $0.hasRoom(for: demand) }
        let candidates = free.isEmpty ? able : free
        guard !candidates.isEmpty else { return .here }
        spreadTurn &+= 1
        let chosen = candidates[spreadTurn % candidates.count]
        return chosen.id == node ? .here : .node(chosen)
    }

    private func labelledDestination(of demand: Resources, _ rule: PlacementRule) -> Destination {
        let able = (views + [ownView]).filter { $0.canHold(demand) && rule.allows($0.id, labels: $0.labels) }
        let preferred = able.filter { rule.prefers($0.id, labels: $0.labels) }
        for candidates in [preferred.filter { $0.hasRoom(for: demand) }, able.filter { $0.hasRoom(for: demand) }, preferred, able] {
            if candidates.contains(where: { $0.id == node }) { return .here }
            if let chosen = Placement.hybrid(preferring: nil).choose(for: demand, among: candidates).node { return .node(chosen) }
        }
        return .here
    }

    /// Sends a waiting request where it belongs, or refuses it. False when it stays.
    mutating func move(_ id: LeaseID, at now: Instant, _ perform: (Action) -> Void) -> Bool {
        guard let lease = leases[id], lease.state == .waiting, lease.mayMove, let key = groups[lease.group]?.key else { return false }
        // Whose turn it was to be served here stays.
        if key.rule == .spread, total.covers(key.resources) { return false }
        switch destination(of: key.resources, key.rule, waited: now - lease.since) {
        case .here: return false
        case .node(let view):
            reserve(key.resources, on: view.id)
            let reason = key.rule.reason(for: view.id)
            end(id, .moved(view.address, reason), at: lease.since)
            perform(.move(id, to: view.address, reason, owner: lease.owner))
        case .nowhere(let error):
            end(id, .refused(error), at: lease.since)
            perform(.refuse(id, error, owner: lease.owner))
        }
        return true
    }

    /// Answers a new request that does not belong here; false when it does.
    mutating func passOn(_ request: LeaseRequest, _ perform: (Action) -> Void) -> Bool {
        guard request.mayMove else { return false }
        if request.rule == .standard { return request.avoiding == node && avoid(request, perform) }
        return answer(request, perform)
    }

    /// Memory ran out here under the request's tasks: another node that has room is better.
    private mutating func avoid(_ request: LeaseRequest, _ perform: (Action) -> Void) -> Bool {
        guard case .room(let view) = Placement.hybrid(preferring: nil).choose(for: request.resources, among: views) else { return false }
        sendTo(view, .memory, request, perform)
        return true
    }

    /// Sends a new request where it would be served now, before anything is done for it here; false when that is nowhere else.
    package mutating func sendOn(_ request: LeaseRequest, perform: (Action) -> Void) -> Bool { request.mayMove && answer(request, perform) }

    /// A request whose arguments find no room in this node's store: another node may have some, best one that has them already; else it comes again later.
    package mutating func sendAway(_ request: LeaseRequest, because error: MantaError, perform: (Action) -> Void) {
        let refusal = MantaError(.overloaded, "node \(node.short) has no room for the task's arguments", cause: error)
        guard request.mayMove, request.rule == .standard else { return perform(.refuse(request.lease, refusal, owner: request.owner)) }
        let sources = Set(request.arguments.flatMap(\.sources).map(\.node))
        let able = views.filter { $0.canHold(request.resources) }
        let candidates = able.contains { sources.contains($0.id) } ? able.filter { sources.contains($0.id) } : able
        guard let view = Placement.hybrid(preferring: nil).choose(for: request.resources, among: candidates).node else {
            return perform(.refuse(request.lease, refusal, owner: request.owner))
        }
        sendTo(view, .locality, request, perform)
    }

    /// Whether the request is known here, or has been answered.
    package func knows(_ lease: LeaseID) -> Bool { leases[lease] != nil || endings[lease] != nil }
    /// Whether the request waits here or the lease is held.
    package func holds(_ lease: LeaseID) -> Bool { leases[lease] != nil }

    private mutating func sendTo(_ view: NodeView, _ reason: PlacementReason, _ request: LeaseRequest, _ perform: (Action) -> Void) {
        reserve(request.resources, on: view.id)
        endings.remember(request.lease, .moved(view.address, reason))
        perform(.move(request.lease, to: view.address, reason, owner: request.owner))
    }

    private mutating func answer(_ request: LeaseRequest, _ perform: (Action) -> Void) -> Bool {
        switch destination(of: request.resources, request.rule, waited: .zero) {
        case .here: return false
        case .node(let view): sendTo(view, request.rule.reason(for: view.id), request, perform)
        case .nowhere(let error):
            endings.remember(request.lease, .refused(error))
            perform(.refuse(request.lease, error, owner: request.owner))
        }
        return true
    }

    /// What is sent to a node is not free there, until it says so itself.
    private mutating func reserve(_ demand: Resources, on target: NodeID) {
        if let index = views.firstIndex(where: { $0.id == target }) { views[index].available -= demand }
    }

    /// Moves what can be moved of all that waits.
    mutating func moveWaiting(_ indices: some Sequence<Int>, at now: Instant, _ perform: (Action) -> Void) {
        for index in Array(indices) {
            guard let group = groups[index] else { continue }
            for entry in group.queue where leases[entry.lease]?.state == .waiting {
                guard move(entry.lease, at: now, perform) else { break }
            }
        }
    }
}

extension PlacementRule {
    /// Why a request goes to the node that the rule sends it to.
    fileprivate func reason(for node: NodeID) -> PlacementReason {
        switch self {
        case .standard: .room
        case .spread: .spread
        case .labels: .labels
        case .node(let wanted, _): wanted == node ? .affinity : .room
        }
    }
}
