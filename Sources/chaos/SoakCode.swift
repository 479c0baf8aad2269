// SoakCode: what clients of a soak run remotely: tasks that make parcels from keys and from other parcels, workers that own parcels, actors that hold references.

import Glibc
import Manta
import MantaModel

@Remote(retries: -1) func made(key: UInt64, count: Int) -> Parcel { Parcel(key: key, count: count) }

/// Looks at what it is given on the way.
@Remote(retries: -1) func derived(from parcel: Parcel, key: UInt64, count: Int, new: UInt64) throws -> Parcel {
    if let fault = parcel.fault(key: key, count: count) { throw WrongParcel(text: fault) }
    return Parcel(key: new, count: count)
}

/// Looks at parcels whose references are inside a value.
@Remote(retries: -1) func checked(_ items: [Item]) async -> [Failure] {
    var failures: [Failure] = []
    for item in items { if let failure = await item.fault(patience: Limits.soakPatience) { failures.append(failure) } }
    return failures
}

/// Parcels that the worker owns.
@Remote(retries: -1) func offered(keys: [UInt64], count: Int) throws -> [Item] {
    let context = try Manta.context
    let excuse = Excuse(nodes: Set([context.node].compactMap(\.self)), processes: [context.pid])
    return keys.map { Item(origin: "offered", key: $0, count: count, reference: Manta.put(Parcel(key: $0, count: count)), excuse: excuse) }
}

struct WrongParcel: Error, Codable { var text: String }

/// Holds references for a client.
@RemoteActor(maxRestarts: -1, maxTaskRetries: -1) actor Shelf {
    private var items: [Item] = []
    /// References of one shelf.
    private static let room = 12
    init() {}
    func keep(_ item: Item) {
        items.append(item)
        if items.count > Self.room { items.removeFirst() }
    }
    func check() async -> [Failure] {
        var failures: [Failure] = []
        for item in items { if let failure = await item.fault(patience: Limits.soakPatience) { failures.append(failure) } }
        items.removeAll { item in failures.contains { $0.what == item.what } }
        return failures
    }
    func clear() { items = [] }
}

/// Where clients of all drivers leave references for one another; outlives them.
@RemoteActor(maxRestarts: -1, maxTaskRetries: -1) actor Exchange {
    static let name = "exchange"
    private var items: [Item] = []
    private static let room = 16
    init() {}
    func leave(_ item: Item) {
        items.append(item)
        if items.count > Self.room { items.removeFirst() }
    }
    /// One of them, which stays; `choice` says which.
    func take(_ choice: Int) -> [Item] {
        guard !items.isEmpty else { return [] }
        var item = items[choice % items.count]
        // Who hands a reference on holds it until the receiver does.
        item.excuse.processes.insert(getpid())
        return [item]
    }
}

extension Limits {
    /// A value that is not there by then counts as one that never comes.
    static let soakPatience: Duration = .seconds(120)
}
