// ActorDirectory+Questions: creating, finding, watching and killing actors.
//
// A question about something that is not known waits while nodes may still say what they run (after a restart of the head), and is asked again then.

package import MantaModel

extension ActorDirectory {
    /// Answers by an `answer` action, now or later.
    package mutating func ask(_ question: Question, token: Token, at now: Instant, time: WallTime, _ sink: (Action) -> Void) {
        switch question {
        case .create(let specification, let getIfExists, let watcher):
            create(specification, getIfExists: getIfExists, watcher: watcher, token: token, at: now, time: time, sink)
        case .named(let name, let namespace):
            if let complaint = Self.complaint(aboutName: name, of: "an actor") ?? Self.complaint(aboutNamespace: namespace) {
                return sink(.answer(token, .failure(MantaError(.invalidArgument, complaint))))
            }
            if let id = names[FullName(name: name, namespace: namespace)] { return answer(token, about: id, sink) }
            postpone(token, question, sink) { directory in
                let elsewhere = directory.names.keys.filter { $0.name == name }.map(\.namespace).sorted().prefix(3)
                let hint = elsewhere.isEmpty ? "" : "; there is one in namespace \(elsewhere.map { "\"\($0)\"" }.joined(separator: ", "))"
                return MantaError(.notFound, "no actor is named \"\(name)\" in namespace \"\(namespace)\"\(hint)")
            }
        case .watch(let id, let watcher):
            guard let entry = entries[id] else { return postpone(token, question, sink) { _ in Self.unknown(id) } }
            if !entry.phase.isDead { entries[id]?.watchers.insert(watcher) }
            answer(token, about: id, sink)
        case .kill(let id, let noRestart, let reason):
            guard entries[id] != nil else { return postpone(token, question, sink) { _ in Self.unknown(id) } }
            kill(id, noRestart: noRestart, reason: reason ?? "it was killed", at: now, sink)
            if let entry = entries[id] { sink(.answer(token, .success(status(entry)))) }
            placeWaiting(at: now, sink)
        }
    }

    private mutating func create(
        _ specification: ActorSpecification, getIfExists: Bool, watcher: WatcherID?, token: Token, at now: Instant, time: WallTime,
        _ sink: (Action) -> Void
    ) {
        let id = specification.id
        if entries[id] != nil {
            // Asked again, because the first answer was lost or is late.
            if let watcher, entries[id]?.phase.isDead == false { entries[id]?.watchers.insert(watcher) }
            return answer(token, about: id, sink)
        }
        if let complaint = Self.complaint(about: specification) { return sink(.answer(token, .failure(MantaError(.invalidArgument, complaint)))) }
        if let name = specification.name {
            if let holder = names[FullName(name: name, namespace: specification.namespace)], let entry = entries[holder] {
                if getIfExists {
                    offer(specification, to: holder, at: now, sink)
                    return answer(token, about: holder, sink)
                }
                return sink(.answer(token, .failure(MantaError(
                    .alreadyExists,
                    "the name \"\(name)\" in namespace \"\(specification.namespace)\" is taken by actor \(holder) of type \(entry.specification.type), which is \(status(entry).state.rawValue); choose another name, or ask for the existing one"))))
            }
            if isRecovering { return postpone(token, .create(specification, getIfExists: getIfExists, watcher: watcher), sink) { _ in Self.unknown(id) } }
        }
        if let error = limit { return sink(.answer(token, .failure(error))) }
        let isDetached = specification.lifetime == .detached
        var entry = makeEntry(specification, at: now, time: time, phase: .storing)
        if let watcher { entry.watchers.insert(watcher) }
        enter(entry)
        if let name = specification.name { names[FullName(name: name, namespace: specification.namespace)] = id }
        if isDetached {
            entries[id]?.questions.append(token)
            sink(.store(storedRow(entry)))
        } else {
            if specification.isKept { sink(.persist(storedRow(entry))) }
            move(id, to: .waiting(notBefore: .zero))
            place(id, at: now, sink)
            answer(token, about: id, sink)
        }
    }

    /// A detached actor outlives who made it, and may outlive that one's program, too. Who asks for it by its name and would have made one of its type has
    /// another: an actor whose program is not there goes on in it.
    private mutating func offer(_ specification: ActorSpecification, to id: ActorID, at now: Instant, _ sink: (Action) -> Void) {
        guard let entry = entries[id], entry.specification.lifetime == .detached, entry.specification.type == specification.type,
            entry.specification.program != specification.program
        else { return }
        entries[id]?.story.offeredProgram = specification.program
        guard case .backingOff = entry.phase, entry.story.lastDeath?.kind == .programMissing else { return }
        takeOfferedProgram(id)
        if let entry = entries[id] { sink(.persist(storedRow(entry))) }
        move(id, to: .waiting(notBefore: .zero))
        place(id, at: now, sink)
    }

    /// Whether there was one.
    @discardableResult
    mutating func takeOfferedProgram(_ id: ActorID) -> Bool {
        guard let program = entries[id]?.story.offeredProgram else { return false }
        entries[id]?.specification.program = program
        entries[id]?.story.offeredProgram = nil
        entries[id]?.story.backOff = Self.firstBackOff
        return true
    }

    /// Why no more actors can be made; nil when they can.
    private var limit: MantaError? {
        entries.count - dead.count < Self.liveLimit ? nil : MantaError(.overloaded, "the cluster has \(Self.liveLimit) actors; end some first")
    }

    /// Creates an actor that has no name and ends with its job; returns why not. Its creator, who watches it, is told when it lives; asked again, it is told
    /// at once how the actor stands.
    package mutating func create(_ specification: ActorSpecification, watcher: WatcherID?, at now: Instant, time: WallTime, _ sink: (Action) -> Void) -> MantaError? {
        let id = specification.id
        if let known = entries[id] {
            guard let watcher else { return nil }
            if !known.phase.isDead { entries[id]?.watchers.insert(watcher) }
            sink(.notify(watcher, status(known)))
            return nil
        }
        guard specification.name == nil, specification.lifetime == .job else {
            return MantaError(.malformed, "actor \(id.short) has a name or is detached, and must be created alone")
        }
        if let complaint = Self.complaint(about: specification) { return MantaError(.invalidArgument, complaint) }
        if let error = limit { return error }
        var entry = makeEntry(specification, at: now, time: time, phase: .waiting(notBefore: .zero))
        if let watcher { entry.watchers.insert(watcher) }
        enter(entry)
        if specification.isKept { sink(.persist(storedRow(entry))) }
        place(id, at: now, sink)
        if case .waiting = entries[id]?.phase { waiting.append(id) }
        return nil
    }

    /// The process that made these actors, and nobody else, could call them, and cannot any more: they end, and it hears nothing more of them.
    package mutating func drop(_ ids: [ActorID], by watcher: WatcherID?, at now: Instant, _ sink: (Action) -> Void) {
        for id in ids {
            guard let entry = entries[id], !entry.phase.isDead else { continue }
            if let watcher { entries[id]?.watchers.remove(watcher) }
            bury(id, DeathCause(.killed, "its last handle is gone (\(entry.specification.type))"), isStored: false, at: now, sink)
        }
        placeWaiting(at: now, sink)
    }

    /// The actor is durable: it may be placed, and its creator hears that it exists.
    package mutating func stored(_ id: ActorID, at now: Instant, _ sink: (Action) -> Void) {
        guard entries[id]?.phase == .storing else { return }
        move(id, to: .waiting(notBefore: .zero))
        place(id, at: now, sink)
        announce(id, sink)
    }

    /// The actor could not be made durable: it never was.
    package mutating func storeFailed(_ id: ActorID, _ error: MantaError, _ sink: (Action) -> Void) {
        guard let entry = entries[id], entry.phase == .storing else { return }
        freeName(of: entry)
        disown(entry.specification)
        entries[id] = nil
        for question in entry.questions { sink(.answer(question, .failure(error))) }
    }

    private mutating func kill(_ id: ActorID, noRestart: Bool, reason: String, at now: Instant, _ sink: (Action) -> Void) {
        guard let entry = entries[id], !entry.phase.isDead else { return }
        let cause = DeathCause(.killed, "\(reason) (\(entry.specification.type))")
        if noRestart { return bury(id, cause, at: now, sink) }
        switch entry.phase {
        case .alive(let node, _, _, _):
            // Its node reports the death, which is then judged like any other.
            sink(.end(id, on: node, restarts: entry.restarts, cause: cause))
        case .placing(let node, _):
            sink(.end(id, on: node, restarts: entry.restarts, cause: cause))
        case .storing, .waiting, .backingOff, .awaited, .dead:
            // Nothing runs: it is about to be started anew anyway.
            break
        }
    }

    /// The job is over: its actors go, except for the detached ones, and so do its questions.
    package mutating func jobEnded(_ job: JobID, at now: Instant, _ sink: (Action) -> Void) {
        let mine = entries.values.filter { $0.specification.job == job && $0.specification.lifetime == .job && !$0.phase.isDead }
        for entry in mine.sorted(by: { $0.number < $1.number }) {
            bury(entry.specification.id, DeathCause(.jobEnded, "job \(job.short), which owned actor \(entry.specification.id.short), has ended"), at: now, sink)
        }
        // The end of the job is reminder enough.
        for id in tombstones.sorted() where entries[id]?.specification.job == job { ended(id, sink) }
        let (gone, kept) = deferred.reduce(into: ([Token](), [(token: Token, question: Question)]())) { split, item in
            if case .create(let specification, _, _) = item.question, specification.job == job { split.0.append(item.token) } else { split.1.append(item) }
        }
        deferred = kept
        placeWaiting(at: now, sink)
        for token in gone { sink(.answer(token, .failure(MantaError(.conflict, "job \(job) has ended; it creates no more actors")))) }
    }

    /// The status now; or when it is stored or found again.
    private mutating func answer(_ token: Token, about id: ActorID, _ sink: (Action) -> Void) {
        guard let entry = entries[id] else { return sink(.answer(token, .failure(Self.unknown(id)))) }
        switch entry.phase {
        case .storing, .awaited: entries[id]?.questions.append(token)
        default: sink(.answer(token, .success(status(entry))))
        }
    }

    /// Waits with a question about what is not known until it is; fails it when nothing more can come.
    private mutating func postpone(_ token: Token, _ question: Question, _ sink: (Action) -> Void, otherwise: (ActorDirectory) -> MantaError) {
        guard isRecovering else { return sink(.answer(token, .failure(otherwise(self)))) }
        guard deferred.count < Self.deferredLimit else {
            return sink(.answer(token, .failure(MantaError(.overloaded, "the head was restarted and \(Self.deferredLimit) questions wait for the nodes; try again"))))
        }
        deferred.append((token, question))
    }

    /// Asks again what waited.
    mutating func askDeferred(at now: Instant, time: WallTime, _ sink: (Action) -> Void) {
        let questions = deferred
        deferred = []
        for (token, question) in questions { ask(question, token: token, at: now, time: time, sink) }
    }

    private static func unknown(_ id: ActorID) -> MantaError {
        MantaError(.notFound, "no actor has the identifier \(id); it may have ended long ago")
    }

    static func complaint(about specification: ActorSpecification) -> String? {
        if let name = specification.name, let complaint = complaint(aboutName: name, of: "an actor") { return complaint }
        if let complaint = complaint(aboutNamespace: specification.namespace) { return complaint }
        if let complaint = specification.resources.complaint ?? specification.placementResources.complaint { return complaint }
        if specification.maxRestarts < -1 { return "maxRestarts is \(specification.maxRestarts); expected 0 or more, or -1 for no end" }
        if specification.maxConcurrency < 1 { return "maxConcurrency is \(specification.maxConcurrency); expected 1 or more" }
        if let items = specification.maxPendingItems, items < 1 { return "maxPendingItems is \(items); expected 1 or more" }
        return nil
    }
}
