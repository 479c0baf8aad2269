// What a TaskBook does when nodes and workers are lost.

import MantaCore
import MantaModel
import Testing

@Suite struct TaskBookLossTests {
    @Test func theLossOfANodeLosesItsLeases() {
        var owner = TaskBench()
        let (task, asked) = owner.submit(retries: 0)
        let lease = asked[0].requested!
        _ = owner.on { $0.leaseMoved(lease, to: TaskBench.away, at: $1, perform: $2) }
        _ = owner.grant(lease)
        let lost = owner.on { $0.nodeLost(TaskBench.away.node, at: $1, perform: $2) }
        #expect(lost.compactMap(\.failure).map(\.code) == [.nodeDied])
        #expect(owner.ends[task] == 1)
    }

    @Test func theLossOfANodeMakesItsRequestsAtHomeAgain() {
        var owner = TaskBench()
        let (_, asked) = owner.submit()
        _ = owner.on { $0.leaseMoved(asked[0].requested!, to: TaskBench.away, at: $1, perform: $2) }
        let again = owner.on { $0.nodeLost(TaskBench.away.node, at: $1, perform: $2) }
        #expect(again == [.request(again[0].requested!, TaskBench.home, mayMove: true)])
    }

    @Test func theLossOfAWorkerReturnsItsLeasesToo() {
        var owner = TaskBench()
        let (task, asked) = owner.submit()
        _ = owner.grant(asked[0].requested!)
        let lost = owner.on { $0.workerLost(TaskBench.worker(1).process, DeathCause(.exited, "exit 1"), at: $1, perform: $2) }
        #expect(lost.contains(.giveBack(asked[0].requested!)))
        #expect(owner.book.attempt(of: task) == 2)
    }
}
