// ActorStartsTests: what a worker tells its node of actors that it constructs.

import MantaModel
import MantaWire
import Testing

@testable import MantaWorker

struct ActorStartsTests {
    private let actors = (1...3).map { ActorID(high: 0, low: UInt64($0)) }

    private func told(_ starts: inout ActorStarts) -> [ActorStarts.News] { starts.take() }

    @Test func `each is told once, and the last of it is the answer`() {
        var starts = ActorStarts()
        let order = starts.add(actors)
        #expect(told(&starts).isEmpty)
        starts.ended(actors[1], error: nil, of: order)
        #expect(told(&starts) == [.init(order: order, message: ActorsStarted([.init(actor: actors[1], error: nil)]), isAnswer: false)])
        #expect(told(&starts).isEmpty)
        starts.ended(actors[0], error: "no", of: order)
        starts.ended(actors[2], error: nil, of: order)
        let rest = [ActorsStarted.Result(actor: actors[0], error: "no"), .init(actor: actors[2], error: nil)]
        #expect(told(&starts) == [.init(order: order, message: ActorsStarted(rest), isAnswer: true)])
        #expect(told(&starts).isEmpty)
        let empty = starts.add([])
        #expect(told(&starts) == [.init(order: empty, message: ActorsStarted([]), isAnswer: true)])
    }

    @Test func `nothing is told of an actor that was taken out, whose later incarnation it would be taken for`() {
        var starts = ActorStarts()
        let order = starts.add(actors)
        starts.ended(actors[0], error: nil, of: order)
        starts.takenOut([actors[0], actors[1]])
        // Its constructor returns late.
        starts.ended(actors[1], error: nil, of: order)
        #expect(told(&starts).isEmpty)
        let again = starts.add([actors[1]])
        starts.ended(actors[1], error: nil, of: order)
        #expect(told(&starts).isEmpty, "that of the earlier incarnation")
        starts.ended(actors[1], error: nil, of: again)
        starts.takenOut([actors[2]])
        #expect(
            told(&starts) == [
                .init(order: order, message: ActorsStarted([]), isAnswer: true),
                .init(order: again, message: ActorsStarted([.init(actor: actors[1], error: nil)]), isAnswer: true),
            ])
    }
}
