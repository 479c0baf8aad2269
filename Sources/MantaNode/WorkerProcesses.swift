// WorkerProcesses: the worker processes of a node as the operating system sees them: started, registered, ended, and why.
//
// A worker is the job's executable in the worker role. It must register within `Limits.workerStartDeadline` of its start, or it is killed. Its death is
// seen at once, and its cause told in words: exit code or signal, and the last lines of its standard error.

import CSystem
import Glibc
import MantaLoop
import MantaModel

struct WorkerProcess {
    enum Purpose {
        case tasks
        case actor(ActorID)
    }
    let id: ProcessID
    let pid: Int32
    let program: Program
    var purpose: Purpose
    let startedAt: Instant
    let logPath: String
    var isRegistered = false
    /// Why this node ended it, when it did.
    var killCause: DeathCause?
}

/// Confined to the node's loop.
final class WorkerProcesses {
    private let configuration: NodeConfiguration
    private let loop: EventLoop
    private(set) var processes: [ProcessID: WorkerProcess] = [:]
    /// Called once for each process that ended.
    var ended: (WorkerProcess, DeathCause) -> Void = { _, _ in }

    init(configuration: NodeConfiguration, loop: EventLoop) { (self.configuration, self.loop) = (configuration, loop) }

    /// Starts a worker; throws when there are too many or the program cannot be run.
    func start(_ program: Program, for purpose: WorkerProcess.Purpose) throws(MantaError) -> WorkerProcess {
        guard processes.count < Limits.workersPerNode else {
            throw MantaError(.overloaded, "this node runs \(processes.count) workers, its limit; end some actors or start another node")
        }
        guard access(program.path, X_OK) == 0 else {
            throw MantaError(.notFound, "the program \(program.path) is not an executable file on this node (\(String(cString: strerror(errno))))")
        }
        let id = ProcessID.random()
        let logPath = "\(configuration.logDirectory)/worker-\(id.short).log"
        var environment = program.environment
        environment["MANTA_ROLE"] = "worker"
        environment["MANTA_ADDRESS"] = configuration.head
        environment["MANTA_NODE_ENDPOINT"] = configuration.endpoint
        environment["MANTA_NODE_ID"] = configuration.node.description
        environment["MANTA_PROCESS_ID"] = id.description
        environment["MANTA_RUNTIME_DIRECTORY"] = configuration.runtimeDirectory
        environment["MANTA_LOG_DIRECTORY"] = configuration.logDirectory
        environment["MANTA_PROGRAM"] = program.path
        let pid = try spawn(program.path, environment, logPath)
        let worker = WorkerProcess(id: id, pid: pid, program: program, purpose: purpose, startedAt: loop.now, logPath: logPath)
        processes[id] = worker
        do {
            _ = try loop.watchProcess(pid) { [unowned self] in exited(id) }
        } catch {
            kill(pid, SIGKILL)
            processes[id] = nil
            throw MantaError(.system, "the worker \(pid) cannot be watched", cause: error)
        }
        return worker
    }

    private func spawn(_ path: String, _ added: [String: String], _ logPath: String) throws(MantaError) -> Int32 {
        let output = open(logPath, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard output >= 0 else { throw MantaError(.system, "the log file \(logPath) cannot be written: \(String(cString: strerror(errno)))") }
        defer { close(output) }
        return try ChildProcess(path: path, arguments: [path], environment: ProcessEnvironment.current(adding: added), output: output, error: output).spawn()
    }

    /// The worker said that it listens; nil when this node does not know it.
    func registered(_ id: ProcessID) -> WorkerProcess? {
        processes[id]?.isRegistered = true
        return processes[id]
    }

    /// Ends a worker by force; `ended` follows.
    func end(_ id: ProcessID, because cause: DeathCause) {
        guard let worker = processes[id], worker.killCause == nil else { return }
        processes[id]?.killCause = cause
        kill(worker.pid, SIGKILL)
    }

    /// Ends workers that did not register in time.
    func checkStarts(now: Instant) {
        for (id, worker) in processes where !worker.isRegistered && now - worker.startedAt > Limits.workerStartDeadline {
            end(id, because: DeathCause(.startFailed, "worker \(worker.pid) did not register within \(Limits.workerStartDeadline); see \(worker.logPath)"))
        }
    }

    private func exited(_ id: ProcessID) {
        guard let worker = processes.removeValue(forKey: id) else { return }
        let status = reap(worker.pid)
        ended(worker, worker.killCause ?? Self.cause(status, worker))
    }

    private static func cause(_ status: ExitStatus?, _ worker: WorkerProcess) -> DeathCause {
        let tail = LogTail.lastLines(of: worker.logPath)
        let output = tail.isEmpty ? "" : "; its last output: \(tail)"
        switch status {
        case .exited(let code): return DeathCause(.exited, "worker \(worker.pid) exited with code \(code)\(output)")
        case .signaled(let number):
            return DeathCause(.signaled, "worker \(worker.pid) was ended by signal \(number) (\(String(cString: strsignal(number))))\(output)")
        case nil: return DeathCause(.exited, "worker \(worker.pid) ended in an unknown way\(output)")
        }
    }
}

/// The end of a log file.
enum LogTail {
    /// At most the last five lines and 1,000 bytes, on one line.
    static func lastLines(of path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        let size = lseek(descriptor, 0, SEEK_END)
        let start = max(0, size - 1_000)
        var bytes = [UInt8](repeating: 0, count: Int(size - start))
        let count = pread(descriptor, &bytes, bytes.count, start)
        guard count > 0 else { return "" }
        let lines = String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n").suffix(5)
        return lines.joined(separator: " | ")
    }
}
