// WorkerPlaces: on which node each worker is that this process's tasks run on, and why they were put there: for people.

import MantaModel

struct WorkerPlaces {
    struct Place {
        let node: NodeID
        let reason: PlacementReason
    }
    /// As its latest lease says.
    private var places: [ProcessID: Place] = [:]
    /// Of requests that a node sent to another one, until that one grants them.
    private var moves: [LeaseID: PlacementReason] = [:]

    /// Where a worker is; nil when it holds none of this process's leases.
    subscript(worker: ProcessID) -> Place? { places[worker] }

    mutating func moved(_ lease: LeaseID, because reason: PlacementReason) { moves[lease] = reason }

    /// - Parameter home: The node that requests go to unless large arguments lie elsewhere.
    mutating func granted(_ lease: LeaseID, worker: ProcessID, on node: NodeID, home: NodeID?) {
        let reason = moves.isEmpty ? nil : moves.removeValue(forKey: lease)
        places[worker] = Place(node: node, reason: reason ?? (node == home ? .home : .locality))
    }

    /// The request is withdrawn or refused.
    mutating func forget(_ lease: LeaseID) { if !moves.isEmpty { moves[lease] = nil } }

    /// The worker is gone.
    mutating func forget(_ worker: ProcessID) { places[worker] = nil }
}
