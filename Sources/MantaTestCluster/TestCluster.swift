// TestCluster: for tests: a head and nodes as processes of this test program, in a folder of their own, and a session that joined them. Ends with the test.

import Glibc
package import Manta
import MantaLoop
package import MantaModel
import MantaTestKit
package import MantaWire
import MantaWorker

/// A node of a test's cluster.
package struct TestNode: Sendable {
    package let id: NodeID
    package let pid: Int32
    package func kill() { Glibc.kill(pid, SIGKILL) }
}

package final class TestCluster {
    package private(set) var session: Session
    private let launcher: ClusterLauncher
    private let loop: EventLoop
    package let folder: String
    private let endpoint: String
    package private(set) var head: Int32
    private var pids: [Int32]

    /// Starts a head and one node for each of `cpus`, runs `body`, and ends everything.
    ///
    /// - Parameters:
    ///   - stores: Bytes of each node's object store, where they are not the machine's share.
    ///   - environment: What every node and its workers find in theirs.
    ///   - host: The address of this machine at which nodes of other ones reach head, nodes and this program; nil: they do not.
    package static func run(
        nodes cpus: [Double], stores: [Int] = [], workerMemory: Int? = nil, environment: [String: String] = [:], host: String? = nil,
        _ body: (TestCluster, [TestNode]) async throws -> Void
    ) async throws {
        let folder = TemporaryDirectory()
        let loop = EventLoop(name: "test-cluster")
        loop.start()
        defer { loop.stop() }
        let launcher = ClusterLauncher(program: try Session.executable(), detached: false, loop: loop)
        let variables = variables(in: folder.path, head: "tcp://\(host ?? "127.0.0.1"):0")
        // Nodes and this program's session find it in this program's environment.
        if let host { setenv(Variable.host, host, 1) }
        defer { unsetenv(Variable.host) }
        let head = try await launcher.start("head", variables, log: "\(folder.path)/head.out", deadline: .seconds(30))
        var pids = [head.pid]
        defer { for pid in pids { kill(pid, SIGKILL) } }
        var started: [Int32] = []
        for (index, amount) in cpus.enumerated() {
            let store = stores.indices.contains(index) ? stores[index] : nil
            let node = try await startNode(launcher, folder.path, head.endpoint, cpus: amount, workerMemory: workerMemory, store: store, among: environment)
            pids.append(node)
            started.append(node)
        }
        let session = try await Manta.connect(head.endpoint)
        let cluster = TestCluster(session: session, launcher: launcher, loop: loop, folder: folder.path, endpoint: head.endpoint, head: head.pid, pids: pids)
        do {
            var nodes: [TestNode] = []
            for pid in started { nodes.append(try await cluster.node(withProcess: pid)) }
            try await body(cluster, nodes)
        } catch {
            pids = cluster.pids
            await cluster.session.stop()
            throw error
        }
        pids = cluster.pids
        await cluster.session.stop()
    }

    private init(session: Session, launcher: ClusterLauncher, loop: EventLoop, folder: String, endpoint: String, head: Int32, pids: [Int32]) {
        (self.session, self.launcher, self.loop, self.folder) = (session, launcher, loop, folder)
        (self.endpoint, self.head, self.pids) = (endpoint, head, pids)
    }

    private static func variables(in folder: String, head: String) -> [String: String] {
        [
            "MANTA_ADDRESS": head, "MANTA_DIRECTORY": folder, "MANTA_RUNTIME_DIRECTORY": folder, "MANTA_LOG_DIRECTORY": folder,
            "MANTA_ADMIN_PORT": "0", "MANTA_HTTP_PORT": "0",
        ]
    }

    private static func startNode(
        _ launcher: ClusterLauncher, _ folder: String, _ head: String, cpus: Double, resources: String = "", labels: String = "",
        workerMemory: Int? = nil, store: Int? = nil, among others: [String: String]
    ) async throws -> Int32 {
        var variables = variables(in: folder, head: head).merging(others) { $1 }
        variables["MANTA_CPUS"] = "\(cpus)"
        variables["MANTA_RESOURCES"] = resources
        variables["MANTA_LABELS"] = labels
        if let workerMemory { variables["MANTA_WORKER_MEMORY"] = "\(workerMemory)" }
        if let store { variables["MANTA_STORE_MEMORY"] = "\(store)" }
        return try await launcher.start("node", variables, log: "\(folder)/node.out", deadline: .seconds(30)).pid
    }

    /// - Parameters:
    ///   - variables: Of the environment, besides what every node of the cluster gets.
    ///   - program: Runs the node; this program by default.
    @discardableResult
    package func addNode(
        cpus: Double, resources: String = "", labels: String = "", store: Int? = nil, variables: [String: String] = [:], program: String? = nil
    ) async throws -> TestNode {
        var launcher = launcher
        if let program { launcher.program = program }
        let pid = try await Self.startNode(launcher, folder, endpoint, cpus: cpus, resources: resources, labels: labels, store: store, among: variables)
        pids.append(pid)
        return try await node(withProcess: pid)
    }

    /// A node on the other machine; the cluster's `host` is the near end of the network.
    package func addNode(behind network: NetworkNamespace, cpus: Double, store: Int? = nil) async throws -> TestNode {
        let executable = try Session.executable()
        defer { network.removeCopy(of: executable) }
        return try await addNode(
            cpus: cpus, store: store,
            variables: ["MANTA_HOST": network.far, "MANTA_RUNTIME_DIRECTORY": "\(folder)/far", "MANTA_PROGRAM_DIRECTORY": "\(folder)/far/programs"],
            program: try network.script(running: executable, in: folder))
    }

    /// Ends this program's session, and with it its job, and joins with another one.
    package func beginAnotherJob() async throws {
        await session.stop()
        session = try await Manta.connect(endpoint)
    }

    package func killHead() { kill(head, SIGKILL) }

    /// Kills the head, unless it is dead, and starts another one on its port and store.
    package func restartHead() async throws {
        kill(head, SIGKILL)
        try await eventually("the end of the head", within: .seconds(30)) { [head] in hasEnded(head) }
        _ = reap(head)
        head = try await launcher.start("head", Self.variables(in: folder, head: endpoint), log: "\(folder)/head.out", deadline: .seconds(30)).pid
        pids.append(head)
    }

    // MARK: What the cluster says

    package func state(_ tables: QueryState.Table...) async throws -> StateAnswer {
        guard let runtime = session.runtime else { throw CurrentRuntime.missing }
        return try await runtime.head(QueryState(tables: tables, limit: 10_000))
    }

    private func node(withProcess pid: Int32) async throws -> TestNode {
        var found: NodeID?
        try await eventually("the registration of node process \(pid)", within: .seconds(30)) {
            found = try await state(.nodes).nodes.first { $0.pid == pid && $0.state == .alive }?.id
            return found != nil
        }
        guard let found else { throw MantaError(.notFound, "node process \(pid) is not registered") }
        return TestNode(id: found, pid: pid)
    }

    /// Waits until nothing holds any resource of a living node.
    package func expectEverythingIsReturned() async throws {
        try await eventually("the return of every resource", within: .seconds(30)) {
            try await state(.nodes).nodes.filter { $0.state == .alive }.allSatisfy { $0.available == $0.total }
        }
    }
}
