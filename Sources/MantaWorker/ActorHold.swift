// ActorHold: what keeps an actor without a name alive: the handles of it, wherever they are. Copies of a handle share one hold.
//
// As long as no handle was sent anywhere, only the process that made the actor can reach it, and its one hold is all there is. The first handle that is
// written into a value makes the actor's lifeline: an object of that process whose references travel in the handles' place, so that the reference counter
// counts the actor's handles as it counts those of any object, through values, containers, other actors and deaths of processes.
//
// What always holds:
// - An actor is ended when no process has a handle of it and the calls made on handles have ended. A process that lets its last handle go keeps the lifeline
//   until its own calls have ended.
// - A handle that was written where nobody watches what becomes of it, as by a JSON encoder, keeps the actor until its job ends.
// - Named and detached actors have no hold: they are found by name. But a handle that may stand for an actor that was there already holds on to knowing so.

package import MantaModel
import MantaWire
import Synchronization

package final class ActorHold: Sendable {
    private let actor: ActorID
    /// Nil: a hold of nothing that could end.
    private let keeper: (any ActorKeeper)?
    private let state: Mutex<State>
    private let isOfAlias: Bool

    private struct State {
        var lifeline: ObjectHandle?
        var isForGood = false
    }

    /// The first hold, of the process that made the actor.
    /// - Parameter isOfAlias: Nothing but what the identifier stands for is kept.
    init(on actor: ActorID, keeper: any ActorKeeper, isOfAlias: Bool = false) {
        (self.actor, self.keeper, self.isOfAlias) = (actor, keeper, isOfAlias)
        state = Mutex(State())
    }

    /// A hold that came with a value.
    package init(lifeline: ObjectHandle, keeper: (any ActorKeeper)?) {
        (actor, self.keeper, isOfAlias) = (ActorID(lifeline: lifeline.id), keeper, false)
        state = Mutex(State(lifeline: lifeline))
    }

    /// The object whose references keep the actor alive; made when a handle is first written into a value.
    package func lifeline() -> ObjectHandle? {
        guard !isOfAlias else { return nil }
        return state.withLock { state in
            if state.lifeline == nil { state.lifeline = keeper?.makeLifeline(of: actor) }
            return state.lifeline
        }
    }

    /// A handle is written where nobody watches it.
    package func keepForGood() { state.withLock { $0.isForGood = true } }

    deinit {
        if isOfAlias { return keeper?.aliasIsGone(actor) ?? () }
        let (lifeline, isForGood) = state.withLock { ($0.lifeline, $0.isForGood) }
        if !isForGood {
            keeper?.handlesAreGone(of: actor, lifeline)
        } else if let lifeline {
            keeper?.keepForGood(lifeline)
        }
    }
}

/// The part of a runtime that looks after actors which live by their handles; called from any thread, and must not block.
package protocol ActorKeeper: AnyObject, Sendable {
    /// The object of this process that stands for an actor which it made.
    func makeLifeline(of actor: ActorID) -> ObjectHandle
    /// No handle of the actor is left here; `lifeline` is to be let go when the calls made from here have ended.
    func handlesAreGone(of actor: ActorID, _ lifeline: ObjectHandle?)
    /// A handle is where nobody watches it: the actor stays.
    func keepForGood(_ lifeline: ObjectHandle)
    /// No handle is left that was made with an identifier which may stand for another actor.
    func aliasIsGone(_ id: ActorID)
}

extension Runtime: ActorKeeper {
    package func hold(on actor: ActorID, _ options: ActorOptions) -> ActorHold? {
        if options.name != nil, options.getIfExists { return ActorHold(on: actor, keeper: self, isOfAlias: true) }
        guard options.name == nil, options.lifetime == .job else { return nil }
        return ActorHold(on: actor, keeper: self)
    }

    package func hold(by lifeline: ObjectAddress) -> ActorHold {
        ActorHold(lifeline: handle(for: lifeline.object, owner: lifeline.owner), keeper: self)
    }

    package func makeLifeline(of actor: ActorID) -> ObjectHandle {
        let handle = ObjectHandle(id: actor.lifeline, owner: address, keeper: self, outcome: .ready(.array([])))
        post(.lifeline(handle))
        return handle
    }

    package func handlesAreGone(of actor: ActorID, _ lifeline: ObjectHandle?) { post(.unheld(actor, lifeline)) }

    package func aliasIsGone(_ id: ActorID) { post(.unheldAlias(id)) }
}

extension ActorID {
    /// The object whose references are the actor's handles.
    var lifeline: ObjectID { ObjectID(task: constructor, index: ObjectID.lifelineIndex) }

    package init(lifeline: ObjectID) { self.init(high: lifeline.task.high, low: lifeline.task.low) }
}

extension ObjectID {
    /// Beyond the results that a task may have.
    fileprivate static var lifelineIndex: UInt32 { .max }

    /// It stands for an actor, whose handles are its references.
    package var isLifeline: Bool { index == Self.lifelineIndex }
}
