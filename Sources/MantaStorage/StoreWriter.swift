// StoreWriter: the one thread that writes a store, and the queue it takes changes from.
//
// The thread takes everything that waits as one transaction. This is group commit without a timer: the group is what came while the disk was busy, so a
// lone change waits for nobody, and fsyncs stay few under load. A group is made as a whole or not at all, and each of its members hears the same. When
// nothing came for a while the thread folds the log into the file. It ends when the queue is closed and empty.

import Glibc
import MantaModel
import Synchronization

/// Changes on their way to the disk.
final class WriterQueue: Sendable {
    struct Request: Sendable {
        var changes: [StorageChange]
        var then: @Sendable (MantaError?) -> Void
    }
    private struct State {
        var requests: [Request] = []
        var isClosed = false
    }
    /// Requests that wait for the disk; more fail with `overloaded`.
    private static let limit = 100_000

    private let store: String
    private let state = Mutex(State())
    private let wake = Signal()
    private let ended = Signal()

    init(store: String) { self.store = store }

    /// Adds a request, or says why not.
    func append(_ request: Request) -> MantaError? {
        let refusal = state.withLock { state -> MantaError? in
            if state.isClosed { return MantaError(.unavailable, "the store \(store) is closed") }
            if state.requests.count >= Self.limit {
                return MantaError(.overloaded, "\(Self.limit) changes wait for the disk of the store \(store); try later")
            }
            state.requests.append(request)
            return nil
        }
        if refusal == nil { wake.raise() }
        return refusal
    }

    /// Refuses more requests and waits until the writer has ended.
    func close() {
        let isFirst = state.withLock { state in
            defer { state.isClosed = true }
            return !state.isClosed
        }
        guard isFirst else { return }
        wake.raise()
        ended.wait()
    }

    /// Everything that waits; nil once there is nothing and never will be.
    func take() -> [Request]? {
        state.withLock { state in
            if state.requests.isEmpty, state.isClosed { return nil }
            defer { state.requests = [] }
            return state.requests
        }
    }

    func waitForWork() { wake.wait() }
    /// Whether work came within the time.
    func waitForWork(milliseconds: Int) -> Bool { wake.wait(milliseconds: milliseconds) }
    func writerEnded() { ended.raise() }
}

/// The writer thread's life. It owns the connection and the lock and lets go of them at its end.
final class StoreWriter {
    /// How long nothing must come before the log is folded into the file.
    private static let idleMilliseconds = 1000

    private let connection: SQLiteConnection
    private let lock: StoreLock
    private let queue: WriterQueue

    init(connection: SQLiteConnection, lock: StoreLock, queue: WriterQueue) { (self.connection, self.lock, self.queue) = (connection, lock, queue) }

    func start() throws(MantaError) {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self)
        let code = pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<StoreWriter>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, context.toOpaque())
        guard code == 0 else {
            context.release()
            throw MantaError(.system, "the store's writer thread cannot be started: \(reason(code))")
        }
        pthread_detach(thread)
    }

    private func run() {
        var hasLog = false
        while true {
            if !hasLog {
                queue.waitForWork()
            } else if !queue.waitForWork(milliseconds: Self.idleMilliseconds) {
                fold()
                hasLog = false
                continue
            }
            guard let requests = queue.take() else { break }
            if requests.isEmpty { continue }
            let error = write(requests)
            hasLog = true
            for request in requests { request.then(error) }
        }
        fold()
        connection.close()
        lock.release()
        queue.writerEnded()
    }

    /// A failure costs nothing here: the log stays and is folded later.
    private func fold() { try? connection.execute("PRAGMA wal_checkpoint(TRUNCATE)") }

    private func write(_ requests: [WriterQueue.Request]) -> MantaError? {
        do {
            try connection.commit(requests.map(\.changes))
            return nil
        } catch {
            return error
        }
    }
}
