// ActorOrders: what this process orders of the head about its actors: those it makes, and those that nobody can call any more. What one turn brings leaves
// in one message, and creations before ends.

import MantaCore
import MantaLoop
import MantaModel
import MantaTransport
import MantaWire

/// Actors that are to be made.
struct NewActors {
    private var specifications: [ActorSpecification] = []
    private var bytes = 0
    /// A message of these sizes leaves at once.
    private static let (countLimit, byteLimit) = (512, 256 * 1024)

    /// Confined to the loop, like the owner.
    mutating func add(_ specification: ActorSpecification, _ owner: Owner) {
        if specifications.isEmpty { owner.loop.later { owner.sendActorOrders() } }
        specifications.append(specification)
        for argument in specification.arguments { bytes += argument.count }
    }

    var isFull: Bool { specifications.count >= Self.countLimit || bytes >= Self.byteLimit }

    mutating func take() -> [ActorSpecification] {
        defer { (specifications, bytes) = ([], 0) }
        return specifications
    }
}

extension Owner {
    func sendActorOrders() {
        let new = newActors.take()
        if !new.isEmpty { create(new) }
        guard !droppedActors.isEmpty else { return }
        let dropped = droppedActors
        droppedActors = []
        headLink.request(DropActors(dropped), deadline: .seconds(3600)) { _ in }
    }

    private func create(_ specifications: [ActorSpecification]) {
        headLink.request(CreateActors(specifications), deadline: .seconds(60)) { [self] result in
            switch result {
            case .success(let answer):
                for refusal in answer.refusals { couldNotBeCreated(refusal.actor, refusal.error) }
                for specification in specifications { actors[specification.id]?.isCreated = true }
                if !unheldActors.isEmpty { for specification in specifications { endIfUnused(specification.id) } }
            case .failure(let error): for specification in specifications { couldNotBeCreated(specification.id, error) }
            }
        }
    }

    /// This process has no handle of an actor any more. The actor is this one's to end when nobody else ever had one.
    func unheld(_ actor: ActorID, _ lifeline: ObjectHandle?) {
        guard actors[actor] != nil else { return }
        // An earlier hold may wait for the same calls; it is the same lifeline.
        unheldActors[actor] = .some(lifeline)
        endIfUnused(actor)
    }

    /// An own lifeline is gone: nobody has a handle of its actor.
    func lifelineEnded(_ id: ObjectID) { unheld(ActorID(lifeline: id), nil) }

    /// Lets an actor go that has no handle here, once the calls made from here have ended. One that nobody has a handle of ends, and from then on this process
    /// knows nothing of it.
    func endIfUnused(_ actor: ActorID) {
        guard let lifeline = unheldActors[actor], creations[actor] == nil else { return }
        if let queue = actors[actor]?.queue, queue.waitingCount + queue.inFlightCount > 0 { return }
        unheldActors.removeValue(forKey: actor)
        // With its lifeline, others may have handles; the end of the lifeline ends the actor.
        guard lifeline == nil, actors.removeValue(forKey: actor)?.queue.isDead == false else { return }
        snapshots.forget(actor)
        releaseConstructorArguments(of: actor)
        if droppedActors.isEmpty { loop.later { [self] in sendActorOrders() } }
        droppedActors.append(actor)
    }

    /// A handle that stands for an actor found by `getIfExists` is gone.
    func unheldAlias(_ id: ActorID) {
        if actors[id] != nil { unheldAliases.insert(id) } else { runtime.forgetAlias(id) }
    }
}
