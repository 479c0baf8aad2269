// Requests that wait for what may never come: groups that nobody here has heard of, and more than any node has.

import MantaModel
import Testing

@testable import MantaCore

@Suite struct LeaseBookDoubtTests {
    private let group = PlacementGroupID(high: 7, low: 7)

    private func requestInGroup(_ bench: inout LeaseBench) -> [LeaseBook.Action] {
        var request = bench.makeRequest(mayMove: true)
        request.resources = GroupMembership(group: group, bundles: [], bundle: nil, captures: false).demand(for: Resources([Resources.cpu: 1]))
        return bench.request(request)
    }

    @Test func aGroupThatIsNotKnownHereIsAskedAboutWhileARequestWaits() {
        var bench = LeaseBench(cpus: 2)
        #expect(requestInGroup(&bench).isEmpty)
        #expect(requestInGroup(&bench).isEmpty)
        #expect(bench.advance(.milliseconds(500)).isEmpty, "it may be about to come")
        #expect(bench.advance(Limits.doubtPatience) == [.inquireGroups([group])])
        #expect(bench.advance(Limits.doubtPeriod / 2).isEmpty)
        #expect(bench.advance(Limits.doubtPeriod) == [.inquireGroups([group])], "the answer may be lost")
        let end = bench.on { $0.groupRemoved(group, at: $1, perform: $2) }
        #expect(end.compactMap(\.refusal).map(\.code) == [.placementGroupRemoved, .placementGroupRemoved])
        #expect(bench.advance(Limits.doubtPeriod * 2).isEmpty)
        #expect(requestInGroup(&bench).compactMap(\.refusal).map(\.code) == [.placementGroupRemoved], "remembered")
    }

    @Test func aGroupThatIsHereIsNotAskedAbout() throws {
        var bench = LeaseBench(cpus: 2)
        _ = bench.ready(count: 2)
        let specification = PlacementGroupSpecification(
            id: group, bundles: [Resources([Resources.cpu: 1])], strategy: .pack, name: nil, namespace: "n", lifetime: .job, job: LeaseBench.job,
            owner: LeaseBench.driver, isOwnedByActor: false)
        try bench.book.prepare(specification, [0], attempt: 1, at: bench.now) { _ in }
        try bench.book.commit(group, [0], attempt: 1, at: bench.now) { _ in }
        #expect(requestInGroup(&bench).compactMap(\.granted).count == 1)
        #expect(requestInGroup(&bench).compactMap(\.granted).isEmpty, "the bundle is full")
        #expect(!bench.advance(Limits.doubtPatience * 2).contains { if case .inquireGroups = $0 { true } else { false } })
    }

    @Test func FAIL_045_theOwnerOfADemandThatNoNodeCanMeetIsToldOnce() {
        var bench = LeaseBench(cpus: 2)
        let (first, actions) = bench.request(cpus: 64, mayMove: true)
        #expect(actions.isEmpty)
        #expect(bench.advance(.seconds(1)).isEmpty, "a node that has it may be starting")
        let told = bench.advance(Limits.doubtPatience)
        #expect(told.count == 1)
        guard case .infeasible(first, let reason, LeaseBench.driver)? = told.first else { return #expect(Bool(false), "\(told)") }
        #expect(reason.contains("CPU 64") && reason.contains("largest node has 2"), "\(reason)")
        _ = bench.request(cpus: 64, mayMove: true)
        #expect(bench.advance(Limits.doubtPatience * 2).isEmpty, "it is known")
        // A node that has it comes: the requests go there, and nobody is told anything.
        let view = NodeView(
            id: NodeID(high: 9, low: 2), endpoint: "ipc:///2", total: Resources([Resources.cpu: 64]), available: Resources([Resources.cpu: 64]), state: .alive, labels: [:])
        let moved = bench.on { $0.clusterView([view], at: $1, perform: $2) }
        #expect(moved.contains { if case .move(first, _, _, _) = $0 { true } else { false } })
    }

    /// A group of one bundle of so many CPUs, on this node.
    private func hold(cpus: Double, on bench: inout LeaseBench) throws {
        let specification = PlacementGroupSpecification(
            id: group, bundles: [Resources([Resources.cpu: ResourceAmount(cpus)])], strategy: .pack, name: nil, namespace: "n", lifetime: .job, job: LeaseBench.job,
            owner: LeaseBench.driver, isOwnedByActor: false)
        try bench.book.prepare(specification, [0], attempt: 1, at: bench.now) { _ in }
        try bench.book.commit(group, [0], attempt: 1, at: bench.now) { _ in }
    }

    private static let wishes: [PlacementRule] = [
        .node(NodeID(high: 9, low: 1), soft: true), .labels(required: [:], preferred: ["zone": .in(["a"])]), .standard,
    ]

    /// Where it may run is full of what does not end by itself, as leases do.
    @Test(arguments: wishes) func whatWaitsBehindPlacementGroupsIsToldOnce(_ rule: PlacementRule) throws {
        var bench = LeaseBench(cpus: 2)
        bench.book.failsInfeasible = true
        _ = bench.ready(count: 2)
        try hold(cpus: 2, on: &bench)
        // It came here for good.
        var request = bench.makeRequest(mayMove: false)
        request.rule = rule
        #expect(bench.request(request).isEmpty)
        let told = bench.advance(Limits.doubtPatience)
        guard case .infeasible(request.lease, let reason, LeaseBench.driver)? = told.first, told.count == 1 else { return #expect(Bool(false), "\(told)") }
        let holders = "placement groups hold CPU 2 of CPU 2, it needs CPU 1"
        #expect(reason == "on node \(bench.book.node.short) \(holders); it waits until one of them ends")
        #expect(bench.book.explain(request.lease) == holders)
        #expect(bench.advance(Limits.doubtPatience * 2).isEmpty, "it is known")
        #expect(bench.book.demands() == [DemandRow(resources: Resources([Resources.cpu: 1]), count: 1, infeasible: false)], "it can be met")
        #expect(bench.on { $0.groupRemoved(group, at: $1, perform: $2) }.compactMap(\.granted).count == 1)
    }

    @Test func whatAnotherNodeMayServeOrLeasesHoldIsNoNews() throws {
        var bench = LeaseBench(cpus: 2)
        _ = bench.ready(count: 2)
        let busy = NodeView(id: NodeID(high: 9, low: 2), endpoint: "ipc:///2", total: Resources([Resources.cpu: 2]), available: Resources())
        _ = bench.on { $0.clusterView([busy], at: $1, perform: $2) }
        try hold(cpus: 1, on: &bench)
        #expect(bench.request(mayMove: true).1.compactMap(\.granted).count == 1)
        _ = bench.request(mayMove: true)
        func isTold(_ actions: [LeaseBook.Action]) -> Bool { actions.contains { if case .infeasible = $0 { true } else { false } } }
        #expect(!isTold(bench.advance(Limits.doubtPatience * 2)), "the lease ends")
        _ = bench.request(cpus: 2, mayMove: true)
        #expect(!isTold(bench.advance(Limits.doubtPatience * 2)), "the other node is busy only")
    }

    @Test func aDemandThatIsMetIsNewsAtOnce() {
        var bench = LeaseBench(cpus: 1)
        _ = bench.ready(count: 1)
        let (first, _) = bench.request(mayMove: true)
        let (second, _) = bench.request(mayMove: true)
        let (kinds, available) = (bench.book.waitingKinds, bench.book.available)
        #expect(kinds == 1 && !bench.book.isNews(since: available, waitingKinds: kinds))
        // The one's CPU is the other's: nothing else tells of it.
        _ = bench.giveBack(first)
        #expect(bench.book.available == available && bench.book.waitingKinds == 0)
        #expect(bench.book.isNews(since: available, waitingKinds: kinds))
        #expect(!bench.book.isNews(since: available, waitingKinds: 0))
        _ = bench.giveBack(second)
        #expect(bench.book.isNews(since: available, waitingKinds: 0))
    }

    @Test func FAIL_045_aNodeThatIsSilentForAMomentCounts() {
        var bench = LeaseBench(cpus: 2)
        var large = NodeView(id: NodeID(high: 9, low: 2), endpoint: "ipc:///2", total: Resources([Resources.cpu: 64]), available: Resources(), state: .suspect)
        _ = bench.on { $0.clusterView([large], at: $1, perform: $2) }
        _ = bench.request(cpus: 64, mayMove: true)
        #expect(bench.advance(Limits.doubtPatience * 2).isEmpty, "it may speak again")
        #expect(bench.book.demands() == [DemandRow(resources: Resources([Resources.cpu: 64]), count: 1, infeasible: false)])
        large.state = .dead
        _ = bench.on { $0.clusterView([large], at: $1, perform: $2) }
        #expect(bench.advance(Limits.doubtPeriod * 2).count == 1)
        #expect(bench.book.demands() == [DemandRow(resources: Resources([Resources.cpu: 64]), count: 1, infeasible: true)])
    }

    @Test func FAIL_045_whereNothingCanBeAddedWhatNoNodeCanMeetIsRefused() {
        var bench = LeaseBench(cpus: 2)
        bench.book.failsInfeasible = true
        _ = bench.ready(count: 2)
        _ = bench.request(cpus: 64, mayMove: true)
        _ = bench.request(cpus: 64, mayMove: true)
        #expect(bench.request(mayMove: true).1.compactMap(\.granted).count == 1)
        #expect(bench.advance(.seconds(1)).compactMap(\.refusal).isEmpty)
        let refused = bench.advance(Limits.doubtPatience).compactMap(\.refusal)
        #expect(refused.map(\.code) == [.unschedulable, .unschedulable])
        #expect(refused.allSatisfy { $0.message.contains("CPU 64") && $0.message.contains("largest node has 2") })
        #expect(bench.book.counts.waiting == 0)
    }

    @Test func demandsAreCountedByWhatWasAskedFor() {
        var bench = LeaseBench(cpus: 1)
        _ = bench.ready(count: 1)
        for _ in 0..<4 { _ = bench.request(mayMove: true) }
        for _ in 0..<2 { _ = bench.request(LeaseBench.other, mayMove: true) }
        _ = bench.request(cpus: 8, mayMove: true)
        for cpus in 2...3 { _ = bench.request(cpus: Double(cpus), mayMove: true) }
        #expect(
            bench.book.demands(limit: 2) == [
                DemandRow(resources: Resources([Resources.cpu: 2]), count: 1, infeasible: true), DemandRow(resources: Resources([Resources.cpu: 3]), count: 1, infeasible: true),
            ], "what nothing can meet comes first")
        #expect(bench.book.demands().last == DemandRow(resources: Resources([Resources.cpu: 1]), count: 5, infeasible: false))
    }

    @Test func aRequestThatAvoidsThisNodeGoesToAnotherOneWithRoom() {
        var bench = LeaseBench(cpus: 2)
        _ = bench.ready(count: 2)
        var request = bench.makeRequest(mayMove: true)
        request.avoiding = bench.book.node
        #expect(bench.request(request).compactMap(\.granted).count == 1, "there is no other one")
        let other = NodeView(id: NodeID(high: 9, low: 2), endpoint: "ipc:///2", total: Resources([Resources.cpu: 1]), available: Resources([Resources.cpu: 1]))
        _ = bench.on { $0.clusterView([other], at: $1, perform: $2) }
        var second = bench.makeRequest(mayMove: true)
        second.avoiding = bench.book.node
        #expect(bench.request(second) == [.move(second.lease, to: other.address, .memory, owner: LeaseBench.driver)])
    }

    @Test func FAIL_045_whatOthersHoldAndWhatWaitsForAGroupIsNotInfeasible() {
        var bench = LeaseBench(cpus: 1)
        _ = bench.ready(count: 1)
        #expect(bench.request(mayMove: true).1.compactMap(\.granted).count == 1)
        #expect(bench.request(mayMove: true).1.compactMap(\.granted).isEmpty)
        _ = requestInGroup(&bench)
        for _ in 0..<5 {
            #expect(!bench.advance(Limits.doubtPatience).contains { if case .infeasible = $0 { true } else { false } })
        }
    }
}
