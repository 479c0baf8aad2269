// Node+Output: what workers print, and deaths that nobody ordered, on their way to the driver of the job and to the head's list of errors.
//
// A driver that this node knows gets them straight; for others the head passes them on.

import Glibc
import MantaCore
import MantaLoop
import MantaModel
import MantaTransport
import MantaWire

extension Node {
    func forward(_ gain: WorkerOutputs.Gain) {
        guard let worker = processes.processes[gain.worker] ?? ending.flatMap({ $0.id == gain.worker ? $0 : nil }) else { return }
        tell(worker, gain.lines, source: gain.source, isError: gain.isError, skipped: gain.skipped)
    }

    /// Tells of a worker's end that nobody ordered; an idle one that left has nothing to tell.
    func announce(_ cause: DeathCause, of worker: WorkerProcess) {
        let wasNeeded =
            switch worker.purpose {
            case .actor: true
            case .sharedActors: shared.hosts(worker.id)
            case .tasks: !book.isIdle(worker.id) || !worker.isRegistered
            }
        switch cause.kind {
        case .exited where !wasNeeded: return
        case .exited, .signaled, .outOfMemory, .startFailed: break
        default: return
        }
        tell(worker, ["died: \(cause.detail)"], isError: true, skipped: 0)
        // The head itself lists the deaths of actors.
        guard case .tasks = worker.purpose else { return }
        let code = cause.kind == .outOfMemory ? MantaError.Code.outOfMemory : .workerCrashed
        let row = ErrorRow(
            at: .now, code: code.rawValue, message: cause.detail, source: "worker", job: job(of: worker), task: worker.task, node: configuration.node)
        head.send(ReportErrors(errors: [row]))
    }

    private func tell(_ worker: WorkerProcess, _ lines: [String], source: String? = nil, isError: Bool, skipped: Int) {
        guard let job = job(of: worker) else { return }
        let output = WorkerOutput(
            job: job, source: source ?? worker.function ?? "worker", worker: worker.id, pid: worker.pid, node: configuration.node, isError: isError, lines: lines,
            skipped: skipped)
        let driver = jobs[job].flatMap { links[$0.driver.process] }
        (driver ?? head).send(output)
    }

    /// The job it works for, or worked for last.
    private func job(of worker: WorkerProcess) -> JobID? {
        switch worker.purpose {
        case .tasks: book.job(of: worker.id)
        case .actor(let actor): actors[actor]?.specification.job
        case .sharedActors: shared.job(of: worker.id)
        }
    }
}
