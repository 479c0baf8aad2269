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

    @Test func FAIL_047_deathsByMemoryAreCountedApart() {
        var owner = TaskBench()
        owner.book.memoryRetries = 1
        let (task, asked) = owner.submit(retries: -1)
        var lease = asked[0].requested!
        func lose(_ kind: DeathCause.Kind) -> [Asked] {
            _ = owner.grant(lease)
            var lost = owner.on { $0.leaseLost(lease, DeathCause(kind, "it ended"), at: $1, perform: $2) }
            if kind == .outOfMemory { lost += owner.advance(Limits.memoryRetryAfter) }
            lease = lost.compactMap(\.requested).first ?? lease
            return lost
        }
        for _ in 0..<5 { #expect(lose(.signaled).contains { if case .retried(task, _, .workerCrashed) = $0 { true } else { false } }) }
        #expect(lose(.outOfMemory).contains { if case .retried(task, _, .outOfMemory) = $0 { true } else { false } })
        #expect(lose(.signaled).compactMap(\.failure).isEmpty)
        #expect(lose(.outOfMemory).compactMap(\.failure).map(\.code) == [.outOfMemory], "the second time")
        #expect(owner.ends[task] == 1)
    }

    @Test func FAIL_047_aDeathByMemoryTakesNoOtherRetryAndGivesNoneToATaskWithout() {
        var owner = TaskBench()
        let (task, asked) = owner.submit(retries: 1)
        _ = owner.grant(asked[0].requested!)
        let again = owner.on { $0.leaseLost(asked[0].requested!, DeathCause(.outOfMemory, "it ended"), at: $1, perform: $2) }
        #expect(again.compactMap(\.requested).isEmpty, "it rests first")
        let second = owner.advance(Limits.memoryRetryAfter).compactMap(\.requested)[0]
        _ = owner.grant(second)
        let third = owner.on { $0.leaseLost(second, DeathCause(.signaled, "it ended"), at: $1, perform: $2) }
        #expect(third.compactMap(\.failure).isEmpty && owner.book.attempt(of: task) == 3)
        var shape = TaskBench.shape
        shape.runsAgain = false
        let (once, asked2) = owner.submit(retries: 0, shape: shape)
        let lease = asked2.compactMap(\.requested)[0]
        _ = owner.grant(lease)
        let lost = owner.on { $0.leaseLost(lease, DeathCause(.outOfMemory, "it ended"), at: $1, perform: $2) }
        #expect(lost.compactMap(\.failure).map(\.code) == [.outOfMemory] && owner.ends[once] == 1)
    }

    @Test func FAIL_047_afterADeathByMemoryATaskRestsLongerEachTimeAndPrefersAnotherNode() {
        var owner = TaskBench()
        let (task, asked) = owner.submit()
        var lease = asked[0].requested!
        for pause in [1, 2, 4].map({ Limits.memoryRetryAfter * $0 }) {
            _ = owner.grant(lease)
            #expect(owner.on { $0.leaseLost(lease, DeathCause(.outOfMemory, "it ended"), at: $1, perform: $2) }.compactMap(\.requested).isEmpty)
            #expect(owner.book.state(of: task) == .waitingForLease)
            #expect(owner.advance(pause - .milliseconds(50)).compactMap(\.requested).isEmpty)
            var avoided: [NodeID?] = []
            owner.now = owner.now + .milliseconds(50)
            owner.book.tick(at: owner.now) {
                guard case .requestLease(let request, _) = $0 else { return }
                avoided.append(request.avoiding)
                lease = request.lease
            }
            #expect(avoided == [TaskBench.home.node])
        }
        // One that rests can be cancelled, and is gone then.
        _ = owner.grant(lease)
        owner.book.memoryRetries = -1
        _ = owner.on { $0.leaseLost(lease, DeathCause(.outOfMemory, "it ended"), at: $1, perform: $2) }
        #expect(owner.on { $0.cancel(task, at: $1, perform: $2) }.compactMap(\.failure).map(\.code) == [.cancelled])
        #expect(owner.advance(Limits.memoryRetryLimit).isEmpty)
        #expect(owner.book.counts.waiting == 0 && owner.book.unfinished.isEmpty)
    }

    @Test func aLeaseOfTasksWithALimitGoesBackWhenItHasRunSoMany() {
        var owner = TaskBench(clusterCPUs: 1)
        var shape = TaskBench.shape
        shape.maxCalls = 2
        let tasks = (0..<3).map { _ in owner.submit(shape: shape) }
        let lease = tasks[0].1.compactMap(\.requested)[0]
        #expect(owner.grant(lease).compactMap(\.sent) == [tasks[0].0])
        #expect(owner.done(tasks[0].0).compactMap(\.sent) == [tasks[1].0])
        let end = owner.done(tasks[1].0)
        #expect(end.compactMap(\.returned) == [lease] && end.compactMap(\.sent).isEmpty)
        let next = end.compactMap(\.requested).first ?? owner.advance(.seconds(1)).compactMap(\.requested).first
        #expect(next.map { owner.grant($0).compactMap(\.sent) } == [tasks[2].0])
    }

    @Test func aLostTaskSaysHowItsWorkerEnded() {
        var owner = TaskBench()
        let (task, asked) = owner.submit(retries: 0)
        _ = owner.grant(asked[0].requested!)
        let death = DeathCause(.signaled, "it crashed", facts: DeathCause.Facts(pid: 7, signal: 11, uptimeMilliseconds: 5, lastErrors: ["oops"]))
        let details = owner.on { $0.leaseLost(asked[0].requested!, death, at: $1, perform: $2) }.compactMap(\.failure).first?.details
        #expect(details?.death == death && details?.task == task && details?.attempts == 1 && details?.node == TaskBench.home.node)
    }

    @Test func theLossOfAWorkerReturnsItsLeasesToo() {
        var owner = TaskBench()
        let (task, asked) = owner.submit()
        _ = owner.grant(asked[0].requested!)
        let lost = owner.on { $0.workerLost(TaskBench.worker(1).process, DeathCause(.exited, "exit 1"), at: $1, perform: $2) }
        #expect(lost.contains(.abandon(asked[0].requested!)), "nobody else is to be given that worker")
        #expect(owner.book.attempt(of: task) == 2)
    }
}
