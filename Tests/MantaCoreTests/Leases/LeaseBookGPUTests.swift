// Which GPUs leases, actors and bundles hold, and what becomes of the workers that saw them.

import MantaModel
import Testing

@testable import MantaCore

@Suite struct LeaseBookGPUTests {
    private func request(_ bench: inout LeaseBench, gpus: Double) -> (lease: LeaseID, actions: [LeaseBook.Action]) {
        let made = bench.makeRequest(LeaseBench.driver, cpus: 1, [Resources.gpu: ResourceAmount(gpus)])
        return (made.lease, bench.request(made))
    }

    private func reserve(_ bench: inout LeaseBench, _ number: UInt64, gpus: Double) -> [Int] {
        let actor = ActorID(high: 3, low: number)
        _ = bench.on { $0.reserve(actor, Resources([Resources.gpu: ResourceAmount(gpus)]), at: $1, perform: $2) }
        return bench.book.numbers(ofGPUsHeldBy: actor)
    }

    private func release(_ bench: inout LeaseBench, _ number: UInt64) {
        _ = bench.on { $0.release(ActorID(high: 3, low: number), at: $1, perform: $2) }
    }

    @Test func wholeGPUsBelongToOneOnly() {
        var bench = LeaseBench(cpus: 4, [Resources.gpu: 4])
        #expect(reserve(&bench, 1, gpus: 2) == [0, 1])
        #expect(reserve(&bench, 2, gpus: 1) == [2])
        #expect(reserve(&bench, 3, gpus: 2) == [], "one is left")
        release(&bench, 1)
        #expect(bench.book.numbers(ofGPUsHeldBy: ActorID(high: 3, low: 3)) == [0, 1], "it waited for them")
        #expect(reserve(&bench, 4, gpus: 1) == [3])
    }

    @Test func fractionsShareOneGPUAndLeaveOthersWhole() {
        var bench = LeaseBench(cpus: 4, [Resources.gpu: 2])
        #expect(reserve(&bench, 1, gpus: 0.5) == [0])
        #expect(reserve(&bench, 2, gpus: 0.5) == [0], "the fullest that has room")
        #expect(reserve(&bench, 3, gpus: 1) == [1])
        release(&bench, 1)
        release(&bench, 3)
        #expect(reserve(&bench, 4, gpus: 0.6) == [1], "it fits on one only")
        #expect(reserve(&bench, 5, gpus: 1) == [], "nothing is whole")
        #expect(bench.book.available[Resources.gpu] == 0.9)
        let waiting = request(&bench, gpus: 0.8)
        #expect(waiting.actions.compactMap(\.granted).isEmpty)
        release(&bench, 5)
        #expect(bench.book.explain(waiting.lease)?.contains("on none of them") == true)
    }

    @Test func leasesAreToldTheirGPUs() throws {
        var bench = LeaseBench(cpus: 4, [Resources.gpu: 2])
        _ = bench.ready(count: 3)
        #expect(request(&bench, gpus: 1).actions.compactMap(\.grantedGPUs) == [[0]])
        let (second, actions) = request(&bench, gpus: 1)
        #expect(actions.compactMap(\.grantedGPUs) == [[1]])
        #expect(request(&bench, gpus: 1).actions.compactMap(\.granted).isEmpty)
        #expect(bench.giveBack(second).compactMap(\.grantedGPUs) == [[1]])
        #expect(request(&bench, gpus: 0).actions.compactMap(\.grantedGPUs) == [], "every worker has seen GPUs")
    }

    @Test func aWaitingTaskKeepsItsGPUsAndItsWorker() throws {
        var bench = LeaseBench(cpus: 1, [Resources.gpu: 1])
        let worker = bench.ready().0
        let (lease, _) = request(&bench, gpus: 1)
        #expect(bench.block(lease, turn: 1).isEmpty)
        #expect(bench.freeCPUs == 1)
        #expect(bench.book.available[Resources.gpu] == 0)
        let (child, actions) = bench.request()
        #expect(actions.compactMap(\.granted).isEmpty && actions.contains { $0.isStart }, "not on the worker that sees GPUs")
        let (other, then) = bench.ready()
        #expect(then.compactMap(\.grantedWorker) == [other])
        _ = bench.giveBack(child)
        #expect(bench.resume(lease, turn: 1, on: worker).compactMap(\.resumedLease) == [lease])
        #expect(bench.freeCPUs == 0)
        #expect(bench.giveBack(lease).isEmpty)
        #expect(bench.book.available == bench.book.total)
        #expect(bench.advance(.milliseconds(200)).compactMap(\.stopped) == [worker.process])
    }

    @Test func aLeaseThatEndsWhileItsTaskWaitsGivesAllBackOnce() {
        var bench = LeaseBench(cpus: 1, [Resources.gpu: 1.5])
        let worker = bench.ready().0
        let (lease, _) = request(&bench, gpus: 0.4)
        _ = bench.block(lease, turn: 1)
        _ = bench.die(worker)
        #expect(bench.book.available == bench.book.total)
        #expect(reserve(&bench, 1, gpus: 1) == [0])
        #expect(reserve(&bench, 2, gpus: 0.5) == [1], "the half one")
    }

    @Test func bundlesHaveGPUsOfTheirOwn() throws {
        var bench = LeaseBench(cpus: 4, [Resources.gpu: 4])
        _ = bench.ready(count: 4)
        #expect(reserve(&bench, 1, gpus: 1) == [0])
        let group = PlacementGroupID(high: 7, low: 7)
        let bundle = Resources([Resources.cpu: 1, Resources.gpu: 1])
        let specification = PlacementGroupSpecification(
            id: group, bundles: [bundle, bundle], strategy: .pack, name: nil, namespace: "n", lifetime: .job, job: LeaseBench.job, owner: LeaseBench.driver,
            isOwnedByActor: false)
        try bench.book.prepare(specification, [0, 1], attempt: 1, at: bench.now) { _ in }
        try bench.book.commit(group, [0, 1], attempt: 1, at: bench.now) { _ in }
        func inBundle(_ index: Int?) -> [[Int]] {
            var request = bench.makeRequest()
            request.resources = GroupMembership(group: group, bundles: [], bundle: index, captures: false).demand(for: Resources([Resources.gpu: 1]))
            return bench.request(request).compactMap(\.grantedGPUs)
        }
        #expect(inBundle(1) == [[2]])
        #expect(inBundle(nil) == [[1]], "the other bundle's")
        #expect(reserve(&bench, 2, gpus: 1) == [3], "outside of the group")
        #expect(reserve(&bench, 3, gpus: 1) == [])
    }

    @Test func CORE_015_amountsReturnExactlyAfterManyFractions() {
        var bench = LeaseBench(cpus: 2, [Resources.gpu: 2, "custom": 2])
        var state: UInt64 = 7
        func fraction() -> Double {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Double(state >> 40) / Double(1 << 24)
        }
        for round in 0..<100 {
            let asked = Resources([Resources.cpu: ResourceAmount(fraction()), Resources.gpu: ResourceAmount(fraction()), "custom": ResourceAmount(fraction())])
            let (first, second) = (ActorID(high: 4, low: UInt64(2 * round)), ActorID(high: 4, low: UInt64(2 * round + 1)))
            let before = bench.book.available
            _ = bench.on { $0.reserve(first, asked, at: $1, perform: $2) }
            _ = bench.on { $0.reserve(second, asked, at: $1, perform: $2) }
            var twice = asked
            twice += asked
            twice += bench.book.available
            #expect(twice == before)
            for actor in [first, second] { _ = bench.on { $0.release(actor, at: $1, perform: $2) } }
        }
        #expect(bench.book.available == Resources([Resources.cpu: 2, Resources.gpu: 2, "custom": 2]))
    }
}
