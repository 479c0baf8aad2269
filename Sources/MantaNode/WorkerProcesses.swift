// WorkerProcesses: the worker processes of a node as the operating system sees them: started, registered, ended, and why.
//
// A worker is the job's executable in the worker role. It must register within `Limits.workerStartDeadline` of its start, or it is killed. Its death is
// seen at once, and its cause told in words and facts: exit code or signal, what it ran, how long it lived, its peak memory, the last lines of its
// standard error.
//
// The first worker of a program is started from its file. Programs that need more get a template (see WorkerTemplates), which forks them.

import CSystem
import Glibc
import MantaLoop
import MantaModel
import MantaTransport

struct WorkerProcess {
    enum Purpose {
        case tasks
        case actor(ActorID)
        /// Many actors, which come and go.
        case sharedActors
    }
    let id: ProcessID
    let pid: Int32
    let program: Program
    var purpose: Purpose
    /// What it runs, in the words of people: the type of its actor, or that they are many; nil for tasks, which come and go.
    let title: String?
    let startedAt: Instant
    let files: WorkerFiles
    let note: WorkerNote?
    /// Where it listens, once it does.
    var address: ProcessAddress?
    var isRegistered: Bool { address != nil }
    /// Why this node ended it, or is about to.
    var killCause: DeathCause?
    /// It was told by force.
    var isKilled = false

    /// The type of its actor, or the function it ran last.
    var function: String? { title ?? note?.latest?.function }
    /// The task it ran last.
    var task: TaskID? { note?.latest?.task }
}

/// Confined to the node's loop.
final class WorkerProcesses {
    private let configuration: NodeConfiguration
    private let loop: EventLoop
    private let memoryLimit = MemoryLimit.ofThisProcess()
    private let templates: WorkerTemplates?
    private var spareFiles: SpareFiles
    private(set) var processes: [ProcessID: WorkerProcess] = [:]
    /// Called once for each process that ended.
    var ended: (WorkerProcess, DeathCause) -> Void = { _, _ in }

    init(configuration: NodeConfiguration, loop: EventLoop) {
        (self.configuration, self.loop) = (configuration, loop)
        spareFiles = SpareFiles(directory: configuration.logDirectory)
        templates = configuration.forksWorkers ? WorkerTemplates(loop: loop) : nil
    }

    /// Starts a worker from the file that holds its program; throws when there are too many or it cannot be run.
    /// - Parameter resources: What it holds for life, as it was asked for.
    func start(
        _ program: Program, from executable: String, for purpose: WorkerProcess.Purpose, title: String? = nil, holding resources: Resources? = nil,
        environment: [String: String]
    ) throws(MantaError) -> WorkerProcess {
        guard processes.count < Limits.workersPerNode else {
            throw MantaError(.overloaded, "this node runs \(processes.count) workers, its limit; end some actors or start another node")
        }
        guard access(executable, X_OK) == 0 else {
            throw MantaError(.notFound, "the program \(executable) is not an executable file on this node (\(String(cString: strerror(errno))))")
        }
        let id = ProcessID.random()
        let files = try spareFiles.take(for: id)
        let note = title == nil ? WorkerNote() : nil
        // Libraries read them when they are loaded: a template has them, too.
        var loaded = program
        loaded.environment.merge(NumericThreads.environment(of: program, holding: resources)) { own, _ in own }
        let pid: Int32
        do throws(MantaError) { pid = try spawn(loaded, executable, id, files, note, environment) } catch {
            _ = spareFiles.give(back: files)
            throw error
        }
        let worker = WorkerProcess(
            id: id, pid: pid, program: program, purpose: purpose, title: title, startedAt: loop.now, files: files, note: note)
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

    private func spawn(
        _ program: Program, _ executable: String, _ id: ProcessID, _ files: WorkerFiles, _ note: WorkerNote?, _ added: [String: String]
    ) throws(MantaError) -> Int32 {
        var variables = added
        variables["MANTA_ROLE"] = "worker"
        variables["MANTA_ADDRESS"] = configuration.head
        variables["MANTA_NODE_ENDPOINT"] = configuration.place.endpoint.text
        variables["MANTA_HOST"] = configuration.place.port?.host ?? ""
        variables["MANTA_NODE_ID"] = configuration.node.description
        variables["MANTA_PROCESS_ID"] = id.description
        variables["MANTA_RUNTIME_DIRECTORY"] = configuration.runtimeDirectory
        variables["MANTA_LOG_DIRECTORY"] = configuration.logDirectory
        variables["MANTA_PROGRAM"] = program.path
        variables["MANTA_PROGRAM_HASH"] = program.hash ?? ""
        if note != nil { variables["MANTA_NOTE_FD"] = "3" }
        let (output, errors) = (files.output.descriptor, files.errors.descriptor)
        if let pid = templates?.fork(program, executable, adding: variables, output: output, error: errors, inherited: note?.descriptor) { return pid }
        let environment = program.environment.merging(variables) { _, added in added }
        return try ChildProcess(
            path: executable, arguments: [program.path], environment: ProcessEnvironment.current(adding: environment), output: output, error: errors,
            inherited: note?.descriptor
        ).spawn()
    }

    /// The worker said that it listens; nil when this node does not know it.
    func registered(_ address: ProcessAddress) -> WorkerProcess? {
        processes[address.process]?.address = address
        return processes[address.process]
    }

    /// Ends a worker by force; `ended` follows. Of several causes the first is told.
    /// - Parameter patience: How long it has to end by itself.
    func end(_ id: ProcessID, because cause: DeathCause, within patience: Duration = .zero) {
        guard let worker = processes[id], !worker.isKilled else { return }
        processes[id]?.killCause = worker.killCause ?? cause
        guard patience == .zero else {
            _ = loop.schedule(after: patience) { [weak self] in self?.end(id, because: cause) }
            return
        }
        processes[id]?.isKilled = true
        kill(worker.pid, SIGKILL)
    }

    /// Ends workers that did not register in time, and templates that nobody needs any more.
    func checkStarts(now: Instant) {
        templates?.endIdle(now: now)
        for (id, worker) in processes where !worker.isRegistered && now - worker.startedAt > Limits.workerStartDeadline {
            worker.files.settle()
            end(id, because: DeathCause(.startFailed, "worker \(worker.pid) did not register within \(Limits.workerStartDeadline); see \(worker.files.errors.path)"))
        }
    }

    /// The node ends, and has killed its workers.
    func removeSockets() { for id in processes.keys { removeSocket(of: id) } }

    private func removeSocket(of id: ProcessID) { unlink(ListeningPlace.path(of: id, in: configuration.runtimeDirectory)) }

    private func exited(_ id: ProcessID) {
        guard let worker = processes.removeValue(forKey: id) else { return }
        // A worker that was killed could not remove it.
        removeSocket(of: id)
        ended(worker, cause(of: worker, collect(worker.pid)))
    }

    /// What an ended worker printed was read; returns whether its files are kept for another one.
    func give(back files: WorkerFiles) -> Bool { spareFiles.give(back: files) }

    /// Removes files that nobody wrote to.
    func clearFiles() { spareFiles.clear() }

    private func cause(of worker: WorkerProcess, _ end: ChildEnd?) -> DeathCause {
        var facts = DeathCause.Facts(
            pid: worker.pid, uptimeMilliseconds: (loop.now - worker.startedAt).inMilliseconds, peakMemory: end?.peakMemory, function: worker.function,
            lastErrors: LogTail.lastLines(of: worker.files.errors.descriptor))
        switch end?.status {
        case .exited(let code): facts.exitCode = code
        case .signaled(let signal): facts.signal = signal
        case nil: break
        }
        if let decided = worker.killCause { return .decided(decided, facts: facts) }
        return .ended(facts, atMemoryLimit: memoryLimit.bytes, outOfMemory: facts.signal == SIGKILL && memoryLimit.hasStruckAgain())
    }
}

/// What a worker of tasks writes down of what it runs: the function and the task. Read also after its death.
final class WorkerNote {
    let descriptor: Int32
    private let page: UnsafeMutableRawPointer

    /// Nil when the system has no memory for it: nobody needs a note to work.
    init?() {
        descriptor = manta_note_create()
        guard descriptor >= 0 else { return nil }
        guard let page = manta_note_map(descriptor) else {
            close(descriptor)
            return nil
        }
        self.page = page
    }

    deinit {
        manta_note_unmap(page)
        close(descriptor)
    }

    /// What it ran last; nil before its first task, and when it died while it wrote.
    var latest: (task: TaskID, function: String)? {
        var bytes = [UInt8](repeating: 0, count: Int(MANTA_NOTE_BYTES))
        var (high, low): (UInt64, UInt64) = (0, 0)
        let count = manta_note_read(page, &high, &low, &bytes)
        return count > 0 ? (TaskID(high: high, low: low), String(decoding: bytes[..<Int(count)], as: UTF8.self)) : nil
    }
}

/// The end of a log file.
enum LogTail {
    private static let linesKept = 5
    private static let lineBytes = 500

    /// The last five lines that the program itself wrote: of a Swift backtrace behind them only the line that says what crashed.
    static func lastLines(of path: String) -> [String] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        return lastLines(of: descriptor)
    }

    /// Without what would steer a terminal: the lines stand in sentences.
    private static func plain(_ line: String) -> String {
        guard line.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else { return line }
        return String(String.UnicodeScalarView(line.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
    }

    static func lastLines(of descriptor: Int32) -> [String] {
        let size = lseek(descriptor, 0, SEEK_END)
        guard size > 0 else { return [] }
        let start = max(0, size - 64 * 1024)
        var bytes = [UInt8](repeating: 0, count: Int(size - start))
        let count = pread(descriptor, &bytes, bytes.count, start)
        guard count > 0 else { return [] }
        var lines = bytes[..<count].split(separator: UInt8(ascii: "\n")).map { String(decoding: $0.prefix(lineBytes), as: UTF8.self) }
        if let crash = lines.lastIndex(where: { $0.contains("Program crashed: ") }) { lines.removeSubrange((crash + 1)...) }
        lines.removeAll { $0.hasPrefix("*** Signal ") || $0.hasPrefix("swift-runtime: ") || $0.allSatisfy(\.isWhitespace) }
        return lines.suffix(linesKept).map(plain)
    }
}
