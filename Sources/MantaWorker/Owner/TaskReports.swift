// TaskReports: records of ended tasks and of errors, on their way to the head for people to see.
//
// Never on the hot path: a record is appended to an array; twice a second the arrays leave in one message. What exceeds the limits is counted.

import DequeModule
import MantaCore
import MantaLoop
package import MantaModel
import MantaTransport
import MantaWire

struct TaskReports {
    private var tasks: [TaskRow] = []
    private var errors: [ErrorRow] = []
    private var dropped = 0
    /// How many have not ended, by state, when that is to be told.
    private var unfinished: [String: Int]?
    private var lastUnfinished: [String: Int] = [:]
    /// Tasks that were sent since the last report: those that have not ended when the next one leaves are told as running, once.
    private var sent: [Sending] = []
    /// Calls of actors that run so many at a time, in the order they were sent, until they end: those behind stand in line.
    private var called: [Sending] = []

    private struct Sending {
        var submission: Submission
        var sentAt: WallTime
        var attempt: Int
        var actor: ActorID?
        var worker: ProcessID?
        var pid: Int32?
        var isToldAsRunning = false
    }

    /// Calls that wait for each other.
    private struct Line: Hashable {
        var actor: ActorID
        var group: String?
    }

    /// Half a second's share.
    private static let tasksPerReport = Limits.taskRecordsPerSecond / 2
    private static let errorsPerReport = 100
    /// So many leave with the end of what they came from, no more often than this: as many in a second as the reports hold.
    private static let earlyTasks = 100
    private static let earlyPause: Duration = .milliseconds(50)
    private var leftAt = Instant.zero

    /// A task or call was sent to its worker.
    /// - Parameter pid: Of that worker, once it has said who it is.
    mutating func sent(_ submission: Submission, attempt: Int, actor: ActorID?, worker: ProcessID? = nil, pid: Int32? = nil) {
        (submission.hasEnded, submission.attempt) = (false, Int32(clamping: attempt))
        if sent.count < Self.tasksPerReport { sent.append(Sending(submission: submission, sentAt: .now, attempt: attempt, actor: actor, worker: worker, pid: pid)) }
    }

    /// Notes an end. That of a task which was told as running is told too, whatever else is: it would run for ever in the eyes of people.
    private mutating func hasRoom(forEndOf submission: Submission) -> Bool {
        defer { (submission.hasEnded, submission.isToldAsRunning) = (true, false) }
        return tasks.count < Self.tasksPerReport || submission.isToldAsRunning
    }

    /// The last sending of one that is sent no more.
    private mutating func takeSent(_ submission: Submission) -> (sentAt: WallTime, place: RunningPlace)? {
        if let index = sent.lastIndex(where: { $0.submission === submission }) {
            let taken = sent.remove(at: index)
            return (taken.sentAt, RunningPlace(worker: taken.worker, pid: taken.pid))
        }
        called.removeAll { $0.submission === submission }
        return nil
    }

    mutating func ended(
        _ submission: Submission, outcome: TaskOutcome, startedAt: WallTime, duration: UInt64, actor: ActorID?, at place: @autoclosure () -> RunningPlace, attempt: Int
    ) {
        guard hasRoom(forEndOf: submission) else { return dropped += 1 }
        let (state, error): (TaskState, String?) =
            switch outcome {
            case .values: (.finished, nil)
            case .thrown(let bytes): (.failed, ThrownError.text(of: ThrownError.decoded(bytes)))
            case .failed(let error): (error.code == .cancelled ? .cancelled : .failed, ThrownError.text(of: error))
            }
        append(
            submission, state, actor: actor, at: place(), attempt: attempt, startedAt: startedAt,
            endedAt: WallTime(milliseconds: startedAt.milliseconds + Int64(duration / 1_000_000)), error: error)
    }

    private mutating func append(
        _ submission: Submission, _ state: TaskState, actor: ActorID?, at place: RunningPlace = RunningPlace(), attempt: Int, startedAt: WallTime? = nil,
        endedAt: WallTime? = nil, error: String? = nil
    ) {
        var row = TaskRow(
            id: submission.task, job: submission.job, function: submission.function, name: submission.name, state: state, actor: actor, node: place.node,
            worker: place.worker, parent: submission.parent, attempt: attempt, submittedAt: submission.submittedAt, startedAt: startedAt, endedAt: endedAt, error: error)
        (row.placement, row.pid, row.placementGroup) = (place.reason, place.pid, submission.placementGroup)
        tasks.append(row)
    }

    /// A task or call waits for long: told once, and only while there is room for others.
    mutating func waits(_ submission: Submission, _ state: TaskState, actor: ActorID?, attempt: Int) {
        guard !submission.isToldAsRunning, tasks.count < Self.tasksPerReport / 2 else { return }
        submission.isToldAsRunning = true
        append(submission, state, actor: actor, attempt: attempt)
    }

    /// A task or call runs again as this attempt: the one before failed for the reason, or with the answer.
    mutating func retried(_ submission: Submission, attempt: Int, reason: MantaError?, answer: TaskDone?, actor: ActorID?) {
        let sent = takeSent(submission)
        submission.attempt = Int32(clamping: attempt)
        let text: String =
            switch answer?.outcome {
            case .thrown(let bytes) where reason == nil: ThrownError.text(of: ThrownError.decoded(bytes))
            case .failed(let error) where reason == nil: ThrownError.text(of: error)
            default: reason.map(ThrownError.text) ?? "it was lost"
            }
        if tasks.count < Self.tasksPerReport {
            append(submission, .failed, actor: actor, at: sent?.place ?? RunningPlace(), attempt: attempt - 1, startedAt: sent?.sentAt, endedAt: .now, error: text)
            append(submission, .waitingForLease, actor: actor, attempt: attempt)
        } else {
            dropped += 1
        }
        error(
            ErrorRow(
                at: .now, code: (reason?.code ?? .taskFailed).rawValue,
                message: "attempt \(attempt - 1) of \(submission.title) failed and it runs again: \(text)", source: actor == nil ? "task" : "actor",
                job: submission.job, task: submission.task, actor: actor))
    }

    /// The platform failed a task, or an argument of it did.
    mutating func failed(_ submission: Submission, error: any Error, actor: ActorID?) {
        guard hasRoom(forEndOf: submission) else { return dropped += 1 }
        let sent = takeSent(submission)
        append(
            submission, (error as? MantaError)?.code == .cancelled ? .cancelled : .failed, actor: actor, at: sent?.place ?? RunningPlace(), attempt: Int(submission.attempt),
            endedAt: .now, error: ThrownError.text(of: error))
    }

    /// So many have not ended, by their states.
    mutating func count(unfinished counts: [TaskState: Int]) {
        let counts = Dictionary(uniqueKeysWithValues: counts.map { ($0.key.rawValue, $0.value) })
        guard counts != lastUnfinished else { return }
        (unfinished, lastUnfinished) = (counts, counts)
    }

    mutating func error(_ row: ErrorRow) {
        if errors.count < Self.errorsPerReport { errors.append(row) }
    }

    /// - Parameter place: where an actor's worker, or a task's, is.
    /// - Parameter limit: how many calls like this one its actor runs at a time; nil: that is not known here.
    mutating func send(
        on link: Link, at now: Instant, spans: (spans: [WorkSpan], dropped: Int), place: (ActorID?, ProcessID?) -> RunningPlace,
        limit: (ActorID, String?) -> Int?
    ) {
        leftAt = now
        var (tasks, errors) = take(place: place, limit: limit)
        if !spans.spans.isEmpty {
            var report = tasks ?? ReportTasks(tasks: [], dropped: 0)
            (report.spans, report.droppedSpans) = spans
            tasks = report
        }
        if let tasks { link.send(tasks) }
        if let errors { link.send(errors) }
    }

    /// Few ends wait to be told, and for a while none were.
    func mayLeaveEarly(at now: Instant) -> Bool { !tasks.isEmpty && tasks.count <= Self.earlyTasks && now - leftAt >= Self.earlyPause }

    /// What there is to tell since the last time.
    mutating func take(
        place: (ActorID?, ProcessID?) -> RunningPlace = { RunningPlace(worker: $1) }, limit: (ActorID, String?) -> Int? = { _, _ in nil }
    ) -> (tasks: ReportTasks?, errors: ReportErrors?) {
        var lines: [Line: Int] = [:]
        let earlier = called
        called.removeAll(keepingCapacity: true)
        for var sending in earlier + sent where !sending.submission.hasEnded {
            let group = sending.submission.group
            guard let actor = sending.actor, called.count < Self.tasksPerReport, let limit = limit(actor, group) else {
                if !sending.isToldAsRunning { runs(sending, place) }
                continue
            }
            lines[Line(actor: actor, group: group), default: 0] += 1
            if lines[Line(actor: actor, group: group)]! > limit {
                if sending.submission.isLong { waits(sending.submission, .waitingForLease, actor: actor, attempt: sending.attempt) }
            } else if !sending.isToldAsRunning {
                runs(sending, place)
                sending.isToldAsRunning = true
            }
            called.append(sending)
        }
        sent.removeAll(keepingCapacity: true)
        defer { (tasks, errors, dropped, unfinished) = ([], [], 0, nil) }
        return (
            tasks.isEmpty && dropped == 0 && unfinished == nil ? nil : ReportTasks(tasks: tasks, dropped: dropped, unfinished: unfinished), errors.isEmpty ? nil : ReportErrors(errors: errors)
        )
    }

    private mutating func runs(_ sending: Sending, _ place: (ActorID?, ProcessID?) -> RunningPlace) {
        sending.submission.isToldAsRunning = true
        var place = place(sending.actor, sending.worker)
        place.pid = sending.pid
        append(sending.submission, .running, actor: sending.actor, at: place, attempt: sending.attempt, startedAt: sending.sentAt)
    }
}

extension Submission {
    /// Of a call: the concurrency group that it is meant for.
    fileprivate var group: String? { if case .method(_, _, let terms) = target { terms?.group } else { nil } }

    /// It was submitted long ago.
    fileprivate var isLong: Bool { WallTime.now.milliseconds - submittedAt.milliseconds >= Limits.longWait.inMilliseconds }
}

/// Where something runs, for people.
struct RunningPlace {
    var node: NodeID?
    var worker: ProcessID?
    var pid: Int32?
    var reason: PlacementReason?
}

extension Owner {
    func sendReports() {
        noteWaits()
        reports.send(on: headLink, at: loop.now, spans: runtime.spans.take(), place: { place(of: $0, $1) }, limit: { actors[$0]?.limit(of: $1) })
    }

    /// What runs here is about to be answered. With it a short program may end, and its workers at once: what ended below is told before.
    func reportBeforeAnswer() {
        guard reports.mayLeaveEarly(at: loop.now) else { return }
        reports.send(on: headLink, at: loop.now, spans: runtime.spans.take(), place: { place(of: $0, $1) }, limit: { actors[$0]?.limit(of: $1) })
    }

    /// Tasks and calls of this process that wait for long: some of them, so that people find out which they are, and how many there are.
    private func noteWaits() {
        var unfinished = tasks?.unfinished ?? [:]
        for submission in (tasks?.longestWaiting(limit: Limits.waitsPerReport) ?? []).map(submission) where submission.isLong {
            reports.waits(submission, .waitingForLease, actor: nil, attempt: tasks?.attempt(of: submission.task) ?? 1)
        }
        while let (task, since) = unready.first, since + Limits.longWait <= loop.now {
            unready.removeFirst()
            guard tasks?.state(of: task) == .waitingForArguments, let payload = tasks?.payload(of: task) else { continue }
            reports.waits(submission(payload), .waitingForArguments, actor: nil, attempt: 1)
        }
        // In place: there may be very many actors.
        for index in actors.indices where actors.values[index].queue.waitingCount + actors.values[index].queue.inFlightCount > 0 {
            let (actor, calls) = actors[index]
            unfinished[.waitingForArguments, default: 0] += calls.queue.unreadyCount
            // Of those that were sent the rest stands in line.
            let running = min(calls.queue.inFlightCount, calls.concurrencyGroups == nil ? calls.concurrency ?? .max : .max)
            unfinished[.waitingForLease, default: 0] += calls.queue.waitingCount - calls.queue.unreadyCount + calls.queue.inFlightCount - running
            unfinished[.running, default: 0] += running
            for (payload, waitsForArguments) in calls.queue.longestWaiting(limit: Limits.waitsPerReport / 10) {
                let submission = submission(payload)
                guard submission.isLong else { continue }
                reports.waits(submission, waitsForArguments ? .waitingForArguments : .waitingForLease, actor: actor, attempt: 1)
            }
        }
        reports.count(unfinished: unfinished.filter { $0.value > 0 })
    }

    /// Where the last answer came from.
    func placeOfAnswer(of actor: ActorCalls? = nil) -> RunningPlace {
        var place = if let actor { actor.place ?? RunningPlace() } else { place(of: nil, answeringWorker) }
        (place.worker, place.pid) = (answeringWorker, answeringPid)
        return place
    }

    /// Where an actor that this process calls lives, or a worker that it has tasks on.
    func place(of actor: ActorID?, _ worker: ProcessID?) -> RunningPlace {
        if let actor { return actors[actor]?.place ?? RunningPlace(worker: worker) }
        let place = worker.flatMap { places[$0] }
        return RunningPlace(node: place?.node, worker: worker, reason: place?.reason)
    }
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
