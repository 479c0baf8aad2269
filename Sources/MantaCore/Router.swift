// Router: decides for every request of one caller (a proxy's loop, a Swift program) which replica gets it, or that it waits, or why it is refused.
//
// A request is known by its caller's token. 1. `tables.match` finds its endpoint, a draw its backend 2. `admit` says send, wait or refuse 3. `finished`
// frees its place, and `nextWaiting` gives the place to those that wait, first come first served.
// Always: a replica has at most `maxConcurrent` requests of this caller in flight; a backend has at most `maxQueued` waiting; only ready replicas that can
// be reached get requests; a change of tables touches no request in flight. Deciding allocates nothing.

import DequeModule
package import MantaModel

package struct Router: Sendable {
    package enum Decision: Hashable, Sendable {
        /// Send it to the replica in this slot.
        case send(Int)
        /// It waits; `nextWaiting` or `expire` will name it.
        case wait
        case refuse(Refusal)
    }

    package enum Refusal: Hashable, Sendable {
        /// As many wait as may.
        case queueFull
        /// The backend's replicas do not start.
        case failed
        /// The backend is gone, or has been told to have no replicas.
        case noReplicas
    }

    private struct Waiting: Sendable {
        var token: UInt64
        var deadline: Instant
    }

    private struct Backend: Sendable {
        var name: String
        var isPresent = true
        var maxConcurrent: Int32 = 1
        var maxQueued = 0
        var state = BackendStatus.State.updating
        var message = ""
        var wantsReplicas = true
        var timeout: Duration = .seconds(60)
        /// Slots of replicas that get requests.
        var ready: ContiguousArray<Int32> = []
        /// Requests in flight at those.
        var inFlight = 0
        var queue: Deque<Waiting> = []
    }

    private struct Replica: Sendable {
        var description: ReplicaDescription
        var backend: Int32
        var inFlight: Int32 = 0
        /// Its row says ready and its process can be reached.
        var isRoutable = false
        var isReachable = true
        var isPresent = true
    }

    package private(set) var tables = RouterTables()
    private var backends: ContiguousArray<Backend> = []
    private var replicas: ContiguousArray<Replica?> = []
    private var backendSlots: [String: Int] = [:]
    private var replicaSlots: [String: Int] = [:]
    private var freeReplicas: [Int] = []

    package init() {}

    // MARK: Tables

    /// The tables have changed. Afterwards call `nextWaiting` for every backend slot: those that wait may have a replica now.
    package mutating func update(endpoints: [EndpointDescription], backends rows: [BackendRow], replicas descriptions: [ReplicaDescription]) {
        for slot in backends.indices { backends[slot].isPresent = false }
        for row in rows {
            let slot = backendSlot(row.description.name)
            backends[slot].isPresent = true
            backends[slot].maxConcurrent = Int32(clamping: row.description.maxConcurrent)
            backends[slot].maxQueued = row.description.maxQueued
            backends[slot].timeout = .seconds(row.description.requestTimeoutSeconds)
            (backends[slot].state, backends[slot].message) = (row.status.state, row.status.message)
            backends[slot].wantsReplicas = row.description.replicas > 0
        }
        for slot in replicas.indices { replicas[slot]?.isPresent = false }
        for description in descriptions {
            let slot = replicaSlots[description.tag] ?? newReplicaSlot(description)
            if replicas[slot]?.description.address != description.address { replicas[slot]?.isReachable = true }
            replicas[slot]?.description = description
            replicas[slot]?.isPresent = true
        }
        for slot in replicas.indices { refresh(slot) }
        for slot in backends.indices where !backends[slot].isPresent { backends[slot].wantsReplicas = false }
        collectReady()
        tables = RouterTables(endpoints) { backendSlot($0) }
    }

    private mutating func backendSlot(_ name: String) -> Int {
        if let slot = backendSlots[name] { return slot }
        var backend = Backend(name: name)
        backend.isPresent = false
        backend.wantsReplicas = false
        backends.append(backend)
        backendSlots[name] = backends.count - 1
        return backends.count - 1
    }

    private mutating func newReplicaSlot(_ description: ReplicaDescription) -> Int {
        let replica = Replica(description: description, backend: Int32(backendSlot(description.backend)))
        let slot = freeReplicas.popLast() ?? replicas.count
        if slot == replicas.count { replicas.append(replica) } else { replicas[slot] = replica }
        replicaSlots[description.tag] = slot
        return slot
    }

    private mutating func refresh(_ slot: Int) {
        guard let replica = replicas[slot] else { return }
        let description = replica.description
        replicas[slot]?.isRoutable = replica.isPresent && replica.isReachable && description.state == .ready && description.address != nil && description.actor != nil
        if !replica.isPresent, replica.inFlight == 0 { free(slot) }
    }

    private mutating func free(_ slot: Int) {
        if let tag = replicas[slot]?.description.tag { replicaSlots[tag] = nil }
        replicas[slot] = nil
        freeReplicas.append(slot)
    }

    private mutating func collectReady() {
        for slot in backends.indices {
            backends[slot].ready.removeAll(keepingCapacity: true)
            backends[slot].inFlight = 0
        }
        for (slot, replica) in replicas.enumerated() {
            guard let replica, replica.isRoutable else { continue }
            backends[Int(replica.backend)].ready.append(Int32(slot))
            backends[Int(replica.backend)].inFlight += Int(replica.inFlight)
        }
    }

    // MARK: What is there

    package var backendCount: Int { backends.count }
    package func backendName(_ backend: Int) -> String { backends[backend].name }
    package func failure(of backend: Int) -> String { backends[backend].message }
    package func timeout(of backend: Int) -> Duration { backends[backend].timeout }
    package func waitingCount(_ backend: Int) -> Int { backends[backend].queue.count }
    package func readyCount(_ backend: Int) -> Int { backends[backend].ready.count }
    /// The replica in a slot; nil when the slot is free.
    package func replica(_ slot: Int) -> ReplicaDescription? { replicas.indices.contains(slot) ? replicas[slot]?.description : nil }
    package func inFlight(_ slot: Int) -> Int { Int(replicas[slot]?.inFlight ?? 0) }
    package func backend(ofReplica slot: Int) -> Int { Int(replicas[slot]?.backend ?? -1) }
    package func slot(ofReplica tag: String) -> Int? { replicaSlots[tag] }
    /// Whether any backend that gets requests has a replica to give them to.
    package var canServe: Bool { backends.contains { !$0.ready.isEmpty } }

    // MARK: Requests

    /// A request for a backend has come.
    package mutating func admit(_ token: UInt64, to backend: Int, deadline: Instant, using generator: inout some RandomNumberGenerator) -> Decision {
        // Those that wait come first; when the queue is empty, a place goes to this one.
        if backends[backend].queue.isEmpty, let slot = pick(backend, using: &generator) { return .send(slot) }
        if backends[backend].ready.isEmpty {
            if !backends[backend].wantsReplicas { return .refuse(.noReplicas) }
            if backends[backend].state == .failed { return .refuse(.failed) }
        }
        if backends[backend].queue.count >= backends[backend].maxQueued { return .refuse(.queueFull) }
        backends[backend].queue.append(Waiting(token: token, deadline: deadline))
        return .wait
    }

    /// A copy of a request: taken only if a replica has a place now.
    package mutating func admitShadow(to backend: Int, using generator: inout some RandomNumberGenerator) -> Int? {
        backends[backend].queue.isEmpty ? pick(backend, using: &generator) : nil
    }

    /// A request that was sent to this replica has ended, whatever its end.
    package mutating func finished(_ slot: Int) {
        guard let replica = replicas[slot], replica.inFlight > 0 else { return }
        replicas[slot]?.inFlight -= 1
        if replica.isRoutable {
            backends[Int(replica.backend)].inFlight -= 1
        } else if !replica.isPresent, replica.inFlight == 1 {
            free(slot)
        }
    }

    /// The next request that waits for a backend and has a place now: the caller must send it. Call until nil.
    package mutating func nextWaiting(_ backend: Int, using generator: inout some RandomNumberGenerator) -> (token: UInt64, replica: Int)? {
        guard !backends[backend].queue.isEmpty, let slot = pick(backend, using: &generator), let waiting = backends[backend].queue.popFirst() else { return nil }
        return (waiting.token, slot)
    }

    /// A request that waits for a backend which cannot serve it any more (gone, or failed without a replica), with the reason. Call until nil.
    package mutating func nextRefused(_ backend: Int) -> (token: UInt64, refusal: Refusal)? {
        guard backends[backend].ready.isEmpty, !backends[backend].wantsReplicas || backends[backend].state == .failed else { return nil }
        let refusal: Refusal = backends[backend].wantsReplicas ? .failed : .noReplicas
        return backends[backend].queue.popFirst().map { ($0.token, refusal) }
    }

    /// A request that waits is no longer wanted. Says whether it waited.
    @discardableResult
    package mutating func cancelled(_ token: UInt64, of backend: Int) -> Bool {
        guard let place = backends[backend].queue.firstIndex(where: { $0.token == token }) else { return false }
        backends[backend].queue.remove(at: place)
        return true
    }

    /// A request whose deadline has passed while it waited; it is out of the queue. Call until nil.
    package mutating func nextExpired(_ backend: Int, at now: Instant) -> UInt64? {
        guard let place = backends[backend].queue.firstIndex(where: { $0.deadline <= now }) else { return nil }
        return backends[backend].queue.remove(at: place).token
    }

    // MARK: Replicas come and go

    /// A replica's process cannot be reached. What was in flight there must be told `finished` one by one.
    package mutating func lost(_ slot: Int) { setReachable(slot, false) }

    /// A lost replica's process answers again.
    package mutating func found(_ slot: Int) { setReachable(slot, true) }

    private mutating func setReachable(_ slot: Int, _ isReachable: Bool) {
        guard replicas.indices.contains(slot), replicas[slot] != nil, replicas[slot]?.isReachable != isReachable else { return }
        replicas[slot]?.isReachable = isReachable
        refresh(slot)
        collectReady()
    }

    /// The less busy of two random replicas that have a place; takes the place.
    private mutating func pick(_ backend: Int, using generator: inout some RandomNumberGenerator) -> Int? {
        let count = backends[backend].ready.count
        let limit = backends[backend].maxConcurrent
        guard count > 0, backends[backend].inFlight < count * Int(limit) else { return nil }
        var chosen = Int(backends[backend].ready[0])
        if count > 1 {
            // Two different places out of one draw.
            let draw = generator.next()
            let first = Int(((draw >> 32) * UInt64(count)) >> 32)
            let step = 1 + Int(((draw & 0xffff_ffff) * UInt64(count - 1)) >> 32)
            let second = first + step < count ? first + step : first + step - count
            let (left, right) = (Int(backends[backend].ready[first]), Int(backends[backend].ready[second]))
            chosen = load(left) <= load(right) ? left : right
            if load(chosen) >= limit {
                // Both are full, but some replica is not: take the first behind them.
                for offset in 0..<count {
                    let place = first + offset < count ? first + offset : first + offset - count
                    chosen = Int(backends[backend].ready[place])
                    if load(chosen) < limit { break }
                }
            }
        }
        replicas[chosen]?.inFlight += 1
        backends[backend].inFlight += 1
        return chosen
    }

    @inline(__always) private func load(_ slot: Int) -> Int32 { replicas[slot]?.inFlight ?? .max }
}
