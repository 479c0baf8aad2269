// StreamHandle: the consumer's end of a stream of results: the items that came and were not taken, in order, each an object of its own.
//
// Always: each item is delivered once, in its order, also when the task ran again and made it anew; the task's failure is delivered once, behind the items,
// as a reference that fails; then the stream has ended for good. Items that nobody will take are dropped as they come, and the producer is let run on.

import DequeModule
import MantaModel
import Synchronization

package final class StreamHandle: Sendable {
    private struct State {
        var items: Deque<ObjectHandle> = []
        /// Handles of the items that come next, which the consumer has already.
        var promised: Deque<ObjectHandle> = []
        /// How many items came, from the start.
        var received = 0
        /// How many of them were taken, or dropped.
        var consumed = 0
        var isAbandoned = false
        var hasEnded = false
        var waiters: Deque<Waiter> = []
        var lastToken: UInt64 = 0
    }

    private struct Waiter {
        var token: UInt64
        var continuation: UnsafeContinuation<ObjectHandle?, any Error>
    }

    private let state = Mutex(State())
    /// Tells the runtime that the consumer took something or left.
    private let moved: @Sendable () -> Void

    package init(moved: @escaping @Sendable () -> Void) { self.moved = moved }

    // MARK: The producer's side, on one thread

    /// Whether the item with this index, from 0, is the next one that is missing; an earlier one came before.
    package func expects(_ index: Int) -> Bool { state.withLock { $0.received == index && !$0.hasEnded } }

    /// Whether the item with this index came, in whichever attempt.
    package func hasReceived(_ index: Int) -> Bool { state.withLock { $0.received > index || $0.hasEnded } }

    /// The handle that the consumer has of the next item, if it has one.
    package var promised: ObjectHandle? { state.withLock { $0.promised.first } }

    /// The next item is there.
    package func add(_ item: ObjectHandle) {
        let waiter = state.withLock { state -> Waiter? in
            state.received += 1
            let isPromised = state.promised.first === item
            if isPromised { state.promised.removeFirst() }
            if isPromised || state.isAbandoned {
                state.consumed += 1
                return nil
            }
            if let waiter = state.waiters.popFirst() {
                state.consumed += 1
                return waiter
            }
            state.items.append(item)
            return nil
        }
        waiter?.continuation.resume(returning: item)
        if waiter != nil { moved() }
    }

    /// How many items came and were not taken.
    package var waiting: Int { state.withLock { $0.items.count } }

    /// How many items the producer need not hold back for: `Int.max` when nobody takes them any more.
    package var consumed: Int { state.withLock { $0.isAbandoned ? .max : $0.consumed } }

    /// The task has ended: with an error, which `last`, the object of its end, holds, or well. What a cancelled task made before is not delivered.
    package func finish(_ last: ObjectHandle, _ error: (any Error)?) {
        var unmade: (handles: Deque<ObjectHandle>, received: Int) = ([], 0)
        let waiters = state.withLock { state -> Deque<Waiter> in
            guard !state.hasEnded else { return [] }
            state.hasEnded = true
            unmade = (state.promised, state.received)
            state.promised = []
            if let error {
                if (error as? MantaError)?.code == .cancelled { state.items = [] }
                if !state.isAbandoned { state.items.append(last) }
            }
            defer { state.waiters = [] }
            return state.waiters
        }
        for handle in unmade.handles { handle.fail(error ?? Self.ended(after: unmade.received)) }
        for (index, waiter) in waiters.enumerated() {
            // Who waits has taken everything before.
            let item = index == 0 && error != nil ? state.withLock { $0.items.popFirst() } : nil
            waiter.continuation.resume(returning: item)
        }
    }

    private static func ended(after count: Int) -> MantaError {
        MantaError(.malformed, "the stream ended after \(count) items, and more were asked for; ask for as many as the function makes, or take them one after the other")
    }

    // MARK: The consumer's side

    /// The next `count` items at once: those that came, and `make`'s handles, by their index from 0, of those that will.
    package func take(_ count: Int, make: (Int) -> ObjectHandle) -> [ObjectHandle] {
        var taken: [ObjectHandle] = []
        var unmade: [ObjectHandle] = []
        let received = state.withLock { state in
            while taken.count < count, let item = state.items.popFirst() {
                state.consumed += 1
                taken.append(item)
            }
            while taken.count < count {
                let handle = make(state.received + state.promised.count + unmade.count)
                if state.hasEnded { unmade.append(handle) } else { state.promised.append(handle) }
                taken.append(handle)
            }
            return state.received
        }
        for handle in unmade { handle.fail(Self.ended(after: received)) }
        moved()
        return taken
    }

    /// The next item, when it comes; nil at the end. Throws `CancellationError` when the waiting task is cancelled. A remote task that must wait gives its
    /// resources back meanwhile.
    package func next() async throws -> ObjectHandle? {
        let (item, isKnown) = take()
        if isKnown { return item }
        guard let context = TaskContext.current else { return try await suspended() }
        context.willBlock()
        let result: Result<ObjectHandle?, any Error>
        do { result = .success(try await suspended()) } catch { result = .failure(error) }
        try await context.didUnblock()
        return try result.get()
    }

    private func take() -> (ObjectHandle?, isKnown: Bool) {
        let (item, isKnown) = state.withLock { state -> (ObjectHandle?, Bool) in
            if let item = state.items.popFirst() {
                state.consumed += 1
                return (item, true)
            }
            return (nil, state.hasEnded)
        }
        if item != nil { moved() }
        return (item, isKnown)
    }

    private func suspended() async throws -> ObjectHandle? {
        let token = state.withLock { state in
            state.lastToken += 1
            return state.lastToken
        }
        return try await withTaskCancellationHandler {
            try await withUnsafeThrowingContinuation { continuation in
                enum Known { case item(ObjectHandle), end, cancelled }
                let known = state.withLock { state -> Known? in
                    if let item = state.items.popFirst() {
                        state.consumed += 1
                        return .item(item)
                    }
                    if state.hasEnded { return .end }
                    // A cancellation after this line finds the waiter, since its handler needs the lock.
                    if Task.isCancelled { return .cancelled }
                    state.waiters.append(Waiter(token: token, continuation: continuation))
                    return nil
                }
                switch known {
                case .item(let item):
                    continuation.resume(returning: item)
                    moved()
                case .end: continuation.resume(returning: nil)
                case .cancelled: continuation.resume(throwing: CancellationError())
                case nil: break
                }
            }
        } onCancel: {
            let waiter = state.withLock { state -> Waiter? in
                guard let index = state.waiters.firstIndex(where: { $0.token == token }) else { return nil }
                return state.waiters.remove(at: index)
            }
            waiter?.continuation.resume(throwing: CancellationError())
        }
    }

    /// Nobody will take anything any more.
    package func abandon() {
        // Released outside the lock: the last hold on an object comes back to the runtime.
        let items = state.withLock { state -> Deque<ObjectHandle> in
            state.isAbandoned = true
            defer { state.items = [] }
            return state.items
        }
        withExtendedLifetime(items) {}
        moved()
    }
}

/// The producer's end of a stream, in the worker.
package protocol StreamSink: Sendable {
    /// Sends an item, once fewer than `window` that were sent wait to be taken. Throws when the task is cancelled or nobody is there any more.
    func send(_ item: EncodedValue, window: Int) async throws
    /// No item follows.
    func close()
}
