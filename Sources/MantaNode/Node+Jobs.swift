// Node+Jobs: the end of a job on this node: its workers, actors and leases end, and what its arguments took is free.

import MantaCore
import MantaLoop
import MantaModel
import MantaTransport
import MantaWire

extension Limits {
    /// Between the end of a job or of a process and that of the workers that it leaves, which may tell of their last tasks first; a busy machine lets them wait
    /// for their turn.
    fileprivate static let lastWords: Duration = .milliseconds(500)
    /// One that has told everything ends when that has left.
    fileprivate static let afterLastWords: Duration = .milliseconds(20)
}

extension Node {
    func jobEnded(_ job: JobID) {
        jobs[job] = nil
        let cause = DeathCause(.jobEnded, "its job \(job.short) ended")
        for process in shared.processes(of: job) { end(process, because: cause) }
        for (id, actor) in actors where actor.specification.job == job && actor.specification.lifetime == .job && shared.process(of: id) == nil {
            endActor(id, cause)
        }
        book.jobEnded(job, at: loop.now) { perform($0) }
        dropArguments { $0.job == job }
    }

    /// Ends a worker. One whose job or owner is gone may say first what became of its last tasks; then it ends, whether it has or not.
    func end(_ worker: ProcessID, because cause: DeathCause) {
        guard [.jobEnded, .ownerDied].contains(cause.kind), let link = links[worker] else { return processes.end(worker, because: cause) }
        link.send(StopWorker())
        processes.end(worker, because: cause, within: Limits.lastWords)
    }

    /// A worker does not leave by itself.
    func stays(_ worker: ProcessID) {
        // It was asked to say its last words, and has.
        if let cause = processes.processes[worker]?.killCause { return processes.end(worker, because: cause, within: Limits.afterLastWords) }
        shared.stays(worker, at: loop.now)
        book.workerStays(worker, at: loop.now) { perform($0) }
    }
}
