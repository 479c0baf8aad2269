// ActorStarts: orders to construct actors that are not answered yet: what becomes of each actor is told once, at the end of the turn in which it is known, and
// the last of it is the answer. Of an actor that is taken out before that, nothing is told: its identifier may stand for a later incarnation by then.

import MantaModel
import MantaWire

struct ActorStarts {
    /// What is to be told about one order.
    struct News: Equatable {
        var order: Int
        var message: ActorsStarted
        /// Nothing more comes of the order.
        var isAnswer: Bool
    }

    private struct Order {
        /// Those whose constructors have not returned.
        var open: Set<ActorID>
        var results: [ActorsStarted.Result] = []
    }

    private var orders: [Int: Order] = [:]
    private var latest = 0

    /// Takes an order; returns its number.
    mutating func add(_ actors: some Sequence<ActorID>) -> Int {
        latest += 1
        orders[latest] = Order(open: Set(actors))
        return latest
    }

    /// The constructor of one of the order's actors has returned, or thrown.
    mutating func ended(_ actor: ActorID, error: String?, of order: Int) {
        guard orders[order]?.open.remove(actor) != nil else { return }
        orders[order]!.results.append(.init(actor: actor, error: error))
    }

    /// These actors are not here any more. Their constructors may run on; nobody waits for that.
    mutating func takenOut(_ actors: [ActorID]) {
        for number in Array(orders.keys) {
            for actor in actors { orders[number]!.open.remove(actor) }
            guard !orders[number]!.results.isEmpty else { continue }
            let gone = Set(actors)
            orders[number]!.results.removeAll { gone.contains($0.actor) }
        }
    }

    /// What is known and was not told.
    mutating func take() -> [News] {
        var news: [News] = []
        for number in orders.keys.sorted() {
            let isAnswer = orders[number]!.open.isEmpty
            guard isAnswer || !orders[number]!.results.isEmpty else { continue }
            news.append(News(order: number, message: ActorsStarted(orders[number]!.results), isAnswer: isAnswer))
            if isAnswer { orders[number] = nil } else { orders[number]!.results = [] }
        }
        return news
    }
}
