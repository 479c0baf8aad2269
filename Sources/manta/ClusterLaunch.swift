// ClusterLaunch: brings the processes of `manta start` up, records them, and with --block keeps them up.
//
// Head first, then node, then proxy, each when the one before is ready. When one cannot start, those that this launch started are ended again.

import Foundation
import Glibc
import Manta
import MantaLoop
import MantaModel

struct ClusterLaunch {
    let endpoint: String
    let port: UInt16
    let isHead: Bool
    let adminPort: UInt16
    let httpPort: UInt16?
    /// What every process gets besides its own.
    let variables: [String: String]

    var record: ClusterRecord { ClusterRecord(port: port) }

    /// The roles to run, with the variables of each.
    private var wanted: [(role: String, url: String?, variables: [String: String])] {
        var common = variables
        common[Variable.address] = endpoint
        common[Variable.runtimeDirectory] = record.runtimeFolder
        // A head that is started again finds the folder of the one before.
        let before = record.living.lazy.compactMap { $0.variables[Variable.directory] }.first
        common[Variable.directory] = variables[Variable.directory] ?? before ?? Folders.durable(port: port)
        common[Variable.logDirectory] = "\(common[Variable.directory] ?? "")/logs"
        var result: [(String, String?, [String: String])] = []
        if isHead {
            result.append(("head", "http://127.0.0.1:\(adminPort)", common.merging([Variable.adminPort: "\(adminPort)"]) { $1 }))
        }
        result.append(("node", nil, common))
        if let httpPort { result.append(("proxy", "http://127.0.0.1:\(httpPort)", common.merging([Variable.httpPort: "\(httpPort)"]) { $1 })) }
        return result
    }

    /// Starts what does not run yet; returns what it started.
    func startMissing() async throws -> [ProcessRecord] {
        let living = record.living
        // A machine may hold several nodes of one cluster; of head and proxy each command asks for one.
        let missing = wanted.filter { part in
            part.role == "node" && !isHead || !living.contains { $0.role == part.role && (part.url == nil || $0.url == part.url) }
        }
        guard !missing.isEmpty else {
            let head = living.first { $0.role == "head" }
            throw CommandFailure("the cluster \(endpoint) runs already\(head.map { ", its head is process \($0.pid)" } ?? ""); stop it with \"manta stop --port \(port)\"")
        }
        for part in missing {
            if part.role == "head" {
                try ProcessTable.requireFree(port: port, option: "--port")
                try ProcessTable.requireFree(port: adminPort, option: "--admin-port")
            }
            if part.role == "proxy", let httpPort { try ProcessTable.requireFree(port: httpPort, option: "--http-port") }
        }
        var started: [ProcessRecord] = []
        let loop = EventLoop(name: "start")
        loop.start()
        defer { loop.stop() }
        do {
            for part in missing { started.append(try await start(part.role, part.url, part.variables, loop)) }
            if isHead { try record.makeCurrent(address: endpoint) }
        } catch {
            await ProcessEnder(record: record).end(started)
            throw error
        }
        return started
    }

    private func start(_ role: String, _ url: String?, _ variables: [String: String], _ loop: EventLoop) async throws -> ProcessRecord {
        let logs = variables[Variable.logDirectory] ?? ""
        try Folders.make(logs)
        try Folders.make(record.runtimeFolder)
        let launcher = ClusterLauncher(program: try Session.executable(), detached: true, loop: loop)
        let process = try await launcher.start(role, variables, log: "\(logs)/\(role).out")
        let result = ProcessRecord(
            role: role, pid: process.pid, startedTicks: ProcessTable.startTicks(of: process.pid) ?? 0, address: endpoint, url: url, variables: variables)
        try record.add(result)
        return result
    }

    /// Returns after SIGINT or SIGTERM, when everything has ended; starts again what dies before, after a pause that grows while it keeps dying.
    func supervise() async throws {
        let loop = EventLoop(name: "supervise")
        loop.start()
        defer { loop.stop() }
        let signals = AsyncStream<Int32>.makeStream()
        loop.execute { _ = try? loop.watchSignals([SIGINT, SIGTERM]) { signals.continuation.yield($0) } }
        let watch = Task { try await restartWhatDies(loop) }
        var iterator = signals.stream.makeAsyncIterator()
        _ = await iterator.next()
        watch.cancel()
        _ = try? await watch.value
        await ProcessEnder(record: record).end(record.living)
        record.resign()
        await record.removeAbandonedSockets()
    }

    private func restartWhatDies(_ loop: EventLoop) async throws {
        var pauses: [String: Duration] = [:]
        while !Task.isCancelled {
            try await Task.sleep(for: .milliseconds(200))
            while waitpid(-1, nil, WNOHANG) > 0 {}
            let living = record.living
            for part in wanted where !living.contains(where: { $0.role == part.role }) {
                let pause = pauses[part.role] ?? .zero
                CommandFailure.report(CommandFailure("the \(part.role) has died; starting it again"))
                try await Task.sleep(for: pause)
                pauses[part.role] = min(.seconds(10), max(.milliseconds(500), pause * 2))
                do { _ = try await start(part.role, part.url, part.variables, loop) } catch { CommandFailure.report(error) }
            }
        }
    }
}
