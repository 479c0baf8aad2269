// SnapshotKeeper: when the state of one actor is taken, and where it goes.
//
// With `everyCall` each call's answer waits until the state behind it is kept; the actor itself goes on meanwhile. With a period the state is taken behind a
// call when the last one is old enough; what comes later is taken when the period is over, without a call, so that no change is ever unkept for longer.

import MantaLoop
import MantaModel
import MantaTransport
import MantaWire
import Synchronization

final class SnapshotKeeper: Sendable {
    private let specification: ActorSpecification
    private let restarts: Int
    /// Nil: after every call.
    private let period: Duration?
    private let state = Mutex(State())

    private struct State {
        var number: UInt64 = 0
        var takenAt: Instant?
        /// Something has run since, and a snapshot of it is to come.
        var isAwaited = false
    }

    /// What is to be done behind a call.
    enum Due: Equatable {
        case now, nothing
        /// Later, unless a call is behind which it is due.
        case later(Duration)
    }

    /// Nil when no snapshots are to be taken.
    init?(_ specification: ActorSpecification, restarts: Int) {
        guard specification.maxRestarts != 0 else { return nil }
        switch specification.snapshots ?? .everyCall {
        case .never: return nil
        case .everyCall: period = nil
        case .every(let duration): period = duration
        }
        (self.specification, self.restarts) = (specification, restarts)
    }

    /// The answer of a call waits for its snapshot.
    var holdsAnswers: Bool { period == nil }

    /// A call has ended, or, when it is not `afterCall`, the time is there.
    func due(at now: Instant, afterCall: Bool) -> Due {
        guard let period else { return .now }
        return state.withLock { state in
            if !afterCall, !state.isAwaited { return .nothing }
            if let takenAt = state.takenAt, now - takenAt < period {
                if state.isAwaited, afterCall { return .nothing }
                state.isAwaited = true
                return .later(takenAt + period - now)
            }
            (state.takenAt, state.isAwaited) = (now, false)
            return .now
        }
    }

    /// The next snapshot; throws `tooLarge`.
    func next(_ bytes: [UInt8]) throws(MantaError) -> ActorSnapshot {
        guard bytes.count <= Limits.snapshotBytes else {
            throw MantaError(
                .tooLarge, "the state of actor \(specification.id.short) (\(specification.type)) has \(bytes.count) bytes; at most \(Limits.snapshotBytes) are kept")
        }
        let number = state.withLock { state in
            state.number += 1
            return state.number
        }
        return ActorSnapshot(restarts: restarts, number: number, bytes: bytes)
    }

    // MARK: Keeping; on the loop

    func store(_ snapshot: ActorSnapshot, _ owner: Owner, _ done: @escaping (MantaError?) -> Void) {
        if specification.lifetime == .detached {
            guard let value = try? ValueEncoder.bytes(snapshot) else { preconditionFailure("a snapshot is plain bytes") }
            let put = TablePut(table: SnapshotTable.name, key: specification.id.description, value: value)
            owner.headLink.request(put, deadline: .seconds(3600)) { done($0.failure) }
        } else {
            let store = StoreSnapshot(actor: specification.id, snapshot: snapshot)
            owner.transport.connect(to: specification.owner).request(store, deadline: Limits.requestDeadline) { done($0.failure) }
        }
    }

    /// What the incarnation before left; nil when there was none, or it left nothing.
    func last(on runtime: Runtime) async throws -> ActorSnapshot? {
        guard restarts > 0 else { return nil }
        let id = specification.id
        if specification.lifetime == .detached {
            guard let row = try await runtime.head(TableGet(table: SnapshotTable.name, key: id.description)).entry else { return nil }
            return try ValueDecoder.decode(ActorSnapshot.self, from: row.value)
        }
        let creator = specification.owner
        return try await withCheckedThrowingContinuation { continuation in
            runtime.loop.execute {
                runtime.owner.transport.connect(to: creator).request(GetSnapshot(actor: id), deadline: Limits.requestDeadline) {
                    continuation.resume(with: $0.map(\.snapshot).mapError { $0 as any Error })
                }
            }
        }
    }
}
