// ActorHandle: a remote actor as its callers hold it: a value that names the actor and submits calls to it.
//
// Handles may be copied, compared, stored and sent anywhere. An actor without a name ends with its last handle, wherever that is; any other one lives until
// it is ended or its job is. A handle whose creation could not even be submitted answers every call with the reason.
//
// In a value a handle is its actor's identifier or, when handles keep the actor alive, the reference of its lifeline (see `ActorHold`), which names it too.

public import MantaModel
import MantaWire
import MantaWorker

/// The actor behind a handle.
public struct _ActorReference: Hashable, Sendable {
    package let id: ActorID
    /// Why there is no actor, if its creation could not be submitted.
    private let failure: MantaError?
    /// Keeps an actor alive that lives by its handles.
    let hold: ActorHold?

    package init(_ id: ActorID) { self.init(id, hold: nil) }

    init(_ id: ActorID, hold: ActorHold?) { (self.id, failure, self.hold) = (id, nil, hold) }

    public static func == (left: Self, right: Self) -> Bool { left.id == right.id }
    public func hash(into hasher: inout Hasher) { hasher.combine(id) }

    fileprivate init(from decoder: any Decoder) throws {
        guard let reference = try ObjectAddress.decodedAsReference(from: decoder) else {
            self.init(try decoder.singleValueContainer().decode(ActorID.self))
            return
        }
        guard reference.object.isLifeline else { throw MantaError(.malformed, "the handle of an actor is expected, found the reference of object \(reference.object)") }
        guard let runtime = CurrentRuntime.get() else { throw CurrentRuntime.missing }
        self.init(ActorID(lifeline: reference.object), hold: runtime.hold(by: reference))
    }

    fileprivate func encode(to encoder: any Encoder) throws {
        // There is no actor that others could call.
        if let failure { throw failure }
        if let hold {
            if let collector = ReferenceCollector.of(encoder), let lifeline = hold.lifeline() {
                lifeline.lend()
                _ = lifeline.address.encodeAsReference(to: encoder)
                return collector.note(lifeline)
            }
            hold.keepForGood()
        }
        var container = encoder.singleValueContainer()
        try container.encode(CurrentRuntime.get()?.resolved(id) ?? id)
    }

    init(failed error: any Error) {
        (id, hold) = (.random(), nil)
        failure = error as? MantaError ?? MantaError(.invalidArgument, "the actor could not be created", cause: error)
    }

    /// - Throws: why there is no actor.
    func checked() throws -> ActorID {
        if let failure { throw failure }
        return id
    }

    func readiness(on runtime: any RuntimeInterface) throws -> ObjectHandle {
        runtime.ready(actor: try checked())
    }

    /// For the macro: submits a call.
    public func _call(
        _ type: _ActorType, _ method: UInt32, _ options: CallOptions = CallOptions(), _ build: (inout _Arguments) throws -> Void
    ) -> _Results {
        let calls = type.calls[Int(method)]
        do {
            if let failure { throw failure }
            let terms = try calls.terms(options)
            guard let runtime = CurrentRuntime.get() else { throw CurrentRuntime.missing }
            var arguments = _Arguments(count: calls.signature.parameters.count)
            try build(&arguments)
            return _Results(
                handles: runtime.call(
                    actor: id, function: calls.function, method: method, methodName: "", arguments: arguments.sources,
                    resultCount: calls.signature.resultCount, terms: terms))
        } catch {
            return .failed(calls.function, error, count: calls.signature.resultCount)
        }
    }
}

/// A method of a remote actor, in its handle. Made by `@RemoteActor`.
public protocol RemoteMethod: Sendable {
    nonisolated var _options: CallOptions { get set }
}

extension RemoteMethod {
    /// The same method with other options for the calls made on what is returned: `counter.increment.options(timeout: .seconds(2))(by: 1)`.
    ///
    /// What is not given stays as the actor was made.
    ///
    /// - Parameters:
    ///   - timeout: how long the call may take from its submission to its end, all tries together; then the reference fails with `timeout` and what runs is
    ///     cancelled. What the call submits has the same deadline, or an earlier one of its own.
    ///   - maxTaskRetries: how often it is made again when the actor died under it, or when it threw an error of `retryOn`; -1 is without end.
    ///   - retryOn: the errors that are worth another try.
    ///   - concurrencyGroup: the group of the actor to run it in.
    ///   - name: what people see instead of the method's own name.
    public nonisolated func options(
        timeout: Duration? = nil, maxTaskRetries: Int? = nil, retryOn: RetryCondition? = nil, concurrencyGroup: String? = nil, name: String? = nil
    ) -> Self {
        var result = self
        result._options = _options.overridden(
            by: CallOptions(timeout: timeout, maxTaskRetries: maxTaskRetries, retryOn: retryOn, concurrencyGroup: concurrencyGroup, name: name))
        return result
    }
}

/// A handle of a remote actor: its methods are the actor's, and return references at once. Calls on one handle run in the order they are made.
public protocol RemoteActorHandle: Codable, Hashable, Sendable, CustomStringConvertible {
    nonisolated var _actor: _ActorReference { get }
    nonisolated init(_actor: _ActorReference)
}

extension RemoteActorHandle {
    public nonisolated init(from decoder: any Decoder) throws {
        self.init(_actor: try _ActorReference(from: decoder))
    }
    public nonisolated func encode(to encoder: any Encoder) throws { try _actor.encode(to: encoder) }
    public nonisolated static func == (left: Self, right: Self) -> Bool { left._actor == right._actor }
    public nonisolated func hash(into hasher: inout Hasher) { hasher.combine(_actor) }
    public nonisolated var description: String { "\(Self.self)(\(_actor.id))" }
}

extension Manta {
    /// Ends an actor at once: what runs in it is cut off and calls to it fail with `actorDied`.
    ///
    /// - Parameter mayRestart: false by default: it is dead for good and its name is free. When true, it is restarted if it has restarts left, and calls
    ///   with retries are made again.
    public static func kill(_ handle: some RemoteActorHandle, mayRestart: Bool = false) async throws {
        guard let runtime = CurrentRuntime.get() else { throw CurrentRuntime.missing }
        try await runtime.kill(actor: try handle._actor.checked(), mayRestart: mayRestart)
    }

    /// Ends an actor for good, in peace: it ends the calls that came before, refuses those that come later, runs its `willTerminate()` if it is a
    /// `TerminationHandler`, and dies. Returns when it has; an actor that is dead already is no error.
    ///
    /// - Throws: `conflict` inside of a method of this very actor, which would wait for itself; see `exitActor`.
    public static func terminate(_ handle: some RemoteActorHandle) async throws {
        guard let runtime = CurrentRuntime.get() else { throw CurrentRuntime.missing }
        if let context = TaskContext.current, context.actor == runtime.resolved(handle._actor.id) {
            throw MantaError(
                .conflict, "\(context.function) waits for the end of its own actor, which ends its calls first, this one too: use Manta.exitActor(), which does not wait")
        }
        try await runtime.terminate(actor: try handle._actor.checked())
    }

    /// Ends the actor whose method runs, for good and in peace, as `terminate` does: it ends the calls that came before, this one too, refuses those that come
    /// later, runs its `willTerminate()` if it is a `TerminationHandler`, and dies. Returns at once: the method goes on and answers as it would.
    ///
    /// - Throws: `conflict` outside of an actor's method or initializer.
    public static func exitActor() throws {
        guard let runtime = CurrentRuntime.get() else { throw CurrentRuntime.missing }
        guard let actor = TaskContext.current?.actor else {
            throw MantaError(.conflict, "exitActor() is called outside of an actor's method; end an actor from outside with Manta.terminate(handle)")
        }
        runtime.exit(actor: actor)
    }

    /// A reference that is there as soon as the actor lives, whatever calls wait at it; it fails as calls do when the actor cannot be made or is dead. Many
    /// can be waited for at once: `try await Manta.wait(handles.map(Manta.ready), count: handles.count)`.
    public static func ready(_ handle: some RemoteActorHandle) -> ObjectReference<Void> {
        do {
            guard let runtime = CurrentRuntime.get() else { throw CurrentRuntime.missing }
            return ObjectReference(try handle._actor.readiness(on: runtime))
        } catch {
            return ObjectReference(.failed("Manta.ready", error))
        }
    }

    /// The identifier of a handle's actor, as operators see it.
    public static func id(of handle: some RemoteActorHandle) -> ActorID {
        CurrentRuntime.get()?.resolved(handle._actor.id) ?? handle._actor.id
    }
}
