// Runtime: a process's part in the cluster, for the code that runs in it: a driver, a worker, or a front door of the head.
//
// Its methods are called from any thread and never wait: each puts a command into the inbox, and the loop carries the commands out in order. All state
// behind it (who runs what, where objects and actors are) belongs to its `Owner` and is touched on the loop only.
//
// Life: 1. `start` binds the process's endpoint, reaches the head, and for a driver registers its job 2. it runs 3. `stop` fails what is pending,
// tells the head, and ends the loop.

package import MantaLoop
package import MantaModel
package import MantaTransport
package import MantaWire
import Glibc
import Synchronization

package final class Runtime: RuntimeInterface, HandleKeeper {
    /// How a runtime is set up.
    package struct Configuration: Sendable {
        package var role: ProcessRole
        /// The head's endpoint, `tcp://host:port`.
        package var head: String
        /// The endpoint of this process's node; a driver learns it from the head.
        package var node: String?
        package var nodeID: NodeID?
        /// Folder of this process's socket.
        package var runtimeDirectory: String
        package var program: Program
        package var namespace: String
        package var job: JobID
        /// Given by the node to a worker; else new.
        package var process: ProcessID
        /// What it may use to remember tasks whose results lie in stores.
        package var lineageBytes: Int
        /// How often its tasks are tried again after memory ran out under them, -1 without end; nil is the usual.
        package var memoryRetries: Int?
        /// Items that one stream made here may have.
        package var streamItems: Int
        /// Where processes of other machines reach this one; nil: they do not.
        package var port: ReservedPort?
        /// What a driver shows on its standard error.
        package var logToDriver: LogToDriver
        /// Of a worker's node; a driver learns them from the head.
        package var nodeLabels: [String: String]

        package init(
            role: ProcessRole, head: String, node: String? = nil, nodeID: NodeID? = nil, runtimeDirectory: String, program: Program, namespace: String,
            job: JobID = .random(), process: ProcessID = .random(), lineageBytes: Int = Limits.lineageBytes, memoryRetries: Int? = nil,
            streamItems: Int = Limits.streamItems, port: ReservedPort? = nil, logToDriver: LogToDriver = .everything,
            nodeLabels: [String: String] = [:]
        ) {
            (self.logToDriver, self.nodeLabels) = (logToDriver, nodeLabels)
            (self.lineageBytes, self.memoryRetries, self.streamItems, self.port) = (lineageBytes, memoryRetries, streamItems, port)
            (self.role, self.head, self.node, self.nodeID, self.runtimeDirectory) = (role, head, node, nodeID, runtimeDirectory)
            (self.program, self.namespace, self.job, self.process) = (program, namespace, job, process)
        }
    }

    package let configuration: Configuration
    package let program: ProgramRegistry
    package let loop: EventLoop
    package let address: ProcessAddress
    let listening: ListeningPlace

    private let taskPrefix = UInt64.random(in: .min ... .max)
    private let taskCounter = Atomic<UInt64>(0)
    private let inbox = Mutex(Inbox())
    /// The handles that references inside values lead to: those made from such references, and those of own objects that were written into values.
    private let handles = Mutex(HandleTable())
    private let place = Mutex(Place())
    /// Most processes have none, and look no further.
    private let hasAliases = Atomic<Bool>(false)
    private let latestTerms = Mutex<SharedActorTerms?>(nil)
    let groups = Mutex(GroupNotes())
    let spans = SpanNotes()
    let owner: Owner
    let store = StoreClient()

    private struct Inbox {
        var commands: [OwnerCommand] = []
        /// The table of handles has uses of references to tell.
        var hasUses = false
        /// The loop has been told that there is something; it takes all at once.
        var isAnnounced = false
    }

    /// Where this process is; a driver learns it while it starts.
    private struct Place {
        var node: NodeID?
        /// The job that a worker works for: one at a time.
        var job: JobID?
        /// The node is on this machine, and so is its store.
        var hasStore = false
        var labels: [String: String] = [:]
        var aliases: [ActorID: ActorID] = [:]
    }

    /// The runtime uses `loop`, which must be running; nothing happens before `start`.
    package init(configuration: Configuration, program: ProgramRegistry, loop: EventLoop) {
        (self.configuration, self.program, self.loop) = (configuration, program, loop)
        listening = ListeningPlace(path: ListeningPlace.path(of: configuration.process, in: configuration.runtimeDirectory), port: configuration.port)
        address = ProcessAddress(process: configuration.process, endpoint: listening.endpoint.text)
        owner = Owner(loop: loop, process: configuration.process)
        place.withLock { ($0.node, $0.hasStore, $0.labels) = (configuration.nodeID, configuration.nodeID != nil, configuration.nodeLabels) }
        owner.runtime = self
    }

    package var job: JobID { TaskContext.current?.job ?? ownJob }
    /// What code belongs to that has left the task or call which started it.
    private var ownJob: JobID { configuration.role == .driver ? configuration.job : place.withLock { $0.job } ?? configuration.job }
    package var node: NodeID? { place.withLock { $0.node } }
    package var nodeLabels: [String: String] { place.withLock { $0.labels } }
    package var clusterAddress: String { configuration.head }
    package var namespace: String { configuration.namespace }
    package var process: ProcessID { address.process }

    /// Whether large values of this process can lie in the store of its node.
    var hasStore: Bool { place.withLock { $0.hasStore } }

    func setNode(_ node: NodeSummary) {
        place.withLock { ($0.node, $0.hasStore, $0.labels) = (node.id, Machine.isHere(host: node.host, endpoint: node.endpoint), node.labels ?? [:]) }
    }

    /// A task or actor of this job is about to run here.
    func serves(_ job: JobID) { place.withLock { $0.job = job } }

    // MARK: Life

    /// Begins as a worker, without waiting; `failed` is called on the loop.
    package func startWorker(failed: @escaping @Sendable (MantaError) -> Void) {
        loop.execute { [self] in
            do throws(MantaError) { try owner.open(configuration, at: address) } catch { failed(error) }
        }
    }

    /// Ends the runtime: pending handles fail with `notConnected`. The loop itself is its maker's to stop.
    package func stop() async {
        CurrentRuntime.remove(self)
        // What became of the last tasks is told before the job is over: what is unknown then counts as failed.
        // Workers without anything to do go back first, or they would end with the job, and what they have not told with them.
        try? await onLoop { owner in
            owner.sendReports()
            owner.giveBackIdleLeases()
        }
        // One that never reached a head has no job.
        if configuration.role == .driver, (try? await onLoop { $0.headLink.wasOpened }) == true {
            _ = try? await head(FinishJob(job: configuration.job), deadline: .seconds(2))
        }
        try? await onLoop { owner in owner.close() }
    }

    /// Runs `body` on the loop with the owner.
    func onLoop<Result: Sendable>(_ body: @escaping @Sendable (Owner) throws -> Result) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            loop.execute {
                continuation.resume(with: Swift.Result { try body(self.owner) })
            }
        }
    }

    // MARK: The inbox

    /// Asks the loop to carry a command out, behind all earlier ones of this thread. Quietly: not before the next command, `announce`, or whenever the
    /// loop looks by itself.
    func post(_ command: OwnerCommand, quietly: Bool = false) { post(quietly: quietly) { $0.commands.append(command) } }

    /// Tells the loop of commands that were posted quietly.
    func announce() { post { _ in } }

    /// Changes the inbox, and tells the loop when there is something that it has not been told of.
    @inline(__always) private func post(quietly: Bool = false, _ change: (inout Inbox) -> Void) {
        let mustAnnounce = inbox.withLock { inbox in
            change(&inbox)
            if quietly || inbox.isAnnounced || inbox.commands.isEmpty && !inbox.hasUses { return false }
            inbox.isAnnounced = true
            return true
        }
        if mustAnnounce { loop.execute { self.owner.carryOutInbox() } }
    }

    /// Swaps the waiting commands, and the uses of references, for something empty, whose storage is used again.
    ///
    /// The uses are to be noted first. They hold all that happened before the commands, of which some may hand out what was borrowed; and those that came
    /// later do no harm: what a command needs, it holds.
    func takeCommands(into commands: inout [OwnerCommand], _ uses: inout ReferenceUses) {
        inbox.withLock { inbox in
            swap(&inbox.commands, &commands)
            (inbox.isAnnounced, inbox.hasUses) = (false, false)
        }
        handles.withLock { $0.takeUses(into: &uses) }
    }

    // MARK: RuntimeInterface

    package func nextTaskID() -> TaskID {
        TaskID(high: taskPrefix, low: taskCounter.wrappingAdd(1, ordering: .relaxed).oldValue)
    }

    package func submit(function: String, arguments: [ArgumentSource], resultCount: Int, options: TaskOptions) -> [ObjectHandle] {
        var options = options
        if options.scheduling == nil, let group = TaskContext.current?.group { options = options.with(scheduling: Scheduling(rule: .standard, group: group)) }
        let submission = makeSubmission(.function(options), function: function, methodName: "", storing(arguments), resultCount)
        // What the options say was checked; a group that was captured was not.
        if let complaint = options.scheduling?.group?.complaint(about: options.resources) {
            for handle in submission.results { handle.fail(MantaError(.invalidArgument, "\(function): \(complaint)")) }
            return submission.results
        }
        post(.submit(submission))
        return submission.results
    }

    package func call(
        actor: ActorID, function: String, method: UInt32, methodName: String, arguments: [ArgumentSource], resultCount: Int, terms: CallTerms? = nil
    ) -> [ObjectHandle] {
        let submission = makeSubmission(
            .method(actor: resolved(actor), index: method, terms: terms), function: function, methodName: methodName, storing(arguments), resultCount)
        post(.call(submission))
        return submission.results
    }

    /// What is too large for a message goes to the store first, once for every attempt.
    private func storing(_ arguments: [ArgumentSource]) -> [ArgumentSource] {
        guard !arguments.isEmpty, arguments.contains(where: \.isLarge) else { return arguments }
        return arguments.map { argument in
            if case .value(let value) = argument, value.isLarge { .reference(put(value)) } else { argument }
        }
    }

    private func makeSubmission(
        _ target: Submission.Target, function: String, methodName: String, _ arguments: [ArgumentSource], _ resultCount: Int
    ) -> Submission {
        let task = nextTaskID()
        let context = TaskContext.current
        var isOfOwnActor = false
        let (isStream, timeout): (Bool, Duration?)
        switch target {
        case .function(let options): (isStream, timeout) = (options.isStream, options.timeout)
        case .method(let actor, _, let terms):
            (isStream, timeout) = (terms?.isStream == true, terms?.timeout)
            if let context, context.runsAlone { isOfOwnActor = context.actor == actor }
        }
        var results: [ObjectHandle] = []
        results.reserveCapacity(resultCount)
        for index in 0..<resultCount {
            results.append(
                ObjectHandle(
                    ObjectID(task: task, index: UInt32(index)), of: self, isOfOwnActor: isOfOwnActor,
                    stream: isStream ? StreamHandle { [self] in post(.streamMoved(task)) } : nil))
        }
        var deadline = context?.deadline
        if let timeout {
            let own = EventLoop.clock() + timeout
            deadline = deadline.map { min($0, own) } ?? own
        }
        return Submission(
            task: task, target: target, function: function, methodName: methodName, job: context?.job ?? ownJob, parent: context?.task,
            arguments: arguments, results: results, submittedAt: .now, deadline: deadline)
    }

    package func streamSink(for context: TaskContext) -> any StreamSink {
        let stream = OutgoingStream(context, self)
        post(.openStream(stream))
        return stream
    }

    package func put(_ value: EncodedValue) -> ObjectHandle {
        let id = ObjectID(task: nextTaskID(), index: 0)
        var outcome: ObjectHandle.Outcome
        var node: NodeAddress?
        do throws(MantaError) {
            let place = value.isLarge ? try storeValueNow(value, as: id) : nil
            node = place?.node
            outcome = place.map { .stored($0) } ?? .ready(.array(value.bytes))
        } catch { outcome = .failed(error) }
        let handle = ObjectHandle(id: id, owner: address, keeper: self, outcome: outcome)
        if let node {
            post(.putStored(id, inside: value.references, size: value.parts.count, on: node))
        } else {
            post(.put(id, inside: value.references, size: value.parts.count))
        }
        return handle
    }

    package func createActor(
        type: String, initializer: UInt32, arguments: [ArgumentSource], options: ActorOptions
    ) throws(MantaError) -> ActorID {
        let id = ActorID.random()
        let context = TaskContext.current
        let scheduling = options.scheduling ?? context?.group.map { Scheduling(rule: .standard, group: $0) }
        let group = scheduling?.group
        if let complaint = group?.complaint(about: options.resources) { throw MantaError(.invalidArgument, "\(type): \(complaint)") }
        var program = options.program ?? configuration.program
        // It may outlive this version of its program, and then runs whichever there is.
        if options.lifetime == .detached { program.hash = nil }
        let terms = ActorTerms(
            job: context?.job ?? ownJob, program: program, type: type, initializer: initializer, name: options.name,
            namespace: options.namespace ?? namespace, lifetime: options.lifetime, resources: group?.demand(for: options.resources) ?? options.resources,
            // In a group it is placed by what it holds alone: its bundles may have no CPU at all.
            placementResources: group?.demand(for: options.resources) ?? options.placementResources, maxRestarts: options.maxRestarts,
            maxConcurrency: options.maxConcurrency, owner: address, maxTaskRetries: options.maxTaskRetries == 0 ? nil : options.maxTaskRetries,
            concurrencyGroups: options.concurrencyGroups.isEmpty ? nil : options.concurrencyGroups, scheduling: scheduling,
            isolation: options.isolation == .shared ? .shared : nil, snapshots: options.snapshots == .everyCall ? nil : options.snapshots,
            maxPendingCalls: options.maxPendingCalls, ordersCalls: options.ordersCalls ? nil : false, maxPendingItems: options.maxPendingItems,
            createdAt: .now)
        let specification = ActorSpecification(id: id, sharing: shared(terms))
        // The values of a detached actor travel to the head.
        let arguments = options.lifetime == .detached ? arguments : storing(arguments)
        post(.create(ActorCreation(specification: specification, arguments: arguments, getIfExists: options.getIfExists)))
        return id
    }

    /// Programs make many actors alike, one after the other, also in one millisecond.
    private func shared(_ terms: ActorTerms) -> SharedActorTerms {
        latestTerms.withLock { latest in
            if let latest, latest.value == terms { return latest }
            let shared = SharedActorTerms(terms)
            latest = shared
            return shared
        }
    }

    package func lookUpActor(name: String, namespace: String?) async throws -> (id: ActorID, type: String) {
        let key = ActorNames.Key(name: name, namespace: namespace ?? self.namespace)
        if let known = try await onLoop({ owner in owner.names[key] }) { return known }
        let found = try await head(GetActor(name: key.name, namespace: key.namespace))
        try await onLoop { owner in owner.found(key, found.status) }
        return (found.status.id, found.status.type)
    }

    package func cancel(_ handle: ObjectHandle, _ cancellation: Cancellation) { post(.cancel(handle, cancellation)) }

    package func cancelled(_ handle: ObjectHandle, _ cancellation: Cancellation) async throws {
        try await withCheckedThrowingContinuation { continuation in
            loop.execute {
                // What this thread submitted comes first.
                self.owner.carryOutInbox()
                self.owner.cancel(handle, cancellation) { continuation.resume(with: $0.mapError { $0 as any Error }) }
            }
        }
    }

    package func resolved(_ id: ActorID) -> ActorID {
        guard hasAliases.load(ordering: .acquiring) else { return id }
        return place.withLock { $0.aliases[id] ?? id }
    }

    /// `getIfExists` found an older actor: calls to `id` go to `actual` from now on.
    func alias(_ id: ActorID, to actual: ActorID) {
        place.withLock { $0.aliases[id] = actual }
        hasAliases.store(true, ordering: .releasing)
    }

    /// The last handle that was made with `id` is gone.
    func forgetAlias(_ id: ActorID) { place.withLock { $0.aliases[id] = nil } }

    package func handle(for id: ObjectID, owner: ProcessAddress) -> ObjectHandle {
        let (handle, isFirstUse) = handles.withLock { handles -> (ObjectHandle, Bool) in
            let isFirstUse = handles.uses.isEmpty
            let owner = handles.owner(owner)
            return (self.handle(for: id, from: owner, in: &handles), isFirstUse && !handles.uses.isEmpty)
        }
        if isFirstUse { announceUses() }
        return handle
    }

    private func handle(for id: ObjectID, from owner: ObjectOwner, in handles: inout HandleTable) -> ObjectHandle {
        if let handle = handles.find(id) { return handle }
        let handle = ObjectHandle(borrowed: id, from: owner, keeper: self)
        handles.insert(handle)
        handles.borrowed(id, from: owner)
        return handle
    }

    package func takeHandles(of runs: [ReferenceRun], into target: UnsafeMutablePointer<ObjectHandle>) {
        var target = target
        for run in runs {
            var start = 0
            while start < run.objects.count {
                // Others are not to wait for long.
                let end = min(start + Self.handlesAtOnce, run.objects.count)
                let isFirstUse = handles.withLock { handles -> Bool in
                    let isFirstUse = handles.uses.isEmpty
                    let owner = handles.owner(run.owner)
                    for object in run.objects[start..<end] {
                        target.initialize(to: handle(for: object, from: owner, in: &handles))
                        target += 1
                    }
                    return isFirstUse && !handles.uses.isEmpty
                }
                if isFirstUse { announceUses() }
                start = end
            }
        }
    }

    /// Handles that are made under the lock of their table, one after the other.
    private static let handlesAtOnce = 256

    private func announceUses() { post { $0.hasUses = true } }

    /// An argument of a task or call that runs here: its submitter holds the object until that has ended, so its owner need not know of this process.
    /// - Parameter place: Where the value lies, when that is known.
    func argument(_ id: ObjectID, owner: ProcessAddress, at place: StoredPlace?) -> ObjectHandle {
        if let handle = handles.withLock({ $0.find(id) }) { return handle }
        if let place { return ObjectHandle(id: id, owner: owner, keeper: self, isLent: true, outcome: .stored(place)) }
        let handle = ObjectHandle(id: id, owner: owner, keeper: self, isLent: true)
        post(.wanted(handle))
        return handle
    }

    package func keepForGood(_ handle: ObjectHandle) { post(.keptForGood(handle)) }

    // MARK: HandleKeeper

    package func handleIsLent(_ handle: ObjectHandle) { handles.withLock { $0.insert(handle) } }

    package func handleWasReleased(_ handle: ReleasedHandle) {
        let isFirstUse = handle.isBorrowed || handle.wasLent ? handles.withLock { $0.ended(handle) } : false
        if !handle.isBorrowed { post(.released(handle.id)) } else if isFirstUse { announceUses() }
    }

    package func handleIsWanted(_ handle: ObjectHandle) { post(.wanted(handle)) }

    package func failureWasUnseen(_ id: ObjectID, owner: ProcessAddress, _ error: any Error) {
        guard owner.process == address.process else { return }
        // What somebody asked for is no news, and the death of an actor is told by its node.
        if let error = error as? MantaError, [.cancelled, .notConnected, .actorDied, .actorUnavailable, .placementGroupRemoved].contains(error.code) { return }
        post(.unseenFailure(id, error))
    }

    // MARK: The head

    /// Sends a request to the head and waits for its answer; while the head is away, until `deadline`.
    package func head<Request: WireRequest>(_ request: Request, deadline: Duration = Limits.requestDeadline) async throws -> Request.Reply {
        try await withCheckedThrowingContinuation { continuation in
            loop.execute {
                self.owner.headLink.request(request, deadline: deadline) { continuation.resume(with: $0.mapError { $0 as any Error }) }
            }
        }
    }

    /// Calls a method by its name with one MessagePack value: an array of positional arguments or a map by label. Returns the encoded results.
    package func call(actor: ActorID, methodNamed name: String, arguments: [UInt8]) async throws -> [[UInt8]] {
        let handles = call(
            actor: actor, function: "actor \(actor.short).\(name)", method: .max, methodName: name, arguments: [.value(EncodedValue(bytes: arguments))], resultCount: 1)
        return [try await handles[0].bytes().array]
    }

    // MARK: Leases

    /// Returns when a blocked lease holds its resources again.
    func resumed(_ lease: LeaseID) async {
        await withUnsafeContinuation { continuation in post(.resume(lease, continuation)) }
    }
}
