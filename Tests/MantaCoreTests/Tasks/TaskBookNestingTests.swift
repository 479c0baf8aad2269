// Programs that are nested deeply: what a level costs does not grow with the depth, and a tick looks at a bounded number of leases.

import MantaModel
import Testing

@testable import MantaCore

@Suite struct TaskBookNestingTests {
    /// Submits a task, has it run, and has it wait for what comes next; what was asked for on the way.
    private func descend(_ owner: inout TaskBench) -> [Asked] {
        let (_, submitted) = owner.submit()
        guard let lease = submitted.compactMap(\.requested).first else { return submitted }
        let granted = owner.grant(lease)
        return submitted + granted + owner.on { $0.tasksReturned([], lease: lease, at: $1, perform: $2) }
    }

    @Test func aLevelCostsTheSameAtEveryDepth() {
        var owner = TaskBench()
        let first = descend(&owner).count
        for _ in 0..<20_000 { #expect(descend(&owner).count == first) }
        #expect(owner.book.counts.granted == 20_001)
        var most = 0
        for _ in 0..<200 { most = max(most, owner.advance(Limits.tickPeriod).count) }
        #expect(most > 0 && most <= 2 * (Limits.leaseChecksPerTick + Limits.latestLeaseChecksPerTick), "a confirmation and a question for each lease that is looked at")
    }

    @Test func whatIsWithdrawnIsFoundWithoutALookAtAllLeases() {
        var owner = TaskBench()
        for _ in 0..<1_000 { _ = descend(&owner) }
        let (task, asked) = owner.submit()
        let request = asked.compactMap(\.requested)
        #expect(request.count == 1)
        #expect(owner.on { $0.cancel(task, at: $1, perform: $2) }.contains(.cancelRequest(request[0])))
        #expect(owner.book.counts == (tasks: 1_000, waiting: 0, granted: 1_000, requested: 0))
    }
}
