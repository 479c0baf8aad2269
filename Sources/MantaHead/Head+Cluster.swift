// Head+Cluster: nodes and jobs: registrations, heartbeats, ends, and what the cluster is told of them.

import Logging
import MantaCore
import MantaLoop
import MantaModel
import MantaStorage
import MantaTransport
import MantaWire

// MARK: - Nodes

extension Head {
    func membershipEvent(_ event: (inout Membership, (Membership.Action) -> Void) -> Void) {
        var actions: [Membership.Action] = []
        event(&membership) { actions.append($0) }
        perform(actions)
    }

    private func perform(_ actions: [Membership.Action]) {
        for action in actions {
            switch action {
            case .persist(let node):
                journal?.record([.putNode(StoredNode(id: node.id, host: node.host, pid: node.pid, incarnation: node.incarnation))])
            case .forget(let id):
                journal?.record([.removeNode(id)])
                let lost = processes(lostWith: id)
                // Owners too: a silent node's links break later than the head loses patience.
                for peer in peers.values where peer.node != id && [.node, .driver, .worker].contains(peer.hello.role) {
                    peer.link.send(NodeLost(node: id, processes: lost.isEmpty ? nil : lost))
                }
                for process in lost { processLost(process, with: id) }
            case .publishView:
                let view = clusterView
                for peer in peers.values where peer.hello.role == .node || peer.hello.role == .proxy { peer.link.send(view) }
            case .nodeBecameSuspect(let id):
                log.warning("a node is suspect", metadata: ["node": "\(id)"])
                actorEvent { $0.nodeUsable(id, false, at: loop.now, $1) }
                groupEvent { $0.nodeUsable(id, false, at: loop.now, $1) }
            case .nodeBecameAlive(let id):
                actorEvent { $0.nodeUsable(id, true, at: loop.now, $1) }
                groupEvent { $0.nodeUsable(id, true, at: loop.now, $1) }
            case .nodeDied(let id, let reason):
                log.error("a node died", metadata: ["node": "\(id)", "reason": "\(reason)"])
                note(ErrorRow(at: .now, code: MantaError.Code.nodeDied.rawValue, message: "node \(id.short) died: \(reason)", source: "node", node: id))
                nodeLinks[id] = nil
                (stores[id], waiting[id]) = (nil, nil)
                nodeWatches.removeValue(forKey: id)?.cancel()
                actorEvent { $0.nodeDied(id, reason: reason, at: loop.now, $1) }
                groupEvent { $0.nodeDied(id, at: loop.now, $1) }
                submissionEvent { $0.nodeDied(id, reason: reason, time: .now, $1) }
            }
        }
    }

    /// Those of another machine that has no node any more: whoever cannot be heard of there is gone. On this machine the kernel tells of each.
    private func processes(lostWith id: NodeID) -> [ProcessID] {
        guard let node = membership[id], let machine = Endpoint(node.endpoint).machine, machine != Machine.identity,
            !membership.all.contains(where: { $0.state != .dead && $0.id != id && Endpoint($0.endpoint).machine == machine })
        else { return [] }
        let connected = peers.values.filter { Endpoint($0.hello.endpoint).machine == machine }.map(\.hello.process)
        return (connected + absent.machineLost(machine)).sorted()
    }

    private func processLost(_ process: ProcessID, with node: NodeID) {
        transport?.lose(process, MantaError(.nodeDied, "process \(process.short) is gone with its node \(node.short)"))
        tasks.processEnded(process, at: .now)
        actorEvent { $0.ownerDied(process, at: loop.now, $1) }
        groupEvent { $0.ownerDied(process, at: loop.now, $1) }
    }

    func registerNode(_ message: RegisterNode, _ correlation: Correlation, on link: Link) throws(MantaError) {
        guard let peer = link.notes else { return }
        let id = message.node
        var actions: [Membership.Action] = []
        // A head that is younger than the node asks the kernel.
        let isHere = Machine.isHere(host: message.host, endpoint: message.endpoint)
        let process = isHere ? LocalProcess(message.pid) : nil
        var node = Membership.Node(
            id: id, process: peer.hello.process, endpoint: message.endpoint, host: message.host, pid: message.pid, total: message.total,
            available: message.available, startedAt: process?.startedAt ?? .now)
        node.incarnation = process?.incarnation
        node.labels = message.labels ?? [:]
        let wasDead = membership[id]?.state == .dead
        try membership.register(node, at: loop.now) { actions.append($0) }
        peer.node = id
        nodeLinks[id] = link
        if isHere { watchNode(id, pid: message.pid) }
        jobEvent { book, sink in for job in message.jobs { book.adopt(described(job), sink) } }
        for job in message.jobs where !jobs.hasEnded(job.id) && self.isHere(job.driver, host: job.host) { watchJob(job.id, pid: job.pid) }
        let running = message.actors.map { ActorDirectory.Running($0) }
        var consequences: [ActorDirectory.Action] = []
        directory.nodeJoined(
            id, total: message.total, available: message.available, labels: message.labels ?? [:], running: running,
            jobHasEnded: { jobs.hasEnded($0) }, at: loop.now, time: .now
        ) { consequences.append($0) }
        // What it must end goes with the answer.
        var ends: [ActorID] = []
        consequences.removeAll { action in
            guard case .end(let actor, id, _, _) = action else { return false }
            ends.append(actor)
            return true
        }
        link.reply(to: correlation, NodeRegistered(cluster: cluster, endActors: ends, wasDead: wasDead ? true : nil))
        log.info("a node registered", metadata: ["node": "\(id)", "host": "\(message.host)", "actors": "\(running.count)", "ended": "\(ends.count)"])
        for job in message.jobs where jobs.hasEnded(job.id) { link.send(JobEnded(job: job.id)) }
        perform(actions)
        perform(consequences)
        submissionEvent {
            $0.nodeJoined(id, total: message.total, available: message.available, running: message.submissions ?? [], time: .now, $1)
        }
        let held = (message.bundles ?? []).map { HeldBundles($0) }
        groupEvent {
            $0.nodeJoined(
                id, total: message.total, available: message.available, held: held, jobHasEnded: { jobs.hasEnded($0) }, at: loop.now, time: .now, $1)
        }
        if !held.isEmpty, isWaitingForOwners { restoredOwners.formUnion(placementGroups.owners) }
        settleRecovery()
        armDueTimer()
    }

    /// Sees the end of a node's process on this machine at once.
    private func watchNode(_ id: NodeID, pid: Int32) {
        guard nodeWatches[id]?.pid != pid else { return }
        nodeWatches.removeValue(forKey: id)?.cancel()
        // Without a watch, silence tells.
        nodeWatches[id] = try? loop.watchProcess(pid) { [unowned self] in
            nodeWatches[id] = nil
            membershipEvent { $0.exited(id, reason: "its process \(pid) on \(Machine.name) ended", at: loop.now, $1) }
            settleRecovery()
        }
    }

    func heartbeat(_ message: Heartbeat, on link: Link) {
        var isMember = false
        if nodeLinks[message.node] === link {
            membershipEvent {
                isMember = $0.heartbeat(
                    message.node, available: message.available, total: message.total, workers: message.workers, at: loop.now, $1)
            }
        }
        guard isMember else {
            // It was given up, or this head is new: it begins again, with everything it runs.
            link.send(HelloRequired())
            return
        }
        if let usage = message.store {
            if stores[message.node] == nil { stores[message.node] = StoreReport(usage, at: loop.now) } else { stores[message.node]?.reported(usage, at: loop.now) }
        }
        waiting[message.node] = message.waiting == 0 ? nil : (message.waiting, message.demands ?? [])
        actorEvent { $0.nodeUpdated(message.node, available: message.available, total: message.total, at: loop.now, $1) }
        submissionEvent { $0.nodeUpdated(message.node, available: message.available, $1) }
        groupEvent { $0.nodeUpdated(message.node, available: message.available, reclaimable: message.reclaimable, at: loop.now, $1) }
    }

    /// A worker or driver is gone, and so is what it owned: its actors, and leases on other nodes.
    func processEnded(_ message: ProcessEnded, _ correlation: Correlation, on link: Link) {
        absent.settled(message.process)
        // Of a driver the end of its job tells.
        if jobs.jobs(ofDriver: message.process).isEmpty { tasks.processEnded(message.process, at: .now) }
        actorEvent { $0.ownerDied(message.process, at: loop.now, $1) }
        groupEvent { $0.ownerDied(message.process, at: loop.now, $1) }
        if message.hadLeasesElsewhere { for other in nodeLinks.values where other !== link { other.send(OwnerDied(process: message.process)) } }
        link.reply(to: correlation, Acknowledged())
    }

    private var clusterView: ClusterView { ClusterView(nodes: membership.all.filter { $0.state != .dead }.map { NodeSummary($0) }) }

    /// What a node or proxy that has just come must know.
    func sendView(to peer: Peer) {
        if peer.hello.role == .node || peer.hello.role == .proxy { peer.link.send(clusterView) }
    }
}

// MARK: - Jobs

extension Head {
    func jobEvent(_ event: (inout JobBook, (JobBook.Action) -> Void) -> Void) {
        var actions: [JobBook.Action] = []
        event(&jobs) { actions.append($0) }
        perform(actions)
    }

    private func perform(_ actions: [JobBook.Action]) {
        for action in actions {
            switch action {
            case .persist(let job):
                if let stored = StoredJob(job) { journal?.record([.putJob(stored)]) }
            case .forget(let id): journal?.record([.removeJob(id)])
            case .ended(let job):
                log.info("a job ended", metadata: ["job": "\(job.id)", "state": "\(job.state)"])
                jobWatches.removeValue(forKey: job.id)?.cancel()
                for peer in peers.values { peer.jobs.remove(job.id) }
                for link in nodeLinks.values { link.send(JobEnded(job: job.id)) }
                tasks.jobEnded(job.id, at: job.endedAt ?? .now, butFor: directory.detachedProcesses(of: job.id))
                actorEvent { $0.jobEnded(job.id, at: loop.now, $1) }
                groupEvent { $0.jobEnded(job.id, at: loop.now, $1) }
            }
        }
    }

    /// When every node of before the head's restart has said what it runs, or is gone, nothing needs to be waited for.
    func settleRecovery() {
        guard directory.isRecovering, !membership.isAwaiting else { return }
        actorEvent { $0.recoveryIsComplete(at: loop.now, time: .now, $1) }
        groupEvent { $0.recoveryIsComplete(at: loop.now, $1) }
        submissionEvent { $0.recoveryIsComplete(time: .now, $1) }
    }

    func registerJob(_ message: RegisterJob, _ correlation: Correlation, on link: Link) throws(MantaError) {
        let id = message.job.id
        var changes: [StorageChange] = []
        try jobs.register(described(message.job)) { action in
            if case .persist(let job) = action, let stored = StoredJob(job) { changes.append(.putJob(stored)) }
        }
        link.notes?.jobs.insert(id)
        if isHere(message.job.driver, host: message.job.host) { watchJob(id, pid: message.job.pid) }
        // A job that is registered again has nothing to store, but waits for its first registration.
        journal?.write(changes) { [self] error in
            if let error {
                if !changes.isEmpty { withdrawJob(id) }
                return link.fail(correlation, error)
            }
            link.reply(to: correlation, JobRegistered(cluster: cluster, node: node(for: message.job).map { NodeSummary($0) }))
        }
    }

    private func described(_ description: JobDescription) -> JobBook.Job {
        var job = JobBook.Job(description)
        if isHere(job.driver, host: job.host) { job.incarnation = LocalProcess(job.pid)?.incarnation }
        return job
    }

    private func withdrawJob(_ id: JobID) {
        jobs.withdraw(id)
        jobWatches.removeValue(forKey: id)?.cancel()
        for peer in peers.values { peer.jobs.remove(id) }
    }

    /// The node of the machine, the one with the most free CPU if it has several; else one that can be reached from anywhere.
    private func node(for job: JobDescription) -> Membership.Node? {
        let alive = membership.alive
        let machine = Endpoint(job.driver.endpoint).machine
        let there = alive.filter { node in
            guard let machine, let other = Endpoint(node.endpoint).machine else { return node.host == job.host }
            return machine == other
        }
        let candidates = there.isEmpty ? alive.filter { Endpoint($0.endpoint).network != nil } : there
        // Of equal ones the oldest: a cluster's first node is the last that goes.
        return candidates.max { ($0.available[Resources.cpu], $1.startedAt) < ($1.available[Resources.cpu], $0.startedAt) }
    }

    private func isHere(_ driver: ProcessAddress, host: String) -> Bool { Machine.isHere(host: host, endpoint: driver.endpoint) }

    /// Sees the end of a driver on this machine at once.
    private func watchJob(_ id: JobID, pid: Int32) {
        guard jobWatches[id] == nil else { return }
        // Without a watch, its link and its node tell.
        jobWatches[id] = try? loop.watchProcess(pid) { [unowned self] in
            jobWatches[id] = nil
            log.warning("a driver died", metadata: ["job": "\(id)", "pid": "\(pid)"])
            endJob(id, as: .failed)
        }
    }

    /// Nodes that may still run, to be waited for. Those of this machine whose process is gone, or is another one now, are known not to.
    func awaitNodes(_ nodes: [StoredNode]) {
        for node in nodes {
            // Only of those that were here is the incarnation known; another machine may have this one's name.
            let wasHere = node.host == Machine.name && node.incarnation != nil
            if wasHere, !LocalProcess.runs(node.pid, node.incarnation) {
                journal?.record([.removeNode(node.id)])
            } else {
                membership.await(node.id, at: loop.now)
                if wasHere { watchNode(node.id, pid: node.pid) }
            }
        }
        settleRecovery()
    }

    /// What was made by processes that have not come back since the head's restart goes: nobody is left to tell of their deaths.
    func dropOrphans() {
        let connected = Set(peers.values.map(\.hello.process))
        for owner in restoredOwners.subtracting(connected).sorted() {
            actorEvent { $0.ownerDied(owner, at: loop.now, $1) }
            groupEvent { $0.ownerDied(owner, at: loop.now, $1) }
        }
        restoredOwners = []
        isWaitingForOwners = false
    }

    /// Drivers that ended while no head was there are found now; a process that has got the number of one is not it.
    func watchRestoredJobs() {
        for job in jobs.running where isHere(job.driver, host: job.host) {
            if LocalProcess.runs(job.pid, job.incarnation) {
                watchJob(job.id, pid: job.pid)
                if jobWatches[job.id] != nil { jobs.driverConnected(job.id) }
            } else {
                endJob(job.id, as: .failed)
            }
        }
        // The end of a job is durable before those of its actors are.
        for job in Set(directory.awaited.map(\.job)).sorted() where jobs[job]?.state != .running { actorEvent { $0.jobEnded(job, at: loop.now, $1) } }
    }

    func finishJob(_ message: FinishJob, _ correlation: Correlation, on link: Link) {
        endJob(message.job, as: .finished)
        // A job that is not known any more has ended long ago.
        journal?.record([]) { error in
            if let error { link.fail(correlation, error) } else { link.reply(to: correlation, Acknowledged()) }
        }
    }

    func endJob(_ id: JobID, as state: JobState) {
        jobEvent { $0.end(id, as: state, at: .now, $1) }
    }
}
