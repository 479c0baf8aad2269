// Session: a program's connection to a cluster: its own, that ends with it, or a running one that it joins.

import CSystem
import Glibc
import MantaLoop
import MantaModel
package import MantaWire
package import MantaWorker
import Synchronization

extension Manta {
    /// Starts a cluster of this program on this machine (head, node, HTTP proxy; workers as they are needed) and connects to it. It ends with the
    /// program. When the environment variable `MANTA_ADDRESS` names a running cluster, that one is joined instead; then only `namespace` and `logToDriver` may
    /// be given, since all else says how a cluster is started.
    ///
    /// - Parameters:
    ///   - cpus: how many CPUs remote code may hold; by default those that this process may use. A fraction is allowed.
    ///   - gpus: how many GPUs; those of this machine that are visible by default.
    ///   - memory: bytes of memory that tasks and actors may ask for; half of what this process may use by default.
    ///   - resources: amounts of custom resources by name.
    ///   - labels: of the node, by which `Scheduling.labels` finds it.
    ///   - storeMemory: bytes of the object store; three tenths of the memory by default.
    ///   - workerMemory: bytes that the workers may hold together; the one that holds most is ended beyond that. By default what the machine has.
    ///   - spillDirectory: the folder for objects that do not fit the store; beside the sockets by default; `off`: none leaves memory.
    ///   - spillLimit: bytes that they may take there; as many as the disk has by default. When more than 95 % of it is in use, none is written in any case.
    ///   - namespace: of this program's named actors; "default" by default.
    ///   - logToDriver: what is shown on standard error; as `MANTA_LOG_TO_DRIVER` says by default, else everything.
    /// - Throws: `MantaError`: `conflict` when this process has a session, `invalidArgument`, `addressInUse`, `timeout`.
    public static func start(
        cpus: Double? = nil, gpus: Double? = nil, memory: Int? = nil, resources: [String: Double] = [:], labels: [String: String] = [:],
        storeMemory: Int? = nil, workerMemory: Int? = nil, spillDirectory: String? = nil, spillLimit: Int? = nil, namespace: String = "default",
        logToDriver: LogToDriver? = nil
    ) async throws -> Session {
        let settings = NodeSettings(
            cpus: cpus, gpus: gpus, memory: memory, resources: resources, labels: labels, storeMemory: storeMemory, workerMemory: workerMemory,
            spillDirectory: spillDirectory, spillLimit: spillLimit)
        if let address = ProcessEnvironment[Variable.address], !address.isEmpty {
            try settings.requireNone(becauseOf: address)
            return try await connect(address, namespace: namespace, logToDriver: logToDriver)
        }
        let variables = try settings.variables()
        let session = try Session.make(namespace: namespace, logToDriver: logToDriver)
        do {
            try await session.startCluster(node: variables)
        } catch {
            await session.stop()
            throw error
        }
        return session
    }

    /// Joins a running cluster.
    ///
    /// - Parameters:
    ///   - address: `tcp://host:port` of its head; else the variable `MANTA_ADDRESS`, else the cluster that `manta start` started last on this machine.
    ///   - namespace: of this program's named actors; "default" by default.
    ///   - logToDriver: what is shown on standard error; as `MANTA_LOG_TO_DRIVER` says by default, else everything.
    /// - Throws: `MantaError`: `conflict` when this process has a session, or another part of a cluster than its head is at the address; `unavailable` when no
    ///   cluster answers within ten seconds; `invalidArgument`, `versionMismatch`.
    public static func connect(_ address: String? = nil, namespace: String = "default", logToDriver: LogToDriver? = nil) async throws -> Session {
        let head = try headEndpoint(address ?? ProcessEnvironment[Variable.address] ?? Session.currentCluster() ?? "127.0.0.1")
        guard port(of: head) != 0 else { throw MantaError(.invalidArgument, "the address \"\(head)\" has the port 0, at which nobody can be; expected that of a head, 6380 by default") }
        let session = try Session.make(namespace: namespace, logToDriver: logToDriver)
        do {
            try await session.join(head, role: .driver)
        } catch {
            await session.stop()
            throw error
        }
        return session
    }
}

/// A connection to a cluster. One at a time in a process; it ends with `stop()` or with the process.
public final class Session: Sendable {
    /// The head's endpoint, `tcp://host:port`; other programs join with it.
    public var address: String { state.withLock { $0.address } }
    /// Where the dashboard and the admin API are; nil when this program does not link them, or the session joined a cluster.
    public var dashboard: String? { state.withLock { $0.dashboard } }
    /// Where endpoints are served, when this session started the cluster.
    public var http: String? { state.withLock { $0.http } }
    public let namespace: String

    private let logToDriver: LogToDriver?
    let loop: EventLoop
    private let state = Mutex(State())

    private struct State {
        var address = ""
        var dashboard: String?
        var http: String?
        var runtime: Runtime?
        var children: [ClusterLauncher.Started] = []
        var folder: String?
        var isStopped = false
    }

    private init(namespace: String, logToDriver: LogToDriver?) {
        (self.namespace, self.logToDriver) = (namespace, logToDriver)
        loop = EventLoop(name: "manta", spinning: Limits.spin)
        loop.start()
    }

    static func make(namespace: String, logToDriver: LogToDriver? = nil) throws -> Session {
        guard CurrentRuntime.get() == nil else {
            throw MantaError(.conflict, "this process already has a session; end it with stop() before you start another")
        }
        guard !namespace.isEmpty, namespace.utf8.count <= Limits.nameBytes else {
            throw MantaError(.invalidArgument, "the namespace \"\(namespace.prefix(64))\" must have 1 to \(Limits.nameBytes) bytes")
        }
        _ = try ProgramSettings()
        signal(SIGPIPE, SIG_IGN)
        manta_raise_descriptor_limit()
        return Session(namespace: namespace, logToDriver: logToDriver)
    }

    /// The runtime, while the session lives.
    package var runtime: Runtime? { state.withLock { $0.runtime } }

    /// This executable, where it lay when its job began.
    package static func executable() throws(MantaError) -> String {
        if ProcessEnvironment[Variable.role] == ProcessRole.worker.rawValue, let path = ProcessEnvironment[Variable.program] { return path }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes { readlink("/proc/self/exe", $0.baseAddress!, $0.count) }
        guard count > 0 else { throw MantaError(.system, "the path of this program cannot be read from /proc/self/exe") }
        return String(decoding: buffer[..<count], as: UTF8.self)
    }

    /// What `manta start --head` wrote: the address of the cluster it started last.
    package static func currentCluster() -> String? { firstLine(of: "\(Folders.runtimeBase)/current") }

    private static func firstLine(of path: String) -> String? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = fread(&buffer, 1, buffer.count, file)
        let text = String(decoding: buffer[..<count], as: UTF8.self).prefix { $0 != "\n" }
        return text.isEmpty ? nil : String(text)
    }

    // MARK: Starting

    fileprivate func startCluster(node: [String: String]) async throws {
        Folders.removeAbandoned()
        let folder = "\(Folders.runtimeBase)/\(getpid())-\(ProcessID.random().short)"
        try Folders.make("\(folder)/logs")
        state.withLock { $0.folder = folder }
        var variables = [
            Variable.address: "tcp://127.0.0.1:0", Variable.directory: folder, Variable.runtimeDirectory: folder, Variable.logDirectory: "\(folder)/logs",
            Variable.adminPort: ProcessEnvironment[Variable.adminPort] ?? "0", Variable.httpPort: ProcessEnvironment[Variable.httpPort] ?? "0",
            // Nothing is added to this cluster: what it cannot run now it never can.
            Variable.infeasible: ProcessEnvironment[Variable.infeasible] ?? "fail",
        ]
        let launcher = ClusterLauncher(program: try Self.executable(), detached: false, loop: loop)
        let head = try await start(launcher, "head", variables)
        state.withLock { $0.dashboard = Self.firstLine(of: "\(folder)/dashboard") }
        variables[Variable.address] = head
        _ = try await start(launcher, "node", variables.merging(node) { $1 })
        let http = try await start(launcher, "proxy", variables)
        state.withLock { $0.http = http }
        try await join(head, role: .driver)
    }

    private func start(_ launcher: ClusterLauncher, _ role: String, _ variables: [String: String]) async throws -> String {
        let folder = variables[Variable.logDirectory] ?? "/tmp"
        let started = try await launcher.start(role, variables, log: "\(folder)/\(role).out")
        state.withLock { $0.children.append(started) }
        return started.endpoint
    }

    /// Makes the runtime and connects it; `role` admin registers no job.
    fileprivate func join(_ head: String, role: ProcessRole) async throws {
        let sockets = state.withLock { $0.folder } ?? Folders.runtime(port: port(of: head) ?? 0)
        try Folders.make(sockets)
        try Folders.make(Folders.runtimeBase)
        // As it is: at its path may lie another one by now.
        let hash = role == .driver ? try ExecutableFile.hash(of: "/proc/self/exe", notes: Folders.hashNotes) : nil
        let program = Program(path: try Self.executable(), environment: programEnvironment(namespace: namespace), hash: hash)
        let settings = try ProgramSettings()
        let configuration = Runtime.Configuration(
            role: role, head: head, runtimeDirectory: sockets, program: program, namespace: namespace, lineageBytes: settings.lineageBytes,
            memoryRetries: settings.memoryRetries, streamItems: settings.streamItems, port: role == .driver ? try networkPort(head: head) : nil,
            logToDriver: logToDriver ?? settings.logToDriver)
        let runtime = Runtime(configuration: configuration, program: try Records.program.get(), loop: loop)
        try CurrentRuntime.install(runtime)
        state.withLock { ($0.runtime, $0.address) = (runtime, head) }
        try await runtime.start()
    }

    /// A connection without a job: for the admin API and the command line.
    package static func attach(_ head: String, role: ProcessRole) async throws -> Session {
        let session = try make(namespace: defaultNamespace)
        do {
            try await session.join(head, role: role)
        } catch {
            await session.stop()
            throw error
        }
        return session
    }

    /// Ends the session: its job's actors and tasks end (detached actors live on), pending references fail with `notConnected`, and a cluster that
    /// this session started ends too. Calling it again does nothing.
    public func stop() async {
        let (runtime, children, folder) = state.withLock { state -> (Runtime?, [ClusterLauncher.Started], String?) in
            defer { (state.runtime, state.children, state.folder, state.isStopped) = (nil, [], nil, true) }
            return (state.runtime, state.children, state.folder)
        }
        if let runtime { await runtime.stop() }
        for child in children.reversed() { kill(child.pid, SIGTERM) }
        for child in children.reversed() { await ended(child) }
        if let folder { Folders.remove(folder) }
        loop.stop()
    }

    /// Waits for a child, for two seconds; then it is killed.
    private func ended(_ child: ClusterLauncher.Started) async {
        await withCheckedContinuation { continuation in
            loop.execute { [loop] in
                let timer = loop.schedule(after: .seconds(2)) { kill(child.pid, SIGKILL) }
                do {
                    try loop.watchProcess(child.pid) {
                        loop.cancel(timer)
                        _ = reap(child.pid)
                        continuation.resume()
                    }
                } catch { continuation.resume() }
            }
        }
    }
}
