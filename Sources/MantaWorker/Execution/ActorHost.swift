// ActorHost: an actor that lives in this worker: its instance, and a lane of calls for each of its concurrency groups.
//
// An actor that is to terminate takes no more calls, ends those it has, lets the user's code say
// goodbye, and asks the head for its own end.

import MantaLoop
import MantaModel
import MantaTransport
import MantaWire
import Synchronization

final class ActorHost: Sendable {
    let specification: ActorSpecification
    private let restarts: Int
    private let entry: ActorEntry
    private let instance: any ActorInstance
    /// What a Swift actor's calls are isolated to; nil for a class.
    let isolation: (any Actor)?
    /// `Module.Type.method(label:)` by index, made once.
    private let functionNames: [String]
    private let lane: CallLane
    private let groups: [String: CallLane]
    /// Of all its streams; nil: without limit.
    private let pendingItems: PendingItems?
    /// What the actor holds for life, as it was asked for.
    private let resources: Resources
    private let gpus: [String]
    private let nameplate: ActorNameplate
    private let node: NodeID
    /// What its children are put into.
    private let childGroup: GroupMembership?
    /// Nil when its state is not kept.
    private let keeper: SnapshotKeeper?
    /// The actor is to terminate.
    private let ending = Mutex<Ending?>(nil)

    private struct Ending {
        /// The calls that ask for it; none when the actor itself does.
        var items: [CallLane.Item] = []
        var hasBegun = false
    }

    /// Constructs the actor; throws what its constructor throws, or `unknownFunction`.
    init(_ order: StartActors.Order, on runtime: Runtime) async throws {
        let specification = order.specification
        (resources, gpus, nameplate) = (specification.resources.asAsked, order.gpus ?? [], ActorNameplate(specification))
        (node, childGroup) = (runtime.node ?? NodeID(high: 0, low: 0), specification.capturedGroup)
        guard let entry = runtime.program.actorType(named: specification.type) else {
            let known = runtime.program.actors.keys.sorted().joined(separator: ", ")
            throw MantaError(.unknownFunction, "the program \(specification.program.path) has no remote actor \(specification.type); it has \(known)")
        }
        let context = TaskContext(
            job: specification.job, task: TaskID(high: specification.id.high, low: specification.id.low), node: node,
            actor: specification.id, function: "\(specification.type).init", attempt: order.restarts + 1,
            restarts: order.restarts, deadline: nil, group: childGroup, runsAlone: false, resources: resources, gpus: gpus, nameplate: nameplate,
            parent: nil, route: nil, willBlock: {}, didUnblock: {})
        let arguments = try await Self.arguments(of: specification, on: runtime)
        let instance = try await TaskContext.$current.withValue(context) { try await entry.create(specification.initializer, arguments) }
        let keeper = instance.isRestorable ? SnapshotKeeper(specification, restarts: order.restarts) : nil
        if let last = try await keeper?.last(on: runtime) { try await TaskContext.$current.withValue(context) { try await instance.restore(from: last.bytes) } }
        (self.instance, self.keeper) = (instance, keeper)
        (self.specification, self.entry, restarts) = (specification, entry, order.restarts)
        isolation = instance.isolation
        functionNames = entry.methods.map { "\(entry.name).\($0.name)" }
        pendingItems = specification.maxPendingItems.map { PendingItems(limit: max(1, $0)) }
        lane = CallLane(limit: entry.runsOneByOne ? 1 : max(1, specification.maxConcurrency))
        groups = entry.runsOneByOne ? [:] : (specification.concurrencyGroups ?? [:]).mapValues { CallLane(limit: $0) }
    }

    /// The constructor's arguments. Large ones are taken from their owners, which make them again when they were lost with a node.
    private static func arguments(of specification: ActorSpecification, on runtime: Runtime) async throws -> [ArgumentValue] {
        var arguments = specification.arguments.map { ArgumentValue.value(.array($0)) }
        for reference in specification.references ?? [] where arguments.indices.contains(reference.index) {
            let handle = runtime.argument(reference.object.object, owner: reference.object.owner, at: nil)
            do { arguments[reference.index] = .value(try await handle.bytes()) } catch {
                let reason = (error as? MantaError)?.message ?? "\(error)"
                let what = "argument \(reference.index + 1) of the constructor's \(arguments.count) arguments, object \(reference.object.object),"
                throw MantaError(.objectLost, "\(what) cannot be had: \(reason)", cause: error as? MantaError)
            }
        }
        return arguments
    }

    // MARK: Calls

    /// Puts a call into its lane; returns whether `rescue` must be called in a while. A call that cannot be run is answered at once.
    func add(_ item: CallLane.Item, on runtime: Runtime) -> Bool {
        if item.call.methodName == CallActor.terminate {
            end(item, on: runtime)
            return false
        }
        if isEnding {
            item.route.refuse(item.call, MantaError(.actorDied, "actor \(specification.id.short) is being terminated"))
            return false
        }
        if groups.isEmpty, isPlain(item.call) { return lane.add(item, of: self, on: runtime) }
        if item.call.methodName == CallActor.ready {
            let done = TaskDone(task: item.call.task, attempt: item.call.attempt, outcome: .values([.inline([0xc0])]), startedAt: .now, duration: 0)
            runtime.post(.finished(FinishedRun(done: done, route: item.route, failure: nil)))
            return false
        }
        do throws(MantaError) { return try lane(for: item.call).add(item, of: self, on: runtime) } catch {
            item.route.refuse(item.call, error)
            return false
        }
    }

    /// Starts runners for calls that wait behind long ones; returns how many, and whether to come again.
    func rescue(on runtime: Runtime) -> (starts: Int, isDueAgain: Bool) {
        var total = lane.rescue(of: self, on: runtime)
        for group in groups.values {
            let more = group.rescue(of: self, on: runtime)
            total = (total.starts + more.starts, total.isDueAgain || more.isDueAgain)
        }
        return total
    }

    /// Takes a call that has not begun out of its lane, and returns it; or cancels the code that runs it.
    func cancel(_ task: TaskID) -> CallLane.Item? {
        for group in groups.values {
            if let item = group.cancel(task) { return item }
        }
        return lane.cancel(task)
    }

    /// The call that runs alone while this one waits in line behind it.
    func blocker(of task: TaskID) -> TaskID? { lane.blocker(of: task) ?? groups.values.lazy.compactMap { $0.blocker(of: task) }.first }

    func standing(of task: TaskID) -> Standing? { lane.standing(of: task) ?? groups.values.lazy.compactMap { $0.standing(of: task) }.first }

    func isRunning(_ task: TaskID) -> Bool { lane.isRunning(task) || groups.values.contains { $0.isRunning(task) } }

    /// Nothing of it runs on: what waits is dropped, what runs is cancelled.
    func close() {
        lane.close()
        for group in groups.values { group.close() }
    }

    private func isPlain(_ call: CallActor) -> Bool { call.group == nil && call.methodName.isEmpty }

    private func lane(for call: CallActor) throws(MantaError) -> CallLane {
        let method = Int(call.method)
        let declared = method < entry.methods.count ? entry.methods[method].concurrencyGroup : try? entry.method(named: call.methodName).signature.concurrencyGroup
        guard let name = call.group ?? declared else { return lane }
        if let group = groups[name] { return group }
        let known = groups.keys.sorted().joined(separator: ", ")
        let advice = entry.runsOneByOne ? "it is a class, whose calls run one by one" : known.isEmpty ? "it has none; name it in concurrencyGroups" : "it has \(known)"
        throw MantaError(.invalidArgument, "actor \(specification.id.short) (\(entry.name)) has no concurrency group \"\(name)\"; \(advice)")
    }

    /// Runs one call, isolated as its caller is: to the actor.
    nonisolated(nonsending) func carryOut(_ call: CallActor, _ route: ReplyRoute, alone: Bool, on runtime: Runtime) async -> FinishedRun {
        let method = Int(call.method)
        let function = method < functionNames.count ? functionNames[method] : "\(entry.name).\(call.methodName)"
        // A call from outside of any job, by a proxy above all, works for the job that made the actor.
        let job = call.job == JobID(high: 0, low: 0) ? specification.job : call.job
        let run = Run(
            task: call.task, attempt: call.attempt, job: job, parent: call.parent, function: function, resultCount: Int(call.resultCount),
            arguments: call.arguments, actor: call.actor, route: route)
        let context = TaskContext(
            job: job, task: call.task, node: node, actor: call.actor, function: run.function, attempt: Int(call.attempt),
            restarts: restarts, deadline: call.timeLeft.map { EventLoop.clock() + .nanoseconds($0) }, group: childGroup, runsAlone: alone,
            resources: resources, gpus: gpus, nameplate: nameplate, parent: call.parent, route: route, pendingItems: pendingItems, willBlock: {},
            didUnblock: {})
        if call.methodName == CallActor.snapshot { return await snapshot(behind: run, context: context, isUnasked: true) }
        let finished = await run.carryOut(on: runtime, context: context) { arguments in
            guard call.method == .max else { return try await instance.dispatch(method: call.method, arguments: arguments) }
            let (index, signature) = try entry.method(named: call.methodName)
            return try await instance.dispatch(method: index, arguments: try signature.arranged(try ArgumentsByName(arguments)))
        }
        guard let keeper else { return finished }
        switch keeper.due(at: EventLoop.clock(), afterCall: true) {
        case .nothing: return finished
        case .now: return await snapshot(behind: run, finished, context: context)
        case .later(let delay):
            scheduleSnapshot(after: delay, behind: call, route, on: runtime)
            return finished
        }
    }

    // MARK: Snapshots

    /// Takes the actor's state, isolated to the actor as a call is. What fails here fails the call, when its answer waits for it.
    nonisolated(nonsending) private func snapshot(
        behind run: Run, _ finished: FinishedRun? = nil, context: TaskContext, isUnasked: Bool = false
    ) async -> FinishedRun {
        let nothing = TaskDone(task: run.task, attempt: run.attempt, outcome: .values([]), startedAt: .now, duration: 0)
        let finished = finished ?? FinishedRun(done: nothing, route: run.route, failure: nil, isUnasked: isUnasked)
        guard let keeper, !isUnasked || keeper.due(at: EventLoop.clock(), afterCall: false) == .now else { return finished }
        do {
            let bytes = try await TaskContext.$current.withValue(context) { try await instance.snapshot() }
            finished.snapshot = (try keeper.next(bytes), keeper)
        } catch {
            let failure = (error as? MantaError) ?? MantaError(.taskFailed, "its snapshot() threw \(error)")
            let text = "the state of actor \(specification.id.short) (\(specification.type)) was not taken: \(failure.message)"
            finished.failure = ErrorRow(
                at: .now, code: failure.code.rawValue, message: text, source: "actor", job: run.job, task: run.task, actor: specification.id, node: context.node)
            if keeper.holdsAnswers { finished.done.outcome = .failed(MantaError(failure.code, "the call ran, but \(text)")) }
        }
        return finished
    }

    /// Puts the taking of the state among the calls when its time is there.
    private func scheduleSnapshot(after delay: Duration, behind call: CallActor, _ route: ReplyRoute, on runtime: Runtime) {
        var order = call
        (order.task, order.method, order.methodName, order.arguments, order.group) = (runtime.nextTaskID(), .max, CallActor.snapshot, [], nil)
        (order.timeLeft, order.attempt) = (nil, 1)
        let item = (call: order, route: route)
        runtime.loop.execute { [weak self] in
            runtime.loop.schedule(after: delay) { [weak self] in
                guard let self else { return }
                _ = lane.add(item, of: self, on: runtime)
            }
        }
    }

    // MARK: Termination

    private var isEnding: Bool { ending.withLock { $0 != nil } }

    /// Takes no more calls, and terminates when those that came before have ended.
    ///
    /// - Parameter item: The call that asks for it, which is answered then.
    func end(_ item: CallLane.Item? = nil, on runtime: Runtime) {
        ending.withLock { ending in
            if ending == nil { ending = Ending() }
            if let item { ending?.items.append(item) }
        }
        ranDry(on: runtime)
    }

    /// A lane has nothing more to run: when the actor is to terminate and all have not, it does.
    func ranDry(on runtime: Runtime) {
        let begins = ending.withLock { ending -> Bool in
            guard ending?.hasBegun == false, lane.isIdle, groups.values.allSatisfy(\.isIdle) else { return false }
            ending?.hasBegun = true
            return true
        }
        if begins { Task { await terminate(on: runtime) } }
    }

    private func terminate(on runtime: Runtime) async {
        await instance.willTerminate()
        var outcome = TaskOutcome.values([.inline([0xc0])])
        do {
            _ = try await runtime.head(KillActor(actor: specification.id, noRestart: true, reason: "it was terminated"), deadline: .seconds(3600))
        } catch {
            outcome = .failed(error as? MantaError ?? MantaError(.unavailable, "the head could not be told", cause: error))
        }
        for item in ending.withLock({ $0?.items ?? [] }) {
            let done = TaskDone(task: item.call.task, attempt: item.call.attempt, outcome: outcome, startedAt: .now, duration: 0)
            runtime.post(.finished(FinishedRun(done: done, route: item.route, failure: nil)))
        }
    }
}

extension ReplyRoute {
    /// Answers a call that is not run; on the loop.
    func refuse(_ call: CallActor, _ error: MantaError) {
        link.send(TaskDone(task: call.task, attempt: call.attempt, outcome: .failed(error), startedAt: .now, duration: 0))
    }
}

extension ActorSpecification {
    /// What the actor's children are put into.
    fileprivate var capturedGroup: GroupMembership? { scheduling?.group.flatMap { $0.captures ? $0.inherited : nil } }
}

extension ArgumentsByName {
    /// The one argument of a call by name: an array is positional, a map is by label.
    init(_ arguments: [ArgumentValue]) throws(MantaError) {
        guard arguments.count == 1, case .value(let bytes) = arguments[0] else {
            throw MantaError(.malformed, "a call by name carries one array or map of arguments, found \(arguments.count) values")
        }
        var reader = MessagePackReader(bytes)
        if try reader.peek() == .map {
            var values: [String: [UInt8]] = [:]
            for _ in 0..<(try reader.readMapHeader()) {
                let label = try reader.readString()
                values[label] = try reader.readRawValue()
            }
            self = .labelled(values)
        } else {
            var values: [[UInt8]] = []
            for _ in 0..<(try reader.readArrayHeader()) { values.append(try reader.readRawValue()) }
            self = .positional(values)
        }
    }
}

extension MessagePackReader {
    /// The bytes of the next value, whatever it is.
    fileprivate mutating func readRawValue() throws(MantaError) -> [UInt8] {
        let start = position
        try skip()
        return Array(bytes[start..<position])
    }
}
