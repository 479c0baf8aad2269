// Who pays when a worker is killed: those for whose sake it was, and not the others that it carried.

import MantaModel
import Testing

@testable import MantaCore

@Suite struct LeaseBookBystanderTests {
    /// The driver's task waits in a worker that runs another owner's task.
    private func shared() -> (LeaseBench, driver: LeaseID, worker: ProcessAddress) {
        var bench = LeaseBench(cpus: 1)
        let (worker, _) = bench.ready()
        let parent = bench.request().0
        _ = bench.block(parent, turn: 1)
        let child = bench.request(LeaseBench.other).1
        #expect(child.first?.grantedWorker == worker, "one process for each CPU")
        return (bench, parent, worker)
    }

    private func causes(_ actions: [LeaseBook.Action]) -> [LeaseID: DeathCause.Kind] {
        actions.reduce(into: [:]) { if case .lost(let lease, let cause, _) = $1 { $0[lease] = cause.kind } }
    }

    @Test func theLeasesOfOtherOwnersAreBystanders() {
        var (bench, parent, worker) = shared()
        let killed = bench.on { $0.ownerDied(LeaseBench.other.process, at: $1, perform: $2) }
        #expect(killed.contains { if case .killWorker(worker.process, _) = $0 { true } else { false } })
        #expect(causes(bench.die(worker)) == [parent: .bystander])
    }

    @Test func aWorkerThatDiesByItselfHasNoBystanders() {
        var (bench, parent, worker) = shared()
        #expect(causes(bench.die(worker))[parent] == .signaled)
    }

    @Test func aNodeThatWasGivenUpEndsEveryWorkerWithLeases() {
        var (bench, parent, worker) = shared()
        let waiting = bench.request().0
        let idle = bench.ready().0
        let actions = bench.on { $0.givenUp(at: $1, perform: $2) }
        #expect(actions.compactMap(\.killed) == [worker.process], "not \(idle.process), which runs nothing")
        #expect(bench.book.explain(waiting)?.hasPrefix("ended") == true)
        #expect(causes(bench.die(worker))[parent] == .signaled, "nobody is a bystander")
        #expect(bench.freeCPUs == 1)
    }

    @Test func aWorkerThatAsksToEndConcernsOneLease() {
        var (bench, parent, worker) = shared()
        let child = bench.request().0
        #expect(causes(bench.on { $0.endWorker(worker.process, of: parent, because: "its task is not wanted", at: $1, perform: $2) }).isEmpty)
        let told = causes(bench.die(worker))
        #expect(told[parent] == .signaled && told.filter { $0.value == .bystander }.count == 1 && told[child] == nil)
    }

    @Test func aBystandersTaskMayBeTriedAsOftenAsBefore() {
        for (kind, retries) in [(DeathCause.Kind.bystander, 0), (.bystander, 1), (.bystander, -1), (.signaled, 1)] {
            var owner = TaskBench()
            let (task, asked) = owner.submit(retries: retries)
            _ = owner.grant(asked[0].requested!)
            let lost = owner.on { $0.leaseLost(asked[0].requested!, DeathCause(kind, "gone"), at: $1, perform: $2) }
            #expect(lost.compactMap(\.requested).count == 1, "it runs again")
            #expect(owner.book.attempt(of: task) == 2, "answers to the first attempt are late")
            _ = owner.grant(lost.compactMap(\.requested)[0])
            let again = owner.on { $0.leaseLost(lost.compactMap(\.requested)[0], DeathCause(.signaled, "crashed"), at: $1, perform: $2) }
            #expect(again.compactMap(\.requested).isEmpty == (kind == .signaled || retries == 0))
        }
    }
}
