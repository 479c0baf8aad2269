// PendingItems: how many items of all streams of one actor wait to be taken, and the streams that wait for a place among them, in the order they came.
//
// What always holds: no more places are taken than there are; a place is given back once, when its item was taken or nobody will take it.

import DequeModule
import MantaModel
import Synchronization

package final class PendingItems: Sendable {
    private struct State {
        var free: Int
        var waiters: Deque<(stream: TaskID, continuation: UnsafeContinuation<Bool, Never>)> = []
    }
    private let state: Mutex<State>

    /// - Parameter limit: of the actor.
    package init(limit: Int) { state = Mutex(State(free: limit)) }

    /// A place, when there is one and nobody waits for it.
    func takeNow() -> Bool {
        state.withLock { state in
            guard state.free > 0, state.waiters.isEmpty else { return false }
            state.free -= 1
            return true
        }
    }

    /// Waits for a place; false when `withdraw` came first, or the waiting code is cancelled. One at a time for each stream.
    func take(for stream: TaskID) async -> Bool {
        await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                let known = state.withLock { state -> Bool? in
                    // A cancellation after this line finds the waiter, since its handler needs the lock.
                    if Task.isCancelled { return false }
                    guard state.free > 0, state.waiters.isEmpty else {
                        state.waiters.append((stream, continuation))
                        return nil
                    }
                    state.free -= 1
                    return true
                }
                if let known { continuation.resume(returning: known) }
            }
        } onCancel: {
            withdraw(stream)
        }
    }

    func give(back count: Int) {
        guard count > 0 else { return }
        let served = state.withLock { state -> [UnsafeContinuation<Bool, Never>] in
            state.free += count
            var served: [UnsafeContinuation<Bool, Never>] = []
            while state.free > 0, let next = state.waiters.popFirst() {
                state.free -= 1
                served.append(next.continuation)
            }
            return served
        }
        for continuation in served { continuation.resume(returning: true) }
    }

    /// The stream does not wait any more.
    func withdraw(_ stream: TaskID) {
        let waiter = state.withLock { state in state.waiters.firstIndex { $0.stream == stream }.map { state.waiters.remove(at: $0) } }
        waiter?.continuation.resume(returning: false)
    }
}
