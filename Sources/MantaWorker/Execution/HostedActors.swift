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
        /// The orders that wait for it: more than one when it was sent again.
        var starts: [Int]
        /// Why the constructor failed, for an order that is sent again before this process is ended.
        var failure: String?
        /// Calls that came before the constructor returned.
        var early: [CallLane.Item] = []
        /// The constructor asked for the actor's end behind so many of them.
        var endsBehind: Int?
        /// The next call expected of each caller.
        var nextSequence: [ProcessID: UInt64] = [:]
        var isRescueDue = false

        init(_ specification: ActorSpecification, restarts: Int, starts: [Int]) {
            (self.specification, self.restarts, self.starts) = (specification, restarts, starts)
        }

        var isShared: Bool { specification.isolation == .shared }
    }

    private var places: [ActorID: Place] = [:]
    private var starts = ActorStarts()
    /// To those from whom the orders of `starts` came.
    private var routes: [Int: (ActorStarts.News) -> Void] = [:]
    private var isTellingDue = false
    /// Those that were taken out, while calls to them may be on their way.
    private var left: Set<ActorID> = []

    var isEmpty: Bool { places.isEmpty }
    /// Detached actors share a process with each other only.
    var areDetached: Bool { places.values.first?.specification.lifetime == .detached }

    // MARK: Life

    func start(_ message: StartActors, correlation: Correlation, from link: Link, _ owner: Owner) {
        let number = starts.add(message.orders.lazy.map(\.specification.id))
        routes[number] = { news in
            if news.isAnswer { link.reply(to: correlation, news.message) } else { link.send(news.message) }
        }
        for order in message.orders { start(order, number, owner) }
        tell(owner)
    }

    private func start(_ order: StartActors.Order, _ number: Int, _ owner: Owner) {
        let specification = order.specification
        let id = specification.id
        if let place = places[id] {
            // Said again, because an answer was lost.
            if place.host == nil, place.failure == nil { place.starts.append(number) } else { starts.ended(id, error: place.failure, of: number) }
            return
        }
        guard places.isEmpty || specification.isolation == .shared && places.values.first?.isShared == true else {
            return starts.ended(id, error: "this worker already hosts an actor", of: number)
        }
        places[id] = Place(specification, restarts: order.restarts, starts: [number])
        owner.runtime.serves(specification.job)
        let runtime = owner.runtime!
        Task {
            let result: Result<ActorHost, any Error>
            do { result = .success(try await ActorHost(order, on: runtime)) } catch { result = .failure(error) }
            runtime.loop.execute { runtime.owner.execution.actors.constructed(result, order, runtime.owner) }
        }
    }

    private func constructed(_ result: Result<ActorHost, any Error>, _ order: StartActors.Order, _ owner: Owner) {
        let id = order.specification.id
        guard let place = places[id], place.restarts == order.restarts else {
            // It was taken out meanwhile, and nobody waits for it since.
            if case .success(let host) = result { host.close() }
            return
        }
        let numbers = place.starts
        place.starts = []
        switch result {
        case .success(let host):
            owner.afterRegistrations { [self] in ended(id, nil, numbers, owner) }
            place.host = host
            let early = place.early
            place.early = []
            for (index, item) in early.enumerated() {
                if index == place.endsBehind { host.end(on: owner.runtime) }
                deliver(item, to: host, at: place, owner)
            }
            if place.endsBehind == early.count { host.end(on: owner.runtime) }
        case .failure(let error):
            // The node ends this process, or takes out the actor: one whose constructor threw is of no use.
            let text = (error as? MantaError)?.message ?? "\(String(reflecting: type(of: error))): \(error)"
            if place.isShared { places[id] = nil } else { place.failure = text }
            ended(id, text, numbers, owner)
        }
    }

    /// A constructor has returned, or thrown.
    private func ended(_ id: ActorID, _ error: String?, _ numbers: [Int], _ owner: Owner) {
        for number in numbers { starts.ended(id, error: error, of: number) }
        tell(owner)
    }

    /// Tells at the end of the turn what became of actors in it.
    private func tell(_ owner: Owner) {
        guard !isTellingDue else { return }
        isTellingDue = true
        owner.loop.later { [self] in
            isTellingDue = false
            for news in starts.take() {
                (news.isAnswer ? routes.removeValue(forKey: news.order) : routes[news.order])?(news)
            }
        }
    }

    /// Lets go of actors that share this process: what waits is dropped, what runs is cancelled.
    func end(_ message: EndHostedActors, correlation: Correlation, from link: Link, _ owner: Owner) {
        for actor in message.actors {
            guard let place = places.removeValue(forKey: actor) else { continue }
            place.host?.close()
            if left.count >= Limits.actorsPerSharedProcess { left.removeAll() }
            left.insert(actor)
        }
        starts.takenOut(message.actors)
        tell(owner)
        link.reply(to: correlation, Acknowledged())
    }

    /// An actor's own code asks for its end.
    func exit(_ actor: ActorID, _ owner: Owner) {
        guard let place = places[actor] else { return }
        if let host = place.host { host.end(on: owner.runtime) } else if place.endsBehind == nil { place.endsBehind = place.early.count }
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
        let place = Place(specification, restarts: 0, starts: [])
        place.nextSequence[specification.owner.process, default: 0] += 1
        place.early.append((call, route))
        places[specification.id] = place
        let number = starts.add([specification.id])
        routes[number] = { _ in }
        starts.ended(specification.id, error: nil, of: number)
        for news in starts.take() { routes.removeValue(forKey: news.order)?(news) }
        CallLane(limit: 1).rehearse((call, route))
        places[specification.id] = nil
    }

    /// Takes a call that has not begun out of its queue and returns it, or cancels the code that runs it. Without an actor, the call may be any one's.
    func cancel(_ task: TaskID, of actor: ActorID?) -> CallLane.Item? {
        for id in actor.map({ [$0] }) ?? Array(places.keys) {
            guard let place = places[id] else { continue }
            if let position = place.early.firstIndex(where: { $0.call.task == task }) {
                if let end = place.endsBehind, position < end { place.endsBehind = end - 1 }
                return place.early.remove(at: position)
            }
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
