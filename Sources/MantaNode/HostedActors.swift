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

    /// As a head that does not know it must be told.
    var running: RunningActor? {
        guard case .alive(let address, let pid) = phase, endCause == nil else { return nil }
        return RunningActor(specification: specification, address: address, pid: pid, restarts: restarts)
    }
}

extension Node {
    func placeActor(_ message: PlaceActor, correlation: Correlation, on link: Link) {
        let id = message.specification.id
        if let known = actors[id], known.restarts >= message.restarts {
            link.reply(to: correlation, Acknowledged())
            return
        }
        if let end = endedActors[id], end.restarts >= message.restarts {
            // The order comes twice, or its answer was lost: that incarnation is over and must not live again.
            link.reply(to: correlation, Acknowledged())
            return report(id, restarts: end.restarts, .died(end.cause))
        }
        guard book.total.covers(message.specification.resources) else {
            let text = "node \(configuration.node.short) has \(book.total), actor \(id.short) needs \(message.specification.resources)"
            return link.fail(correlation, MantaError(.unschedulable, text))
        }
        actors[id] = HostedActor(specification: message.specification, restarts: message.restarts, phase: .reserving)
        link.reply(to: correlation, Acknowledged())
        book.reserve(id, message.specification.resources, at: loop.now) { perform($0) }
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
                gone(id, DeathCause(.startFailed, error.message))
            }
        }
    }

    /// Its worker listens.
    func construct(_ id: ActorID, _ address: ProcessAddress, _ pid: Int32, on link: Link) {
        let isShared = shared.process(of: id) == address.process
        guard let actor = actors[id], actor.endCause == nil else {
            // One that shares its process is taken out of it already.
            return isShared ? () : processes.end(address.process, because: DeathCause(.killed, "its actor is no longer wanted"))
        }
        let start = StartActor(
            specification: actor.specification, restarts: actor.restarts, gpus: names(ofGPUs: book.numbers(ofGPUsHeldBy: id)))
        link.request(start, deadline: .seconds(3600)) { [self] result in
            switch result {
            case .success(let started) where started.error == nil:
                guard actors[id]?.restarts == actor.restarts else { return }
                actors[id]?.phase = .alive(address, pid: pid)
                report(id, restarts: actor.restarts, .alive(address: address, pid: pid))
            case .success(let started):
                let cause = DeathCause(.constructorThrew, "its constructor threw \(started.error ?? "")")
                if !isShared { processes.end(address.process, because: cause) } else if actors[id]?.restarts == actor.restarts { gone(id, cause) }
            case .failure(let error) where isShared && processes.processes[address.process] != nil && actors[id]?.restarts == actor.restarts:
                gone(id, DeathCause(.startFailed, "its process did not take it: \(error.message)"))
            case .failure: break  // The process is gone, or will be: its end is reported then.
            }
        }
    }

    /// Ends an actor's process, unless it is of a newer incarnation than the order; the head hears of it when the process is gone.
    func endActor(_ id: ActorID, restarts: Int? = nil, _ cause: DeathCause) {
        guard let actor = actors[id], actor.restarts <= restarts ?? .max else { return }
        actors[id]?.endCause = cause
        switch actor.phase {
        case .reserving: gone(id, cause)
        case _ where actor.specification.isolation == .shared: takeOut(id, because: cause)
        case .starting(let process): processes.end(process, because: cause)
        case .alive(let address, _): processes.end(address.process, because: cause)
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
        if endedActors.count >= Limits.deadActors { endedActors.removeAll() }
        endedActors[id] = (actor.restarts, cause)
        book.release(id, at: loop.now) { perform($0) }
        report(id, restarts: actor.restarts, .died(cause))
    }

    private func report(_ id: ActorID, restarts: Int, _ event: ActorReport.Event) {
        let report = ActorReport(actor: id, node: configuration.node, restarts: restarts, event: event)
        head.request(report, deadline: .seconds(3600)) { [self] result in
            if case .failure(let error) = result { logger.warning("the head did not take a report", metadata: ["actor": "\(id)", "error": "\(error)"]) }
        }
    }
}
