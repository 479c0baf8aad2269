// ActorHost: the actor that lives in this worker: its instance and its mailbox.
//
// Calls begin in the order they came; with `maxConcurrency` 1 each ends before the next begins, with more that many may be under way. A worker hosts at
// most one actor, for as long as it lives.
//
// Runners (Swift tasks) take calls out of the mailbox, one after the other. While calls are short, two runners serve all of them and the answers of one
// run leave together; where calls take long, most of it waiting, each gets a runner of its own. A call that waits behind one that turned out long is given
// a runner by `rescue`, which the loop calls a millisecond later, as long as the mailbox is not empty.

import DequeModule
import MantaLoop
import MantaModel
import MantaWire
import Synchronization

final class ActorHost: Sendable {
    let specification: ActorSpecification
    private let entry: ActorEntry
    private let instance: any ActorInstance
    private let limit: Int
    /// `Module.Type.method(label:)` by index, made once.
    private let functionNames: [String]
    private let mailbox = Mutex(Mailbox())
    /// Looks for the next call before the last runner ends: starting one again wakes a thread.
    private let spinner = Spinner()
    private let hasMore = Atomic<Bool>(false)

    private struct Mailbox {
        var queue: Deque<(CallActor, ReplyRoute)> = []
        /// One for each runner that was ever needed at once; those of `running` are in use.
        var runners: [Runner] = []
        /// Those that are not in use.
        var free: [Int] = []
        var running = 0
        /// One of them looks for the next call.
        var isSpinning = false
        var idleSince: Int64 = 0
        /// A moving average of the calls' run times, in nanoseconds.
        var typicalDuration: Int64 = 0

        /// The next call, noted as the runner's.
        mutating func take(_ slot: Int) -> (CallActor, ReplyRoute)? {
            guard let call = queue.popFirst() else { return nil }
            runners[slot].call = call.0.task
            return call
        }

        /// The runner is done.
        mutating func end(_ slot: Int) {
            running -= 1
            runners[slot] = Runner()
            free.append(slot)
            idleSince = monotonicNanoseconds()
        }
    }

    /// A Swift task that takes calls out of the mailbox.
    private struct Runner {
        var task: Task<Void, Never>?
        var call: TaskID?
        /// Its call was cancelled, and the Swift task with it, for good: another one takes over behind it.
        var isCancelled = false
    }

    /// Calls shorter than this are worth no runner of their own.
    private static let shortCall: Int64 = 100_000
    /// Answers of one runner that may wait for each other.
    private static let answersTogether = 16

    /// Constructs the actor; throws what its constructor throws, or `unknownFunction`.
    init(_ specification: ActorSpecification, restarts: Int, on runtime: Runtime) async throws {
        guard let entry = runtime.program.actorType(named: specification.type) else {
            let known = runtime.program.actors.keys.sorted().joined(separator: ", ")
            throw MantaError(.unknownFunction, "the program \(specification.program.path) has no remote actor \(specification.type); it has \(known)")
        }
        let context = TaskContext(
            job: specification.job, task: TaskID(high: specification.id.high, low: specification.id.low), node: runtime.node ?? NodeID(high: 0, low: 0),
            actor: specification.id, function: "\(specification.type).init", attempt: restarts + 1, willBlock: {}, didUnblock: {})
        let arguments = specification.arguments.map { ArgumentValue.value($0) }
        self.instance = try await TaskContext.$current.withValue(context) { try await entry.create(specification.initializer, arguments) }
        (self.specification, self.entry) = (specification, entry)
        functionNames = entry.methods.map { "\(entry.name).\($0.name)" }
        limit = entry.runsOneByOne ? 1 : max(1, specification.maxConcurrency)
    }

    /// Puts calls into the mailbox; returns how many runners (`start`) the caller must start, and whether it must call `rescue` in a while.
    func add(_ calls: [(CallActor, ReplyRoute)]) -> (starts: Int, needsRescue: Bool) {
        hasMore.store(true, ordering: .relaxed)
        return mailbox.withLock { mailbox in
            mailbox.queue.append(contentsOf: calls)
            let bound = mailbox.typicalDuration < Self.shortCall ? min(limit, 2) : limit
            if mailbox.running == 0 { spinner.slept(for: .nanoseconds(monotonicNanoseconds() - mailbox.idleSince)) }
            let starts = max(0, min(bound - mailbox.running, mailbox.queue.count - (mailbox.isSpinning ? 1 : 0)))
            mailbox.running += starts
            return (starts, mailbox.queue.count > starts)
        }
    }

    /// Runners for the calls that still wait, one each within the limit.
    func rescue() -> (starts: Int, needsRescue: Bool) {
        mailbox.withLock { mailbox in
            let starts = max(0, min(limit - mailbox.running, mailbox.queue.count))
            mailbox.running += starts
            return (starts, mailbox.queue.count > starts && (mailbox.running < limit || mailbox.typicalDuration < Self.shortCall))
        }
    }

    /// Starts a runner that `add` or `rescue` asked for.
    func start(on runtime: Runtime) {
        mailbox.withLock { mailbox in
            let slot: Int
            if let free = mailbox.free.popLast() {
                slot = free
            } else {
                slot = mailbox.runners.count
                mailbox.runners.append(Runner())
            }
            mailbox.runners[slot].task = Task { await drain(slot, on: runtime) }
        }
    }

    /// Takes a call that has not begun out of the mailbox, and returns it; or cancels the code that runs it.
    func cancel(_ task: TaskID) -> (CallActor, ReplyRoute)? {
        let (call, runner) = mailbox.withLock { mailbox -> ((CallActor, ReplyRoute)?, Task<Void, Never>?) in
            if let position = mailbox.queue.firstIndex(where: { $0.0.task == task }) { return (mailbox.queue.remove(at: position), nil) }
            guard let slot = mailbox.runners.firstIndex(where: { $0.call == task }) else { return (nil, nil) }
            mailbox.runners[slot].isCancelled = true
            return (nil, mailbox.runners[slot].task)
        }
        // Not under the lock: the handlers of user code run in here.
        runner?.cancel()
        return call
    }

    func isRunning(_ task: TaskID) -> Bool { mailbox.withLock { $0.runners.contains { $0.call == task } } }

    /// Runs calls until none is left. An answer with another call behind it may wait for that one's: `rescue` is due then, which lets it go.
    private func drain(_ slot: Int, on runtime: Runtime) async {
        var waiting = 0
        while let (call, route) = next(slot, on: runtime, beforeSpin: { letGo(&waiting, on: runtime) }) {
            let finished = await carryOut(call, route, on: runtime)
            waiting += 1
            let mayWait = ended(after: Int64(clamping: finished.done.duration)) && waiting < Self.answersTogether
            runtime.post(.finished(finished), quietly: mayWait)
            if !mayWait { waiting = 0 }
        }
        letGo(&waiting, on: runtime)
    }

    private func letGo(_ waiting: inout Int, on runtime: Runtime) {
        if waiting > 0 { runtime.announce() }
        waiting = 0
    }

    /// Notes a call's run time; returns whether others wait in the mailbox.
    private func ended(after duration: Int64) -> Bool {
        mailbox.withLock { mailbox in
            mailbox.typicalDuration += (duration - mailbox.typicalDuration) / 8
            return !mailbox.queue.isEmpty && mailbox.typicalDuration < Self.shortCall
        }
    }

    private enum Next {
        case call(CallActor, ReplyRoute)
        case mayCome, none
    }

    /// The next call for a runner; the last one looks for it for a while. Nil: the runner ends.
    private func next(_ slot: Int, on runtime: Runtime, beforeSpin: () -> Void) -> (CallActor, ReplyRoute)? {
        hasMore.store(false, ordering: .relaxed)
        let found = mailbox.withLock { mailbox -> Next in
            if mailbox.runners[slot].isCancelled, !mailbox.queue.isEmpty {
                mailbox.runners[slot] = Runner(task: Task { await drain(slot, on: runtime) })
                return .none
            }
            if let (call, route) = mailbox.take(slot) { return .call(call, route) }
            guard mailbox.running == 1, !mailbox.runners[slot].isCancelled else {
                mailbox.end(slot)
                return .none
            }
            (mailbox.runners[slot].call, mailbox.isSpinning) = (nil, true)
            return .mayCome
        }
        switch found {
        case .call(let call, let route): return (call, route)
        case .none: return nil
        case .mayCome:
            beforeSpin()
            _ = spinner.spin { hasMore.load(ordering: .relaxed) }
            return mailbox.withLock { mailbox in
                mailbox.isSpinning = false
                if let call = mailbox.take(slot) { return call }
                mailbox.end(slot)
                return nil
            }
        }
    }

    private func carryOut(_ call: CallActor, _ route: ReplyRoute, on runtime: Runtime) async -> FinishedRun {
        let method = Int(call.method)
        let function = method < functionNames.count ? functionNames[method] : "\(entry.name).\(call.methodName)"
        // A call from outside of any job, by a proxy above all, works for the job that made the actor.
        let job = call.job == JobID(high: 0, low: 0) ? specification.job : call.job
        let run = Run(
            task: call.task, attempt: call.attempt, job: job, parent: call.parent, function: function, resultCount: Int(call.resultCount),
            arguments: call.arguments, actor: call.actor, route: route)
        let context = TaskContext(
            job: job, task: call.task, node: runtime.node ?? NodeID(high: 0, low: 0), actor: call.actor, function: run.function, attempt: Int(call.attempt),
            deadline: call.timeLeft.map { EventLoop.clock() + .nanoseconds($0) },
            willBlock: {}, didUnblock: {})
        return await run.carryOut(on: runtime, context: context) { arguments in
            guard call.method == .max else { return try await instance.dispatch(method: call.method, arguments: arguments) }
            let (index, signature) = try entry.method(named: call.methodName)
            return try await instance.dispatch(method: index, arguments: try signature.arranged(try ArgumentsByName(arguments)))
        }
    }
}

extension ArgumentsByName {
    /// The one argument of a call by name: an array is positional, a map is by label.
    init(_ arguments: [ArgumentValue]) throws(MantaError) {
        guard arguments.count == 1, case .value(let bytes) = arguments[0] else {
            throw MantaError(.malformed, "a call by name carries one array or map of arguments, found \(arguments.count) values")
        }
        var reader = MessagePackReader(bytes)
        if try reader.peek() == .map {
            var values: [String: [UInt8]] = [:]
            for _ in 0..<(try reader.readMapHeader()) {
                let label = try reader.readString()
                values[label] = try reader.readRawValue()
            }
            self = .labelled(values)
        } else {
            var values: [[UInt8]] = []
            for _ in 0..<(try reader.readArrayHeader()) { values.append(try reader.readRawValue()) }
            self = .positional(values)
        }
    }
}

extension MessagePackReader {
    /// The bytes of the next value, whatever it is.
    fileprivate mutating func readRawValue() throws(MantaError) -> [UInt8] {
        let start = position
        try skip()
        return Array(bytes[start..<position])
    }
}
