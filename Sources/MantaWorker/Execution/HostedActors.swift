// HostedActors: the actors that live in this process: one for good, or many that share it.
//
// An actor's calls go to its host; what comes before its constructor has returned waits. Of each caller only the next call in its order is taken: an earlier
// one is a duplicate. An actor that is taken out of a shared process answers nothing any more: its callers hear of its end from the head.

import MantaLoop
import MantaModel
import MantaTransport
import MantaWire

/// Confined to the loop, like its owner.
final class HostedActors {
    /// A class: every call looks at it, and nothing is copied then.
    private final class Place {
        let specification: ActorSpecification
        let restarts: Int
        /// Nil while the constructor runs.
        var host: ActorHost?
        /// Who waits for the constructor: more than one when the order was sent again.
        var orders: [(correlation: Correlation, route: ReplyRoute)]
        /// Why the constructor failed, for an order that is sent again before this process is ended.
        var failure: String?
        /// Calls that came before the constructor returned.
        var early: [CallLane.Item] = []
        /// The next call expected of each caller.
        var nextSequence: [ProcessID: UInt64] = [:]
        var isRescueDue = false

        init(_ specification: ActorSpecification, restarts: Int, orders: [(correlation: Correlation, route: ReplyRoute)]) {
            (self.specification, self.restarts, self.orders) = (specification, restarts, orders)
        }

        var isShared: Bool { specification.isolation == .shared }
    }

    private var places: [ActorID: Place] = [:]
    /// Those that were taken out, while calls to them may be on their way.
    private var left: Set<ActorID> = []

    var isEmpty: Bool { places.isEmpty }
    /// Detached actors share a process with each other only.
    var areDetached: Bool { places.values.first?.specification.lifetime == .detached }

    // MARK: Life

    func start(_ message: StartActor, correlation: Correlation, from link: Link, _ owner: Owner) {
        let specification = message.specification
        let id = specification.id
        if let place = places[id] {
            if place.host != nil || place.failure != nil {
                link.reply(to: correlation, ActorStarted(actor: id, error: place.failure))
                return
            }
            place.orders.append((correlation, ReplyRoute(link: link)))
            return
        }
        guard places.isEmpty || specification.isolation == .shared && places.values.first?.isShared == true else {
            return link.fail(correlation, MantaError(.conflict, "this worker already hosts an actor"))
        }
        places[id] = Place(specification, restarts: message.restarts, orders: [(correlation, ReplyRoute(link: link))])
        owner.runtime.serves(specification.job)
        let runtime = owner.runtime!
        Task {
            let result: Result<ActorHost, any Error>
            do { result = .success(try await ActorHost(message, on: runtime)) } catch { result = .failure(error) }
            runtime.loop.execute { runtime.owner.execution.actors.constructed(result, message, runtime.owner) }
        }
    }

    private func constructed(_ result: Result<ActorHost, any Error>, _ message: StartActor, _ owner: Owner) {
        let id = message.specification.id
        guard let place = places[id], place.restarts == message.restarts else {
            // It was taken out meanwhile, and its orders were answered then.
            if case .success(let host) = result { host.close() }
            return
        }
        let orders = place.orders
        place.orders = []
        switch result {
        case .success(let host):
            owner.afterRegistrations {
                for order in orders { order.route.link.reply(to: order.correlation, ActorStarted(actor: id, error: nil)) }
            }
            place.host = host
            let early = place.early
            place.early = []
            for item in early { deliver(item, to: host, at: place, owner) }
        case .failure(let error):
            // The node ends this process, or takes out the actor: one whose constructor threw is of no use.
            let text = (error as? MantaError)?.message ?? "\(String(reflecting: type(of: error))): \(error)"
            if place.isShared { places[id] = nil } else { place.failure = text }
            for order in orders { order.route.link.reply(to: order.correlation, ActorStarted(actor: id, error: text)) }
        }
    }

    /// Lets go of an actor that shares this process: what waits is dropped, what runs is cancelled.
    func end(_ message: EndHostedActor, correlation: Correlation, from link: Link) {
        let place = places.removeValue(forKey: message.actor)
        if let place {
            place.host?.close()
            if left.count >= Limits.actorsPerSharedProcess { left.removeAll() }
            left.insert(message.actor)
        }
        link.reply(to: correlation, Acknowledged())
        for order in place?.orders ?? [] {
            order.route.link.fail(order.correlation, MantaError(.actorDied, "actor \(message.actor.short) was ended while it was constructed"))
        }
    }

    // MARK: Calls

    func call(_ message: CallActor, from link: Link, _ owner: Owner) {
        let id = message.actor
        guard let place = places[id] else {
            guard !left.contains(id) else { return }
            return ReplyRoute(link: link).refuse(message, MantaError(.actorDied, "actor \(id.short) does not live in this process"))
        }
        guard let caller = link.peerProcess, message.sequence >= place.nextSequence[caller, default: 0] else { return }
        place.nextSequence[caller] = message.sequence + 1
        guard let host = place.host else {
            place.early.append((message, ReplyRoute(link: link)))
            return
        }
        deliver((message, ReplyRoute(link: link)), to: host, at: place, owner)
    }

    private func deliver(_ item: CallLane.Item, to host: ActorHost, at place: Place, _ owner: Owner) {
        if host.add(item, on: owner.runtime), !place.isRescueDue { scheduleRescue(of: host, owner, after: .milliseconds(1)) }
    }

    /// Rarer and rarer while one long call holds up an actor that runs one at a time.
    private func scheduleRescue(of host: ActorHost, _ owner: Owner, after delay: Duration) {
        let id = host.specification.id
        guard let place = places[id], !place.isRescueDue else { return }
        place.isRescueDue = true
        owner.loop.schedule(after: delay) { [self] in
            place.isRescueDue = false
            owner.carryOutInbox()
            guard places[id]?.host === host else { return }
            let rescue = host.rescue(on: owner.runtime)
            if rescue.isDueAgain { scheduleRescue(of: host, owner, after: rescue.starts > 0 ? .milliseconds(1) : min(delay * 2, .milliseconds(50))) }
        }
    }

    /// Puts an actor with a call in, and takes it out again: see Rehearsal.
    func rehearse(_ specification: ActorSpecification, _ call: CallActor, _ route: ReplyRoute) {
        let place = Place(specification, restarts: 0, orders: [])
        place.nextSequence[specification.owner.process, default: 0] += 1
        place.early.append((call, route))
        places[specification.id] = place
        CallLane(limit: 1).rehearse((call, route))
        places[specification.id] = nil
    }

    /// Takes a call that has not begun out of its queue and returns it, or cancels the code that runs it. Without an actor, the call may be any one's.
    func cancel(_ task: TaskID, of actor: ActorID?) -> CallLane.Item? {
        for id in actor.map({ [$0] }) ?? Array(places.keys) {
            guard let place = places[id] else { continue }
            if let position = place.early.firstIndex(where: { $0.call.task == task }) { return place.early.remove(at: position) }
            if let item = place.host?.cancel(task) { return item }
        }
        return nil
    }

    /// The call that runs alone while this one waits in line behind it. Without an actor, the call may be any one's.
    func blocker(of task: TaskID, _ actor: ActorID?) -> TaskID? {
        if let actor { return places[actor]?.host?.blocker(of: task) }
        return places.values.lazy.compactMap { $0.host?.blocker(of: task) }.first
    }

    func standing(of task: TaskID) -> Standing? {
        places.values.lazy.compactMap { place in place.early.firstIndex { $0.call.task == task }.map { .inLine($0) } ?? place.host?.standing(of: task) }.first
    }

    func isRunning(_ task: TaskID, of actor: ActorID?) -> Bool {
        if let actor { return places[actor]?.host?.isRunning(task) == true }
        return places.values.contains { $0.host?.isRunning(task) == true }
    }
}
