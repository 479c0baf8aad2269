// Deadlocks: actors that wait for each other: one calls another, which calls the first one back and waits, directly or through more actors and tasks.
//
// Whoever has waited a second for a call of an actor asks, along the way that the call would take, what it waits for: the actor's process which call runs
// alone there and what that one waits for, the process that runs that, and so on. When the way comes back to where it began, no call on it can ever
// begin, and one wait on it fails: the one for the call that waits in line. Of several such, the one of the largest task.
//
// What holds: a wait that is reported was there during the whole round, and everything on the way waited when it was asked; so none of it can have gone on.
// Waits with a time limit, for one of several references, or of code that waits for several things at once are on no way: they may end by themselves.

import MantaCore
import MantaLoop
import MantaModel
import MantaTransport
import MantaWire

extension Owner {
    /// Call it every `Limits.tickPeriod`.
    func tickWaits() {
        guard loop.now >= waitsLookAt else { return }
        waitsLookAt = loop.now + .milliseconds(250)
        for wait in OpenWaits.ofThisProcess.due(at: loop.now) where wait.handle.isBorrowed || calls[wait.handle.id.task] != nil { inquire(wait) }
    }

    private func inquire(_ wait: OpenWaits.Wait) {
        follow(wait, InquireWait(task: wait.handle.id.task, waiting: [WaitingTask(wait.context)])) { cycle in
            guard let cycle else { return }
            let way = cycle.joined(separator: ", which waits for ")
            wait.handle.refuse(
                wait.token,
                MantaError(
                    .conflict,
                    "\(wait.context.title) waits for a call that can never begin: the actor runs its calls one by one, and the one it runs waits for this one (\(way), which waits in line behind \(cycle.last ?? "")); return without waiting, pass the reference on, or allow more calls at once with maxConcurrency"))
        }
    }

    /// Asks what becomes of an object that the last of `question.waiting` waits for; with the functions of the cycle when there is one.
    private func follow(_ wait: OpenWaits.Wait, _ question: InquireWait, _ done: @escaping ([String]?) -> Void) {
        let task = wait.handle.id.task
        if question.waiting.contains(where: { $0.task == task }) { return done(question.cycle) }
        var question = question
        (question.task, question.actor) = (task, nil)
        if wait.handle.isBorrowed, wait.handle.owner.process != address.process {
            guard !isGone(wait.handle.owner.process) else { return done(nil) }
            return pass(question, to: transport.connect(to: wait.handle.owner), done)
        }
        passToRunner(question, done)
    }

    /// To the process that has the task, one that was submitted here.
    private func passToRunner(_ question: InquireWait, _ done: @escaping ([String]?) -> Void) {
        var question = question
        let target = calls[question.task]
        question.actor = target?.actor
        if let target {
            guard target.queue.payload(of: question.task) != nil, let link = target.link else { return done(nil) }
            return pass(question, to: link, done)
        }
        guard let (worker, _) = tasks?.place(of: question.task) else { return done(nil) }
        pass(question, to: transport.connect(to: worker), done)
    }

    private func pass(_ question: InquireWait, to link: Link, _ done: @escaping ([String]?) -> Void) {
        guard question.hops < InquireWait.hopLimit else { return done(nil) }
        var question = question
        question.hops += 1
        link.request(question, deadline: .seconds(5)) { done((try? $0.get())?.cycle) }
    }

    /// Somebody waits for a task that runs or waits in line here, or whose result this process owns.
    func answer(_ question: InquireWait, correlation: Correlation, on link: Link) {
        let reply: ([String]?) -> Void = { link.reply(to: correlation, WaitFound(cycle: $0)) }
        var (question, runs) = (question, question.task)
        if let blocker = execution.actors.blocker(of: question.task, question.actor) {
            question.waiting[question.waiting.count - 1].isInLine = true
            if question.waiting.contains(where: { $0.task == blocker }) { return reply(question.cycle) }
            runs = blocker
        }
        let waits = OpenWaits.ofThisProcess.waits(of: runs)
        guard let wait = waits.first else {
            return runs == question.task && pending(question.task) != nil ? passToRunner(question, reply) : reply(nil)
        }
        // The first wait is for a call in line, or no one's concern: another one on the way will ask.
        guard waits.count == 1, question.waiting[0].isInLine else { return reply(nil) }
        question.waiting.append(WaitingTask(wait.context))
        follow(wait, question, reply)
    }
}

extension InquireWait {
    /// Processes that a question passes through.
    fileprivate static var hopLimit: Int { 64 }

    /// The functions of the cycle that the question has found, when it is the first one's wait that fails.
    fileprivate var cycle: [String]? {
        let last = waiting.filter(\.isInLine).map(\.task).max()
        return waiting.first?.task == last ? waiting.map(\.function) : nil
    }
}

extension WaitingTask {
    fileprivate init(_ context: TaskContext) { self.init(task: context.task, function: context.title) }
}
