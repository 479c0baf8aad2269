// ActorHost: the actor that lives in this worker: its instance and its mailbox.
//
// Calls begin in the order they came; with `maxConcurrency` 1 each ends before the next begins, with more that many may be under way. A worker hosts at
// most one actor, for as long as it lives.

import DequeModule
import MantaModel
import MantaWire
import Synchronization

final class ActorHost: Sendable {
    let specification: ActorSpecification
    private let entry: ActorEntry
    private let instance: any ActorInstance
    private let limit: Int
    /// `Module.Type.method(label:)` by index, made once.
    private let functionNames: [String]
    private let mailbox = Mutex(Mailbox())

    private struct Mailbox {
        var queue: Deque<(CallActor, ReplyRoute)> = []
        var running = 0
    }

    /// Constructs the actor; throws what its constructor throws, or `unknownFunction`.
    init(_ specification: ActorSpecification, restarts: Int, on runtime: Runtime) async throws {
        guard let entry = runtime.program.actorType(named: specification.type) else {
            let known = runtime.program.actors.keys.sorted().joined(separator: ", ")
            throw MantaError(.unknownFunction, "the program \(specification.program.path) has no remote actor \(specification.type); it has \(known)")
        }
        let context = TaskContext(
            job: specification.job, task: TaskID(high: specification.id.high, low: specification.id.low), node: runtime.node ?? NodeID(high: 0, low: 0),
            actor: specification.id, function: "\(specification.type).init", attempt: restarts + 1, willBlock: {}, didUnblock: {})
        let arguments = specification.arguments.map { ArgumentValue.value($0) }
        self.instance = try await TaskContext.$current.withValue(context) { try await entry.create(specification.initializer, arguments) }
        (self.specification, self.entry) = (specification, entry)
        functionNames = entry.methods.map { "\(entry.name).\($0.name)" }
        limit = entry.runsOneByOne ? 1 : max(1, specification.maxConcurrency)
    }

    /// Puts calls into the mailbox; returns how many runners (`drain`) the caller must start.
    func add(_ calls: [(CallActor, ReplyRoute)]) -> Int {
        mailbox.withLock { mailbox in
            mailbox.queue.append(contentsOf: calls)
            let starts = min(limit - mailbox.running, calls.count)
            mailbox.running += max(0, starts)
            return max(0, starts)
        }
    }

    /// Runs calls until none is left.
    func drain(on runtime: Runtime) async {
        while let (call, route) = next() {
            runtime.post(.finished(await carryOut(call, route, on: runtime)))
        }
    }

    private func next() -> (CallActor, ReplyRoute)? {
        mailbox.withLock { mailbox in
            if let call = mailbox.queue.popFirst() { return call }
            mailbox.running -= 1
            return nil
        }
    }

    private func carryOut(_ call: CallActor, _ route: ReplyRoute, on runtime: Runtime) async -> FinishedRun {
        let method = Int(call.method)
        let function = method < functionNames.count ? functionNames[method] : "\(entry.name).\(call.methodName)"
        // A call from outside of any job, by a proxy above all, works for the job that made the actor.
        let job = call.job == JobID(high: 0, low: 0) ? specification.job : call.job
        let run = Run(
            task: call.task, attempt: 1, job: job, parent: call.parent, function: function, resultCount: Int(call.resultCount),
            arguments: call.arguments, actor: call.actor, route: route)
        let context = TaskContext(
            job: job, task: call.task, node: runtime.node ?? NodeID(high: 0, low: 0), actor: call.actor, function: run.function, attempt: 1,
            willBlock: {}, didUnblock: {})
        return await run.carryOut(on: runtime, context: context) { arguments in
            guard call.method == .max else { return try await instance.dispatch(method: call.method, arguments: arguments) }
            let (index, signature) = try entry.method(named: call.methodName)
            return try await instance.dispatch(method: index, arguments: try signature.arranged(try ArgumentsByName(arguments)))
        }
    }
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
