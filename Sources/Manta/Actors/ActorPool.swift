// ActorPool: some actors that share work: each item goes to an actor that is free, and comes back in order or as it is done.
//
// On the public API only. An actor has at most one item of the pool at a time. The pool belongs to one process; its actors end with their job, or by `end()`.

import MantaModel

/// A fixed set of actors that work on many items: `ActorPool(4) { Resizer.remote() }`.
///
/// ```swift
/// let pool = ActorPool(4) { Resizer.remote() }
/// for try await image in await pool.map(urls, { $0.resize($1) }) { … }
/// ```
public actor ActorPool<Handle: RemoteActorHandle> {
    private var idle: [Handle] = []
    private var waiters: [Waiter] = []
    private var lastWaiter = 0
    /// How many actors belong to it.
    public private(set) var count: Int

    private struct Waiter {
        var number: Int
        var continuation: CheckedContinuation<Handle, any Error>
    }

    /// A pool of existing actors.
    public init(_ actors: [Handle]) {
        precondition(!actors.isEmpty, "a pool has at least one actor")
        (idle, count) = (actors, actors.count)
    }

    /// A pool of `count` actors, at least one, which it makes.
    public init(_ count: Int, _ make: () -> Handle) {
        self.init((0..<count).map { _ in make() })
    }

    /// How many actors have nothing to do.
    public var idleCount: Int { idle.count }

    /// Adds an actor.
    public func add(_ actor: Handle) {
        count += 1
        free(actor)
    }

    /// Waits for a free actor, makes a call on it, and returns the result; the actor is free again afterwards.
    ///
    /// Cancelling the task that waits here cancels the call.
    ///
    /// - Throws: what the call throws; `MantaError` with the code `conflict` when the pool was ended. An actor that died stays in the pool and fails its next
    ///   items: give it restarts, or `add` another.
    public func submit<Result: Decodable & Sendable>(_ call: @Sendable (Handle) -> ObjectReference<Result>) async throws -> Result {
        let actor = try await take()
        defer { free(actor) }
        let reference = call(actor)
        return try await withTaskCancellationHandler { try await reference.value } onCancel: { reference.cancel() }
    }

    /// The results of a call for each item, in the items' order. At most as many items are under way as there are actors.
    public nonisolated func map<Item: Sendable, Result: Decodable & Sendable>(
        _ items: [Item], _ call: @escaping @Sendable (Handle, Item) -> ObjectReference<Result>
    ) async throws -> [Result] {
        var results: [Result?] = Array(repeating: nil, count: items.count)
        for try await (index, result) in unordered(items, call) { results[index] = result }
        return results.compactMap { $0 }
    }

    /// The results of a call for each item, as they are done, each with its item's index. The first failure ends the sequence; leaving the loop cancels
    /// what is under way.
    public nonisolated func unordered<Item: Sendable, Result: Decodable & Sendable>(
        _ items: [Item], _ call: @escaping @Sendable (Handle, Item) -> ObjectReference<Result>
    ) -> AsyncThrowingStream<(index: Int, result: Result), any Error> {
        AsyncThrowingStream { continuation in
            let work = Task {
                do {
                    try await withThrowingDiscardingTaskGroup { group in
                        for (index, item) in items.enumerated() {
                            // Taken here, so that no more tasks exist than actors.
                            let actor = try await self.take()
                            if group.isCancelled {
                                // Another item failed, or nobody listens any more.
                                await self.free(actor)
                                break
                            }
                            group.addTask {
                                do {
                                    let reference = call(actor, item)
                                    let result = try await withTaskCancellationHandler { try await reference.value } onCancel: { reference.cancel() }
                                    continuation.yield((index, result))
                                    await self.free(actor)
                                } catch {
                                    await self.free(actor)
                                    throw error
                                }
                            }
                        }
                    }
                    continuation.finish()
                } catch { continuation.finish(throwing: error) }
            }
            continuation.onTermination = { _ in work.cancel() }
        }
    }

    /// Terminates all actors that are idle or become so; the pool is empty then, and refuses work until an actor is added.
    public func end() async throws {
        while count > 0 {
            let actor = try await take()
            count -= 1
            try await Manta.terminate(actor)
        }
        for waiter in waiters { waiter.continuation.resume(throwing: Self.ended) }
        waiters = []
    }

    private static var ended: MantaError { MantaError(.conflict, "the pool has no actors, since it was ended; add one before you submit") }

    private func take() async throws -> Handle {
        if let actor = idle.popLast() { return actor }
        if count == 0 { throw Self.ended }
        lastWaiter += 1
        let number = lastWaiter
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { waiters.append(Waiter(number: number, continuation: $0)) }
        } onCancel: {
            Task { await self.giveUp(number) }
        }
    }

    /// Whoever waits under this number waits no longer.
    private func giveUp(_ number: Int) {
        guard let index = waiters.firstIndex(where: { $0.number == number }) else { return }
        waiters.remove(at: index).continuation.resume(throwing: CancellationError())
    }

    private func free(_ actor: Handle) {
        if waiters.isEmpty { idle.append(actor) } else { waiters.removeFirst().continuation.resume(returning: actor) }
    }
}
