// DistributedQueue: a first-in, first-out queue that any process of the cluster may put into and take from; it lives in an actor.
//
// Always: an element that was put is taken once, in the order of putting; at most `capacity` wait; whoever waits is served in the order of coming. A taker
// whose time is over takes nothing; one that is cancelled in the very moment it is served loses its element.

public import MantaModel
import MantaWire

/// Why an element could not be put or taken.
public enum QueueError: Error, Hashable, Sendable, Codable {
    /// There was no room, also not within the given time.
    case full(capacity: Int)
    /// There was no element, also not within the given time.
    case empty
}

/// A queue for the whole cluster. Copies, also those that travel to other processes, are the same queue.
///
/// ```swift
/// let queue = try DistributedQueue<Job>(capacity: 100)
/// try await queue.put(job)
/// let next = try await queue.take(timeout: .seconds(1))
/// ```
public struct DistributedQueue<Element: Codable & Sendable>: Codable, Hashable, Sendable {
    private let actor: QueueActor.Handle

    /// Makes a queue.
    ///
    /// - Parameters:
    ///   - capacity: how many elements may wait; 0, the default, is without limit.
    ///   - name: by which other programs find it with `named`, see `RemoteActor.options`.
    ///   - namespace: of the name; the session's by default.
    ///   - lifetime: until the job ends, or detached.
    ///   - getIfExists: take the queue with this name if there is one; its capacity stays as it is.
    /// - Throws: `invalidArgument` when the capacity is negative.
    public init(
        capacity: Int = 0, name: String? = nil, namespace: String? = nil, lifetime: ActorLifetime = .job, getIfExists: Bool = false
    ) throws(MantaError) {
        guard capacity >= 0 else { throw MantaError(.invalidArgument, "the capacity of a queue is \(capacity); expected 0 (without limit) or more") }
        actor = QueueActor.options(name: name, namespace: namespace, lifetime: lifetime, getIfExists: getIfExists).remote(capacity: capacity)
    }

    private init(_ actor: QueueActor.Handle) { self.actor = actor }

    /// The queue with a name.
    public static func named(_ name: String, namespace: String? = nil) async throws -> DistributedQueue {
        DistributedQueue(try await QueueActor.named(name, namespace: namespace))
    }

    /// Adds an element at the end, when there is room.
    ///
    /// - Parameter timeout: how long to wait for room; without end by default, zero not at all.
    /// - Throws: `QueueError.full`; `invalidArgument` for a negative time.
    public func put(_ element: Element, timeout: Duration? = nil) async throws {
        try await put(all: [element], timeout: timeout)
    }

    /// Adds elements at the end, all or none, when there is room for all.
    public func put(all elements: [Element], timeout: Duration? = nil) async throws {
        try check(timeout)
        var encoded: [[UInt8]] = []
        for element in elements { encoded.append(try ValueEncoder.bytes(element)) }
        let call = actor.put(encoded, wait: timeout.map(nanoseconds))
        try await withTaskCancellationHandler { try await call.value } onCancel: { call.cancel() }
    }

    /// Takes the first element.
    ///
    /// - Parameter timeout: how long to wait for one; without end by default, zero not at all.
    /// - Throws: `QueueError.empty`; `invalidArgument` for a negative time.
    public func take(timeout: Duration? = nil) async throws -> Element {
        try check(timeout)
        let call = actor.take(wait: timeout.map(nanoseconds))
        let bytes = try await withTaskCancellationHandler { try await call.value } onCancel: { call.cancel() }
        return try ValueDecoder.decode(Element.self, from: bytes)
    }

    /// How many elements wait.
    public var count: Int { get async throws { try await actor.count().value } }
    public var isEmpty: Bool { get async throws { try await count == 0 } }

    /// Ends the queue; what waits in it is gone.
    public func end() async throws { try await Manta.kill(actor) }

    private func check(_ timeout: Duration?) throws(MantaError) {
        guard let timeout, timeout < .zero else { return }
        throw MantaError(.invalidArgument, "timeout is \(timeout); expected zero or more")
    }

    private func nanoseconds(_ duration: Duration) -> Int64 { duration.inNanoseconds }
}

/// Where a queue's elements are, encoded.
@RemoteActor(cpus: 0, maxConcurrency: 100_000) actor QueueActor {
    private struct Putter {
        var number: UInt64
        var elements: [[UInt8]]
        var continuation: CheckedContinuation<Bool, Never>
    }
    private struct Taker {
        var number: UInt64
        var continuation: CheckedContinuation<[UInt8]?, Never>
    }

    private let capacity: Int
    private var elements: [[UInt8]] = []
    /// Elements before this one were taken.
    private var head = 0
    private var putters: [Putter] = []
    private var takers: [Taker] = []
    private var last: UInt64 = 0

    init(capacity: Int) { self.capacity = capacity }

    func count() -> Int { elements.count - head }

    func put(_ added: [[UInt8]], wait: Int64?) async throws {
        guard capacity == 0 || added.count <= capacity else { throw QueueError.full(capacity: capacity) }
        if putters.isEmpty, hasRoom(for: added.count) { return append(added) }
        if wait == 0 { throw QueueError.full(capacity: capacity) }
        last += 1
        let number = last
        let timer = timer(wait) { await self.giveUp(number) }
        defer { timer?.cancel() }
        let isDone = await withTaskCancellationHandler {
            await withCheckedContinuation { putters.append(Putter(number: number, elements: added, continuation: $0)) }
        } onCancel: {
            Task { await self.giveUp(number) }
        }
        if !isDone { throw QueueError.full(capacity: capacity) }
    }

    func take(wait: Int64?) async throws -> [UInt8] {
        if takers.isEmpty, let first = removeFirst() { return first }
        if wait == 0 { throw QueueError.empty }
        last += 1
        let number = last
        let timer = timer(wait) { await self.giveUp(number) }
        defer { timer?.cancel() }
        let taken = await withTaskCancellationHandler {
            await withCheckedContinuation { takers.append(Taker(number: number, continuation: $0)) }
        } onCancel: {
            Task { await self.giveUp(number) }
        }
        guard let taken else { throw QueueError.empty }
        return taken
    }

    private func timer(_ wait: Int64?, _ body: @escaping @Sendable () async -> Void) -> Task<Void, Never>? {
        wait.map { wait in
            Task {
                guard (try? await Task.sleep(for: .nanoseconds(wait))) != nil else { return }
                await body()
            }
        }
    }

    /// Whoever waits under this number waits no longer.
    private func giveUp(_ number: UInt64) {
        if let index = takers.firstIndex(where: { $0.number == number }) { takers.remove(at: index).continuation.resume(returning: nil) }
        if let index = putters.firstIndex(where: { $0.number == number }) {
            putters.remove(at: index).continuation.resume(returning: false)
            // Those behind it may have waited for it alone.
            admitPutters()
        }
    }

    private func hasRoom(for count: Int) -> Bool { capacity == 0 || self.count() + count <= capacity }

    private func append(_ added: [[UInt8]]) {
        var added = added[...]
        while !takers.isEmpty, let element = added.popFirst() { takers.removeFirst().continuation.resume(returning: element) }
        elements += added
    }

    private func removeFirst() -> [UInt8]? {
        guard head < elements.count else { return nil }
        let element = elements[head]
        elements[head] = []
        head += 1
        if head > 64, head * 2 > elements.count {
            elements.removeFirst(head)
            head = 0
        }
        admitPutters()
        return element
    }

    /// Takes what those in front have brought, as long as there is room.
    private func admitPutters() {
        while let putter = putters.first, hasRoom(for: putter.elements.count) {
            putters.removeFirst()
            append(putter.elements)
            putter.continuation.resume(returning: true)
        }
    }
}
