// What goes into a TaskBook and what comes out of it.

package import MantaModel

/// Tasks of one shape may share leases: same job, program, resources and rule, and large arguments on the same node.
package struct TaskShape: Hashable, Sendable {
    package var job: JobID
    package var program: Program
    package var resources: Resources
    package var rule: PlacementRule
    /// The node that holds most of their large arguments, where leases are asked for first; nil when they have none.
    package var near: NodeAddress?
    /// What a node brings into its store before it serves them; empty when all of it is on the near one.
    package var arguments: [ArgumentLocation]
    /// Whether they are tried again when their worker dies.
    package var runsAgain: Bool
    /// The node where memory ran out under them: another one is preferred.
    package var avoiding: NodeID?
    /// How many of them one worker runs before it ends; nil is without limit.
    package var maxCalls: Int?
    package init(
        job: JobID, program: Program, resources: Resources, rule: PlacementRule = .standard, near: NodeAddress? = nil, arguments: [ArgumentLocation] = [],
        runsAgain: Bool = true, avoiding: NodeID? = nil, maxCalls: Int? = nil
    ) {
        (self.runsAgain, self.avoiding, self.maxCalls) = (runsAgain, avoiding, maxCalls)
        (self.job, self.program, self.resources, self.rule) = (job, program, resources, rule)
        (self.near, self.arguments) = (near, arguments)
    }

    /// The shape of such tasks with these large arguments, for an owner on the node `home`.
    package func taking(_ locations: [ArgumentLocation], home: NodeAddress) -> TaskShape {
        guard !locations.isEmpty else { return self }
        var shape = self
        // A rule of its own decides where it goes; which node that is, nobody knows yet.
        let placement = rule == .standard && resources.group == nil ? ArgumentPlacement(of: locations, home: home) : nil
        shape.near = placement?.node ?? home
        shape.arguments = placement?.missing.isEmpty == true ? [] : locations
        return shape
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
        /// Give the lease up: its worker cannot be reached, and what was sent to it may run, or never will. The node is to end that worker.
        case abandonLease(LeaseID, node: NodeAddress)
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
