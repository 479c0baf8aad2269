// TaskReports: records of ended tasks and of errors, on their way to the head for people to see.
//
// Never on the hot path: a record is appended to an array; twice a second the arrays leave in one message. What exceeds the limits is counted.

import MantaLoop
package import MantaModel
import MantaTransport
import MantaWire

struct TaskReports {
    private var tasks: [TaskRow] = []
    private var errors: [ErrorRow] = []
    private var dropped = 0
    /// Tasks that were sent since the last report: those that have not ended when the next one leaves are told as running, once.
    private var sent: [(submission: Submission, sentAt: WallTime, attempt: Int, actor: ActorID?, worker: ProcessID?)] = []

    /// Half a second's share.
    private static let tasksPerReport = Limits.taskRecordsPerSecond / 2
    private static let errorsPerReport = 100

    /// A task or call was sent to its worker.
    mutating func sent(_ submission: Submission, attempt: Int, actor: ActorID?, worker: ProcessID? = nil) {
        submission.hasEnded = false
        if sent.count < Self.tasksPerReport { sent.append((submission, .now, attempt, actor, worker)) }
    }

    /// Notes an end. That of a task which was told as running is told too, whatever else is: it would run for ever in the eyes of people.
    private mutating func hasRoom(forEndOf submission: Submission) -> Bool {
        defer { (submission.hasEnded, submission.isToldAsRunning) = (true, false) }
        return tasks.count < Self.tasksPerReport || submission.isToldAsRunning
    }

    /// The last sending of one that is sent no more.
    private mutating func takeSent(_ submission: Submission) -> (sentAt: WallTime, attempt: Int, worker: ProcessID?)? {
        guard let index = sent.lastIndex(where: { $0.submission === submission }) else { return nil }
        let taken = sent.remove(at: index)
        return (taken.sentAt, taken.attempt, taken.worker)
    }

    mutating func ended(
        _ submission: Submission, outcome: TaskOutcome, startedAt: WallTime, duration: UInt64, actor: ActorID?, node: NodeID?, worker: ProcessID?, attempt: Int
    ) {
        guard hasRoom(forEndOf: submission) else { return dropped += 1 }
        let (state, error): (TaskState, String?) =
            switch outcome {
            case .values: (.finished, nil)
            case .thrown(let bytes): (.failed, String(describing: ThrownError.decoded(bytes)))
            case .failed(let error): (error.code == .cancelled ? .cancelled : .failed, error.description)
            }
        tasks.append(
            TaskRow(
                id: submission.task, job: submission.job, function: submission.function, state: state, actor: actor, node: node, worker: worker,
                parent: submission.parent, attempt: attempt, submittedAt: submission.submittedAt, startedAt: startedAt,
                endedAt: WallTime(milliseconds: startedAt.milliseconds + Int64(duration / 1_000_000)), error: error))
    }

    /// A task or call runs again as this attempt: the one before failed for the reason, or with the answer.
    mutating func retried(_ submission: Submission, attempt: Int, reason: MantaError?, answer: TaskDone?, actor: ActorID?) {
        let sent = takeSent(submission)
        let text: String =
            switch answer?.outcome {
            case .thrown(let bytes) where reason == nil: String(describing: ThrownError.decoded(bytes))
            case .failed(let error) where reason == nil: error.description
            default: reason?.description ?? "it was lost"
            }
        if tasks.count < Self.tasksPerReport {
            tasks.append(
                TaskRow(
                    id: submission.task, job: submission.job, function: submission.function, state: .failed, actor: actor, worker: sent?.worker,
                    parent: submission.parent, attempt: attempt - 1, submittedAt: submission.submittedAt, startedAt: sent?.sentAt, endedAt: .now, error: text))
            tasks.append(
                TaskRow(
                    id: submission.task, job: submission.job, function: submission.function, state: .waitingForLease, actor: actor, parent: submission.parent,
                    attempt: attempt, submittedAt: submission.submittedAt))
        } else {
            dropped += 1
        }
        error(
            ErrorRow(
                at: .now, code: (reason?.code ?? .taskFailed).rawValue,
                message: "attempt \(attempt - 1) of \(submission.function) failed and it runs again: \(text)", source: actor == nil ? "task" : "actor",
                job: submission.job, task: submission.task, actor: actor))
    }

    /// The platform failed a task, or an argument of it did.
    mutating func failed(_ submission: Submission, error: any Error, actor: ActorID?, attempt: Int = 1) {
        guard hasRoom(forEndOf: submission) else { return dropped += 1 }
        let sent = takeSent(submission)
        tasks.append(
            TaskRow(
                id: submission.task, job: submission.job, function: submission.function,
                state: (error as? MantaError)?.code == .cancelled ? .cancelled : .failed, actor: actor, worker: sent?.worker, parent: submission.parent,
                attempt: sent?.attempt ?? attempt, submittedAt: submission.submittedAt, endedAt: .now, error: String(describing: error)))
    }

    mutating func error(_ row: ErrorRow) {
        if errors.count < Self.errorsPerReport { errors.append(row) }
    }

    mutating func send(on link: Link) {
        let (tasks, errors) = take()
        if let tasks { link.send(tasks) }
        if let errors { link.send(errors) }
    }

    /// What there is to tell since the last time.
    mutating func take() -> (tasks: ReportTasks?, errors: ReportErrors?) {
        for (submission, sentAt, attempt, actor, worker) in sent where !submission.hasEnded {
            submission.isToldAsRunning = true
            tasks.append(
                TaskRow(
                    id: submission.task, job: submission.job, function: submission.function, state: .running, actor: actor, worker: worker, parent: submission.parent,
                    attempt: attempt, submittedAt: submission.submittedAt, startedAt: sentAt))
        }
        sent.removeAll(keepingCapacity: true)
        defer { (tasks, errors, dropped) = ([], [], 0) }
        return (
            tasks.isEmpty && dropped == 0 ? nil : ReportTasks(tasks: tasks, dropped: dropped), errors.isEmpty ? nil : ReportErrors(errors: errors)
        )
    }
}

extension Owner {
    func sendReports() { reports.send(on: headLink) }
}

extension Runtime {
    /// What this process has to tell of tasks and errors is on its way to the head when this returns, before whatever it asks next.
    package func flushReports() async {
        try? await onLoop { owner in
            owner.carryOutInbox()
            owner.sendReports()
        }
    }

    /// Reports an error for people to see, from any thread.
    package func report(_ error: ErrorRow) {
        loop.execute { self.owner.reports.error(error) }
    }
}
