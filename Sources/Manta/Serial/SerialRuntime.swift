// SerialRuntime: the runtime of the serial mode: remote code runs in this very process, for debugging and for tests of user code.
//
// Everything a cluster would do to a value happens: arguments and results are encoded and decoded, errors travel, calls to an actor run in order. What a
// cluster does to processes and in time does not: no resources, no retries, no time-outs, no crashes. A synchronous function without pending arguments runs inside `remote(...)`
// itself, so a debugger stops in it with the caller on the stack.

import Glibc
import MantaModel
import MantaWire
import MantaWorker
import Synchronization

final class SerialRuntime: RuntimeInterface {
    let job = JobID.random()
    let node: NodeID? = NodeID.random()
    let namespace: String
    var process: ProcessID { address.process }
    var nodeLabels: [String: String] { [:] }
    var clusterAddress: String { address.endpoint }
    private let program: ProgramRegistry
    let address = ProcessAddress(process: .random(), endpoint: "local")
    private let state = Mutex(State())

    private struct State {
        var objects: [ObjectID: WeakHandle] = [:]
        /// The references inside an object's value, which live as long as it.
        var nested: [ObjectID: [ObjectHandle]] = [:]
        var actors: [ActorID: SerialActor] = [:]
        var names: [ActorName: ActorID] = [:]
        /// What runs, so that it can be cancelled.
        var running: [TaskID: Task<Void, Never>] = [:]
        /// The consumers' ends of the streams of what runs, and whole streams until they are over.
        var streams: [TaskID: StreamHandle] = [:]
        var outgoing: [TaskID: (stream: OutgoingStream, consumer: StreamHandle)] = [:]
    }
    private struct WeakHandle { weak var handle: ObjectHandle? }
    private struct ActorName: Hashable { var namespace, name: String }

    init(program: ProgramRegistry, namespace: String) { (self.program, self.namespace) = (program, namespace) }

    // MARK: Tasks and objects

    func submit(function: String, arguments: [ArgumentSource], resultCount: Int, options: TaskOptions) -> [ObjectHandle] {
        let task = TaskID.random()
        let handles = makeHandles(task, count: resultCount, isStream: options.isStream)
        guard let entry = program.function(named: function) else {
            for handle in handles { handle.fail(MantaError(.unknownFunction, "this program has no remote function \(function)")) }
            return handles
        }
        let context = context(task, actor: nil, function: function, name: options.name)
        let running = Task.immediate { await self.run(arguments, entry.invoke, context, into: handles) }
        // What needed no wait is over by now.
        state.withLock { state in
            if handles.contains(where: { !$0.isSettled }) { state.running[task] = running }
        }
        return handles
    }

    func put(_ value: EncodedValue) -> ObjectHandle {
        let handle = makeHandles(.random(), count: 1)[0]
        settle(handle, value)
        return handle
    }

    func handle(for id: ObjectID, owner: ProcessAddress) -> ObjectHandle {
        if let handle = state.withLock({ $0.objects[id]?.handle }) { return handle }
        return ObjectHandle(
            id: id, owner: owner, keeper: nil, outcome: .failed(MantaError(.objectLost, "the object \(id) is not known in this process, or was released")))
    }

    func cancel(_ handle: ObjectHandle, _ cancellation: Cancellation) {
        let running = state.withLock { $0.running.removeValue(forKey: handle.id.task) }
        handle.fail(MantaError(.cancelled, "the task \(handle.id.task) was cancelled"))
        running?.cancel()
    }

    func free(_ handles: [ObjectHandle]) async throws {
        let error = MantaError(.objectFreed, "the object was freed: its value was given up with Manta.free")
        for handle in handles where !handle.free(error) { handle.onReady { _ = $0.free(error) } }
    }

    func locate(_ handles: [ObjectHandle]) async throws -> [ObjectsLocated.Place] {
        handles.map { handle in
            guard case .ready(let bytes)? = handle.outcome else { return ObjectsLocated.Place(size: nil, nodes: []) }
            return ObjectsLocated.Place(size: bytes.count, nodes: [])
        }
    }

    func cancelled(_ handle: ObjectHandle, _ cancellation: Cancellation) async throws {
        if cancellation.isForced {
            throw MantaError(.invalidArgument, "the serial mode runs everything in one process, which cannot be killed for a task; use cancel()")
        }
        cancel(handle, cancellation)
    }

    private func settle(_ handle: ObjectHandle, _ value: EncodedValue) {
        if !value.references.isEmpty { state.withLock { $0.nested[handle.id] = value.references } }
        handle.fulfill(value.bytes)
    }

    func streamSink(for context: TaskContext) -> any StreamSink {
        state.withLock { state in
            let stream = OutgoingStream(context.task, sharing: context.actor.flatMap { state.actors[$0]?.places }, to: self)
            if let consumer = state.streams[context.task] { state.outgoing[context.task] = (stream, consumer) }
            return stream
        }
    }

    /// The next item of a stream as an object.
    fileprivate func makeItem(_ item: EncodedValue, of task: TaskID, index: Int) -> ObjectHandle {
        let handle = ObjectHandle(id: ObjectID(task: task, index: UInt32(index + 1)), owner: address, keeper: self)
        state.withLock { $0.objects[handle.id] = WeakHandle(handle: handle) }
        settle(handle, item)
        return handle
    }

    private func makeHandles(_ task: TaskID, count: Int, isStream: Bool = false) -> [ObjectHandle] {
        let handles = (0..<count).map {
            ObjectHandle(id: ObjectID(task: task, index: UInt32($0)), owner: address, keeper: self, stream: isStream ? StreamHandle { [weak self] in self?.moved(task) } : nil)
        }
        state.withLock { state in
            if isStream { state.streams[task] = handles[0].stream }
            for handle in handles { state.objects[handle.id] = WeakHandle(handle: handle) }
        }
        return handles
    }

    private func context(_ task: TaskID, actor: ActorID?, function: String, name: String? = nil) -> TaskContext {
        TaskContext(
            job: job, task: task, node: node ?? .random(), actor: actor, function: function, name: name, attempt: 1, willBlock: {}, didUnblock: {})
    }

    /// Waits for the arguments, runs the code, settles the results.
    private func run(
        _ sources: [ArgumentSource], _ body: ([ArgumentValue]) async throws -> [EncodedValue], _ context: TaskContext, into handles: [ObjectHandle]
    ) async {
        var report: TaskError?
        do {
            // What is inside the arguments must live until the code has taken hold of it.
            defer { withExtendedLifetime(sources) {} }
            let arguments = try await resolve(sources)
            let results: [EncodedValue]
            do {
                results = try await TaskContext.$current.withValue(context) { try await body(arguments) }
            } catch let error as MantaError {
                throw error
            } catch {
                let thrown = ThrownError(
                    error, function: context.title, task: context.task, node: context.node, attempt: context.attempt, actor: context.actor)
                let travelled = ThrownError.reported(thrown.encoded)
                report = travelled.report
                throw travelled.error
            }
            guard results.count == handles.count else {
                throw MantaError(.wrongType, "\(context.title) returned \(results.count) values; expected \(handles.count)")
            }
            for (handle, result) in zip(handles, results) { settle(handle, result) }
        } catch {
            for handle in handles { handle.fail(error, report) }
        }
        state.withLock { state in (state.running[context.task], state.streams[context.task]) = (nil, nil) }
    }

    private func resolve(_ sources: [ArgumentSource]) async throws -> [ArgumentValue] {
        var arguments: [ArgumentValue] = []
        for source in sources {
            switch source {
            case .value(let value): arguments.append(.value(.array(value.bytes)))
            case .reference(let handle): arguments.append(.value(try await handle.bytes()))
            case .own: preconditionFailure("only what a cluster's runtime was given to submit names objects by identifier")
            }
        }
        return arguments
    }

    // MARK: Actors

    func createActor(type: String, initializer: UInt32, arguments: [ArgumentSource], options: ActorOptions) -> ActorID {
        let name = options.name.map { ActorName(namespace: options.namespace ?? namespace, name: $0) }
        let id = ActorID.random()
        let entry = program.actorType(named: type)
        let actor = SerialActor(
            type: type, overlaps: options.maxConcurrency > 1 && entry?.runsOneByOne == false, places: options.maxPendingItems.map { PendingItems(limit: $0) })
        // Name and actor appear together, so that of two creations with one name only one wins.
        let taken = state.withLock { state -> ActorID? in
            if let name, let taken = state.names[name] { return taken }
            if let name { state.names[name] = id }
            state.actors[id] = actor
            return nil
        }
        if let taken, let name {
            let other = state.withLock { $0.actors[taken]?.type }
            if options.getIfExists, other == type { return taken }
            state.withLock { $0.actors[id] = actor }
            if options.getIfExists, let other {
                actor.die(MantaError(.wrongType, "the actor \"\(name.name)\" is a \(other); expected a \(type)"))
                return id
            }
            actor.die(MantaError(.alreadyExists, "an actor named \"\(name.name)\" lives in the namespace \"\(name.namespace)\"; choose another name or set getIfExists"))
            return id
        }
        guard let entry else {
            actor.die(MantaError(.unknownFunction, "this program has no remote actor \(type)"))
            return id
        }
        let context = context(.random(), actor: id, function: type + "." + entry.initializers[Int(initializer)].name)
        actor.enqueue(exclusive: true) {
            do {
                let arguments = try await self.resolve(arguments)
                let instance = try await TaskContext.$current.withValue(context) { try await entry.create(initializer, arguments) }
                actor.begin(instance)
            } catch {
                self.forget(id)
                actor.die(MantaError(.actorDied, "the initializer of \(type) threw: \(error)", cause: error))
            }
        }
        return id
    }

    func call(
        actor id: ActorID, function: String, method: UInt32, methodName: String, arguments: [ArgumentSource], resultCount: Int, terms: CallTerms?
    ) -> [ObjectHandle] {
        let task = TaskID.random()
        let handles = makeHandles(task, count: resultCount, isStream: terms?.isStream == true)
        guard let actor = state.withLock({ $0.actors[id] }) else {
            for handle in handles { handle.fail(MantaError(.actorDied, "the actor \(id) is not known in this process")) }
            return handles
        }
        let context = context(task, actor: id, function: function)
        actor.enqueue(exclusive: false) {
            await self.run(arguments, { try await actor.living().dispatch(method: method, arguments: $0) }, context, into: handles)
        }
        return handles
    }

    func lookUpActor(name: String, namespace: String?) async throws -> (id: ActorID, type: String) {
        let key = ActorName(namespace: namespace ?? self.namespace, name: name)
        let found = state.withLock { state in state.names[key].flatMap { id in state.actors[id].map { (id, $0.type) } } }
        guard let found else { throw MantaError(.notFound, "no actor named \"\(name)\" lives in the namespace \"\(key.namespace)\"") }
        return found
    }

    func ready(actor id: ActorID) -> ObjectHandle {
        let handle = makeHandles(.random(), count: 1)[0]
        guard let actor = state.withLock({ $0.actors[id] }) else {
            handle.fail(MantaError(.actorDied, "the actor \(id) is not known in this process"))
            return handle
        }
        actor.enqueue(exclusive: true) {
            do {
                _ = try actor.living()
                handle.fulfill([0xc0])
            } catch { handle.fail(error) }
        }
        return handle
    }

    func terminate(actor id: ActorID) async throws {
        guard let actor = state.withLock({ $0.actors[id] }) else { throw MantaError(.notFound, "there is no actor \(id)") }
        await withCheckedContinuation { continuation in end(actor, id) { continuation.resume() } }
    }

    func exit(actor id: ActorID) {
        if let actor = state.withLock({ $0.actors[id] }) { end(actor, id) {} }
    }

    /// Behind the calls that came before.
    private func end(_ actor: SerialActor, _ id: ActorID, _ done: @escaping @Sendable () -> Void) {
        actor.enqueue(exclusive: true) {
            await (try? actor.living())?.willTerminate()
            self.forget(id)
            actor.die(MantaError(.actorDied, "the actor \(id) was terminated"))
            done()
        }
    }

    func kill(actor id: ActorID, mayRestart: Bool) async throws {
        if mayRestart { throw MantaError(.invalidArgument, "the serial mode restarts no actor; kill it for good") }
        guard let actor = state.withLock({ $0.actors[id] }) else { throw MantaError(.notFound, "there is no actor \(id)") }
        forget(id)
        actor.die(MantaError(.actorDied, "the actor \(id) was killed"))
    }

    /// Frees the actor's name; the actor stays, to say why it died.
    private func forget(_ id: ActorID) {
        state.withLock { state in
            for (name, owner) in state.names where owner == id { state.names[name] = nil }
        }
    }
}

extension SerialRuntime: HandleKeeper {
    func handleWasReleased(_ handle: ReleasedHandle) {
        // The last hold on a nested object may go here, which comes back to this function: not under the lock.
        let nested = state.withLock { state -> [ObjectHandle]? in
            if state.objects[handle.id]?.handle == nil { state.objects[handle.id] = nil }
            return state.nested.removeValue(forKey: handle.id)
        }
        _ = nested
    }

    func handleIsWanted(_ handle: ObjectHandle) {}
}

extension SerialRuntime: StreamOutlet {
    func deliver(_ item: EncodedValue, _ index: Int, of stream: OutgoingStream, window: Int) async throws {
        let consumer = state.withLock { $0.outgoing[stream.task]?.consumer }
        consumer?.add(makeItem(item, of: stream.task, index: index))
    }

    func close(_ stream: OutgoingStream) {
        stream.closed()
        forgetIfOver(stream)
    }

    /// The consumer took items, or left.
    private func moved(_ task: TaskID) {
        guard let (stream, consumer) = state.withLock({ $0.outgoing[task] }) else { return }
        stream.consumed(consumer.consumed)
        forgetIfOver(stream)
    }

    private func forgetIfOver(_ stream: OutgoingStream) {
        guard stream.isOver else { return }
        // Released outside the lock.
        _ = state.withLock { $0.outgoing.removeValue(forKey: stream.task) }
    }
}

/// One actor of the serial mode and its mailbox.
private final class SerialActor: Sendable {
    let type: String
    private let overlaps: Bool
    /// For the items of its streams that wait to be taken; nil: there is no limit.
    let places: PendingItems?
    private let state = Mutex(State())

    private struct State {
        var instance: (any ActorInstance)?
        var death: MantaError?
        /// What the next call waits for.
        var last: Task<Void, Never>?
    }

    init(type: String, overlaps: Bool, places: PendingItems?) { (self.type, self.overlaps, self.places) = (type, overlaps, places) }

    func begin(_ instance: any ActorInstance) {
        state.withLock { state in
            if state.death == nil { state.instance = instance }
        }
    }

    func die(_ death: MantaError) {
        let instance = state.withLock { state in
            if state.death == nil { state.death = death }
            defer { state.instance = nil }
            return state.instance
        }
        // Released outside the lock: a user's deinit may do anything.
        _ = instance
    }

    func living() throws(MantaError) -> any ActorInstance {
        let (instance, death) = state.withLock { ($0.instance, $0.death) }
        if let instance { return instance }
        throw death ?? MantaError(.actorDied, "the actor \(type) was not created")
    }

    /// Runs the work behind all work before it; where calls may overlap, behind the beginning of the calls before it.
    func enqueue(exclusive: Bool, _ work: @escaping @Sendable () async -> Void) {
        state.withLock { state in
            let before = state.last
            state.last = Task {
                await before?.value
                guard !exclusive, overlaps, let instance = try? living() else { return await work() }
                await begin(work, isolation: instance.isolation)
            }
        }
    }

    /// Runs the work on the actor up to its first wait, and lets it go on by itself.
    private func begin(_ work: @escaping @Sendable () async -> Void, isolation: isolated (any Actor)?) async {
        Task.immediate {
            _ = isolation
            await work()
        }
    }
}
