// How a simulation carries messages, and who gets an event.

import MantaCore
import MantaModel

extension Simulation {
    /// Sends a message: it may be lost, repeated, late, and, when the faults allow it, overtake others.
    func send(_ message: Message, from: Party, to: Party) {
        let isFaulty = !faultsAreOver
        if isFaulty, random.chance(faults.loss) { return }
        deliver(message, from, to, isFaulty)
        if isFaulty, random.chance(faults.duplication) { deliver(message, from, to, isFaulty) }
    }

    /// Over the link of a node and the head: nothing is lost or overtaken there, but it may be late, or come twice.
    func sendInOrder(_ message: Message, from: Party, to: Party) {
        let isFaulty = !faultsAreOver
        let link = from.word << 32 | to.word
        for _ in 0..<(isFaulty && random.chance(faults.duplication) ? 2 : 1) {
            var at = now + .nanoseconds(random.pick(20_000...200_000))
            if isFaulty, random.chance(faults.delays) { at = at + .nanoseconds(random.pick(0...faults.lateness.inNanoseconds)) }
            if let last = orderedArrivals[link], last > at { at = last }
            orderedArrivals[link] = at
            timeline.add(.deliver(message, from: from, to: to), at: at)
        }
    }

    private func deliver(_ message: Message, _ from: Party, _ to: Party, _ isFaulty: Bool) {
        var at = now + .nanoseconds(random.pick(20_000...200_000))
        if isFaulty, random.chance(faults.delays) { at = at + .nanoseconds(random.pick(0...faults.lateness.inNanoseconds)) }
        if !faults.reorders {
            let link = from.word << 32 | to.word
            if let last = arrivals[link], last > at { at = last }
            arrivals[link] = at
        }
        timeline.add(.deliver(message, from: from, to: to), at: at)
    }

    func send(_ message: Message, from: Party, to process: ProcessAddress) {
        guard let number = numbers[process.process] else { return }
        send(message, from: from, to: .process(number))
    }

    func send(_ message: Message, from: Party, to node: NodeAddress) {
        guard let index = nodes.firstIndex(where: { $0.address == node }) else { return }
        send(message, from: from, to: .node(index))
    }

    func isAlive(_ party: Party) -> Bool {
        switch party {
        case .head: true
        case .node(let index): nodes[index].isAlive
        case .process(let number): processes[number].isAlive
        }
    }

    func handle(_ event: Event) {
        switch event {
        case .deliver(let message, let from, let to):
            guard isAlive(to) else { return }
            switch to {
            case .head: headReceives(message, from: from)
            case .node(let index): nodeReceives(message, from: from, index)
            case .process(let number): processReceives(message, from: from, number)
            }
        case .tick(let party):
            guard isAlive(party) else { return }
            switch party {
            case .head: break
            case .node(let index):
                onNode(index) { $0.tick(at: $1, perform: $2) }
                if configuration.groups > 0, nodes[index].reported != nodes[index].book.available { report(index) }
            case .process(let number): processTicks(number)
            }
            timeline.add(event, at: now + Limits.tickPeriod)
        case .heartbeat(let node):
            if nodes[node].isAlive { report(node) }
            timeline.add(event, at: now + Limits.heartbeatPeriod)
        case .workerStarted(let node): workerStarted(node)
        case .workerStartFailed(let node):
            guard nodes[node].isAlive else { return }
            onNode(node) { $0.workerStartFailed(Self.program, DeathCause(.startFailed, "simulated"), at: $1, perform: $2) }
        case .stopAsked(let process): stopAsked(process)
        case .processEnds(let process, let reason): processEnds(process, reason)
        case .departureSeen(let process, let node):
            guard nodes[node].isAlive else { return }
            onNode(node) { [id = processes[process].address.process] in $0.ownerDied(id, at: $1, perform: $2) }
        case .nodeLossSeen(let node, let process):
            guard processes[process].isAlive else { return }
            onOwner(process) { [id = nodes[node].address.node] in $0.nodeLost(id, at: $1, perform: $2) }
        case .computed(let process, let key): computed(process, key)
        case .submit(let driver): submitNext(driver)
        case .cancelSome(let driver): cancelSome(driver)
        case .reserve(let actor, let node): reserve(actor, node)
        case .release(let actor, let node): release(actor, node)
        case .crashSomeWorker: crashSomeWorker()
        case .loseNode(let node): loseNode(node)
        case .faultsEnd: faultsAreOver = true
        case .makeGroup(let driver): makeGroup(driver)
        case .useGroup(let number): useGroup(number)
        case .removeGroup(let number): removeGroup(number)
        case .headRestarts: headRestarts()
        case .registerNode(let node): registerNode(node)
        case .sayAgain(let driver): sayAgain(driver)
        case .headMisses(let process): groupEvent { [id = processes[process].address.process] in $0.ownerDied(id, at: $1, $2) }
        case .headLoses(let node): groupEvent { [id = nodes[node].address.node] in $0.nodeDied(id, at: $1, $2) }
        }
    }

    // MARK: The head

    private func report(_ node: Int) {
        let book = nodes[node].book
        let view = NodeView(id: nodes[node].address.node, endpoint: nodes[node].address.endpoint, total: book.total, available: book.available)
        nodes[node].reported = book.available
        send(.report(view, reclaimable: book.reclaimable), from: .node(node), to: .head)
    }

    /// The head passes on the reports that are young enough.
    private func headReceives(_ message: Message, from: Party) {
        guard case .report(let view, let reclaimable) = message, let index = nodes.firstIndex(where: { $0.address.node == view.id }) else {
            return groupsHear(message, from: from)
        }
        if configuration.groups > 0 { groupEvent { $0.nodeUpdated(view.id, available: view.available, reclaimable: reclaimable, at: $1, $2) } }
        reports[index] = (view, now)
        let views = nodes.indices.compactMap { reports[$0] }.filter { $0.at + Limits.suspectAfter > now }.map(\.view)
        for node in nodes.indices { send(.clusterView(views), from: .head, to: .node(node)) }
    }
}
