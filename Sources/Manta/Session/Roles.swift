// Roles: what an executable does when it is started as a head, node, proxy or worker: read the environment, start the process's part, say that it is
// ready, and run until it is told to end. The composition root: real clock, files and sockets enter here.

import CSystem
import Dispatch
import Glibc
import Logging
import MantaHead
import MantaLog
import MantaLoop
import MantaModel
import MantaNode
import MantaProxy
import MantaTransport
import MantaWire
import MantaWorker

/// The names that `MANTA_ROLE` has for the roles.
let roleNames = ["head", "node", "proxy", "worker"]

/// Plays a role; returns when there is none of this name.
func play(role: String) {
    switch role {
    case "head": runService(role, startHead)
    case "node": runService(role, startNode)
    case "proxy": runService(role, startProxy)
    case "worker": runWorker()
    default: return
    }
}

/// Starts a part on a loop on this thread, reports its endpoint, and runs until SIGTERM or SIGINT.
private func runService(_ role: String, _ start: @escaping (EventLoop, Logger) throws -> (endpoint: String, stop: () -> Void)) -> Never {
    signal(SIGPIPE, SIG_IGN)
    manta_raise_descriptor_limit()
    let loop = EventLoop(name: role, spinning: Limits.spin)
    loop.later {
        do {
            let directory = try folder(Variable.logDirectory, default: "\(durableFolder())/logs")
            LogFile.bootstrap(role: role, directory: directory)
            let logger = Logger(label: "manta.\(role)")
            let (endpoint, stop) = try start(loop, logger)
            for `extension` in try Records.extensions(of: role) { try `extension`.start(endpoint: endpoint) }
            try loop.watchSignals([SIGTERM, SIGINT]) { _ in
                stop()
                loop.stop()
            }
            // A node has files to remove.
            if role == "node" { manta_end_with_parent() }
            announce("ready \(endpoint)")
        } catch {
            announce("error \((error as? MantaError)?.message ?? "\(error)")")
            exit(1)
        }
    }
    loop.run()
    exit(0)
}

private func startHead(_ loop: EventLoop, _ logger: Logger) throws -> (String, () -> Void) {
    let endpoint = try headEndpoint(required(Variable.address))
    let directory = try folder(Variable.directory, default: durableFolder())
    var configuration = HeadConfiguration(endpoint: endpoint, directory: directory)
    configuration.failsInfeasible = try failsInfeasible()
    let head = Head(configuration: configuration, loop: loop)
    try head.start()
    return (head.endpoint, { head.stop() })
}

private func startNode(_ loop: EventLoop, _ logger: Logger) throws -> (String, () -> Void) {
    // Its workers inherit them.
    _ = try ProgramSettings()
    var total = NodeConfiguration.machineResources()
    if let cpus = try number(Variable.cpus) { total[Resources.cpu] = ResourceAmount(cpus) }
    if let gpus = try number(Variable.gpus) { total[Resources.gpu] = ResourceAmount(gpus) }
    if let memory = try number(Variable.memory) { total[Resources.memory] = ResourceAmount(memory) }
    if let complaint = total.complaint { throw MantaError(.invalidArgument, complaint) }
    for (name, amount) in try parseResources(ProcessEnvironment[Variable.resources] ?? "") { total[name] = ResourceAmount(amount) }
    let head = try headEndpoint(required(Variable.address))
    let sockets = try folder(Variable.runtimeDirectory, default: Folders.runtime(port: port(of: head) ?? 0))
    let logs = try folder(Variable.logDirectory, default: "\(durableFolder())/logs")
    let id = NodeID.random()
    let programs = ProcessEnvironment[Variable.programDirectory] ?? "\(durableFolder())/programs"
    let spills = ProcessEnvironment[Variable.spillDirectory] != "off"
    var configuration = NodeConfiguration(
        head: head, place: ListeningPlace(path: ListeningPlace.path(of: id.process, in: sockets), port: try networkPort(head: head)),
        runtimeDirectory: sockets, logDirectory: logs, total: total, programDirectory: programs, hashNotes: Folders.hashNotes, node: id,
        labels: try parseLabels(ProcessEnvironment[Variable.labels] ?? ""), workerMemory: try number(Variable.workerMemory).map { Int64($0) },
        storeBytes: try storeBytes(), spillDirectory: spills ? ProcessEnvironment[Variable.spillDirectory].map { "\($0)/manta-\(id.short).spill" } : nil,
        spills: spills)
    configuration.spillBytes = try spillBytes()
    configuration.diskThreshold = try diskThreshold() ?? configuration.diskThreshold
    configuration.failsInfeasible = try failsInfeasible()
    if ProcessEnvironment[Variable.templates] != "0" {
        try ProcessTemplate.adoptOrphans()
        configuration.forksWorkers = true
    }
    let node = Node(configuration: configuration, loop: loop, logger: logger)
    return (try node.start(), { node.stop() })
}

private func storeBytes() throws -> Int? {
    guard let bytes = try number(Variable.storeMemory) else { return nil }
    guard bytes >= Double(Limits.storeBytesAtLeast), bytes < 1e15 else {
        throw MantaError(.invalidArgument, "\(Variable.storeMemory) is \(bytes); expected \(Limits.storeBytesAtLeast) to 1e15 bytes")
    }
    return Int(bytes)
}

private func spillBytes() throws -> Int? {
    guard let bytes = try number(Variable.spillLimit) else { return nil }
    guard bytes < 1e15 else { throw MantaError(.invalidArgument, "\(Variable.spillLimit)=\(bytes) is too large; expected less than 1e15 bytes") }
    return Int(bytes)
}

private func diskThreshold() throws -> Double? {
    guard let share = try number(Variable.diskThreshold) else { return nil }
    guard share <= 1 else { throw MantaError(.invalidArgument, "\(Variable.diskThreshold)=\(share); expected a share from 0 to 1, for example 0.95") }
    return share
}

private func startProxy(_ loop: EventLoop, _ logger: Logger) throws -> (String, () -> Void) {
    let head = try headEndpoint(required(Variable.address))
    let httpPort = try number(Variable.httpPort).map { UInt16(clamping: Int($0)) } ?? Folders.defaultHTTPPort
    let sockets = try folder(Variable.runtimeDirectory, default: Folders.runtime(port: port(of: head) ?? Folders.defaultHeadPort))
    let configuration = ProxyConfiguration(
        head: head, host: ProcessEnvironment[Variable.httpHost] ?? "127.0.0.1", port: httpPort, directory: try folder(Variable.directory, default: durableFolder()),
        runtimeDirectory: sockets)
    let proxy = Proxy(configuration: configuration, loop: loop)
    try proxy.start()
    return (proxy.endpoint, { proxy.stop() })
}

/// A worker: its loop on a thread of its own, the main thread left to `@MainActor` code.
private func runWorker() -> Never {
    signal(SIGPIPE, SIG_IGN)
    manta_line_buffer_output()
    // Rather a worker than its node or the head: what a worker loses is tried again.
    manta_offer_to_oom_killer()
    manta_raise_descriptor_limit()
    do {
        let head = try headEndpoint(required(Variable.address))
        guard let node = try NodeID(required(Variable.nodeID)), let process = try ProcessID(required(Variable.processID)) else {
            throw MantaError(.invalidArgument, "\(Variable.nodeID) and \(Variable.processID) must be identifiers")
        }
        let namespace = ProcessEnvironment[Variable.namespace] ?? defaultNamespace
        let settings = try ProgramSettings()
        let configuration = Runtime.Configuration(
            role: .worker, head: head, node: try required(Variable.nodeEndpoint), nodeID: node,
            runtimeDirectory: try required(Variable.runtimeDirectory),
            program: Program(
                path: try required(Variable.program), environment: programEnvironment(namespace: namespace), hash: ProcessEnvironment[Variable.programHash].flatMap { $0.isEmpty ? nil : $0 }),
            namespace: namespace,
            job: JobID(high: 0, low: 0), process: process, lineageBytes: settings.lineageBytes, memoryRetries: settings.memoryRetries,
            streamItems: settings.streamItems, port: try networkPort(head: head),
            nodeLabels: NodeLabel.all(try parseLabels(ProcessEnvironment[Variable.labels] ?? ""), of: node, on: Machine.name))
        let loop = EventLoop(name: "worker", spinning: Limits.spin)
        loop.start()
        let runtime = Runtime(configuration: configuration, program: try Records.program.get(), loop: loop)
        try CurrentRuntime.install(runtime)
        runtime.startWorker { error in
            complain("the worker could not start: \(error)")
            exit(1)
        }
        dispatchMain()
    } catch {
        complain("the worker could not start: \(error)")
        exit(1)
    }
}

// MARK: The environment

/// The namespace of named actors when none is given.
let defaultNamespace = "default"

/// What tells workers of one namespace from those of another.
func programEnvironment(namespace: String) -> [String: String] { namespace == defaultNamespace ? [:] : [Variable.namespace: namespace] }

private func required(_ name: String) throws -> String {
    guard let value = ProcessEnvironment[name], !value.isEmpty else { throw MantaError(.invalidArgument, "the environment variable \(name) is not set") }
    return value
}

private func number(_ name: String) throws -> Double? {
    guard let text = ProcessEnvironment[name] else { return nil }
    guard let value = Double(text), value.isFinite, value >= 0 else {
        throw MantaError(.invalidArgument, "\(name) is \"\(text)\"; expected a number of 0 or more")
    }
    return value
}

private func durableFolder() -> String {
    let address = ProcessEnvironment[Variable.address].flatMap { try? headEndpoint($0) }
    return ProcessEnvironment[Variable.directory] ?? Folders.durable(port: address.flatMap { port(of: $0) } ?? Folders.defaultHeadPort)
}

private func folder(_ name: String, default path: String) throws -> String {
    let folder = ProcessEnvironment[name] ?? path
    try Folders.make(folder)
    return folder
}

/// Tells whoever started this process that it is ready, or why not.
private func announce(_ line: String) {
    guard let descriptor = ProcessEnvironment[Variable.readyDescriptor].flatMap({ Int32($0) }) else {
        if line.hasPrefix("error ") { complain(String(line.dropFirst(6))) }
        return
    }
    _ = (line + "\n").withCString { write(descriptor, $0, strlen($0)) }
    close(descriptor)
    unsetenv(Variable.readyDescriptor)
}

private func complain(_ text: String) {
    _ = "manta: \(text)\n".withCString { write(2, $0, strlen($0)) }
}
