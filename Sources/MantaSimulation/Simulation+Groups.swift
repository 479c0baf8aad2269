// The placement groups of a simulation: drivers that make, use and remove them, the head that has nodes reserve them, and a head that is killed and knows
// of the last moments only what others tell it.

import MantaCore
import MantaModel

/// A group that a driver made. Its place in the list is its number.
struct SimulatedGroup {
    let specification: PlacementGroupSpecification
    let driver: Int
    /// Its driver has asked for its removal.
    var isRemoved = false
}

extension Simulation {
    private static var time: WallTime { WallTime(milliseconds: 0) }
    /// A head that dies has not stored what happened within this time.
    private static let storeDelay: Duration = .milliseconds(20)

    func setUpGroups() {
        guard configuration.groups > 0 else { return }
        for node in nodes.indices {
            groupEvent { [nodes] in
                $0.nodeJoined(
                    nodes[node].address.node, total: nodes[node].book.total, available: nodes[node].book.available, held: [], jobHasEnded: { _ in false },
                    at: $1, time: Self.time, $2)
            }
        }
        for _ in 0..<configuration.groups { timeline.add(.makeGroup(driver: random.pick(0..<2)), at: soon(.seconds(8))) }
        if faults.restartsHead { timeline.add(.headRestarts, at: soon(.seconds(12))) }
    }

    var groupsAreGone: Bool { groupBook.rows(limit: .max).allSatisfy { $0.state == .removed } }

    // MARK: Drivers

    func makeGroup(_ driver: Int) {
        guard processes[driver].isAlive else { return }
        let bundles = (0..<random.pick(1..<4)).map { _ in Resources([Resources.cpu: [0.5, 1, 1, 2][random.pick(0..<4)]]) }
        let specification = PlacementGroupSpecification(
            id: PlacementGroupID(using: &random), bundles: bundles, strategy: PlacementStrategy.allCases[random.pick(0..<4)], name: nil, namespace: "n",
            lifetime: .job, job: Self.job, owner: processes[driver].address, isOwnedByActor: false)
        groups.append(SimulatedGroup(specification: specification, driver: driver))
        groupEvent { $0.ask(.create(specification), token: 0, at: $1, time: Self.time, $2) }
        for _ in 0..<random.pick(0..<4) { timeline.add(.useGroup(groups.count - 1), at: soon(.seconds(4))) }
        timeline.add(.removeGroup(groups.count - 1), at: soon(.seconds(15)))
    }

    /// Its driver submits some tasks to it, whether it is created or not, or even removed.
    func useGroup(_ number: Int) {
        let group = groups[number]
        guard processes[group.driver].isAlive else { return }
        let bundles = group.specification.bundles
        for _ in 0..<random.pick(1..<5) {
            let bundle = random.chance(0.5) ? random.pick(0..<bundles.count) : nil
            let room = bundle.map { bundles[$0][Resources.cpu] } ?? bundles.map { $0[Resources.cpu] }.min() ?? 0
            let membership = GroupMembership(group: group.specification.id, bundles: bundles, bundle: bundle, captures: false)
            let asked = Resources([Resources.cpu: random.chance(0.8) ? room : 0.5])
            let round = TaskPlan.Round(work: 1_000_000 * random.pick(1...200), children: [], awaits: false)
            submit(TaskPlan(function: 100, resources: membership.demand(for: asked), retries: [0, 3][random.pick(0..<2)], rounds: [round]), by: group.driver)
        }
    }

    func removeGroup(_ number: Int) {
        guard processes[groups[number].driver].isAlive else { return }
        groups[number].isRemoved = true
        groupEvent { [id = groups[number].specification.id] in $0.ask(.remove(id), token: 0, at: $1, time: Self.time, $2) }
    }

    // MARK: The head

    /// Tells the head's book an event and carries its actions out.
    func groupEvent(_ event: (inout PlacementGroupBook, Instant, (PlacementGroupBook.Action) -> Void) -> Void) {
        var actions: [PlacementGroupBook.Action] = []
        event(&groupBook, now) { actions.append($0) }
        for action in actions { carryOut(action) }
    }

    private func carryOut(_ action: PlacementGroupBook.Action) {
        switch action {
        case .answer: break
        case .prepare(let specification, let indices, let node, let attempt): tell(node, .prepare(specification, indices, attempt: attempt))
        case .commit(let group, let indices, let node, let attempt): tell(node, .commit(group, indices, attempt: attempt))
        case .abandon(let group, let node, let attempt): tell(node, .abandon(group, attempt: attempt))
        case .drop(let group, let node): tell(node, .dropBundles(group))
        case .tellRemoved(let group, let node): tell(node, .groupRemoved(group))
        case .removed(let specification): for node in nodes { tell(node.address.node, .groupRemoved(specification.id)) }
        case .persist(let specification): groupStore.append((now, specification.id, specification))
        case .forget(let group): groupStore.append((now, group, nil))
        }
    }

    private func tell(_ node: NodeID, _ message: Message) {
        if let index = nodes.firstIndex(where: { $0.address.node == node }) {
            sendInOrder(.order(message, life: headLife), from: .head, to: .node(index))
        }
    }

    func groupsHear(_ message: Message, from: Party) {
        guard case .node(let index) = from else { return }
        let node = nodes[index].address.node
        switch message {
        case .prepared(let group, let attempt, let refusal, headLife):
            groupEvent { $0.prepared(group, on: node, attempt: attempt, refusal: refusal, at: $1, $2) }
        case .committed(let group, let attempt, let success, headLife):
            groupEvent { $0.committed(group, on: node, attempt: attempt, success: success, at: $1, $2) }
            check(group)
        case .register(let total, let available, let held, headLife):
            groupEvent {
                $0.nodeJoined(node, total: total, available: available, held: held, jobHasEnded: { _ in false }, at: $1, time: Self.time, $2)
            }
            for bundles in held { check(bundles.specification.id) }
        case .inquireGroups(let groups, headLife): for group in groups where groupBook.isGone(group, at: now) { tell(node, .groupRemoved(group)) }
        default: break
        }
    }

    /// A group that is created can be used, all of it.
    private func check(_ group: PlacementGroupID) {
        guard let status = groupBook.status(group), status.state == .created, createdGroups.insert(group).inserted else { return }
        for (index, node) in status.nodes.enumerated() {
            guard let place = nodes.firstIndex(where: { $0.address.node == node }) else {
                failure = failure ?? "group \(group.short) is created without its bundle \(index)"
                return
            }
            if nodes[place].isAlive, !ledger.holds(group, index, node: place) {
                failure = failure ?? "group \(group.short) is created, and node\(place) does not hold its bundle \(index)"
            }
        }
    }

    /// The head is another one, which has what was stored a moment ago.
    func headRestarts() {
        headLife += 1
        groupStore.removeAll { $0.at + Self.storeDelay > now }
        var stored: [PlacementGroupID: PlacementGroupSpecification] = [:]
        for change in groupStore { stored[change.id] = change.specification }
        groupBook = PlacementGroupBook()
        groupEvent { [stored] book, now, _ in book.restore(Array(stored.values), at: now, time: Self.time) }
        for node in nodes.indices { timeline.add(.registerNode(node), at: soon(.seconds(1))) }
        for driver in 0..<2 { timeline.add(.sayAgain(driver: driver), at: soon(.seconds(1))) }
        for process in processes.indices where !processes[process].isAlive { timeline.add(.headMisses(process: process), at: now + Limits.deadAfter) }
    }

    func registerNode(_ index: Int) {
        guard nodes[index].isAlive else { return }
        let book = nodes[index].book
        let held = book.heldBundles.map { HeldBundles(specification: $0.specification, indices: $0.indices, isCommitted: $0.isCommitted) }
        sendInOrder(.register(total: book.total, available: book.available, held, life: headLife), from: .node(index), to: .head)
    }

    func sayAgain(_ driver: Int) {
        guard processes[driver].isAlive else { return }
        for group in groups where group.driver == driver {
            let question: PlacementGroupBook.Question = group.isRemoved ? .remove(group.specification.id) : .create(group.specification, isRepeated: true)
            groupEvent { $0.ask(question, token: 0, at: $1, time: Self.time, $2) }
        }
    }

    // MARK: Nodes

    func nodeHearsOfGroups(_ message: Message, _ index: Int) {
        // What a dead head said is lost with its link.
        guard case .order(let order, headLife) = message else { return }
        switch order {
        case .prepare(let specification, let indices, let attempt):
            let (refusal, actions) = ask(index) { book, now, perform throws(MantaError) in
                try book.prepare(specification, indices, attempt: attempt, at: now, perform: perform)
            }
            if refusal == nil { ledger.setAside(specification, indices, attempt: attempt, node: index) }
            for action in actions { carryOut(action, on: index) }
            sendInOrder(.prepared(specification.id, attempt: attempt, refusal, life: headLife), from: .node(index), to: .head)
        case .commit(let group, let indices, let attempt):
            let (refusal, actions) = ask(index) { book, now, perform throws(MantaError) in
                try book.commit(group, indices, attempt: attempt, at: now, perform: perform)
            }
            if refusal == nil { ledger.committed(group, indices, node: index) }
            for action in actions { carryOut(action, on: index) }
            sendInOrder(.committed(group, attempt: attempt, refusal == nil, life: headLife), from: .node(index), to: .head)
        case .abandon(let group, let attempt):
            ledger.abandoned(group, attempt: attempt, node: index)
            onNode(index) { $0.abandon(group, attempt: attempt, at: $1, perform: $2) }
        case .groupRemoved(let group):
            ledger.closed(group, forGood: true, node: index)
            onNode(index) { $0.groupRemoved(group, at: $1, perform: $2) }
        case .dropBundles(let group):
            ledger.closed(group, forGood: false, node: index)
            onNode(index) { $0.dropBundles(group, at: $1, perform: $2) }
        default: failure = "node\(index) got \(order)"
        }
    }

    /// Asks a node's book for something that it may refuse.
    private func ask(
        _ index: Int, _ question: (inout LeaseBook, Instant, (LeaseBook.Action) -> Void) throws(MantaError) -> Void
    ) -> (MantaError?, [LeaseBook.Action]) {
        var actions: [LeaseBook.Action] = []
        do throws(MantaError) { try question(&nodes[index].book, now) { actions.append($0) } } catch { return (error, actions) }
        return (nil, actions)
    }
}
