// CallLane: the mailbox of one concurrency group of an actor, and the runners that empty it.
//
// Calls begin in the order they came; with the limit 1 each ends before the next begins, with more that many may be under way. Runners (Swift tasks) take
// calls out of the mailbox, one after the other. Those of an actor run isolated to it, so a call begins without a switch of threads and none overtakes
// another on its way in. While calls are short, two runners serve all of them and the answers of one run leave together; where calls take long, most of it
// waiting, each gets a runner of its own. A call that waits behind one that turned out long is given a runner by `rescue`, which the loop calls a
// millisecond later, as long as the mailbox is not empty.

import DequeModule
import MantaLoop
import MantaModel
import MantaWire
import Synchronization

final class CallLane: Sendable {
    typealias Item = (call: CallActor, route: ReplyRoute)

    let limit: Int
    private let mailbox = Mutex(Mailbox())
    /// Looks for the next call before the last runner ends: starting one again wakes a thread.
    private let spinner = Spinner()
    private let hasMore = Atomic<Bool>(false)

    private struct Mailbox {
        var queue: Deque<Item> = []
        /// One for each runner that was ever needed at once; those of `running` are in use.
        var runners: [Runner] = []
        /// Those that are not in use.
        var free: [Int] = []
        var running = 0
        /// Calls since the mailbox was empty: several at once are not waited for (see `Spinner`).
        var callsInRow = 0
        /// One of them looks for the next call.
        var isSpinning = false
        var idleSince: Int64 = 0
        /// A moving average of the calls' run times, in nanoseconds.
        var typicalDuration: Int64 = 0
        var isClosed = false

        /// The next call, noted as the runner's.
        mutating func take(_ slot: Int) -> Item? {
            guard let item = queue.popFirst() else { return nil }
            runners[slot].call = item.call.task
            callsInRow += 1
            return item
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

    init(limit: Int) { self.limit = limit }

    /// Puts a call into the mailbox and starts the runner it needs; returns whether `rescue` must be called in a while.
    func add(_ item: Item, of host: ActorHost, on runtime: Runtime) -> Bool {
        hasMore.store(true, ordering: .relaxed)
        return mailbox.withLock { mailbox in
            mailbox.queue.append(item)
            let bound = mailbox.typicalDuration < Self.shortCall ? min(limit, 2) : limit
            if mailbox.running == 0 { spinner.slept(for: .nanoseconds(monotonicNanoseconds() - mailbox.idleSince)) }
            let starts = start(min(bound - mailbox.running, mailbox.queue.count - (mailbox.isSpinning ? 1 : 0)), &mailbox, host, runtime)
            return mailbox.queue.count > starts
        }
    }

    /// Starts runners for the calls that still wait, one each within the limit; returns how many, and whether to come again.
    func rescue(of host: ActorHost, on runtime: Runtime) -> (starts: Int, isDueAgain: Bool) {
        mailbox.withLock { mailbox in
            let starts = start(min(limit - mailbox.running, mailbox.queue.count), &mailbox, host, runtime)
            return (starts, mailbox.queue.count > starts && (mailbox.running < limit || mailbox.typicalDuration < Self.shortCall))
        }
    }

    private func start(_ count: Int, _ mailbox: inout Mailbox, _ host: ActorHost, _ runtime: Runtime) -> Int {
        guard count > 0 else { return 0 }
        mailbox.running += count
        for _ in 0..<count {
            let slot = mailbox.free.popLast() ?? mailbox.runners.count
            if slot == mailbox.runners.count { mailbox.runners.append(Runner()) }
            mailbox.runners[slot].task = runner(slot, host, runtime)
        }
        return count
    }

    private func runner(_ slot: Int, _ host: ActorHost, _ runtime: Runtime) -> Task<Void, Never> {
        Task { await drain(slot, of: host, on: runtime, isolation: host.isolation) }
    }

    /// Takes a call that has not begun out of the mailbox, and returns it; or cancels the code that runs it.
    func cancel(_ task: TaskID) -> Item? {
        let (item, runner) = mailbox.withLock { mailbox -> (Item?, Task<Void, Never>?) in
            if let position = mailbox.queue.firstIndex(where: { $0.call.task == task }) { return (mailbox.queue.remove(at: position), nil) }
            guard let slot = mailbox.runners.firstIndex(where: { $0.call == task }) else { return (nil, nil) }
            mailbox.runners[slot].isCancelled = true
            return (nil, mailbox.runners[slot].task)
        }
        // Not under the lock: the handlers of user code run in here.
        runner?.cancel()
        return item
    }

    /// Drops what waits, and cancels what runs: none of it is answered.
    func close() {
        let runners = mailbox.withLock { mailbox in
            mailbox.isClosed = true
            mailbox.queue.removeAll()
            for slot in mailbox.runners.indices { mailbox.runners[slot].isCancelled = true }
            return mailbox.runners.compactMap(\.task)
        }
        // Not under the lock: the handlers of user code run in here.
        for runner in runners { runner.cancel() }
    }

    /// The call that runs alone while this one waits here; nil when this one does not wait here, or several may run.
    func blocker(of task: TaskID) -> TaskID? {
        guard limit == 1 else { return nil }
        return mailbox.withLock { mailbox in
            mailbox.queue.contains { $0.call.task == task } ? mailbox.runners.lazy.compactMap(\.call).first : nil
        }
    }

    func standing(of task: TaskID) -> Standing? {
        mailbox.withLock { mailbox in
            mailbox.runners.contains { $0.call == task } ? .running : mailbox.queue.firstIndex { $0.call.task == task }.map { .inLine($0) }
        }
    }

    func isRunning(_ task: TaskID) -> Bool { mailbox.withLock { $0.runners.contains { $0.call == task } } }

    /// Nothing waits and nothing runs.
    var isIdle: Bool { mailbox.withLock { $0.queue.isEmpty && $0.running == 0 } }

    /// Lets a call wait and be taken, and runs nothing: see Rehearsal.
    func rehearse(_ call: Item) {
        mailbox.withLock { mailbox in
            mailbox.queue.append(contentsOf: [call])
            mailbox.runners.append(Runner())
            mailbox.running = 1
            _ = mailbox.take(0)
            mailbox.end(0)
        }
    }

    /// Runs calls until none is left. An answer with another call behind it may wait for that one's: `rescue` is due then, which lets it go.
    private func drain(_ slot: Int, of host: ActorHost, on runtime: Runtime, isolation: isolated (any Actor)?) async {
        var waiting = 0
        while let (call, route) = next(slot, host, runtime, beforeSpin: { letGo(&waiting, on: runtime) }) {
            let finished = await host.carryOut(call, route, alone: limit == 1, on: runtime)
            // Its callers hear of the actor's end from the head.
            guard let hasOthers = ended(after: Int64(clamping: finished.done.duration)) else { continue }
            waiting += 1
            let mayWait = hasOthers && waiting < Self.answersTogether
            runtime.post(.finished(finished), quietly: mayWait)
            if !mayWait { waiting = 0 }
        }
        // Also another runner's, whose next call may wait for something: that one will not let go of it soon.
        runtime.announce()
        host.ranDry(on: runtime)
    }

    private func letGo(_ waiting: inout Int, on runtime: Runtime) {
        if waiting > 0 { runtime.announce() }
        waiting = 0
    }

    /// Notes a call's run time; returns whether others wait in the mailbox, and nil when the lane was closed meanwhile.
    private func ended(after duration: Int64) -> Bool? {
        mailbox.withLock { mailbox in
            if mailbox.isClosed { return nil }
            mailbox.typicalDuration += (duration - mailbox.typicalDuration) / 8
            return !mailbox.queue.isEmpty && mailbox.typicalDuration < Self.shortCall
        }
    }

    private enum Next {
        case item(Item)
        case mayCome, none
    }

    /// The next call for a runner; the last one looks for it for a while. Nil: the runner ends.
    private func next(_ slot: Int, _ host: ActorHost, _ runtime: Runtime, beforeSpin: () -> Void) -> Item? {
        hasMore.store(false, ordering: .relaxed)
        let found = mailbox.withLock { mailbox -> Next in
            if mailbox.runners[slot].isCancelled, !mailbox.queue.isEmpty {
                mailbox.runners[slot] = Runner(task: runner(slot, host, runtime))
                return .none
            }
            if let item = mailbox.take(slot) { return .item(item) }
            let comeOneByOne = mailbox.callsInRow == 1
            mailbox.callsInRow = 0
            guard mailbox.running == 1, comeOneByOne, !mailbox.runners[slot].isCancelled else {
                mailbox.end(slot)
                return .none
            }
            (mailbox.runners[slot].call, mailbox.isSpinning) = (nil, true)
            return .mayCome
        }
        switch found {
        case .item(let item): return item
        case .none: return nil
        case .mayCome:
            // Isolated to an actor that has no other call: nobody waits for it meanwhile.
            beforeSpin()
            _ = spinner.spin { hasMore.load(ordering: .relaxed) }
            return mailbox.withLock { mailbox in
                mailbox.isSpinning = false
                if let item = mailbox.take(slot) { return item }
                mailbox.end(slot)
                return nil
            }
        }
    }
}
