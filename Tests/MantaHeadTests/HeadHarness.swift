// HeadHarness: a real head on its own loop and folder, with scripted nodes, drivers and watchers on real links.

import Foundation
import Glibc
import MantaHead
import MantaLoop
import MantaModel
import MantaStorage
import MantaTestKit
import MantaTransport
import MantaWire
import Synchronization

/// A head that can be restarted, in order or as after a power cut.
final class HeadProcess {
    private var folders: [URL]
    private(set) var endpoint = "tcp://127.0.0.1:0"
    private var running: RunningHead?
    private var lives = 0
    var configure: (inout HeadConfiguration) -> Void = { _ in }
    /// Instead of a file.
    var storage: (any Storage)?

    init() throws {
        folders = [FileManager.default.temporaryDirectory.appending(path: "manta-head-" + UUID().uuidString)]
    }
    deinit {
        running?.end()
        for folder in folders { try? FileManager.default.removeItem(at: folder) }
    }

    var directory: String { folders[folders.count - 1].path }

    /// - Parameter isSuccessor: its port was another head's a moment ago.
    func start(asSuccessor isSuccessor: Bool = false) async throws {
        var configuration = HeadConfiguration(endpoint: endpoint, directory: directory)
        configure(&configuration)
        // The sockets of a former life are closed by another thread, soon.
        var started: RunningHead?
        try await eventually("the port is free") {
            let running = RunningHead(configuration, storage)
            do throws(MantaError) {
                try await running.start()
                started = running
            } catch {
                guard lives > 0 || isSuccessor, error.code == .addressInUse, error.message.contains("tcp://") else { throw error }
            }
            return started != nil
        }
        guard let running = started else { return }
        lives += 1
        self.running = running
        endpoint = await running.endpoint()
    }

    func stop() {
        running?.end()
        running = nil
    }

    /// Starts anew from what a power cut would have left on the disk.
    func crashAndStart() async throws {
        let next = FileManager.default.temporaryDirectory.appending(path: "manta-head-" + UUID().uuidString)
        try FileManager.default.createDirectory(at: next, withIntermediateDirectories: true)
        for name in ["head.sqlite", "head.sqlite-wal"] {
            try? FileManager.default.copyItem(at: folders[folders.count - 1].appending(path: name), to: next.appending(path: name))
        }
        stop()
        folders.append(next)
        try await start()
    }
}

/// One life of a head. Unchecked: the head is used on its loop only.
private final class RunningHead: @unchecked Sendable {
    private let running = RunningLoop("head")
    private let head: Head
    private let stopped = DispatchSemaphore(value: 0)

    init(_ configuration: HeadConfiguration, _ storage: (any Storage)?) { head = Head(configuration: configuration, loop: running.loop, storage: storage) }

    func start() async throws(MantaError) { try await running.loop.perform { [self] () throws(MantaError) in try head.start() } }
    func endpoint() async -> String { await running.loop.perform { [self] in head.endpoint } }
    func end() {
        running.loop.execute { [self] in
            head.stop()
            stopped.signal()
        }
        stopped.wait()
    }
}

/// A process at the other end. Unchecked: everything but the records is used on its loop only.
class FakeProcess: TransportDelegate, @unchecked Sendable {
    let running: RunningLoop
    let id = ProcessID.random()
    private let otherMachine: String?
    var transport: Transport!
    var link: Link!
    let actorChanges = Log<ActorStatus>()
    let tableChanges = Log<TableChanged>()
    let views = Log<ClusterView>()
    let endedJobs = Log<JobID>()
    let lostNodes = Log<NodeLost>()
    let openings = Log<Bool>()

    /// - Parameter machine: Of a process that says where others reach it; nil: it does not.
    init(_ role: ProcessRole, at head: HeadProcess, pid: Int32 = getpid(), host: String = machine, on machine: String? = nil) async {
        otherMachine = machine
        running = RunningLoop("\(role)")
        let endpoint = head.endpoint
        await running.loop.perform { [self] in
            transport = Transport(
                loop: running.loop, identity: Hello(cluster: nil, role: role, process: id, pid: pid, endpoint: machine == nil ? "" : address.endpoint, host: host),
                delegate: self)
            link = transport.connect(to: endpoint, grace: .some(nil))
        }
    }
    deinit {
        guard let transport else { return }
        running.loop.execute { transport.close() }
    }

    var address: ProcessAddress {
        let path = "ipc:///tmp/\(id.short)"
        return ProcessAddress(process: id, endpoint: otherMachine.map { "tcp://192.0.2.1:1;machine=\($0);\(path)" } ?? path)
    }
    var cluster: ClusterID? { get async { await running.loop.perform { [self] in transport.identity.cluster } } }

    func ask<Request: WireRequest>(_ request: Request, deadline: Duration = .seconds(10)) async throws(MantaError) -> Request.Reply {
        try await link.request(request, deadline: deadline)
    }
    func tell(_ message: some WireMessage) async { await running.loop.perform { [self] in _ = link.send(message) } }
    func leave() async { await running.loop.perform { [self] in transport.close() } }
    /// Its connection breaks, as if its machine had died.
    func breakOff() async { await running.loop.perform { [self] in transport.close(saysGoodbye: false) } }

    func linkOpened(_ link: Link, hello: Hello) { openings.append(false) }
    func linkReopened(_ link: Link, hello: Hello, restarted: Bool) { openings.append(restarted) }
    func linkClosed(_ link: Link, error: MantaError) {}

    func received(_ message: inout InboundMessage, on link: Link) {
        do {
            switch message.kind {
            case .actorsChanged: for status in try message.decode(ActorsChanged.self).statuses { actorChanges.append(status) }
            case .tableChanged: tableChanges.append(try message.decode())
            case .clusterView: views.append(try message.decode())
            case .jobEnded: endedJobs.append(try message.decode(JobEnded.self).job)
            case .nodeLost: lostNodes.append(try message.decode())
            default: try receivedOther(&message, on: link)
            }
        } catch { preconditionFailure("\(error)") }
    }
    func receivedOther(_ message: inout InboundMessage, on link: Link) throws {}
}

/// A node that runs actors on paper.
final class FakeNode: FakeProcess, @unchecked Sendable {
    let node = NodeID.random()
    let pid: Int32
    let total: Resources
    let placed = Log<PlaceActors.Order>()
    let ended = Log<ActorID>()
    /// Used on the loop.
    var actors: [ActorID: RunningActor] = [:]
    var jobs: [JobDescription] = []
    var objects: ObjectList? = ObjectList(rows: [], total: 0, totalBytes: 0)
    /// Whether a placed actor comes alive by itself.
    var startsActors = true
    let registrations = Log<[ActorID]>()
    private let host: String

    init(at head: HeadProcess, total: Resources = Resources(["CPU": 4]), pid: Int32 = getpid(), host: String = machine, on machine: String? = nil) async throws {
        (self.total, self.pid, self.host) = (total, pid, host)
        await super.init(.node, at: head, pid: pid, host: host, on: machine)
        try await register()
    }

    private var registration: RegisterNode {
        RegisterNode(
            node: node, endpoint: address.endpoint, host: host, pid: pid, total: total, available: total, actors: Array(actors.values), jobs: jobs)
    }
    func register() async throws(MantaError) {
        let registration = await running.loop.perform { [self] in self.registration }
        registrations.append(try await ask(registration).endActors)
    }
    override func linkReopened(_ link: Link, hello: Hello, restarted: Bool) {
        super.linkReopened(link, hello: hello, restarted: restarted)
        link.request(registration) { [self] in if case .success(let answer) = $0 { registrations.append(answer.endActors) } }
    }

    func beat(available: Resources? = nil) async { await tell(Heartbeat(node: node, available: available ?? total, workers: 1, waiting: 0)) }

    override func receivedOther(_ message: inout InboundMessage, on link: Link) throws {
        switch message.kind {
        case .placeActors:
            let orders = try message.decode(PlaceActors.self).orders
            link.reply(to: try message.required(), ActorsTaken())
            for order in orders {
                placed.append(order)
                if startsActors { start(order) }
            }
        case .endActors:
            let orders = try message.decode(EndActors.self).orders
            link.reply(to: try message.required(), Acknowledged())
            for order in orders {
                ended.append(order.actor)
                die(order.actor, DeathCause(.killed, "it was killed"))
            }
        case .listObjects: if let objects { link.reply(to: try message.required(), objects) }
        default: break
        }
    }

    func start(_ order: PlaceActors.Order) {
        let id = order.specification.id
        let address = ProcessAddress(process: .random(), endpoint: "ipc:///tmp/actor")
        actors[id] = RunningActor(specification: order.specification, address: address, pid: 77, restarts: order.restarts)
        report(id, order.restarts, .alive(address: address, pid: 77))
    }
    func die(_ id: ActorID, _ cause: DeathCause) {
        guard let actor = actors.removeValue(forKey: id) else { return }
        report(id, actor.restarts, .died(cause))
    }
    private func report(_ id: ActorID, _ restarts: Int, _ event: ActorReports.Event) {
        link.request(ActorReports(node: node, reports: [.init(actor: id, restarts: restarts, event: event)])) { _ in }
    }
    func kill(_ id: ActorID) async { await running.loop.perform { [self] in die(id, DeathCause(.exited, "it exited with code 3")) } }
}

/// A driver with a job.
final class FakeDriver: FakeProcess, @unchecked Sendable {
    let job = JobID.random()
    private(set) var registered: JobRegistered?

    init(at head: HeadProcess, pid: Int32 = getpid(), host: String = machine) async throws {
        await super.init(.driver, at: head, pid: pid, host: host)
        registered = try await ask(RegisterJob(job: description(pid: pid, host: host)))
    }

    func description(pid: Int32 = getpid(), host: String = machine) -> JobDescription {
        JobDescription(
            id: job, program: Program(path: "/bin/program"), namespace: "default", driver: address, pid: pid, host: host,
            startedAt: WallTime(milliseconds: 1))
    }

    func specification(name: String? = nil, lifetime: ActorLifetime = .job, maxRestarts: Int = 0, resources: Resources = Resources()) -> ActorSpecification {
        ActorSpecification(
            id: .random(), job: job, program: Program(path: "/bin/program"), type: "Module.Counter", initializer: 0, arguments: [[1, 2]], name: name,
            namespace: "default", lifetime: lifetime, resources: resources, placementResources: Resources(), maxRestarts: maxRestarts, maxConcurrency: 1,
            owner: address)
    }

    @discardableResult
    func create(_ specification: ActorSpecification, getIfExists: Bool = false) async throws(MantaError) -> ActorStatus {
        try await ask(CreateActor(specification: specification, getIfExists: getIfExists)).status
    }

    /// Creates an actor and waits until it is alive.
    func alive(_ specification: ActorSpecification) async throws -> ActorStatus {
        try await create(specification)
        return try await status(specification.id, is: .alive)
    }

    @discardableResult
    func status(_ id: ActorID, is state: ActorState, restarts: Int? = nil) async throws -> ActorStatus {
        var last: ActorStatus?
        try await eventually("actor \(id.short) \(state)") {
            last = try await ask(WatchActor(actor: id)).status
            return last?.state == state && (restarts == nil || last?.restarts == restarts)
        }
        return last!
    }

    func query(_ tables: QueryState.Table...) async throws(MantaError) -> StateAnswer { try await ask(QueryState(tables: tables, limit: 100)) }
}

/// A storage whose disk answers only when it is told to.
final class StuckStorage: Storage {
    private let memory = MemoryStorage()
    private let stuck = Mutex<(isStuck: Bool, waiting: [([StorageChange], @Sendable (MantaError?) -> Void)])>((false, []))
    /// All that it was handed.
    let changes = Log<StorageChange>()

    var location: String { memory.location }
    func load() throws(MantaError) -> StoredState { try memory.load() }
    func close() {}
    func apply(_ changes: [StorageChange], then: @escaping @Sendable (MantaError?) -> Void) {
        for change in changes { self.changes.append(change) }
        let waits = stuck.withLock { stuck in
            if stuck.isStuck { stuck.waiting.append((changes, then)) }
            return stuck.isStuck
        }
        if !waits { memory.apply(changes, then: then) }
    }
    func stick() { stuck.withLock { $0.isStuck = true } }
    func release() {
        let waiting = stuck.withLock { stuck in
            defer { stuck = (false, []) }
            return stuck.waiting
        }
        for (changes, then) in waiting { memory.apply(changes, then: then) }
    }
}

/// This machine's name.
let machine: String = {
    var bytes = [CChar](repeating: 0, count: 256)
    gethostname(&bytes, 255)
    return String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}()

/// A real process that does nothing until it is killed.
final class IdleProcess: Sendable {
    private let process = Process()
    let pid: Int32
    init() throws {
        process.executableURL = URL(fileURLWithPath: "/bin/sleep")
        process.arguments = ["600"]
        try process.run()
        pid = process.processIdentifier
    }
    func kill() { if process.isRunning { Glibc.kill(process.processIdentifier, SIGKILL) } }
    deinit { kill() }
}

func failure<T>(_ body: () async throws(MantaError) -> T) async -> MantaError? {
    do throws(MantaError) {
        _ = try await body()
        return nil
    } catch { return error }
}
