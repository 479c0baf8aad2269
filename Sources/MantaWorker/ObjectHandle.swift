// ObjectHandle: this process's hold on one object, whoever owns it: pending, ready or failed.
//
// It becomes ready or failed once and stays so. Everyone who waits is resumed exactly once, outside the lock. When the last copy is released, its
// keeper is told, and only then may the object's value go.

import MantaLoop
package import MantaModel
package import MantaWire
import Synchronization

/// The part of a runtime that looks after handles; called from any thread, and must not block.
package protocol HandleKeeper: AnyObject, Sendable {
    /// The process whose handles they are.
    var address: ProcessAddress { get }
    /// No copy of the handle is left in this process; its memory is there until this returns.
    func handleWasReleased(_ handle: ReleasedHandle)
    /// A reference to an object of this process is about to be written into a value; told once. Who reads it here is to get this handle.
    func handleIsLent(_ handle: ObjectHandle)
    /// The object failed, and no copy of its handle in this process was ever asked what became of it.
    func failureWasUnseen(_ id: ObjectID, owner: ProcessAddress, _ error: any Error)
    /// Somebody waits for the value of a handle made with `fetchesOnDemand`; told once.
    func handleIsWanted(_ handle: ObjectHandle)
    /// The bytes of a stored object, when they are in this machine's memory and can be read at once.
    func view(_ place: StoredPlace) -> ValueBytes?
    /// Its bytes wherever they are, brought here first if they must be. With `lending` a running task gives its resources back when that takes long.
    func open(_ handle: ObjectHandle, _ place: StoredPlace, lending: Bool) async throws -> ValueBytes
    /// Brings the object to this machine, and tells when it is there or cannot be had. Patiently: when there is no room for it, it waits for some as long as
    /// somebody wants it; else that too is the end.
    func bring(_ handle: ObjectHandle, _ place: StoredPlace, patiently: Bool, _ waiter: BringWaiter)
}

extension HandleKeeper {
    package func handleIsLent(_ handle: ObjectHandle) {}
    package func failureWasUnseen(_ id: ObjectID, owner: ProcessAddress, _ error: any Error) {}
    package func view(_ place: StoredPlace) -> ValueBytes? { nil }
    package func bring(_ handle: ObjectHandle, _ place: StoredPlace, patiently: Bool, _ waiter: BringWaiter) { waiter.done() }
    package func open(_ handle: ObjectHandle, _ place: StoredPlace, lending: Bool) async throws -> ValueBytes {
        throw MantaError(.objectLost, "object \(handle.id) lies in a store that this process has not opened")
    }
}

/// A handle that ends.
package struct ReleasedHandle: Sendable {
    package let id: ObjectID
    /// Where it lies in memory, by which tables know it.
    let memory: UInt
    package let isBorrowed: Bool
    /// References to it were written into values.
    package let wasLent: Bool
}

/// Whose objects they are, for all the handles that were made at once: a list of references has thousands.
package final class ObjectOwner: Sendable {
    let address: ProcessAddress
    /// When it is no cluster's runtime.
    let keeper: (any HandleKeeper)?
    init(_ address: ProcessAddress, _ keeper: (any HandleKeeper)? = nil) { (self.address, self.keeper) = (address, keeper) }
}

/// Programs hold millions of them: what few need lies in a box of its own.
package final class ObjectHandle: Sendable {
    package let id: ObjectID
    /// It was made from an encoded reference; its value is the owner's.
    package let isBorrowed: Bool
    /// It is for the time of a task or call only, whose submitter holds the object: nobody counts it.
    private let isLent: Bool
    /// The result of a call that an actor which runs its calls one by one made to itself: while the call that made it runs, it cannot come.
    private let isOfOwnActor: Bool
    /// The keeper, when it is the cluster's runtime: retained by `init`, released by `deinit`. Handles are made and released by the hundred thousand a second,
    /// and with each further copy of a reference to it all threads would write to its one count of references.
    private let runtime: Unmanaged<Runtime>?
    /// Nil: the object is the runtime's process's.
    private let origin: ObjectOwner?
    /// When it is the object of the end of a stream.
    package let stream: StreamHandle?
    private let state: Mutex<State>
    /// Whether there is an outcome, for those who only ask that: set under the lock, read without.
    private let hasOutcome: Atomic<Bool>
    /// It has failed once.
    private let hasFailed = Atomic<Bool>(false)
    /// A reference to it was written into some value.
    private let wasLent = Atomic<Bool>(false)
    /// Looks for an outcome that comes at once, before whoever waits is suspended: resuming wakes a thread. One for the process.
    private static let spinner = Spinner()

    private struct State: Sendable {
        var outcome: Outcome?
        /// Nil when nobody has ever waited.
        var queue: Queue?
        /// The keeper must be told of the first one who waits.
        var announces: Bool
        /// Somebody asked for the value or waited for it.
        var isSeen = false
    }

    /// Those who wait, and what else few objects have; guarded by the lock of the state that it belongs to.
    private final class Queue: Sendable {
        nonisolated(unsafe) var waiters: [Waiter] = []
        /// Where the value was last read on this machine, when that is not where it lies first.
        nonisolated(unsafe) var copy: StoredPlace?
        nonisolated(unsafe) var nextToken: UInt64 = 0
        /// Where user code threw what the object failed with.
        nonisolated(unsafe) var report: TaskError?
    }

    private struct Waiter {
        var token: UInt64
        var resume: Resumption
    }

    private enum Resumption {
        case continuation(UnsafeContinuation<Outcome, any Error>)
        case callback(@Sendable (ObjectHandle) -> Void)
    }

    /// What became of the object.
    package enum Outcome: Sendable {
        case ready(ValueBytes)
        /// In the store of a node.
        indirect case stored(StoredPlace)
        case failed(any Error)
    }

    /// A handle of an object that is not there yet. With `fetchesOnDemand` the keeper hears of the first one who waits.
    package init(
        id: ObjectID, owner: ProcessAddress, keeper: (any HandleKeeper)?, fetchesOnDemand: Bool = false, isLent: Bool = false, stream: StreamHandle? = nil
    ) {
        (self.id, isOfOwnActor, self.stream) = (id, false, stream)
        (runtime, origin) = Self.place(owner, keeper)
        (isBorrowed, self.isLent) = (fetchesOnDemand, isLent)
        state = Mutex(State(announces: fetchesOnDemand))
        hasOutcome = Atomic(false)
    }

    /// A handle of an object of the runtime's process, which is not there yet.
    init(_ id: ObjectID, of runtime: Runtime, isOfOwnActor: Bool = false, stream: StreamHandle? = nil) {
        (self.id, self.isOfOwnActor, self.stream) = (id, isOfOwnActor, stream)
        self.runtime = Unmanaged.passRetained(runtime)
        (origin, isBorrowed, isLent) = (nil, false, false)
        state = Mutex(State(announces: false))
        hasOutcome = Atomic(false)
    }

    /// A handle that was made from an encoded reference. The keeper hears of the first one who waits.
    init(borrowed id: ObjectID, from owner: ObjectOwner, keeper: any HandleKeeper) {
        (self.id, isOfOwnActor, stream, isBorrowed, isLent) = (id, false, nil, true, false)
        runtime = (keeper as? Runtime).map(Unmanaged.passRetained)
        origin = runtime == nil ? ObjectOwner(owner.address, keeper) : owner
        state = Mutex(State(announces: true))
        hasOutcome = Atomic(false)
    }

    /// A handle whose outcome is known.
    package init(id: ObjectID, owner: ProcessAddress, keeper: (any HandleKeeper)?, isLent: Bool = false, outcome: Outcome) {
        (self.id, self.isLent, isOfOwnActor, stream, isBorrowed) = (id, isLent, false, nil, false)
        (runtime, origin) = Self.place(owner, keeper)
        state = Mutex(State(outcome: outcome, announces: false))
        hasOutcome = Atomic(true)
        if case .failed = outcome { hasFailed.store(true, ordering: .relaxed) }
    }

    deinit {
        if !isLent {
            if let error = unseenFailure { keeper?.failureWasUnseen(id, owner: owner, error) }
            let released = ReleasedHandle(
                id: id, memory: UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque()), isBorrowed: isBorrowed, wasLent: wasLent.load(ordering: .relaxed))
            if let runtime {
                runtime._withUnsafeGuaranteedRef { $0.handleWasReleased(released) }
            } else {
                origin?.keeper?.handleWasReleased(released)
            }
        }
        runtime?.release()
    }

    private static func place(_ owner: ProcessAddress, _ keeper: (any HandleKeeper)?) -> (Unmanaged<Runtime>?, ObjectOwner?) {
        guard let runtime = keeper as? Runtime else { return (nil, ObjectOwner(owner, keeper)) }
        return (Unmanaged.passRetained(runtime), runtime.address.process == owner.process ? nil : ObjectOwner(owner))
    }

    private var keeper: (any HandleKeeper)? { runtime?.takeUnretainedValue() ?? origin?.keeper }

    /// What it failed with, when nobody has asked.
    private var unseenFailure: (any Error)? {
        guard hasFailed.load(ordering: .relaxed) else { return nil }
        return state.withLock { state in
            guard !state.isSeen, case .failed(let error) = state.outcome else { return nil }
            return error
        }
    }

    package var owner: ProcessAddress {
        if let origin { return origin.address }
        guard let runtime else { preconditionFailure("a handle without a runtime says whose its object is") }
        return runtime._withUnsafeGuaranteedRef { $0.address }
    }

    /// Whether the object is the runtime's, and the handle was made with it, not from an encoded reference.
    func isOwn(of runtime: Runtime) -> Bool {
        !isBorrowed && origin == nil && self.runtime?.toOpaque() == Unmanaged.passUnretained(runtime).toOpaque()
    }

    /// Of the end of a stream: a handle of the item with this index, from 0, which has not come yet.
    package func item(_ index: Int) -> ObjectHandle {
        ObjectHandle(id: ObjectID(task: id.task, index: UInt32(clamping: index + 1)), owner: owner, keeper: keeper)
    }

    /// Whether somebody is told of its end.
    var isKept: Bool { runtime != nil || origin?.keeper != nil }

    /// The outcome, if it is known.
    package var outcome: Outcome? { state.withLock { $0.outcome } }

    package var isSettled: Bool { hasOutcome.load(ordering: .acquiring) }

    // MARK: Settling, by the runtime

    /// Sets the value; does nothing when the handle is settled already.
    package func fulfill(_ bytes: [UInt8]) { settle(.ready(.array(bytes))) }

    /// Sets the place of the value; does nothing when the handle is settled already.
    package func fulfill(_ place: StoredPlace) { settle(.stored(place)) }

    /// Sets the failure, and where user code threw it; does nothing when the handle is settled already.
    package func fail(_ error: any Error, _ report: TaskError? = nil) { settle(.failed(error), report) }

    /// Where user code threw what the object failed with; nil when it did not, or is not known.
    package var report: TaskError? { state.withLock { $0.queue?.report } }

    func settle(_ outcome: Outcome, _ report: TaskError? = nil) {
        let waiters = state.withLock { state -> [Waiter] in
            guard state.outcome == nil else { return [] }
            if let report {
                state.queue = state.queue ?? Queue()
                state.queue?.report = report
            }
            state.outcome = outcome
            if case .failed = outcome { hasFailed.store(true, ordering: .relaxed) }
            hasOutcome.store(true, ordering: .releasing)
            guard let queue = state.queue else { return [] }
            defer { queue.waiters = [] }
            return queue.waiters
        }
        if let stream {
            if case .failed(let error) = outcome { stream.finish(self, error) } else { stream.finish(self, nil) }
        }
        for waiter in waiters {
            switch waiter.resume {
            case .callback(let callback): callback(self)
            case .continuation(let continuation):
                continuation.resume(returning: outcome)
            }
        }
    }

    // MARK: Waiting

    /// The encoded value: at once when it is there, else when it comes. Throws the object's failure, or `CancellationError` when the waiting task
    /// is cancelled first. With `lending` a remote task that must wait gives its resources back meanwhile.
    package func bytes(lending: Bool = true) async throws -> ValueBytes {
        if let outcome = seenOutcome { return try await bytes(of: outcome, lending: lending) }
        if Self.spinner.spin(until: { isSettled }), let outcome = seenOutcome { return try await bytes(of: outcome, lending: lending) }
        let start = EventLoop.clock()
        defer {
            let end = EventLoop.clock()
            Self.spinner.slept(for: end - start)
            if end - start >= Limits.shortestSpan { runtime?._withUnsafeGuaranteedRef { $0.note(.get, named: nil, since: start, to: end) } }
        }
        let context = TaskContext.current
        if let context { try refuseToWaitForOneself(context) }
        let outcome = lending ? try await Self.blocking { try await suspended(in: context, since: start) } : try await suspended()
        return try await bytes(of: outcome, lending: lending)
    }

    /// Waits as a running remote task does: without the resources it holds.
    private static func blocking<Value>(_ body: () async throws -> Value) async throws -> Value {
        guard let context = TaskContext.current else { return try await body() }
        context.willBlock()
        let result: Result<Value, any Error>
        do { result = .success(try await body()) } catch { result = .failure(error) }
        try await context.didUnblock()
        return try result.get()
    }

    private func bytes(of outcome: Outcome, lending: Bool) async throws -> ValueBytes {
        switch outcome {
        case .ready(let bytes): return bytes
        case .failed(let error): throw error
        case .stored(let place):
            if let view = view(place) { return view }
            guard let keeper else { throw MantaError(.objectLost, "object \(id) lies in a store that this process has not opened") }
            return try await keeper.open(self, place, lending: lending)
        }
    }

    /// Throws `conflict` when a task would wait for its own result, or the running call of an actor for another call of the same actor, which waits for it to end.
    package func refuseToWaitForOneself(_ context: TaskContext) throws(MantaError) {
        if id.task == context.task, !isSettled { throw MantaError(.conflict, "\(context.title) waits for its own result, which is there when it has ended: do not wait for it") }
        guard isOfOwnActor, context.runsAlone, !isSettled else { return }
        throw MantaError(
            .conflict,
            "\(context.title) waits for a call of its own actor, which runs its calls one by one and would begin that one only after this one: call the method directly, do not wait, or allow more calls at once with maxConcurrency")
    }

    /// The value, decoded.
    package func value<Value>(lending: Bool = true, _ decode: (ValueBytes) throws -> Value) async throws -> Value {
        if let bytes = bytesAtHand { return try decode(bytes) }
        return try decode(try await bytes(lending: lending))
    }

    /// The encoded value, when it is there and in this process's own memory: most often, and then nobody need be suspended.
    package var bytesAtHand: ValueBytes? {
        guard isSettled, case .ready(let bytes)? = seenOutcome else { return nil }
        return bytes
    }

    /// What it failed with, for somebody who is told: whoever gets it as his own failure has seen it.
    package var passedOnFailure: (any Error)? {
        state.withLock { state in
            guard case .failed(let error)? = state.outcome else { return nil }
            state.isSeen = true
            return error
        }
    }

    private var seenOutcome: Outcome? {
        state.withLock { state in
            if state.outcome != nil { state.isSeen = true }
            return state.outcome
        }
    }

    // MARK: Being passed on

    package var address: ObjectAddress { ObjectAddress(object: id, owner: owner) }

    /// A reference is about to be written into a value.
    package func lend() {
        guard !isBorrowed, !isLent, !wasLent.load(ordering: .relaxed), !wasLent.exchange(true, ordering: .relaxed) else { return }
        keeper?.handleIsLent(self)
    }

    // MARK: Recovery, by the owner

    /// The value is in another store than it was.
    func move(to place: StoredPlace) { change(to: .stored(place)) }

    /// The value is gone from the stores, for good.
    func lose(_ error: MantaError) { change(to: .failed(error)) }

    /// The value is given up, wherever it is. False: there is none.
    package func free(_ error: MantaError) -> Bool {
        state.withLock { state in
            switch state.outcome {
            case .ready, .stored: state.outcome = .failed(error)
            case .failed, nil: return false
            }
            // It was somebody's wish.
            state.isSeen = true
            return true
        }
    }

    /// The value is gone from the stores and is made again: who reads waits.
    func unsettle() { change(to: nil) }

    private func change(to outcome: Outcome?) {
        state.withLock { state in
            guard case .stored = state.outcome else { return }
            state.outcome = outcome
            if case .failed? = outcome { hasFailed.store(true, ordering: .relaxed) }
            hasOutcome.store(outcome != nil, ordering: .releasing)
        }
    }

    /// - Parameter context: of the code that waits without a time limit.
    private func suspended(in context: TaskContext? = nil, since start: Instant = .zero) async throws -> Outcome {
        let token = nextToken()
        let noted = context.map { OpenWaits.ofThisProcess.begin($0, on: self, token, at: start) }
        defer { if let noted { OpenWaits.ofThisProcess.end(noted) } }
        return try await withTaskCancellationHandler {
            try await withUnsafeThrowingContinuation { continuation in
                if Task.isCancelled { return continuation.resume(throwing: CancellationError()) }
                wait(Waiter(token: token, resume: .continuation(continuation)))
                // The handler may have run before the waiter was there to be found.
                if Task.isCancelled { cancelWaiter(token) }
            }
        } onCancel: {
            cancelWaiter(token)
        }
    }

    /// Calls back once when the handle is settled, at once if it is; on the thread that settles it, so the callback must be short.
    /// Returns a token for `forget`.
    @discardableResult
    package func onReady(_ callback: @escaping @Sendable (ObjectHandle) -> Void) -> UInt64 {
        let token = nextToken()
        wait(Waiter(token: token, resume: .callback(callback)))
        return token
    }

    /// Settled, and what lies in a store can be read on this machine at once.
    package var isHere: Bool {
        guard isSettled, case .stored(let place)? = outcome else { return isSettled }
        return view(place) != nil
    }

    /// A copy of the value that this machine's processes can read, in memory of their node's store.
    func found(at place: StoredPlace) {
        state.withLock { state in
            if state.queue == nil { state.queue = Queue() }
            state.queue?.copy = place
        }
    }

    private func view(_ place: StoredPlace) -> ValueBytes? {
        guard let keeper else { return nil }
        if let view = keeper.view(place) { return view }
        guard let copy = state.withLock({ $0.queue?.copy }) else { return nil }
        return keeper.view(copy)
    }

    /// Calls back once when the handle is settled and its value is on this machine, or cannot be had; brings it here if need be.
    /// - Parameters:
    ///   - patiently: what this machine has no room for waits for some; else it cannot be had then.
    ///   - isWanted: whether the callback is of use still.
    @discardableResult
    package func onHere(patiently: Bool, isWanted: @escaping @Sendable () -> Bool, _ callback: @escaping @Sendable () -> Void) -> UInt64 {
        onReady { handle in
            guard case .stored(let place)? = handle.outcome, let keeper = handle.keeper, handle.view(place) == nil else { return callback() }
            keeper.bring(handle, place, patiently: patiently, BringWaiter(isWanted: isWanted, done: callback))
        }
    }

    /// Drops a callback that was not called yet.
    package func forget(_ token: UInt64) {
        state.withLock { state in state.queue?.waiters.removeAll { $0.token == token } }
    }

    /// Lets the keeper fetch the value although nobody waits yet.
    package func prefetch() {
        let announces = state.withLock { state in
            guard state.outcome == nil else { return false }
            defer { state.announces = false }
            return state.announces
        }
        if announces { keeper?.handleIsWanted(self) }
    }

    private func nextToken() -> UInt64 {
        state.withLock { state in
            let queue = state.queue ?? Queue()
            state.queue = queue
            queue.nextToken += 1
            return queue.nextToken
        }
    }

    private func wait(_ waiter: Waiter) {
        let (outcome, announces) = state.withLock { state -> (Outcome?, Bool) in
            state.isSeen = true
            if let outcome = state.outcome { return (outcome, false) }
            state.queue?.waiters.append(waiter)
            defer { state.announces = false }
            return (nil, state.announces)
        }
        if let outcome {
            switch waiter.resume {
            case .callback(let callback): callback(self)
            case .continuation(let continuation): continuation.resume(returning: outcome)
            }
        }
        if announces { keeper?.handleIsWanted(self) }
    }

    private func cancelWaiter(_ token: UInt64) { refuse(token, CancellationError()) }

    /// One who waits gets the error instead, if it still does.
    func refuse(_ token: UInt64, _ error: any Error) {
        let waiter = state.withLock { state -> Waiter? in
            guard let queue = state.queue, let index = queue.waiters.firstIndex(where: { $0.token == token }) else { return nil }
            return queue.waiters.remove(at: index)
        }
        if case .continuation(let continuation) = waiter?.resume { continuation.resume(throwing: error) }
    }
}
