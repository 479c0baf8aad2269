// Head: the process that knows who is there, where every actor is, and what the tables hold.
//
// It owns the cores, the store and the links of the other processes, and only carries messages to the cores and their actions out; it is confined to
// its loop. What always holds: nothing is acknowledged that a restart would lose; no turn of the loop waits for the disk; every request gets one answer,
// and the same when it is sent again; no task, call or HTTP request waits for the head. A head that starts on the store of an earlier one goes on from
// there: the others say who they are and what they run, and nothing that runs is started again.

import Glibc
import Logging
import MantaCore
package import MantaLoop
package import MantaModel
package import MantaStorage
import MantaTransport
import MantaWire

/// The head of a cluster.
package final class Head {
    let configuration: HeadConfiguration
    let loop: EventLoop
    let log = Logger(label: "manta.head")
    private var storage: (any Storage)?
    private(set) var transport: Transport?
    private(set) var journal: Journal?
    private(set) var cluster = ClusterID(high: 0, low: 0)
    private(set) var startedAt = WallTime.now

    // What it knows
    var membership: Membership
    var jobs: JobBook
    var directory = ActorDirectory()
    var placementGroups = PlacementGroupBook()
    var submissions = SubmissionBook()
    var tables = TableBook()
    var tasks = TaskRing()
    var errors = Ring<ErrorRow>(capacity: Limits.errorRecords)
    var spans = Ring<WorkSpan>(capacity: Limits.spanRecords)
    /// Left out by those who reported.
    var droppedSpans = 0

    // Who is connected
    var peers: [WatcherID: Peer] = [:]
    var nodeLinks: [NodeID: Link] = [:]
    var absent = AbsentProcesses()
    /// What each node said last of its object store.
    var stores: [NodeID: StoreReport] = [:]
    /// What waits at each node, as it said last.
    var waiting: [NodeID: (requests: Int, demands: [DemandRow])] = [:]
    /// Watches of processes of this machine.
    var nodeWatches: [NodeID: ProcessWatch] = [:]
    var jobWatches: [JobID: ProcessWatch] = [:]
    private var lastWatcher: UInt64 = 0
    /// Processes whose actors and placement groups are known from the store only.
    var restoredOwners: Set<ProcessID> = []
    /// Their time is not over.
    var isWaitingForOwners = true

    // Questions to the actor directory that have no answer yet
    var questions: [ActorDirectory.Token: (Result<ActorDirectory.Status, MantaError>) -> Void] = [:]
    var lastToken: ActorDirectory.Token = 0
    var groupQuestions: [PlacementGroupBook.Token: (Result<PlacementGroupBook.Status, MantaError>) -> Void] = [:]
    /// Of the latest change of the store's rows of groups.
    var groupVersion: UInt64 = 0
    var submissionVersion: UInt64 = 0

    private var timers: [TimerID] = []
    private var dueTimer: TimerID?
    private var due: Instant?

    /// - Parameter storage: Another one than SQLite in the configuration's directory.
    package init(configuration: HeadConfiguration, loop: EventLoop, storage: (any Storage)? = nil) {
        (self.configuration, self.loop, self.storage) = (configuration, loop, storage)
        membership = Membership(timing: configuration.timing)
        jobs = JobBook(grace: configuration.timing.deadAfter)
        directory.failsInfeasible = configuration.failsInfeasible
        placementGroups.failsInfeasible = configuration.failsInfeasible
    }

    /// Where it listens, with the port it really got.
    package var endpoint: String { transport?.identity.endpoint ?? configuration.endpoint }
    package var clusterID: ClusterID { cluster }

    /// Opens the store, goes on from what it holds, and listens. Throws what the store or the address complain about; nothing is left open then.
    package func start() throws(MantaError) {
        loop.assertOnLoop()
        let storage: any Storage
        let state: StoredState
        if let given = self.storage { storage = given } else { storage = try SQLiteStorage(directory: configuration.directory) }
        do {
            state = try storage.load()
            try restore(state)
            let hello = Hello(cluster: state.cluster, role: .head, process: .random(), pid: getpid(), endpoint: "", host: Machine.name)
            let transport = Transport(loop: loop, identity: hello, delegate: self)
            self.transport = transport
            try transport.listen(on: configuration.endpoint)
        } catch {
            transport?.close()
            transport = nil
            storage.close()
            throw error
        }
        self.storage = storage
        let journal = Journal(storage: storage, loop: loop)
        journal.failed = { [unowned self] in storeFailed($0) }
        self.journal = journal
        watchRestoredJobs()
        restoredOwners = Set(directory.awaited.map(\.owner) + placementGroups.owners)
        awaitNodes(state.nodes)
        timers = [
            loop.schedule(after: Limits.heartbeatPeriod, repeating: Limits.heartbeatPeriod) { [unowned self] in tick() },
            loop.schedule(after: configuration.timing.deadAfter) { [unowned self] in dropOrphans() },
        ]
        armDueTimer()
        log.info(
            "the head is ready",
            metadata: ["endpoint": "\(endpoint)", "cluster": "\(cluster)", "name": "\(configuration.clusterName ?? "")", "store": "\(storage.location)"])
    }

    /// Closes the links and the store. What was acknowledged is durable.
    package func stop() {
        loop.assertOnLoop()
        for timer in timers { loop.cancel(timer) }
        dueTimer.map(loop.cancel)
        (timers, dueTimer, due) = ([], nil, nil)
        for watch in Array(nodeWatches.values) + Array(jobWatches.values) { watch.cancel() }
        (nodeWatches, jobWatches, nodeLinks, peers, questions, groupQuestions) = ([:], [:], [:], [:], [:], [:])
        // No goodbye: the others keep their links for the head that follows.
        transport?.close(saysGoodbye: false)
        journal?.close()
        (transport, journal) = (nil, nil)
    }

    // MARK: The store

    private func restore(_ state: StoredState) throws(MantaError) {
        cluster = state.cluster
        let now = EventLoop.clock()
        for stored in state.jobs { jobs.restore(try stored.job(), state: stored.state, endedAt: stored.endedAt, at: now) }
        jobs.restored()
        var actors: [ActorDirectory.Row] = []
        for stored in state.actors { actors.append(try stored.row()) }
        directory.restore(actors, at: now, time: .now, grace: configuration.timing.deadAfter)
        let groups = state.rows.filter { $0.table == Self.groupTable }
        try restoreGroups(groups)
        groupVersion = state.tableVersions[Self.groupTable] ?? 0
        try restoreSubmissions(state.rows.filter { $0.table == Self.submissionTable })
        submissionVersion = state.tableVersions[Self.submissionTable] ?? 0
        let own: Set = [Self.groupTable, Self.submissionTable]
        tables.restore(state.rows.filter { !own.contains($0.table) }.map { TableBook.Row(table: $0.table, key: $0.key, value: $0.value, version: $0.version) }, versions: state.tableVersions.filter { !own.contains($0.key) })
    }

    private func storeFailed(_ error: MantaError) {
        tables.dropStaged()
        log.error("the store failed", metadata: ["error": "\(error)"])
        note(ErrorRow(at: .now, code: error.code.rawValue, message: error.message, source: "head"))
    }

    /// Adds an error for people to see.
    func note(_ error: ErrorRow) {
        var error = error
        if error.message.utf8.count > 16_384 { error.message = String(error.message.prefix(4096)) + "… (cut)" }
        errors.append(error)
    }

    // MARK: Time

    private func tick() {
        membershipEvent { $0.tick(at: loop.now, $1) }
        settleRecovery()
        timePassed()
        endActorsOfGoneGroups()
    }

    private func timePassed() {
        jobEvent { $0.tick(at: loop.now, time: .now, $1) }
        actorEvent { $0.tick(at: loop.now, time: .now, $1) }
        groupEvent { $0.tick(at: loop.now, $1) }
    }

    /// Back-offs and graces end between two ticks.
    func armDueTimer() {
        let next = [directory.nextDeadline, placementGroups.nextDeadline].compactMap { $0 }.min()
        guard next != due else { return }
        dueTimer.map(loop.cancel)
        (dueTimer, due) = (nil, next)
        guard let next else { return }
        dueTimer = loop.schedule(after: max(.milliseconds(1), next - EventLoop.clock())) { [unowned self] in
            (dueTimer, due) = (nil, nil)
            timePassed()
        }
    }

    func nextWatcher() -> WatcherID {
        lastWatcher += 1
        return WatcherID(lastWatcher)
    }
}

/// What the head keeps about a link.
final class Peer {
    let watcher: WatcherID
    unowned let link: Link
    var hello: Hello
    /// The node that registered on it.
    var node: NodeID?
    /// The jobs that were registered on it.
    var jobs: Set<JobID> = []
    /// Tasks and calls of it that have not ended, by state.
    var unfinished: [String: Int] = [:]
    init(watcher: WatcherID, link: Link, hello: Hello) { (self.watcher, self.link, self.hello) = (watcher, link, hello) }
}

extension Link {
    /// The head's notes about it.
    var notes: Peer? { attachment as? Peer }
}
