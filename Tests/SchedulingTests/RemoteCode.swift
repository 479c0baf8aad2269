// What the scheduling tests run remotely.

import Glibc
import Manta
import MantaModel

@Remote func whereAmI() async throws -> String { try Manta.context.node?.description ?? "nowhere" }
@Remote func work(milliseconds: Int) async throws -> String {
    try await Task.sleep(for: .milliseconds(milliseconds))  // the work itself
    return try Manta.context.node?.description ?? "nowhere"
}

/// Adds a line to a file, then sleeps for ever in its first try, and returns its node in later ones.
@Remote func hangOnce(noting path: String) async throws -> String {
    let here = try Manta.context.node?.description ?? "nowhere"
    guard let file = fopen(path, "ae") else { return "no file" }
    fputs("\(here) \(getpid())\n", file)
    fclose(file)
    if try Manta.context.attempt == 1 { try await Task.sleep(for: .seconds(3600)) }  // until its process ends
    return here
}

@Remote func childWhereabouts(plain: Bool) async throws -> String {
    try await plain ? whereAmI.options(scheduling: .standard).remote().value : whereAmI.remote().value
}

/// Where a task in the group runs that this one submits.
@Remote func whereaboutsInside(_ group: PlacementGroup) async throws -> String {
    try await whereAmI.options(cpus: 1, scheduling: .group(group)).remote().value
}

@Remote func process() async -> Int32 { getpid() }

@RemoteActor(maxConcurrency: 10) actor Resident {
    init() {}
    func node() throws -> String { try Manta.context.node?.description ?? "nowhere" }
    func process() -> Int32 { getpid() }
    func group() throws -> String? { try Manta.context.placementGroup?.description }
    func childNode(plain: Bool) async throws -> String {
        try await plain ? whereAmI.options(scheduling: .standard).remote().value : whereAmI.remote().value
    }
    /// Makes an actor, and says where it lives.
    func childActor(plain: Bool) async throws -> String {
        let child = plain ? Resident.options(cpus: 1, scheduling: .standard).remote() : Resident.options(cpus: 1).remote()
        kept.append(child)
        return try await child.node().value
    }
    func childInside(_ group: PlacementGroup) async throws -> String {
        try await Resident.options(cpus: 1, scheduling: .group(group)).remote().node().value
    }
    func makeGroup(named name: String, lifetime: ActorLifetime = .job) async throws -> String {
        try await Manta.placementGroup([["CPU": 1]], name: name, lifetime: lifetime).id.description
    }
    func makeChild() async throws -> Resident.Handle {
        let child = Resident.remote()
        kept.append(child)
        _ = try await child.node().value
        return child
    }
    private var kept: [Resident.Handle] = []
}
