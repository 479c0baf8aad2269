// StormRun: one run of numbered work: the cluster is started, struck by a plan, let come to rest, and judged.

import Glibc
import Manta
import MantaLoop
import MantaModel
import MantaWire
import MantaWorker

final class StormRun {
    private let folder: RunFolder
    private let loop = EventLoop(name: "chaos")
    private let processes: ClusterProcesses
    private let session: Session
    private let rest: Rest
    /// The first number of each producer is so far from that of the one before.
    private static let share = 1_000_000

    init(folder: RunFolder, nodes: Int, cpus: Double, producers: Int) async throws {
        self.folder = folder
        loop.start()
        processes = try ClusterProcesses(folder: folder, nodeVariables: { _ in [Variable.cpus: "\(cpus)"] }, loop: loop) { number in
            ["produce", "--first", "\(number * Self.share)", "--ledger", folder.ledger(number), "--stop", folder.stop]
        }
        try await processes.startHead()
        for _ in 0..<nodes { try await processes.startNode() }
        session = try await Session.attach(processes.head, role: .tool)
        for _ in 0..<producers { try await processes.startDriver() }
        rest = Rest(processes: processes, session: session, wantedNodes: nodes)
    }

    func strike(for time: Duration, by plan: StrikePlan) async throws { try await processes.strike(for: time, by: plan) }

    /// Lets the producers end, and tells what is missing, as sentences.
    func judge(patience: Duration) async throws -> [String] {
        folder.mark(folder.stop)
        _ = await holds(within: patience) { processes.drivers.isEmpty }
        var complaints = await numbersMissing()
        complaints += try await leftovers(patience: patience)
        return complaints + (await rest.endOfAll())
    }

    /// Every number that was begun is done once, unless its driver was killed.
    private func numbersMissing() async -> [String] {
        var (complaints, done, lost): ([String], Int, Int) = ([], 0, 0)
        let running = Set(processes.drivers.map(\.number))
        let killed = processes.killed.values.count { $0.victim == .driver }
        for producer in 1...max(1, processes.driversStarted) {
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
                if !processes.killedDrivers.contains(producer) { complaints.append("producer \(producer) ended without its numbers \(accounts.missing)") }
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
            left = try await rest.held()
            return left.isEmpty
        }
        return left
    }

    func end() async {
        await session.stop()
        loop.stop()
    }
}
