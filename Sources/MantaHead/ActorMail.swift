// ActorMail: what one event about actors has to tell: to each node and each watcher one message, where the order allows it.

import MantaCore
import MantaModel
import MantaWire

/// What one event has to tell nodes and watchers, each in the order in which it came.
struct ActorMail {
    enum Orders {
        case place([PlaceActors.Order])
        case end([EndActors.Order])
    }
    private(set) var orders: [(node: NodeID, orders: Orders)] = []
    private(set) var news: [(watcher: WatcherID, statuses: [ActorStatus])] = []

    /// Orders behind orders of the same kind to the same node leave together.
    mutating func place(_ order: PlaceActors.Order, on node: NodeID) {
        if let last = orders.indices.last, orders[last].node == node, case .place(var together) = orders[last].orders {
            orders[last].orders = .place([])
            together.append(order)
            orders[last].orders = .place(together)
        } else {
            orders.append((node, .place([order])))
        }
    }

    mutating func end(_ order: EndActors.Order, on node: NodeID) {
        if let last = orders.indices.last, orders[last].node == node, case .end(var together) = orders[last].orders {
            orders[last].orders = .end([])
            together.append(order)
            orders[last].orders = .end(together)
        } else {
            orders.append((node, .end([order])))
        }
    }

    mutating func tell(_ watcher: WatcherID, _ status: ActorStatus) {
        if let last = news.indices.last, news[last].watcher == watcher { news[last].statuses.append(status) } else { news.append((watcher, [status])) }
    }
}

/// Calls back once, when everything that began has ended and nothing more will begin.
final class Countdown {
    private var open = 1
    private let done: () -> Void
    init(_ done: @escaping () -> Void) { self.done = done }
    func begin() { open += 1 }
    func end() {
        open -= 1
        if open == 0 { done() }
    }
    /// Nothing more will begin.
    func settle() { end() }
}
