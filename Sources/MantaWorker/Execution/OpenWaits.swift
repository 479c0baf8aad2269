// OpenWaits: what the tasks and calls that run in this process wait for at the moment, one object each and without a time limit, so that a cycle of them can
// be found.
//
// Noted when code is about to be suspended, which costs far more. A wait that lasts is looked at a second after it began, then more and more rarely.

import MantaLoop
import MantaModel
import Synchronization

final class OpenWaits: Sendable {
    static let ofThisProcess = OpenWaits()

    struct Wait: Sendable {
        let context: TaskContext
        let handle: ObjectHandle
        /// Among those who wait for the handle.
        let token: UInt64
        var lookAt: Instant
        var pause: Duration
    }

    private struct State {
        var waits: [Wait?] = []
        var free: [Int] = []
        /// The one that is looked at next.
        var next = 0
    }

    private let state = Mutex(State())
    private static let firstPause: Duration = .seconds(1)
    private static let lastPause: Duration = .seconds(30)
    /// So many are looked at each time, in turn: where tasks are nested deeply, very many wait.
    private static let share = 2_000

    /// Returns what to end it with.
    func begin(_ context: TaskContext, on handle: ObjectHandle, _ token: UInt64, at now: Instant) -> Int {
        let wait = Wait(context: context, handle: handle, token: token, lookAt: now + Self.firstPause, pause: Self.firstPause)
        return state.withLock { state in
            if let slot = state.free.popLast() {
                state.waits[slot] = wait
                return slot
            }
            state.waits.append(wait)
            return state.waits.count - 1
        }
    }

    func end(_ slot: Int) {
        // What it holds is let go of outside the lock.
        let wait = state.withLock { state -> Wait? in
            state.free.append(slot)
            defer { state.waits[slot] = nil }
            return state.waits[slot]
        }
        _ = wait
    }

    /// Those of the next ones whose time has come to be looked at, which get another one.
    func due(at now: Instant) -> [Wait] {
        state.withLock { state in
            var due: [Wait] = []
            for _ in 0..<min(state.waits.count, Self.share) {
                let slot = state.next < state.waits.count ? state.next : 0
                state.next = slot + 1
                guard let wait = state.waits[slot], wait.lookAt <= now else { continue }
                due.append(wait)
                let pause = min(wait.pause * 2, Self.lastPause)
                (state.waits[slot]!.pause, state.waits[slot]!.lookAt) = (pause, now + pause)
            }
            return due
        }
    }

    /// What a task or call waits for.
    func waits(of task: TaskID) -> [Wait] { state.withLock { $0.waits.compactMap { $0?.context.task == task ? $0 : nil } } }
}
