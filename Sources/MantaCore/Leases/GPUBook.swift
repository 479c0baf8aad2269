// GPUBook: which of a node's numbered GPUs are free, and how much of each.
//
// A demand of one or more takes whole GPUs, which nobody else uses; a demand below one takes its part of a single GPU, the fullest that has room, so that
// whole ones stay free. No GPU is ever given beyond what it has.

package import MantaModel

/// A part of one GPU, or all of it.
package struct GPUShare: Hashable, Sendable {
    /// From 0, in the node's order.
    package var index: Int
    package var amount: ResourceAmount
}

/// The GPUs of a node, or those that were set aside for a bundle.
struct GPUBook: Sendable {
    private static let whole: Int64 = 10_000
    /// What there is, and what of it is free, in ten-thousandths.
    private var slots: [(index: Int, total: Int64, free: Int64)]

    /// - Parameter amount: a node's GPUs; the last may be a fraction.
    init(_ amount: ResourceAmount) {
        self.init([])
        resize(to: amount)
    }

    /// Those that were taken out of another book.
    init(_ shares: [GPUShare]) { slots = shares.map { ($0.index, $0.amount.units, $0.amount.units) } }

    /// Everything it has, free or not.
    var shares: [GPUShare] { slots.map { GPUShare(index: $0.index, amount: ResourceAmount(units: $0.total)) } }

    /// What the amount would be taken from; nil when no GPU, or no set of whole ones, is free.
    func choice(for amount: ResourceAmount) -> [GPUShare]? {
        guard amount.units > 0 else { return [] }
        if amount.units < Self.whole {
            let fitting = slots.filter { $0.free >= amount.units }
            guard let slot = fitting.min(by: { ($0.free, $0.index) < ($1.free, $1.index) }) else { return nil }
            return [GPUShare(index: slot.index, amount: amount)]
        }
        let count = Int(amount.units / Self.whole)
        let free = slots.filter { $0.free == Self.whole }.prefix(count)
        return free.count == count ? free.map { GPUShare(index: $0.index, amount: 1) } : nil
    }

    mutating func take(_ shares: [GPUShare]) { change(shares, by: -1) }
    mutating func give(_ shares: [GPUShare]) { change(shares, by: 1) }

    private mutating func change(_ shares: [GPUShare], by sign: Int64) {
        for share in shares {
            guard let position = slots.firstIndex(where: { $0.index == share.index }) else { continue }
            slots[position].free += sign * share.amount.units
            precondition((0...slots[position].total).contains(slots[position].free), "a GPU is never given twice, nor back twice")
        }
    }

    /// The node now has so many. Of fewer, those that are in use stay until they are given back.
    mutating func resize(to amount: ResourceAmount) {
        let count = Int((amount.units + Self.whole - 1) / Self.whole)
        slots.removeAll { $0.index >= count && $0.free == $0.total }
        for index in slots.count..<max(slots.count, count) {
            let total = min(Self.whole, amount.units - Int64(index) * Self.whole)
            slots.append((index, total, total))
        }
    }
}

/// How many GPUs a demand asks for, and of which.
struct GPUDemand: Hashable, Sendable {
    enum Source: Hashable, Sendable {
        case node
        /// Nil is any bundle of the group that is here.
        case group(PlacementGroupID, bundle: Int?)
    }
    var source: Source
    var amount: ResourceAmount

    /// Nil when the demand asks for none.
    init?(_ demand: Resources) {
        var found: GPUDemand?
        for (name, amount) in demand.amounts where name.hasSuffix(Resources.gpu) {
            if name == Resources.gpu {
                found = GPUDemand(source: .node, amount: amount)
            } else if let parsed = BundleResource.parse(name), parsed.resource == Resources.gpu, parsed.bundle != nil || found == nil {
                found = GPUDemand(source: .group(parsed.group, bundle: parsed.bundle), amount: amount)
            }
        }
        guard let found else { return nil }
        self = found
    }

    private init(source: Source, amount: ResourceAmount) { (self.source, self.amount) = (source, amount) }
}

/// GPUs that a lease or an actor holds, and where they go back to.
struct HeldGPUs: Sendable {
    /// Nil: the node's own.
    var bundle: (group: PlacementGroupID, index: Int)?
    var shares: [GPUShare]
}
