// Bundles of placement groups in a node's book: set aside or refused, used, freed.

import MantaModel
import Testing

@testable import MantaCore

@Suite struct LeaseBookBundleTests {
    private let group = PlacementGroupID(high: 7, low: 7)

    private func specification(_ cpus: [Double]) -> PlacementGroupSpecification {
        PlacementGroupSpecification(
            id: group, bundles: cpus.map { Resources([Resources.cpu: ResourceAmount($0)]) }, strategy: .pack, name: nil, namespace: "n", lifetime: .job,
            job: LeaseBench.job, owner: LeaseBench.driver, isOwnedByActor: false)
    }

    private func prepare(_ bench: inout LeaseBench, _ cpus: [Double], attempt: UInt64 = 1) throws -> [LeaseBook.Action] {
        var actions: [LeaseBook.Action] = []
        try bench.book.prepare(specification(cpus), Array(cpus.indices), attempt: attempt, at: bench.now) { actions.append($0) }
        return actions
    }

    private func commit(_ bench: inout LeaseBench, _ indices: [Int], attempt: UInt64 = 1) throws -> [LeaseBook.Action] {
        var actions: [LeaseBook.Action] = []
        try bench.book.commit(group, indices, attempt: attempt, at: bench.now) { actions.append($0) }
        return actions
    }

    private func request(_ bench: inout LeaseBench, bundle: Int?, cpus: Double = 1) -> [LeaseBook.Action] {
        var request = bench.makeRequest()
        let demand = Resources([Resources.cpu: ResourceAmount(cpus)])
        request.resources = GroupMembership(group: group, bundles: [], bundle: bundle, captures: false).demand(for: demand)
        return bench.request(request)
    }

    @Test func bundlesAreSetAsideOnceAndAllOrNone() throws {
        var bench = LeaseBench(cpus: 4)
        _ = try prepare(&bench, [1, 2])
        _ = try prepare(&bench, [1, 2])
        #expect(bench.freeCPUs == 1, "asked twice is once")
        #expect(throws: MantaError.self) { try prepare(&bench, [1, 2], attempt: 2) }
        _ = bench.on { $0.abandon(group, attempt: 1, at: $1, perform: $2) }
        #expect(bench.freeCPUs == 4)
        let error = #expect(throws: MantaError.self) { try prepare(&bench, [3, 3], attempt: 3) }
        #expect(error?.code == .overloaded)
        #expect(bench.freeCPUs == 4, "nothing is kept of what did not fit")
    }

    @Test func whatBundlesLackIsKeptFromRequestsForAWhile() throws {
        var bench = LeaseBench(cpus: 2)
        _ = bench.ready(count: 2)
        let running = [bench.request().0, bench.request().0]
        let waiting = bench.request().0
        #expect(throws: MantaError.self) { try prepare(&bench, [1, 1]) }
        #expect(bench.giveBack(running[0]).compactMap(\.granted).isEmpty, "the group was here first")
        #expect(throws: MantaError.self) { try prepare(&bench, [1, 1], attempt: 2) }
        #expect(bench.giveBack(running[1]).compactMap(\.granted).isEmpty)
        _ = try prepare(&bench, [1, 1], attempt: 3)
        // Another node refused: what was set aside here is kept for the next attempt, and then no longer.
        #expect(bench.on { $0.abandon(group, attempt: 3, at: $1, perform: $2) }.compactMap(\.granted).isEmpty)
        #expect(bench.advance(Limits.bundlePatience).compactMap(\.granted) == [waiting])
    }

    @Test func whatNoLeaseCouldGiveBackHoldsNobodyUp() throws {
        var bench = LeaseBench(cpus: 2)
        _ = bench.ready(count: 2)
        _ = bench.on { $0.reserve(ActorID(high: 1, low: 1), Resources(["CPU": 1]), at: $1, perform: $2) }
        #expect(throws: MantaError.self) { try prepare(&bench, [2]) }
        #expect(bench.request().1.compactMap(\.granted).count == 1)
    }

    @Test func whatRunsInABundleNeverTakesMoreThanItHas() throws {
        var bench = LeaseBench(cpus: 4)
        _ = bench.ready(count: 4)
        _ = try prepare(&bench, [1, 1])
        _ = try commit(&bench, [0, 1])
        #expect(request(&bench, bundle: 0).first?.granted != nil)
        #expect(request(&bench, bundle: 0).compactMap(\.granted).isEmpty, "bundle 0 is full")
        #expect(request(&bench, bundle: nil).first?.granted != nil, "bundle 1 is not")
        #expect(request(&bench, bundle: 1).compactMap(\.granted).isEmpty, "what took any bundle took this one")
        #expect(bench.freeCPUs == 2)
    }

    @Test func SCHED_020_whatWaitsForAGroupRunsWhenItIsThere() throws {
        var bench = LeaseBench(cpus: 2)
        _ = bench.ready(count: 2)
        #expect(request(&bench, bundle: 0).isEmpty)
        _ = try prepare(&bench, [1])
        #expect(try commit(&bench, [0]).first?.granted != nil)
    }

    @Test func aRemovedGroupEndsWhatRunsInItBeforeItsResourcesAreFree() throws {
        var bench = LeaseBench(cpus: 2)
        _ = bench.ready(count: 2)
        _ = try prepare(&bench, [1, 1])
        _ = try commit(&bench, [0, 1])
        let worker = try #require(request(&bench, bundle: 0).first?.grantedWorker)
        _ = request(&bench, bundle: 0)
        let actions = bench.on { $0.groupRemoved(group, at: $1, perform: $2) }
        #expect(actions.compactMap(\.killed) == [worker.process])
        #expect(actions.compactMap(\.refusal).map(\.code) == [.placementGroupRemoved])
        #expect(bench.freeCPUs == 0, "the dead do not hold, the dying do")
        _ = bench.die(worker)
        #expect(bench.book.total == Resources([Resources.cpu: 2]))
        #expect(bench.book.available == Resources([Resources.cpu: 2]))
        #expect(request(&bench, bundle: 0).first?.refusal?.code == .placementGroupRemoved)
        #expect(throws: MantaError.self) { try prepare(&bench, [1], attempt: 9) }
    }

    @Test func droppedBundlesEndWhatRunsInThemAndMayComeAgain() throws {
        var bench = LeaseBench(cpus: 2)
        _ = bench.ready(count: 2)
        _ = try prepare(&bench, [1, 1])
        _ = try commit(&bench, [0, 1])
        let worker = try #require(request(&bench, bundle: 0).first?.grantedWorker)
        let waiting = request(&bench, bundle: 0)
        #expect(waiting.isEmpty)
        let actions = bench.on { $0.dropBundles(group, at: $1, perform: $2) }
        #expect(actions.compactMap(\.killed) == [worker.process])
        #expect(actions.compactMap(\.refusal).isEmpty, "the group lives on")
        #expect(bench.book.heldBundles.isEmpty)
        #expect(throws: MantaError.self) { try prepare(&bench, [1, 1], attempt: 2) }
        _ = bench.die(worker)
        #expect(bench.book.available == Resources([Resources.cpu: 2]))
        _ = try prepare(&bench, [1, 1], attempt: 3)
        #expect(try commit(&bench, [0, 1], attempt: 3).first?.granted != nil, "what waited for it")
    }

    @Test func onlyWhatWasSetAsideInTheSameAttemptIsCommitted() throws {
        var bench = LeaseBench(cpus: 2)
        _ = try prepare(&bench, [1], attempt: 1)
        #expect(throws: MantaError.self) { try commit(&bench, [0], attempt: 2) }
        _ = try commit(&bench, [0], attempt: 1)
        _ = try commit(&bench, [0], attempt: 1)
        #expect(bench.freeCPUs == 1, "committed twice is once")
        #expect(bench.book.heldBundles.count == 1)
    }
}
