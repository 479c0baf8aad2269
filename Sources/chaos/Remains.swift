// Remains: what objects leave behind when nobody holds any: rows, bytes in stores, files, descriptors, memory. There must be nothing.

import Glibc
import Manta
import MantaModel
import MantaWire
import MantaWorker

struct Remains {
    let processes: ClusterProcesses
    let session: Session
    /// What the head and one of the nodes held before anything was asked of them.
    private let headAtFirst: Holding
    private let nodeAtFirst: Holding

    /// What a process holds.
    private struct Holding {
        var descriptors: Int
        /// Bytes of memory that are its own.
        var memory: Int
        init(of pid: Int32) {
            descriptors = SystemProcesses.descriptors(of: pid).values.reduce(0, +)
            memory = SystemProcesses.privateMemory(of: pid)
        }
    }

    init(processes: ClusterProcesses, session: Session) {
        (self.processes, self.session) = (processes, session)
        headAtFirst = Holding(of: processes.headProcess)
        nodeAtFirst = processes.nodes.first.map(Holding.init) ?? headAtFirst
    }

    // MARK: Objects

    private func state(_ tables: QueryState.Table...) async throws -> StateAnswer {
        guard let runtime = session.runtime else { throw MantaError(.notConnected, "the controller's session has ended") }
        return try await runtime.head(QueryState(tables: tables, limit: 10_000))
    }

    /// Objects that processes own, and what stores hold.
    func objects() async throws -> [String] {
        let state = try await state(.nodes, .objects)
        var left = state.objects.prefix(20).map { "object \($0.id) of process \($0.ownerPid) made by \($0.source), \($0.size) bytes, \($0.state), is left: \($0)" }
        for node in state.nodes where node.state == .alive {
            guard let store = node.store else { continue }
            if store.objects + store.spilledObjects > 0 || store.used > 0 {
                left.append("the store of node \(node.id.short) (process \(node.pid)) holds \(store.objects) objects and \(store.spilledObjects) on disk; \(store.used) bytes are used")
            }
        }
        return left
    }

    // MARK: Files

    /// Of dead processes: sockets, and folders with spilled objects; and of living ones, what was spilled.
    func files() -> [String] {
        var left: [String] = []
        for folder in folders {
            for name in TextFile.names(in: folder) {
                let path = "\(folder)/\(name)"
                if name.hasSuffix(".sock.lock") || name.hasSuffix(".spill.lock") {
                    if isFree(path) { left.append("\(path) is left of a process that is gone") }
                } else if name.hasSuffix(".spill") {
                    left += TextFile.names(in: path).filter { $0.hasSuffix(".spill") }.map { "\(path)/\($0) is left" }
                    if !TextFile.names(in: folder).contains("\(name.dropLast(6)).sock") { left.append("\(path) is left of a node that is gone") }
                }
            }
        }
        return left
    }

    /// When the cluster has ended: of this process alone something may be there.
    func filesOfAll() -> [String] {
        let own = Manta.processAddress?.endpoint ?? ""
        return folders.flatMap { folder in
            TextFile.names(in: folder).filter { name in [".sock", ".sock.lock", ".spill", ".spill.lock"].contains { name.hasSuffix($0) } }.map { "\(folder)/\($0)" }
        }.filter { !own.hasSuffix($0.hasSuffix(".lock") ? String($0.dropLast(5)) : $0) }.map { "\($0) is left" } + TextFile.names(in: "/dev/shm").filter { $0.hasPrefix("manta") }.map { "/dev/shm/\($0) is left" }
    }

    /// Where sockets and spilled objects are: of head and nodes, and of drivers.
    private var folders: [String] { [processes.folder.path, Folders.runtime(port: port(of: processes.head) ?? 0)] }

    private func isFree(_ path: String) -> Bool {
        let descriptor = open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return flock(descriptor, LOCK_EX | LOCK_NB) == 0
    }

    // MARK: Descriptors and memory

    /// For links to processes that live, each of which has several; a leak for each death of a run is more.
    private static let moreDescriptors = (always: 48, forEachWorker: 10)
    /// For tables of what was, and what the allocator keeps.
    private static let moreMemory = 48 << 20

    /// Head and nodes hold about what they held at first.
    func held() -> [String] {
        var left: [String] = []
        for (pid, first) in [(processes.headProcess, headAtFirst)] + processes.nodes.map({ ($0, nodeAtFirst) }) {
            let now = Holding(of: pid)
            let allowed = first.descriptors + Self.moreDescriptors.always + Self.moreDescriptors.forEachWorker * SystemProcesses.children(of: pid).count
            if now.descriptors > allowed {
                left.append("process \(pid) has \(now.descriptors) descriptors, \(first.descriptors) at first: \(SystemProcesses.descriptors(of: pid))")
            }
            if now.memory > first.memory + Self.moreMemory { left.append("process \(pid) has \(now.memory >> 20) MiB of memory, \(first.memory >> 20) at first") }
        }
        return left
    }

    /// What head and nodes hold, for people.
    func report() async throws -> String {
        let rows = try await state(.nodes, .objects)
        var lines = ["\(rows.objects.count) objects"]
        for pid in [processes.headProcess] + processes.nodes {
            let store = rows.nodes.first { $0.pid == pid }?.store
            let descriptors = SystemProcesses.descriptors(of: pid).sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
            lines.append("process \(pid): \(SystemProcesses.privateMemory(of: pid) >> 20) MiB; \(SystemProcesses.children(of: pid).count) workers; \(descriptors)")
            if let store { lines.append("    \(store)") }
        }
        return lines.joined(separator: "\n")
    }
}
