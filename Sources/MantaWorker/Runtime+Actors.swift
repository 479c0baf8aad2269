// Runtime+Actors: what is asked of actors besides their methods, by calls that carry a name of the platform's instead of a method's.

import MantaLoop
package import MantaModel
import MantaWire

extension Runtime {
    package func ready(actor: ActorID) -> ObjectHandle { callReserved(CallActor.ready, of: actor) }

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
