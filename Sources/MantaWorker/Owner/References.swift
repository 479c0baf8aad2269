// References: the owner's part in counting references: what the counter decides becomes messages, and messages reach the counter.
//
// What changes in one turn goes to each owner as one message. What has to wait for registrations (answers of tasks, an actor's start, the confirmation of
// what a value brought) waits behind a barrier of the counter. References in answers and stream items are held here until their receiver has confirmed them.

import MantaCore
import MantaLoop
import MantaModel
import MantaTransport
import MantaWire

/// Confirmations that wait for the answer or item which they are about.
struct AwaitedBorrows {
    var request: AwaitBorrows
    var correlation: Correlation
    var link: Link
}

extension Owner {
    /// An own object that others may ask for.
    func kept(_ id: ObjectID) -> ObjectHandle? { references.handle(of: id).map { unsafeDowncast($0, to: ObjectHandle.self) } }

    /// The value of an own object contains these references, of which some handles may be at hand.
    func contain(_ inside: [ObjectHandle], in outer: ObjectID) {
        for handle in inside { references.contain(handle.address, isOwn(handle) ? handle : nil, in: outer) }
        noteChanges()
    }

    func contain(_ inside: [ObjectAddress], in outer: ObjectID) {
        for inner in inside { references.contain(inner, in: outer) }
        noteChanges()
    }

    // MARK: What the counter decides

    /// Sees to it that owners hear of what changed, at the end of the turn.
    func noteChanges() {
        guard references.hasChanges, !isFlushDue else { return }
        isFlushDue = true
        loop.later { [self] in
            isFlushDue = false
            tellOwners()
        }
    }

    func tellOwners() {
        if references.hasChanges { change { $0.flush(perform: $1) } }
    }

    /// Changes the counter, and carries out what it asks for when it has.
    private func change(_ body: (inout ReferenceCounter, (ReferenceCounter.Action) -> Void) -> Void) {
        var actions: [ReferenceCounter.Action] = []
        body(&references) { actions.append($0) }
        for action in actions {
            switch action {
            case .register(let ids, let owner, let number):
                link(toOwner: owner) { [self] link in
                    // Later: a barrier that is being put behind this registration must not pass before anyone waits for it.
                    guard let link else { return loop.later { [self] in change { $0.acknowledged(number, perform: $1) } } }
                    // Also a failure ends the wait: the owner is gone, and its objects with it.
                    link.request(BorrowObjects(number: number, objects: ids), deadline: nil) { [self] _ in change { $0.acknowledged(number, perform: $1) } }
                }
            case .release(let ids, let owner, let number):
                link(toOwner: owner) { $0?.request(ReleaseObjects(number: number, objects: ids), deadline: nil) { _ in } }
            case .passed(let token): barriers.removeValue(forKey: token)?()
            }
        }
    }

    private func link(toOwner owner: ProcessAddress, _ body: (Link?) -> Void) {
        body(isGone(owner.process) ? nil : transport.connect(to: owner))
    }

    /// Runs `body` when every registration of this process up to now is acknowledged: at once when none is under way.
    func afterRegistrations(_ body: @escaping () -> Void) {
        guard references.owesRegistrations else { return body() }
        var token: UInt64?
        change { token = $0.barrier(perform: $1) }
        if let token { barriers[token] = body } else { body() }
    }

    // MARK: What others say

    func answer(_ request: BorrowObjects, correlation: Correlation, on link: Link) {
        guard let borrower = link.peerProcess else { return }
        references.borrowed(request.objects, by: borrower, number: request.number)
        link.reply(to: correlation, Acknowledged())
    }

    func answer(_ request: ReleaseObjects, correlation: Correlation, on link: Link) {
        guard let borrower = link.peerProcess else { return }
        references.released(request.objects, by: borrower, number: request.number)
        link.reply(to: correlation, Acknowledged())
    }

    /// A worker holds what it sent until this is acknowledged.
    func answer(_ request: AwaitBorrows, correlation: Correlation, on link: Link) {
        guard hasReceived(request) else { return awaitedBorrows.append(AwaitedBorrows(request: request, correlation: correlation, link: link)) }
        afterRegistrations { link.reply(to: correlation, Acknowledged()) }
    }

    /// After a break a confirmation may be asked for before the answer comes that it is about.
    private func hasReceived(_ request: AwaitBorrows) -> Bool {
        guard let submission = pending(request.task) else { return true }
        guard let item = request.item, let stream = submission.results.first?.stream else { return false }
        return stream.hasReceived(Int(clamping: item))
    }

    func confirmBorrows() {
        guard !awaitedBorrows.isEmpty else { return }
        let waiting = awaitedBorrows
        awaitedBorrows = []
        for wait in waiting { answer(wait.request, correlation: wait.correlation, on: wait.link) }
    }

    // MARK: What is handed out

    /// Sends the answer of a run, when the objects it may have left behind are registered.
    func send(_ run: FinishedRun) {
        guard !run.contents.isEmpty else { return afterRegistrations { run.route.link.send(run.done) } }
        var done = run.done
        done.contents = run.contents.map { $0.map(\.address) }
        let kept = keep(run.contents.flatMap(\.self), by: done.task)
        afterRegistrations { [self, done] in
            run.route.link.send(done)
            confirm(AwaitBorrows(task: done.task), on: run.route.link, kept)
        }
    }

    func send(_ item: StreamItem, _ inside: [ObjectHandle], on link: Link) {
        guard !inside.isEmpty else {
            link.send(item)
            return
        }
        var item = item
        item.contents = inside.map(\.address)
        let kept = keep(inside, by: item.task)
        link.send(item)
        confirm(AwaitBorrows(task: item.task, item: item.index), on: link, kept)
    }

    /// What is held until its receiver is registered: pins of own objects, and handles of others.
    private struct HandedOut {
        var pins: [ObjectID] = []
        var handles: [ObjectHandle] = []
    }

    private func keep(_ handles: [ObjectHandle], by task: TaskID) -> HandedOut {
        var kept = HandedOut()
        for handle in handles {
            guard isOwn(handle) else {
                kept.handles.append(handle)
                continue
            }
            references.pin(handle.id, handle, by: task)
            kept.pins.append(handle.id)
        }
        handedOut += 1
        return kept
    }

    private func confirm(_ request: AwaitBorrows, on link: Link, _ kept: HandedOut) {
        link.request(request, deadline: nil) { [self] _ in
            unpin(kept.pins, by: request.task)
            withExtendedLifetime(kept.handles) {}
            handedOut -= 1
        }
    }

    // MARK: Deaths

    /// A link to a process is over. Without another one the process counts as gone: as a borrower, and as an owner.
    func linkEnded(_ link: Link) {
        guard let process = link.peerProcess, !transport.links.contains(where: { $0.peerProcess == process }) else { return }
        processGone(process)
    }

    func processGone(_ process: ProcessID) {
        guard process != address.process else { return }
        if goneProcesses.count >= Limits.goneProcesses { goneProcesses.removeAll() }
        goneProcesses.insert(process)
        change { $0.processEnded(process, perform: $1) }
    }

    /// The head has given a node up, and with it the processes that nobody can reach any more: nothing of them is waited for.
    ///
    /// A worker whose own node was given up goes on while that lives: it may come back, and takes its workers along.
    func nodeLost(_ lost: NodeLost) {
        if runtime.configuration.role != .driver, lost.node == runtime.node { return }
        let processes = (lost.processes ?? []) + [lost.node.process]
        for process in processes { processGone(process) }
        let error = MantaError(.nodeDied, "node \(lost.node.short) is lost, and every process on it")
        for process in processes { transport.lose(process, error) }
        nodeLost(lost.node)
    }

    func isGone(_ process: ProcessID) -> Bool { goneProcesses.contains(process) }
}
