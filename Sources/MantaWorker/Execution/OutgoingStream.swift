// OutgoingStream: the items of a stream on their way from the code that makes them to the owner of its task.
//
// Items are numbered from 0 in each attempt; the code waits while as many as its window are on their way or not taken. A task that waits for its consumer gives
// its resources back meanwhile, as any that waits.

import MantaModel
import MantaTransport
import MantaWire
import Synchronization

final class OutgoingStream: StreamSink {
    let task: TaskID
    private let attempt: UInt32
    private unowned let runtime: Runtime
    /// To the owner of the task.
    let route: ReplyRoute?
    private let state = Mutex(State())

    private struct State {
        var sent = 0
        /// How many the owner need not be waited for.
        var consumed = 0
        var failure: MantaError?
        var waiter: UnsafeContinuation<Void, Never>?
    }

    init(_ context: TaskContext, _ runtime: Runtime) { 
        (task, attempt, route, self.runtime) = (context.task, UInt32(context.attempt), context.route, runtime)
    }

    func send(_ item: EncodedValue, window: Int) async throws {
        try Task.checkCancellation()
        if !hasRoom(window) { try await waitForRoom(window) }
        let (index, failure) = state.withLock { state -> (Int, MantaError?) in
            defer { state.sent += 1 }
            return (state.sent, state.failure)
        }
        if let failure { throw failure }
        let limit = runtime.configuration.streamItems
        guard index < limit else { throw MantaError(.tooLarge, "task \(task.short) made more than \(limit) items, the limit of one stream (MANTA_STREAM_ITEMS); make several streams") }
        var value: ResultValue?
        if item.isLarge, let owner = route?.storesFor {
            // The object behind the task's own result.
            value = try await runtime.storeValue(item, as: ObjectID(task: task, index: UInt32(clamping: index + 1)), ownedBy: owner).map { .stored($0) }
        }
        runtime.post(
            .streamItem(
                StreamItem(task: task, attempt: attempt, index: UInt64(index), window: UInt32(clamping: window), value: value ?? .inline(item.bytes)),
                item.references))
    }

    func close() { runtime.post(.closeStream(task)) }

    /// The owner tells how many it need not be waited for.
    func consumed(_ count: Int) { change { $0.consumed = max($0.consumed, count) } }

    /// Nobody is there any more.
    func fail(_ error: MantaError) { change { $0.failure = error } }

    private func hasRoom(_ window: Int) -> Bool { state.withLock { $0.failure != nil || $0.sent - $0.consumed < window } }

    private func waitForRoom(_ window: Int) async throws {
        let context = TaskContext.current
        context?.willBlock()
        while !hasRoom(window), !Task.isCancelled { await suspend(window) }
        try await context?.didUnblock()
        try Task.checkCancellation()
    }

    private func suspend(_ window: Int) async {
        await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                let mayGoOn = state.withLock { state -> Bool in
                    // A cancellation after this line finds the waiter, since its handler needs the lock.
                    if state.failure != nil || state.sent - state.consumed < window || Task.isCancelled { return true }
                    precondition(state.waiter == nil, "a stream's items are sent one after the other")
                    state.waiter = continuation
                    return false
                }
                if mayGoOn { continuation.resume() }
            }
        } onCancel: {
            change { _ in }
        }
    }

    private func change(_ body: (inout State) -> Void) {
        let waiter = state.withLock { state in
            body(&state)
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }
}

extension Execution {
    // MARK: Streams

    func open(_ stream: OutgoingStream) {
        guard let route = stream.route else { return stream.fail(MantaError(.ownerDied, "nobody takes the stream's items")) }
        streams[stream.task] = (stream, route)
    }

    func send(_ item: StreamItem, _ references: [ObjectHandle], _ owner: Owner) {
        if let link = streams[item.task]?.route.link { owner.send(item, references, on: link) }
    }

    func close(_ task: TaskID) { streams[task] = nil }

    func consumed(_ message: StreamConsumed) { streams[message.task]?.stream.consumed(Int(clamping: message.count)) }

    /// Whoever took items over this link is gone: their code ends.
    func linkClosed(_ link: Link) {
        for (stream, route) in streams.values where route.link === link {
            stream.fail(MantaError(.ownerDied, "the process that took the stream's items is gone"))
        }
    }
}
