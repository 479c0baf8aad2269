// Spinner: looks for work for some microseconds before a thread sleeps, but only while that has paid off lately.
//
// A core that sleeps takes tens of microseconds to wake on a virtual machine, several times as long as the work of a call. Whoever spins keeps a core awake
// and gives it away after every look, so that a thread that is ready to run is not kept from it. It is for what comes one by one: where much comes at once,
// sleeping lets more gather and costs less, so callers do not spin then. What always holds: of those who share a spinner, one spins at a time.

import Glibc
import MantaModel
import Synchronization

package final class Spinner: Sendable {
    /// How long one spin lasts, at most; zero: there is none.
    package let limit: Duration
    /// Grows when spinning finds something, or a sleep was so short that it might have; from 0 to 8.
    private let score = Atomic<Int>(0)
    private let isTaken = Atomic<Bool>(false)

    /// From this score on it spins.
    private static let threshold = 4
    private static let highest = 8
    /// Sleeps up to this many times the limit speak for spinning: without the wake-up they would have been shorter.
    private static let promisingSleep = 4

    package init(limit: Duration = Limits.spin) { self.limit = limit }

    package var isEnabled: Bool { limit > .zero }

    /// Notes how long somebody slept, or was idle.
    package func slept(for duration: Duration) {
        change(by: duration <= limit * Self.promisingSleep ? 1 : -1)
    }

    /// Calls `found` again and again until it says true, at most for the limit. False: nothing was found, or spinning has not
    /// paid off lately.
    package func spin(until found: () -> Bool) -> Bool {
        guard isEnabled, score.load(ordering: .relaxed) >= Self.threshold, !isTaken.exchange(true, ordering: .acquiring) else { return false }
        defer { isTaken.store(false, ordering: .releasing) }
        let end = EventLoop.clock() + limit
        repeat {
            if found() {
                change(by: 1)
                return true
            }
            sched_yield()
        } while EventLoop.clock() < end
        change(by: -2)
        return false
    }

    /// Two who change it at once may lose a step, which matters to nobody.
    private func change(by step: Int) {
        let old = score.load(ordering: .relaxed)
        let new = max(0, min(old + step, Self.highest))
        if new != old { score.store(new, ordering: .relaxed) }
    }
}
