// ActorHold: what keeps an actor alive that only this process can reach: the handles it made of it, which share one hold.
//
// When the last of them is gone and its calls have ended, the actor is ended too: nobody could call it any more. A hold whose handle was sent anywhere ends
// nothing: who else has the actor then is not counted, and it lives until it is ended or its job is. Named and detached actors have no hold: they are found
// by name.

import MantaCore
import MantaModel
import MantaTransport
import MantaWire
import Synchronization

package final class ActorHold: Sendable {
    private let isShared = Atomic<Bool>(false)
    private let released: @Sendable () -> Void

    init(released: @escaping @Sendable () -> Void) { self.released = released }

    /// A handle is on its way to another process, or into an object.
    package func share() { isShared.store(true, ordering: .relaxed) }

    deinit { if !isShared.load(ordering: .relaxed) { released() } }
}

extension Owner {
    /// No handle of an actor that this process made is left, and none was given away.
    func unheld(_ actor: ActorID) {
        unheldActors.insert(actor)
        endIfUnused(actor)
    }

    /// Ends an actor that nobody can call any more, once its calls have ended.
    func endIfUnused(_ actor: ActorID) {
        guard unheldActors.contains(actor), creations[actor] == nil else { return }
        if let queue = actors[actor]?.queue, queue.waitingCount + queue.inFlightCount > 0 { return }
        unheldActors.remove(actor)
        guard actors[actor]?.queue.isDead == false else { return }
        headLink.request(KillActor(actor: actor, noRestart: true, reason: "its last handle is gone"), deadline: .seconds(3600)) { _ in }
    }
}
