// Macros: the declarations of `@Remote`, `@RemoteActor` and `#remote`; MantaMacros holds what they expand to.

public import MantaModel

/// Makes a function callable on the cluster: `square(3)` still runs here, `square.remote(3)` returns an `ObjectReference` at once and runs on a worker.
///
/// For a global or static function whose parameters and result are `Codable`. A tuple returns a reference for each part. A function without
/// parameters must be `async`. `options(...)` on the remote form changes what is given here for one call.
///
/// - Parameters:
///   - cpus: CPUs held while it runs, in steps of 1/10,000; 1 by default. Numeric libraries compute in one thread, unless `OMP_NUM_THREADS`,
///     `MKL_NUM_THREADS` or `OPENBLAS_NUM_THREADS` is set for the node or the program.
///   - gpus: GPUs held while it runs; 0 by default. Above 1 it must be a whole number.
///   - memory: bytes of memory reserved while it runs; none by default.
///   - resources: amounts of custom resources.
///   - retries: further tries after its worker or node was lost, or after an error of `retryOn`; 3 by default, -1 is without end.
///   - retryOn: the errors it throws that are worth another try: `.anyError`, or types as `[NetworkError.self]`; none by default.
///   - timeout: how long it may take from its submission to its end, all tries together; without end by default. When it is over the reference fails with
///     `timeout` and what runs is cancelled. What the function submits has the same deadline, or an earlier one of its own.
///   - name: what people see instead of its own name.
///   - scheduling: which nodes may run it; see `Scheduling`.
///   - maxCalls: how many calls of functions like it one worker process runs at most before it ends, for code that leaks memory or keeps devices; without
///     limit by default.
@attached(peer, names: overloaded, prefixed(__Remote_))
public macro Remote(
    cpus: Double? = nil, gpus: Double? = nil, memory: Int? = nil, resources: [String: Double]? = nil, retries: Int? = nil, retryOn: RetryCondition? = nil,
    timeout: Duration? = nil, name: String? = nil, scheduling: Scheduling? = nil, maxCalls: Int? = nil
) = #externalMacro(module: "MantaMacros", type: "RemoteMacro")

/// Makes an actor or a final class one that can live on the cluster: `Counter.remote(start: 10)` creates it there and returns a `Counter.Handle`, whose
/// methods return an `ObjectReference` at once.
///
/// Every method that is not private or static can be called; parameters and results must be `Codable`. A final class runs its calls one by one.
///
/// - Parameters: the defaults of `options(...)`, see there.
@attached(member, names: named(Handle), named(Factory), named(remote), named(_create), named(_dispatch), named(_type), named(_record), named(_defaults))
@attached(extension, conformances: RemoteActor)
public macro RemoteActor(
    lifetime: ActorLifetime? = nil, cpus: Double? = nil, gpus: Double? = nil, memory: Int? = nil, resources: [String: Double]? = nil,
    maxRestarts: Int? = nil, maxTaskRetries: Int? = nil, retryOn: RetryCondition? = nil, maxConcurrency: Int? = nil,
    concurrencyGroups: [String: Int]? = nil, isolation: ActorIsolation? = nil, snapshots: SnapshotPolicy? = nil, scheduling: Scheduling? = nil,
    maxPendingCalls: Int? = nil, ordersCalls: Bool? = nil, maxPendingItems: Int? = nil
) = #externalMacro(module: "MantaMacros", type: "RemoteActorMacro")

/// Says how calls of one method of a remote actor run, unless the caller says otherwise: `@RemoteMethod(concurrencyGroup: "io") func read() async -> Int`.
///
/// - Parameters: those of a method's `options(...)`, see there.
@attached(peer)
public macro RemoteMethod(
    timeout: Duration? = nil, maxTaskRetries: Int? = nil, retryOn: RetryCondition? = nil, concurrencyGroup: String? = nil, name: String? = nil
) = #externalMacro(module: "MantaMacros", type: "RemoteMethodMacro")

/// Runs a closure on the cluster: `#remote(data, 5) { (xs: [Float], k: Float) in xs.reduce(0, +) * k }`.
///
/// Each argument is a value or a reference of the written parameter type. The closure may use globals and types, but captures nothing.
@freestanding(expression)
public macro remote<each Argument, each Parameter, Result>(
    _ arguments: repeat each Argument, body: (repeat each Parameter) async throws -> Result
) -> ObjectReference<Result> = #externalMacro(module: "MantaMacros", type: "RemoteClosureMacro")
