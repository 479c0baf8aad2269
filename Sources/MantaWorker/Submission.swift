// Submission: what the public API hands to the process's runtime, and the one slot where the API finds that runtime.
//
// Every call that submits returns at once: whatever fails later fails the returned handles, never the call. The slot is empty until a session or a
// worker installs its runtime, and empty again after it has ended.

package import MantaModel
package import MantaWire
import Synchronization

/// How a task is to be run. One for all tasks that are submitted with the same words.
package final class TaskOptions: Sendable {
    package let resources: Resources
    /// Further tries after a worker or node was lost, or after an error of `retryOn`; -1 is without end.
    package let retries: Int
    package let retryOn: RetryCondition
    /// How long it may take from its submission to its end, all tries together.
    package let timeout: Duration?
    /// What people see instead of the function's name.
    package let name: String?
    /// It delivers its results one after the other.
    package let isStream: Bool
    /// Nil is anywhere, in a group that is captured too.
    package let scheduling: Scheduling?
    /// How many tasks like it one worker process runs before it ends; nil is without limit.
    package let maxCalls: Int?

    package init(
        resources: Resources = .oneCPU, retries: Int = 3, retryOn: RetryCondition = .never, timeout: Duration? = nil, name: String? = nil,
        scheduling: Scheduling? = nil, isStream: Bool = false, maxCalls: Int? = nil
    ) {
        self.maxCalls = maxCalls
        (self.resources, self.retries, self.retryOn, self.timeout, self.name) = (resources, retries, retryOn, timeout, name)
        (self.scheduling, self.isStream) = (scheduling, isStream)
    }

    /// The same, of tasks that are streams, or that are put somewhere.
    package func with(scheduling: Scheduling? = nil, isStream: Bool? = nil) -> TaskOptions {
        TaskOptions(
            resources: resources, retries: retries, retryOn: retryOn, timeout: timeout, name: name, scheduling: scheduling ?? self.scheduling,
            isStream: isStream ?? self.isStream, maxCalls: maxCalls)
    }
}

/// How a call of an actor is to be run. What is nil is as the actor says. One for all calls that are made with the same words.
package final class CallTerms: Sendable {
    /// How long it may take from its submission to its end, all tries together.
    package let timeout: Duration?
    /// How often it is made again after the actor died under it, or after an error of `retryOn`; -1 is without end.
    package let retries: Int?
    package let retryOn: RetryCondition?
    /// The concurrency group to run it in.
    package let group: String?
    /// What people see instead of the method's name.
    package let name: String?
    /// It delivers its results one after the other.
    package let isStream: Bool

    package init(
        timeout: Duration? = nil, retries: Int? = nil, retryOn: RetryCondition? = nil, group: String? = nil, name: String? = nil, isStream: Bool = false
    ) {
        (self.timeout, self.retries, self.retryOn, self.group, self.name, self.isStream) = (timeout, retries, retryOn, group, name, isStream)
    }
}

/// How a task or call is to be cancelled.
package struct Cancellation: Sendable, Hashable {
    /// What it submitted is cancelled too, and so on.
    package var isRecursive: Bool
    /// The worker process that runs it ends; not for calls of actors.
    package var isForced: Bool
    package init(isRecursive: Bool = true, isForced: Bool = false) { (self.isRecursive, self.isForced) = (isRecursive, isForced) }
}

/// How an actor is to be made.
package struct ActorOptions: Sendable, Hashable {
    package var name: String?
    /// The session's namespace when nil.
    package var namespace: String?
    package var lifetime: ActorLifetime
    /// Held for life.
    package var resources: Resources
    /// Needed at the moment of placing only.
    package var placementResources: Resources
    /// -1 is without end.
    package var maxRestarts: Int
    /// Retries of calls that do not say otherwise; -1 is without end.
    package var maxTaskRetries: Int
    package var maxConcurrency: Int
    /// How many calls may run at once in each group.
    package var concurrencyGroups: [String: Int]
    package var isolation: ActorIsolation
    package var snapshots: SnapshotPolicy
    /// Calls of one process that may be without an end at a time; nil is without limit.
    package var maxPendingCalls: Int?
    /// Whether a call whose arguments are missing holds up those behind it.
    package var ordersCalls: Bool
    /// Items of all its streams together that may wait to be taken; nil is without limit.
    package var maxPendingItems: Int?
    /// When the name is taken by an actor of this type, that one is meant and none is made.
    package var getIfExists: Bool
    /// The executable that holds the type, when it is not this one.
    package var program: Program?
    /// Nil is anywhere, in a group that is captured too.
    package var scheduling: Scheduling?

    package init(
        name: String? = nil, namespace: String? = nil, lifetime: ActorLifetime = .job, resources: Resources = Resources(),
        placementResources: Resources = Resources([Resources.cpu: 1]), maxRestarts: Int = 0, maxTaskRetries: Int = 0, maxConcurrency: Int = 1,
        concurrencyGroups: [String: Int] = [:], isolation: ActorIsolation = .process, snapshots: SnapshotPolicy = .everyCall, getIfExists: Bool = false, program: Program? = nil,
        scheduling: Scheduling? = nil, maxPendingCalls: Int? = nil, ordersCalls: Bool = true, maxPendingItems: Int? = nil
    ) {
        (self.maxPendingCalls, self.ordersCalls, self.maxPendingItems) = (maxPendingCalls, ordersCalls, maxPendingItems)
        (self.name, self.namespace, self.lifetime, self.resources) = (name, namespace, lifetime, resources)
        (self.placementResources, self.maxRestarts, self.maxConcurrency) = (placementResources, maxRestarts, maxConcurrency)
        (self.maxTaskRetries, self.concurrencyGroups) = (maxTaskRetries, concurrencyGroups)
        (self.isolation, self.snapshots) = (isolation, snapshots)
        (self.getIfExists, self.program, self.scheduling) = (getIfExists, program, scheduling)
    }
}

/// An argument of a submission.
package enum ArgumentSource: Sendable {
    case value(EncodedValue)
    /// The object's value, when it is there; the handle keeps it alive until the call has it.
    case reference(ObjectHandle)
    /// An object of this process, which its runtime holds for the call.
    case own(ObjectID)

    /// A value that does not travel inside messages.
    var isLarge: Bool { if case .value(let value) = self { value.isLarge } else { false } }
}

/// What the public API needs of the process it runs in. Implementations are called from any thread.
package protocol RuntimeInterface: AnyObject, Sendable {
    /// The job that everything submitted here belongs to.
    var job: JobID { get }
    /// The node this process is on, when it knows.
    var node: NodeID? { get }
    /// The labels of that node.
    var nodeLabels: [String: String] { get }
    /// The head's endpoint, with which other programs join.
    var clusterAddress: String { get }
    /// This process.
    var process: ProcessID { get }
    /// Where named actors are made and looked up when no other namespace is given.
    var namespace: String { get }

    func submit(function: String, arguments: [ArgumentSource], resultCount: Int, options: TaskOptions) -> [ObjectHandle]
    func put(_ value: EncodedValue) -> ObjectHandle
    /// The identifier holds from now on; a later failure shows in every call to the actor. Throws `invalidArgument` when the group that is captured cannot hold it.
    func createActor(type: String, initializer: UInt32, arguments: [ArgumentSource], options: ActorOptions) throws(MantaError) -> ActorID
    /// What keeps an actor that was made with these options alive; nil when it lives by itself.
    func hold(on actor: ActorID, _ options: ActorOptions) -> ActorHold?
    /// The hold on an actor whose handle came in a value, as a reference of its lifeline.
    func hold(by lifeline: ObjectAddress) -> ActorHold
    /// Calls of this process to one actor arrive in the order they were made. Without `terms` all is as the actor says.
    /// - Parameters:
    ///   - function: what people see, `Module.Type.method(label:)`.
    ///   - methodName: what the worker looks up; empty when the method's number is known.
    func call(
        actor: ActorID, function: String, method: UInt32, methodName: String, arguments: [ArgumentSource], resultCount: Int, terms: CallTerms?
    ) -> [ObjectHandle]
    /// Where the running code of a streaming task or call sends its items.
    func streamSink(for context: TaskContext) -> any StreamSink
    /// Throws `notFound` when no living actor has the name.
    func lookUpActor(name: String, namespace: String?) async throws -> (id: ActorID, type: String)
    /// Registers a placement group; it is created later. Throws `alreadyExists` when its name is taken.
    func createGroup(
        bundles: [Resources], strategy: PlacementStrategy, name: String?, namespace: String?, lifetime: ActorLifetime
    ) async throws -> PlacementGroupSpecification
    /// Throws `notFound` when no placement group has the name.
    func findGroup(name: String, namespace: String?) async throws -> PlacementGroupSpecification
    func removeGroup(_ id: PlacementGroupID) async throws
    /// A handle that is settled with the value when the group is created, or fails when it is removed.
    func whenReady(_ id: PlacementGroupID, value: [UInt8]) -> ObjectHandle
    /// Returns when the actor is dead for good; with `mayRestart`, when its process is told to end.
    func kill(actor: ActorID, mayRestart: Bool) async throws
    /// A handle that is settled when the actor is made, behind the calls that came before, or fails as they do.
    func ready(actor: ActorID) -> ObjectHandle
    /// Returns when the actor has ended the calls that came before, and itself.
    func terminate(actor: ActorID) async throws
    /// Asks the actor to end when the calls that came before have, and itself; does not wait.
    func exit(actor: ActorID)
    /// Asks that the task of this object be cancelled; the object then fails with `cancelled`, unless it was ready first.
    func cancel(_ handle: ObjectHandle, _ cancellation: Cancellation)
    /// Returns when the task has been told; throws `invalidArgument` when it cannot be cancelled in this way.
    func cancelled(_ handle: ObjectHandle, _ cancellation: Cancellation) async throws
    /// A handle that failed because what makes it could not be submitted: an object of this process like any other, which may be sent on, and whose failure
    /// is told when nobody asks. Nil: objects belong to nobody here.
    /// - Parameter what: people see, `Module.Type.function(label:)`.
    func refused(_ what: String, _ error: any Error) -> ObjectHandle?
    /// A borrowed handle of an object that another process (or this one) owns; one object has one handle at a time in a process.
    func handle(for id: ObjectID, owner: ProcessAddress) -> ObjectHandle
    /// Initializes the memory with the handles of many objects, in their order: as many as the runs have together.
    func takeHandles(of runs: [ReferenceRun], into target: UnsafeMutablePointer<ObjectHandle>)
    /// Gives the values of objects up, wherever they are, and returns when their owners have: reading them throws `objectFreed` from then on. What is being
    /// made is given up when it is there.
    func free(_ handles: [ObjectHandle]) async throws
    /// Where the values of objects lie, in their order; throws `objectLost` for one that has ended, and `ownerDied`.
    func locate(_ handles: [ObjectHandle]) async throws -> [ObjectsLocated.Place]
    /// A span of the running code, for people to see.
    func note(_ kind: WorkSpan.Kind, named name: String?, since start: Instant, to end: Instant)
    /// The reference was encoded where nobody watches what becomes of it: the object stays as long as this process.
    func keepForGood(_ handle: ObjectHandle)
    /// The identifier other processes know an actor by: differs from `id` only when `getIfExists` found an older actor.
    func resolved(_ id: ActorID) -> ActorID
}

extension RuntimeInterface {
    package func hold(on actor: ActorID, _ options: ActorOptions) -> ActorHold? { nil }
    package func hold(by lifeline: ObjectAddress) -> ActorHold {
        ActorHold(lifeline: handle(for: lifeline.object, owner: lifeline.owner), keeper: nil)
    }
    package func resolved(_ id: ActorID) -> ActorID { id }
    package func takeHandles(of runs: [ReferenceRun], into target: UnsafeMutablePointer<ObjectHandle>) {
        var target = target
        for run in runs {
            for object in run.objects {
                target.initialize(to: handle(for: object, owner: run.owner))
                target += 1
            }
        }
    }
    package func keepForGood(_ handle: ObjectHandle) {}
    package func refused(_ what: String, _ error: any Error) -> ObjectHandle? { nil }
    package func note(_ kind: WorkSpan.Kind, named name: String?, since start: Instant, to end: Instant) {}

    // A runtime without a cluster has no placement groups.
    package func createGroup(
        bundles: [Resources], strategy: PlacementStrategy, name: String?, namespace: String?, lifetime: ActorLifetime
    ) async throws -> PlacementGroupSpecification { throw CurrentRuntime.noGroups }
    package func findGroup(name: String, namespace: String?) async throws -> PlacementGroupSpecification { throw CurrentRuntime.noGroups }
    package func removeGroup(_ id: PlacementGroupID) async throws { throw CurrentRuntime.noGroups }
    package func whenReady(_ id: PlacementGroupID, value: [UInt8]) -> ObjectHandle {
        ObjectHandle(
            id: ObjectID(task: TaskID(high: 0, low: 0), index: 0), owner: ProcessAddress(process: ProcessID(high: 0, low: 0), endpoint: ""), keeper: nil,
            outcome: .failed(CurrentRuntime.noGroups))
    }
}

/// The runtime of this process.
package enum CurrentRuntime {
    private static let slot = Mutex<(any RuntimeInterface)?>(nil)
    /// The runtime of a task and its children only; it goes before the process's.
    @TaskLocal private static var scoped: (any RuntimeInterface)?

    package static func get() -> (any RuntimeInterface)? { scoped ?? slot.withLock { $0 } }

    /// Runs the body, and the tasks it starts, with a runtime of their own.
    package static func with<Value>(_ runtime: any RuntimeInterface, _ body: () async throws -> Value) async rethrows -> Value {
        try await $scoped.withValue(runtime) { try await body() }
    }

    /// Throws `conflict` when another runtime is installed.
    package static func install(_ runtime: any RuntimeInterface) throws(MantaError) {
        let taken = slot.withLock { current in
            if let current, current !== runtime { return true }
            current = runtime
            return false
        }
        if taken { throw MantaError(.conflict, "this process already has a session; end it with stop() before you start another") }
    }

    /// Empties the slot if it holds this runtime.
    package static func remove(_ runtime: any RuntimeInterface) {
        // The last release of a runtime may run much code, so it must not happen under the lock.
        let removed: (any RuntimeInterface)? = slot.withLock { current in
            guard current === runtime else { return nil }
            defer { current = nil }
            return current
        }
        _ = removed
    }

    fileprivate static var noGroups: MantaError { MantaError(.unavailable, "placement groups need a cluster; this session runs everything in its own process") }

    /// What every call answers when there is no runtime.
    package static var missing: MantaError { MantaError(.notConnected, "call Manta.start() or Manta.connect() first") }
}
