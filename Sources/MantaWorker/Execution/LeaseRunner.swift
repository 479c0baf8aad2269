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
        var queue = LeaseQueue<Run>()
        /// What drains the queue now.
        var drainer: Task<Void, Never>?
    }

    init(lease: LeaseID) { self.lease = lease }

    /// Adds a run, and starts to run when nothing does.
    func add(_ run: Run, on runtime: Runtime) {
        hasMore.store(true, ordering: .relaxed)
        state.withLock { state in
            guard state.queue.add(run, at: EventLoop.clock()) else { return }
            spinner.slept(for: state.queue.since - state.queue.idleSince)
            state.drainer = Task { await drain(on: runtime) }
        }
    }

    /// Takes a task that has not begun out of the queue, or cancels the code that runs it.
    func cancel(_ task: TaskID) -> LeaseQueue<Run>.Cancelled {
        let (found, drainer) = state.withLock { state in
            let found = state.queue.cancel(task)
            if case .running = found { return (found, state.drainer) }
            return (found, nil)
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
    func takeDelayed(at now: Instant, patience: Duration) -> Deque<Run> { state.withLock { $0.queue.takeDelayed(at: now, patience: patience) } }

    /// All runs that have not begun.
    func takeQueue() -> Deque<Run> { state.withLock { $0.queue.takeAll() } }

    /// Those of the tasks that neither wait nor run here.
    func unknown(among tasks: [TaskID]) -> [TaskID] { state.withLock { $0.queue.unknown(among: tasks) } }

    /// Whether its run waits for something, and its resources are given back.
    var isBlocked: Bool { state.withLock { $0.queue.isBlocked } }

    func isRunning(_ task: TaskID) -> Bool { state.withLock { $0.queue.isRunning(task) } }

    func standing(of task: TaskID) -> Standing? { state.withLock { $0.queue.standing(of: task) } }

    /// Whether it has nothing to do, or a run that nothing waits behind.
    var occupation: LeaseQueue<Run>.Occupation { state.withLock { $0.queue.occupation } }

    private enum Next {
        case run(Run)
        case mayCome, none
    }

    /// The next run, looked for for a while; nil: this drainer ends.
    private func next(on runtime: Runtime) -> Run? {
        hasMore.store(false, ordering: .relaxed)
        let now = EventLoop.clock()
        let found = state.withLock { state -> Next in
            if let isToBeReplaced = state.queue.replaceCancelled(at: now) {
                state.drainer = isToBeReplaced ? Task { await drain(on: runtime) } : nil
                return .none
            }
            return state.queue.begin(at: now).map { .run($0) } ?? .mayCome
        }
        switch found {
        case .run(let run): return run
        case .none: return nil
        case .mayCome:
            _ = spinner.spin { hasMore.load(ordering: .relaxed) }
            return state.withLock { state in
                let now = EventLoop.clock()
                if let run = state.queue.begin(at: now) { return run }
                state.queue.rest(at: now)
                state.drainer = nil
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
        let isFirst = state.withLock { $0.queue.waitBegan() }
        if isFirst { runtime.post(.blocked(lease)) }
    }

    /// Returns when the lease holds its resources again; the last wait that ends asks for them.
    private func didUnblock(on runtime: Runtime) async {
        let isLast = state.withLock { $0.queue.waitEnded() }
        if isLast { await runtime.resumed(lease) }
    }
}
