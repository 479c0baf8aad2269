// HostedActors: the actors placed on this node.
//
// Life of an actor here: 1. placed by the head 2. its resources are reserved 3. its worker process is started, or it is put into a shared one (see
// SharedProcesses) 4. the worker registers and constructs it
// 5. alive, told to the head 6. its process ends, for whatever reason, and the head is told why. Reports are repeated until the head has them.

import Logging
import MantaCore
import MantaLoop
import MantaModel
import MantaTransport
import MantaWire

struct HostedActor {
    enum Phase {
        case reserving
        case starting(ProcessID)
        case alive(ProcessAddress, pid: Int32)
    }
    var specification: ActorSpecification
    var restarts: Int
    var phase: Phase
    /// Why it is being ended, when it is.
    var endCause: DeathCause?
    var endIsKnown = false

    /// As a head that does not know it must be told.
    var running: RunningActor? {
        guard case .alive(let address, let pid) = phase, endCause == nil else { return nil }
        return RunningActor(specification: specification, address: address, pid: pid, restarts: restarts)
    }
}

extension Node {
    func placeActors(_ message: PlaceActors, correlation: Correlation, on link: Link) {
        var refusals: [ActorsTaken.Refusal] = []
        for order in message.orders {
            let id = order.specification.id
            if let known = actors[id], known.restarts >= order.restarts { continue }
            if let end = endedActors[id], end.restarts >= order.restarts {
                // The order comes twice, or its answer was lost: that incarnation is over and must not live again.
                report(id, restarts: end.restarts, .died(end.cause))
                continue
            }
            guard book.total.covers(order.specification.resources) else {
                let text = "node \(configuration.node.short) has \(book.total), actor \(id.short) needs \(order.specification.resources)"
                refusals.append(.init(actor: id, error: MantaError(.unschedulable, text)))
                continue
            }
            if let older = actors[id] { giveUp(id, older) }
            actors[id] = HostedActor(specification: order.specification, restarts: order.restarts, phase: .reserving)
            book.reserve(id, order.specification.resources, at: loop.now) { perform($0) }
        }
        link.reply(to: correlation, ActorsTaken(refusals: refusals))
    }

    /// The head has given up an incarnation that is still here: it places the next one. What the older one's process says from now on is not about that one.
    private func giveUp(_ id: ActorID, _ older: HostedActor) {
        let cause = DeathCause(.killed, "incarnation \(older.restarts) of actor \(id.short) was given up: a newer one was placed here")
        endedActors.remember(id, (older.restarts, cause))
        switch older.phase {
        case .reserving: break
        case _ where older.specification.isolation == .shared:
            if older.endCause == nil { takeOut(id, because: cause) }
            shared.left(id, mayReturn: true, at: loop.now)
        case .starting(let process): processes.end(process, because: cause)
        case .alive(let address, _): processes.end(address.process, because: cause)
        }
    }

    /// Its resources are there.
    func startActor(_ id: ActorID) {
        guard let actor = actors[id], case .reserving = actor.phase else { return }
        if actor.specification.isolation == .shared, putIntoRunningProcess(id, actor.specification) { return }
        let (program, owner) = (actor.specification.program, actor.specification.owner)
        programs.prepare(program, from: links[owner.process] ?? transport.connect(to: owner)) { [self] result in
            // It may have been ended while its program was on its way.
            guard let now = actors[id], now.restarts == actor.restarts, case .reserving = now.phase else { return }
            do throws(MantaError) {
                if now.specification.isolation == .shared { return try share(id, now.specification, from: try result.get()) }
                let worker = try processes.start(
                    program, from: try result.get(), for: .actor(id), title: actor.specification.type, holding: actor.specification.resources.asAsked,
                    environment: environmentOfGPUs(heldBy: id))
                actors[id]?.phase = .starting(worker.id)
                outputs.follow(worker)
            } catch {
                gone(id, DeathCause(error.code == .notFound ? .programMissing : .startFailed, error.message))
            }
        }
    }

    /// Its worker listens: lets it construct the actor, together with others of this turn.
    func construct(_ id: ActorID, in process: ProcessID) {
        guard let actor = actors[id], actor.endCause == nil else {
            // One that shares its process is taken out of it already.
            return shared.process(of: id) == process ? () : processes.end(process, because: DeathCause(.killed, "its actor is no longer wanted"))
        }
        if starts.isEmpty { loop.later { [self] in sendStarts() } }
        starts[process, default: []].append(
            .init(specification: actor.specification, restarts: actor.restarts, gpus: names(ofGPUs: book.numbers(ofGPUsHeldBy: id))))
    }

    func sendStarts() {
        let starts = starts
        self.starts = [:]
        for (process, orders) in starts {
            links[process]?.request(StartActors(orders), deadline: .seconds(3600)) { [self] result in
                switch result {
                case .success(let answer): started(answer, in: process)
                case .failure(let error): notStarted(orders, in: process, error)
                }
            }
        }
    }

    /// Constructors have returned.
    func started(_ message: ActorsStarted, in process: ProcessID) {
        guard let worker = processes.processes[process], let address = worker.address else { return }
        for result in message.results {
            let id = result.actor
            guard let index = actors.index(forKey: id), case .starting(process) = actors.values[index].phase else { continue }
            if let error = result.error {
                let cause = DeathCause(.constructorThrew, "its constructor threw \(error)")
                if shared.process(of: id) == process { gone(id, cause) } else { processes.end(process, because: cause) }
            } else {
                actors.values[index].phase = .alive(address, pid: worker.pid)
                if actors.values[index].endCause == nil { report(id, restarts: actors.values[index].restarts, .alive(address: address, pid: worker.pid)) }
            }
        }
    }

    /// A shared process did not take actors. When it is gone, or will be, its end tells more.
    private func notStarted(_ orders: [StartActors.Order], in process: ProcessID, _ error: MantaError) {
        guard processes.processes[process] != nil else { return }
        for order in orders where shared.process(of: order.specification.id) == process && actors[order.specification.id]?.restarts == order.restarts {
            gone(order.specification.id, DeathCause(.startFailed, "its process did not take it: \(error.message)"))
        }
    }

    /// Ends an actor's process, unless it is of a newer incarnation than the order; the head hears of it when the process is gone.
    /// - Parameter isKnown: The head has given it up, and need not hear of its end.
    func endActor(_ id: ActorID, restarts: Int? = nil, isKnown: Bool = false, _ cause: DeathCause) {
        guard let actor = actors[id], actor.restarts <= restarts ?? .max else { return }
        actors[id]?.endCause = cause
        if isKnown { actors[id]?.endIsKnown = true }
        switch actor.phase {
        case .reserving: gone(id, cause)
        case _ where actor.specification.isolation == .shared: takeOut(id, because: cause)
        case .starting(let process): end(process, because: cause)
        case .alive(let address, _): end(address.process, because: cause)
        }
    }

    /// Its process has ended.
    func actorEnded(_ id: ActorID, _ process: ProcessID, _ cause: DeathCause) {
        switch actors[id]?.phase {
        case .starting(process): gone(id, cause)
        case .alive(let address, _) where address.process == process: gone(id, cause)
        default: break
        }
    }

    func gone(_ id: ActorID, _ cause: DeathCause) {
        guard let actor = actors.removeValue(forKey: id) else { return }
        shared.left(id, mayReturn: actor.specification.maxRestarts != 0, at: loop.now)
        endedActors.remember(id, (actor.restarts, cause))
        book.release(id, at: loop.now) { perform($0) }
        if !actor.endIsKnown { report(id, restarts: actor.restarts, .died(cause)) }
    }

    /// Tells the head, together with the other reports of this turn.
    private func report(_ id: ActorID, restarts: Int, _ event: ActorReports.Event) {
        if reports.isEmpty { loop.later { [self] in sendReports() } }
        reports.append(.init(actor: id, restarts: restarts, event: event))
    }

    func sendReports() {
        guard !reports.isEmpty else { return }
        let message = ActorReports(node: configuration.node, reports: reports)
        reports = []
        head.request(message, deadline: .seconds(3600)) { [self] result in
            if case .failure(let error) = result { logger.warning("the head did not take reports about actors", metadata: ["count": "\(message.reports.count)", "error": "\(error)"]) }
        }
    }
}
