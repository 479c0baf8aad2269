// Node+Jobs: the end of a job on this node: its workers, actors and leases end, and what its arguments took is free.

import MantaCore
import MantaLoop
import MantaModel
import MantaTransport
import MantaWire

extension Limits {
    /// Between the end of a job and that of workers that do not end by themselves then; a busy machine lets them wait for their turn.
    fileprivate static let lastWords: Duration = .milliseconds(500)
}

extension Node {
    func jobEnded(_ job: JobID) {
        jobs[job] = nil
        let cause = DeathCause(.jobEnded, "its job \(job.short) ended")
        for process in shared.processes(of: job) { processes.end(process, because: cause) }
        for (id, actor) in actors where actor.specification.job == job && actor.specification.lifetime == .job && shared.process(of: id) == nil {
            endActor(id, cause)
        }
        book.jobEnded(job, at: loop.now) { perform($0) }
        dropArguments { $0.job == job }
    }

    /// A worker whose job ended may say what became of its last tasks; then it ends, whether it has or not.
    func end(_ worker: ProcessID, because cause: DeathCause) {
        guard cause.kind == .jobEnded, let link = links[worker] else { return processes.end(worker, because: cause) }
        link.send(StopWorker())
        _ = loop.schedule(after: Limits.lastWords) { [self] in processes.end(worker, because: cause) }
    }
}
