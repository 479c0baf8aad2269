// ActorDirectory+Reports: what nodes say: what they run, what came alive, what died; and what follows: restarts, deaths, fencing of old incarnations.

package import MantaModel

extension ActorDirectory {
    /// The actors of the store, at the start of the head. They, and what else still runs, are told by the nodes within the grace, which ends with
    /// `recoveryIsComplete` at the latest when all nodes have spoken.
    package mutating func restore(_ rows: [Row], at now: Instant, time: WallTime, grace: Duration = Limits.deadAfter) {
        for row in rows.sorted(by: { ($0.createdAt, $0.specification.id) < ($1.createdAt, $1.specification.id) }) {
            let id = row.specification.id
            let isDead = row.state == .dead
            let phase = isDead ? Phase.dead(DeathCause(.killed, "actor \(id.short) died before the head's restart"), at: nil) : .awaited
            let age = Duration.milliseconds(max(0, time.milliseconds - row.createdAt.milliseconds))
            var entry = makeEntry(row.specification, createdAt: row.createdAt, begin: now - age, phase: phase)
            entry.restarts = row.restarts
            enter(entry)
            if isDead {
                dead.append(id)
                tombstones.insert(id)
                continue
            }
            if let name = row.specification.name { names[FullName(name: name, namespace: row.specification.namespace)] = id }
        }
        recoveryEnd = now + grace
    }

    /// A node registered, with everything it runs. `jobHasEnded` tells about the jobs of actors that are not known here.
    package mutating func nodeJoined(
        _ id: NodeID, total: Resources, available: Resources, labels: [String: String] = [:], running: [Running], jobHasEnded: (JobID) -> Bool, at now: Instant, time: WallTime,
        _ sink: (Action) -> Void
    ) {
        nodes[id] = NodeLoad(total: total, available: available, labels: labels)
        for actor in running { found(actor, on: id, jobHasEnded: jobHasEnded, at: now, time: time, sink) }
        let listed = Set(running.map(\.specification.id))
        // In the order of creation: equal events have equal consequences.
        let missing = entries.values.filter { $0.phase.node == id && !listed.contains($0.specification.id) }.sorted { $0.number < $1.number }
        for entry in missing {
            let actor = entry.specification.id
            switch entry.phase {
            case .alive:
                lost(actor, DeathCause(.exited, "node \(id.short) no longer runs actor \(actor.short); it died while the node could not say so"), at: now, sink)
            case .placing:
                // The order may have been lost; a node takes it twice as once.
                nodes[id]?.assign(actor, entry.specification.resources)
                sink(.place(entry.specification, restarts: entry.restarts, on: id))
            default: break
            }
        }
        askDeferred(at: now, time: time, sink)
        placeWaiting(at: now, sink)
    }

    private mutating func found(
        _ actor: Running, on node: NodeID, jobHasEnded: (JobID) -> Bool, at now: Instant, time: WallTime, _ sink: (Action) -> Void
    ) {
        let id = actor.specification.id
        let alive = Phase.alive(on: node, actor.address, pid: actor.pid, since: now)
        guard let entry = entries[id] else {
            let specification = actor.specification
            if specification.lifetime == .detached {
                // It would be in the store if it had not been given up.
                return sink(.end(id, on: node, restarts: actor.restarts, cause: DeathCause(.killed, "the head has given up detached actor \(id.short)")))
            }
            if jobHasEnded(specification.job) {
                return sink(.end(id, on: node, restarts: actor.restarts, cause: DeathCause(.jobEnded, "job \(specification.job.short), which owned actor \(id.short), has ended")))
            }
            if let name = specification.name {
                let fullName = FullName(name: name, namespace: specification.namespace)
                if let holder = names[fullName] {
                    return sink(.end(id, on: node, restarts: actor.restarts, cause: DeathCause(.killed, "the name \"\(name)\" was given to actor \(holder.short) while node \(node.short) was away")))
                }
                names[fullName] = id
            }
            var entry = makeEntry(specification, at: now, time: time, phase: alive)
            entry.restarts = actor.restarts
            enter(entry)
            // It was made so shortly before the head's end that the store does not have it.
            if specification.isKept { sink(.persist(storedRow(entry))) }
            nodes[node]?.found(id, specification.resources)
            return
        }
        if entry.phase.isDead { return sink(.end(id, on: node, restarts: actor.restarts, cause: status(entry).death ?? DeathCause(.killed, "actor \(id.short) is dead"))) }
        let isElsewhere = entry.phase.node.map { $0 != node } ?? false
        if actor.restarts < entry.restarts || (actor.restarts == entry.restarts && isElsewhere) {
            return sink(.end(id, on: node, restarts: actor.restarts, cause: DeathCause(.nodeDied, "actor \(id.short) was started again elsewhere while node \(node.short) was away")))
        }
        if actor.restarts > entry.restarts, let other = entry.phase.node, other != node {
            sink(.end(id, on: other, restarts: entry.restarts, cause: DeathCause(.killed, "a newer incarnation of actor \(id.short) runs on node \(node.short)")))
        }
        if case .alive(node, actor.address, actor.pid, _) = entry.phase, entry.restarts == actor.restarts {
            nodes[node]?.found(id, entry.specification.resources)
            return
        }
        entries[id]?.restarts = actor.restarts
        move(id, to: alive)
        announce(id, sink)
        if entry.specification.isKept, actor.restarts != entry.restarts, let entry = entries[id] { sink(.persist(storedRow(entry))) }
    }

    /// A node's heartbeat: what it has free now.
    package mutating func nodeUpdated(_ id: NodeID, available: Resources, total: Resources? = nil, at now: Instant, _ sink: (Action) -> Void) {
        guard nodes[id] != nil else { return }
        nodes[id]?.update(available: available, total: total)
        placeWaiting(at: now, sink)
    }

    /// Whether new actors may go there: not while it is suspect.
    package mutating func nodeUsable(_ id: NodeID, _ isUsable: Bool, at now: Instant, _ sink: (Action) -> Void) {
        nodes[id]?.isUsable = isUsable
        if isUsable { placeWaiting(at: now, sink) }
    }

    /// A node is gone, and everything on it.
    package mutating func nodeDied(_ id: NodeID, reason: String, at now: Instant, _ sink: (Action) -> Void) {
        nodes[id] = nil
        let here = entries.values.filter { $0.phase.node == id }.sorted { $0.number < $1.number }
        for entry in here {
            let actor = entry.specification.id
            if case .placing(_, accepted: false) = entry.phase {
                entries[actor]?.mayLinger = true
                move(actor, to: .waiting(notBefore: .zero))
            } else {
                lost(actor, DeathCause(.nodeDied, "the node of actor \(actor.short) died: \(reason)"), at: now, sink)
            }
        }
        placeWaiting(at: now, sink)
    }

    /// Bundles of a placement group are ready on the node: actors may go there before its next heartbeat says so.
    package mutating func nodeGained(_ id: NodeID, _ resources: Resources, at now: Instant, _ sink: (Action) -> Void) {
        nodes[id]?.gain(resources)
        placeWaiting(at: now, sink)
    }

    /// A placement group was removed, and with it the actors that ran in it or were to.
    package mutating func groupRemoved(_ group: PlacementGroupID, at now: Instant, _ sink: (Action) -> Void) {
        guard let gone = grouped[group] else { return }
        for id in gone.sorted(by: { entries[$0]!.number < entries[$1]!.number }) {
            bury(id, DeathCause(.groupRemoved, "placement group \(group.short), in which actor \(id.short) ran, was removed"), at: now, sink)
        }
        placeWaiting(at: now, sink)
    }

    /// A process is gone: the actors that it made go too, except for the detached ones.
    package mutating func ownerDied(_ process: ProcessID, at now: Instant, _ sink: (Action) -> Void) {
        guard owned[process] != nil else { return }
        let orphans = entries.values.filter { $0.specification.owner.process == process && $0.specification.lifetime == .job && !$0.phase.isDead }
        for entry in orphans.sorted(by: { $0.number < $1.number }) {
            let id = entry.specification.id
            bury(id, DeathCause(.ownerDied, "process \(process.short), which made actor \(id.short), is gone"), at: now, sink)
        }
        placeWaiting(at: now, sink)
    }

    /// The node took the actor's resources and starts it.
    package mutating func accepted(_ id: ActorID, on node: NodeID, restarts: Int) {
        guard let entry = entries[id], entry.restarts == restarts, entry.phase == .placing(on: node, accepted: false) else { return }
        entries[id]?.phase = .placing(on: node, accepted: true)
        nodes[node]?.accepted(id)
    }

    /// The node did not take it: for now, or never.
    package mutating func refused(_ id: ActorID, on node: NodeID, restarts: Int, _ error: MantaError, at now: Instant, _ sink: (Action) -> Void) {
        guard let entry = entries[id], entry.restarts == restarts, entry.phase == .placing(on: node, accepted: false) else { return }
        switch error.code {
        case .invalidArgument, .unknownFunction, .wrongType, .malformed, .tooLarge:
            lost(id, DeathCause(.startFailed, "actor \(id.short) could not be started: \(error.message)"), at: now, sink)
        default:
            move(id, to: .waiting(notBefore: now + Self.refusalPause))
            entries[id]?.reason = "node \(node.short) did not take it: \(error.message)"
        }
    }

    /// A node says that an incarnation is alive.
    package mutating func cameAlive(_ id: ActorID, on node: NodeID, restarts: Int, address: ProcessAddress, pid: Int32, at now: Instant, _ sink: (Action) -> Void) {
        guard let entry = entries[id] else {
            return sink(.end(id, on: node, restarts: restarts, cause: DeathCause(.killed, "the head does not know actor \(id.short)")))
        }
        if case .dead(let cause, _) = entry.phase { return sink(.end(id, on: node, restarts: restarts, cause: cause)) }
        if let place = entry.phase.node, place != node {
            return sink(.end(id, on: node, restarts: restarts, cause: DeathCause(.killed, "actor \(id.short) belongs on node \(place.short)")))
        }
        if restarts < entry.restarts {
            // Where the newer one is, the node knows; elsewhere this one is a leftover.
            if entry.phase.node == nil { sink(.end(id, on: node, restarts: restarts, cause: DeathCause(.killed, "incarnation \(restarts) of actor \(id.short) was given up"))) }
            return
        }
        guard restarts == entry.restarts, entry.phase != .storing else { return }
        let wasAlive = if case .alive = entry.phase { true } else { false }
        if wasAlive { return }
        nodes[node]?.accepted(id)
        move(id, to: .alive(on: node, address, pid: pid, since: now))
        announce(id, sink)
        if entry.specification.lifetime == .detached, let entry = entries[id] { sink(.persist(storedRow(entry))) }
    }

    /// A node says that an incarnation has died.
    package mutating func died(_ id: ActorID, on node: NodeID, restarts: Int, _ cause: DeathCause, at now: Instant, _ sink: (Action) -> Void) {
        // It may have died while no head was there.
        guard let entry = entries[id], entry.restarts == restarts, entry.phase.node == node || entry.phase == .awaited else { return }
        lost(id, cause, at: now, sink)
        placeWaiting(at: now, sink)
    }

    /// The present incarnation is gone: the next one, or the end.
    mutating func lost(_ id: ActorID, _ cause: DeathCause, at now: Instant, _ sink: (Action) -> Void) {
        guard let entry = entries[id], !entry.phase.isDead else { return }
        if cause.kind == .nodeDied { entries[id]?.mayLinger = true }
        let allowed = entry.specification.maxRestarts
        let isFinal = [.constructorThrew, .jobEnded, .ownerDied, .groupRemoved, .unschedulable].contains(cause.kind)
        let willRestart = !isFinal && (allowed < 0 || entry.restarts < allowed)
        entries[id]?.story.ends = (entry.story.ends + [cause.detail]).suffix(Self.rememberedEnds)
        entries[id]?.story.lastDeath = cause
        if !cause.isWanted {
            var report = status(entry)
            report.death = cause
            sink(.died(report, willRestart: willRestart))
        }
        guard willRestart else { return bury(id, cause, at: now, sink) }
        var pause = entry.story.backOff
        if case .alive(_, _, _, let since) = entry.phase, now - since >= Self.stableAfter { pause = Self.firstBackOff }
        entries[id]?.story.backOff = min(pause * 2, Self.lastBackOff)
        if cause.kind == .programMissing, takeOfferedProgram(id) { pause = .zero }
        entries[id]?.restarts += 1
        move(id, to: .backingOff(until: now + pause))
        entries[id]?.reason = "it starts again in \(pause.inMilliseconds) ms; its last incarnation ended: \(cause.detail)"
        announce(id, sink)
        if entry.specification.isKept, let entry = entries[id] { sink(.persist(storedRow(entry))) }
    }

    /// The end of an actor, wherever it stood.
    /// - Parameter isStored: Whether a new head must know of it until the actor's node has heard.
    mutating func bury(_ id: ActorID, _ cause: DeathCause, isStored: Bool = true, at now: Instant, _ sink: (Action) -> Void) {
        guard let entry = entries[id], !entry.phase.isDead else { return }
        if let node = entry.phase.node, nodes[node] != nil, cause.isWanted {
            sink(.end(id, on: node, restarts: entry.restarts, cause: cause))
        }
        freeName(of: entry)
        disown(entry.specification)
        move(id, to: .dead(cause, at: entry.time(at: now)))
        entries[id]?.specification.arguments = []
        if entry.specification.lifetime == .detached {
            // A detached actor that a node reports and the store does not have was given up.
            sink(.forget(id))
        } else if entry.mayLinger || (isStored && cause.isWanted && cause.kind != .jobEnded && entry.phase.node != nil), let buried = entries[id] {
            tombstones.insert(id)
            sink(.persist(storedRow(buried)))
        } else if entry.specification.isKept {
            sink(.forget(id))
        }
        announce(id, sink)
        dead.append(id)
        guard dead.count > Limits.deadActors else { return }
        let oldest = dead.removeFirst()
        entries[oldest] = nil
        ended(oldest, sink)
    }

    /// The nodes of these dead actors could not be told: they are when they come back, also by a new head.
    package mutating func unheard(_ ids: [ActorID], _ sink: (Action) -> Void) {
        for id in ids {
            guard let entry = entries[id], entry.phase.isDead, entry.specification.lifetime == .job, tombstones.insert(id).inserted else { continue }
            sink(.persist(storedRow(entry)))
        }
    }

    /// The node has heard that this actor must end: it needs no reminder any more.
    package mutating func ended(_ id: ActorID, _ sink: (Action) -> Void) {
        if tombstones.remove(id) != nil { sink(.forget(id)) }
    }

    mutating func freeName(of entry: Entry) {
        guard let name = entry.specification.name else { return }
        let fullName = FullName(name: name, namespace: entry.specification.namespace)
        if names[fullName] == entry.specification.id { names[fullName] = nil }
    }

    /// Every node that may run something has said what: what nobody has reported is gone, and no question waits any longer.
    package mutating func recoveryIsComplete(at now: Instant, time: WallTime, _ sink: (Action) -> Void) {
        guard isRecovering else { return }
        recoveryEnd = nil
        for entry in entries.values.sorted(by: { $0.number < $1.number }) {
            guard case .awaited = entry.phase else { continue }
            lost(entry.specification.id, DeathCause(.nodeDied, Self.unreported(entry)), at: now, sink)
        }
        askDeferred(at: now, time: time, sink)
    }

    private static func unreported(_ entry: Entry) -> String { "no node reported actor \(entry.specification.id.short) after the head's restart" }

    /// Does what is due.
    package mutating func tick(at now: Instant, time: WallTime, _ sink: (Action) -> Void) {
        for id in timers.filter({ $0.value <= now }).keys.sorted() {
            switch entries[id]?.phase {
            case .backingOff:
                move(id, to: .waiting(notBefore: .zero))
            default: timers[id] = nil
            }
        }
        placeWaiting(at: now, sink)
        tellInfeasible(at: now, sink)
        if let recoveryEnd, recoveryEnd <= now { recoveryIsComplete(at: now, time: time, sink) }
    }
}
