// Run: one task or call as the worker holds it, and how it is carried out: fetch its arguments, call the user's code, make its `TaskDone`.
//
// User code never runs on the loop: a run is carried out on Swift's global executor by the runner that owns it. Whatever happens, a run that began ends
// with exactly one `TaskDone`.

import Glibc
import MantaLoop
import MantaModel
import MantaTransport
import MantaWire

/// A link that other threads may hold and hand back, but only the loop may use.
/// `@unchecked Sendable`: the link inside is touched on the loop only.
struct ReplyRoute: @unchecked Sendable {
    let link: Link
    /// Who will own the results, when that process can read them in a store.
    let storesFor: ProcessID?

    /// On the loop.
    init(link: Link) {
        self.link = link
        storesFor = link.peerRole == .driver || link.peerRole == .worker ? link.peerProcess : nil
    }
}

/// A run that has ended, on its way back. A class: it goes from the runner through the inbox to the loop, and nothing is copied.
///
/// `@unchecked Sendable`: the runner's until it posts it, then the loop's.
final class FinishedRun: @unchecked Sendable {
    var done: TaskDone
    var route: ReplyRoute
    /// What it ran under, when it was a task.
    var lease: LeaseID?
    /// The references inside each of its results; empty when there are none.
    var contents: [[ObjectHandle]]
    /// What people see of it, when it failed.
    var failure: ErrorRow?
    /// The state to keep; when `holdsAnswer`, before the answer leaves.
    var snapshot: (state: ActorSnapshot, keeper: SnapshotKeeper)?
    /// No call, and nobody waits for it: a snapshot for which the time was there.
    let isUnasked: Bool

    init(done: TaskDone, route: ReplyRoute, contents: [[ObjectHandle]] = [], failure: ErrorRow?, isUnasked: Bool = false) {
        (self.done, self.route, self.contents, self.failure, self.isUnasked) = (done, route, contents, failure, isUnasked)
    }
}

/// What carries a run out: the same for tasks and actor calls but for the code that is called.
struct Run: Sendable, LeaseQueueElement {
    var task: TaskID
    var attempt: UInt32
    var job: JobID
    var parent: TaskID?
    var function: String
    /// What its options call it.
    var name: String?
    var resultCount: Int
    var arguments: [ArgumentPayload]
    var actor: ActorID?
    /// What its children are put into.
    var group: GroupMembership?
    var route: ReplyRoute
    /// When it must have ended.
    var deadline: Instant?
    /// What it holds; nil is one CPU.
    var resources: Resources?
    /// The GPUs it may use; nil is none.
    var gpus: [String]?

    /// What becomes of a run that was cancelled before it began.
    var cancelledBeforeItBegan: TaskDone {
        TaskDone(task: task, attempt: attempt, outcome: .failed(cancelled), startedAt: .now, duration: 0)
    }

    /// What people are told of: its name, else its function.
    var title: String { name ?? function }

    private var cancelled: MantaError { MantaError(.cancelled, "task \(task) was cancelled") }

    /// Runs `body` with the arguments' values and wraps what becomes of it.
    func carryOut(
        on runtime: Runtime, context: TaskContext, _ body: @Sendable ([ArgumentValue]) async throws -> [EncodedValue]
    ) async -> FinishedRun {
        let startedAt = WallTime.now
        let start = monotonicNanoseconds()
        var outcome: TaskOutcome
        var failure: ErrorRow?
        var contents: [[ObjectHandle]] = []
        do {
            let values = if let values = plainValues { values } else { try await values(on: runtime, context) }
            let results = try await TaskContext.$current.withValue(context) { try await body(values) }
            outcome = if let outcome = plainOutcome(of: results) { outcome } else { try await storing(results, on: runtime, context) }
            contents = results.contents(for: resultCount)
        } catch where Task.isCancelled {
            // Nobody waits for it: whatever it threw on its way out is no failure to tell of.
            outcome = .failed(cancelled)
        } catch {
            (outcome, failure) = report(error, on: runtime)
        }
        let duration = UInt64(max(0, monotonicNanoseconds() - start))
        if case .failed(let error) = outcome, failure == nil, !Task.isCancelled { failure = row(error.code.rawValue, error.message, runtime) }
        return FinishedRun(
            done: TaskDone(task: task, attempt: attempt, outcome: outcome, startedAt: startedAt, duration: duration), route: route, contents: contents, failure: failure)
    }

    /// The arguments, when all came with the message.
    private var plainValues: [ArgumentValue]? {
        if arguments.isEmpty { return [] }
        var values: [ArgumentValue] = []
        values.reserveCapacity(arguments.count)
        for argument in arguments {
            guard case .value(let bytes) = argument else { return nil }
            values.append(.value(.array(bytes)))
        }
        return values
    }

    /// What results become that go with the answer; nil when it takes more than that.
    private func plainOutcome(of results: [EncodedValue]) -> TaskOutcome? {
        guard resultCount == results.count, !results.contains(where: \.isLarge) else { return nil }
        return .values(results.map { .inline($0.bytes) })
    }

    private func storing(_ results: [EncodedValue], on runtime: Runtime, _ context: TaskContext) async throws -> TaskOutcome {
        let start = EventLoop.clock()
        defer { TaskContext.$current.withValue(context) { runtime.noteIfLong(.results, since: start) } }
        return try await runtime.outcome(of: results, for: self)
    }

    private func values(on runtime: Runtime, _ context: TaskContext) async throws -> [ArgumentValue] {
        let start = EventLoop.clock()
        defer { TaskContext.$current.withValue(context) { runtime.noteIfLong(.arguments, since: start) } }
        var values: [ArgumentValue] = []
        values.reserveCapacity(arguments.count)
        for argument in arguments {
            switch argument {
            case .value(let bytes): values.append(.value(.array(bytes)))
            case .reference(let object, let owner, let place):
                let handle = runtime.argument(object, owner: owner, at: place)
                // With its context: what the task holds may be needed to make the argument again.
                values.append(.value(try await TaskContext.$current.withValue(context) { try await handle.bytes() }))
            }
        }
        return values
    }

    private func report(_ error: any Error, on runtime: Runtime) -> (TaskOutcome, ErrorRow) {
        if let error = error as? MantaError { return (.failed(error), row(error.code.rawValue, error.message, runtime)) }
        let node = runtime.node ?? NodeID(high: 0, low: 0)
        let thrown = ThrownError(error, function: title, task: task, node: node, attempt: Int(attempt), actor: actor)
        return (.thrown(thrown.encoded), row(MantaError.Code.taskFailed.rawValue, "\(title) threw \(thrown.typeName): \(thrown.message)", runtime))
    }

    private func row(_ code: String, _ message: String, _ runtime: Runtime) -> ErrorRow {
        ErrorRow(at: .now, code: code, message: message, source: actor == nil ? "task" : "actor", job: job, task: task, actor: actor, node: runtime.node)
    }
}

/// Nanoseconds on the monotonic clock.
func monotonicNanoseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}
