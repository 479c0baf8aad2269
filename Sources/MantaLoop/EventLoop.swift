// EventLoop: one thread that waits in epoll for descriptors, timers and work from other threads, and a Swift executor for the actors pinned to it.
//
// It owns its epoll descriptor, its wake-up eventfd, its timers, its sources and two queues of work. What always holds:
// - Work runs in the order in which each thread handed it over, and never on another thread.
// - A turn is: work (at most 256 pieces), flush of every source, wait, descriptors, timers, turn of every source. What a turn produced has therefore
//   left before the loop sleeps, and everything that one wait brought leaves together.
// - The eventfd is written only when the loop has announced that it sleeps.
// - A turn allocates nothing.

import CSystem
package import MantaModel
import DequeModule
import Glibc
import Synchronization

/// A piece of work: a job of the Swift runtime, or a closure.
enum Work: Sendable {
    case job(UnownedJob)
    case body(@Sendable () -> Void)
}

/// One thread's event loop. State that belongs to it is touched on its thread only, or before it runs.
///
/// `@unchecked Sendable`: everything mutable is confined to the loop's thread, which debug builds assert; `remote` has a lock, `phase`, `sleeping` and
/// `hasRemote` are atomic.
package final class EventLoop: SerialExecutor, TaskExecutor, @unchecked Sendable {
    package let name: String

    private let epoll: Int32
    private let wakeUp: Int32
    private var events: UnsafeMutablePointer<epoll_event>
    private static let eventCapacity = 256
    /// So many pieces of work, then descriptors get their chance.
    private static let workPerTurn = 256

    private var work = Deque<Work>(minimumCapacity: 1024)
    /// What other threads handed over; swapped with `spare` so that neither is allocated again.
    private let remote = Mutex<[Work]>([])
    private var spare: [Work] = []
    private let hasRemote = Atomic<Bool>(false)
    private let sleeping = Atomic<Bool>(false)
    private let phase = Atomic<Phase>(.ready)

    var descriptors = DescriptorTable()
    private var timers = TimerTable()
    private var sources: [any LoopSource] = []
    /// Whose ends are awaited here.
    var watchedProcesses: Set<Int32> = []
    private let spinner: Spinner
    private let thread = Mutex<pthread_t?>(nil)

    /// The monotonic clock, read once in each turn, after the wait.
    package private(set) var now: Instant

    enum Phase: UInt8, AtomicRepresentable { case ready, running, stopping, stopped }

    /// - Parameters:
    ///   - name: For debuggers and error texts; the kernel shows 15 bytes of it.
    ///   - spinning: How long to look for new work before a sleep, at most, when that has paid off lately. Zero, the default, never spins.
    package init(name: String, spinning: Duration = .zero) {
        self.name = name
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        wakeUp = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        // Without these two descriptors a process can do nothing at all.
        precondition(epoll >= 0 && wakeUp >= 0, "the event loop \(name) gets no descriptors: raise the limit of open files (ulimit -n)")
        events = .allocate(capacity: Self.eventCapacity)
        spinner = Spinner(limit: spinning)
        now = Self.clock()
        var event = epoll_event()
        event.events = EPOLLIN.rawValue
        event.data.u64 = DescriptorTable.wakeUpMark
        let failed = epoll_ctl(epoll, EPOLL_CTL_ADD, wakeUp, &event) != 0
        precondition(!failed, "the event loop \(name) cannot watch its wake-up descriptor")
    }

    deinit {
        // Nobody waited for it; it has ended, or is this one.
        if let thread = thread.withLock({ $0.take() }) { pthread_detach(thread) }
        close(epoll)
        close(wakeUp)
        events.deallocate()
    }

    /// The monotonic clock, read now.
    package static func clock() -> Instant { Instant(nanoseconds: manta_monotonic_nanoseconds()) }

    // MARK: Where am I

    /// The loop that runs on this thread.
    package static var current: EventLoop? {
        manta_current_loop().map { Unmanaged<EventLoop>.fromOpaque($0).takeUnretainedValue() }
    }

    /// Whether the caller is on this loop's thread.
    @inline(__always)
    package var isCurrent: Bool { manta_current_loop() == Unmanaged.passUnretained(self).toOpaque() }

    /// In debug builds: stops when the caller is neither on this loop's thread nor earlier (or later) than its life.
    @inline(__always)
    package func assertOnLoop(_ file: StaticString = #fileID, _ line: UInt = #line) {
        assert(isCurrent || !isRunning, "the event loop \(name)'s state is touched from another thread", file: file, line: line)
    }

    private var isRunning: Bool {
        let phase = phase.load(ordering: .acquiring)
        return phase == .running || phase == .stopping
    }

    package func checkIsolated() { precondition(isCurrent, "not on the event loop \(name)") }
    package func isIsolatingCurrentContext() -> Bool? { isCurrent }
    package func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    // MARK: Handing work over

    package func enqueue(_ job: consuming ExecutorJob) { hand(over: .job(UnownedJob(job))) }

    /// Runs `body` on the loop, behind everything that this thread handed over before. From any thread. Work handed to a loop that has stopped never runs.
    package func execute(_ body: @escaping @Sendable () -> Void) { hand(over: .body(body)) }

    /// Runs `body` on the loop soon, but not within the call; on the loop's thread only.
    package func later(_ body: @escaping () -> Void) {
        assertOnLoop()
        nonisolated(unsafe) let body = body  // stays on this thread
        hand(over: .body { body() })
    }

    /// Runs `body` on the loop and returns what it returns. From any thread.
    @discardableResult
    package func perform<T: Sendable, E: Error>(_ body: @escaping @Sendable () throws(E) -> T) async throws(E) -> T {
        if isCurrent { return try body() }
        let result: Result<T, E> = await withUnsafeContinuation { continuation in
            execute { continuation.resume(returning: Result(catching: body)) }
        }
        return try result.get()
    }

    private func hand(over piece: Work) {
        if isCurrent { return work.append(piece) }
        remote.withLock { queue in
            queue.append(piece)
            hasRemote.store(true, ordering: .releasing)
        }
        wake()
    }

    /// Ends the loop's sleep, if it sleeps.
    private func wake() {
        // The loop announces its sleep before it looks at `hasRemote` for the last time; the caller set that before it looks here. One of them sees the other.
        guard sleeping.exchange(false, ordering: .sequentiallyConsistent) else { return }
        _ = eventfd_write(wakeUp, 1)
    }

    // MARK: Life

    /// Runs the loop on the calling thread until `stop()`.
    package func run() {
        let (begun, found) = phase.compareExchange(expected: .ready, desired: .running, ordering: .acquiringAndReleasing)
        guard begun else {
            precondition(found == .stopping || found == .stopped, "the event loop \(name) runs already")
            return phase.store(.stopped, ordering: .releasing)
        }
        let outer = manta_current_loop()
        manta_set_current_loop(Unmanaged.passUnretained(self).toOpaque())
        now = Self.clock()
        while phase.load(ordering: .relaxed) == .running { turn() }
        // What was handed over before the end still runs and leaves, so that no task hangs on a loop that is gone.
        for _ in 0..<64 where !work.isEmpty || hasRemote.load(ordering: .acquiring) {
            runWork()
            for source in sources { source.flush() }
        }
        (descriptors, timers, sources) = (DescriptorTable(), TimerTable(), [])
        phase.store(.stopped, ordering: .releasing)
        manta_set_current_loop(outer)
    }

    /// Runs the loop on a thread of its own.
    package func start() {
        let unmanaged = Unmanaged.passRetained(self)
        thread.withLock { thread in
            precondition(thread == nil, "the event loop \(name) was started already")
            var created = pthread_t()
            let failure = pthread_create(
                &created, nil,
                { argument in
                    let loop = Unmanaged<EventLoop>.fromOpaque(argument!).takeRetainedValue()
                    manta_set_thread_name(loop.name)
                    loop.run()
                    return nil
                }, unmanaged.toOpaque())
            precondition(failure == 0, "no thread for the event loop \(name): \(String(cString: strerror(failure)))")
            thread = created
        }
    }

    /// Lets the loop end after the present turn. From any thread; a second call does nothing.
    package func stop() {
        let (exchanged, _) = phase.compareExchange(expected: .running, desired: .stopping, ordering: .acquiringAndReleasing)
        if !exchanged { _ = phase.compareExchange(expected: .ready, desired: .stopping, ordering: .acquiringAndReleasing) }
        if !isCurrent {
            sleeping.store(false, ordering: .sequentiallyConsistent)
            _ = eventfd_write(wakeUp, 1)
        }
    }

    /// Waits for the thread of `start()`. Not on the loop itself.
    package func join() {
        precondition(!isCurrent, "the event loop \(name) cannot wait for itself")
        let waited = thread.withLock { $0.take() }
        if let waited { pthread_join(waited, nil) }
    }

    // MARK: A turn

    private func turn() {
        runWork()
        for source in sources { source.flush() }
        dispatch(wait())
        while let body = timers.popDue(at: now) { body() }
        for source in sources { source.turn() }
    }

    private func runWork() {
        if hasRemote.load(ordering: .acquiring) { takeRemoteWork() }
        // Not more than there is now: work that adds work must not keep descriptors waiting.
        for _ in 0..<min(work.count, Self.workPerTurn) {
            switch work.removeFirst() {
            case .job(let job): job.runSynchronously(on: asUnownedSerialExecutor())
            case .body(let body): body()
            }
        }
    }

    private func takeRemoteWork() {
        remote.withLock { queue in
            swap(&queue, &spare)
            hasRemote.store(false, ordering: .relaxed)
        }
        work.append(contentsOf: spare)
        spare.removeAll(keepingCapacity: spare.count <= 65_536)
    }

    /// Waits until something happens, not at all when there is work. Answers the number of events.
    private func wait() -> Int32 {
        var mayRest = work.isEmpty
        for source in sources where source.prepare() { mayRest = false }
        // `prepare` may have handed work over.
        guard mayRest, work.isEmpty, !hasRemote.load(ordering: .acquiring) else { return collect(waiting: 0) }
        if !sources.contains(where: \.isBusy), spin() { return collect(waiting: 0) }
        let limit = restNanoseconds()
        sleeping.store(true, ordering: .sequentiallyConsistent)
        var isNeeded = hasRemote.load(ordering: .sequentiallyConsistent) || phase.load(ordering: .relaxed) != .running
        for source in sources where !source.announceSleep() { isNeeded = true }
        if isNeeded {
            sleeping.store(false, ordering: .relaxed)
            return collect(waiting: 0)
        }
        let before = spinner.isEnabled ? Self.clock() : .zero
        let count = collect(waiting: limit)
        sleeping.store(false, ordering: .relaxed)
        if spinner.isEnabled { spinner.slept(for: now - before) }
        return count
    }

    private func collect(waiting nanoseconds: Int64) -> Int32 {
        let count = manta_epoll_wait(epoll, events, Int32(Self.eventCapacity), nanoseconds)
        now = Self.clock()
        precondition(count >= 0, "the event loop \(name) cannot wait: \(String(cString: strerror(-count)))")
        return count
    }

    /// How long the loop may sleep; negative: for ever.
    private func restNanoseconds() -> Int64 {
        var limit = timers.next.map { max(0, $0.nanoseconds - Self.clock().nanoseconds) } ?? -1
        for source in sources {
            guard let timeout = source.timeout()?.inNanoseconds else { continue }
            limit = limit < 0 ? max(0, timeout) : min(limit, max(0, timeout))
        }
        return limit
    }

    /// Looks for work for some microseconds. Whether it found any.
    private func spin() -> Bool {
        var looks = 0
        return spinner.spin {
            if hasRemote.load(ordering: .acquiring) || sources.contains(where: \.hasNews) { return true }
            looks += 1
            // Descriptors cost a system call, and are looked at less often than memory.
            return looks % 4 == 0 && manta_epoll_wait(epoll, events, 1, 0) > 0
        }
    }

    private func dispatch(_ count: Int32) {
        for index in 0..<Int(count) {
            let event = events[index]
            if event.data.u64 == DescriptorTable.wakeUpMark {
                var value: eventfd_t = 0
                _ = eventfd_read(wakeUp, &value)
            } else {
                descriptors.handler(of: event.data.u64)?(Events(rawValue: event.events))
            }
        }
    }

    // MARK: Sources

    /// Adds something that takes part in every turn. The loop keeps it until it is removed.
    package func add(_ source: any LoopSource) {
        assertOnLoop()
        sources.append(source)
    }

    package func remove(_ source: any LoopSource) {
        assertOnLoop()
        sources.removeAll { $0 === source }
    }

    // MARK: Timers

    /// Runs `body` after a time, and again every `repeating` from then on, counted from when it was due.
    @discardableResult
    package func schedule(after delay: Duration, repeating period: Duration? = nil, _ body: @escaping () -> Void) -> TimerID {
        assertOnLoop()
        precondition(period.map { $0 > .zero } ?? true, "a repeating timer needs a period above zero")
        return timers.insert(at: Self.clock() + delay, repeating: period, body)
    }

    /// Forgets a timer; one that has fired or was cancelled before is no error.
    package func cancel(_ timer: TimerID) {
        assertOnLoop()
        timers.remove(timer)
    }

    // MARK: Descriptors

    /// Calls `handler` on the loop whenever the descriptor is ready (level-triggered). The descriptor stays the caller's: remove it before closing it.
    package func addDescriptor(_ descriptor: Int32, _ interest: Interest, handler: @escaping (Events) -> Void) throws(MantaError) -> DescriptorID {
        assertOnLoop()
        let id = descriptors.insert(descriptor, handler)
        do throws(MantaError) { try control(EPOLL_CTL_ADD, descriptor, interest, id) } catch {
            descriptors.remove(id)
            throw error
        }
        return id
    }

    package func modify(_ id: DescriptorID, _ interest: Interest) throws(MantaError) {
        assertOnLoop()
        guard let descriptor = descriptors.descriptor(of: id) else { return }
        try control(EPOLL_CTL_MOD, descriptor, interest, id)
    }

    /// No handler call comes after this, also not for events that were collected already.
    package func removeDescriptor(_ id: DescriptorID) {
        assertOnLoop()
        guard let descriptor = descriptors.remove(id) else { return }
        _ = epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, nil)
    }

    private func control(_ operation: Int32, _ descriptor: Int32, _ interest: Interest, _ id: DescriptorID) throws(MantaError) {
        var event = epoll_event()
        event.events = interest.rawValue
        event.data.u64 = id.mark
        guard epoll_ctl(epoll, operation, descriptor, &event) != 0 else { return }
        throw MantaError(.system, "the event loop \(name) cannot watch descriptor \(descriptor): \(String(cString: strerror(errno)))")
    }
}
