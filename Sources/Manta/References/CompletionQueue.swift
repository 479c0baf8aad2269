// CompletionQueue: the order in which some handles become settled, for one consumer.
//
// Every handle is delivered once, by its index. It holds callbacks in the handles only as long as it lives. A remote task that waits here gives its
// resources back meanwhile.

import MantaLoop
import MantaModel
import MantaWorker
import Synchronization

final class CompletionQueue: Sendable {
    private struct State: Sendable {
        var settled: [Int] = []
        var taken = 0
        var isTimeOver = false
        var waiter: Waiter?
    }

    private struct Waiter: Sendable {
        var isOver: @Sendable (State) -> Bool
        var continuation: UnsafeContinuation<Void, any Error>
    }

    private let handles: [ObjectHandle]
    /// What people see where code waits here.
    private let kind: WorkSpan.Kind
    private let state = Mutex(State())
    /// Of the callbacks in the handles; written once, by `init`.
    private let tokens = Mutex<[UInt64]>([])

    /// - Parameter fetching: what lies in a store counts as settled when it is on this machine; it is brought here. Who waits, waits for room for it too; who
    ///   gets reads it elsewhere when there is none.
    init(_ handles: [ObjectHandle], fetching: Bool = false, as kind: WorkSpan.Kind = .wait) {
        (self.handles, self.kind) = (handles, kind)
        var tokens: [UInt64] = []
        tokens.reserveCapacity(handles.count)
        let isWanted: @Sendable () -> Bool = { [weak self] in self != nil }
        for (index, handle) in handles.enumerated() {
            let settled: @Sendable () -> Void = { [weak self] in self?.change { $0.settled.append(index) } }
            tokens.append(fetching ? handle.onHere(patiently: kind == .wait, isWanted: isWanted, settled) : handle.onReady { _ in settled() })
        }
        self.tokens.withLock { $0 = tokens }
    }

    /// The indices of those that are settled.
    var settled: Set<Int> { state.withLock { Set($0.settled) } }

    deinit {
        for (handle, token) in zip(handles, tokens.withLock { $0 }) where !handle.isSettled { handle.forget(token) }
    }

    /// The index of the next settled handle, at once when one is there; nil when all were delivered.
    func next() async throws -> Int? {
        if state.withLock({ $0.taken == handles.count }) { return nil }
        try await wait { $0.taken < $0.settled.count }
        return state.withLock { state in
            defer { state.taken += 1 }
            return state.settled[state.taken]
        }
    }

    /// Returns when at least `count` handles are settled, or the time is over.
    func wait(for count: Int, timeout: Duration?) async throws {
        let timer = timeout.map { timeout in
            Task { [weak self] in
                // Swift cannot sleep for the longest duration there is, only for 292 years.
                if timeout > .zero { try await Task.sleep(for: .nanoseconds(timeout.inNanoseconds)) }
                self?.change { $0.isTimeOver = true }
            }
        }
        defer { timer?.cancel() }
        try await wait(isShort: timeout.map { $0 <= Limits.shortWait } ?? false) { $0.settled.count >= count || $0.isTimeOver }
    }

    private func change(_ body: (inout State) -> Void) {
        let waiter = state.withLock { state -> Waiter? in
            body(&state)
            guard let waiter = state.waiter, waiter.isOver(state) else { return nil }
            state.waiter = nil
            return waiter
        }
        waiter?.continuation.resume()
    }

    private func wait(isShort: Bool = false, until isOver: @escaping @Sendable (State) -> Bool) async throws {
        if state.withLock({ isOver($0) }) { return }
        // Who waits is suspended and woken up: beside that, looking at the clock is nothing.
        let start = EventLoop.clock()
        defer { CurrentRuntime.get()?.noteIfLong(kind, since: start) }
        guard let context = TaskContext.current else { return try await suspend(until: isOver) }
        for handle in handles { try handle.refuseToWaitForOneself(context) }
        if isShort { return try await suspend(until: isOver) }
        context.willBlock()
        let result: Result<Void, any Error>
        do { result = .success(try await suspend(until: isOver)) } catch { result = .failure(error) }
        try await context.didUnblock()
        return try result.get()
    }

    private func suspend(until isOver: @escaping @Sendable (State) -> Bool) async throws {
        try await withTaskCancellationHandler {
            try await withUnsafeThrowingContinuation { continuation in
                let known = state.withLock { state -> Result<Void, any Error>? in
                    if isOver(state) { return .success(()) }
                    // A cancellation after this line finds the waiter, since its handler needs the lock.
                    if Task.isCancelled { return .failure(CancellationError()) }
                    precondition(state.waiter == nil, "a completion queue has one consumer")
                    state.waiter = Waiter(isOver: isOver, continuation: continuation)
                    return nil
                }
                if let known { continuation.resume(with: known) }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                defer { state.waiter = nil }
                return state.waiter
            }
            waiter?.continuation.resume(throwing: CancellationError())
        }
    }
}
