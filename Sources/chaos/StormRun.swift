// StormRun: one run: the cluster is started, struck by a plan, let come to rest, and judged.

import Glibc
import Manta
import MantaLoop
import MantaModel
import MantaWire
import MantaWorker

final class StormRun {
    private let folder: RunFolder
    private let wantedNodes: Int
    private let loop = EventLoop(name: "chaos")
    private let processes: StormProcesses
    private let session: Session
    /// What nodes said of workers that ended, by process.
    private var workerEnds: [Int32: String] = [:]

    init(folder: RunFolder, nodes: Int, cpus: Double, producers: Int) async throws {
        (self.folder, wantedNodes) = (folder, nodes)
        loop.start()
        processes = try StormProcesses(folder: folder, cpus: cpus, loop: loop)
        try await processes.startHead()
        for _ in 0..<nodes { try await processes.startNode() }
        session = try await Session.attach(processes.head, role: .tool)
        for _ in 0..<producers { try await processes.startProducer() }
    }

    // MARK: Strikes

    func strike(for time: Duration, by plan: StrikePlan) async throws {
        let end = ContinuousClock.now + time
        for strike in plan {
            let time = ContinuousClock.now + strike.pause
            try await Task.sleep(until: min(time, end))
            guard time < end else { return }
            try await carryOut(strike)
        }
    }

    private func carryOut(_ strike: Strike) async throws {
        let victims = [strike.victim, strike.second].compactMap { $0 }
        var struck: [Victim] = []
        for victim in victims {
            guard let pid = processes.kill(victim, choice: strike.choice) else { continue }
            struck.append(victim)
            guard await holds(within: .seconds(30), { processes.hasEnded(pid) }) else { throw MantaError(.timeout, "\(victim) \(pid) did not end when it was killed") }
            if victim == .node { readDeaths(of: pid) }
            print("killed \(victim) \(pid)")
        }
        try await Task.sleep(for: strike.absence)
        // The head first: nothing starts without it.
        for victim in struck.sorted(by: { left, right in left == .head && right != .head }) { try await processes.replace(victim) }
    }

    /// What a node has logged of its workers' ends. Its log may be gone later.
    private func readDeaths(of node: Int32) {
        for line in TextFile.lines(of: folder.log("node", node)) where line.contains(" a worker ended ") {
            let words = line.split(separator: " ")
            guard let pid = words.last(where: { $0.hasPrefix("pid=") }).flatMap({ Int32($0.dropFirst(4)) }) else { continue }
            workerEnds[pid] = String(line)
        }
    }

    // MARK: Judging

    /// Lets the producers end, and tells what is missing, as sentences.
    func judge(patience: Duration) async throws -> [String] {
        close(open(folder.stop, O_WRONLY | O_CREAT, 0o600))
        _ = await holds(within: patience) { processes.producers.isEmpty }
        var complaints = await numbersMissing()
        complaints += try await leftovers(patience: patience)
        for node in processes.nodes { readDeaths(of: node) }
        await processes.end()
        complaints += deathsOfNobodysMaking() + crashes()
        if await !holds(within: .seconds(20), { SystemProcesses.naming(folder.path).isEmpty }) {
            complaints.append("processes that outlive the cluster: \(SystemProcesses.naming(folder.path))")
        }
        if processes.killed.isEmpty { complaints.append("nothing was killed") }
        return complaints
    }

    /// Every number that was begun is done once, unless its driver was killed.
    private func numbersMissing() async -> [String] {
        var (complaints, done, lost): ([String], Int, Int) = ([], 0, 0)
        let running = Set(processes.producers.map(\.number))
        let killed = processes.killed.values.count { $0 == .driver }
        for producer in 1...max(1, processes.producersStarted) {
            let accounts = Accounts(path: folder.ledger(producer))
            done += accounts.done.count
            for (number, error) in accounts.failed.sorted(by: { $0.key < $1.key }) {
                complaints.append("number \(number) (\(WorkKind(number))) failed: \(error)")
            }
            for (number, times) in accounts.done where times > 1 { complaints.append("number \(number) is done \(times) times") }
            if running.contains(producer) {
                complaints.append("producer \(producer) has not ended; its numbers \(accounts.missing) are missing")
                for number in accounts.missing.prefix(3) { complaints += await explain(number, accounts.tasks[number]) }
            } else if !accounts.missing.isEmpty {
                lost += accounts.missing.count
                if !processes.killedProducers.contains(producer) { complaints.append("producer \(producer) ended without its numbers \(accounts.missing)") }
            }
        }
        print("\(done) numbers done, \(lost) lost with \(killed) drivers")
        if done == 0 { complaints.append("no number is done") }
        return complaints
    }

    private func explain(_ number: Int, _ task: TaskID?) async -> [String] {
        guard let task, let runtime = session.runtime else { return ["number \(number) (\(WorkKind(number))) was not submitted"] }
        let lines = (try? await runtime.head(Explain(id: task.description)).lines) ?? ["the head does not say"]
        return lines.map { "number \(number) (\(WorkKind(number)), task \(task)): \($0)" }
    }

    /// What the cluster holds when nobody wants anything of it any more.
    private func leftovers(patience: Duration) async throws -> [String] {
        if let tally = try? await Tally.named("tally") { try await Manta.kill(tally) }
        var left: [String] = []
        _ = try await holds(within: patience) {
            left = try await held()
            return left.isEmpty
        }
        return left
    }

    private func held() async throws -> [String] {
        guard let runtime = session.runtime else { throw MantaError(.notConnected, "the controller's session has ended") }
        let state = try await runtime.head(QueryState(tables: [.nodes, .jobs, .actors, .placementGroups], limit: 10_000))
        var left: [String] = []
        let alive = state.nodes.filter { $0.state == .alive }
        if alive.count != wantedNodes { left.append("\(alive.count) nodes are alive, expected \(wantedNodes)") }
        for node in alive where node.available != node.total { left.append("node \(node.id.short) has \(node.available) of \(node.total) available") }
        for actor in state.actors where actor.state != .dead { left.append("actor \(actor.id.short) (\(actor.type)) is \(actor.state)") }
        for group in state.placementGroups ?? [] where group.state != .removed { left.append("placement group \(group.id.short) is \(group.state)") }
        for job in state.jobs where job.state == .running { left.append("job \(job.id.short) runs") }
        return left
    }

    /// Every process that ended was killed here, or ended as it was meant to.
    private func deathsOfNobodysMaking() -> [String] {
        let killed = processes.killed
        var complaints: [String] = []
        for (pid, child) in processes.children where killed[pid] == nil {
            if child.end != .exited(0) { complaints.append("\(child.role) \(pid) \(child.end?.description ?? "did not end")") }
        }
        for (pid, line) in workerEnds where killed[pid] == nil {
            let wanted = [" kind=killed ", " kind=jobEnded ", " kind=ownerDied ", " kind=groupRemoved ", " code=0 "]
            if !wanted.contains(where: line.contains) { complaints.append("worker \(pid) died by itself: \(line)") }
        }
        return complaints.sorted()
    }

    /// What says that a process crashed, in whatever it printed.
    private func crashes() -> [String] {
        TextFile.names(in: folder.path).filter { $0.hasSuffix(".err") || $0.hasSuffix(".out") }.flatMap { name in
            TextFile.lines(of: "\(folder.path)/\(name)").filter { $0.contains("Fatal error") || $0.contains("Program crashed") || $0.contains("Precondition failed") }
                .map { "\(name): \($0)" }
        }
    }

    func end() async {
        await session.stop()
        loop.stop()
    }
}
