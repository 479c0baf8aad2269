// PlacementGroupBook: which placement groups there are, and how their bundles come to be reserved on nodes: all of them or none.
//
// Life of a group: 1. pending: waits until all bundles fit 2. preparing: every node concerned was asked to set its bundles aside 3. when all have,
// committing: they turn the bundles into resources of the group 4. created 5. rescheduling: a node was lost, its bundles go through 2 and 3 again
// 6. removed. If one node refuses in 2, the others let go of what they set aside, and the group is pending again.
// Always: nothing of a group can be used before all of its bundles are set aside; an answer to an attempt that was given up changes nothing; a name
// belongs to at most one group that is not removed; a question is answered exactly once. Leases are asked back for at most one group at a time, the oldest of
// those that have waited for `Limits.groupPatience` and would fit then.

package import MantaModel

package struct PlacementGroupBook: Sendable {
    package typealias Token = UInt64

    /// A group, as its users see it.
    package struct Status: Hashable, Sendable {
        package var specification: PlacementGroupSpecification
        package var state: PlacementGroupState
        /// The nodes of the bundles that are reserved.
        package var nodes: [NodeID?]
        package var reason: String?
    }

    package enum Question: Hashable, Sendable {
        /// Repeated: its maker says again to a new head what was answered by the former one.
        case create(PlacementGroupSpecification, isRepeated: Bool = false)
        /// Answered when the group is created or removed.
        case ready(PlacementGroupID)
        case named(String, namespace: String)
        case remove(PlacementGroupID)
    }

    package enum Action: Hashable, Sendable {
        case answer(Token, Result<Status, MantaError>)
        /// Ask the node to set bundles (by index) aside at once, or to refuse.
        case prepare(PlacementGroupSpecification, [Int], on: NodeID, attempt: UInt64)
        /// Tell the node to turn what it set aside into resources of the group; answered by `committed`.
        case commit(PlacementGroupID, [Int], on: NodeID, attempt: UInt64)
        /// Tell the node to let go of what it set aside in this attempt.
        case abandon(PlacementGroupID, on: NodeID, attempt: UInt64)
        /// Tell the node that what it holds of the group is placed elsewhere: what runs in it there ends.
        case drop(PlacementGroupID, on: NodeID)
        /// Tell every node that the group is gone: what runs in it ends, what it holds is free.
        case removed(PlacementGroupSpecification)
        /// Tell this node the same of a group that the former head removed and may not have told every node of.
        case tellRemoved(PlacementGroupID, on: NodeID)
        case persist(PlacementGroupSpecification)
        case forget(PlacementGroupID)
    }

    enum Bundle: Hashable, Sendable {
        case unplaced
        case preparing(NodeID, attempt: UInt64)
        case prepared(NodeID, attempt: UInt64)
        case committing(NodeID, attempt: UInt64)
        case reserved(NodeID)

        var node: NodeID? {
            switch self {
            case .unplaced: nil
            case .preparing(let node, _), .prepared(let node, _), .committing(let node, _), .reserved(let node): node
            }
        }
    }

    struct Entry: Sendable {
        let specification: PlacementGroupSpecification
        let createdAt: WallTime
        let number: UInt64
        var state = PlacementGroupState.pending
        var bundles: [Bundle]
        var reason: String?
        var notBefore = Instant.zero
        /// Since when it does not fit.
        var lacksSince: Instant?
        /// Since when it could not even fit into nodes with nothing else on them.
        var infeasibleSince: Instant?
        /// Why it ended, when nobody removed it.
        var failure: MantaError?
        var waiters: [Token] = []
    }

    struct NodeRoom: Sendable {
        var total: Resources
        var free: Resources
        /// What would be free if no task ran; bundles that are on their way are counted in `free` only.
        var reclaimable: Resources
        var isUsable = true
    }

    struct FullName: Hashable, Sendable {
        var name: String
        var namespace: String
    }

    /// Removed groups that are remembered.
    static var removedLimit: Int { 1_000 }
    /// How long a group waits after a node refused it.
    static var refusalPause: Duration { .milliseconds(50) }

    /// Whether groups of jobs end when they have waited for `Limits.doubtPatience` for what the nodes can never hold: in a cluster that nobody adds nodes to.
    package var failsInfeasible = false
    var entries: [PlacementGroupID: Entry] = [:]
    var names: [FullName: PlacementGroupID] = [:]
    var nodes: [NodeID: NodeRoom] = [:]
    /// Groups with bundles to place, in the order of their creation.
    var waiting: [PlacementGroupID] = []
    var removed: [PlacementGroupID] = []
    /// Groups with bundles that a node was asked for and has not answered.
    var inPreparation: Set<PlacementGroupID> = []
    /// What did not fit when all were tried last; nothing has become free since.
    private var misfits: [Shape: Misfit] = [:]
    /// Groups that were told to wait for a while.
    private var delayed: Set<PlacementGroupID> = []
    /// The group for which leases are asked back.
    var patient: PlacementGroupID?
    private var created: UInt64 = 0
    private var attempts: UInt64 = 0
    /// Until then nodes may still say what they hold.
    var recoveryEnd: Instant?
    /// Until then a group that only nodes or its maker know of is one that the former head could not store any more.
    var adoptsUntil = Instant.zero
    /// What was removed at the former head, as far as its makers say so until then.
    var removedBefore: Set<PlacementGroupID> = []

    package init() {}

    package var count: Int { entries.count }
    package var nextDeadline: Instant? {
        let due = delayed.compactMap { entries[$0]?.notBefore }.min()
        guard let recoveryEnd else { return due }
        return due.map { min($0, recoveryEnd) } ?? recoveryEnd
    }

    package func status(_ id: PlacementGroupID) -> Status? { entries[id].map(status) }

    /// Whether the group was removed: nothing will ever run in it. A head that is new may not know of every group yet.
    package func isGone(_ id: PlacementGroupID, at now: Instant) -> Bool { entries[id].map { $0.state == .removed } ?? (now >= adoptsUntil) }

    /// Bundles that wait for a node, for people to see: one row for each.
    package var demands: [DemandRow] {
        waiting.flatMap { id -> [DemandRow] in
            guard let entry = entries[id], entry.reason != nil else { return [] }
            let open = zip(entry.specification.bundles, entry.bundles).filter { $0.1 == .unplaced }
            return open.map { DemandRow(resources: $0.0, count: 1, infeasible: entry.infeasibleSince != nil) }
        }
    }

    /// Newest first.
    package func rows(limit: Int) -> [PlacementGroupRow] {
        entries.values.sorted { $0.number > $1.number }.prefix(max(0, limit)).map { entry in
            let specification = entry.specification
            let nodes = status(entry).nodes
            return PlacementGroupRow(
                id: specification.id, name: specification.name, namespace: specification.namespace, state: entry.state, strategy: specification.strategy,
                bundles: zip(specification.bundles, nodes).map { PlacementGroupRow.Bundle(resources: $0, node: $1) }, job: specification.job,
                detached: specification.lifetime == .detached, createdAt: entry.createdAt, reason: entry.reason)
        }
    }

    func status(_ entry: Entry) -> Status {
        let nodes = entry.bundles.map { bundle -> NodeID? in if case .reserved(let node) = bundle { node } else { nil } }
        return Status(specification: entry.specification, state: entry.state, nodes: nodes, reason: entry.reason)
    }

    // MARK: Questions

    /// Answered by an `answer` action, now or later.
    package mutating func ask(_ question: Question, token: Token, at now: Instant, time: WallTime, _ sink: (Action) -> Void) {
        switch question {
        case .create(let specification, let isRepeated):
            do throws(MantaError) { try create(specification, isRepeated, token, at: now, time: time, sink) } catch { sink(.answer(token, .failure(error))) }
        case .ready(let id):
            guard let entry = entries[id] else { return sink(.answer(token, .failure(Self.unknown(id)))) }
            switch entry.state {
            case .created: sink(.answer(token, .success(status(entry))))
            case .removed: sink(.answer(token, .failure(entry.failure ?? Self.gone(id))))
            case .pending, .rescheduling: entries[id]!.waiters.append(token)
            }
        case .named(let name, let namespace):
            guard let id = names[FullName(name: name, namespace: namespace)], let entry = entries[id] else {
                return sink(.answer(token, .failure(MantaError(.notFound, "no placement group is named \"\(name)\" in namespace \"\(namespace)\""))))
            }
            sink(.answer(token, .success(status(entry))))
        case .remove(let id):
            guard entries[id] != nil else {
                if now < adoptsUntil, removedBefore.insert(id).inserted { for node in nodes.keys.sorted() { sink(.tellRemoved(id, on: node)) } }
                return sink(.answer(token, .failure(Self.unknown(id))))
            }
            remove(id, because: "it was removed", sink)
            if let entry = entries[id] { sink(.answer(token, .success(status(entry)))) }
            place(at: now, sink)
        }
    }

    private mutating func create(
        _ specification: PlacementGroupSpecification, _ isRepeated: Bool, _ token: Token, at now: Instant, time: WallTime, _ sink: (Action) -> Void
    ) throws(MantaError) {
        let id = specification.id
        // Asked again, because the first answer was lost or is late.
        if let entry = entries[id] { return sink(.answer(token, .success(status(entry)))) }
        if let complaint = specification.complaint { throw MantaError(.invalidArgument, complaint) }
        if let name = specification.name {
            if let complaint = ActorDirectory.complaint(aboutName: name, of: "a placement group") { throw MantaError(.invalidArgument, complaint) }
            if let holder = names[FullName(name: name, namespace: specification.namespace)] {
                throw MantaError(.alreadyExists, "the name \"\(name)\" in namespace \"\(specification.namespace)\" is taken by placement group \(holder); choose another, or remove that one")
            }
        }
        guard entries.count - removed.count < Limits.placementGroups else {
            throw MantaError(.overloaded, "the cluster has \(Limits.placementGroups) placement groups; remove some first")
        }
        add(specification, createdAt: time)
        // The nodes that hold it may not have spoken yet.
        if isRepeated { delay(id, until: adoptsUntil) }
        sink(.persist(specification))
        placeNew(id, at: now, sink)
        if let entry = entries[id] { sink(.answer(token, .success(status(entry)))) }
    }

    mutating func add(_ specification: PlacementGroupSpecification, createdAt: WallTime) {
        created += 1
        let id = specification.id
        entries[id] = Entry(specification: specification, createdAt: createdAt, number: created, bundles: specification.bundles.map { _ in .unplaced })
        if let name = specification.name { names[FullName(name: name, namespace: specification.namespace)] = id }
        waiting.append(id)
    }

    static func unknown(_ id: PlacementGroupID) -> MantaError { MantaError(.notFound, "no placement group has the identifier \(id)") }
    static func gone(_ id: PlacementGroupID) -> MantaError { MantaError(.placementGroupRemoved, "placement group \(id.short) was removed") }

    mutating func delay(_ id: PlacementGroupID, until time: Instant) {
        entries[id]?.notBefore = time
        delayed.insert(id)
    }

    // MARK: Placing

    /// Groups of one shape fit or do not fit alike.
    private struct Shape: Hashable {
        var bundles: [Resources]
        var strategy: PlacementStrategy
        init(_ specification: PlacementGroupSpecification) { (bundles, strategy) = (specification.bundles, specification.strategy) }
    }

    /// Tries the newest group alone: it changes nothing for the others.
    private mutating func placeNew(_ id: PlacementGroupID, at now: Instant, _ sink: (Action) -> Void) {
        guard recoveryEnd == nil, let entry = entries[id], entry.notBefore <= now else { return }
        let shape = Shape(entry.specification)
        if let misfit = misfits[shape] { return lacks(id, misfit, at: now) }
        place(id, asksBack: false, at: now, sink)
        if let misfit = misfit(of: id) { misfits[shape] = misfit } else { waiting.removeLast() }
    }

    /// Why a group does not fit.
    private struct Misfit {
        var reason: String
        var isInfeasible: Bool
    }

    private func misfit(of id: PlacementGroupID) -> Misfit? {
        guard let entry = entries[id], let reason = entry.reason else { return nil }
        return Misfit(reason: reason, isInfeasible: entry.infeasibleSince != nil)
    }

    private mutating func lacks(_ id: PlacementGroupID, _ misfit: Misfit, at now: Instant) {
        guard let entry = entries[id] else { return }
        entries[id]!.reason = misfit.reason
        entries[id]!.lacksSince = entry.lacksSince ?? now
        entries[id]!.infeasibleSince = misfit.isInfeasible ? entry.infeasibleSince ?? now : nil
    }

    /// Tries every group that has bundles to place. One whose like did not fit in this round is not tried.
    mutating func place(at now: Instant, _ sink: (Action) -> Void) {
        misfits = [:]
        // Whoever's time has come is tried now, and then whenever something changes.
        delayed = delayed.filter { id in entries[id].map { $0.notBefore > now && $0.state != .removed && $0.bundles.contains(.unplaced) } ?? false }
        guard !waiting.isEmpty, recoveryEnd == nil else { return }
        if let group = patient, entries[group]?.lacksSince == nil { patient = nil }
        for id in waiting {
            guard let entry = entries[id], entry.notBefore <= now, entry.bundles.contains(.unplaced) else { continue }
            let isWhole = entry.bundles.allSatisfy { $0 == .unplaced }
            let shape = Shape(entry.specification)
            let isPatient = entry.lacksSince.map { now - $0 >= Limits.groupPatience } ?? false
            let mayAskBack = isPatient && (patient == nil || patient == id)
            if isWhole, !mayAskBack, let misfit = misfits[shape] {
                lacks(id, misfit, at: now)
                continue
            }
            place(id, asksBack: mayAskBack, at: now, sink)
            if isWhole, let misfit = misfit(of: id) { misfits[shape] = misfit }
        }
        waiting.removeAll { entries[$0]?.bundles.contains(.unplaced) != true }
    }

    /// `asksBack`: on nodes where it fits when leases are given back, if it fits nowhere as they are.
    private mutating func place(_ id: PlacementGroupID, asksBack: Bool, at now: Instant, _ sink: (Action) -> Void) {
        guard let entry = entries[id] else { return }
        let open = entry.bundles.indices.filter { entry.bundles[$0] == .unplaced }
        let demands = open.map { entry.specification.bundles[$0] }
        let taken = entry.bundles.compactMap(\.node)
        let usable = nodes.filter(\.value.isUsable)
        func assign(_ free: KeyPath<NodeRoom, Resources>) -> [NodeID]? {
            let rooms = usable.map { BundleRoom(node: $0.key, free: $0.value[keyPath: free]) }
            return BundlePlacement.assign(demands, entry.specification.strategy, taken: taken, rooms: rooms)
        }
        var found = assign(\.free)
        if found == nil, asksBack {
            found = assign(\.reclaimable)
            patient = found == nil ? nil : id
        }
        guard let places = found else {
            let couldEver = assign(\.total) != nil
            let wish = "\(open.count) bundles (\(entry.specification.strategy.rawValue)) of \(Set(demands.map(\.description)).sorted().joined(separator: "; "))"
            let reason = couldEver ? "others hold what it needs for \(wish)" : "the nodes of the cluster can never hold \(wish); add nodes, or ask for less"
            // A cluster without nodes waits for some.
            return lacks(id, Misfit(reason: reason, isInfeasible: !couldEver && !usable.isEmpty), at: now)
        }
        attempts += 1
        entries[id]!.infeasibleSince = nil
        var byNode: [NodeID: [Int]] = [:]
        for (index, node) in zip(open, places) {
            byNode[node, default: []].append(index)
            nodes[node]!.free -= entry.specification.bundles[index]
            entries[id]!.bundles[index] = .preparing(node, attempt: attempts)
        }
        entries[id]!.reason = nil
        inPreparation.insert(id)
        for (node, indices) in byNode.sorted(by: { $0.key < $1.key }) { sink(.prepare(entry.specification, indices, on: node, attempt: attempts)) }
    }
}
