// OutgoingStream: the items of a stream on their way from the code that makes them to whoever takes them: the owner of its task, or, in the serial mode, its
// caller.
//
// Items are numbered from 0 in each attempt; the code waits while as many as its window are on their way or not taken, or as many as all streams of its actor
// may leave so. A task that waits for its consumer gives its resources back meanwhile, as any that waits. The stream of an actor with such a limit is known here
// until its last item was taken, also when its call has long ended.

package import MantaModel
import MantaTransport
import MantaWire
import Synchronization

/// Where the items of streams go.
package protocol StreamOutlet: AnyObject, Sendable {
    /// The item with this index, from 0. `window`: as many may wait to be taken.
    func deliver(_ item: EncodedValue, _ index: Int, of stream: OutgoingStream, window: Int) async throws
    /// No item follows.
    func close(_ stream: OutgoingStream)
}

package final class OutgoingStream: StreamSink {
    package let task: TaskID
    fileprivate let attempt: UInt32
    private unowned let outlet: any StreamOutlet
    /// To the owner of the task, where that is another process.
    let route: ReplyRoute?
    /// Of all streams of its actor together; nil: there is no limit.
    fileprivate let places: PendingItems?
    private let state = Mutex(State())

    private struct State {
        var sent = 0
        /// Places that its items have among those of its actor.
        var held = 0
        var hasClosed = false
        /// How many the owner need not be waited for.
        var consumed = 0
        var failure: MantaError?
        var waiter: UnsafeContinuation<Void, Never>?
    }

    init(_ context: TaskContext, _ runtime: Runtime) {
        (task, attempt, route, outlet) = (context.task, UInt32(context.attempt), context.route, runtime)
        places = context.pendingItems
    }

    /// One whose consumer is in this process.
    package init(_ task: TaskID, sharing places: PendingItems?, to outlet: any StreamOutlet) {
        (self.task, attempt, route, self.places, self.outlet) = (task, 1, nil, places, outlet)
    }

    package func send(_ item: EncodedValue, window: Int) async throws {
        try Task.checkCancellation()
        if !hasRoom(window) { try await waitForRoom(window) }
        let held = places == nil ? 0 : try await takePlace()
        let (index, failure) = state.withLock { state -> (Int, MantaError?) in
            defer { (state.sent, state.held) = (state.sent + 1, state.held + held) }
            return (state.sent, state.failure)
        }
        do {
            if let failure { throw failure }
            try await outlet.deliver(item, index, of: self, window: window)
        } catch {
            // What was not sent is not taken either.
            state.withLock { $0.held -= held }
            places?.give(back: held)
            throw error
        }
    }

    package func close() { outlet.close(self) }

    /// All its items are on their way.
    package func closed() { state.withLock { $0.hasClosed = true } }

    /// Nothing follows, and nothing that the owner may tell is of use.
    package var isOver: Bool { state.withLock { $0.hasClosed && $0.held == 0 } }

    /// A place among the items of the actor, when one is needed: 1, or 0 for a stream that nobody takes any more.
    private func takePlace() async throws -> Int {
        guard let places else { return 0 }
        while state.withLock({ $0.failure == nil && $0.sent >= $0.consumed }) {
            if places.takeNow() { return 1 }
            let context = TaskContext.current
            context?.willBlock()
            let isTaken = await places.take(for: task)
            do { try await context?.didUnblock() } catch {
                places.give(back: isTaken ? 1 : 0)
                throw error
            }
            if isTaken { return 1 }
            try Task.checkCancellation()
        }
        return 0
    }

    /// The owner tells how many it need not be waited for.
    package func consumed(_ count: Int) { change { $0.consumed = max($0.consumed, count) } }

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
        let (waiter, given, needsPlace) = state.withLock { state in
            body(&state)
            let needed = state.failure == nil ? max(0, state.sent - state.consumed) : 0
            let given = max(0, state.held - needed)
            state.held -= given
            defer { state.waiter = nil }
            return (state.waiter, given, state.failure == nil && state.sent >= state.consumed)
        }
        waiter?.resume()
        places?.give(back: given)
        if !needsPlace { places?.withdraw(task) }
    }
}

extension Runtime: StreamOutlet {
    package func deliver(_ item: EncodedValue, _ index: Int, of stream: OutgoingStream, window: Int) async throws {
        let (task, limit) = (stream.task, configuration.streamItems)
        guard index < limit else { throw MantaError(.tooLarge, "task \(task.short) made more than \(limit) items, the limit of one stream (MANTA_STREAM_ITEMS); make several streams") }
        var value: ResultValue?
        if item.isLarge, let owner = stream.route?.storesFor {
            // The object behind the task's own result.
            value = try await storeValue(item, as: ObjectID(task: task, index: UInt32(clamping: index + 1)), ownedBy: owner).map { .stored($0) }
        }
        post(
            .streamItem(
                StreamItem(
                    task: task, attempt: stream.attempt, index: UInt64(index), window: UInt32(clamping: window), value: value ?? .inline(item.bytes),
                    sharesWindow: stream.places == nil ? nil : true),
                item.references))
    }

    package func close(_ stream: OutgoingStream) { post(.closeStream(stream)) }
}

extension Execution {
    // MARK: Streams

    func open(_ stream: OutgoingStream) {
        guard let route = stream.route else { return stream.fail(MantaError(.ownerDied, "nobody takes the stream's items")) }
        // An attempt that its owner has given up.
        streams[stream.task]?.stream.fail(MantaError(.ownerDied, "nobody takes the items of an attempt that was given up"))
        streams[stream.task] = (stream, route)
    }

    func send(_ item: StreamItem, _ references: [ObjectHandle], _ owner: Owner) {
        if let link = streams[item.task]?.route.link { owner.send(item, references, on: link) }
    }

    /// Not another attempt of its task, which may have been opened meanwhile.
    func close(_ stream: OutgoingStream) {
        stream.closed()
        if streams[stream.task]?.stream === stream { forgetIfOver(stream.task) }
    }

    func consumed(_ message: StreamConsumed) {
        streams[message.task]?.stream.consumed(Int(clamping: message.count))
        forgetIfOver(message.task)
    }

    private func forgetIfOver(_ task: TaskID) {
        if streams[task]?.stream.isOver == true { streams[task] = nil }
    }

    /// Whoever took items over this link is gone: their code ends.
    func linkClosed(_ link: Link) {
        for (stream, route) in streams.values where route.link === link {
            stream.fail(MantaError(.ownerDied, "the process that took the stream's items is gone"))
            forgetIfOver(stream.task)
        }
    }
}
