// Exchanges: the requests of one lane that wait for a replica or for its answer.
//
// An exchange is named by its place and generation, which together are the low half of the call's task identifier: an answer that comes after its
// exchange is over names nothing. Places are used again, so a request allocates nothing once the table is warm.

import MantaHTTP
import MantaModel

struct Exchanges {
    enum State: UInt8 {
        case free
        /// In the router's queue.
        case waiting
        /// At a replica, and its client waits.
        case sent
        /// At a replica, and nobody waits any more: a copy, or its client is gone. The replica is busy with it until it says otherwise.
        case abandoned
    }

    struct Exchange {
        var state = State.free
        var generation: UInt32 = 0
        var token: RequestToken?
        var backend: Int32 = -1
        var endpoint: Int32 = -1
        var replica: Int32 = -1
        fileprivate var nextFree: Int32 = -1
    }

    private(set) var table: ContiguousArray<Exchange> = []
    private var firstFree: Int32 = -1
    /// The exchange of each connection slot of the server.
    private var byConnection: ContiguousArray<Int32> = []

    subscript(_ index: Int) -> Exchange {
        get { table[index] }
        set { table[index] = newValue }
    }

    /// A new exchange in the state `waiting`, for a request of a client.
    mutating func begin(_ token: RequestToken, backend: Int, endpoint: Int) -> Int {
        let index = take()
        table[index].state = .waiting
        table[index].token = token
        table[index].backend = Int32(backend)
        table[index].endpoint = Int32(endpoint)
        while byConnection.count <= Int(token.slot) { byConnection.append(-1) }
        byConnection[Int(token.slot)] = Int32(index)
        return index
    }

    /// A new exchange in the state `abandoned`, for a copy of a request.
    mutating func beginCopy(backend: Int, endpoint: Int) -> Int {
        let index = take()
        table[index].token = nil
        table[index].state = .abandoned
        table[index].backend = Int32(backend)
        table[index].endpoint = Int32(endpoint)
        return index
    }

    private mutating func take() -> Int {
        guard firstFree >= 0 else {
            table.append(Exchange())
            return table.count - 1
        }
        let index = Int(firstFree)
        firstFree = table[index].nextFree
        return index
    }

    mutating func end(_ index: Int) {
        table[index].state = .free
        table[index].generation &+= 1
        table[index].replica = -1
        table[index].nextFree = firstFree
        firstFree = Int32(index)
    }

    /// The living exchange of a request.
    func of(_ token: RequestToken) -> Int? {
        guard Int(token.slot) < byConnection.count, byConnection[Int(token.slot)] >= 0 else { return nil }
        let index = Int(byConnection[Int(token.slot)])
        guard table[index].token == token, table[index].state == .waiting || table[index].state == .sent else { return nil }
        return index
    }

    /// The client's request of an exchange that has one.
    func token(_ index: Int) -> RequestToken {
        guard let token = table[index].token else { preconditionFailure("an exchange whose client waits has a request") }
        return token
    }

    /// The number by which a replica's answer finds the exchange.
    func number(_ index: Int) -> UInt64 { UInt64(table[index].generation) << 32 | UInt64(index) }

    /// The exchange that a number names, if it is not over.
    func find(_ number: UInt64) -> Int? {
        let index = Int(number & 0xffff_ffff)
        guard index < table.count, table[index].generation == UInt32(number >> 32), table[index].state == .sent || table[index].state == .abandoned else { return nil }
        return index
    }

    /// Everything that is at a replica.
    func atReplica(_ slot: Int) -> [Int] {
        table.indices.filter { table[$0].replica == Int32(slot) && (table[$0].state == .sent || table[$0].state == .abandoned) }
    }
}
