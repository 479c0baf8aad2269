// Runtime+Actors: what is asked of actors besides their methods, by calls that carry a name of the platform's instead of a method's.

package import MantaModel
import MantaWire

extension Runtime {
    package func ready(actor: ActorID) -> ObjectHandle {
        call(
            actor: actor, type: "actor \(actor.short)", method: .max, methodName: CallActor.ready, arguments: [], resultCount: 1, terms: CallTerms(retries: -1))[0]
    }

    package func exit(actor: ActorID) {
        // Nobody's child: neither the deadline nor the cancellation of the call that asks for it is its own.
        TaskContext.$current.withValue(nil) {
            _ = call(
                actor: actor, type: "actor \(actor.short)", method: .max, methodName: CallActor.terminate, arguments: [], resultCount: 1, terms: CallTerms(retries: -1))
        }
    }
}
