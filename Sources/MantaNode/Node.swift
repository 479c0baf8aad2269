// Node: the process that grants workers and resources on one machine.
//
// It owns the lease book, the worker processes and the actors placed here. Messages and deaths go to the book; its actions are carried out at once. The
// head is told what happens here and may be away: leases, tasks and calls do not need it. When a head does not know this node, the node tells it
// everything it runs.

import CSystem
import Glibc
package import Logging
import MantaCore
package import MantaLoop
package import MantaModel
package import MantaTransport
package import MantaWire

/// `@unchecked Sendable`: confined to its loop.
package final class Node: @unchecked Sendable {
    let configuration: NodeConfiguration
    let loop: EventLoop
    let logger: Logger
    let processes: WorkerProcesses
    let outputs: WorkerOutputs
    let programs: ProgramStore
    /// By the hash of the program that it runs: a process that can hand it over.
    private var programRunners: [String: ProcessAddress] = [:]
    private let memory: MemoryMonitor
    var book: LeaseBook
    /// Made when the node starts.
    var store: ObjectStore!
    var transport: Transport!
    var head: Link!
    let address: ProcessAddress

    /// Links to this machine's processes that said hello: workers, drivers, others.
    var links: [ProcessID: Link] = [:]
    var jobs: [JobID: JobDescription] = [:]
    var actors: [ActorID: HostedActor] = [:]
    /// The last incarnation of actors that ended here.
    var endedActors = Remembered<ActorID, (restarts: Int, cause: DeathCause)>(limit: Limits.deadActors)
    /// What workers and the head are told at the end of the turn.
    var starts: [ProcessID: [StartActors.Order]] = [:]
    var takenOut: [ProcessID: [(actor: ActorID, cause: DeathCause)]] = [:]
    var reports: [ActorReports.Report] = []
    /// Resources are there for these.
    private var reserved: [ActorID] = []
    /// Who shares which process.
    var shared = SharedProcessBook()
    /// Requests whose arguments are brought here first.
    var arguments: ArgumentBook
    /// Processes of this node that were sent to other nodes for leases, or own objects there.
    var sentElsewhere: Set<ProcessID> = []
    /// The worker whose end is being dealt with.
    private(set) var ending: WorkerProcess?
    /// Submitted programs, and the ids of those that have ended here.
    var entrypoints: [String: Entrypoint] = [:]
    var endedEntrypoints: Set<String> = []
    /// What the head heard last.
    private var lastReport: (available: Resources, waitingKinds: Int)?
    /// The head has told which nodes there are.
    private(set) var hasView = false
    /// Of workers of tasks: without any GPU until a lease gives them some.
    private let environmentOfTasks: [String: String]

    package init(configuration: NodeConfiguration, loop: EventLoop, logger: Logger) {
        (self.configuration, self.loop, self.logger) = (configuration, loop, logger)
        processes = WorkerProcesses(configuration: configuration, loop: loop)
        outputs = WorkerOutputs(loop: loop)
        programs = ProgramStore(folder: configuration.programDirectory, notes: configuration.hashNotes)
        memory = MemoryMonitor(node: configuration.node, workerLimit: configuration.workerMemory)
        arguments = ArgumentBook(capacity: configuration.storeBytes)
        book = LeaseBook(node: configuration.node, total: configuration.total, labels: configuration.labels)
        book.failsInfeasible = configuration.failsInfeasible
        environmentOfTasks = VisibleGPUs.environment(of: nil, on: configuration.total)
        address = ProcessAddress(process: configuration.node.process, endpoint: configuration.place.endpoint.text)
        processes.ended = { [unowned self] worker, cause in workerEnded(worker, cause) }
        outputs.running = { [unowned self] in processes.processes[$0]?.function }
        outputs.gained = { [unowned self] gain in forward(gain) }
    }

    /// Listens and registers at the head; throws when the endpoint is taken. Returns the endpoint.
    package func start() throws(MantaError) -> String {
        let hello = Hello(cluster: nil, role: .node, process: address.process, pid: getpid(), endpoint: address.endpoint, host: Machine.name)
        Self.removeLeftovers(configuration)
        store = try ObjectStore(of: self, bytes: configuration.storeBytes, spillDirectory: configuration.spillDirectory, limit: configuration.spillLimit)
        transport = Transport(loop: loop, identity: hello, delegate: self)
        try transport.listen(at: configuration.place)
        head = transport.connect(to: configuration.head, grace: .some(nil))
        register()
        outputs.start()
        loop.schedule(after: Limits.tickPeriod, repeating: Limits.tickPeriod) { [unowned self] in tick() }
        loop.schedule(after: Limits.heartbeatPeriod, repeating: Limits.heartbeatPeriod) { [unowned self] in heartbeat() }
        loop.schedule(after: Limits.memoryPeriod, repeating: Limits.memoryPeriod) { [unowned self] in watchMemory() }
        return address.endpoint
    }

    /// Ends a worker when memory is about to run out; the next one only when that one is gone.
    private func watchMemory() {
        guard !processes.processes.values.contains(where: { $0.killCause?.kind == .outOfMemory }) else { return }
        let victim = memory.victim(among: { [unowned self] in
            processes.processes.values.filter { worker in
                guard worker.isRegistered, worker.killCause == nil else { return false }
                if case .tasks = worker.purpose { return !book.isIdle(worker.id) }
                return true
            }
        }, runsAgain: { [unowned self] in book.runsAgain($0) })
        guard let victim else { return }
        logger.error("memory is about to run out", metadata: ["worker": "\(victim.process)", "cause": "\(victim.cause)"])
        processes.end(victim.process, because: victim.cause)
    }

    /// Ends every worker.
    package func stop() {
        for pid in entrypoints.values.compactMap(\.pid) { kill(-pid, SIGTERM) }
        for id in processes.processes.keys { processes.end(id, because: DeathCause(.killed, "its node was stopped")) }
        processes.clearFiles()
        store.close()
        processes.removeSockets()
        transport.close()
    }

    // MARK: The head

    /// Tells the head what this node is and runs.
    func register() {
        let running = actors.values.compactMap(\.running)
        let registration = RegisterNode(
            node: configuration.node, endpoint: address.endpoint, host: Machine.name, pid: getpid(), total: book.total, available: book.available,
            actors: running, jobs: Array(jobs.values), labels: configuration.labels, bundles: heldBundles,
            submissions: Array(entrypoints.keys))
        head.request(registration, deadline: .seconds(3600)) { [self] result in
            switch result {
            case .success(let answer):
                if answer.wasDead == true { book.givenUp(at: loop.now) { perform($0) } }
                for actor in answer.endActors { endActor(actor, DeathCause(.killed, "the head gave it up")) }
            case .failure(let error): logger.error("registration at the head failed", metadata: ["error": "\(error)"])
            }
        }
    }

    private func heartbeat() {
        let now = Heartbeat(
            node: configuration.node, available: book.available, workers: processes.processes.count, waiting: book.counts.waiting,
            total: book.total == configuration.total ? nil : book.total, store: store.book.usage,
            reclaimable: book.reclaimable == book.available ? nil : book.reclaimable, demands: book.counts.waiting == 0 ? nil : book.demands())
        head.send(now)
        lastReport = (now.available, book.waitingKinds)
    }

    private func tick() {
        book.tick(at: loop.now) { perform($0) }
        store.tick()
        tickArguments()
        processes.checkStarts(now: loop.now)
        if configuration.forksWorkers { loop.reapStrangers() }
        stopIdleSharedProcesses()
        if let last = lastReport, book.isNews(since: last.available, waitingKinds: last.waitingKinds) { heartbeat() }
    }

    // MARK: What the book decides

    func perform(_ action: LeaseBook.Action) {
        switch action {
        case .startWorker(let program): startWorker(program)
        case .stopWorker(let worker): links[worker]?.send(StopWorker())
        case .killWorker(let worker, let cause): end(worker, because: cause)
        case .grant(let lease, let worker, let gpus, let owner):
            send(LeaseAnswer(lease: lease, decision: .granted(worker: worker, node: configuration.node, gpus: names(ofGPUs: gpus))), to: owner)
        case .move(let lease, let node, let reason, let owner):
            sentElsewhere.insert(owner.process)
            send(LeaseAnswer(lease: lease, decision: .move(to: node.node, endpoint: node.endpoint, reason: reason)), to: owner)
        case .refuse(let lease, let error, let owner): send(LeaseAnswer(lease: lease, decision: .refused(error)), to: owner)
        case .reclaim(let lease, let owner): send(ReclaimLease(lease: lease), to: owner)
        case .lost(let lease, let cause, let owner): send(LeaseLost(lease: lease, cause: cause), to: owner)
        case .resumed(let lease, let turn, let worker): send(LeaseResumed(lease: lease, turn: turn, exists: true), to: worker)
        case .ended(let lease, let worker): send(LeaseResumed(lease: lease, turn: 0, exists: false), to: worker)
        case .inquireGroups(let groups): head.send(InquireGroups(groups: groups))
        case .infeasible(let lease, let reason, let owner): send(DemandInfeasible(lease: lease, reason: reason), to: owner)
        case .reserved(let claim):
            // The book must not be called while it performs.
            if reserved.isEmpty { loop.later { [self] in startReserved() } }
            reserved.append(claim)
        }
    }

    private func startReserved() {
        let claims = reserved
        reserved = []
        for claim in claims { if actors[claim] != nil { startActor(claim) } else { runEntrypoint(claim: claim) } }
        sendStarts()
    }

    /// To a process that said hello; one that is gone needs no message.
    private func send(_ message: some WireMessage, to process: ProcessAddress) { links[process.process]?.send(message) }

    private func startWorker(_ program: Program) {
        programs.prepare(program, from: link(toRunnerOf: program)) { [self] result in
            do throws(MantaError) {
                outputs.follow(try processes.start(program, from: try result.get(), for: .tasks, environment: environmentOfTasks))
            } catch {
                logger.error("a worker could not be started", metadata: ["program": "\(program.path)", "error": "\(error)"])
                // The book must not be called while it performs.
                loop.execute { [self] in
                    book.workerStartFailed(program, DeathCause(.startFailed, error.message), at: loop.now) { perform($0) }
                }
            }
        }
    }

    /// To the process that asked for workers of the program last: it runs it.
    private func link(toRunnerOf program: Program) -> Link? {
        guard let runner = program.hash.flatMap({ programRunners[$0] }) else { return nil }
        return links[runner.process] ?? transport.connect(to: runner)
    }

    /// A process that wants workers of its program can hand it over.
    private func runs(_ program: Program, _ process: ProcessAddress) {
        guard let hash = program.hash, programRunners[hash]?.process != process.process else { return }
        if programRunners.count >= Limits.rememberedProcesses { programRunners.removeAll() }
        programRunners[hash] = process
    }

    // MARK: Deaths

    private func workerEnded(_ worker: WorkerProcess, _ cause: DeathCause) {
        links[worker.id] = nil
        ending = worker
        outputs.ended(worker)
        if !processes.give(back: worker.files) { outputs.forget(worker.files) }
        ending = nil
        announce(cause, of: worker)
        logger.info(
            "a worker ended",
            metadata: ["pid": "\(worker.pid)", "kind": "\(cause.kind.rawValue)", "code": "\(cause.facts?.exitCode ?? -1)", "because": "\(cause.detail)"])
        switch worker.purpose {
        case .tasks where !worker.isRegistered: book.workerStartFailed(worker.program, cause, at: loop.now) { perform($0) }
        case .tasks: break
        case .actor(let actor): actorEnded(actor, worker.id, cause)
        case .sharedActors: for actor in shared.ended(worker.id) { actorEnded(actor, worker.id, cause) }
        }
        book.workerDied(worker.id, cause, at: loop.now) { perform($0) }
        store.processEnded(worker.id)
        if worker.isRegistered { reportEnd(of: worker.id) }
    }

    /// What the process owned elsewhere must go with it.
    private func reportEnd(of process: ProcessID) {
        sendReports()
        let message = ProcessEnded(process: process, hadLeasesElsewhere: sentElsewhere.remove(process) != nil)
        head.request(message, deadline: .seconds(3600)) { _ in }
    }

    /// A process of this machine that is no worker of ours, a driver above all, is gone.
    private func peerDied(_ process: ProcessID, _ endpoint: String) {
        links[process] = nil
        removeSocket(endpoint)
        book.ownerDied(process, at: loop.now) { perform($0) }
        dropArguments { $0.owner.process == process }
        store.processEnded(process)
        reportEnd(of: process)
        for (job, description) in jobs where description.driver.process == process {
            head.send(DriverDied(job: job))
            jobs[job] = nil
        }
    }

    // MARK: Processes

    private func registerWorker(_ message: RegisterWorker, correlation: Correlation, on link: Link) {
        guard let worker = processes.registered(message.address) else {
            return link.fail(correlation, MantaError(.notFound, "this node started no worker \(message.address.process.short)"))
        }
        links[message.address.process] = link
        link.reply(to: correlation, Acknowledged())
        switch worker.purpose {
        case .tasks: book.workerReady(message.address, program: worker.program, pid: worker.pid, at: loop.now) { perform($0) }
        case .actor(let actor): construct(actor, in: worker.id)
        case .sharedActors: constructAll(in: message.address)
        }
    }

    private func registerJob(_ message: RegisterJob, correlation: Correlation, on link: Link) {
        jobs[message.job.id] = message.job
        // A driver of a machine without a node is known by this alone.
        if links[message.job.driver.process]?.isOpen != true { links[message.job.driver.process] = link }
        runs(message.job.program, message.job.driver)
        let summary = NodeSummary(
            id: configuration.node, endpoint: address.endpoint, host: Machine.name, state: .alive, total: book.total, available: book.available)
        link.reply(to: correlation, JobRegistered(cluster: transport.identity.cluster ?? ClusterID(high: 0, low: 0), node: summary))
        book.prestart(message.job.program, count: configuration.prestart ?? book.cpuCount, at: loop.now) { perform($0) }
    }

    /// Asks the owners on this machine.
    private func explainTask(_ message: ExplainTask, correlation: Correlation, on link: Link) {
        let owners = links.values.filter { $0.peer?.role == .worker || $0.peer?.role == .driver }
        var (missing, lines): (Int, [String]) = (owners.count, [])
        guard missing > 0 else {
            link.reply(to: correlation, Explanation(lines: []))
            return
        }
        for owner in owners {
            owner.request(message, deadline: .milliseconds(500)) { result in
                lines += (try? result.get())?.lines ?? []
                missing -= 1
                if missing == 0 { link.reply(to: correlation, Explanation(lines: lines)) }
            }
        }
    }

    private func listObjects(_ message: ListObjects, correlation: Correlation, on link: Link) {
        let owners = links.filter { $0.value.peer?.role == .worker || $0.value.peer?.role == .driver }
        let gathered = ObjectGathering(waitingFor: owners.count, limit: message.limit) { link.reply(to: correlation, $0) }
        for owner in owners.values {
            owner.request(message, deadline: .milliseconds(500)) { gathered.add(try? $0.get()) }
        }
    }
}

/// Collects the answers of several processes into one.
private final class ObjectGathering {
    private var missing: Int
    private let limit: Int
    private let done: (ObjectList) -> Void
    private var list = ObjectList(rows: [], total: 0, totalBytes: 0)

    init(waitingFor count: Int, limit: Int, done: @escaping (ObjectList) -> Void) {
        (missing, self.limit, self.done) = (count, limit, done)
        if count == 0 { done(list) }
    }

    /// One process answered, or did not.
    func add(_ part: ObjectList?) {
        if let part {
            list.rows += part.rows
            list.total += part.total
            list.totalBytes += part.totalBytes
            list.states = (list.states ?? [:]).merging(part.states ?? [:], uniquingKeysWith: +)
        } else {
            list.silent = (list.silent ?? 0) + 1
        }
        missing -= 1
        guard missing == 0 else { return }
        var largest = Largest<ObjectRow>(limit) { ($0.size, $0.id) < ($1.size, $1.id) }
        for row in list.rows { largest.add(row) }
        list.rows = largest.sorted
        done(list)
    }
}

extension Node: TransportDelegate {
    package func linkOpened(_ link: Link, hello: Hello) {
        guard link !== head, Machine.isHere(host: hello.host, endpoint: hello.endpoint), hello.role != .node, hello.role != .head else { return }
        let process = hello.process
        let isNew = links[process] == nil
        links[process] = link
        // Workers are watched from their start.
        guard isNew, processes.processes[process] == nil else { return }
        do {
            _ = try loop.watchProcess(hello.pid) { [unowned self] in peerDied(process, hello.endpoint) }
        } catch {
            logger.error("process \(hello.pid) cannot be watched", metadata: ["error": "\(error)"])
        }
    }

    package func linkReopened(_ link: Link, hello: Hello, restarted: Bool) {
        if link === head { register() }
    }

    package func linkClosed(_ link: Link, error: MantaError) {
        guard let peer = link.peer, peer.role == .worker || peer.role == .driver, !Machine.isHere(host: peer.host, endpoint: peer.endpoint) else { return }
        // What it owned of this store nobody else will end. Of this machine's processes the kernel tells.
        if links[peer.process] === link { links[peer.process] = nil }
        store.processEnded(peer.process, mayReturn: true)
    }

    package func received(_ message: inout InboundMessage, on link: Link) {
        do {
            try dispatch(&message, on: link)
        } catch {
            logger.warning("a message could not be handled", metadata: ["kind": "\(message.kind)", "error": "\(error)"])
            if let correlation = message.correlation { link.fail(correlation, error) }
        }
    }

    private func dispatch(_ message: inout InboundMessage, on link: Link) throws(MantaError) {
        let now = loop.now
        switch message.kind {
        case .requestLease:
            let request = try RequestLease(from: &message.body)
            // A process that comes again by another link, as after a break, is answered on that.
            if links[request.owner.process]?.isOpen != true { links[request.owner.process] = link }
            runs(request.program, request.owner)
            let lease = LeaseRequest(
                lease: request.lease, owner: request.owner, job: request.job, program: request.program, resources: request.resources,
                mayMove: request.mayMove, rule: request.rule ?? .standard, home: request.home, arguments: request.arguments ?? [],
                runsAgain: request.runsOnce != true, avoiding: request.avoiding, endsWorker: request.endsWorker == true)
            if lease.arguments.isEmpty { book.requestLease(lease, at: now) { perform($0) } } else { requestWithArguments(lease) }
        case .returnLease:
            let returned = try ReturnLease(from: &message.body)
            book.returnLease(returned.lease, endsWorker: returned.endsWorker == true, at: now) { perform($0) }
            argumentsAreFree(returned.lease)
        case .cancelLease:
            let lease = try CancelLease(from: &message.body).lease
            book.cancelRequest(lease, at: now) { perform($0) }
            argumentsAreFree(lease)
        case .confirmLease:
            guard let owner = link.peer?.address else { return }
            for lease in try ConfirmLease(from: &message.body).leases { book.confirmLease(lease, owner: owner, at: now) { perform($0) } }
        case .leaseBlocked:
            let blocked = try LeaseBlocked(from: &message.body)
            for block in blocked.blocks { book.blocked(block.lease, turn: block.turn, at: now) { perform($0) } }
        case .resumeLease:
            let resume = try ResumeLease(from: &message.body)
            guard let worker = link.peer?.address else { return }
            book.resume(resume.lease, turn: resume.turn, worker: worker, at: now) { perform($0) }
        case .registerWorker: registerWorker(try RegisterWorker(from: &message.body), correlation: try message.required(), on: link)
        case .workerStays:
            guard let worker = link.peer?.process else { return }
            stays(worker)
        case .endWorker:
            let end = try EndWorker(from: &message.body)
            guard let worker = link.peer?.process else { return }
            book.endWorker(worker, of: end.lease, because: end.reason, at: now) { perform($0) }
        case .registerJob: registerJob(try RegisterJob(from: &message.body), correlation: try message.required(), on: link)
        case .placeActors: placeActors(try PlaceActors(from: &message.body), correlation: try message.required(), on: link)
        case .actorsStarted:
            guard let process = link.peer?.process else { return }
            started(try ActorsStarted(from: &message.body), in: process)
        case .endActors:
            for end in try EndActors(from: &message.body).orders { endActor(end.actor, restarts: end.restarts, isKnown: end.isFinal, end.cause) }
            link.reply(to: try message.required(), Acknowledged())
        case .startEntrypoint: startEntrypoint(try StartEntrypoint(from: &message.body), correlation: try message.required(), on: link)
        case .stopEntrypoint: stopEntrypoint(try StopEntrypoint(from: &message.body), correlation: try message.required(), on: link)
        case .readSubmissionLog: try readLog(ReadSubmissionLog(from: &message.body), correlation: try message.required(), on: link)
        case .ownerDied:
            let process = try OwnerDied(from: &message.body).process
            book.ownerDied(process, at: now) { perform($0) }
            dropArguments { $0.owner.process == process }
            store.processEnded(process)
        case .nodeLost: nodeLost(try NodeLost(from: &message.body))
        case .prepareBundles: try prepareBundles(PrepareBundles(from: &message.body), correlation: try message.required(), on: link)
        case .commitBundles: try commitBundles(CommitBundles(from: &message.body), correlation: try message.required(), on: link)
        case .abandonBundles:
            let abandoned = try AbandonBundles(from: &message.body)
            book.abandon(abandoned.group, attempt: abandoned.attempt, at: now) { perform($0) }
        case .dropBundles: book.dropBundles(try DropBundles(from: &message.body).group, at: now) { perform($0) }
        case .groupRemoved: book.groupRemoved(try GroupRemoved(from: &message.body).group, at: now) { perform($0) }
        case .jobEnded: jobEnded(try JobEnded(from: &message.body).job)
        case .clusterView: clusterView(try ClusterView(from: &message.body))
        case .explainTask: explainTask(try ExplainTask(from: &message.body), correlation: try message.required(), on: link)
        case .explainLease:
            let lease = try ExplainLease(from: &message.body).lease
            link.reply(to: try message.required(), Explanation(lines: [arguments.explain(lease) ?? book.explain(lease)].compactMap { $0 }))
        case .listObjects: listObjects(try ListObjects(from: &message.body), correlation: try message.required(), on: link)
        default:
            if try dispatchStore(&message, on: link) { return }
            throw MantaError(.malformed, "a node does not take \(message.kind) messages")
        }
    }

    private func clusterView(_ view: ClusterView) {
        let views = view.nodes.map { NodeView(id: $0.id, endpoint: $0.endpoint, total: $0.total, available: $0.available, state: $0.state, labels: $0.labels ?? [:]) }
        hasView = true
        book.clusterView(views, at: loop.now) { perform($0) }
    }

    private func nodeLost(_ lost: NodeLost) {
        let now = loop.now
        book.nodeLost(lost.node, at: now) { perform($0) }
        dropArguments { $0.home == lost.node }
        store.nodeLost(lost.node)
        for process in lost.processes ?? [] {
            book.ownerDied(process, at: now) { perform($0) }
            store.processEnded(process)
        }
        let error = MantaError(.nodeDied, "node \(lost.node.short) is lost")
        for process in (lost.processes ?? []) + [lost.node.process] { transport.lose(process, error) }
        removeLeftoversLater()
    }
}

extension Hello {
    /// Where the peer listens.
    var address: ProcessAddress { ProcessAddress(process: process, endpoint: endpoint) }
}
