// The workers of a simulation: they run what they are sent, one task at a time under each lease, and block when a task awaits its children.

import MantaCore
import MantaModel

extension Simulation {
    func processReceives(_ message: Message, from: Party, _ number: Int) {
        switch message {
        case .granted(let lease, let worker, _): onOwner(number) { $0.leaseGranted(lease, worker: worker, at: $1, perform: $2) }
        case .moved(let lease, let node): onOwner(number) { $0.leaseMoved(lease, to: node, at: $1, perform: $2) }
        case .refused(let lease, let error): onOwner(number) { $0.leaseRefused(lease, error, at: $1, perform: $2) }
        case .reclaim(let lease, _): onOwner(number) { $0.reclaim(lease, at: $1, perform: $2) }
        case .lost(let lease, let cause): onOwner(number) { $0.leaseLost(lease, cause, at: $1, perform: $2) }
        case .done(let task, let attempt, let time):
            onOwner(number) { $0.taskDone(task, attempt: attempt, duration: .nanoseconds(time), at: $1, perform: $2) }
        case .returned(let lease, let tasks): onOwner(number) { $0.tasksReturned(tasks, lease: lease, at: $1, perform: $2) }
        case .unknown(let lease, let tasks): onOwner(number) { $0.tasksUnknown(tasks, lease: lease, at: $1, perform: $2) }
        case .run(let task, let attempt, let lease, let plan):
            guard case .process(let owner) = from else { return }
            accept(Runner.Run(key: RunKey(task: task, attempt: attempt, lease: lease), plan: plan, owner: owner), number)
        case .takeBack(let lease):
            guard case .process(let owner) = from else { return }
            giveBack(lease, number, to: owner)
        case .inquire(let lease, let tasks): answer(lease, tasks, number, from)
        case .cancel(let task, let attempt, let lease): drop(RunKey(task: task, attempt: attempt, lease: lease), number)
        case .resumed(let lease, let turn): resumed(lease, turn, number)
        case .leaseEnded(let lease): leaseEnded(lease, number)
        default: failure = "p\(number) got \(message)"
        }
    }

    func processTicks(_ number: Int) {
        onOwner(number) { $0.tick(at: $1, perform: $2) }
        let node = Party.node(processes[number].node)
        for lease in processes[number].runners.keys.sorted() {
            guard let runner = processes[number].runners[lease] else { continue }
            let isDue = runner.saidAt + .milliseconds(500) <= now
            switch runner.state {
            case .blocked where isDue:
                processes[number].runners[lease]!.saidAt = now
                send(.blocked(lease, runner.turn), from: .process(number), to: node)
            case .resuming where isDue:
                processes[number].runners[lease]!.saidAt = now
                send(.resume(lease, runner.turn), from: .process(number), to: node)
            case .computing where runner.since + .milliseconds(10) <= now && !runner.queue.isEmpty:
                giveBack(lease, number, to: runner.queue[0].owner)
            default: break
            }
        }
    }

    // MARK: Running

    private func accept(_ run: Runner.Run, _ number: Int) {
        guard !processes[number].known.contains(run.key) else { return }
        let lease = run.key.lease
        switch processes[number].runners[lease, default: Runner()].state {
        case .blocked, .resuming: send(.returned(lease, [run.key.task]), from: .process(number), to: .process(run.owner))
        case .computing:
            processes[number].known.insert(run.key)
            processes[number].runners[lease]!.queue.append(run)
        case .idle:
            processes[number].known.insert(run.key)
            processes[number].runners[lease, default: Runner()].queue.append(run)
            startNext(lease, number)
        }
    }

    private func startNext(_ lease: LeaseID, _ number: Int) {
        guard var runner = processes[number].runners[lease] else { return }
        guard !runner.queue.isEmpty else {
            processes[number].runners[lease] = nil
            return
        }
        runner.current = runner.queue.removeFirst()
        processes[number].runners[lease] = runner
        compute(lease, number)
    }

    /// The current run computes its next stretch.
    private func compute(_ lease: LeaseID, _ number: Int) {
        guard let run = processes[number].runners[lease]?.current else { return }
        let work = run.plan.rounds[run.round].work
        if processes[number].runners[lease]!.state != .computing { ledger.computes(lease, node: processes[number].node, true) }
        processes[number].runners[lease]!.state = .computing
        processes[number].runners[lease]!.since = now
        processes[number].runners[lease]!.current!.worked += work
        timeline.add(.computed(process: number, run.key), at: now + .nanoseconds(work))
    }

    func computed(_ number: Int, _ key: RunKey) {
        guard processes[number].isAlive, let runner = processes[number].runners[key.lease], runner.state == .computing else { return }
        guard let run = runner.current, run.key == key else { return }
        let round = run.plan.rounds[run.round]
        processes[number].runners[key.lease]!.current!.round += 1
        let isLast = run.round + 1 == run.plan.rounds.count
        let blocks = round.awaits && !round.children.isEmpty
        if blocks { block(key, children: round.children.count, number) }
        for child in round.children { submit(child, by: number, parent: round.awaits ? key : nil) }
        if blocks { return }
        if isLast { finish(run, number) } else { compute(key.lease, number) }
    }

    private func finish(_ run: Runner.Run, _ number: Int) {
        let lease = run.key.lease
        ledger.computes(lease, node: processes[number].node, false)
        processes[number].runners[lease]!.current = nil
        processes[number].runners[lease]!.state = .idle
        send(.done(run.key.task, attempt: run.key.attempt, run.worked), from: .process(number), to: .process(run.owner))
        startNext(lease, number)
    }

    // MARK: Blocking

    private func block(_ key: RunKey, children: Int, _ number: Int) {
        ledger.computes(key.lease, node: processes[number].node, false)
        processes[number].lastTurn += 1
        let turn = processes[number].lastTurn
        processes[number].runners[key.lease]!.state = .blocked
        processes[number].runners[key.lease]!.turn = turn
        processes[number].runners[key.lease]!.saidAt = now
        processes[number].runners[key.lease]!.outstanding = children
        if let owner = processes[number].runners[key.lease]!.current?.owner { giveBack(key.lease, number, to: owner) }
        send(.blocked(key.lease, turn), from: .process(number), to: .node(processes[number].node))
    }

    func childEnded(_ number: Int, _ parent: RunKey) {
        guard processes[number].isAlive, let runner = processes[number].runners[parent.lease], runner.current?.key == parent else { return }
        processes[number].runners[parent.lease]!.outstanding -= 1
        guard runner.outstanding == 1, runner.state == .blocked else { return }
        processes[number].runners[parent.lease]!.state = .resuming
        processes[number].runners[parent.lease]!.saidAt = now
        send(.resume(parent.lease, runner.turn), from: .process(number), to: .node(processes[number].node))
    }

    private func resumed(_ lease: LeaseID, _ turn: UInt64, _ number: Int) {
        guard let runner = processes[number].runners[lease], runner.state == .resuming, runner.turn == turn else { return }
        compute(lease, number)
    }

    /// Nobody wants what waits under the lease.
    private func leaseEnded(_ lease: LeaseID, _ number: Int) {
        guard let runner = processes[number].runners[lease], runner.state == .blocked || runner.state == .resuming else { return }
        processes[number].runners[lease] = nil
    }

    // MARK: Questions of the owner

    /// Gives back what has not begun, always with an answer: it tells the owner that the lease takes no more for now.
    private func giveBack(_ lease: LeaseID, _ number: Int, to owner: Int) {
        let runs = processes[number].runners[lease]?.queue ?? []
        processes[number].runners[lease]?.queue = []
        for run in runs { processes[number].known.remove(run.key) }
        send(.returned(lease, runs.map(\.key.task)), from: .process(number), to: .process(owner))
    }

    /// Names the tasks that are not here: they never came, or their answers have left.
    private func answer(_ lease: LeaseID, _ tasks: [TaskID], _ number: Int, _ owner: Party) {
        let runner = processes[number].runners[lease]
        let here = [runner?.current?.key.task].compactMap { $0 } + (runner?.queue ?? []).map(\.key.task)
        let unknown = tasks.filter { !here.contains($0) }
        if !unknown.isEmpty { send(.unknown(lease, unknown), from: .process(number), to: owner) }
    }

    /// A cancelled task that has not begun ends without running; one that runs goes on to its end.
    private func drop(_ key: RunKey, _ number: Int) {
        guard let position = processes[number].runners[key.lease]?.queue.firstIndex(where: { $0.key == key }) else { return }
        let run = processes[number].runners[key.lease]!.queue.remove(at: position)
        send(.done(key.task, attempt: key.attempt, 0), from: .process(number), to: .process(run.owner))
    }
}
