// The node of a process: a worker ends with it, a driver goes on with another one.

import MantaModel
import Testing

@testable import MantaCore

@Suite struct TaskBookHome {
    @Test func anotherHomeIsAskedWhenTheFirstIsLost() {
        var owner = TaskBench()
        let (task, asked) = owner.submit()
        _ = owner.grant(asked[0].requested!)
        let again = owner.on { $0.rehomed(to: TaskBench.away, at: $1, perform: $2) }
        #expect(again.compactMap(\.requested).count == 1)
        #expect(again.last == .request(again.last!.requested!, TaskBench.away, mayMove: true))
        #expect(owner.book.attempt(of: task) == 2)
    }

    @Test func onlyAnOwnerThatEndsWithItsNodeNamesIt() {
        for endsWithHome in [true, false] {
            var book = TaskBook(owner: TaskBench.worker(9), home: TaskBench.home, endsWithHome: endsWithHome)
            var homes: [NodeID?] = []
            book.submitted(TaskID(high: 1, low: 1), shape: TaskBench.shape, function: 1, payload: Payload(), at: .zero) { action in
                if case .requestLease(let request, _) = action { homes.append(request.home) }
            }
            #expect(homes.first == (endsWithHome ? TaskBench.home.node : nil))
        }
    }
}

private final class Payload: Sendable {}
