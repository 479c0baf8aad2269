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

    /// Creates actors that have no names: their answer says only which ones cannot be.
    func createActors(_ message: CreateActors, _ correlation: Correlation, on link: Link) {
        var refusals: [ActorsTaken.Refusal] = []
        let (process, watcher) = (link.peer?.process, link.notes?.watcher)
        actorEvent { directory, sink in
            for specification in message.specifications {
                if jobs.hasEnded(specification.job) {
                    refusals.append(.init(actor: specification.id, error: MantaError(.conflict, "job \(specification.job) has ended; it creates no more actors")))
                    continue
                }
                let isOwner = specification.owner.process == process
                let error = directory.create(specification, watcher: isOwner ? watcher : nil, at: loop.now, time: .now, sink)
                if let error { refusals.append(.init(actor: specification.id, error: error)) }
            }
        }
        link.reply(to: correlation, ActorsTaken(refusals: refusals))
    }

    /// Ends actors that nobody can call any more. While nodes may still say what they run, each is asked about.
    func dropActors(_ message: DropActors, _ correlation: Correlation, on link: Link) {
        guard directory.isRecovering else {
            let watcher = link.notes?.watcher
            return actorEvent({ $0.drop(message.actors, by: watcher, at: loop.now, $1) }, ended: { link.reply(to: correlation, Acknowledged()) })
        }
        let heard = Countdown { [self] in journal?.write([]) { _ in link.reply(to: correlation, Acknowledged()) } }
        for actor in message.actors {
            heard.begin()
            ask(.kill(actor, noRestart: true, reason: "its last handle is gone")) { _ in heard.end() }
        }
        heard.settle()
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

    func actorReports(_ message: ActorReports, _ correlation: Correlation, on link: Link) {
        let node = message.node
        var isUnknown = false
        actorEvent { directory, sink in
            for report in message.reports {
                switch report.event {
                case .alive where !directory.knows(report.actor): isUnknown = true
                case .alive(let address, let pid):
                    directory.cameAlive(report.actor, on: node, restarts: report.restarts, address: address, pid: pid, at: loop.now, sink)
                case .died(let cause): directory.died(report.actor, on: node, restarts: report.restarts, cause, at: loop.now, sink)
                }
            }
        }
        // It was being started when the head was killed: the node is to say what it is.
        if isUnknown { link.send(HelloRequired()) }
        link.reply(to: correlation, Acknowledged())
    }

    // MARK: Actions

    /// - Parameter ended: Called when the nodes of all actors that end by this event have heard of it, or the store has what they have not heard.
    func actorEvent(_ event: (inout ActorDirectory, (ActorDirectory.Action) -> Void) -> Void, ended: (() -> Void)? = nil) {
        var actions: [ActorDirectory.Action] = []
        event(&directory) { actions.append($0) }
        perform(actions, ended: ended)
        armDueTimer()
    }

    func perform(_ actions: [ActorDirectory.Action], ended: (() -> Void)? = nil) {
        var facts: [StorageChange] = []
        var mail = ActorMail()
        var answers: [(ActorDirectory.Token, Result<ActorDirectory.Status, MantaError>)] = []
        for action in actions {
            switch action {
            case .answer(let token, let result): answers.append((token, result))
            case .place(let specification, let restarts, let node): mail.place(.init(specification: specification, restarts: restarts), on: node)
            case .end(let id, let node, let restarts, let cause):
                mail.end(.init(actor: id, restarts: restarts, isFinal: directory.isOver(id), cause: cause), on: node)
            case .store(let row): store(row)
            case .persist(let row): if let stored = StoredActor(row) { facts.append(.putActor(stored)) }
            case .forget(let id):
                facts.append(.removeActor(id))
                forgetSnapshot(of: id)
            case .notify(let watcher, let status): mail.tell(watcher, ActorStatus(status))
            case .died(let status, let willRestart): report(status, willRestart: willRestart)
            case .infeasible(let id, let reason, let owner):
                for peer in peers.values where peer.hello.process == owner { peer.link.send(DemandInfeasible(actor: id, reason: reason)) }
            }
        }
        send(mail, ended: ended)
        if facts.isEmpty {
            for (token, result) in answers { answer(token, result) }
        } else if answers.isEmpty {
            journal?.record(facts)
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

    private func send(_ mail: consuming ActorMail, ended: (() -> Void)?) {
        for (watcher, statuses) in mail.news { peers[watcher]?.link.send(ActorsChanged(statuses)) }
        let heard = ended.map(Countdown.init)
        for (node, orders) in mail.orders {
            switch orders {
            case .place(let orders): place(orders, on: node)
            case .end(let orders):
                heard?.begin()
                end(orders, on: node, heard)
            }
        }
        heard?.settle()
    }

    /// Tells a node to run actors. A node that is away gets the orders again when it registers; one that does not answer, after a pause.
    private func place(_ orders: [PlaceActors.Order], on node: NodeID) {
        guard let link = nodeLinks[node] else { return }
        link.request(PlaceActors(orders)) { [weak self] result in
            guard let self, nodeLinks[node] === link else { return }
            switch result {
            case .success(let answer):
                let refused = Dictionary(answer.refusals.map { ($0.actor, $0.error) }, uniquingKeysWith: { first, _ in first })
                for order in orders where refused.isEmpty || refused[order.specification.id] == nil {
                    directory.accepted(order.specification.id, on: node, restarts: order.restarts)
                }
                if !refused.isEmpty { self.refused(orders, on: node) { refused[$0] } }
            case .failure(let error) where error.code == .timeout || error.code == .unavailable:
                loop.schedule(after: Self.orderPause) { [weak self] in
                    guard let self else { return }
                    let open = orders.filter { self.directory.isBeingPlaced($0.specification.id, on: node, restarts: $0.restarts) }
                    if !open.isEmpty { place(open, on: node) }
                }
            case .failure(let error): refused(orders, on: node) { _ in error }
            }
        }
    }

    private func refused(_ orders: [PlaceActors.Order], on node: NodeID, _ error: (ActorID) -> MantaError?) {
        actorEvent { directory, sink in
            for order in orders {
                guard let error = error(order.specification.id) else { continue }
                directory.refused(order.specification.id, on: node, restarts: order.restarts, error, at: loop.now, sink)
            }
        }
    }

    /// Tells a node to end actors, until it has heard. A node that is away is told when it registers.
    /// - Parameter heard: Waits for that; what cannot be told is stored then.
    private func end(_ orders: [EndActors.Order], on node: NodeID, _ heard: Countdown?) {
        guard let link = nodeLinks[node] else { return unheard(orders, heard) }
        link.request(EndActors(orders)) { [weak self] result in
            guard let self else { return }
            guard case .failure(let error) = result else {
                actorEvent { directory, sink in for order in orders { directory.ended(order.actor, sink) } }
                heard?.end()
                return
            }
            guard nodeLinks[node] === link else { return unheard(orders, heard) }
            log.warning("a node did not take the ends of actors", metadata: ["actors": "\(orders.count)", "node": "\(node)", "error": "\(error)"])
            unheard(orders, heard)
            guard error.code == .timeout || error.code == .unavailable || error.code == .overloaded else { return }
            loop.schedule(after: Self.orderPause) { [weak self] in self?.end(orders, on: node, nil) }
        }
    }

    private func unheard(_ orders: [EndActors.Order], _ heard: Countdown?) {
        guard let heard else { return }
        actorEvent { $0.unheard(orders.map(\.actor), $1) }
        journal?.write([]) { _ in heard.end() }
    }
}
