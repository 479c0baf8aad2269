// Journal: the order in which changes reach the store, and what follows when they have, or have not.
//
// One group is on its way at a time; what comes meanwhile is the next group. A wish can fail: when the store does, everything that waits fails with it,
// because it may build on what failed. A fact has happened, so it is tried again until the store takes it. Of facts about one thing that wait, the last is
// enough: what comes and goes while the disk is busy is not written in between.
// Confined to the head's loop.

import MantaLoop
import MantaModel
import MantaStorage

final class Journal {
    private struct Entry {
        var changes: [StorageChange]
        /// Set for a fact: what it is about.
        var subjects: Set<Subject> = []
        var done: ((MantaError?) -> Void)?

        /// A fact that nobody waits for.
        var isReplaceable: Bool { !subjects.isEmpty && done == nil }
    }
    /// What a fact is about.
    private enum Subject: Hashable {
        case node(NodeID)
        case job(JobID)
        case actor(ActorID)
        case row(table: String, key: String)
    }

    private static let retryPause = Duration.seconds(1)
    /// Changes that wait for a slow disk; more requests for a change are refused.
    private static let limit = 10_000

    private let storage: any Storage
    private let loop: EventLoop
    /// In the order in which they came.
    private var waiting: [Entry] = []
    /// The last of them about each thing; not of what a failed store left.
    private var latest: [Subject: Int] = [:]
    private var isWriting = false
    private var isClosed = false
    private var retry: TimerID?
    /// Called before the wishes hear that they failed.
    var failed: (MantaError) -> Void = { _ in }

    init(storage: any Storage, loop: EventLoop) { (self.storage, self.loop) = (storage, loop) }

    /// Why no more wishes are taken at present.
    var refusal: MantaError? {
        guard waiting.count >= Self.limit else { return nil }
        return MantaError(.overloaded, "\(waiting.count) changes wait for the store \(storage.location), whose disk is slow; try later")
    }

    /// Makes the changes, or fails. Calls back later, in the order of the calls; without changes, when everything before is decided.
    func write(_ changes: [StorageChange], _ done: @escaping (MantaError?) -> Void) {
        for change in changes { latest[Self.subject(of: change)] = waiting.count }
        waiting.append(Entry(changes: changes, done: done))
        next()
    }

    /// Makes the changes, whenever that is possible. Calls back when they are made, or were not possible at first.
    func record(_ changes: [StorageChange], _ done: ((MantaError?) -> Void)? = nil) {
        let subjects = Set(changes.map(Self.subject))
        // All that waits is made together, so that its place does not matter.
        if done == nil, let subject = subjects.first, let index = latest[subject], waiting[index].isReplaceable, waiting[index].subjects == subjects {
            waiting[index].changes = changes
            return
        }
        for subject in subjects { latest[subject] = waiting.count }
        waiting.append(Entry(changes: changes, subjects: subjects, done: done))
        next()
    }

    /// Hands the store everything that waits; it is durable when this returns, if the store takes it.
    func close() {
        isClosed = true
        retry.map(loop.cancel)
        let changes = waiting.flatMap(\.changes)
        waiting = []
        if !changes.isEmpty { storage.apply(changes) { _ in } }
        storage.close()
    }

    private func next() {
        guard !isWriting, !isClosed, !waiting.isEmpty else { return }
        retry.map(loop.cancel)
        retry = nil
        isWriting = true
        let group = waiting
        (waiting, latest) = ([], [:])
        let changes = group.flatMap(\.changes)
        if changes.isEmpty { return loop.later { self.written(group, nil) } }
        let finish = LoopBound({ (error: MantaError?) in self.written(group, error) }, on: loop)
        storage.apply(changes) { error in finish.loop.execute { finish.value(error) } }
    }

    private func written(_ group: [Entry], _ error: MantaError?) {
        isWriting = false
        guard !isClosed else { return }
        guard let error else {
            for entry in group { entry.done?(nil) }
            return next()
        }
        let all = group + waiting
        waiting = all.filter { !$0.subjects.isEmpty }.map { Entry(changes: $0.changes, subjects: $0.subjects) }
        latest = [:]
        forgetOutdatedFacts()
        failed(error)
        for entry in all { entry.done?(error) }
        if !waiting.isEmpty, retry == nil {
            retry = loop.schedule(after: Self.retryPause) { [weak self] in
                self?.retry = nil
                self?.next()
            }
        }
    }

    /// The last fact about a thing is enough, so what waits for a store that fails is bounded by the number of things.
    private func forgetOutdatedFacts() {
        var later: Set<Subject> = []
        var kept: [Entry] = []
        for entry in waiting.reversed() where !entry.subjects.isSubset(of: later) {
            later.formUnion(entry.subjects)
            kept.append(entry)
        }
        waiting = kept.reversed()
    }

    private static func subject(of change: StorageChange) -> Subject {
        switch change {
        case .putNode(let node): .node(node.id)
        case .removeNode(let id): .node(id)
        case .putJob(let job): .job(job.id)
        case .removeJob(let id): .job(id)
        case .putActor(let actor): .actor(actor.id)
        case .removeActor(let id): .actor(id)
        case .putRow(let row): .row(table: row.table, key: row.key)
        case .removeRow(let table, let key, _): .row(table: table, key: key)
        }
    }
}
