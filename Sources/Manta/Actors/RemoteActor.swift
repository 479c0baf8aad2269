// RemoteActor: what `@RemoteActor` makes of an actor or final class: creation, handles, and the code that runs its methods on a worker.

public import MantaModel
package import MantaWorker

/// The initializers and methods of a remote actor type, as its macro saw them.
public struct _ActorType: Sendable {
    package let name: String
    package let initializers: [SignatureEntry]
    package let methods: [SignatureEntry]
    package let runsOneByOne: Bool
    /// Whether calls can overlap: a method awaits something.
    let hasAsyncMethods: Bool
    let calls: [MethodCalls]

    /// - Parameter defaults: of the type: what it says of calls.
    public init(
        _ name: String, initializers: [_Signature], methods: [_Signature], runsOneByOne: Bool, hasAsyncMethods: Bool,
        defaults: ActorCreationOptions = ActorCreationOptions()
    ) {
        self.name = name
        self.initializers = initializers.map(\.entry)
        self.methods = methods.map(\.entry)
        (self.runsOneByOne, self.hasAsyncMethods) = (runsOneByOne, hasAsyncMethods)
        calls = methods.map { MethodCalls(of: name, $0.entry, CallOptions(retryOn: defaults.retryOn).overridden(by: $0.options)) }
    }

    /// How many calls run at once when nothing was said: with async methods many, since they wait most of the time.
    var defaultConcurrency: Int { hasAsyncMethods && !runsOneByOne ? Limits.asyncConcurrency : 1 }
}

/// What all calls of one method have in common, made once.
final class MethodCalls: Sendable {
    let signature: SignatureEntry
    /// `Module.Type.method(label:)`.
    let function: String
    /// How they run, unless the caller says otherwise.
    private let defaults: CallOptions
    private let terms: Result<CallTerms?, MantaError>

    init(of type: String, _ signature: SignatureEntry, _ defaults: CallOptions) {
        (self.signature, self.defaults, function) = (signature, defaults, "\(type).\(signature.name)")
        terms = Result { () throws(MantaError) in try defaults.checked(isStream: signature.isStream) }
    }

    /// The terms of a call with these options.
    func terms(_ options: CallOptions) throws(MantaError) -> CallTerms? {
        options.isEmpty ? try terms.get() : try defaults.overridden(by: options).checked(isStream: signature.isStream)
    }
}

/// An actor or final class that can live on the cluster. Made by `@RemoteActor`.
public protocol RemoteActor: AnyObject, SendableMetatype {
    associatedtype Handle: RemoteActorHandle
    associatedtype Factory: RemoteActorFactory where Factory.Actor == Self
    nonisolated static var _type: _ActorType { get }
    nonisolated static var _defaults: ActorCreationOptions { get }
    nonisolated(nonsending) static func _create(_ initializer: UInt32, _ call: _Invocation) async throws -> Self
    func _dispatch(_ method: UInt32, _ call: _Invocation) async throws -> _Reply
}

extension RemoteActor {
    /// What to create the next actor with: `Counter.options(name: "hits", lifetime: .detached).remote()`.
    ///
    /// - Parameters:
    ///   - name: by which any program of the cluster finds it; taken until it is dead.
    ///   - namespace: of the name; the session's by default.
    ///   - lifetime: at most until the job ends (default), or detached: until it is killed. An actor without a name ends sooner: when no
    ///     process has a handle of it and the calls made on its handles have ended. What a detached one's initializer is given may take 1 MiB
    ///     together, since the cluster keeps it for as long as the actor lives; with more, its calls throw `tooLarge`.
    ///   - cpus: CPUs held for life. When no resource is given, 1 CPU is needed to place it and none is held; in a placement group none is needed either.
    ///     Numeric libraries compute in as many threads, at least one, unless `OMP_NUM_THREADS`, `MKL_NUM_THREADS` or `OPENBLAS_NUM_THREADS` is set for
    ///     the node or the program.
    ///   - gpus: GPUs held for life; 0 by default.
    ///   - memory: bytes held for life.
    ///   - resources: amounts of custom resources held for life.
    ///   - maxRestarts: how often it is made again, by the same initializer, when its process dies; 0 by default, -1 is without end.
    ///   - maxTaskRetries: how often a call is made again when the actor died under it, or when it threw an error of `retryOn`; 0 by default, -1 is
    ///     without end. A call that is made again may have run before.
    ///   - retryOn: the errors that are worth another try; none by default.
    ///   - maxConcurrency: how many of its calls may run at once. By default 1,000 for an actor that has async methods, and 1 for any other: calls of such an
    ///     actor cannot overlap anyway. A class always runs one.
    ///   - concurrencyGroups: groups of calls with a limit of their own, `["io": 2]`; what methods and callers put into one does not count for
    ///     `maxConcurrency`, nor wait for others. Not for a class.
    ///   - isolation: a worker process of its own (default), or one that it shares with many others; see `ActorIsolation`.
    ///   - snapshots: when the state of a `Restorable` actor is taken: after every call (default), at most so often, or never.
    ///   - getIfExists: take the living actor with this name if there is one. A detached one of this type whose program is no longer there goes on in
    ///     this program.
    ///   - program: the executable that holds the type, when it is not this one.
    ///   - scheduling: which nodes may host it; see `Scheduling`.
    ///   - maxPendingCalls: how many calls of one process to it may be without an end at a time; more fail at once with `overloaded`. Without limit by default.
    ///   - ordersCalls: true by default: calls of one process are sent in the order they are made, and one whose arguments are not there holds up those behind
    ///     it. When false, those pass it.
    ///   - maxPendingItems: how many items of all its streams together may wait to be taken before whatever makes more does, also items of calls that have
    ///     ended, and beside each stream's own `maxPending`. Without limit by default.
    public nonisolated static func options(
        name: String? = nil, namespace: String? = nil, lifetime: ActorLifetime? = nil, cpus: Double? = nil, gpus: Double? = nil, memory: Int? = nil,
        resources: [String: Double]? = nil, maxRestarts: Int? = nil, maxTaskRetries: Int? = nil, retryOn: RetryCondition? = nil, maxConcurrency: Int? = nil,
        concurrencyGroups: [String: Int]? = nil, isolation: ActorIsolation? = nil, snapshots: SnapshotPolicy? = nil, getIfExists: Bool? = nil,
        program: Program? = nil, scheduling: Scheduling? = nil, maxPendingCalls: Int? = nil, ordersCalls: Bool? = nil, maxPendingItems: Int? = nil
    ) -> Factory {
        Factory(
            _options: _defaults.overridden(
                by: ActorCreationOptions(
                    name: name, namespace: namespace, lifetime: lifetime, cpus: cpus, gpus: gpus, memory: memory, resources: resources,
                    maxRestarts: maxRestarts, maxTaskRetries: maxTaskRetries, retryOn: retryOn, maxConcurrency: maxConcurrency,
                    concurrencyGroups: concurrencyGroups, isolation: isolation, snapshots: snapshots, getIfExists: getIfExists, program: program, scheduling: scheduling,
                    maxPendingCalls: maxPendingCalls, ordersCalls: ordersCalls, maxPendingItems: maxPendingItems)))
    }

    /// The living actor of this type with a name.
    ///
    /// - Parameter namespace: the session's by default.
    /// - Throws: `MantaError` with the code `notFound`, or `wrongType` when the name belongs to an actor of another type.
    public nonisolated static func named(_ name: String, namespace: String? = nil) async throws -> Handle {
        guard let runtime = CurrentRuntime.get() else { throw CurrentRuntime.missing }
        let (id, type) = try await runtime.lookUpActor(name: name, namespace: namespace)
        guard type == _type.name else {
            throw MantaError(.wrongType, "the actor \"\(name)\" is a \(type); expected a \(_type.name)")
        }
        return Handle(_actor: _ActorReference(id))
    }

    nonisolated static var _entry: ActorEntry {
        let type = _type
        return ActorEntry(
            name: type.name, initializers: type.initializers, methods: type.methods, runsOneByOne: type.runsOneByOne, rehearse: { Hosted<Self>.rehearse() }
        ) { initializer, arguments in
            guard Int(initializer) < type.initializers.count else {
                throw MantaError(.unknownFunction, "\(type.name) has no initializer \(initializer); caller and worker run different programs")
            }
            return Hosted(try await _create(initializer, try _Invocation(type.initializers[Int(initializer)], arguments)), type: type)
        }
    }
}

/// A remote actor that has something to do before it is terminated: close a file, store its state, tell others. Nothing of it runs when the actor is killed or
/// its process dies.
public protocol TerminationHandler: AnyObject {
    /// Called once, by `Manta.terminate`, when no call runs and none will.
    func willTerminate() async
}

/// For the macro: a class instance on its way into its own async methods, which may run elsewhere than their caller.
/// `@unchecked Sendable`: the worker runs the calls of a class one after the other.
public struct _OneByOne<Instance: AnyObject>: @unchecked Sendable {
    public let value: Instance
    public init(_ value: Instance) { self.value = value }
}

/// A living actor in a worker.
/// `@unchecked Sendable`: an actor is Sendable; of a plain class, `runsOneByOne` makes the worker run one call after the other.
private final class Hosted<Instance: RemoteActor>: ActorInstance, @unchecked Sendable {
    private let instance: Instance
    private let type: _ActorType
    init(_ instance: Instance, type: _ActorType) { (self.instance, self.type) = (instance, type) }

    // Asked of the type and not of the instance: the answers can be known before there is one.
    private static var isActor: Bool { Instance.self is any Actor.Type }
    private static var isRestorable: Bool { Instance.self is any Restorable.Type }

    /// What is asked of every new instance.
    static func rehearse() { _ = (isActor, isRestorable) }

    var isolation: (any Actor)? { Self.isActor ? instance as? any Actor : nil }

    var isRestorable: Bool { Self.isRestorable }

    func snapshot() async throws -> [UInt8] {
        guard let restorable = instance as? any Restorable else { return [] }
        return try await encodedSnapshot(of: restorable)
    }

    func restore(from bytes: [UInt8]) async throws {
        guard let restorable = instance as? any Restorable else { return }
        try await restoreSnapshot(bytes, in: restorable)
    }

    func willTerminate() async { await (instance as? any TerminationHandler)?.willTerminate() }

    func dispatch(method: UInt32, arguments: [ArgumentValue]) async throws -> [EncodedValue] {
        guard Int(method) < type.methods.count else {
            throw MantaError(.unknownFunction, "\(type.name) has no method \(method); caller and worker run different programs")
        }
        return try await instance._dispatch(method, try _Invocation(type.methods[Int(method)], arguments)).values
    }
}

/// Creates actors of one type with certain options. Made by `@RemoteActor`.
public protocol RemoteActorFactory: Sendable {
    associatedtype Actor: RemoteActor
    nonisolated var _options: ActorCreationOptions { get }
    nonisolated init(_options: ActorCreationOptions)
}

extension RemoteActorFactory {
    /// For the macro: encodes the arguments and creates.
    public nonisolated func _create(_ initializer: UInt32, _ build: (inout _Arguments) throws -> Void) -> Actor.Handle {
        let type = Actor._type
        do {
            guard let runtime = CurrentRuntime.get() else { throw CurrentRuntime.missing }
            let options = try _options.checked(defaultConcurrency: type.defaultConcurrency)
            if type.runsOneByOne, !options.concurrencyGroups.isEmpty {
                throw MantaError(.invalidArgument, "\(type.name) is a class, whose calls run one by one; concurrency groups are for actors")
            }
            var arguments = _Arguments(count: type.initializers[Int(initializer)].parameters.count)
            try build(&arguments)
            let id = try runtime.createActor(type: type.name, initializer: initializer, arguments: arguments.sources, options: options)
            return Actor.Handle(_actor: _ActorReference(id, hold: runtime.hold(on: id, options)))
        } catch {
            return Actor.Handle(_actor: _ActorReference(failed: error))
        }
    }
}
