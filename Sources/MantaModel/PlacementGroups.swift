// PlacementGroups: resources of several bundles reserved together, as they are described, and how their reservations are named among a node's resources.
//
// A bundle that is reserved on a node turns what it holds into resources of that node under other names: `CPU` of bundle 1 becomes
// `bundle:GROUP:1:CPU`, and of any bundle `bundle:GROUP:*:CPU`. What runs in the bundle asks for these, so that every rule for resources holds for
// bundles too. Users cannot use such names.

/// Names a placement group.
public struct PlacementGroupID: Identifier {
    public let high, low: UInt64
    public init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }
}

/// How the bundles of a placement group are put on nodes.
public enum PlacementStrategy: String, Sendable, Codable, CaseIterable {
    /// On as few nodes as it goes.
    case pack
    /// On as many nodes as it goes.
    case spread
    /// All on one node, or not at all.
    case strictPack
    /// Each on a node of its own, or not at all.
    case strictSpread
}

/// Everything that is needed to reserve a placement group, now or again after a node was lost or the head restarted.
package struct PlacementGroupSpecification: Hashable, Sendable, Codable {
    package var id: PlacementGroupID
    package var bundles: [Resources]
    package var strategy: PlacementStrategy
    package var name: String?
    package var namespace: String
    package var lifetime: ActorLifetime
    package var job: JobID
    package var owner: ProcessAddress
    /// Its creator is a detached actor, so that the group ends with that process and not with a job.
    package var isOwnedByActor: Bool

    package init(
        id: PlacementGroupID, bundles: [Resources], strategy: PlacementStrategy, name: String?, namespace: String, lifetime: ActorLifetime, job: JobID,
        owner: ProcessAddress, isOwnedByActor: Bool
    ) {
        (self.id, self.bundles, self.strategy, self.name, self.namespace) = (id, bundles, strategy, name, namespace)
        (self.lifetime, self.job, self.owner, self.isOwnedByActor) = (lifetime, job, owner, isOwnedByActor)
    }

    /// What is wrong with it, as a sentence that says what to do; nil when it is fine.
    package var complaint: String? {
        if bundles.isEmpty { return "a placement group has no bundles; give it at least one, for example [[\"CPU\": 1]]" }
        if bundles.count > Limits.bundlesPerGroup { return "a placement group has \(bundles.count) bundles; at most \(Limits.bundlesPerGroup) are allowed" }
        for (index, bundle) in bundles.enumerated() {
            if bundle.isEmpty { return "bundle \(index) is empty; ask for some resource, for example [\"CPU\": 1]" }
            if let complaint = bundle.complaint { return "bundle \(index): \(complaint)" }
            if let name = bundle.amounts.keys.first(where: BundleResource.isReserved) {
                return "bundle \(index) has a resource \"\(name)\"; names that begin with \(BundleResource.prefix) are reserved"
            }
        }
        return nil
    }
}

/// Where in a group something runs.
package struct GroupMembership: Hashable, Sendable, Codable {
    package var group: PlacementGroupID
    /// All of the group's.
    package var bundles: [Resources]
    /// Nil is any bundle.
    package var bundle: Int?
    /// What it submits runs in the group too, unless that says otherwise.
    package var captures: Bool
    package init(group: PlacementGroupID, bundles: [Resources], bundle: Int?, captures: Bool) {
        (self.group, self.bundles, self.bundle, self.captures) = (group, bundles, bundle, captures)
    }

    /// What is wrong with running something with this demand here, as a sentence; nil when it is fine.
    package func complaint(about demand: Resources) -> String? {
        if let bundle, !bundles.indices.contains(bundle) {
            return "bundle \(bundle) does not exist: placement group \(group.short) has the bundles 0 to \(bundles.count - 1); leave the bundle out for any"
        }
        let candidates = bundle.map { [bundles[$0]] } ?? bundles
        if candidates.contains(where: { $0.covers(demand) }) { return nil }
        let place = bundle.map { "bundle \($0) of placement group \(group.short) has \(bundles[$0])" } ?? "no bundle of placement group \(group.short) has as much"
        return "it needs \(demand), and \(place); ask for less, or make larger bundles"
    }

    /// What tasks that are captured inherit: any bundle of the same group.
    package var inherited: GroupMembership { GroupMembership(group: group, bundles: bundles, bundle: nil, captures: true) }

    /// The same demand, of the group's own resources.
    package func demand(for resources: Resources) -> Resources {
        var result = Resources()
        for (name, amount) in resources.amounts {
            if let bundle { result[BundleResource.name(group, bundle, name)] = amount }
            result[BundleResource.name(group, nil, name)] = amount
        }
        // What needs nothing still runs where the bundle is.
        if let bundle { result[BundleResource.presence(group, bundle)] = ResourceAmount(units: 1) }
        result[BundleResource.presence(group, nil)] = ResourceAmount(units: 1)
        return result
    }
}

/// The names of reserved resources.
package enum BundleResource {
    package static let prefix = "bundle:"
    /// How many things that need nothing may run in a bundle.
    package static let presenceAmount = ResourceAmount(units: 1_000_000)

    package static func name(_ group: PlacementGroupID, _ bundle: Int?, _ resource: String) -> String {
        "\(prefix)\(group):\(bundle.map { "\($0)" } ?? "*"):\(resource)"
    }
    package static func presence(_ group: PlacementGroupID, _ bundle: Int?) -> String { name(group, bundle, "") }

    package static func isReserved(_ name: String) -> Bool { name.hasPrefix(prefix) }

    /// The group and the plain name behind a reserved one.
    package static func parse(_ name: String) -> (group: PlacementGroupID, bundle: Int?, resource: String)? {
        guard isReserved(name) else { return nil }
        let parts = name.split(separator: ":", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count == 4, let group = PlacementGroupID(String(parts[1])) else { return nil }
        return (group, Int(parts[2]), String(parts[3]))
    }

    /// What a node gains when the bundle is reserved there.
    package static func gained(_ group: PlacementGroupID, _ bundle: Int, _ resources: Resources) -> Resources {
        var result = Resources()
        for (name, amount) in resources.amounts {
            result[BundleResource.name(group, bundle, name)] = amount
            result[BundleResource.name(group, nil, name)] = amount
        }
        result[presence(group, bundle)] = presenceAmount
        result[presence(group, nil)] = presenceAmount
        return result
    }
}

extension Resources {
    /// Without what is reserved under other names: what people count.
    package var plain: Resources { Resources(amounts.filter { !BundleResource.isReserved($0.key) }) }

    /// What was asked for, also when it is taken out of a placement group: the inverse of `GroupMembership.demand`.
    package var asAsked: Resources {
        var result = Resources()
        for (name, amount) in amounts {
            guard let parsed = BundleResource.parse(name) else {
                result[name] = amount
                continue
            }
            if parsed.bundle == nil, !parsed.resource.isEmpty { result[parsed.resource] = amount }
        }
        return result
    }

    /// The group that the demand is for, if any.
    package var group: PlacementGroupID? {
        for name in amounts.keys { if let parsed = BundleResource.parse(name) { return parsed.group } }
        return nil
    }
}
