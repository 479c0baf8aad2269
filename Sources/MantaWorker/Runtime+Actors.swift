// Runtime+Actors: what is asked of actors besides their methods: of the head, or by calls that carry a name of the platform's instead of a method's.

import MantaLoop
package import MantaModel
import MantaWire

extension Runtime {
    package func ready(actor: ActorID) -> ObjectHandle { callReserved(CallActor.ready, of: actor) }

    package func kill(actor: ActorID, mayRestart: Bool = false) async throws {
        // Its creation, and what else this process asked for, comes first.
        let wasNotMade = try await onLoop { owner in
            owner.carryOutInbox()
            // It waits for its arguments: nothing runs that could be ended, and it may live again.
            if mayRestart, let pending = owner.creations[actor], pending.creation.specification.maxRestarts != 0 { return true }
            return owner.abandonCreation(of: actor)
        }
        if wasNotMade { return }
        let actual = resolved(actor)
        _ = try await head(KillActor(actor: actual, noRestart: !mayRestart))
        if !mayRestart { try await onLoop { owner in owner.names.forget(actual) } }
    }

    package func terminate(actor: ActorID) async throws {
        let end = callReserved(CallActor.terminate, of: actor)
        do {
            _ = try await end.bytes()
        } catch let error as MantaError where error.code == .actorDied {
            // Its end may come before its answer.
        }
        try await onLoop { owner in owner.names.forget(self.resolved(actor)) }
    }

    package func exit(actor: ActorID) {
        // Here and now, before the answer of the call that asks for it leaves: whoever has that answer finds the actor ending.
        loop.execute { self.owner.execution.actors.exit(actor, self.owner) }
    }

    /// One whose process dies meanwhile is made again, and told again.
    func callReserved(_ name: String, of actor: ActorID) -> ObjectHandle {
        call(
            actor: actor, function: "actor \(actor.short).\(name)", method: .max, methodName: name, arguments: [], resultCount: 1,
            terms: CallTerms(retries: -1))[0]
    }
}
