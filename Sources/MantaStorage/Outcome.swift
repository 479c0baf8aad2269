// Outcome: one result that one thread sets and another waits for.

import Glibc
import MantaModel
import Synchronization

/// Set once, waited for once.
final class Outcome: Sendable {
    private let error = Mutex<MantaError?>(nil)
    private let signal: Signal = Signal()

    func set(_ error: MantaError?) {
        self.error.withLock { $0 = error }
        signal.raise()
    }

    func wait() -> MantaError? {
        signal.wait()
        return error.withLock { $0 }
    }
}

/// A semaphore of the C library that lives as long as its last user.
/// Unchecked: the semaphore is made to be used by several threads, and the pointer never changes.
final class Signal: @unchecked Sendable {
    private let semaphore: UnsafeMutablePointer<sem_t>

    init() {
        semaphore = .allocate(capacity: 1)
        sem_init(semaphore, 0, 0)
    }
    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    func raise() { sem_post(semaphore) }

    func wait() {
        while sem_wait(semaphore) != 0 {}
    }

    /// Whether it was raised within `milliseconds`, by the wall clock (the monotonic variant is not importable): only for waits where a jump is harmless.
    func wait(milliseconds: Int) -> Bool {
        var deadline = timespec()
        clock_gettime(CLOCK_REALTIME, &deadline)
        deadline.tv_sec += milliseconds / 1000
        deadline.tv_nsec += (milliseconds % 1000) * 1_000_000
        if deadline.tv_nsec >= 1_000_000_000 {
            deadline.tv_sec += 1
            deadline.tv_nsec -= 1_000_000_000
        }
        while true {
            if sem_timedwait(semaphore, &deadline) == 0 { return true }
            if errno != EINTR { return false }
        }
    }
}
