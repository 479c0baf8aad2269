// Runtime+Actors: what is asked of actors besides their methods, by calls that carry a name of the platform's instead of a method's.

package import MantaModel
import MantaWire

extension Runtime {
    package func ready(actor: ActorID) -> ObjectHandle { callReserved(CallActor.ready, of: actor) }

    package func exit(actor: ActorID) {
        // Nobody's child: neither the deadline nor the cancellation of the call that asks for it is its own.
        TaskContext.$current.withValue(nil) { _ = callReserved(CallActor.terminate, of: actor) }
    }

    /// One whose process dies meanwhile is made again, and told again.
    func callReserved(_ name: String, of actor: ActorID) -> ObjectHandle {
        call(
            actor: actor, function: "actor \(actor.short).\(name)", method: .max, methodName: name, arguments: [], resultCount: 1,
            terms: CallTerms(retries: -1))[0]
    }
}
