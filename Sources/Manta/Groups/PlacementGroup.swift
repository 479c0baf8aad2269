// PlacementGroup: resources of several bundles, reserved together: all of them or none.
//
// A group is registered at once and created when all its bundles fit; tasks and actors may be submitted to it before. It ends with the job that made it,
// unless it is detached, and what runs in it ends with it.

public import MantaModel
import MantaWire
import MantaWorker

/// Bundles of resources that are reserved together.
public struct PlacementGroup: Codable, Hashable, Sendable {
    public let id: PlacementGroupID
    /// What each bundle holds.
    public let bundles: [Resources]

    init(_ specification: PlacementGroupSpecification) { (id, bundles) = (specification.id, specification.bundles) }

    /// The group itself, when it is created; needs no resources. Fails with `placementGroupRemoved` when it is removed first.
    public func ready() -> ObjectReference<PlacementGroup> {
        do {
            guard let runtime = CurrentRuntime.get() else { throw CurrentRuntime.missing }
            return ObjectReference(runtime.whenReady(id, value: try ValueEncoder.bytes(self)))
        } catch {
            return ObjectReference(.failed("PlacementGroup.ready()", error))
        }
    }

    /// Whether it is created within the time.
    /// - Throws: `MantaError` with the code `placementGroupRemoved`.
    public func isReady(within timeout: Duration) async throws -> Bool {
        let (ready, _) = try await Manta.wait([self.ready()], timeout: timeout)
        guard let reference = ready.first else { return false }
        _ = try await reference.value
        return true
    }

    /// Ends what runs in it and frees what it holds. Removing it twice is no error. Of a group without a name that this process made the order is on its
    /// way when this returns, before whatever this process asks for next; any other one is removed then.
    public func remove() async throws {
        guard let runtime = CurrentRuntime.get() else { throw CurrentRuntime.missing }
        try await runtime.removeGroup(id)
    }
}

extension Manta {
    /// Registers a placement group. It is created when all its bundles fit, which `ready()` and `isReady(within:)` tell. One without a name that ends with
    /// its job is registered without waiting for the head: `ready()` fails when there are too many.
    ///
    /// - Parameters:
    ///   - bundles: resources by name: `[["CPU": 2], ["CPU": 1, "GPU": 1]]`.
    ///   - strategy: how the bundles are put on nodes; `pack` by default.
    ///   - name: by which any program of the cluster finds it; taken until it is removed.
    ///   - namespace: of the name; the session's by default.
    ///   - lifetime: until the job (or the detached actor) that made it ends, by default; or detached: until it is removed.
    /// - Throws: `MantaError`: `invalidArgument` for bundles that cannot be, `alreadyExists` when the name is taken, `overloaded`.
    public static func placementGroup(
        _ bundles: [[String: Double]], strategy: PlacementStrategy = .pack, name: String? = nil, namespace: String? = nil, lifetime: ActorLifetime = .job
    ) async throws -> PlacementGroup {
        guard let runtime = CurrentRuntime.get() else { throw CurrentRuntime.missing }
        var checked: [Resources] = []
        for (index, bundle) in bundles.enumerated() {
            var resources = Resources()
            for (name, amount) in bundle {
                guard amount.isFinite, abs(amount) <= 9e14 else {
                    throw MantaError(.invalidArgument, "bundle \(index): resource \"\(name)\" is \(amount); expected a number from 0 to 9e14")
                }
                resources[name] = ResourceAmount(amount)
            }
            checked.append(resources)
        }
        return PlacementGroup(
            try await runtime.createGroup(bundles: checked, strategy: strategy, name: name, namespace: namespace, lifetime: lifetime))
    }

    /// The placement group with a name.
    ///
    /// - Parameter namespace: the session's by default.
    /// - Throws: `MantaError` with the code `notFound`.
    public static func placementGroup(named name: String, namespace: String? = nil) async throws -> PlacementGroup {
        guard let runtime = CurrentRuntime.get() else { throw CurrentRuntime.missing }
        return PlacementGroup(try await runtime.findGroup(name: name, namespace: namespace))
    }
}

extension Scheduling {
    /// In a placement group; waits until the group is created.
    ///
    /// - Parameters:
    ///   - bundle: which one, from 0; any by default.
    ///   - capturesChildren: what it submits itself runs in the group too, unless that says otherwise (`scheduling: .standard`).
    public static func group(_ group: PlacementGroup, bundle: Int? = nil, capturesChildren: Bool = false) -> Scheduling {
        Scheduling(rule: .standard, group: GroupMembership(group: group.id, bundles: group.bundles, bundle: bundle, captures: capturesChildren))
    }
}
