// Rest: what every run checks of a cluster that nobody wants anything of any more: what it still holds, and how its processes ended.

import Manta
import MantaLoop
import MantaModel
import MantaWire
import MantaWorker

struct Rest {
    let processes: ClusterProcesses
    let session: Session
    let wantedNodes: Int

    func state(_ tables: QueryState.Table...) async throws -> StateAnswer {
        guard let runtime = session.runtime else { throw MantaError(.notConnected, "the controller's session has ended") }
        return try await runtime.head(QueryState(tables: tables, limit: 10_000))
    }

    /// Resources, actors, placement groups and jobs that are still held, as sentences.
    func held() async throws -> [String] {
        let state = try await state(.nodes, .jobs, .actors, .placementGroups)
        var left: [String] = []
        let alive = state.nodes.filter { $0.state == .alive }
        if alive.count != wantedNodes { left.append("\(alive.count) nodes are alive, expected \(wantedNodes)") }
        for node in alive where node.available != node.total { left.append("node \(node.id.short) has \(node.available) of \(node.total) available") }
        for actor in state.actors where actor.state != .dead { left.append("actor \(actor.id.short) (\(actor.type)) is \(actor.state)") }
        for group in state.placementGroups ?? [] where group.state != .removed { left.append("placement group \(group.id.short) is \(group.state)") }
        for job in state.jobs where job.state == .running { left.append("job \(job.id.short) runs") }
        return left
    }

    /// Ends the cluster. Every process that ended was killed here, or ended as it was meant to.
    func endOfAll() async -> [String] {
        for node in processes.nodes { processes.readDeaths(of: node) }
        await processes.end()
        var complaints = deathsOfNobodysMaking() + crashes()
        let path = processes.folder.path
        if await !holds(within: .seconds(20), { SystemProcesses.naming(path).isEmpty }) {
            complaints.append("processes that outlive the cluster: \(SystemProcesses.naming(path))")
        }
        if processes.killed.isEmpty { complaints.append("nothing was killed") }
        return complaints
    }

    private func deathsOfNobodysMaking() -> [String] {
        let killed = processes.killed
        var complaints: [String] = []
        for (pid, child) in processes.children where killed[pid] == nil {
            if child.end != .exited(0) { complaints.append("\(child.role) \(pid) \(child.end?.description ?? "did not end")") }
        }
        for (pid, line) in processes.workerEnds where killed[pid] == nil {
            let wanted = [" kind=killed ", " kind=jobEnded ", " kind=ownerDied ", " kind=groupRemoved ", " code=0 "]
            if !wanted.contains(where: line.contains) { complaints.append("worker \(pid) died by itself: \(line)") }
        }
        return complaints.sorted()
    }

    /// What says that a process crashed, in whatever it printed.
    private func crashes() -> [String] {
        let folder = processes.folder.path
        return TextFile.names(in: folder).filter { $0.hasSuffix(".err") || $0.hasSuffix(".out") }.flatMap { name in
            TextFile.lines(of: "\(folder)/\(name)").filter { $0.contains("Fatal error") || $0.contains("Program crashed") || $0.contains("Precondition failed") }
                .map { "\(name): \($0)" }
        }
    }
}
