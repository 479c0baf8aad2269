// ClusterProcesses: the processes of a run: started, killed, and how each of them ended.
//
// Always: who is killed is noted before it is; who ended otherwise is known by its status.

import Glibc
import Manta
import MantaLoop
import MantaModel
import Synchronization

final class ClusterProcesses: Sendable {
    /// A child of this process.
    struct Child {
        var role: String
        var end: ExitStatus?
    }
    /// One that was killed here.
    struct Death {
        var victim: Victim
        var at: WallTime
    }
    private struct State {
        var children: [Int32: Child] = [:]
        var killed: [Int32: Death] = [:]
        var nodes: [Int32] = []
        /// Their numbers and processes.
        var drivers: [(number: Int, pid: Int32)] = []
        var head: Int32 = 0
        var driversStarted = 0
        /// The numbers of those that were killed.
        var killedDrivers: Set<Int> = []
        /// What nodes said of workers that ended, by process.
        var workerEnds: [Int32: String] = [:]
    }

    let folder: RunFolder
    private let endpoint = Mutex("tcp://127.0.0.1:0")
    private let nodeVariables: @Sendable (String) -> [String: String]
    private let driver: @Sendable (Int) -> [String]
    private let loop: EventLoop
    private let launcher: ClusterLauncher
    private let state = Mutex(State())

    /// - Parameters:
    ///   - nodeVariables: what every node finds in its environment besides what all processes do; takes the head's address.
    ///   - driver: the arguments of the driver with this number, from 1, but for the head's address.
    init(folder: RunFolder, nodeVariables: @escaping @Sendable (String) -> [String: String], loop: EventLoop, driver: @escaping @Sendable (Int) -> [String]) throws {
        (self.folder, self.nodeVariables, self.loop, self.driver) = (folder, nodeVariables, loop, driver)
        launcher = ClusterLauncher(program: try Session.executable(), detached: false, loop: loop)
    }

    var head: String { endpoint.withLock { $0 } }
    var headProcess: Int32 { state.withLock { $0.head } }
    var nodes: [Int32] { state.withLock { $0.nodes } }
    var drivers: [(number: Int, pid: Int32)] { state.withLock { $0.drivers } }
    var children: [Int32: Child] { state.withLock { $0.children } }
    var killed: [Int32: Death] { state.withLock { $0.killed } }
    var killedDrivers: Set<Int> { state.withLock { $0.killedDrivers } }
    var driversStarted: Int { state.withLock { $0.driversStarted } }
    var workerEnds: [Int32: String] { state.withLock { $0.workerEnds } }

    // MARK: Starting

    func startHead() async throws {
        let started = try await start("head", folder.variables(head: head))
        endpoint.withLock { $0 = started.endpoint }
        state.withLock { $0.head = started.pid }
    }

    func startNode() async throws {
        let pid = try await start("node", folder.variables(head: head).merging(nodeVariables(head)) { $1 }).pid
        state.withLock { $0.nodes.append(pid) }
    }

    private func start(_ role: String, _ variables: [String: String]) async throws -> ClusterLauncher.Started {
        let started = try await launcher.start(role, variables, log: folder.output(role), deadline: .seconds(60))
        try await watch(started.pid, as: role)
        return started
    }

    func startDriver() async throws {
        let number = state.withLock { state in
            state.driversStarted += 1
            return state.driversStarted
        }
        let arguments = [launcher.program] + driver(number) + ["--address", head]
        let output = open(folder.output("driver-\(number)"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        defer { close(output) }
        // The loop's thread lives as long as this process: the child ends with that thread.
        let pid = try await onLoop { [launcher] in
            try ChildProcess(
                path: launcher.program, arguments: arguments, environment: ProcessEnvironment.current(adding: [:]), output: output, error: output
            ).spawn()
        }
        state.withLock { $0.drivers.append((number, pid)) }
        try await watch(pid, as: "driver")
    }

    private func watch(_ pid: Int32, as role: String) async throws {
        state.withLock { $0.children[pid] = Child(role: role) }
        try await onLoop { [self, loop] in
            _ = try loop.watchProcess(pid) { [self] in
                let end = reap(pid)
                state.withLock { state in
                    state.children[pid]?.end = end
                    state.nodes.removeAll { $0 == pid }
                    state.drivers.removeAll { $0.pid == pid }
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
            case .driver: drivers.map(\.pid)
            case .head: [headProcess]
            }
        guard !candidates.isEmpty else { return nil }
        let pid = candidates[choice % candidates.count]
        state.withLock { state in
            state.killed[pid] = Death(victim: victim, at: .now)
            if let driver = state.drivers.first(where: { $0.pid == pid }) { state.killedDrivers.insert(driver.number) }
        }
        Glibc.kill(pid, SIGKILL)
        return pid
    }

    /// Starts another one in place of one that was killed; a worker's node does that itself.
    func replace(_ victim: Victim) async throws {
        switch victim {
        case .worker: return
        case .node: try await startNode()
        case .driver: try await startDriver()
        case .head: try await startHead()
        }
    }

    func hasEnded(_ pid: Int32) -> Bool { state.withLock { state in state.children[pid].map { $0.end != nil } } ?? MantaLoop.hasEnded(pid) }

    /// Ends what the run started, nodes first, as a user would. Drivers were told to end before: those that said farewell to the head may still run.
    func end() async {
        _ = await holds(within: .seconds(10)) { self.drivers.isEmpty }
        for pid in nodes + [headProcess] {
            Glibc.kill(pid, SIGTERM)
            _ = await holds(within: .seconds(10)) { self.hasEnded(pid) }
            Glibc.kill(pid, SIGKILL)
        }
    }

    // MARK: Workers

    /// What a node has logged of its workers' ends. Its log may be gone later.
    func readDeaths(of node: Int32) {
        for line in TextFile.lines(of: folder.log("node", node)) where line.contains(" a worker ended ") {
            let words = line.split(separator: " ")
            guard let pid = words.last(where: { $0.hasPrefix("pid=") }).flatMap({ Int32($0.dropFirst(4)) }) else { continue }
            state.withLock { $0.workerEnds[pid] = String(line) }
        }
    }
}
