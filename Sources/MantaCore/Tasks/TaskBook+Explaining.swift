// What a TaskBook tells people and other modules: the states of tasks, and why one waits.

internal import DequeModule
package import MantaModel

extension TaskBook {
    /// Where a task is; nil when it has ended or was never submitted.
    package func state(of task: TaskID) -> TaskState? {
        tasks[task].map { record in
            switch record.stage {
            case .waitingForArguments: .waitingForArguments
            case .waitingForLease, .resting: .waitingForLease
            case .running: .running
            }
        }
    }

    /// The attempt a task is in, from 1; nil when it has ended.
    package func attempt(of task: TaskID) -> Int? { tasks[task].map { Int($0.attempt) } }

    /// What the runtime keeps with a task; nil when it has ended.
    package func payload(of task: TaskID) -> Payload? { tasks[task]?.payload }

    /// The tasks whose payload is as asked, in no order. Looks at all of them.
    package func tasks(where isWanted: (Payload) -> Bool) -> [TaskID] { tasks.filter { isWanted($0.value.payload) }.map(\.key) }

    /// The worker and node a task was sent to; nil while it was not.
    package func place(of task: TaskID) -> (worker: ProcessAddress, node: NodeAddress)? {
        guard let record = tasks[task], record.stage == .running, let lease = leases[record.lease], let worker = lease.worker else { return nil }
        return (worker, lease.node)
    }

    /// The request for a lease that has waited longest for tasks of this shape, and the node it waits at; nil when the task waits for no lease.
    package func oldestRequest(of task: TaskID) -> (lease: LeaseID, node: NodeAddress)? {
        guard let record = tasks[task], record.stage == .waitingForLease else { return nil }
        for number in shapes[Int(record.shape)].leases {
            if let lease = leases[number], lease.worker == nil { return (id(of: number), lease.node) }
        }
        return nil
    }

    /// What the runtime keeps with the first of the tasks that wait for this lease; nil when none does.
    package func waiting(for lease: LeaseID) -> Payload? {
        guard let number = number(of: lease), let record = leases[number], record.worker == nil else { return nil }
        let shape = shapes[Int(record.shape)]
        return shape.queue.lazy.compactMap { tasks[$0] }.first { $0.stage == .waitingForLease }?.payload
    }

    /// One sentence about a task: where it is and what it waits for. Nil when it has ended.
    package func explain(_ task: TaskID) -> String? {
        guard let record = tasks[task] else { return nil }
        let shape = shapes[Int(record.shape)]
        switch record.stage {
        case .waitingForArguments: return "waits for \(record.missing) of its arguments"
        case .resting: return "rests before attempt \(record.attempt), because memory ran out under the one before"
        case .running: return "was sent to worker \(leases[record.lease]?.worker?.process.short ?? "?"), attempt \(record.attempt)"
        case .waitingForLease:
            let held = shape.leases.count - shape.requested
            let (demand, group) = (shape.key.resources.asAsked, shape.key.resources.group.map { " in placement group \($0.short)" } ?? "")
            return "waits with \(shape.waiting - 1) others for a worker with \(demand)\(group): \(held) leases held, \(shape.requested) requested"
        }
    }

    /// What the runtime keeps with tasks that wait for a lease: of each shape those that have waited longest, at most so many of all.
    package func longestWaiting(limit: Int) -> [Payload] {
        var found: [Payload] = []
        for shape in shapes where found.count < limit && shape.waiting > 0 {
            for task in shape.queue.prefix(limit - found.count) {
                if let record = tasks[task], record.stage == .waitingForLease { found.append(record.payload) }
            }
        }
        return found
    }

    /// Who runs what is sent under the lease; nil before it is granted and after its end.
    package func worker(of lease: LeaseID) -> ProcessID? { number(of: lease).flatMap { leases[$0]?.worker?.process } }

    /// Whether the end of the worker is the end of a lease. Looks at every lease.
    package func holdsLease(on worker: ProcessID) -> Bool { shapes.contains { $0.leases.contains { leases[$0]?.worker?.process == worker } } }

    /// How many tasks have not ended, by their states; states without any are left out.
    package var unfinished: [TaskState: Int] {
        let waiting = waitingTotal + resting.count
        return [.waitingForArguments: unready, .waitingForLease: waiting, .running: tasks.count - unready - waiting].filter { $0.value > 0 }
    }

    /// Tasks that have not ended, those of them that wait for a lease, leases granted and requested.
    package var counts: (tasks: Int, waiting: Int, granted: Int, requested: Int) {
        let requested = shapes.reduce(0) { $0 + $1.requested }
        return (tasks.count, waitingTotal, leases.count - requested, requested)
    }
}
