// StormProcesses: the processes of a run: started, killed, and how each of them ended.
//
// Always: who is killed is noted before it is; who ended otherwise is known by its status.

import Glibc
import Manta
import MantaLoop
import MantaModel
import Synchronization

final class StormProcesses: Sendable {
    /// A child of this process.
    struct Child {
        var role: String
        var end: ExitStatus?
    }
    private struct State {
        var children: [Int32: Child] = [:]
        var killed: [Int32: Victim] = [:]
        var nodes: [Int32] = []
        /// Their numbers and processes.
        var producers: [(number: Int, pid: Int32)] = []
        var head: Int32 = 0
        var producersStarted = 0
        /// The numbers of those that were killed.
        var killedProducers: Set<Int> = []
    }

    let folder: RunFolder
    private let endpoint = Mutex("tcp://127.0.0.1:0")
    private let cpus: Double
    private let loop: EventLoop
    private let launcher: ClusterLauncher
    private let state = Mutex(State())
    /// The first number of each producer is so far from that of the one before.
    private static let share = 1_000_000

    init(folder: RunFolder, cpus: Double, loop: EventLoop) throws {
        (self.folder, self.cpus, self.loop) = (folder, cpus, loop)
        launcher = ClusterLauncher(program: try Session.executable(), detached: false, loop: loop)
    }

    var head: String { endpoint.withLock { $0 } }
    var nodes: [Int32] { state.withLock { $0.nodes } }
    var producers: [(number: Int, pid: Int32)] { state.withLock { $0.producers } }
    var children: [Int32: Child] { state.withLock { $0.children } }
    var killed: [Int32: Victim] { state.withLock { $0.killed } }
    var killedProducers: Set<Int> { state.withLock { $0.killedProducers } }
    var producersStarted: Int { state.withLock { $0.producersStarted } }

    // MARK: Starting

    func startHead() async throws {
        let started = try await start("head", folder.variables(head: head))
        endpoint.withLock { $0 = started.endpoint }
        state.withLock { $0.head = started.pid }
    }

    func startNode() async throws {
        var variables = folder.variables(head: head)
        variables[Variable.cpus] = "\(cpus)"
        let pid = try await start("node", variables).pid
        state.withLock { $0.nodes.append(pid) }
    }

    private func start(_ role: String, _ variables: [String: String]) async throws -> ClusterLauncher.Started {
        let started = try await launcher.start(role, variables, log: folder.output(role), deadline: .seconds(60))
        try await watch(started.pid, as: role)
        return started
    }

    func startProducer() async throws {
        let number = state.withLock { state in
            state.producersStarted += 1
            return state.producersStarted
        }
        let arguments = [
            launcher.program, "produce", "--address", head, "--first", "\(number * Self.share)", "--ledger", folder.ledger(number), "--stop", folder.stop,
        ]
        let output = open(folder.output("producer-\(number)"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        defer { close(output) }
        // The loop's thread lives as long as this process: the child ends with that thread.
        let pid = try await onLoop { [launcher] in
            try ChildProcess(
                path: launcher.program, arguments: arguments, environment: ProcessEnvironment.current(adding: [:]), output: output, error: output
            ).spawn()
        }
        state.withLock { $0.producers.append((number, pid)) }
        try await watch(pid, as: "producer")
    }

    private func watch(_ pid: Int32, as role: String) async throws {
        state.withLock { $0.children[pid] = Child(role: role) }
        try await onLoop { [self, loop] in
            _ = try loop.watchProcess(pid) { [self] in
                let end = reap(pid)
                state.withLock { state in
                    state.children[pid]?.end = end
                    state.nodes.removeAll { $0 == pid }
                    state.producers.removeAll { $0.pid == pid }
                }
            }
        }
    }

    private func onLoop<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            loop.execute { continuation.resume(with: Swift.Result { try body() }) }
        }
    }

    // MARK: Killing

    /// Kills one of a kind; nil when there is none now.
    func kill(_ victim: Victim, choice: Int) -> Int32? {
        let candidates: [Int32] =
            switch victim {
            case .worker: nodes.flatMap { SystemProcesses.children(of: $0) }
            case .node: nodes
            case .driver: producers.map(\.pid)
            case .head: [state.withLock { $0.head }]
            }
        guard !candidates.isEmpty else { return nil }
        let pid = candidates[choice % candidates.count]
        state.withLock { state in
            state.killed[pid] = victim
            if let producer = state.producers.first(where: { $0.pid == pid }) { state.killedProducers.insert(producer.number) }
        }
        Glibc.kill(pid, SIGKILL)
        return pid
    }

    /// Starts another one in place of one that was killed; a worker's node does that itself.
    func replace(_ victim: Victim) async throws {
        switch victim {
        case .worker: return
        case .node: try await startNode()
        case .driver: try await startProducer()
        case .head: try await startHead()
        }
    }

    func hasEnded(_ pid: Int32) -> Bool { state.withLock { state in state.children[pid].map { $0.end != nil } } ?? SystemProcesses.hasEnded(pid) }

    /// Ends what the run started, nodes first, as a user would.
    func end() async {
        for pid in nodes + [state.withLock { $0.head }] {
            Glibc.kill(pid, SIGTERM)
            _ = await holds(within: .seconds(10)) { self.hasEnded(pid) }
            Glibc.kill(pid, SIGKILL)
        }
    }
}

/// Processes as the kernel lists them.
enum SystemProcesses {
    /// The workers of a node: its loop is its first thread, which starts them.
    static func children(of pid: Int32) -> [Int32] {
        TextFile.lines(of: "/proc/\(pid)/task/\(pid)/children").flatMap { $0.split(separator: " ") }.compactMap { Int32($0) }
    }

    static func hasEnded(_ pid: Int32) -> Bool {
        guard let state = TextFile.lines(of: "/proc/\(pid)/stat").first?.split(separator: ")").last else { return true }
        return state.hasPrefix(" Z")
    }

    /// Whose environment or arguments name the path.
    static func naming(_ path: String) -> [Int32] {
        TextFile.names(in: "/proc").compactMap { Int32($0) }.filter { pid in
            pid != getpid() && !hasEnded(pid)
                && ["environ", "cmdline"].contains { file in TextFile.lines(of: "/proc/\(pid)/\(file)").contains { $0.contains(path) } }
        }
    }
}

/// Waits for a condition; false when it does not come true in time.
func holds(within limit: Duration, _ condition: () async throws -> Bool) async rethrows -> Bool {
    let end = ContinuousClock.now + limit
    while true {
        if try await condition() { return true }
        guard ContinuousClock.now < end else { return false }
        try? await Task.sleep(for: .milliseconds(20))
    }
}
