// The owners of a simulation: drivers and workers that submit tasks, and what they learn of them.

import MantaCore
import MantaModel

extension Simulation {
    /// Tells an owner's book an event and carries its actions out.
    func onOwner(_ number: Int, _ event: (inout TaskBook, Instant, (TaskBook.Action) -> Void) -> Void) {
        var actions: [TaskBook.Action] = []
        event(&processes[number].book, now) { actions.append($0) }
        for action in actions { carryOut(action, of: number) }
    }

    /// Submits a task of this process; `missing` counts arguments that come later.
    @discardableResult
    func submit(_ plan: TaskPlan, by number: Int, parent: RunKey? = nil, missing: Int = 0) -> TaskID {
        processes[number].lastTask += 1
        let task = TaskID(high: processes[number].address.process.high, low: processes[number].lastTask)
        ledger.submitted(task, by: number)
        if let parent { processes[number].parents[task] = parent }
        let shape = TaskShape(job: Self.job, program: Self.program, resources: plan.resources)
        onOwner(number) {
            $0.submitted(
                task, shape: shape, function: plan.function, missingArguments: missing, retries: plan.retries, payload: plan, at: $1, perform: $2)
        }
        return task
    }

    private func carryOut(_ action: TaskBook.Action, of number: Int) {
        let party = Party.process(number)
        switch action {
        case .requestLease(let request, let node): send(.requestLease(request), from: party, to: node)
        case .cancelRequest(let lease, let node): send(.cancelRequest(lease), from: party, to: node)
        case .returnLease(let lease, let node), .abandonLease(let lease, let node): send(.returnLease(lease), from: party, to: node)
        case .confirmLease(let lease, let node): send(.confirmLease(lease, processes[number].address), from: party, to: node)
        case .send(let task, let attempt, let lease, let worker, let payload):
            send(.run(task, attempt: attempt, lease, unsafeDowncast(payload, to: TaskPlan.self)), from: party, to: worker)
        case .takeBack(let lease, let worker): send(.takeBack(lease), from: party, to: worker)
        case .inquire(let lease, let tasks, let worker): send(.inquire(lease, tasks), from: party, to: worker)
        case .cancelRunning(let task, let attempt, let lease, let worker):
            send(.cancel(task, attempt: attempt, lease), from: party, to: worker)
        case .retried: break
        case .ended(let task, let end, _): taskEnded(task, end, number)
        }
    }

    private func taskEnded(_ task: TaskID, _ end: TaskEnd, _ number: Int) {
        ledger.ended(task)
        var error: MantaError?
        switch end {
        case .answered: answered += 1
        case .failed(let why):
            error = why
            failed += 1
            if !mayFail(why) { failure = failure ?? "task \(name(task)) of p\(number) failed without a fault: \(why)" }
        }
        for dependent in processes[number].dependents.removeValue(forKey: task) ?? [] {
            if error != nil {
                onOwner(number) { $0.argumentFailed(dependent, MantaError(.objectLost, "its argument failed"), at: $1, perform: $2) }
            } else {
                onOwner(number) { $0.argumentReady(dependent, at: $1, perform: $2) }
            }
        }
        if let parent = processes[number].parents.removeValue(forKey: task) { childEnded(number, parent) }
    }

    /// Whether what was injected can explain the error.
    private func mayFail(_ error: MantaError) -> Bool {
        switch error.code {
        case .cancelled, .objectLost: true
        case .placementGroupRemoved: configuration.groups > 0
        case .workerCrashed: faults.crashPeriod != nil || faults.losesNode || faults.losesDriver
        case .nodeDied: faults.losesNode || faults.restartsHead
        case .unavailable: faults.loss > 0 || faults.startFailures > 0 || faults.reorders
        default: false
        }
    }

    // MARK: Drivers

    func submitNext(_ driver: Int) {
        guard processes[driver].isAlive, !plans[driver].isEmpty else { return }
        for _ in 0..<min(plans[driver].count, random.pick(1..<10)) {
            let plan = plans[driver].removeLast()
            // Some want the results of earlier tasks that have not ended.
            let earlier = processes[driver].lastTask
            var wanted: [TaskID] = []
            if earlier > 0, random.chance(0.3) {
                let task = TaskID(high: processes[driver].address.process.high, low: UInt64(random.pick(1...Int64(earlier))))
                if processes[driver].book.state(of: task) != nil { wanted.append(task) }
            }
            let submitted = submit(plan, by: driver, missing: wanted.count)
            for task in wanted { processes[driver].dependents[task, default: []].append(submitted) }
        }
        if random.chance(0.1) { timeline.add(.cancelSome(driver: driver), at: soon(.milliseconds(100))) }
        timeline.add(.submit(driver: driver), at: soon(random.chance(0.8) ? .milliseconds(5) : .seconds(1)))
    }

    func cancelSome(_ driver: Int) {
        guard processes[driver].isAlive else { return }
        let low = UInt64(random.pick(1...Int64(max(1, processes[driver].lastTask))))
        onOwner(driver) { [high = processes[driver].address.process.high] in $0.cancel(TaskID(high: high, low: low), at: $1, perform: $2) }
    }
}
