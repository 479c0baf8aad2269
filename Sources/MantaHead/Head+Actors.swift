// Head+Actors: questions about actors, reports of nodes, and the orders that follow.

import Logging
import MantaCore
import MantaLoop
import MantaModel
import MantaStorage
import MantaTransport
import MantaWire

extension Head {
    // MARK: Questions

    func createActor(_ message: CreateActor, _ correlation: Correlation, on link: Link, tries: Int = 0) throws(MantaError) {
        let specification = message.specification
        if jobs.hasEnded(specification.job), specification.lifetime == .job {
            throw MantaError(.conflict, "job \(specification.job) has ended; it creates no more actors")
        }
        if let group = specification.placementResources.group, !message.getIfExists, placementGroups.isGone(group, at: loop.now) {
            // The process that registers the group may be slower than this one, to which it gave the group.
            if placementGroups.status(group) == nil, tries < Self.groupTries {
                loop.schedule(after: Self.orderPause) { [self] in
                    do throws(MantaError) { try createActor(message, correlation, on: link, tries: tries + 1) } catch { link.fail(correlation, error) }
                }
                return
            }
            throw MantaError(.placementGroupRemoved, "placement group \(group.short) was removed; actor \(specification.id.short) of type \(specification.type) cannot run in it")
        }
        let isOwner = link.peer?.process == specification.owner.process
        ask(.create(specification, getIfExists: message.getIfExists, watcher: isOwner ? link.notes?.watcher : nil), correlation, on: link)
    }

    func getActor(_ message: GetActor, _ correlation: Correlation, on link: Link) {
        ask(.named(message.name, namespace: message.namespace), correlation, on: link)
    }

    func watchActor(_ message: WatchActor, _ correlation: Correlation, on link: Link) {
        guard let watcher = link.notes?.watcher else { return }
        ask(.watch(message.actor, watcher), correlation, on: link)
    }

    func killActor(_ message: KillActor, _ correlation: Correlation, on link: Link) {
        ask(.kill(message.actor, noRestart: message.noRestart, reason: message.reason)) { [self] result in
            switch result {
            case .success:
                // A kill that is asked for twice waits for the first one's durability too.
                journal?.write([]) { error in
                    if let error { link.fail(correlation, error) } else { link.reply(to: correlation, Acknowledged()) }
                }
            case .failure(let error): link.fail(correlation, error)
            }
        }
    }

    private func ask(_ question: ActorDirectory.Question, _ correlation: Correlation, on link: Link) {
        ask(question) { result in
            switch result {
            case .success(let status): link.reply(to: correlation, ActorFound(status: ActorStatus(status)))
            case .failure(let error): link.fail(correlation, error)
            }
        }
    }

    private func ask(_ question: ActorDirectory.Question, _ answer: @escaping (Result<ActorDirectory.Status, MantaError>) -> Void) {
        lastToken += 1
        let token = lastToken
        questions[token] = answer
        actorEvent { $0.ask(question, token: token, at: loop.now, time: .now, $1) }
    }

    func actorReport(_ message: ActorReport, _ correlation: Correlation, on link: Link) {
        let (id, node, restarts) = (message.actor, message.node, message.restarts)
        if case .alive = message.event, directory.status(id) == nil {
            // It was being started when the head was killed: the node is to say what it is.
            link.send(HelloRequired())
            link.reply(to: correlation, Acknowledged())
            return
        }
        actorEvent { directory, sink in
            switch message.event {
            case .alive(let address, let pid):
                directory.cameAlive(id, on: node, restarts: restarts, address: address, pid: pid, at: loop.now, sink)
            case .died(let cause):
                directory.died(id, on: node, restarts: restarts, cause, at: loop.now, sink)
            }
        }
        link.reply(to: correlation, Acknowledged())
    }

    // MARK: Actions

    func actorEvent(_ event: (inout ActorDirectory, (ActorDirectory.Action) -> Void) -> Void) {
        var actions: [ActorDirectory.Action] = []
        event(&directory) { actions.append($0) }
        perform(actions)
        armDueTimer()
    }

    func perform(_ actions: [ActorDirectory.Action]) {
        var facts: [StorageChange] = []
        var answers: [(ActorDirectory.Token, Result<ActorDirectory.Status, MantaError>)] = []
        for action in actions {
            switch action {
            case .answer(let token, let result): answers.append((token, result))
            case .place(let specification, let restarts, let node): order(specification, restarts: restarts, on: node)
            case .end(let id, let node, let restarts, let cause): end(id, on: node, restarts: restarts, cause)
            case .store(let row): store(row)
            case .persist(let row): if let stored = StoredActor(row) { facts.append(.putActor(stored)) }
            case .forget(let id):
                facts.append(.removeActor(id))
                forgetSnapshot(of: id)
            case .notify(let watcher, let status): peers[watcher]?.link.send(ActorChanged(status: ActorStatus(status)))
            case .died(let status, let willRestart): report(status, willRestart: willRestart)
            case .infeasible(let id, let reason, let owner):
                for peer in peers.values where peer.hello.process == owner { peer.link.send(DemandInfeasible(actor: id, reason: reason)) }
            }
        }
        if facts.isEmpty {
            for (token, result) in answers { answer(token, result) }
        } else {
            journal?.record(facts) { [self] error in
                for (token, result) in answers {
                    // Watchers may have been told more meanwhile: an answer must not take them back to how it was.
                    let result = result.map { directory.status($0.id) ?? $0 }
                    answer(token, error.map { .failure($0) } ?? result)
                }
            }
        }
    }

    private func answer(_ token: ActorDirectory.Token, _ result: Result<ActorDirectory.Status, MantaError>) {
        questions.removeValue(forKey: token)?(result)
    }

    private func store(_ row: ActorDirectory.Row) {
        let id = row.specification.id
        guard let stored = StoredActor(row) else {
            return loop.later { [self] in
                actorEvent { $0.storeFailed(id, MantaError(.wrongType, "the specification of actor \(id) cannot be encoded"), $1) }
            }
        }
        journal?.write([.putActor(stored)]) { [self] error in
            actorEvent { directory, sink in
                if let error { directory.storeFailed(id, error, sink) } else { directory.stored(id, at: loop.now, sink) }
            }
        }
    }

    private func report(_ status: ActorDirectory.Status, willRestart: Bool) {
        guard let death = status.death else { return }
        log.warning("an actor died", metadata: ["actor": "\(status.id)", "type": "\(status.type)", "cause": "\(death)", "restarts": "\(willRestart)"])
        let job = directory.job(of: status.id)
        note(ErrorRow(
            at: .now, code: MantaError.Code.actorDied.rawValue,
            message: "actor \(status.id.short) (\(status.type)) died: \(death.detail)\(willRestart ? "; it is started again" : "")", source: "actor", job: job,
            actor: status.id, node: status.node))
    }

    // MARK: Orders to nodes

    private static let orderPause = Duration.milliseconds(250)
    /// How often a placement group that nobody knows is looked for.
    private static let groupTries = 8

    /// Tells a node to run an actor. A node that is away gets the order again when it registers; one that does not answer, after a pause.
    private func order(_ specification: ActorSpecification, restarts: Int, on node: NodeID) {
        guard let link = nodeLinks[node] else { return }
        let id = specification.id
        link.request(PlaceActor(specification: specification, restarts: restarts)) { [weak self] result in
            guard let self, nodeLinks[node] === link else { return }
            switch result {
            case .success: directory.accepted(id, on: node, restarts: restarts)
            case .failure(let error) where error.code == .timeout || error.code == .unavailable:
                loop.schedule(after: Self.orderPause) { [weak self] in
                    guard let self, directory.isBeingPlaced(id, on: node, restarts: restarts) else { return }
                    order(specification, restarts: restarts, on: node)
                }
            case .failure(let error): actorEvent { $0.refused(id, on: node, restarts: restarts, error, at: loop.now, $1) }
            }
        }
    }

    /// Tells a node to end an actor, until it has heard. A node that is away is told when it registers.
    private func end(_ id: ActorID, on node: NodeID, restarts: Int, _ cause: DeathCause) {
        guard let link = nodeLinks[node] else { return }
        link.request(EndActor(actor: id, cause: cause, restarts: restarts)) { [weak self] result in
            guard let self else { return }
            guard case .failure(let error) = result else { return actorEvent { $0.ended(id, $1) } }
            guard nodeLinks[node] === link else { return }
            log.warning("a node did not take the end of an actor", metadata: ["actor": "\(id)", "node": "\(node)", "error": "\(error)"])
            guard error.code == .timeout || error.code == .unavailable || error.code == .overloaded else { return }
            loop.schedule(after: Self.orderPause) { [weak self] in self?.end(id, on: node, restarts: restarts, cause) }
        }
    }
}
