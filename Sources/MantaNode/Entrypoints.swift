// Entrypoints: the submitted programs that run on this node: started when their resources are there, watched, stopped, and their output kept in a file each.
//
// Each leads a process group: who stops it stops what it has started, also what a shell has, or what does not listen.

import CSystem
import Glibc
import MantaCore
import MantaLoop
import MantaModel
import MantaTransport
import MantaWire

struct Entrypoint {
    let specification: SubmissionSpecification
    /// Under which the book holds its resources.
    let claim: ActorID
    let logPath: String
    var pid: Int32?
    var startedAt: Instant?
    var isStopping = false
}

extension Node {
    /// How long a program may take to end after it was asked to.
    private static var stopPatience: Duration { .seconds(3) }
    private static var logPart: Int { 1 << 20 }

    func startEntrypoint(_ message: StartEntrypoint, correlation: Correlation, on link: Link) {
        let id = message.specification.id
        link.reply(to: correlation, Acknowledged())
        guard entrypoints[id] == nil, !endedEntrypoints.contains(id) else { return }
        let entrypoint = Entrypoint(
            specification: message.specification, claim: .random(), logPath: "\(configuration.logDirectory)/job-\(id).log")
        entrypoints[id] = entrypoint
        book.reserve(entrypoint.claim, message.specification.resources, at: loop.now) { perform($0) }
    }

    /// The resources of a submitted program are there.
    func runEntrypoint(claim: ActorID) {
        guard let entrypoint = entrypoints.values.first(where: { $0.claim == claim && $0.pid == nil }) else { return }
        let id = entrypoint.specification.id
        do throws(MantaError) {
            let pid = try spawn(entrypoint)
            entrypoints[id]!.pid = pid
            entrypoints[id]!.startedAt = loop.now
            _ = try loop.watchProcess(pid) { [unowned self] in entrypointExited(id, pid) }
            report(id, .started(pid: pid))
        } catch {
            entrypointEnded(id, exitCode: nil, "it could not be started: \(error.message)")
        }
    }

    private func spawn(_ entrypoint: Entrypoint) throws(MantaError) -> Int32 {
        let output = open(entrypoint.logPath, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard output >= 0 else { throw MantaError(.system, "its log \(entrypoint.logPath) cannot be written: \(String(cString: strerror(errno)))") }
        defer { close(output) }
        let specification = entrypoint.specification
        // `env` finds the program in PATH.
        let command = specification.isShell ? ["/bin/sh", "-c"] + specification.entrypoint : ["/usr/bin/env", "--"] + specification.entrypoint
        var environment = specification.environment
        environment["MANTA_ADDRESS"] = configuration.head
        environment["MANTA_JOB_SUBMISSION"] = specification.id
        environment.merge(environmentOfGPUs(heldBy: entrypoint.claim)) { _, gpus in gpus }
        let inherited = ProcessEnvironment.current(adding: environment).filter { variable in
            !variable.hasPrefix("MANTA_") || environment.contains { variable == "\($0.key)=\($0.value)" }
        }
        return try ChildProcess(
            path: command[0], arguments: command, environment: inherited, directory: specification.directory, output: output, error: output,
            leadsGroup: true
        ).spawn()
    }

    private func entrypointExited(_ id: String, _ pid: Int32) {
        guard let entrypoint = entrypoints[id], entrypoint.pid == pid else { return }
        let end = collect(pid)
        var facts = DeathCause.Facts(
            pid: pid, uptimeMilliseconds: entrypoint.startedAt.map { (loop.now - $0).inMilliseconds } ?? 0, peakMemory: end?.peakMemory,
            lastErrors: LogTail.lastLines(of: entrypoint.logPath))
        switch end?.status {
        case .exited(let code):
            facts.exitCode = code
            entrypointEnded(id, exitCode: code, code == 0 ? "it ended well" : "it exited with code \(code) \(DeathCause.circumstances(facts, output: "output"))")
        case .signaled(let signal):
            let text = "it was ended by signal \(signal) (\(DeathCause.signalName(signal))) \(DeathCause.circumstances(facts, output: "output"))"
            entrypointEnded(id, exitCode: 128 + signal, text)
        case nil: entrypointEnded(id, exitCode: nil, "it ended in a way that nobody saw")
        }
    }

    private func entrypointEnded(_ id: String, exitCode: Int32?, _ message: String) {
        guard let entrypoint = entrypoints.removeValue(forKey: id) else { return }
        if endedEntrypoints.count >= Limits.deadActors { endedEntrypoints.removeAll() }
        endedEntrypoints.insert(id)
        book.release(entrypoint.claim, at: loop.now) { perform($0) }
        report(id, .ended(exitCode: exitCode, message: message))
    }

    func stopEntrypoint(_ message: StopEntrypoint, correlation: Correlation, on link: Link) {
        link.reply(to: correlation, Acknowledged())
        guard let entrypoint = entrypoints[message.id], !entrypoint.isStopping else { return }
        entrypoints[message.id]!.isStopping = true
        guard let pid = entrypoint.pid else { return entrypointEnded(message.id, exitCode: nil, "it was stopped before it ran") }
        kill(-pid, SIGTERM)
        // Also what outlives the program itself. The number of a group belongs to it for as long as anybody is in it.
        loop.schedule(after: Self.stopPatience) { kill(-pid, SIGKILL) }
    }

    func readLog(_ message: ReadSubmissionLog, correlation: Correlation, on link: Link) throws(MantaError) {
        guard message.id.utf8.allSatisfy({ $0 != UInt8(ascii: "/") }) else { throw MantaError(.invalidArgument, "\"\(message.id.prefix(64))\" is no job's id") }
        let isRunning = entrypoints[message.id] != nil
        let descriptor = open("\(configuration.logDirectory)/job-\(message.id).log", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            link.reply(to: correlation, SubmissionLog(bytes: [], next: message.offset, isComplete: !isRunning))
            return
        }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: Self.logPart)
        let count = max(0, pread(descriptor, &bytes, bytes.count, off_t(max(0, message.offset))))
        link.reply(
            to: correlation,
            SubmissionLog(bytes: Array(bytes[..<count]), next: message.offset + Int64(count), isComplete: !isRunning && count < Self.logPart))
    }

    private func report(_ id: String, _ event: EntrypointReport.Event) {
        head.request(EntrypointReport(id: id, event: event), deadline: .seconds(3600)) { _ in }
    }
}
