// TaskRing: the latest records of tasks, and the latest of anything else that people look at: bounded, newest first, with a count of what was lost.
//
// A task has one record. A later report of it replaces the older one but never turns the clock back: an attempt that was already passed, or a
// state before the one that is known, changes nothing except for what was not known yet. What has not ended does so, as failed, with the process that told
// of it, or with its job unless that process outlives it; a report of another end that was on its way then is believed.

package import MantaModel

/// Keeps the latest `capacity` elements in the order of their arrival.
package struct Ring<Element: Sendable>: Sendable {
    package let capacity: Int
    /// How many were pushed out.
    package private(set) var dropped = 0
    private var elements: [Element] = []
    /// Where the oldest lies, once it is full.
    private var oldest = 0

    package init(capacity: Int) {
        precondition(capacity > 0, "a ring holds at least one element")
        self.capacity = capacity
    }

    package var count: Int { elements.count }

    /// Adds an element; the slot it went to, and the element it pushed out.
    @discardableResult
    package mutating func append(_ element: Element) -> (slot: Int, pushedOut: Element?) {
        guard elements.count == capacity else {
            elements.append(element)
            return (elements.count - 1, nil)
        }
        let slot = oldest
        let pushedOut = elements[slot]
        elements[slot] = element
        oldest = (oldest + 1) % capacity
        dropped += 1
        return (slot, pushedOut)
    }

    /// The element in a slot that `append` gave.
    package subscript(slot: Int) -> Element {
        get { elements[slot] }
        set { elements[slot] = newValue }
    }

    /// The latest ones, newest first.
    package func latest(_ limit: Int) -> [Element] {
        let count = elements.count
        return (0..<max(0, min(limit, count))).map { elements[(oldest + count - 1 - $0) % count] }
    }

    package var slots: Range<Int> { elements.indices }
}

/// The latest records of tasks, by task.
package struct TaskRing: Sendable {
    private var ring: Ring<TaskRow>
    private var slots: [TaskID: Int] = [:]
    private var droppedByReporters = 0
    private var counts: [TaskState: Int] = [:]
    /// Tasks that count as failed because their job or process ended, as long as nobody says how they did end.
    private var presumed: Set<TaskID> = []
    /// The tasks that have not ended, by the process that told of them last, which is the one that submitted them.
    private(set) var unfinished: [ProcessID: Set<TaskID>] = [:]
    private var departed = Remembered<ProcessID, Bool>(limit: Limits.rememberedProcesses)

    package init(capacity: Int = Limits.taskRecords) { ring = Ring(capacity: capacity) }

    package var count: Int { ring.count }
    /// Records that were left out by their reporters or pushed out here.
    package var dropped: Int { ring.dropped + droppedByReporters }
    /// How many records are in which state; states without any are left out.
    package var states: [String: Int] { Dictionary(uniqueKeysWithValues: counts.lazy.filter { $0.value > 0 }.map { ($0.key.rawValue, $0.value) }) }
    package subscript(_ id: TaskID) -> TaskRow? { slots[id].map { ring[$0] } }

    /// The latest tasks, newest first.
    package func rows(limit: Int) -> [TaskRow] { ring.latest(limit) }

    /// Takes one process's report.
    package mutating func record(_ tasks: [TaskRow], of reporter: ProcessID, dropped: Int) {
        droppedByReporters += max(0, dropped)
        for task in tasks {
            defer { if let slot = slots[task.id] { note(ring[slot], of: reporter) } }
            if let slot = slots[task.id] {
                replace(slot, with: Self.merged(known(slot, before: task), task))
            } else {
                let (slot, pushedOut) = ring.append(task)
                counts[task.state, default: 0] += 1
                if let pushedOut {
                    slots[pushedOut.id] = nil
                    presumed.remove(pushedOut.id)
                    forgetUnfinished(pushedOut)
                    counts[pushedOut.state, default: 0] -= 1
                }
                slots[task.id] = slot
            }
        }
    }

    /// The job is over, and with it whatever it still ran, but for what those processes submitted that outlive it. Others may yet report what had ended before.
    package mutating func jobEnded(_ job: JobID, at time: WallTime, butFor survivors: Set<ProcessID> = []) {
        let spared = survivors.reduce(into: Set<TaskID>()) { $0.formUnion(unfinished[$1] ?? []) }
        for slot in ring.slots where ring[slot].job == job && !ring[slot].state.successors.isEmpty && !spared.contains(ring[slot].id) {
            presumed.insert(ring[slot].id)
            replace(slot, with: Self.ended(ring[slot], at: time))
        }
        for (process, tasks) in unfinished where !survivors.contains(process) {
            let left = tasks.filter { slots[$0].map { ring[$0].job != job } ?? false }
            unfinished[process] = left.isEmpty ? nil : left
        }
    }

    /// The process is gone, and what it submitted with it. Its last report may come behind this.
    package mutating func processEnded(_ process: ProcessID, at time: WallTime) {
        departed.remember(process, true)
        for task in unfinished.removeValue(forKey: process) ?? [] {
            guard let slot = slots[task], !ring[slot].state.successors.isEmpty else { continue }
            presumed.insert(task)
            replace(slot, with: Self.ended(ring[slot], at: time, because: Self.submitterEnded))
        }
    }

    package static let submitterEnded = "the process that submitted it ended before the task did"

    /// Whether nothing that the process submitted runs any more.
    package func isGone(_ process: ProcessID) -> Bool { departed[process] != nil }

    /// Whose the task is, as it is known now.
    private mutating func note(_ task: TaskRow, of reporter: ProcessID) {
        if task.state.successors.isEmpty { forgetUnfinished(task.id, of: reporter) } else { unfinished[reporter, default: []].insert(task.id) }
    }

    private mutating func forgetUnfinished(_ task: TaskID, of reporter: ProcessID) {
        if unfinished[reporter]?.remove(task) != nil, unfinished[reporter]?.isEmpty == true { unfinished[reporter] = nil }
    }

    /// A record goes whose reporter is not at hand: few go that have not ended.
    private mutating func forgetUnfinished(_ task: TaskRow) {
        guard !task.state.successors.isEmpty, let reporter = unfinished.first(where: { $0.value.contains(task.id) })?.key else { return }
        forgetUnfinished(task.id, of: reporter)
    }

    /// What is known of a task but for what a report of its end refutes.
    private mutating func known(_ slot: Int, before report: TaskRow) -> TaskRow {
        guard report.state.successors.isEmpty, presumed.remove(report.id) != nil else { return ring[slot] }
        var task = ring[slot]
        (task.state, task.endedAt, task.error) = (.running, nil, nil)
        return task
    }

    private mutating func replace(_ slot: Int, with task: TaskRow) {
        counts[ring[slot].state, default: 0] -= 1
        counts[task.state, default: 0] += 1
        ring[slot] = task
    }

    /// A task as it stands after the end of its job.
    package static func ended(_ task: TaskRow, at time: WallTime, because reason: String = "its job ended before the task did") -> TaskRow {
        guard !task.state.successors.isEmpty else { return task }
        var task = task
        task.state = .failed
        task.endedAt = time
        task.error = task.error ?? reason
        return task
    }

    private static func merged(_ known: TaskRow, _ report: TaskRow) -> TaskRow {
        guard report.attempt == known.attempt else { return folded(known, report) }
        let isNews = (report.attempt, rank(report.state)) >= (known.attempt, rank(known.state))
        let (first, second) = isNews ? (report, known) : (known, report)
        var row = first
        row.actor = first.actor ?? second.actor
        row.parent = first.parent ?? second.parent
        row.name = first.name ?? second.name
        row.placementGroup = first.placementGroup ?? second.placementGroup
        row.submittedAt = min(first.submittedAt, second.submittedAt)
        row.attempts = known.attempts
        if first.attempt == second.attempt {
            row.node = first.node ?? second.node
            row.worker = first.worker ?? second.worker
            row.pid = first.pid ?? second.pid
            row.startedAt = first.startedAt ?? second.startedAt
            row.endedAt = first.endedAt ?? second.endedAt
            row.error = first.error ?? second.error
            row.placement = first.placement ?? second.placement
        }
        return row
    }

    /// Another attempt than the known one: the later one is the task's record, and remembers the earlier one.
    private static func folded(_ known: TaskRow, _ report: TaskRow) -> TaskRow {
        let (later, earlier) = report.attempt > known.attempt ? (report, known) : (known, report)
        var row = later
        row.actor = later.actor ?? earlier.actor
        row.parent = later.parent ?? earlier.parent
        row.placementGroup = later.placementGroup ?? earlier.placementGroup
        row.submittedAt = min(later.submittedAt, earlier.submittedAt)
        var attempts = (known.attempts ?? []).filter { $0.attempt != earlier.attempt }
        attempts.append(TaskAttempt(attempt: earlier.attempt, state: earlier.state, worker: earlier.worker ?? attempt(earlier.attempt, of: known)?.worker, error: earlier.error))
        row.attempts = attempts.sorted { $0.attempt < $1.attempt }.suffix(Limits.rememberedAttempts)
        return row
    }

    private static func attempt(_ number: Int, of row: TaskRow) -> TaskAttempt? { row.attempts?.first { $0.attempt == number } }

    /// How far a task in this state has come.
    private static func rank(_ state: TaskState) -> Int {
        switch state {
        case .waitingForArguments: 0
        case .waitingForLease: 1
        case .running: 2
        case .finished, .failed, .cancelled: 3
        }
    }
}
