// Head+PlacementGroups: questions about placement groups, and the two steps by which nodes reserve their bundles.
//
// A group's specification is kept in the store until it is removed, in a table of its own that nobody else sees; where its bundles are, the nodes know.
// A detached group is answered when that is durable. Another one is answered at once: if the head dies before the store has it, its maker, and the nodes
// that hold it, tell the next head.

import Logging
import MantaCore
import MantaLoop
import MantaModel
import MantaStorage
import MantaTransport
import MantaWire

extension Head {
    /// The table of the store that keeps the groups' specifications.
    static var groupTable: String { "manta.groups" }

    func restoreGroups(_ rows: [StoredRow]) throws(MantaError) {
        var specifications: [PlacementGroupSpecification] = []
        for row in rows {
            do throws(MantaError) { specifications.append(try ValueDecoder.decode(PlacementGroupSpecification.self, from: row.value)) } catch {
                throw MantaError(.malformed, "the store's row of placement group \(row.key) cannot be read; was it written by another release?", cause: error)
            }
        }
        placementGroups.restore(specifications, at: EventLoop.clock(), time: .now, grace: configuration.timing.deadAfter)
    }

    // MARK: Questions

    func createGroup(_ message: CreateGroup, _ correlation: Correlation, on link: Link) throws(MantaError) {
        let specification = message.specification
        if jobs.hasEnded(specification.job), specification.lifetime == .job, !specification.isOwnedByActor {
            throw MantaError(.conflict, "job \(specification.job) has ended; it creates no more placement groups")
        }
        askGroups(.create(specification, isRepeated: message.isRepeated), correlation, on: link)
    }

    /// A node asks about groups that it has not heard of: it came when they were gone.
    func sayWhichAreGone(of groups: [PlacementGroupID], on link: Link) {
        for group in groups where placementGroups.isGone(group, at: loop.now) { link.send(GroupRemoved(group: group)) }
    }

    /// Actors may wait for groups that were removed while no head was there, or before this one knew of them.
    func endActorsOfGoneGroups() {
        for group in directory.awaitedGroups.sorted() where placementGroups.isGone(group, at: loop.now) { actorEvent { $0.groupRemoved(group, at: loop.now, $1) } }
    }

    func askGroups(_ question: PlacementGroupBook.Question, _ correlation: Correlation, on link: Link) {
        lastToken += 1
        groupQuestions[lastToken] = { result in
            switch (result, question) {
            case (.success, .remove): link.reply(to: correlation, Acknowledged())
            // Asked again, of a head that began after it was removed.
            case (.failure(let error), .remove) where error.code == .notFound: link.reply(to: correlation, Acknowledged())
            case (.success(let status), _): link.reply(to: correlation, GroupFound(status))
            case (.failure(let error), _): link.fail(correlation, error)
            }
        }
        groupEvent { [token = lastToken] in $0.ask(question, token: token, at: loop.now, time: .now, $1) }
    }

    // MARK: Actions

    func groupEvent(_ event: (inout PlacementGroupBook, (PlacementGroupBook.Action) -> Void) -> Void) {
        var actions: [PlacementGroupBook.Action] = []
        event(&placementGroups) { actions.append($0) }
        perform(actions)
        armDueTimer()
    }

    private func perform(_ actions: [PlacementGroupBook.Action]) {
        var answers: [(PlacementGroupBook.Token, Result<PlacementGroupBook.Status, MantaError>)] = []
        for action in actions {
            switch action {
            case .answer(let token, let result): answers.append((token, result))
            case .prepare(let specification, let indices, let node, let attempt): prepare(specification, indices, on: node, attempt)
            case .commit(let id, let indices, let node, let attempt): commit(id, indices, on: node, attempt)
            case .abandon(let id, let node, let attempt): nodeLinks[node]?.send(AbandonBundles(group: id, attempt: attempt))
            case .tellRemoved(let id, let node): nodeLinks[node]?.send(GroupRemoved(group: id))
            case .drop(let id, let node): nodeLinks[node]?.send(DropBundles(group: id))
            case .removed(let specification):
                for link in nodeLinks.values { link.send(GroupRemoved(group: specification.id)) }
                // So that it does not say to a new head that there is this group.
                for peer in peers.values where peer.hello.process == specification.owner.process { peer.link.send(GroupRemoved(group: specification.id)) }
                actorEvent { $0.groupRemoved(specification.id, at: loop.now, $1) }
            case .persist(let specification): persist(specification)
            case .forget(let id):
                groupVersion += 1
                journal?.record([.removeRow(table: Self.groupTable, key: id.description, version: groupVersion)])
            }
        }
        let isOfDetached = actions.contains {
            switch $0 {
            case .persist(let specification), .removed(let specification): specification.lifetime == .detached
            default: false
            }
        }
        guard isOfDetached, !answers.isEmpty, let journal else {
            for (token, result) in answers { groupQuestions.removeValue(forKey: token)?(result) }
            return
        }
        // Everything that was recorded before is durable then.
        journal.record([]) { [self] error in
            for (token, result) in answers { groupQuestions.removeValue(forKey: token)?(error.map { .failure($0) } ?? result) }
        }
    }

    private func persist(_ specification: PlacementGroupSpecification) {
        var writer = MessagePackWriter()
        // A specification that came in a message can be encoded.
        guard (try? ValueEncoder.encode(specification, into: &writer)) != nil else { return }
        groupVersion += 1
        journal?.record([.putRow(StoredRow(table: Self.groupTable, key: specification.id.description, value: writer.bytes, version: groupVersion))])
    }

    /// A node that is away is heard of when it registers or is lost.
    private func prepare(_ specification: PlacementGroupSpecification, _ indices: [Int], on node: NodeID, _ attempt: UInt64) {
        guard let link = nodeLinks[node] else { return loop.later { [self] in answered(specification.id, node, attempt, Self.away(node)) } }
        link.request(PrepareBundles(specification: specification, indices: indices, attempt: attempt)) { [weak self] result in
            self?.answered(specification.id, node, attempt, result.failure)
        }
    }

    private func answered(_ id: PlacementGroupID, _ node: NodeID, _ attempt: UInt64, _ refusal: MantaError?) {
        if refusal?.code == .timeout || refusal?.code == .unavailable { nodeLinks[node]?.send(AbandonBundles(group: id, attempt: attempt)) }
        groupEvent { $0.prepared(id, on: node, attempt: attempt, refusal: refusal, at: loop.now, $1) }
    }

    private func commit(_ id: PlacementGroupID, _ indices: [Int], on node: NodeID, _ attempt: UInt64) {
        guard let link = nodeLinks[node] else { return }
        link.request(CommitBundles(group: id, indices: indices, attempt: attempt)) { [weak self] result in
            guard let self, nodeLinks[node] === link else { return }
            if let error = result.failure, error.code == .timeout || error.code == .unavailable {
                loop.schedule(after: .milliseconds(250)) { [weak self] in self?.commit(id, indices, on: node, attempt) }
                return
            }
            if result.failure == nil, let bundles = placementGroups.status(id)?.specification.bundles {
                var gained = Resources()
                for index in indices { gained += BundleResource.gained(id, index, bundles[index]) }
                actorEvent { $0.nodeGained(node, gained, at: loop.now, $1) }
            }
            groupEvent { $0.committed(id, on: node, attempt: attempt, success: result.failure == nil, at: loop.now, $1) }
        }
    }

    private static func away(_ node: NodeID) -> MantaError { MantaError(.unavailable, "node \(node.short) is not connected") }
}

extension GroupFound {
    init(_ status: PlacementGroupBook.Status) {
        self.init(specification: status.specification, state: status.state, nodes: status.nodes, reason: status.reason)
    }
}

extension HeldBundles {
    init(_ report: HeldBundlesReport) {
        self.init(specification: report.specification, indices: report.indices, isCommitted: report.isCommitted)
    }
}
