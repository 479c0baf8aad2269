// BundlePlacement: on which nodes the bundles of a placement group go: all of them, or none. Pure: amounts in, an assignment out.

package import MantaModel

/// What a node has left for bundles.
package struct BundleRoom: Hashable, Sendable {
    package var node: NodeID
    package var free: Resources
    package init(node: NodeID, free: Resources) { (self.node, self.free) = (node, free) }
}

package enum BundlePlacement {
    /// A node for each of `bundles`, in their order; nil when they do not all fit. `taken`: the nodes of the group's other bundles, which stay.
    package static func assign(_ bundles: [Resources], _ strategy: PlacementStrategy, taken: [NodeID], rooms: [BundleRoom]) -> [NodeID]? {
        let rooms = rooms.sorted { $0.node < $1.node }
        switch strategy {
        case .strictPack: return together(bundles, taken, rooms)
        case .strictSpread: return apart(bundles, rooms.filter { !taken.contains($0.node) })
        case .pack: return packed(bundles, taken, rooms)
        case .spread: return spread(bundles, taken, rooms)
        }
    }

    private static func together(_ bundles: [Resources], _ taken: [NodeID], _ rooms: [BundleRoom]) -> [NodeID]? {
        var sum = Resources()
        for bundle in bundles { sum += bundle }
        let fitting = rooms.filter { (taken.isEmpty || taken.contains($0.node)) && $0.free.covers(sum) }
        // The smallest that fits leaves the larger ones to others.
        guard let best = fitting.min(by: { ($0.free[Resources.cpu], $0.node) < ($1.free[Resources.cpu], $1.node) }) else { return nil }
        return bundles.map { _ in best.node }
    }

    /// Bundle after bundle, the largest first, on the nodes in use; when one fits on none of them, on the node that takes the most of the rest.
    private static func packed(_ bundles: [Resources], _ taken: [NodeID], _ rooms: [BundleRoom]) -> [NodeID]? {
        var rooms = rooms
        var result: [NodeID?] = bundles.map { _ in nil }
        var used = Set(taken)
        let order = largestFirst(bundles)
        for index in order where result[index] == nil {
            if let position = rooms.firstIndex(where: { used.contains($0.node) && $0.free.covers(bundles[index]) }) {
                rooms[position].free -= bundles[index]
                result[index] = rooms[position].node
                continue
            }
            let rest = order.filter { result[$0] == nil }
            var best: (count: Int, position: Int)?
            for position in rooms.indices where rooms[position].free.covers(bundles[index]) {
                let count = fitting(rest.map { bundles[$0] }, in: rooms[position].free)
                if best == nil || count > best!.count { best = (count, position) }
            }
            guard let position = best?.position else { return nil }
            used.insert(rooms[position].node)
            rooms[position].free -= bundles[index]
            result[index] = rooms[position].node
        }
        return result.compactMap { $0 }
    }

    private static func fitting(_ bundles: [Resources], in free: Resources) -> Int {
        var free = free
        var count = 0
        for bundle in bundles where free.covers(bundle) {
            free -= bundle
            count += 1
        }
        return count
    }

    /// Each bundle, the largest first, on the node that has the fewest of the group.
    private static func spread(_ bundles: [Resources], _ taken: [NodeID], _ rooms: [BundleRoom]) -> [NodeID]? {
        var rooms = rooms
        var counts: [NodeID: Int] = taken.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        var result: [NodeID?] = bundles.map { _ in nil }
        for index in largestFirst(bundles) {
            let fitting = rooms.indices.filter { rooms[$0].free.covers(bundles[index]) }
            let best = fitting.min {
                (counts[rooms[$0].node, default: 0], -rooms[$0].free[Resources.cpu].units, rooms[$0].node)
                    < (counts[rooms[$1].node, default: 0], -rooms[$1].free[Resources.cpu].units, rooms[$1].node)
            }
            guard let position = best else { return nil }
            rooms[position].free -= bundles[index]
            counts[rooms[position].node, default: 0] += 1
            result[index] = rooms[position].node
        }
        return result.compactMap { $0 }
    }

    /// Each bundle on a node of its own: a matching, found by augmenting paths, so that there is one whenever there can be.
    private static func apart(_ bundles: [Resources], _ rooms: [BundleRoom]) -> [NodeID]? {
        guard bundles.count <= rooms.count else { return nil }
        var holder: [Int?] = rooms.map { _ in nil }
        func place(_ bundle: Int, _ tried: inout Set<Int>) -> Bool {
            for room in rooms.indices where rooms[room].free.covers(bundles[bundle]) && tried.insert(room).inserted {
                if let other = holder[room], !place(other, &tried) { continue }
                holder[room] = bundle
                return true
            }
            return false
        }
        for bundle in largestFirst(bundles) {
            var tried: Set<Int> = []
            guard place(bundle, &tried) else { return nil }
        }
        var result: [NodeID?] = bundles.map { _ in nil }
        for (room, bundle) in holder.enumerated() { if let bundle { result[bundle] = rooms[room].node } }
        return result.compactMap { $0 }
    }

    private static func largestFirst(_ bundles: [Resources]) -> [Int] {
        let sizes = bundles.map { $0.amounts.values.reduce(0) { $0 + $1.units } }
        return bundles.indices.sorted { (-sizes[$0], $0) < (-sizes[$1], $1) }
    }
}
