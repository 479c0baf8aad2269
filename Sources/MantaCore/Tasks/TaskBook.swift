// TaskBook: the tasks that one process submitted, from submission to their end, and the leases it holds for them.
//
// Life of a task: 1. waitingForArguments 2. waitingForLease: in the queue of its shape 3. running: sent to a worker 4. ended.
// From 3 it goes back to 2 when its worker dies, forgets it, or gives it back unstarted.
// Life of a lease: 1. requested (perhaps moved to another node) 2. granted: busy or idle 3. returned, lost or withdrawn.
//
// Always holds:
// - Each submitted task ends exactly once, with one `ended` action. An answer to an ended task or to an earlier attempt changes nothing.
// - On a lease so much estimated work is in flight as `Limits.workInFlight`, at most `Limits.tasksInFlight` tasks; one while nothing is known
//   of a function's run time, and behind such a one nothing. A longer task is sent ahead, up to `Limits.longestTaskAhead` and one alone, while more
//   wait than there are leases: the worker goes on without a pause, and the last tasks still go to whoever is free first.
// - A task whose worker died while it ran counts an attempt; one that was sent but had not begun does not. Only the first in flight had begun.
//   When the worker was killed for the sake of other work in it, the task is allowed one attempt more.
// - A lease that the node asked back gets no more tasks and is returned when what is in flight has ended.
// - Messages may be lost: requests are repeated, leases confirmed, silent workers asked. They may come twice or late: all is idempotent.
//
// Every method takes an event and hands actions to `perform`, which must not call the book. Call `tick` every `Limits.tickPeriod`.

internal import DequeModule
package import MantaModel

/// The tasks of one owner.
package struct TaskBook {
    /// What the runtime keeps with a task and gets back with `send` and `ended`. A plain reference, not a generic parameter: the book lives in
    /// another module than its users, where generic code would run unspecialized on the hottest path there is.
    package typealias Payload = any AnyObject & Sendable

    package let owner: ProcessAddress
    /// The node of this process: leases are asked for there first.
    package private(set) var home: NodeAddress
    /// Whether this process ends with its node, as workers do; a driver goes on with another one.
    package let endsWithHome: Bool
    /// CPUs of all nodes together, when known: it bounds the requests and the idle leases of a shape.
    package var clusterCPUs: Int?

    var tasks: [TaskID: Record] = [:]
    /// Those in `freeShapes` stand for nothing.
    var shapes: [Shape] = []
    var freeShapes: [Int32] = []
    var shapeIndex: [TaskShape: Int32] = [:]
    /// The shape of the latest submission: most have the same, and comparing is cheaper than hashing.
    var lastShape: (key: TaskShape, index: Int32)?
    /// By number: the low half of a lease's identifier; the high half is the owner's.
    var leases = LeaseTable()
    var lastLease: UInt64 = 0
    /// The leases of tasks that were cancelled while they ran: their places are free only when their ends are reported.
    var cancelled: [TaskID: UInt64] = [:]
    /// Where the latest of the leases that are gone were, if not at home: their returns may be lost.
    var movedTo = Remembered<UInt64, NodeAddress>(limit: Limits.rememberedLeases)
    /// Nodes that are lost: nothing is asked for there.
    var lostNodes = Remembered<NodeID, Bool>(limit: Limits.rememberedProcesses)
    /// Moving averages of run times by function, in nanoseconds.
    var estimates: [UInt64: Int64] = [:]
    var waitingTotal = 0
    /// Tasks whose arguments are not all there.
    var unready = 0
    /// How often a task is tried again after memory ran out under it, -1 without end; its other retries are not touched by that.
    package var memoryRetries = Limits.memoryRetries
    /// How often memory ran out under tasks that have not ended.
    var memoryDeaths: [TaskID: Int] = [:]
    /// Tasks that run again only then.
    var resting: [TaskID: Instant] = [:]

    package init(owner: ProcessAddress, home: NodeAddress, endsWithHome: Bool = true, clusterCPUs: Int? = nil) {
        (self.owner, self.home, self.endsWithHome, self.clusterCPUs) = (owner, home, endsWithHome, clusterCPUs)
    }

    /// The process's node is lost, and another one serves it from now on.
    package mutating func rehomed(to node: NodeAddress, at now: Instant, perform: (Action) -> Void) {
        let lost = home
        home = node
        nodeLost(lost.node, at: now, perform: perform)
    }

    // MARK: Tasks

    /// A task was submitted. `function` tells functions with different run times apart; `missingArguments` is how many `argumentReady` must come
    /// before it may run; `retries` is how often it may run again after a crash, -1 without end. A full book ends it with `overloaded`.
    package mutating func submitted(
        _ task: TaskID, shape key: TaskShape, function: UInt64, missingArguments: Int = 0, retries: Int = Limits.taskRetries, payload: Payload,
        at now: Instant, perform: (Action) -> Void
    ) {
        guard tasks.count < Limits.queuedTasks else {
            let message = "\(tasks.count) tasks of this process have not ended, its limit; await some before submitting more"
            return perform(.ended(task, .failed(MantaError(.overloaded, message)), payload: payload))
        }
        let shape = index(of: key)
        let record = Record(
            payload: payload, function: function, shape: shape, missing: Int32(missingArguments), retries: Int32(clamping: retries),
            stage: missingArguments > 0 ? .waitingForArguments : .waitingForLease)
        let previous = tasks.updateValue(record, forKey: task)
        precondition(previous == nil, "a task is submitted once")
        shapes[Int(shape)].tasks += 1
        guard missingArguments <= 0 else { return unready += 1 }
        enqueue(task, in: shape)
        dispatch(shape, at: now, perform)
    }

    /// One more argument of the task is there. With the last one `shaped` says what shape they give it.
    package mutating func argumentReady(
        _ task: TaskID, at now: Instant, shaped: (TaskShape, Payload) -> TaskShape = { shape, _ in shape }, perform: (Action) -> Void
    ) {
        guard let record = tasks[task], record.stage == .waitingForArguments else { return }
        tasks[task]!.missing -= 1
        guard record.missing == 1 else { return }
        tasks[task]!.stage = .waitingForLease
        unready -= 1
        let shape = reshape(task, to: shaped(shapes[Int(record.shape)].key, record.payload))
        enqueue(task, in: shape)
        dispatch(shape, at: now, perform)
    }

    /// An argument will never be there: the task ends with its error.
    package mutating func argumentFailed(_ task: TaskID, _ error: MantaError, at now: Instant, perform: (Action) -> Void) {
        end(task, .failed(error), at: now, perform)
    }

    /// Nobody wants the task any more, or its time is over. It ends at once, with the error or `cancelled`; a worker that has it is told.
    package mutating func cancel(_ task: TaskID, because error: MantaError? = nil, at now: Instant, perform: (Action) -> Void) {
        guard let record = tasks[task] else {
            // Cancelled before, but its worker has not let go of it: it is told again, perhaps with more force.
            if let number = cancelled[task], let lease = leases[number], let worker = lease.worker,
                let flight = lease.inFlight.first(where: { $0.task == task })
            {
                perform(.cancelRunning(task, attempt: Int(flight.attempt), id(of: number), worker: worker))
            }
            return
        }
        if record.stage == .running, let worker = leases[record.lease]?.worker {
            cancelled[task] = record.lease
            perform(.cancelRunning(task, attempt: Int(record.attempt), id(of: record.lease), worker: worker))
        }
        end(task, .failed(error ?? MantaError(.cancelled, "task \(task) was cancelled")), at: now, perform)
    }

    /// The process gives up: every task ends with the error, every lease goes back.
    package mutating func endAll(_ error: MantaError, at now: Instant, perform: (Action) -> Void) {
        for task in tasks.keys.sorted() { end(task, .failed(error), at: now, perform) }
        for shape in shapes {
            for number in shape.leases {
                guard let lease = forget(number) else { continue }
                perform(.returnLease(id(of: number), node: lease.node))
            }
        }
    }

    /// The worker answered: with results, or with what user code threw. `duration` is how long the function ran; zero says nothing. With `mayRetry` it
    /// is an error on which the task is to run again, as long as it has retries. The `ended` or `retried` action tells whether the answer counts.
    package mutating func taskDone(
        _ task: TaskID, attempt: Int, duration: Duration, mayRetry: Bool = false, at now: Instant, perform: (Action) -> Void
    ) {
        let number: UInt64
        if let record = tasks[task] {
            guard Int(record.attempt) == attempt else { return landGivenUp(task, attempt, at: now, perform) }
            learn(record, duration.inNanoseconds)
            number = record.lease
            land(task, on: number, at: now)
            if mayRetry, record.hasRetry {
                requeue(task, attempt: record.attempt, counting: true)
                perform(.retried(task, attempt: attempt + 1, nil, payload: record.payload))
            } else {
                end(task, .answered, at: now, perform)
            }
        } else if let lease = cancelled.removeValue(forKey: task) {
            number = lease
            land(task, on: number, at: now)
        } else {
            return
        }
        refill(number, at: now, perform)
    }

    /// What the running attempt of a task made is lost: it is given up, and the task runs again. False when it does not run, or has no retry left.
    package mutating func runAgain(_ task: TaskID, because error: MantaError, at now: Instant, perform: (Action) -> Void) -> Bool {
        guard let record = tasks[task], record.stage == .running, record.hasRetry, let worker = leases[record.lease]?.worker else { return false }
        cancelled[task] = record.lease
        perform(.cancelRunning(task, attempt: Int(record.attempt), id(of: record.lease), worker: worker))
        requeue(task, attempt: record.attempt, counting: true)
        perform(.retried(task, attempt: Int(record.attempt) + 1, error, payload: record.payload))
        dispatch(record.shape, at: now, perform)
        return true
    }

    /// An attempt that was given up has ended: its place on its lease is free.
    private mutating func landGivenUp(_ task: TaskID, _ attempt: Int, at now: Instant, _ perform: (Action) -> Void) {
        guard let number = cancelled[task], let flight = leases[number]?.inFlight.first(where: { $0.task == task }), flight.attempt == attempt else { return }
        cancelled[task] = nil
        land(task, on: number, at: now)
        refill(number, at: now, perform)
    }

    /// The worker gives back tasks that it had not started: because the running one awaits something, or because it was asked to.
    package mutating func tasksReturned(_ returned: [TaskID], lease: LeaseID, at now: Instant, perform: (Action) -> Void) {
        guard let number = number(of: lease), let shape = leases[number]?.shape else { return }
        for task in returned.reversed() {
            guard let flight = removeInFlight(task, from: number) else { continue }
            requeue(task, attempt: flight.attempt)
        }
        leases[number]!.isTakingBack = false
        // What it still has is in front: an awaiting or long task, or, when nothing is known to be in flight, an attempt that was given up.
        leases[number]!.isClosed = true
        close(number, in: shape)
        if leases[number]!.inFlight.isEmpty {
            leases[number]!.since = now
            if leases[number]!.isReclaimed { giveBack(number, perform) }
        }
        dispatch(shape, at: now, perform)
    }

    /// The worker was asked and does not know these tasks: they, or the answers to them, were lost. Each counts an attempt, since it may have run.
    package mutating func tasksUnknown(_ unknown: [TaskID], lease: LeaseID, at now: Instant, perform: (Action) -> Void) {
        guard let number = number(of: lease), let shape = leases[number]?.shape, leases[number]!.isInquired else { return }
        leases[number]!.isInquired = false
        for task in unknown.reversed() {
            guard let flight = removeInFlight(task, from: number) else { continue }
            let reason = "task \(task.short), or the answer to it, was lost on its way"
            retry(task, attempt: flight.attempt, at: now, perform) { count in
                MantaError(.unavailable, count == nil ? reason : "\(reason) \(count!) times; submit it again, or allow more retries")
            }
        }
        refill(number, at: now, perform)
        dispatch(shape, at: now, perform)
    }
}
