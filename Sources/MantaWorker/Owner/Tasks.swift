// Tasks of this process: from submission, through the book that decides, to the workers and back.
//
// The book is told every event and its actions are carried out at once; what follows from an action (a link that cannot be made, results settled) comes
// back as a new event, never from within the book.

import DequeModule
import MantaCore
import MantaLoop
import MantaModel
import MantaTransport
import MantaWire

extension Owner {
    // MARK: Events

    func submit(_ submission: Submission) {
        guard case .function(let options) = submission.target else { preconditionFailure("a task is a function") }
        guard tasks != nil else {
            if let homeless { fail(submission, homeless) } else { early.append(submission) }
            return
        }
        becomeKnown()
        for handle in submission.results where handle.isKept { objects.created(handle.id, source: submission.title, at: loop.now) }
        let task = submission.task
        guard watchDeadline(of: submission) else { return }
        let missing = submission.arguments.isEmpty ? 0 : pinAndAwaitArguments(of: submission)
        if missing == 0, let error = failure(of: submission.arguments) {
            release(submission)
            fail(submission, error)
            return reports.failed(submission, error: error, actor: nil)
        }
        var shape = shape(of: options, job: submission.job)
        if missing > 0 {
            if unready.count < Limits.unreadyTasks { unready.append((task, loop.now)) }
        } else if !submission.arguments.isEmpty {
            shape = self.shape(shape, of: submission)
        }
        tasks!.submitted(
            task, shape: shape, function: number(of: submission.function), missingArguments: missing, retries: options.retries, payload: submission,
            at: loop.now, perform: perform)
    }

    /// Pins the arguments of a task or call; returns how many are not there yet, each of which will be told.
    func pinAndAwaitArguments(of submission: Submission) -> Int {
        let task = submission.task
        submission.pins += pin(&submission.arguments, by: task)
        return missingArguments(submission.arguments, settled: { [runtime = runtime!] in runtime.post(.argumentSettled(task)) })
    }

    /// The shape that a task has by its options; most have those of the one before.
    private func shape(of options: TaskOptions, job: JobID) -> TaskShape {
        if let usualShape, usualShape.options === options, usualShape.shape.job == job { return usualShape.shape }
        let shape = TaskShape(
            job: job, program: runtime.configuration.program,
            resources: options.scheduling?.group?.demand(for: options.resources) ?? options.resources, rule: options.scheduling?.rule ?? .standard,
            runsAgain: options.retries != 0, maxCalls: options.maxCalls)
        usualShape = (options, shape)
        return shape
    }

    /// An argument is there, or failed.
    func argumentSettled(_ task: TaskID) {
        if let target = calls[task] { return callArgumentSettled(task, of: target) }
        tasks?.argumentReady(task, at: loop.now, shaped: { [self] in shape($0, of: submission($1)) }, perform: perform)
    }

    func taskDone(_ done: TaskDone, on link: Link) {
        (answeringWorker, answeringPid) = (link.peerProcess, link.peerPid)
        defer { leaveUntaken(done) }
        if callDone(done) { return }
        var mayRetry = false
        if case .values = done.outcome {} else { mayRetry = tasks?.payload(of: done.task).map { submission($0).mayRetry(on: done.outcome) } ?? false }
        ending = done
        tasks?.taskDone(
            done.task, attempt: Int(done.attempt), duration: .nanoseconds(Int64(clamping: done.duration)), mayRetry: mayRetry, at: loop.now, perform: perform)
        ending = nil
    }

    func tasksReturned(_ message: TasksReturned) {
        tasks?.tasksReturned(message.tasks, lease: message.lease, at: loop.now, perform: perform)
    }

    func tasksUnknown(_ message: TasksUnknown) {
        tasks?.tasksUnknown(message.tasks, lease: message.lease, at: loop.now, perform: perform)
    }

    func leaseAnswer(_ answer: LeaseAnswer) {
        switch answer.decision {
        case .granted(let worker, let node, let gpus):
            if let gpus { leaseGPUs[answer.lease] = (node, gpus) }
            places.granted(answer.lease, worker: worker.process, on: node, home: home?.node)
            tasks?.leaseGranted(answer.lease, worker: worker, at: loop.now, perform: perform)
        case .move(let node, let endpoint, let reason):
            let node = NodeAddress(node: node, endpoint: endpoint)
            if let reason { places.moved(answer.lease, because: reason) }
            tasks?.leaseMoved(
                answer.lease, to: node, at: loop.now, carrying: { [self] in locations(of: submission($0).arguments) }, perform: perform)
        case .refused(let error):
            places.forget(answer.lease)
            tasks?.leaseRefused(answer.lease, error, at: loop.now, perform: perform)
        }
    }

    func reclaim(_ message: ReclaimLease) { tasks?.reclaim(message.lease, at: loop.now, perform: perform) }

    func leaseLost(_ message: LeaseLost) {
        leaseGPUs[message.lease] = nil
        let worker = tasks?.worker(of: message.lease)
        tasks?.leaseLost(message.lease, message.cause, at: loop.now, perform: perform)
        // What else was asked of it is not answered any more.
        if let worker { transport.lookAgain(for: worker) }
    }

    /// The node tells how a worker of its machine ended, before anything is concluded from its silence.
    func waitsForWord(of link: Link) -> Bool {
        guard let process = workerLinks.first(where: { $0.value === link })?.key else { return false }
        return tasks?.holdsLease(on: process) ?? false
    }

    func workerLinkClosed(_ link: Link, _ error: MantaError) {
        if let (process, _) = workerLinks.first(where: { $0.value === link }) {
            workerLinks[process] = nil
            places.forget(process)
            let cause = DeathCause(.exited, "worker \(process.short) cannot be reached: \(error.message)")
            tasks?.workerLost(process, cause, at: loop.now, perform: perform)
        }
        if let (node, _) = nodeLinks.first(where: { $0.value === link }) { nodeLost(node) }
    }

    /// The link to a node is gone, or the head has given the node up. A worker goes on without its own: it ends with the node's process.
    func nodeLost(_ node: NodeID) {
        if runtime.configuration.role != .driver, node == runtime.node { return }
        let link = nodeLinks.removeValue(forKey: node)
        objects.nodeLost(node)
        leaseGPUs = leaseGPUs.filter { $0.value.node != node }
        if let link, link === nodeLink, let job { return findHome(instead: node, job, until: loop.now + Limits.homeSearch) }
        tasks?.nodeLost(node, at: loop.now, perform: perform)
    }

    /// A driver outlives its node when another one serves its machine: the head, which may hear of the loss later, is asked until it names one.
    private func findHome(instead lost: NodeID, _ job: JobDescription, until deadline: Instant) {
        headLink.request(RegisterJob(job: job), deadline: Limits.homeSearch) { [self] result in
            guard self.job != nil else { return }  // the session has ended
            if let node = (try? result.get())?.node, node.id != lost {
                runtime.setNode(node)
                return joined(node, job: job)
            }
            guard loop.now < deadline else {
                let error = MantaError(.nodeDied, "node \(lost.short) of this program is gone and no other node of this machine has taken its place; start one, then the program again")
                homeless = error
                return failTasks(error)
            }
            _ = loop.schedule(after: .milliseconds(100)) { [self] in
                if self.job != nil { findHome(instead: lost, job, until: deadline) }
            }
        }
    }

    func tickTasks() {
        tasks?.tick(at: loop.now, perform: perform)
        sendRoutineMessages()
    }

    func giveBackIdleLeases() { tasks?.giveBackIdle(perform) }

    /// Ends every task with the error; the book and its leases are given up.
    func failTasks(_ error: MantaError) {
        tasks?.endAll(error, at: loop.now, perform: perform)
        for submission in early { fail(submission, error) }
        (early, tasks) = ([], nil)
    }

    // MARK: Actions

    func perform(_ action: TaskBook.Action) {
        switch action {
        case .requestLease(let request, let node):
            noteUse(of: node)
            link(to: node).send(
                RequestLease(
                    lease: request.lease, owner: request.owner, job: request.job, program: request.program, resources: request.resources,
                    mayMove: request.mayMove, rule: request.rule == .standard ? nil : request.rule, home: request.home,
                    arguments: request.arguments.isEmpty ? nil : request.arguments, runsOnce: request.runsAgain ? nil : true, avoiding: request.avoiding,
                    endsWorker: request.endsWorker ? true : nil))
        case .cancelRequest(let lease, let node):
            places.forget(lease)
            link(to: node).send(CancelLease(lease: lease))
        case .returnLease(let lease, let node):
            leaseGPUs[lease] = nil
            link(to: node).send(ReturnLease(lease: lease))
        case .abandonLease(let lease, let node):
            leaseGPUs[lease] = nil
            link(to: node).send(ReturnLease(lease: lease, endsWorker: true))
        case .confirmLease(let lease, let node): routine.confirmations[node, default: []].append(lease)
        case .send(_, let attempt, let lease, let worker, let payload): send(submission(payload), attempt, lease, worker)
        case .takeBack(let lease, let worker): link(to: worker).send(TakeBackTasks(lease: lease))
        case .inquire(let lease, let tasks, let worker): routine.inquiries[worker, default: []].append(InquireTasks.Inquiry(lease: lease, tasks: tasks))
        case .cancelRunning(let task, _, _, let worker):
            link(to: worker).send(CancelTask(task: task, isRecursive: cancellation.isRecursive, isForced: cancellation.isForced))
        case .retried(_, let attempt, let reason, let payload): reports.retried(submission(payload), attempt: attempt, reason: reason, answer: ending, actor: nil)
        case .ended(let task, let end, let payload): ended(task, end, submission(payload))
        }
    }

    private func send(_ submission: Submission, _ attempt: Int, _ lease: LeaseID, _ worker: ProcessAddress) {
        if let error = failure(of: submission.arguments) {
            // The task must leave the book as one that ended; not from within it.
            return loop.later { [self] in
                let failure = (error as? MantaError) ?? MantaError(.taskFailed, "an argument failed", cause: error)
                argumentErrors[submission.task] = error
                let done = TaskDone(task: submission.task, attempt: UInt32(attempt), outcome: .failed(failure), startedAt: .now, duration: 0)
                taskDone(done, on: link(to: worker))
            }
        }
        let runner = link(to: worker)
        reports.sent(submission, attempt: attempt, actor: nil, worker: worker.process, pid: runner.peerPid)
        runner.send(
            RunTask(
                task: submission.task, lease: lease, job: submission.job, parent: submission.parent, function: submission.function,
                attempt: UInt32(attempt), resultCount: UInt32(submission.results.count), arguments: payloads(of: submission),
                timeLeft: timeLeft(of: submission), group: submission.capturedGroup, resources: resources(of: submission), gpus: leaseGPUs.isEmpty ? nil : leaseGPUs[lease]?.names,
                name: submission.name))
    }

    /// What a worker is told of a task's resources: nothing when they are the usual ones.
    private func resources(of submission: Submission) -> Resources? {
        guard case .function(let options) = submission.target, options.resources != Resources.oneCPU else { return nil }
        return options.resources
    }

    private func ended(_ task: TaskID, _ end: TaskEnd, _ submission: Submission) {
        // When its results are settled it may be remembered, with what it was given.
        defer { release(submission) }
        switch (end, ending) {
        case (.answered, let done?):
            if let error = argumentErrors.removeValue(forKey: task) {
                fail(submission, error)
            } else {
                settle(submission, with: done)
            }
            reports.ended(
                submission, outcome: done.outcome, startedAt: done.startedAt, duration: done.duration, actor: nil, at: placeOfAnswer(), attempt: Int(done.attempt))
        case (.answered, nil): preconditionFailure("a task is answered by a message")
        case (.failed(let error), _):
            fail(submission, error)
            reports.failed(submission, error: error, actor: nil)
        }
    }

    /// A task or actor of this process waits for what no node of the cluster has: people are told, here and in the list of errors.
    func demandIsInfeasible(_ message: DemandInfeasible) {
        let waiting = message.lease.flatMap { tasks?.waiting(for: $0) }.map(submission)
        guard let what = waiting?.title ?? message.actor.map({ "actor \($0.short)\(actors[$0]?.specification.map { " (\($0.type))" } ?? "")" }) else { return }
        let text = "\(what) waits and cannot run: \(message.reason)"
        console.warning(text, from: address.process, at: loop.now)
        reports.error(
            ErrorRow(
                at: .now, code: MantaError.Code.unschedulable.rawValue, message: text, source: message.actor == nil ? "task" : "actor", job: job?.id ?? waiting?.job,
                task: waiting?.task, actor: message.actor))
    }

    // MARK: Links

    func link(to node: NodeAddress) -> Link {
        if let link = nodeLinks[node.node] { return link }
        let link = transport.connect(to: node.endpoint)
        nodeLinks[node.node] = link
        return link
    }

    func link(to worker: ProcessAddress) -> Link {
        if let link = workerLinks[worker.process] { return link }
        let link = transport.connect(to: worker)
        workerLinks[worker.process] = link
        return link
    }

    /// The number under which the book learns a function's run time.
    private func number(of function: String) -> UInt64 {
        if let latestFunction, latestFunction.name == function { return latestFunction.number }
        let number = functionNumbers[function] ?? UInt64(functionNumbers.count)
        functionNumbers[function] = number
        latestFunction = (function, number)
        return number
    }

    func submission(_ payload: any AnyObject & Sendable) -> Submission { unsafeDowncast(payload, to: Submission.self) }
}
