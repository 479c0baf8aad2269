// What goes into a TaskBook and what comes out of it.

package import MantaModel

/// Tasks of one shape may share leases: same job, program, resources and rule.
package struct TaskShape: Hashable, Sendable {
    package var job: JobID
    package var program: Program
    package var resources: Resources
    package var rule: PlacementRule
    package init(job: JobID, program: Program, resources: Resources, rule: PlacementRule = .standard) {
        (self.job, self.program, self.resources, self.rule) = (job, program, resources, rule)
    }
}

/// How a task ended, for its owner.
package enum TaskEnd: Hashable, Sendable {
    /// The worker answered: with results, or with the error that user code threw.
    case answered
    /// It was cancelled (`cancelled`), an argument failed, its worker or node died too often, or it could not be queued or placed.
    case failed(MantaError)
}

extension TaskBook {
    /// What the owner process has to do.
    package enum Action {
        /// Ask the node for a lease; the same lease again while there is no answer.
        case requestLease(LeaseRequest, node: NodeAddress)
        /// Tell the node that the request is withdrawn.
        case cancelRequest(LeaseID, node: NodeAddress)
        /// Give the lease back: nothing runs under it.
        case returnLease(LeaseID, node: NodeAddress)
        /// Tell the node that the lease is still held.
        case confirmLease(LeaseID, node: NodeAddress)
        /// Send the task to the worker, behind what it was sent before under this lease.
        case send(TaskID, attempt: Int, LeaseID, worker: ProcessAddress, payload: Payload)
        /// Ask the worker to give back what it has not started under the lease; it answers with `tasksReturned`.
        case takeBack(LeaseID, worker: ProcessAddress)
        /// Ask the worker about these tasks: it names those that are not there, not begun or running (`tasksUnknown`). Answers it sent leave before.
        case inquire(LeaseID, tasks: [TaskID], worker: ProcessAddress)
        /// Tell the worker that nobody waits for the task any more. It must still report its end.
        case cancelRunning(TaskID, attempt: Int, LeaseID, worker: ProcessAddress)
        /// The task runs again, as this attempt: the one before failed for this reason, or, without a reason, with what its worker answered.
        case retried(TaskID, attempt: Int, MantaError?, payload: Payload)
        /// The task is over. Exactly once for each task that was submitted.
        case ended(TaskID, TaskEnd, payload: Payload)
    }
}
