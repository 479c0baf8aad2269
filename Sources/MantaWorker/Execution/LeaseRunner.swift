// LeaseRunner: runs the tasks of one lease, one after the other, in the order they came.
//
// Tasks are added by the loop and taken by one Swift task at a time, which lives while there is something to run, so short tasks follow each other
// without a switch of threads. What has not begun may be taken back, when a long task is in front. Cancelling what runs cancels that Swift task; since it
// stays cancelled for good, another one takes over behind it.

import DequeModule
import MantaLoop
import MantaModel
import MantaWire
import Synchronization

final class LeaseRunner: Sendable {
    let lease: LeaseID
    /// The number of its present wait; the loop's.
    nonisolated(unsafe) var turn: UInt64 = 0
    /// To the owner of the lease; the loop's.
    nonisolated(unsafe) var route: ReplyRoute?
    private let state = Mutex(State())
    /// Looks for the next run before the runner ends: starting it again wakes a thread.
    private let spinner = Spinner()
    private let hasMore = Atomic<Bool>(false)
    /// What ran last: most leases run one function again and again. Only the code that drains the queue touches it, one at a time.
    private nonisolated(unsafe) var latest: (name: String, function: FunctionEntry)?

    private struct State {
        var queue: Deque<Run> = []
        var isRunning = false
        var running: TaskID?
        /// When the present run began, in monotonic nanoseconds.
        var beganAt: Int64 = 0
        /// What drains the queue now.
        var drainer: Task<Void, Never>?
        /// The present run was cancelled, and its drainer with it.
        var isCancelled = false
        var idleSince: Int64 = 0
        /// How many waits of the present run are open; its resources are given back while there are any.
        var openWaits = 0

        /// The next run, noted as the present one.
        mutating func begin() -> Run? {
            let run = queue.popFirst()
            running = run?.task
            if run != nil { beganAt = monotonicNanoseconds() }
            return run
        }
    }

    init(lease: LeaseID) { self.lease = lease }

    /// Adds a run, and starts to run when nothing does.
    func add(_ run: Run, on runtime: Runtime) {
        hasMore.store(true, ordering: .relaxed)
        state.withLock { state in
            state.queue.append(run)
            guard !state.isRunning else { return }
            state.isRunning = true
            spinner.slept(for: .nanoseconds(monotonicNanoseconds() - state.idleSince))
            state.drainer = Task { await drain(on: runtime) }
        }
    }

    /// What `cancel` found.
    enum Cancelled {
        case unknown
        case notBegun(Run)
        case running
    }

    /// Takes a task that has not begun out of the queue, or cancels the code that runs it.
    func cancel(_ task: TaskID) -> Cancelled {
        let (found, drainer) = state.withLock { state -> (Cancelled, Task<Void, Never>?) in
            if state.running == task {
                state.isCancelled = true
                return (.running, state.drainer)
            }
            guard let position = state.queue.firstIndex(where: { $0.task == task }) else { return (.unknown, nil) }
            return (.notBegun(state.queue.remove(at: position)), nil)
        }
        // Not under the lock: the handlers of user code run in here.
        drainer?.cancel()
        return found
    }

    /// Runs until nothing is left, or what ran was cancelled.
    private func drain(on runtime: Runtime) async {
        while let run = next(on: runtime) {
            let finished = await carryOut(run, on: runtime)
            finished.lease = lease
            runtime.post(.finished(finished))
        }
    }

    /// The runs that would wait behind one that is blocked or has run for longer than `patience`.
    func takeUnstarted(now: Int64, patience: Int64) -> Deque<Run> {
        state.withLock { state in
            guard state.isRunning, !state.queue.isEmpty, state.openWaits > 0 || now - state.beganAt > patience else { return [] }
            defer { state.queue = [] }
            return state.queue
        }
    }

    /// All runs that have not begun.
    func takeQueue() -> Deque<Run> {
        state.withLock { state in
            defer { state.queue = [] }
            return state.queue
        }
    }

    /// Those of the tasks that neither wait nor run here.
    func unknown(among tasks: [TaskID]) -> [TaskID] {
        state.withLock { state in
            let known = Set(state.queue.map(\.task) + [state.running].compactMap { $0 })
            return tasks.filter { !known.contains($0) }
        }
    }

    /// Whether its run waits for something, and its resources are given back.
    var isBlocked: Bool { state.withLock { $0.openWaits > 0 } }

    func isRunning(_ task: TaskID) -> Bool { state.withLock { $0.running == task } }

    func standing(of task: TaskID) -> Standing? {
        state.withLock { state in
            state.running == task ? .running : state.queue.firstIndex { $0.task == task }.map { .inLine($0) }
        }
    }

    enum Occupation { case idle, oneRun, more }

    /// Whether it has nothing to do, or a run that nothing waits behind.
    var occupation: Occupation {
        state.withLock { state in
            if !state.queue.isEmpty { return .more }
            if !state.isRunning { return .idle }
            return state.running != nil ? .oneRun : .more
        }
    }

    private enum Next {
        case run(Run)
        case mayCome, none
    }

    /// The next run, looked for for a while; nil: this drainer ends.
    private func next(on runtime: Runtime) -> Run? {
        hasMore.store(false, ordering: .relaxed)
        let found = state.withLock { state -> Next in
            if state.isCancelled {
                (state.isCancelled, state.running) = (false, nil)
                state.isRunning = !state.queue.isEmpty
                state.drainer = state.isRunning ? Task { await drain(on: runtime) } : nil
                return .none
            }
            guard let run = state.begin() else { return .mayCome }
            return .run(run)
        }
        switch found {
        case .run(let run): return run
        case .none: return nil
        case .mayCome:
            _ = spinner.spin { hasMore.load(ordering: .relaxed) }
            return state.withLock { state in
                if let run = state.begin() { return run }
                (state.isRunning, state.drainer, state.idleSince) = (false, nil, monotonicNanoseconds())
                return nil
            }
        }
    }

    private func carryOut(_ run: Run, on runtime: Runtime) async -> FinishedRun {
        let context = TaskContext(
            job: run.job, task: run.task, node: runtime.node ?? NodeID(high: 0, low: 0), actor: nil, function: run.function, name: run.name, attempt: Int(run.attempt),
            deadline: run.deadline, group: run.group, runsAlone: false, resources: run.resources ?? .oneCPU, gpus: run.gpus ?? [], nameplate: nil,
            parent: run.parent, route: run.route,
            willBlock: { self.willBlock(on: runtime) }, didUnblock: { await self.didUnblock(on: runtime) })
        RunningNote.current?.began(run.task, run.title)
        return await run.carryOut(on: runtime, context: context) { arguments in
            guard let function = function(named: run.function, in: runtime.program) else {
                throw MantaError(.unknownFunction, "this worker's program has no remote function \(run.function); is it built from the same source as its caller?")
            }
            return try await function.invoke(arguments)
        }
    }

    private func function(named name: String, in program: ProgramRegistry) -> FunctionEntry? {
        if let latest, latest.name == name { return latest.function }
        let function = program.function(named: name)
        latest = function.map { (name, $0) }
        return function
    }

    private func willBlock(on runtime: Runtime) {
        let isFirst = state.withLock { state in
            state.openWaits += 1
            return state.openWaits == 1
        }
        if isFirst { runtime.post(.blocked(lease)) }
    }

    /// Returns when the lease holds its resources again; the last wait that ends asks for them.
    private func didUnblock(on runtime: Runtime) async {
        let isLast = state.withLock { state in
            state.openWaits -= 1
            return state.openWaits == 0
        }
        if isLast { await runtime.resumed(lease) }
    }
}
