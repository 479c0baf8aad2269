// LeaseQueue: what runs and what waits on one lease, apart from the Swift tasks that run it.
//
// Life of a run: 1. added 2. begun, which ends the one before it; or taken out before that: given back or cancelled.
// What drains the queue, one at a time: started by the run that finds nothing at work, it begins runs until none is left, and then rests.
// Always holds: runs begin in the order they came. Those are given back that wait behind a run that is blocked or has taken long; how long is counted from
// the latest of its beginning, the start of what drains the queue (which may wait for a thread) and a look that found nothing: before these, nothing was in
// front of them. An owner rests a lease that gave back everything while nothing ran.

import DequeModule
import MantaModel

/// What a `LeaseQueue` must know of a run.
protocol LeaseQueueElement {
    var task: TaskID { get }
}

struct LeaseQueue<Element: LeaseQueueElement> {
    private var waiting: Deque<Element> = []
    private var running: TaskID?
    /// The present run was cancelled, and what drains the queue with it.
    private var isCancelled = false
    /// Something drains the queue.
    private var isAtWork = false
    /// From when on what waits is behind something.
    private(set) var since: Instant = .zero
    /// When the queue was last left to itself.
    private(set) var idleSince: Instant = .zero
    /// How many waits of the present run are open; its resources are given back while there are any.
    private var openWaits = 0

    // MARK: Coming and going

    /// Adds a run. Whether something must be started to drain the queue; only then `now` is looked at.
    mutating func add(_ element: Element, at now: @autoclosure () -> Instant) -> Bool {
        waiting.append(element)
        guard !isAtWork else { return false }
        (isAtWork, since) = (true, now())
        return true
    }

    /// The present run has ended; the next one, which is the present one from now on.
    mutating func begin(at now: Instant) -> Element? {
        let next = waiting.popFirst()
        (running, since) = (next?.task, now)
        return next
    }

    /// Nothing drains the queue any more.
    mutating func rest(at now: Instant) { (isAtWork, idleSince) = (false, now) }

    /// What drains the queue was cancelled together with its run, which has ended: it stays so for good and must go. Nil when it was not; else whether
    /// something else must be started in its place.
    mutating func replaceCancelled(at now: Instant) -> Bool? {
        guard isCancelled else { return nil }
        (isCancelled, running, since, isAtWork) = (false, nil, now, !waiting.isEmpty)
        return isAtWork
    }

    // MARK: Taking out

    /// What `cancel` found.
    enum Cancelled {
        case unknown
        case notBegun(Element)
        case running
    }

    /// Takes out a run that has not begun, or notes that the present one is to be cancelled.
    mutating func cancel(_ task: TaskID) -> Cancelled {
        if running == task {
            isCancelled = true
            return .running
        }
        guard let position = waiting.firstIndex(where: { $0.task == task }) else { return .unknown }
        return .notBegun(waiting.remove(at: position))
    }

    /// Takes out the runs that wait behind one that is blocked or has taken longer than `patience`.
    mutating func takeDelayed(at now: Instant, patience: Duration) -> Deque<Element> {
        guard isAtWork, openWaits > 0 || now - since > patience else { return [] }
        return takeAll()
    }

    /// Takes out all runs that have not begun.
    mutating func takeAll() -> Deque<Element> {
        defer { waiting = [] }
        return waiting
    }

    // MARK: Waits of the present run

    /// Whether it was the first that is open.
    mutating func waitBegan() -> Bool {
        openWaits += 1
        return openWaits == 1
    }

    /// Whether it was the last that was open.
    mutating func waitEnded() -> Bool {
        openWaits -= 1
        return openWaits == 0
    }

    /// Whether the present run waits for something, and its resources are given back.
    var isBlocked: Bool { openWaits > 0 }

    // MARK: Questions

    func isRunning(_ task: TaskID) -> Bool { running == task }

    /// Those of the tasks that neither wait nor run here.
    func unknown(among tasks: [TaskID]) -> [TaskID] {
        let known = Set(waiting.map(\.task) + [running].compactMap { $0 })
        return tasks.filter { !known.contains($0) }
    }

    func standing(of task: TaskID) -> Standing? {
        running == task ? .running : waiting.firstIndex { $0.task == task }.map { .inLine($0) }
    }

    enum Occupation { case idle, oneRun, more }

    /// Whether it has nothing to do, or a run that nothing waits behind.
    var occupation: Occupation {
        if !waiting.isEmpty { return .more }
        if !isAtWork { return .idle }
        return running != nil ? .oneRun : .more
    }
}
