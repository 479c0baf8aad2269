// The nodes of a simulation: messages in, actions out, processes that start and end.

import MantaCore
import MantaModel

extension Simulation {
    /// Tells a node's book an event and carries its actions out.
    func onNode(_ index: Int, _ event: (inout LeaseBook, Instant, (LeaseBook.Action) -> Void) -> Void) {
        var actions: [LeaseBook.Action] = []
        event(&nodes[index].book, now) { actions.append($0) }
        for action in actions { carryOut(action, on: index) }
    }

    func nodeReceives(_ message: Message, from: Party, _ index: Int) {
        switch message {
        case .requestLease(let request):
            ledger.requested(request)
            onNode(index) { $0.requestLease(request, at: $1, perform: $2) }
        case .cancelRequest(let lease):
            ledger.returned(lease, node: index)
            onNode(index) { $0.cancelRequest(lease, at: $1, perform: $2) }
        case .returnLease(let lease):
            ledger.returned(lease, node: index)
            onNode(index) { $0.returnLease(lease, at: $1, perform: $2) }
        case .confirmLease(let lease, let owner): onNode(index) { $0.confirmLease(lease, owner: owner, at: $1, perform: $2) }
        case .blocked(let lease, let turn):
            ledger.blocked(lease, turn: turn, node: index)
            onNode(index) { $0.blocked(lease, turn: turn, at: $1, perform: $2) }
        case .resume(let lease, let turn):
            guard case .process(let number) = from else { return }
            onNode(index) { [worker = processes[number].address] in $0.resume(lease, turn: turn, worker: worker, at: $1, perform: $2) }
        case .clusterView(let views): onNode(index) { $0.clusterView(views, at: $1, perform: $2) }
        default: nodeHearsOfGroups(message, index)
        }
    }

    func carryOut(_ action: LeaseBook.Action, on index: Int) {
        let party = Party.node(index)
        switch action {
        case .startWorker:
            let fails = !faultsAreOver && random.chance(faults.startFailures)
            timeline.add(fails ? .workerStartFailed(node: index) : .workerStarted(node: index), at: now + .milliseconds(2) + (soon(.milliseconds(20)) - now))
        case .stopWorker(let worker):
            if let number = numbers[worker] { timeline.add(.stopAsked(process: number), at: soon(.milliseconds(1))) }
        case .killWorker(let worker, let cause):
            if let number = numbers[worker] {
                kills[number] = cause
                timeline.add(.processEnds(number, because: cause.detail), at: soon(.milliseconds(5)))
            }
        case .grant(let lease, let worker, _, let owner):
            ledger.granted(lease, on: worker.process, node: index)
            send(.granted(lease, worker: worker, node: nodes[index].address), from: party, to: owner)
        case .move(let lease, let node, _, let owner): send(.moved(lease, node), from: party, to: owner)
        case .refuse(let lease, let error, let owner): send(.refused(lease, error), from: party, to: owner)
        case .reclaim(let lease, let owner): send(.reclaim(lease, nodes[index].address), from: party, to: owner)
        case .lost(let lease, let cause, let owner): send(.lost(lease, cause), from: party, to: owner)
        case .resumed(let lease, let turn, let worker):
            ledger.resumed(lease, turn: turn, node: index)
            send(.resumed(lease, turn), from: party, to: worker)
        case .ended(let lease, let worker): send(.leaseEnded(lease), from: party, to: worker)
        case .inquireGroups(let groups): sendInOrder(.inquireGroups(groups, life: headLife), from: party, to: .head)
        case .infeasible: break
        case .reserved(let actor):
            ledger.reserved(actor, cpus: 10_000, node: index)
            timeline.add(.release(actor, node: index), at: soon(.seconds(2)))
        }
    }

    // MARK: Processes

    func workerStarted(_ node: Int) {
        guard nodes[node].isAlive else { return }
        let number = addProcess(node: node, isWorker: true)
        timeline.add(.tick(.process(number)), at: soon(Limits.tickPeriod))
        onNode(node) { [address = processes[number].address] in
            $0.workerReady(address, program: Self.program, pid: Int32(number), at: $1, perform: $2)
        }
    }

    /// A worker that owns tasks or holds leases stays; another leaves.
    func stopAsked(_ number: Int) {
        guard processes[number].isAlive else { return }
        guard processes[number].book.counts != (0, 0, 0, 0) else { return processEnds(number, "it was asked to leave") }
        onNode(processes[number].node) { [id = processes[number].address.process] in $0.workerStays(id, at: $1, perform: $2) }
    }

    func processEnds(_ number: Int, _ reason: String) {
        guard processes[number].isAlive else { return }
        let (node, id) = (processes[number].node, processes[number].address.process)
        bury(number)
        if nodes[node].isAlive {
            if processes[number].isWorker {
                ledger.workerDied(id, node: node)
                let cause = kills.removeValue(forKey: number) ?? DeathCause(.signaled, reason)
                onNode(node) { $0.workerDied(id, cause, at: $1, perform: $2) }
            } else {
                onNode(node) { $0.ownerDied(id, at: $1, perform: $2) }
            }
        }
        for other in nodes.indices where other != node { timeline.add(.departureSeen(process: number, node: other), at: soon(.seconds(2))) }
        if configuration.groups > 0 { timeline.add(.headMisses(process: number), at: soon(.seconds(2))) }
    }

    /// The process computes no more and owns no more.
    private func bury(_ number: Int) {
        processes[number].isAlive = false
        for (lease, runner) in processes[number].runners where runner.state == .computing {
            ledger.computes(lease, node: processes[number].node, false)
        }
        processes[number].runners = [:]
    }

    // MARK: Faults

    func crashSomeWorker() {
        guard !faultsAreOver, let period = faults.crashPeriod else { return }
        let workers = processes.indices.filter { processes[$0].isAlive && processes[$0].isWorker }
        if let unlucky = workers.randomElement(using: &random) { processEnds(unlucky, "signal 9") }
        timeline.add(.crashSomeWorker, at: soon(period * 2))
    }

    func loseNode(_ index: Int) {
        nodes[index].isAlive = false
        openActors = openActors.filter { $0.value != index }
        for number in processes.indices where processes[number].isAlive && processes[number].node == index {
            bury(number)
            for other in nodes.indices where other != index { timeline.add(.departureSeen(process: number, node: other), at: soon(Limits.deadAfter)) }
        }
        for number in processes.indices where processes[number].isAlive {
            timeline.add(.nodeLossSeen(node: index, process: number), at: soon(Limits.deadAfter))
        }
        if configuration.groups > 0 {
            timeline.add(.headLoses(node: index), at: soon(Limits.deadAfter))
            for group in groups where processes[group.driver].node == index { timeline.add(.headMisses(process: group.driver), at: soon(Limits.deadAfter)) }
        }
    }

    // MARK: Actors

    func reserve(_ actor: ActorID, _ node: Int) {
        guard nodes[node].isAlive else { return release(actor, node) }
        onNode(node) { $0.reserve(actor, Resources([Resources.cpu: 1]), at: $1, perform: $2) }
        // Some give up while they wait.
        if random.chance(0.2) { timeline.add(.release(actor, node: node), at: soon(.seconds(1))) }
    }

    func release(_ actor: ActorID, _ node: Int) {
        openActors[actor] = nil
        ledger.released(actor, node: node)
        if nodes[node].isAlive { onNode(node) { $0.release(actor, at: $1, perform: $2) } }
    }
}
