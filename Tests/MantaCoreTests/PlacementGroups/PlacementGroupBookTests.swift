// Placement groups from their creation to their end, with nodes that answer, refuse and die.

import MantaCore
import MantaModel
import Testing

/// A book and its nodes, as the head sees them.
private final class GroupBench {
    typealias Book = PlacementGroupBook
    var book = Book()
    var now = Instant.zero + .seconds(1)
    var actions: [Book.Action] = []
    var endedJobs: Set<JobID> = []
    private var token: UInt64 = 0

    static let job = JobID(high: 2, low: 2)
    static let owner = ProcessAddress(process: ProcessID(high: 3, low: 3), endpoint: "ipc:///o")
    func node(_ number: UInt64) -> NodeID { NodeID(high: 1, low: number) }

    func on(_ event: (inout Book, (Book.Action) -> Void) -> Void) { event(&book) { actions.append($0) } }

    func join(_ number: UInt64, cpus: Double, held: [HeldBundles] = []) {
        let total = Resources([Resources.cpu: ResourceAmount(cpus)])
        on {
            $0.nodeJoined(
                node(number), total: total, available: total, held: held, jobHasEnded: { endedJobs.contains($0) }, at: now, time: WallTime(milliseconds: 0), $1)
        }
    }

    func make(_ cpus: [Double], _ strategy: PlacementStrategy = .pack, name: String? = nil, lifetime: ActorLifetime = .job, isOwnedByActor: Bool = false)
        -> PlacementGroupSpecification
    {
        PlacementGroupSpecification(
            id: .random(), bundles: cpus.map { Resources([Resources.cpu: ResourceAmount($0)]) }, strategy: strategy, name: name, namespace: "n",
            lifetime: lifetime, job: Self.job, owner: Self.owner, isOwnedByActor: isOwnedByActor)
    }

    /// What the question was answered, if it was.
    @discardableResult
    func ask(_ question: Book.Question) -> Result<Book.Status, MantaError>? {
        token += 1
        on { [token] in $0.ask(question, token: token, at: now, time: WallTime(milliseconds: 0), $1) }
        return answer(to: token)
    }
    var lastToken: UInt64 { token }
    func answer(to token: UInt64) -> Result<Book.Status, MantaError>? {
        actions.compactMap { if case .answer(token, let result) = $0 { result } else { nil } }.first
    }

    func create(_ specification: PlacementGroupSpecification) -> PlacementGroupID {
        ask(.create(specification))
        return specification.id
    }

    /// Answers every order to set aside and to commit, until there is none; `refusing` nodes refuse.
    func settle(refusing: Set<UInt64> = []) {
        var position = 0
        while position < actions.count {
            defer { position += 1 }
            switch actions[position] {
            case .prepare(let specification, _, let node, let attempt):
                let refusal = refusing.contains(node.low) ? MantaError(.overloaded, "full") : nil
                on { $0.prepared(specification.id, on: node, attempt: attempt, refusal: refusal, at: now, $1) }
            case .commit(let id, _, let node, let attempt): on { $0.committed(id, on: node, attempt: attempt, success: true, at: now, $1) }
            default: break
            }
        }
        actions.removeAll {
            switch $0 {
            case .prepare, .commit: true
            default: false
            }
        }
    }

    func state(_ id: PlacementGroupID) -> PlacementGroupState? { book.status(id)?.state }
}

@Suite struct PlacementGroupBookTests {
    @Test func aGroupThatFitsIsCreatedWhenEveryNodeAgreed() throws {
        let h = GroupBench()
        h.join(1, cpus: 4)
        h.join(2, cpus: 4)
        let id = h.create(h.make([2, 2], .strictSpread))
        #expect(h.state(id) == .pending)
        #expect(h.ask(.ready(id)) == nil)
        let question = h.lastToken
        h.settle()
        #expect(h.state(id) == .created)
        #expect(try h.answer(to: question)?.get().nodes.compactMap { $0 }.count == 2)
    }

    @Test func SCHED_009_aGroupThatCannotBePlacedIsRemovedAtOnce() throws {
        let h = GroupBench()
        h.join(1, cpus: 1)
        let id = h.create(h.make([8]))
        #expect(h.book.status(id)?.reason?.contains("can never hold") == true)
        h.ask(.ready(id))
        let waiter = h.lastToken
        #expect(try h.ask(.remove(id))?.get().state == .removed)
        #expect(h.state(id) == .removed)
        guard case .failure(let error) = h.answer(to: waiter) else { Issue.record("the waiter has no answer"); return }
        #expect(error.code == .placementGroupRemoved)
    }

    @Test func SCHED_010_aPendingGroupIsCreatedWhenAFittingNodeComes() {
        let h = GroupBench()
        h.join(1, cpus: 2)
        let id = h.create(h.make([2, 2]))
        h.settle()
        #expect(h.state(id) == .pending)
        h.join(2, cpus: 2)
        h.settle()
        #expect(h.state(id) == .created)
    }

    @Test func SCHED_011_whenOneNodeRefusesTheOthersLetGo() {
        let h = GroupBench()
        h.join(1, cpus: 4)
        h.join(2, cpus: 4)
        let id = h.create(h.make([2, 2], .strictSpread))
        h.settle(refusing: [2])
        #expect(h.state(id) == .pending)
        #expect(h.actions.contains { if case .abandon(id, on: h.node(1), _) = $0 { true } else { false } })
        #expect(h.book.rows(limit: 1).first?.reason?.contains("full") == true)
        h.now = h.now + .seconds(1)
        h.on { $0.tick(at: h.now, $1) }
        h.settle()
        #expect(h.state(id) == .created)
    }

    @Test func aGroupThatWaitsLongIsPlacedWhereLeasesCanBeAskedBack() {
        let h = GroupBench()
        h.join(1, cpus: 2)
        let none = Resources(), all = Resources([Resources.cpu: 2])
        h.on { $0.nodeUpdated(h.node(1), available: none, reclaimable: all, at: h.now, $1) }
        let (first, second) = (h.create(h.make([2])), h.create(h.make([2])))
        func asked() -> [PlacementGroupID] { h.actions.compactMap { if case .prepare(let specification, _, _, _) = $0 { specification.id } else { nil } } }
        #expect(asked().isEmpty)
        h.now = h.now + Limits.groupPatience
        h.on { $0.nodeUpdated(h.node(1), available: none, reclaimable: all, at: h.now, $1) }
        #expect(asked() == [first], "one after the other")
        h.settle()
        #expect(h.state(first) == .created)
        h.on { $0.nodeUpdated(h.node(1), available: none, reclaimable: none, at: h.now, $1) }
        #expect(h.state(second) == .pending)
    }

    @Test func FAIL_044_aNodeThatAnswersLateMakesTheGroupLate() throws {
        let h = GroupBench()
        h.join(1, cpus: 2)
        let id = h.create(h.make([2]))
        #expect(h.ask(.ready(id)) == nil)
        let question = h.lastToken
        for _ in 0..<2 {
            h.now = h.now + .seconds(1)
            h.on { $0.tick(at: h.now, $1) }
            h.on { $0.nodeUpdated(h.node(1), available: Resources([Resources.cpu: 2]), at: h.now, $1) }
            #expect(h.answer(to: question) == nil && h.state(id) == .pending, "nobody is told that it is ready, and it is asked for once")
        }
        #expect(h.actions.filter { if case .prepare = $0 { true } else { false } }.count == 1)
        h.settle()
        #expect(try h.answer(to: question)?.get().state == .created)
    }

    @Test func SCHED_021_onlyAsManyAsFitAreCreatedAndTheOthersFollow() {
        let h = GroupBench()
        h.join(1, cpus: 4)
        let ids = (0..<6).map { _ in h.create(h.make([2])) }
        h.settle()
        var served: Set<PlacementGroupID> = []
        for _ in 0..<3 {
            let created = ids.filter { h.state($0) == .created }
            #expect(created.count == 2)
            for id in created {
                served.insert(id)
                h.ask(.remove(id))
            }
            h.settle()
        }
        #expect(served.count == 6)
    }

    @Test func aNewGroupWaitsWithItsLikeAndOthersDoNot() {
        let h = GroupBench()
        h.join(1, cpus: 4)
        let large = (0..<3).map { _ in h.create(h.make([3])) }
        h.settle()
        #expect(large.map { h.state($0) } == [.created, .pending, .pending])
        #expect(h.book.status(large[2])?.reason != nil && h.book.status(large[2])?.reason == h.book.status(large[1])?.reason)
        let small = h.create(h.make([1]))
        h.settle()
        #expect(h.state(small) == .created)
        h.ask(.remove(large[0]))
        h.settle()
        #expect(large.map { h.state($0) } == [.removed, .created, .pending], "the oldest first")
    }

    @Test func whoWasRefusedIsTriedWhenItsTimeHasComeAndThenWhenSomethingChanges() {
        let h = GroupBench()
        h.join(1, cpus: 4)
        let id = h.create(h.make([2]))
        h.settle(refusing: [1])
        let due = h.book.nextDeadline
        #expect(due != nil)
        h.on { $0.nodeUpdated(h.node(1), available: Resources(), at: h.now, $1) }
        h.now = due ?? h.now
        h.on { $0.tick(at: h.now, $1) }
        #expect(h.state(id) == .pending && h.book.nextDeadline == nil)
        h.on { $0.nodeUpdated(h.node(1), available: Resources([Resources.cpu: 4]), at: h.now, $1) }
        h.settle()
        #expect(h.state(id) == .created)
    }

    @Test func aLostNodesBundlesArePlacedAgain() {
        let h = GroupBench()
        h.join(1, cpus: 2)
        h.join(2, cpus: 2)
        let id = h.create(h.make([2, 2], .spread))
        h.settle()
        h.on { $0.nodeDied(h.node(1), at: h.now, $1) }
        #expect(h.state(id) == .rescheduling)
        #expect(h.book.status(id)?.nodes.compactMap { $0 } == [h.node(2)])
        h.join(3, cpus: 2)
        h.settle()
        #expect(h.state(id) == .created)
        #expect(Set(h.book.status(id)!.nodes.compactMap { $0 }) == [h.node(2), h.node(3)])
    }

    @Test func aNodeThatDiesWhileBundlesAreSetAsideGivesUpTheAttempt() {
        let h = GroupBench()
        h.join(1, cpus: 2)
        h.join(2, cpus: 2)
        let id = h.create(h.make([2, 2], .strictSpread))
        h.on { $0.nodeDied(h.node(1), at: h.now, $1) }
        #expect(h.actions.contains { if case .abandon(id, on: h.node(2), _) = $0 { true } else { false } })
        // A late answer of the given-up attempt is told to let go.
        h.settle()
        #expect(h.state(id) == .pending)
        h.join(3, cpus: 2)
        h.settle()
        #expect(h.state(id) == .created)
    }

    @Test func SCHED_013_afterAHeadsRestartNodesTellWhatTheyHold() {
        let h = GroupBench()
        let specification = h.make([2, 2], .spread)
        h.on { book, _ in book.restore([specification], at: h.now, time: WallTime(milliseconds: 0)) }
        h.join(1, cpus: 2, held: [HeldBundles(specification: specification, indices: [0], isCommitted: true)])
        #expect(h.actions.isEmpty, "nothing is placed before everybody has spoken")
        h.join(2, cpus: 2, held: [HeldBundles(specification: specification, indices: [1], isCommitted: true)])
        h.on { $0.recoveryIsComplete(at: h.now, $1) }
        #expect(h.state(specification.id) == .created)
        h.on { $0.nodeDied(h.node(1), at: h.now, $1) }
        h.join(3, cpus: 2)
        h.settle()
        #expect(h.state(specification.id) == .created)
    }

    @Test func SCHED_013_aGroupThatDidNotGetToTheStoreIsKnownFromItsNodesAndItsMaker() {
        let h = GroupBench()
        h.on { book, _ in book.restore([], at: h.now, time: WallTime(milliseconds: 0)) }
        let (held, pending) = (h.make([2, 2], .strictSpread), h.make([2]))
        h.ask(.create(pending, isRepeated: true))
        h.join(1, cpus: 2, held: [HeldBundles(specification: held, indices: [0], isCommitted: true)])
        #expect(h.actions.contains(.persist(held)) && !h.actions.contains(.removed(held)))
        h.join(2, cpus: 2, held: [HeldBundles(specification: held, indices: [1], isCommitted: true)])
        h.join(3, cpus: 2)
        #expect(h.state(held.id) == .created)
        h.settle()
        #expect(h.state(pending.id) == .pending, "the node that holds it might be late")
        h.now = h.now + Limits.deadAfter
        h.on { $0.tick(at: h.now, $1) }
        h.settle()
        #expect(h.state(pending.id) == .created)
    }

    @Test func whatItsMakerRemovedAtTheFormerHeadStaysRemoved() {
        let h = GroupBench()
        h.on { book, _ in book.restore([], at: h.now, time: WallTime(milliseconds: 0)) }
        h.join(1, cpus: 2)
        let specification = h.make([2])
        h.ask(.remove(specification.id))
        #expect(h.actions.contains(.tellRemoved(specification.id, on: h.node(1))), "what waits for it there is told")
        h.join(2, cpus: 2, held: [HeldBundles(specification: specification, indices: [0], isCommitted: true)])
        #expect(h.actions.contains(.removed(specification)) && h.state(specification.id) == nil)
    }

    @Test func whatNobodyWantsAnyMoreIsNotAdopted() {
        let h = GroupBench()
        h.on { book, _ in book.restore([], at: h.now, time: WallTime(milliseconds: 0)) }
        let specification = h.make([2])
        h.endedJobs = [GroupBench.job]
        h.join(1, cpus: 2, held: [HeldBundles(specification: specification, indices: [0], isCommitted: true)])
        #expect(h.actions.contains(.removed(specification)))
        h.endedJobs = []
        h.now = h.now + Limits.deadAfter
        h.join(2, cpus: 2, held: [HeldBundles(specification: specification, indices: [0], isCommitted: true)])
        #expect(h.actions.filter { $0 == .removed(specification) }.count == 2, "a head that is not new knows every group")
    }

    @Test func aNodeThatComesBackLetsGoOfWhatWasPlacedElsewhere() {
        let h = GroupBench()
        h.join(1, cpus: 2)
        let specification = h.make([2])
        let id = h.create(specification)
        h.settle()
        h.on { $0.nodeDied(h.node(1), at: h.now, $1) }
        h.join(2, cpus: 2)
        h.settle()
        h.actions = []
        h.join(1, cpus: 2, held: [HeldBundles(specification: specification, indices: [0], isCommitted: true)])
        #expect(h.actions.contains(.drop(id, on: h.node(1))))
        #expect(h.state(id) == .created && h.book.status(id)?.nodes == [h.node(2)])
    }

    @Test func whereNobodyAddsNodesWhatTheyCanNeverHoldFails() throws {
        let h = GroupBench()
        h.book.failsInfeasible = true
        let early = h.create(h.make([4]))
        func wait() {
            h.now = h.now + Limits.doubtPatience
            h.on { $0.tick(at: h.now, $1) }
        }
        wait()
        #expect(h.state(early) == .pending, "a cluster without nodes waits for the first")
        h.join(1, cpus: 2)
        let (busy, twin, kept) = (h.create(h.make([2])), h.create(h.make([4])), h.create(h.make([4], lifetime: .detached)))
        h.settle()
        let later = h.create(h.make([1]))
        #expect(h.ask(.ready(twin)) == nil && h.ask(.ready(later)) == nil)
        let waiter = h.lastToken - 1
        h.on { $0.tick(at: h.now, $1) }
        #expect([early, twin].map { h.state($0) } == [.pending, .pending], "a node may be about to come")
        wait()
        #expect([early, busy, twin, kept, later].map { h.state($0) } == [.removed, .created, .removed, .pending, .pending])
        for answer in [h.answer(to: waiter), h.ask(.ready(twin))] {
            guard case .failure(let error)? = answer else {
                Issue.record("who waits is told: \(String(describing: answer))")
                continue
            }
            #expect(error.code == .unschedulable && error.message.contains("can never hold"), "\(error)")
        }
    }

    @Test func whatANodeHoldsOfARemovedGroupIsFreed() {
        let h = GroupBench()
        let specification = h.make([2])
        h.join(1, cpus: 2, held: [HeldBundles(specification: specification, indices: [0], isCommitted: true)])
        #expect(h.actions == [.removed(specification)])
    }

    @Test func SCHED_023_aNameBelongsToOneGroup() throws {
        let h = GroupBench()
        h.join(1, cpus: 4)
        let first = h.create(h.make([1], name: "gang"))
        guard case .failure(let error) = h.ask(.create(h.make([1], name: "gang"))) else { Issue.record("the name was given twice"); return }
        #expect(error.code == .alreadyExists)
        #expect(try h.ask(.named("gang", namespace: "n"))?.get().specification.id == first)
        h.ask(.remove(first))
        #expect(try h.ask(.create(h.make([1], name: "gang")))?.get().state == .pending)
        guard case .failure(let unknown) = h.ask(.named("nobody", namespace: "n")) else { Issue.record("found nobody"); return }
        #expect(unknown.code == .notFound)
    }

    @Test func groupsEndWithTheirJobOrTheirActor() {
        let h = GroupBench()
        h.join(1, cpus: 8)
        let (plain, detached, ofActor) = (h.create(h.make([1])), h.create(h.make([1], lifetime: .detached)), h.create(h.make([1], isOwnedByActor: true)))
        h.settle()
        h.on { $0.jobEnded(GroupBench.job, at: h.now, $1) }
        #expect([plain, detached, ofActor].map { h.state($0) } == [.removed, .created, .created])
        h.on { $0.ownerDied(GroupBench.owner.process, at: h.now, $1) }
        #expect([plain, detached, ofActor].map { h.state($0) } == [.removed, .created, .removed])
    }

    @Test(arguments: [[], [-1.0], [0]]) func SCHED_007_bundlesThatCannotBeAreRefused(_ cpus: [Double]) {
        let h = GroupBench()
        guard case .failure(let error) = h.ask(.create(h.make(cpus))) else { Issue.record("it was taken"); return }
        #expect(error.code == .invalidArgument)
        #expect(h.book.count == 0)
    }

    @Test func SCHED_007_reservedNamesAreRefused() {
        let h = GroupBench()
        var specification = h.make([1])
        specification.bundles = [Resources(["bundle:x": 1])]
        guard case .failure(let error) = h.ask(.create(specification)) else { Issue.record("it was taken"); return }
        #expect(error.message.contains("reserved"))
    }
}
