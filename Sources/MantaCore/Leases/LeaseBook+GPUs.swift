// The GPUs of a LeaseBook: which numbered ones a lease, an actor or a bundle holds.
//
// Amounts are counted like those of any resource; here it is decided which GPUs they are. A lease keeps its GPUs from its grant to its end, also while its
// task awaits something: their memory is full of its work. Its worker serves it alone and ends behind it, since a process cannot change the GPUs it sees.

package import MantaModel

extension LeaseBook {
    /// The GPUs of an actor whose resources are reserved, in their order.
    package func numbers(ofGPUsHeldBy actor: ActorID) -> [Int] { actors[actor]?.gpus?.shares.map(\.index) ?? [] }

    /// The GPUs of a granted lease, in their order.
    package func numbers(ofGPUsHeldBy lease: LeaseID) -> [Int] { leases[lease]?.gpus?.shares.map(\.index) ?? [] }

    /// Whether the GPUs that are asked for are free: as many may be free as parts of several.
    func hasGPUs(for demand: GPUDemand?) -> Bool { demand.map { choice(for: $0) != nil } ?? true }

    /// Takes GPUs that are free; nil when none are asked for.
    mutating func takeGPUs(for demand: GPUDemand?) -> HeldGPUs? {
        guard let demand else { return nil }
        guard let held = choice(for: demand) else { preconditionFailure("GPUs are taken where hasGPUs said so") }
        if let (group, index) = held.bundle { heldGroups[group]?.gpus[index]?.take(held.shares) } else { gpus.take(held.shares) }
        return held
    }

    mutating func giveGPUs(_ held: HeldGPUs?) {
        guard let held else { return }
        if let (group, index) = held.bundle { heldGroups[group]?.gpus[index]?.give(held.shares) } else { gpus.give(held.shares) }
    }

    private func choice(for demand: GPUDemand) -> HeldGPUs? {
        switch demand.source {
        case .node: return gpus.choice(for: demand.amount).map { HeldGPUs(bundle: nil, shares: $0) }
        case .group(let id, let bundle):
            guard let group = heldGroups[id] else { return nil }
            for index in bundle.map({ [$0] }) ?? group.committed.sorted() {
                if let shares = group.gpus[index]?.choice(for: demand.amount) { return HeldGPUs(bundle: (id, index), shares: shares) }
            }
            return nil
        }
    }

    /// Takes the GPUs of bundles out of the node's; nil, and nothing is taken, when they are not free.
    mutating func takeGPUs(forBundles bundles: [Int], of specification: PlacementGroupSpecification) -> [Int: GPUBook]? {
        var (rest, taken) = (gpus, [Int: GPUBook]())
        for index in bundles {
            let amount = specification.bundles[index][Resources.gpu]
            guard amount.units > 0 else { continue }
            guard let shares = rest.choice(for: amount) else { return nil }
            rest.take(shares)
            taken[index] = GPUBook(shares)
        }
        gpus = rest
        return taken
    }
}

extension Resources {
    /// Without GPUs, the node's or a bundle's.
    var withoutGPUs: Resources {
        Resources(amounts.filter { name, _ in name != Resources.gpu && BundleResource.parse(name)?.resource != Resources.gpu })
    }
}
