// ArgumentBook: requests for leases whose tasks' large arguments are not in this node's store: they are brought here before a worker is taken.
//
// Life of a request: 1. it waits for its turn 2. its arguments are being brought 3. it is served as any other request; what was brought counts as held until
// its lease has ended, or the request was declined or withdrawn.
//
// What always holds:
// - The store is told what a request whose turn it is was promised, and when it is not any more: other objects leave memory before that.
// - Requests get their turn in the order they came. What is being brought and held is within the share of the store that this book may fill; one request
//   alone may need more.
// - Every request is served or declined once, unless it is withdrawn. What cannot be brought because it is lost nowhere hinders it: the task's worker asks
//   its owner, which makes it again. Only a store without room declines.

package import MantaModel
internal import OrderedCollections

/// The requests of one node that wait for arguments.
package struct ArgumentBook {
    package enum Action: Hashable, Sendable {
        /// Bring the object into this node's store, then say `brought`.
        case bring(ArgumentLocation)
        /// A task is going to need these here, once for each time that this is said.
        case promise([ObjectID])
        /// It does not need them any more.
        case withdraw([ObjectID])
        /// All that can be had is here.
        case serve(LeaseRequest)
        /// The store has no room for its arguments.
        case decline(LeaseRequest, MantaError)
    }

    private struct Entry {
        var request: LeaseRequest
        /// Those of its arguments that are not here.
        var missing: Set<ObjectID>
        var bytes: Int
        /// All of its arguments.
        var objects: [ObjectID] { request.arguments.map(\.object) }
    }

    private let capacity: Int
    /// What arguments of waiting and running tasks may fill: results need memory too.
    private let share: Int
    private var waiting: OrderedDictionary<LeaseID, Entry> = [:]
    private var bringing: OrderedDictionary<LeaseID, Entry> = [:]
    /// What leases which have not ended hold: the bytes that were brought for them, and all their arguments.
    private var held: [LeaseID: (bytes: Int, objects: [ObjectID])] = [:]
    private var bytesInUse = 0

    /// - Parameter capacity: bytes of the store.
    package init(capacity: Int) { (self.capacity, share) = (capacity, capacity / 10 * 6) }

    package var isEmpty: Bool { waiting.isEmpty && bringing.isEmpty && held.isEmpty }

    /// A request came. Those of its arguments that are here already need nothing.
    package mutating func requested(_ request: LeaseRequest, isHere: (ObjectID) -> Bool, perform: (Action) -> Void) {
        guard !knows(request.lease) else { return }
        let missing = request.arguments.filter { !isHere($0.object) }
        // What can never be here together is not waited for: the task's worker fails with what does not fit.
        guard !missing.isEmpty, request.arguments.reduce(0, { $0 + $1.size }) <= capacity else { return perform(.serve(request)) }
        waiting[request.lease] = Entry(request: request, missing: Set(missing.map(\.object)), bytes: missing.reduce(0) { $0 + $1.size })
        takeTurns(perform)
    }

    /// An object is here, or cannot be brought.
    package mutating func brought(_ object: ObjectID, _ error: MantaError?, perform: (Action) -> Void) {
        for lease in bringing.filter({ $0.value.missing.contains(object) }).keys {
            guard var entry = bringing[lease] else { continue }
            if let error, MantaError.Family.full.contains(error.code) {
                bringing[lease] = nil
                bytesInUse -= entry.bytes
                perform(.withdraw(entry.objects))
                perform(.decline(entry.request, error))
                continue
            }
            entry.missing.remove(object)
            bringing[lease] = entry
            guard entry.missing.isEmpty else { continue }
            bringing[lease] = nil
            held[lease] = (entry.bytes, entry.objects)
            perform(.serve(entry.request))
        }
        takeTurns(perform)
    }

    /// The owner wants it no more, or its lease has ended.
    package mutating func ended(_ lease: LeaseID, perform: (Action) -> Void) {
        if waiting.removeValue(forKey: lease) != nil { return }
        guard let (bytes, objects) = bringing.removeValue(forKey: lease).map({ ($0.bytes, $0.objects) }) ?? held.removeValue(forKey: lease) else { return }
        bytesInUse -= bytes
        perform(.withdraw(objects))
        takeTurns(perform)
    }

    /// Time passes: leases whose ends nobody told are looked for.
    package mutating func tick(isHeld: (LeaseID) -> Bool, perform: (Action) -> Void) {
        guard !held.isEmpty else { return }
        for lease in held.keys where !isHeld(lease) { ended(lease, perform: perform) }
    }

    /// Owners are gone: their requests are forgotten.
    package mutating func dropRequests(where isGone: (LeaseRequest) -> Bool, perform: (Action) -> Void) {
        for lease in Array(waiting.filter { isGone($0.value.request) }.keys) + bringing.filter({ isGone($0.value.request) }).keys { ended(lease, perform: perform) }
    }

    /// Whether the request is not served yet.
    package func knows(_ lease: LeaseID) -> Bool { waiting[lease] != nil || bringing[lease] != nil }

    /// One sentence about a request that waits here.
    package func explain(_ lease: LeaseID) -> String? {
        if let entry = bringing[lease] { return "\(entry.missing.count) of its large arguments (\(entry.bytes) bytes in all) are being brought to this node" }
        guard let entry = waiting[lease] else { return nil }
        return "it waits until the store has room for \(entry.bytes) bytes of its arguments: \(bytesInUse) of \(share) are in use by earlier ones"
    }

    private mutating func takeTurns(_ perform: (Action) -> Void) {
        while let next = waiting.elements.first, bytesInUse == 0 || bytesInUse + next.value.bytes <= share {
            waiting.removeFirst()
            bringing[next.key] = next.value
            bytesInUse += next.value.bytes
            perform(.promise(next.value.objects))
            for argument in next.value.request.arguments where next.value.missing.contains(argument.object) { perform(.bring(argument)) }
        }
    }
}
