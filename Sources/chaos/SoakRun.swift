// SoakRun: one run of objects: the cluster is started, filled and struck, emptied, and judged: every value that was looked at was whole, every one that could
// not be had is excused by a death, and nothing of them is left anywhere: no object, no byte of a store, no file, no memory.

import Glibc
import Manta
import MantaLoop
import MantaModel
import MantaWire
import MantaWorker

final class SoakRun {
    struct Size {
        var nodes: Int
        var cpus: Double
        var clients: Int
        /// Bytes.
        var store: Int
        var largest: Int
    }

    private let folder: RunFolder
    private let size: Size
    private let loop = EventLoop(name: "soak")
    private let processes: ClusterProcesses
    private let session: Session
    private let rest: Rest
    private let remains: Remains
    /// The names of nodes by their processes.
    private var nodeNames: [Int32: String] = [:]

    init(folder: RunFolder, size: Size, seed: UInt64) async throws {
        (self.folder, self.size) = (folder, size)
        loop.start()
        // All clients together hold twice what all stores do.
        let bytes = 2 * size.store * size.nodes / size.clients
        processes = try ClusterProcesses(folder: folder, nodeVariables: { Self.variables(of: size, head: $0) }, loop: loop) { number in
            [
                "client", "--seed", "\(seed &+ UInt64(number) &* 1_000_003)", "--bytes", "\(bytes)", "--largest", "\(size.largest)", "--notes", folder.ledger(number),
                "--stop", folder.stop, "--leave", folder.leave,
            ]
        }
        try await processes.startHead()
        for _ in 0..<size.nodes { try await processes.startNode() }
        session = try await Session.attach(processes.head, role: .tool)
        rest = Rest(processes: processes, session: session, wantedNodes: size.nodes)
        remains = Remains(processes: processes, session: session)
        for _ in 0..<size.clients { try await processes.startDriver() }
    }

    /// Sockets of nodes and workers are where those of drivers are, as in any other cluster.
    private static func variables(of size: Size, head: String) -> [String: String] {
        [Variable.cpus: "\(size.cpus)", Variable.storeMemory: "\(size.store)", Variable.runtimeDirectory: Folders.runtime(port: port(of: head) ?? 0)]
    }

    func strike(for time: Duration, by plan: StrikePlan) async throws {
        try await processes.strike(for: time, by: plan)
        print(try await remains.report())
    }

    /// Lets the clients drop everything, then end, and tells what is wrong, as sentences.
    func judge(patience: Duration) async throws -> [String] {
        folder.mark(folder.stop)
        let haveDropped = await holds(within: Limits.soakPatience + patience) { processes.drivers.allSatisfy { SoakAccounts(path: folder.ledger($0.number)).isEmpty } }
        for node in try await rest.state(.nodes).nodes { nodeNames[node.pid] = node.id.description }
        for node in processes.nodes { processes.readDeaths(of: node) }
        var complaints = valuesAmiss()
        if !haveDropped { complaints.append("clients have not dropped everything: \(await waits())") }
        if let exchange = try? await Exchange.named(Exchange.name) { try await Manta.kill(exchange) }
        // While the clients live: what is left then is nobody's.
        complaints += try await settled(within: patience) { try await self.remains.objects() }
        folder.mark(folder.leave)
        complaints += try await settled(within: patience) { try await self.rest.held() }
        complaints += try await settled(within: patience) { self.remains.files() + self.remains.held() }
        print(try await remains.report())
        complaints += await rest.endOfAll()
        return complaints + remains.filesOfAll()
    }

    private func settled(within patience: Duration, _ left: () async throws -> [String]) async throws -> [String] {
        var found: [String] = []
        _ = try await holds(within: patience) {
            found = try await left()
            return found.isEmpty
        }
        return found
    }

    private func waits() async -> [String] {
        guard let tasks = try? await rest.state(.tasks).tasks else { return [] }
        return tasks.filter { $0.endedAt == nil }.prefix(10).map { "\($0.function) \($0.id) is \($0.state)" }
    }

    // MARK: Values

    private func valuesAmiss() -> [String] {
        var (complaints, counts, excused): ([String], [String: Int], [String: Int]) = ([], [:], [:])
        for client in 1...max(1, processes.driversStarted) {
            let accounts = SoakAccounts(path: folder.ledger(client))
            counts.merge(accounts.counts, uniquingKeysWith: +)
            for failure in accounts.failures {
                if isExcused(failure) { excused[failure.code, default: 0] += 1 } else { complaints.append("client \(client): \(failure.line)") }
            }
        }
        print(counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", "))
        print("excused: \(excused.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", "))")
        if counts["got", default: 0] == 0 { complaints.append("no value was looked at") }
        return complaints
    }

    private func isExcused(_ failure: SoakAccounts.Noted) -> Bool {
        let killed = processes.killed
        let nodes = Set(killed.compactMap { $0.value.victim == .node ? nodeNames[$0.key] : nil })
        let isLost = [MantaError.Code.objectLost.rawValue, MantaError.Code.ownerDied.rawValue].contains(failure.code)
        if isLost, !nodes.isDisjoint(with: failure.nodes) || failure.processes.contains(where: { killed[$0] != nil || endedWithADriver($0) }) { return true }
        // The task that makes it runs once.
        let isCrash = isLost || [MantaError.Code.workerCrashed.rawValue, MantaError.Code.nodeDied.rawValue].contains(failure.code)
        guard isCrash, failure.since > 0 else { return false }
        return killed.values.contains { ($0.victim == .worker || $0.victim == .node) && $0.at.milliseconds >= failure.since && $0.at.milliseconds <= failure.at }
    }

    /// A worker that ran a task of a driver which was killed ends with it, and so does what it owns, also for other drivers.
    private func endedWithADriver(_ process: Int32) -> Bool { processes.workerEnds[process]?.contains("for which it ran a task, is gone") == true }

    func end() async {
        await session.stop()
        loop.stop()
    }
}
