// ActorDirectory: where every actor of the cluster is, what state it is in, who has which name, and what is to be done next about each.
//
// Life of an actor: 1. created: named, stored when it is detached 2. placed on a node where it fits, or waiting for one, with the reason 3. alive, as its
// node reports 4. when it dies: started again after a back-off, as often as it allows, each time as the next incarnation (`restarts`) 5. dead, for one
// cause, when no restart is left or it was killed.
// Always: a name belongs to at most one actor that is not dead; an actor has at most one place; a report about another incarnation than the present
// one changes nothing; a question is answered exactly once. After a restart of the head, nodes say what they run, and only that, or the end of the
// grace, decides about an actor: until then questions about what is not known yet wait.

internal import DequeModule
package import MantaModel

/// The actors of the cluster.
package struct ActorDirectory: Sendable {
    /// Names a question; its answer carries it.
    package typealias Token = UInt64

    /// Whether actors that need more than any node has fail after a while, as those of a cluster that nothing can be added to.
    package var failsInfeasible = false

    /// An actor, as its callers see it.
    package struct Status: Hashable, Sendable {
        package var id: ActorID
        package var type: String
        package var state: ActorState
        package var address: ProcessAddress?
        package var node: NodeID?
        package var restarts: Int
        package var death: DeathCause?
        package var maxTaskRetries: Int?
        package var maxPendingCalls: Int?
        package var ordersCalls: Bool?
        package var name: String?
    }

    /// What is kept of an actor: of a detached one and of one that may restart while it lives, so that a new head starts again what died while no head was
    /// there; of another one when it is dead but a node that is away may still run it.
    package struct Row: Hashable, Sendable {
        package var specification: ActorSpecification
        package var state: ActorState
        package var restarts: Int
        package var createdAt: WallTime
        package init(specification: ActorSpecification, state: ActorState, restarts: Int, createdAt: WallTime) {
            (self.specification, self.state, self.restarts, self.createdAt) = (specification, state, restarts, createdAt)
        }
    }

    /// What a node says it runs.
    package struct Running: Hashable, Sendable {
        package var specification: ActorSpecification
        package var address: ProcessAddress
        package var pid: Int32
        package var restarts: Int
        package init(specification: ActorSpecification, address: ProcessAddress, pid: Int32, restarts: Int) {
            (self.specification, self.address, self.pid, self.restarts) = (specification, address, pid, restarts)
        }
    }

    package enum Action: Hashable, Sendable {
        case answer(Token, Result<Status, MantaError>)
        case place(ActorSpecification, restarts: Int, on: NodeID)
        case end(ActorID, on: NodeID, restarts: Int, cause: DeathCause)
        /// Make this actor durable, then say so by `stored` or `storeFailed`; it is placed after that.
        case store(Row)
        /// The stored row is now this.
        case persist(Row)
        case forget(ActorID)
        case notify(WatcherID, Status)
        /// An actor died without anybody having asked for that.
        case died(Status, willRestart: Bool)
        /// Tell the actor's owner, once, that it waits for what no node of the cluster has.
        case infeasible(ActorID, String, owner: ProcessID)
    }

    /// Where an actor stands, in more detail than its state.
    enum Phase: Hashable, Sendable {
        case storing
        case waiting(notBefore: Instant)
        /// `accepted`: the node took its resources, so its constructor may have run.
        case placing(on: NodeID, accepted: Bool)
        case alive(on: NodeID, ProcessAddress, pid: Int32, since: Instant)
        case backingOff(until: Instant)
        /// The store knows it; a node may say that it runs it.
        case awaited
        /// `at`: nil when that was before the head's restart.
        indirect case dead(DeathCause, at: WallTime?)
    }

    struct Entry: Sendable {
        var specification: ActorSpecification
        let createdAt: WallTime
        /// The same on the head's own clock, which does not jump: how long it was there is told by that one.
        let begin: Instant
        /// In the order of creation.
        let number: UInt64
        var phase: Phase
        var restarts = 0
        /// Why it was put where it is.
        var choice: Choice?
        var watchers: Set<WatcherID> = []
        /// A node that was given up may still run an incarnation.
        var mayLinger = false
        private var box: Box?

        init(specification: ActorSpecification, createdAt: WallTime, begin: Instant, number: UInt64, phase: Phase) {
            (self.specification, self.createdAt, self.begin, self.number, self.phase) = (specification, createdAt, begin, number, phase)
        }

        /// The time people read, at a moment of its life.
        func time(at now: Instant) -> WallTime { WallTime(milliseconds: createdAt.milliseconds + (now - begin).inMilliseconds) }

        /// What only actors have that had to wait, or died; in a box, because entries are copied often.
        struct Story: Sendable {
            /// Why it waits.
            var reason: String?
            /// Since when no node of the cluster could ever run it; nil when one could.
            var infeasibleSince: Instant?
            var isToldInfeasible = false
            /// How the latest incarnations ended.
            var ends: [String] = []
            /// How the incarnation before this one ended, as far as this head knows.
            var lastDeath: DeathCause?
            /// The program of whoever asked for it last and would have made one of its type: taken when its own is not there.
            var offeredProgram: Program?
            /// The next back-off.
            var backOff = ActorDirectory.firstBackOff
            /// Questions that are answered when it is stored, or found again.
            var questions: [Token] = []
        }

        private final class Box: Sendable {
            let story: Story
            init(_ story: Story) { self.story = story }
        }

        var story: Story {
            get { box?.story ?? Story() }
            set { box = Box(newValue) }
        }
        var reason: String? {
            get { box?.story.reason }
            set { if newValue != nil || box != nil { story.reason = newValue } }
        }
        var infeasibleSince: Instant? {
            get { box?.story.infeasibleSince }
            set { if newValue != nil || box != nil { story.infeasibleSince = newValue } }
        }
        var questions: [Token] {
            get { box?.story.questions ?? [] }
            set { if !newValue.isEmpty || box != nil { story.questions = newValue } }
        }
    }

    /// Which node was chosen, and what was known then.
    struct Choice: Hashable, Sendable {
        var node: NodeID
        var actors: Int
        var free: ResourceAmount
        /// Nodes that could hold it.
        var able: Int
    }

    /// What can be asked; the answer comes as an action, at once or later.
    package enum Question: Hashable, Sendable {
        /// `watcher`: the creator, when it wants to hear of every change.
        case create(ActorSpecification, getIfExists: Bool, watcher: WatcherID?)
        case named(String, namespace: String)
        case watch(ActorID, WatcherID)
        case kill(ActorID, noRestart: Bool, reason: String? = nil)
    }

    struct FullName: Hashable, Sendable {
        var name: String
        var namespace: String
    }

    static var firstBackOff: Duration { .milliseconds(100) }
    static var lastBackOff: Duration { .seconds(10) }
    /// An incarnation that lived so long starts the back-off anew.
    static var stableAfter: Duration { .seconds(30) }
    /// How long a node that refused an actor is left alone with it.
    static var refusalPause: Duration { .milliseconds(250) }
    /// Actors that are not dead.
    static var liveLimit: Int { 1_000_000 }
    /// Questions that wait for nodes to come back after a restart of the head.
    static var deferredLimit: Int { 100_000 }

    let placement: any ActorPlacement
    var entries: [ActorID: Entry] = [:]
    var names: [FullName: ActorID] = [:]
    var nodes: [NodeID: NodeLoad] = [:]
    /// Actors in `waiting`, in the order in which they began to; also some that are no longer, until the next round of placing.
    var waiting: [ActorID] = []
    /// When something is due for an actor: the end of a wait or a back-off.
    var timers: [ActorID: Instant] = [:]
    /// The dead ones that are remembered, the oldest first.
    var dead: Deque<ActorID> = []
    /// How many actors that end with their owner each process has made that are not dead.
    var owned: [ProcessID: Int] = [:]
    /// The actors of each placement group that are not dead.
    var grouped: [PlacementGroupID: Set<ActorID>] = [:]
    /// Dead ones that are stored, so that also a new head tells a node that comes back to end them.
    var tombstones: Set<ActorID> = []
    /// Until then nodes may still say what they run.
    var recoveryEnd: Instant?
    var deferred: [(token: Token, question: Question)] = []
    private var created: UInt64 = 0

    package init(placement: any ActorPlacement = LeastLoadedPlacement()) { self.placement = placement }

    package var count: Int { entries.count }
    package var isRecovering: Bool { recoveryEnd != nil }
    /// When `tick` has something to do.
    package var nextDeadline: Instant? {
        let due = timers.values.min()
        guard let recoveryEnd else { return due }
        return due.map { min($0, recoveryEnd) } ?? recoveryEnd
    }

    package func status(_ id: ActorID) -> Status? { entries[id].map(status) }
    package func knows(_ id: ActorID) -> Bool { entries[id] != nil }
    /// Whether no incarnation of it is wanted any more.
    package func isOver(_ id: ActorID) -> Bool { entries[id].map(\.phase.isDead) ?? true }
    /// The processes of detached actors of this job.
    package func detachedProcesses(of job: JobID) -> Set<ProcessID> {
        entries.values.reduce(into: []) { processes, entry in
            guard entry.specification.lifetime == .detached, entry.specification.job == job, case .alive(_, let address, _, _) = entry.phase else { return }
            processes.insert(address.process)
        }
    }
    package func job(of id: ActorID) -> JobID? { entries[id]?.specification.job }
    /// Whether the order to place this incarnation there still stands, unanswered.
    package func isBeingPlaced(_ id: ActorID, on node: NodeID, restarts: Int) -> Bool {
        entries[id].map { $0.restarts == restarts && $0.phase == .placing(on: node, accepted: false) } ?? false
    }

    /// How many are in which state.
    package var states: [String: Int] {
        entries.values.reduce(into: [ActorState: Int]()) { $0[status($1).state, default: 0] += 1 }.reduce(into: [:]) { $0[$1.key.rawValue] = $1.value }
    }

    /// What actors wait for that have no node yet, for people to see: as it was asked for, one row for each.
    package var demands: [DemandRow] {
        waiting.compactMap { id in
            guard let entry = entries[id], case .waiting = entry.phase else { return nil }
            let needs = entry.specification.resources.isEmpty ? entry.specification.placementResources : entry.specification.resources
            return DemandRow(resources: needs.asAsked, count: 1, infeasible: entry.infeasibleSince != nil)
        }
    }

    /// Newest first.
    package func rows(limit: Int) -> [ActorRow] {
        entries.values.sorted { $0.number > $1.number }.prefix(max(0, limit)).map(row)
    }

    func status(_ entry: Entry) -> Status {
        var status = Status(id: entry.specification.id, type: entry.specification.type, state: .pending, restarts: entry.restarts)
        status.maxTaskRetries = entry.specification.maxTaskRetries
        (status.maxPendingCalls, status.ordersCalls) = (entry.specification.maxPendingCalls, entry.specification.ordersCalls)
        status.name = entry.specification.name
        switch entry.phase {
        case .storing: break
        case .waiting, .backingOff: status.state = entry.restarts == 0 ? .pending : .restarting
        case .placing(let node, _):
            status.state = entry.restarts == 0 ? .pending : .restarting
            status.node = node
        case .alive(let node, let address, _, _):
            (status.state, status.node, status.address) = (.alive, node, address)
        case .awaited: status.state = .restarting
        case .dead(let cause, _): (status.state, status.death) = (.dead, cause)
        }
        if status.state == .restarting { status.death = entry.story.lastDeath }
        return status
    }

    private func row(_ entry: Entry) -> ActorRow {
        let status = status(entry)
        let specification = entry.specification
        var pid: Int32?
        if case .alive(_, _, let number, _) = entry.phase { pid = number }
        var endedAt: WallTime?
        if case .dead(_, let time) = entry.phase { endedAt = time }
        var row = ActorRow(
            id: status.id, type: status.type, name: specification.name, namespace: specification.namespace,
            detached: specification.lifetime == .detached, state: status.state, pid: pid, node: status.node, job: specification.job,
            restarts: status.restarts, createdAt: entry.createdAt, endedAt: endedAt, death: status.death, reason: entry.reason)
        row.placementGroup = specification.placementGroup
        return row
    }

    /// The jobs and owners of actors that nobody has reported since the head's restart, without the detached ones.
    package var awaited: [(job: JobID, owner: ProcessID)] {
        entries.values.filter { $0.phase == .awaited && $0.specification.lifetime == .job }.map { ($0.specification.job, $0.specification.owner.process) }
    }

    /// The placement groups that actors without a node wait for.
    package var awaitedGroups: Set<PlacementGroupID> {
        Set(waiting.compactMap { entries[$0] }.compactMap(\.specification.placementGroup))
    }

    func storedRow(_ entry: Entry) -> Row {
        Row(specification: entry.specification, state: status(entry).state, restarts: entry.restarts, createdAt: entry.createdAt)
    }

    /// An entry of an actor that the head hears of, from its creator or from its node, perhaps not for the first time: it may be older than this head.
    mutating func makeEntry(_ specification: ActorSpecification, at now: Instant, time: WallTime, phase: Phase) -> Entry {
        // Its creator's clock may go ahead of this one's.
        let createdAt = min(time, max(WallTime(milliseconds: 0), specification.createdAt ?? time))
        let age = Duration.milliseconds(time.milliseconds - createdAt.milliseconds)
        return makeEntry(specification, createdAt: createdAt, begin: now - age, phase: phase)
    }

    /// A new entry with the next number, not yet in the book.
    mutating func makeEntry(_ specification: ActorSpecification, createdAt: WallTime, begin: Instant, phase: Phase) -> Entry {
        created += 1
        return Entry(specification: specification, createdAt: createdAt, begin: begin, number: created, phase: phase)
    }

    /// Puts a new entry in.
    mutating func enter(_ entry: Entry) {
        let specification = entry.specification
        entries[specification.id] = entry
        guard !entry.phase.isDead else { return }
        if specification.lifetime == .job { owned[specification.owner.process, default: 0] += 1 }
        if let group = specification.placementGroup { grouped[group, default: []].insert(specification.id) }
    }

    /// An actor is dead, or never was.
    mutating func disown(_ specification: ActorSpecification) {
        let owner = specification.owner.process
        if specification.lifetime == .job, let count = owned[owner] { owned[owner] = count > 1 ? count - 1 : nil }
        guard !grouped.isEmpty, let group = specification.placementGroup else { return }
        grouped[group]?.remove(specification.id)
        if grouped[group]?.isEmpty == true { grouped[group] = nil }
    }

    /// Moves an actor on, keeping timers and the waiting list true.
    mutating func move(_ id: ActorID, to phase: Phase) {
        guard let index = entries.index(forKey: id) else { return }
        let before = entries.values[index].phase.node
        if case .waiting = phase { waiting.append(id) } else { entries.values[index].reason = nil }
        switch phase {
        case .waiting(let time) where time > .zero: timers[id] = time
        case .backingOff(let time): timers[id] = time
        case .waiting, .storing, .placing, .alive, .awaited, .dead: if !timers.isEmpty { timers[id] = nil }
        }
        if let before, before != phase.node { nodes[before]?.release(id) }
        if let node = phase.node { nodes[node]?.found(id, entries.values[index].specification.resources) }
        entries.values[index].phase = phase
    }

    /// Tells whoever asked or watches how the actor stands.
    mutating func announce(_ id: ActorID, _ sink: (Action) -> Void) {
        guard let index = entries.index(forKey: id) else { return }
        let (watchers, questions) = (entries.values[index].watchers, entries.values[index].questions)
        guard !watchers.isEmpty || !questions.isEmpty else { return }
        let status = status(entries.values[index])
        entries.values[index].questions = []
        if status.state == .dead { entries.values[index].watchers = [] }
        for question in questions { sink(.answer(question, .success(status))) }
        for watcher in watchers.count > 1 ? watchers.sorted() : Array(watchers) { sink(.notify(watcher, status)) }
    }

    /// What a watcher was told last, to be told again.
    package func watched(by watcher: WatcherID) -> [Status] {
        entries.values.filter { $0.watchers.contains(watcher) }.sorted { $0.number < $1.number }.map(status)
    }

    /// A link is gone: nobody there to be told.
    package mutating func unwatch(_ watcher: WatcherID) {
        for id in entries.keys where entries[id]?.watchers.isEmpty == false { entries[id]?.watchers.remove(watcher) }
    }
}

extension ActorDirectory.Phase {
    /// Where it is, or is being put.
    var node: NodeID? {
        switch self {
        case .placing(let node, _), .alive(let node, _, _, _): node
        default: nil
        }
    }
    var isDead: Bool { if case .dead = self { true } else { false } }
}

extension ActorSpecification {
    /// Whether the store has it while it lives.
    var isKept: Bool { lifetime == .detached || maxRestarts != 0 }
}

// MARK: - Names

extension ActorDirectory {
    /// What is wrong with a name, as a sentence that says what to do; nil when it is fine.
    package static func complaint(aboutName name: String, of what: String) -> String? {
        if name.isEmpty || name.allSatisfy(\.isWhitespace) { return "the name of \(what) is \(name.isEmpty ? "empty" : "blank"); give it some letters" }
        if name.utf8.count > Limits.nameBytes { return "the name of \(what) has \(name.utf8.count) bytes of UTF-8; at most \(Limits.nameBytes) are allowed" }
        if name.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) { return "the name of \(what) has a control character; remove it" }
        return nil
    }

    package static func complaint(aboutNamespace namespace: String) -> String? { complaint(aboutName: namespace, of: "a namespace") }
}
