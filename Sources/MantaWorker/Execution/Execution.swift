// Execution: the loop's side of running things for others: which leases have tasks here, and the actors this worker hosts.
//
// A worker is told nothing of its leases: a task names the one it runs under. What the runners did comes back as commands and leaves as messages.

import DequeModule
import Glibc
import MantaCore
import MantaLoop
import MantaModel
import MantaTransport
import MantaWire

/// Confined to the loop, like its owner.
final class Execution {
    private(set) var runners: [LeaseID: LeaseRunner] = [:]
    /// The runners that the next tick looks at: not those with one run and nothing behind it, of which deep nesting leaves very many.
    private var attended: Set<LeaseID> = []
    /// Waits that are over, until the node says that the resources are there again.
    private var resuming: [LeaseID: (turn: UInt64, continuation: UnsafeContinuation<Void, Never>, askedAt: Int64)] = [:]
    private var turn: UInt64 = 0
    /// Waits that the node was told of, in the order it was: it is told again while they last, since the link may lose it.
    private var blocks: Deque<(block: LeaseBlocked.Block, toldAt: Int64)> = []
    let actors = HostedActors()
    /// The streams whose code runs here, and where their items go.
    var streams: [TaskID: (stream: OutgoingStream, route: ReplyRoute)] = [:]

    /// A task was cancelled by force, and this process ends: what comes now must run elsewhere.
    private var isEnding = false

    /// A task that runs longer than this is long: what waits behind it goes back to its owner. Twice as long as what is sent ahead of others may take, for
    /// there are moments in which the kernel lets two threads share a CPU.
    private static let patience = Limits.longestTaskAhead * 2
    /// This process ends itself when its node has not done so for so long.
    private static let endPatience: Duration = .seconds(1)

    // MARK: Tasks

    func run(_ message: RunTask, from link: Link, _ owner: Owner) {
        if isEnding {
            link.send(TasksReturned(lease: message.lease, tasks: [message.task]))
            return
        }
        let run = Run(
            task: message.task, attempt: message.attempt, job: message.job, parent: message.parent, function: message.function, name: message.name,
            resultCount: Int(message.resultCount), arguments: message.arguments, actor: nil, group: message.group, route: ReplyRoute(link: link),
            deadline: message.timeLeft.map { owner.loop.now + .nanoseconds($0) }, resources: message.resources,
            gpus: message.gpus)
        if runners[message.lease] == nil {
            see(message.gpus)
            owner.runtime.serves(message.job)
        }
        let runner = runners[message.lease] ?? LeaseRunner(lease: message.lease)
        runners[message.lease] = runner
        runner.route = run.route
        attended.insert(message.lease)
        runner.add(run, on: owner.runtime)
    }

    /// A lease with GPUs has its worker for itself: what the process sees of them is set before anything of the lease runs.
    private func see(_ gpus: [String]?) {
        if let gpus { setenv("CUDA_VISIBLE_DEVICES", gpus.joined(separator: ","), 1) }
    }

    /// Nobody wants a task or call any more.
    func cancel(_ message: CancelTask, _ owner: Owner) {
        if let (call, route) = actors.cancel(message.task, of: message.actor) {
            return route.refuse(call, MantaError(.cancelled, "call \(call.task) was cancelled"))
        }
        for runner in runners.values {
            switch runner.cancel(message.task) {
            case .unknown: continue
            case .notBegun(let run):
                run.route.link.send(run.cancelledBeforeItBegan)
                return
            case .running where message.isForced: return endByForce(message.task, of: runner.lease, owner)
            case .running: break
            }
        }
        // A task that is not here any more may have left children, but they are no longer its own to end.
        if message.isRecursive, isRunning(message.task, of: message.actor) { owner.cancelChildren(of: message.task, isForced: false) }
    }

    private func isRunning(_ task: TaskID, of actor: ActorID?) -> Bool {
        actors.isRunning(task, of: actor) || runners.values.contains { $0.isRunning(task) }
    }

    /// Has this process ended because its running task is not wanted and does not listen. What it submitted is told first; what waits here runs elsewhere.
    /// The node ends it, and tells those whose tasks run here too that they had no part in it.
    private func endByForce(_ task: TaskID, of lease: LeaseID, _ owner: Owner) {
        isEnding = true
        owner.cancelChildren(of: task, isForced: true)
        for (lease, runner) in runners { giveBack(runner.takeQueue(), of: lease) }
        // What the links still hold leaves first.
        owner.loop.schedule(after: .milliseconds(20)) {
            owner.nodeLink?.send(EndWorker(lease: lease, reason: "task \(task) was cancelled by force"))
        }
        owner.loop.schedule(after: Self.endPatience) { kill(getpid(), SIGKILL) }
    }

    func finished(_ run: FinishedRun, _ owner: Owner) {
        if let failure = run.failure { owner.reports.error(failure) }
        if let lease = run.lease { attended.insert(lease) }
        guard let (state, keeper) = run.snapshot else {
            if !run.isUnasked { answer(run, owner) }
            return
        }
        let holdsAnswer = keeper.holdsAnswers && !run.isUnasked
        if !holdsAnswer, !run.isUnasked { answer(run, owner) }
        keeper.store(state, owner) { [self] error in
            guard holdsAnswer else { return }
            if let error {
                run.done.outcome = .failed(MantaError(error.code, "the call ran, but the actor's state behind it was not kept: \(error.message)"))
                run.contents = []
            }
            answer(run, owner)
        }
    }

    /// References inside what it answers, and those it has just decoded, must be known to their owners first.
    private func answer(_ run: FinishedRun, _ owner: Owner) {
        owner.reportBeforeAnswer()
        if run.contents.isEmpty, !owner.references.owesRegistrations { run.route.link.send(run.done) } else { owner.send(run) }
    }

    /// Gives back what waits behind a long or blocked task, and forgets runners that have nothing to do.
    func tick(_ owner: Owner) {
        let now = monotonicNanoseconds()
        repeatResumes(now: now, owner)
        repeatBlocks(now: now, owner)
        for lease in attended {
            guard let runner = runners[lease] else {
                attended.remove(lease)
                continue
            }
            giveBack(runner.takeDelayed(at: owner.loop.now, patience: Self.patience), of: lease)
            switch runner.occupation {
            case .idle:
                runners[lease] = nil
                attended.remove(lease)
            case .oneRun: attended.remove(lease)
            case .more: break
            }
        }
    }

    private func giveBack(_ runs: some Collection<Run>, of lease: LeaseID) {
        guard let link = runs.first?.route.link else { return }
        link.send(TasksReturned(lease: lease, tasks: runs.map(\.task)))
    }

    func takeBack(_ lease: LeaseID, from link: Link) {
        link.send(TasksReturned(lease: lease, tasks: runners[lease]?.takeQueue().map(\.task) ?? []))
    }

    func inquire(_ message: InquireTasks, from link: Link, _ owner: Owner) {
        let unknown = message.inquiries.compactMap { inquiry -> TasksUnknown? in
            let tasks = runners[inquiry.lease]?.unknown(among: inquiry.tasks) ?? inquiry.tasks
            return tasks.isEmpty ? nil : TasksUnknown(lease: inquiry.lease, tasks: tasks)
        }
        // A run whose end is still in the inbox is unknown here: its answer must leave first.
        owner.carryOutInbox()
        for message in unknown { link.send(message) }
    }

    // MARK: Leases

    func blocked(_ lease: LeaseID, _ owner: Owner) {
        guard let runner = runners[lease] else { return }
        // Also when there is nothing to give back: the owner sends nothing more behind the task that waits.
        runner.route?.link.send(TasksReturned(lease: lease, tasks: runner.takeQueue().map(\.task)))
        turn += 1
        runner.turn = turn
        owner.nodeLink?.send(LeaseBlocked(lease: lease, turn: turn))
        blocks.append((LeaseBlocked.Block(lease: lease, turn: turn), monotonicNanoseconds()))
    }

    private func repeatBlocks(now: Int64, _ owner: Owner) {
        var again: [LeaseBlocked.Block] = []
        while again.count < Limits.leaseChecksPerTick, let (block, toldAt) = blocks.first, now - toldAt > Limits.leaseConfirmPeriod.inNanoseconds {
            blocks.removeFirst()
            guard let runner = runners[block.lease], runner.turn == block.turn, runner.isBlocked, resuming[block.lease] == nil else { continue }
            again.append(block)
            blocks.append((block, now))
        }
        if let message = LeaseBlocked(again) { owner.nodeLink?.send(message) }
    }

    func resume(_ lease: LeaseID, _ continuation: UnsafeContinuation<Void, Never>, _ owner: Owner) {
        guard let node = owner.nodeLink, let runner = runners[lease] else { return continuation.resume() }
        resuming[lease] = (runner.turn, continuation, monotonicNanoseconds())
        node.send(ResumeLease(lease: lease, turn: runner.turn))
    }

    func resumed(_ message: LeaseResumed) {
        guard let wait = resuming[message.lease], message.turn == wait.turn || !message.exists else { return }
        resuming[message.lease] = nil
        wait.continuation.resume()
    }

    /// A `ResumeLease` or its answer may be lost.
    private func repeatResumes(now: Int64, _ owner: Owner) {
        for (lease, wait) in resuming where now - wait.askedAt > 1_000_000_000 {
            resuming[lease]?.askedAt = now
            owner.nodeLink?.send(ResumeLease(lease: lease, turn: wait.turn))
        }
    }

    // MARK: Life

    /// The node has no use for this process. It stays while others may ask for its objects or it waits for tasks of its own.
    func stop(_ owner: Owner) {
        let isNeeded = owner.references.keepsAnything || owner.handedOut > 0 || owner.objects.entries.values.contains { $0.state == .pending } || !runners.isEmpty || !actors.isEmpty
            || owner.ownsSomethingAlive
        guard !isNeeded else {
            // The node may have asked because it is about to end this process, with its job or with the one that it works for.
            owner.sendReports()
            owner.nodeLink?.send(WorkerStays())
            return
        }
        owner.sendReports()
        owner.close()
        // What the links still hold leaves first.
        owner.loop.schedule(after: .milliseconds(50)) { exit(0) }
    }
}

extension [EncodedValue] {
    /// The references inside each value of an answer with so many values; empty when there are none at all.
    func contents(for resultCount: Int) -> [[ObjectHandle]] {
        guard contains(where: { !$0.references.isEmpty }) else { return [] }
        return count == resultCount ? map(\.references) : [flatMap(\.references)]
    }
}

extension Runtime {
    /// What a run's results become on their way back.
    func outcome(of results: [EncodedValue], for run: Run) async throws -> TaskOutcome {
        if run.resultCount == results.count {
            var values: [ResultValue] = []
            for (index, result) in results.enumerated() {
                // A caller that is no process of a program has no store to read it in.
                if result.isLarge, let owner = run.route.storesFor,
                    let place = try await storeValue(result, as: ObjectID(task: run.task, index: UInt32(index)), ownedBy: owner)
                {
                    values.append(.stored(place))
                } else {
                    values.append(.inline(result.bytes))
                }
            }
            return .values(values)
        }
        if run.resultCount == 1 {
            // A call by name does not know how many results there are: they go back as one array.
            var writer = MessagePackWriter()
            writer.writeArrayHeader(results.count)
            for result in results { writer.bytes.append(contentsOf: result.bytes) }
            return .values([.inline(writer.bytes)])
        }
        return .failed(MantaError(.malformed, "\(run.title) returned \(results.count) values, its caller expects \(run.resultCount)"))
    }
}
