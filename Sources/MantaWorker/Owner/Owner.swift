// Owner: the loop's side of a runtime: links, and the books of what this process has submitted and what it runs for others.
//
// Everything here happens on the loop. A command from the inbox or a message goes to the book that decides; the book's actions are carried out at once.
// Who talks to whom: one link to the head, one to the node, one to each worker that holds a lease or an actor called from here.

import CSystem
import DequeModule
import Glibc
import MantaCore
import MantaLoop
import MantaModel
import MantaTransport
import MantaWire

/// `@unchecked Sendable`: confined to the loop; other threads reach it through `Runtime.post` and `EventLoop.execute` only.
final class Owner: @unchecked Sendable {
    let loop: EventLoop
    /// Its owner, which outlives it. Unsafe, since every command and message reads it and it needs no check.
    unowned(unsafe) var runtime: Runtime!
    var transport: Transport!
    private var linkToHead: Link?
    /// The node this process asks for leases; a driver learns it from the head.
    var nodeLink: Link?
    /// What a driver registered as; nil until it has a node.
    var job: JobDescription?
    /// A driver's node is gone and no other one serves it: what is submitted fails.
    var homeless: MantaError?
    let pid = getpid()
    var address: ProcessAddress { runtime.address }

    /// Nil until a node is known; what is submitted before waits in `early`.
    var tasks: TaskBook?
    var early: [Submission] = []
    /// The answer that the book is being told of, whose task ends by it.
    @exclusivity(unchecked) var ending: TaskDone?
    /// The worker that the last answer came from.
    @exclusivity(unchecked) var answeringWorker: ProcessID?
    @exclusivity(unchecked) var answeringPid: Int32?
    /// What an argument failed with, for the tasks that fail because of it.
    var argumentErrors: [TaskID: any Error] = [:]
    /// The link of each worker that holds a lease, and the number by which its functions' run times are known.
    var workerLinks: [ProcessID: Link] = [:]
    var nodeLinks: [NodeID: Link] = [:]
    var functionNumbers: [String: UInt64] = [:]
    var places = WorkerPlaces()
    var routine = RoutineMessages()
    var latestFunction: (name: String, number: UInt64)?
    /// Of the latest task.
    var usualShape: (options: TaskOptions, shape: TaskShape)?
    var actors: [ActorID: ActorCalls] = [:]
    var names = ActorNames()
    /// The actor of each call that has not ended.
    @exclusivity(unchecked) var calls: [TaskID: ActorCalls] = [:]
    /// How the task that is being cancelled is to be, while its book is told.
    var cancellation = Cancellation()
    /// Actors that this process cannot call any more, whose calls have not ended; with the lifelines that are let go then.
    var unheldActors: [ActorID: ObjectHandle?] = [:]
    /// What the leases that have GPUs may see of them.
    var leaseGPUs: [LeaseID: (node: NodeID, names: [String])] = [:]
    /// Where the items of this process's streams come from.
    var streamSources: [TaskID: StreamSource] = [:]
    /// The timers of what must end in time.
    var deadlines: [TaskID: TimerID] = [:]
    var creations: [ActorID: PendingCreation] = [:]
    /// What the head is told at the end of the turn.
    var newActors = NewActors()
    var droppedActors: [ActorID] = []
    /// The latest actors that ended: later calls to them fail.
    var endedActors = Remembered<ActorID, ActorEnd>(limit: Limits.deadActors)
    /// Handles that are gone while it was not known yet whether they stand for another actor.
    var unheldAliases: Set<ActorID> = []
    var snapshots = Snapshots()
    /// Unchecked, as other members that every call comes by: one thread's, and what is asked of one of them never comes back to it.
    @exclusivity(unchecked) var objects = OwnedObjects()
    var traffic = StoreTraffic()
    var lineage = Lineage()
    /// The node has been told that this process owns objects or holds leases elsewhere.
    var isKnownElsewhere = false
    /// The node of this process, known outside of its books too.
    var home: NodeAddress?
    /// Who needs which object.
    var references: ReferenceCounter
    var isFlushDue = false
    /// What waits for registrations.
    var barriers: [UInt64: () -> Void] = [:]
    /// How many answers and stream items wait to be confirmed, and confirmations that this process owes.
    var handedOut = 0
    var awaitedBorrows: [AwaitedBorrows] = []
    /// Processes whose links ended.
    var goneProcesses: Set<ProcessID> = []
    /// The makers of objects whose references were encoded where nobody watches: each is warned of once.
    var sourcesKeptForGood: Set<String> = []
    /// What the constructors of actors that live, or may be restarted, were given.
    var constructorArguments: [ActorID: ConstructorArguments] = [:]
    /// Placement groups that this process made.
    var ownedGroups = OwnedGroups()
    var groupWaits: [PlacementGroupID: [GroupWait]] = [:]
    @exclusivity(unchecked) var reports = TaskReports()
    /// Some of the tasks that waited for arguments when they were submitted, and since when: they are looked at when that is long ago.
    var unready: Deque<(task: TaskID, since: Instant)> = []
    var tables = TableWatches()
    let execution = Execution()
    /// When the waits of what runs here are looked at next.
    var waitsLookAt = Instant.zero
    let console = DriverConsole()

    private var commands: [OwnerCommand] = []
    private var uses = ReferenceUses()
    private var timers: [TimerID] = []

    init(loop: EventLoop, process: ProcessID) {
        self.loop = loop
        references = ReferenceCounter(process: process)
    }

    // MARK: Life

    func open(_ configuration: Runtime.Configuration, at address: ProcessAddress) throws(MantaError) {
        let hello = Hello(cluster: nil, role: configuration.role, process: address.process, pid: pid, endpoint: address.endpoint, host: Machine.name)
        lineage.limit = configuration.lineageBytes
        console.shows = configuration.logToDriver
        transport = Transport(loop: loop, identity: hello, delegate: self)
        // A worker's path is made of its own identifier, in its node's folder.
        try transport.listen(at: runtime.listening, isGuarded: configuration.role != .worker)
        if configuration.role != .worker { _ = headLink }
        if let node = configuration.node, let id = configuration.nodeID { use(NodeAddress(node: id, endpoint: node)) }
        if configuration.role == .worker {
            nodeLink?.request(RegisterWorker(address: address, pid: pid), deadline: Limits.workerStartDeadline) { result in
                // The node ended or gave this worker up: there is nobody to work for.
                if case .failure = result { exit(1) }
            }
        }
        beginTicking()
    }

    /// The loop may outlive the session: `close` ends the timers.
    func beginTicking() {
        timers = [
            loop.schedule(after: Limits.tickPeriod, repeating: Limits.tickPeriod) { [unowned self] in tick() },
            loop.schedule(after: .milliseconds(500), repeating: .milliseconds(500)) { [unowned self] in sendReports() },
        ]
    }

    /// Others may depend on this process from now on, which owns something: the head must know it, to tell what it did and to tell them when it is lost.
    func becomeKnown() { _ = headLink }

    /// To the head. A worker looks for the head when it owns something or needs it, and at last when it tells what it did, half a second after its start:
    /// many an actor does not live as long.
    var headLink: Link {
        if let linkToHead { return linkToHead }
        let link = transport.connect(to: runtime.configuration.head, expecting: .head, grace: .some(nil))
        linkToHead = link
        return link
    }

    /// The head named the node to work with.
    func joined(_ node: NodeSummary, job: JobDescription) {
        self.job = job
        use(NodeAddress(node: node.id, endpoint: node.endpoint))
        nodeLink?.request(RegisterJob(job: job), deadline: Limits.requestDeadline) { _ in }
    }

    private func use(_ node: NodeAddress) {
        // A worker ends with its node's process, not with a link to it: on a machine that stood still, a node may answer late.
        let link = runtime.configuration.role == .worker ? transport.connect(to: node.endpoint, grace: .some(nil)) : transport.connect(to: node.endpoint)
        (nodeLink, nodeLinks[node.node]) = (link, link)
        (home, isKnownElsewhere) = (node, false)
        // The lost node's store went with it.
        runtime.store.close()
        guard tasks == nil else { return tasks!.rehomed(to: node, at: loop.now, perform: perform) }
        tasks = TaskBook(owner: address, home: node, endsWithHome: runtime.configuration.role != .driver)
        if let retries = runtime.configuration.memoryRetries { tasks!.memoryRetries = retries }
        let submissions = early
        early = []
        for submission in submissions { submit(submission) }
    }

    /// Fails what is pending and closes the links.
    func close() {
        for timer in timers { loop.cancel(timer) }
        timers = []
        job = nil
        let error = MantaError(.notConnected, "the session has ended")
        failTasks(error)
        for actor in actors.keys { fail(actor, error) }
        endRoomWaits()
        transport.close()
        (barriers, awaitedBorrows) = ([:], [])
    }

    func tick() {
        // What was posted quietly never waits for longer.
        carryOutInbox()
        tickTasks()
        confirmBorrows()
        execution.tick(self)
        tickWaits()
        tickStore()
        console.tick(at: loop.now)
    }

    // MARK: Commands of other threads

    func carryOutInbox() {
        var (taken, takenUses): ([OwnerCommand], ReferenceUses) = ([], ReferenceUses())
        // The storage is used again; carrying out may come back here.
        swap(&taken, &commands)
        swap(&takenUses, &uses)
        runtime.takeCommands(into: &taken, &takenUses)
        takenUses.forEach(note)
        for command in taken { carryOut(command) }
        tellOwners()
        sendActorOrders()
        taken.removeAll(keepingCapacity: true)
        takenUses.removeAll()
        swap(&taken, &commands)
        swap(&takenUses, &uses)
    }

    private func note(_ use: ReferenceUses.Kind, _ objects: ArraySlice<ObjectID>) {
        switch use {
        case .borrowed(let owner): references.hold(objects, of: owner.address)
        case .dropped: references.drop(objects)
        }
    }

    private func carryOut(_ command: OwnerCommand) {
        switch command {
        case .submit(let submission): submit(submission)
        case .call(let submission): call(submission)
        case .create(let creation): create(creation)
        case .put(let id, let inside, let size): put(id, inside, size, on: nil)
        case .putStored(let id, let inside, let size, let node): put(id, inside, size, on: node)
        case .refused(let id, let what):
            objects.created(id, source: what, at: loop.now)
            objects.settled(id, size: nil)
        case .released(let id):
            forgetMaker(of: id)
            free(id, on: objects.released(id))
            references.ended(id)
            if id.isLifeline { lifelineEnded(id) }
        case .keptForGood(let handle): keepForGood(handle)
        case .freeValue(let handle): freeValue(of: handle)
        case .stored(let id, let owner, let reservation): stored(id, owner: owner, reservation)
        case .unseenFailure(let id, let error):
            console.unseenFailure(of: objects.source(of: id) ?? "object \(id)", error, from: address.process, at: loop.now)
        case .wanted(let handle): fetch(handle)
        case .argumentSettled(let task): argumentSettled(task)
        case .creationArgumentSettled(let actor): creationArgumentSettled(actor)
        case .cancel(let handle, let cancellation): cancel(handle, cancellation) { _ in }
        case .finished(let run): execution.finished(run, self)
        case .lifeline(let handle): objects.created(handle.id, source: "handles of an actor", size: 0, at: loop.now)
        case .unheld(let actor, let lifeline): unheld(actor, lifeline)
        case .unheldAlias(let actor): unheldAlias(actor)
        case .registerGroup(let specification): register(specification)
        case .removeGroup(let group): remove(group)
        case .openStream(let stream): execution.open(stream)
        case .streamItem(let item, let references): execution.send(item, references, self)
        case .closeStream(let stream): execution.close(stream)
        case .streamMoved(let task): streamMoved(task)
        case .blocked(let lease): execution.blocked(lease, self)
        case .resume(let lease, let continuation): execution.resume(lease, continuation, self)
        }
    }

    private func put(_ id: ObjectID, _ inside: [ObjectHandle], _ size: Int, on node: NodeAddress?) {
        becomeKnown()
        objects.created(id, source: "put", size: size, on: node, at: loop.now)
        if !inside.isEmpty { contain(inside, in: id) }
    }

    // MARK: Ends

    /// Settles a submission's results with what its worker answered.
    func settle(_ submission: Submission, with done: TaskDone) {
        switch done.outcome {
        case .values(let values) where values.count == submission.results.count:
            forgetDeadline(of: submission)
            // Before the values: who reads one takes hold of what is inside.
            if !done.contents.isEmpty { for (handle, inside) in zip(submission.results, done.contents) { contain(inside, in: handle.id) } }
            for (handle, value) in zip(submission.results, values) {
                objects.settled(handle.id, size: value.size, on: value.node, attempt: done.attempt)
                if let node = value.node {
                    // Its loss is heard of by the link to it.
                    _ = link(to: node)
                    noteUse(of: node)
                    if !objects.isWanted(handle.id) { free(handle.id, on: [node]) } else { remember(submission, for: handle) }
                }
                handle.settle(.init(value))
            }
            if submission.isAgain, submission.isStream { loseUnmade(of: submission, nil) }
        case .values(let values):
            let expected = submission.results.count
            fail(submission, MantaError(.malformed, "\(submission.title) returned \(values.count) values, expected \(expected)"))
        case .thrown(let bytes):
            let (error, report) = ThrownError.reported(bytes)
            fail(submission, error, report)
        case .failed(let error): fail(submission, error)
        }
    }

    /// - Parameter report: Where user code threw it.
    func fail(_ submission: Submission, _ error: any Error, _ report: TaskError? = nil) {
        forgetDeadline(of: submission)
        for handle in submission.results {
            objects.settled(handle.id, size: nil)
            handle.fail(error, report)
        }
        if submission.isAgain, submission.isStream { loseUnmade(of: submission, error) }
    }
}

extension Owner: TransportDelegate {
    func linkOpened(_ link: Link, hello: Hello) {
        if !goneProcesses.isEmpty { goneProcesses.remove(hello.process) }
        if link === linkToHead { headIsThere() }
    }

    func linkReopened(_ link: Link, hello: Hello, restarted: Bool) {
        if link === linkToHead { headIsThere() }
    }

    func linkClosed(_ link: Link, error: MantaError) {
        workerLinkClosed(link, error)
        execution.linkClosed(link)
        linkEnded(link)
    }

    func received(_ message: inout InboundMessage, on link: Link) {
        do {
            try dispatch(&message, on: link)
        } catch {
            if let correlation = message.correlation { link.fail(correlation, error) }
        }
    }

    private func dispatch(_ message: inout InboundMessage, on link: Link) throws(MantaError) {
        switch message.kind {
        case .taskDone: taskDone(try TaskDone(from: &message.body), on: link)
        case .runTask: execution.run(try RunTask(from: &message.body), from: link, self)
        case .callActor: execution.actors.call(try CallActor(from: &message.body), from: link, self)
        case .tasksReturned: tasksReturned(try TasksReturned(from: &message.body))
        case .reclaimLease: reclaim(try ReclaimLease(from: &message.body))
        case .leaseLost: leaseLost(try LeaseLost(from: &message.body))
        case .leaseAnswer: leaseAnswer(try LeaseAnswer(from: &message.body))
        case .takeBackTasks: execution.takeBack(try TakeBackTasks(from: &message.body).lease, from: link)
        case .inquireTasks: execution.inquire(try InquireTasks(from: &message.body), from: link, self)
        case .tasksUnknown: tasksUnknown(try TasksUnknown(from: &message.body))
        case .leaseResumed: execution.resumed(try LeaseResumed(from: &message.body))
        case .explainTask: explain(try ExplainTask(from: &message.body), correlation: try message.required(), on: link)
        case .workerOutput: console.show(try WorkerOutput(from: &message.body), at: loop.now)
        case .actorsChanged: actorsChanged(try ActorsChanged(from: &message.body))
        case .demandInfeasible: demandIsInfeasible(try DemandInfeasible(from: &message.body))
        case .nodeLost: nodeLost(try NodeLost(from: &message.body))
        case .groupRemoved:
            let group = try GroupRemoved(from: &message.body).group
            ownedGroups.removed(group)
            runtime.groupIsRemoved(group)
        case .tableChanged: tables.changed(try TableChanged(from: &message.body), self)
        case .streamItem: streamItem(try StreamItem(from: &message.body), from: link)
        case .streamConsumed: execution.consumed(try StreamConsumed(from: &message.body))
        case .cancelTask: execution.cancel(try CancelTask(from: &message.body), self)
        case .cancelObject: try answer(try CancelObject(from: &message.body), correlation: try message.required(), on: link)
        case .inquireWait: answer(try InquireWait(from: &message.body), correlation: try message.required(), on: link)
        case .getObject: answer(try GetObject(from: &message.body), correlation: try message.required(), on: link)
        case .copyChanged: copyChanged(try CopyChanged(from: &message.body))
        case .fetchProgram: try answer(try FetchProgram(from: &message.body), correlation: try message.required(), on: link)
        case .borrowObjects: answer(try BorrowObjects(from: &message.body), correlation: try message.required(), on: link)
        case .releaseObjects: answer(try ReleaseObjects(from: &message.body), correlation: try message.required(), on: link)
        case .awaitBorrows: answer(try AwaitBorrows(from: &message.body), correlation: try message.required(), on: link)
        case .locateObjects: answer(try LocateObjects(from: &message.body), correlation: try message.required(), on: link)
        case .freeValues:
            for id in try FreeValues(from: &message.body).objects { kept(id).map(freeValue) }
            link.reply(to: try message.required(), Acknowledged())
        case .listObjects: answer(try ListObjects(from: &message.body), correlation: try message.required(), on: link)
        case .startActors: execution.actors.start(try StartActors(from: &message.body), correlation: try message.required(), from: link, self)
        case .storeSnapshot: try store(try StoreSnapshot(from: &message.body), correlation: try message.required(), on: link)
        case .getSnapshot:
            let actor = try GetSnapshot(from: &message.body).actor
            link.reply(to: try message.required(), SnapshotFound(snapshot: snapshots[actor]))
        case .endHostedActors: execution.actors.end(try EndHostedActors(from: &message.body), correlation: try message.required(), from: link, self)
        case .stopWorker: execution.stop(self)
        default: throw MantaError(.malformed, "a \(runtime.configuration.role.rawValue) does not take \(message.kind) messages")
        }
    }
}
