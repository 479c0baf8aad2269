// Restorable: actors whose state outlives their process.
//
// A snapshot is taken between calls by the actor itself, travels as any value does, and is given to the next incarnation behind its initializer and before any
// call. It lies with the process that made the actor, or, for a detached actor, in the head's store, on disk; it goes when the actor is dead for good.

import MantaModel
import MantaWire
import MantaWorker

/// A remote actor whose next incarnation continues where the one before was: it can write down its state and take it up again.
///
/// ```swift
/// @RemoteActor(maxRestarts: -1) actor Counter: Restorable {
///     private var count = 0
///     init() {}
///     func increment() -> Int { count += 1; return count }
///     func snapshot() -> Int { count }
///     func restore(from snapshot: Int) { count = snapshot }
/// }
/// ```
///
/// When it is taken is the option `snapshots` of the actor: after every call, before the answer leaves, unless said otherwise. A state of more than 16 MiB
/// cannot be kept: with `.everyCall` the call that made it fails with `tooLarge`, though it ran. Where calls overlap, the state may hold a part of what others
/// have begun.
public protocol Restorable: AnyObject {
    /// The state, whatever is needed to continue.
    associatedtype Snapshot: Codable & Sendable
    /// The state as it is. Called between calls; what it throws fails the call behind which it was called.
    func snapshot() async throws -> Snapshot
    /// Takes up the state of the incarnation before. Called once, after the initializer; what it throws is as if that had thrown it.
    func restore(from snapshot: Snapshot) async throws
}

nonisolated(nonsending) func encodedSnapshot<Instance: Restorable>(of instance: Instance) async throws -> [UInt8] {
    try ValueEncoder.bytes(try await instance.snapshot())
}

nonisolated(nonsending) func restoreSnapshot<Instance: Restorable>(_ bytes: [UInt8], in instance: Instance) async throws {
    try await instance.restore(from: try ValueDecoder.decode(Instance.Snapshot.self, from: bytes))
}
