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

    /// Half a second's share.
    private static let tasksPerReport = Limits.taskRecordsPerSecond / 2
    private static let errorsPerReport = 100

    mutating func ended(
        _ submission: Submission, outcome: TaskOutcome, startedAt: WallTime, duration: UInt64, actor: ActorID?, node: NodeID?, worker: ProcessID?, attempt: Int
    ) {
        guard tasks.count < Self.tasksPerReport else { return dropped += 1 }
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

    /// The platform failed a task, or an argument of it did.
    mutating func failed(_ submission: Submission, error: any Error, actor: ActorID?) {
        guard tasks.count < Self.tasksPerReport else { return dropped += 1 }
        tasks.append(
            TaskRow(
                id: submission.task, job: submission.job, function: submission.function, state: .failed, actor: actor, parent: submission.parent, attempt: 1,
                submittedAt: submission.submittedAt, endedAt: .now, error: String(describing: error)))
    }

    /// A task that is still under way, as it is now.
    mutating func present(_ row: TaskRow) {
        guard tasks.count < Self.tasksPerReport else { return dropped += 1 }
        tasks.append(row)
    }

    mutating func error(_ row: ErrorRow) {
        if errors.count < Self.errorsPerReport { errors.append(row) }
    }

    mutating func send(on link: Link) {
        if !tasks.isEmpty || dropped > 0 { link.send(ReportTasks(tasks: tasks, dropped: dropped)) }
        if !errors.isEmpty { link.send(ReportErrors(errors: errors)) }
        (tasks, errors, dropped) = ([], [], 0)
    }
}

extension Owner {
    func sendReports() { reports.send(on: headLink) }
}

extension Runtime {
    /// Reports an error for people to see, from any thread.
    package func report(_ error: ErrorRow) {
        loop.execute { self.owner.reports.error(error) }
    }
}
