// Manta on references: put a value, get values, wait for some, take results in the order they come.
//
// A failure of one object throws only where that object is read.

import MantaModel
import MantaWire
import MantaWorker

extension Manta {
    /// Refused: a reference is there already, and calls take it as it is. To pass one on unread, put an array of references.
    ///
    /// - Returns: A reference whose reading throws `invalidArgument`.
    public static func put<Value>(_ reference: ObjectReference<Value>) -> ObjectReference<ObjectReference<Value>> {
        ObjectReference(.failed("put", MantaError(.invalidArgument, "object \(reference.id) is a reference already; pass it as it is, or put [reference] to pass it on unread")))
    }

    /// Stores a value once, so that many calls can take it by reference.
    ///
    /// Returns at once; a value that cannot be encoded makes a reference whose reading throws.
    public static func put<Value: Codable>(_ value: Value) -> ObjectReference<Value> {
        guard let runtime = CurrentRuntime.get() else { return ObjectReference(.failed("put", CurrentRuntime.missing)) }
        do throws(MantaError) {
            return ObjectReference(runtime.put(try .encoding(value)))
        } catch {
            return ObjectReference(.failed("put", error))
        }
    }

    /// The values of all references, in their order.
    ///
    /// - Parameter timeout: how long it may take; without end by default, zero asks how it stands now.
    /// - Throws: the first failure in the order of the references; `MantaError` with the code `timeout`, or `invalidArgument` for a negative time.
    public static func get<Value: Decodable>(_ references: some Sequence<ObjectReference<Value>>, timeout: Duration? = nil) async throws -> [Value] {
        try checkTimeout(timeout)
        let references = Array(references)
        references.withHandles { handles in
            for handle in handles { handle.prefetch() }
        }
        if let timeout { try await settle(references.withHandles(Array.init), timeout: timeout) }
        // Who only looks keeps its resources, also when a value that was here has made room for another meanwhile.
        let isShort = timeout.map { $0 <= Limits.shortWait } ?? false
        var values: [Value] = []
        values.reserveCapacity(references.count)
        for reference in references {
            if let bytes = reference.handle.bytesAtHand {
                values.append(try ValueDecoder.decode(Value.self, from: bytes))
            } else {
                values.append(try await reference.value(lending: !isShort))
            }
        }
        return values
    }

    /// The values of references of different types, as a tuple: `let (n, text) = try await Manta.get(a, b)`.
    ///
    /// - Parameter timeout: how long it may take; without end by default, zero asks how it stands now.
    /// - Throws: the first failure in the order of the references; `MantaError` with the code `timeout`, or `invalidArgument` for a negative time.
    public static func get<each Value: Decodable>(_ references: repeat ObjectReference<each Value>, timeout: Duration? = nil) async throws -> (repeat each Value) {
        try checkTimeout(timeout)
        var handles: [ObjectHandle] = []
        for reference in repeat each references {
            reference.handle.prefetch()
            handles.append(reference.handle)
        }
        if let timeout { try await settle(handles, timeout: timeout) }
        return (repeat try await (each references).value)
    }

    /// Waits until `count` of the references are ready or have failed, or the time is over.
    ///
    /// - Parameters:
    ///   - count: at most as many as there are references; 1 by default.
    ///   - timeout: without end by default; zero asks how it stands now.
    ///   - fetch: a large value counts as ready only when it is on this machine, and is brought here, as soon as the object store has room for it; `false`
    ///     asks only whether it was made.
    /// - Returns: at most `count` that are ready, and all others, both in the order given; of no references, none.
    /// - Throws: `invalidArgument` when a reference is given twice, `count` is impossible or the time negative.
    public static func wait<Value>(
        _ references: some Sequence<ObjectReference<Value>>, count: Int = 1, timeout: Duration? = nil, fetch: Bool = true
    ) async throws -> (ready: [ObjectReference<Value>], pending: [ObjectReference<Value>]) {
        try checkTimeout(timeout)
        let references = Array(references)
        if references.isEmpty, count == 0 || count == 1 { return ([], []) }
        if references.withHandles(hasDuplicates) {
            throw MantaError(.invalidArgument, "wait was given the same reference more than once; give each one once")
        }
        guard count >= 0, count <= references.count else {
            throw MantaError(.invalidArgument, "wait was asked for \(count) of \(references.count) references; expected 0...\(references.count)")
        }
        var queue: CompletionQueue?
        if references.withHandles({ ready(count, of: $0, fetch).count < count }) {
            queue = CompletionQueue(references.withHandles(Array.init), fetching: fetch)
            try await queue?.wait(for: count, timeout: timeout)
        }
        return references.withHandles { handles in
            var ready = ready(count, of: handles, fetch)
            // What cannot be had counts as well: reading it says why.
            if ready.count < count, fetch, let settled = queue?.settled { ready = Array(settled.sorted().prefix(count)) }
            return (
                Array(count: ready.count) { target in
                    for (place, position) in ready.enumerated() { (target + place).initialize(to: handles[position]) }
                }, Array(count: handles.count - ready.count) { copy(handles, without: ready, to: $0) }
            )
        }
    }

    private static func checkTimeout(_ timeout: Duration?) throws(MantaError) {
        guard let timeout, timeout < .zero else { return }
        throw MantaError(.invalidArgument, "timeout is \(timeout); expected zero or more")
    }

    /// The positions of the first that are ready, at most `count`. Looks no further than it must.
    private static func ready(_ count: Int, of handles: UnsafeBufferPointer<ObjectHandle>, _ fetch: Bool) -> [Int] {
        var ready: [Int] = []
        for position in handles.indices {
            if ready.count == count { break }
            if fetch ? handles[position].isHere : handles[position].isSettled { ready.append(position) }
        }
        return ready
    }

    /// What lies between positions, in order.
    private static func copy(_ handles: UnsafeBufferPointer<ObjectHandle>, without positions: [Int], to target: UnsafeMutablePointer<ObjectHandle>) {
        var (target, start) = (target, 0)
        for end in positions + [handles.count] {
            if end > start { target.initialize(from: handles.baseAddress! + start, count: end - start) }
            (target, start) = (target + (end - start), end + 1)
        }
    }

    /// Whether a reference is there twice. Programs that wait for one of thousands ask it thousands of times, so it makes no set: positions go to a table
    /// twice as large, to the first free place from the one that their object's identifier hashes to.
    private static func hasDuplicates(_ handles: UnsafeBufferPointer<ObjectHandle>) -> Bool {
        guard handles.count > 1 else { return false }
        let capacity = 1 << (Int.bitWidth - (2 * handles.count - 1).leadingZeroBitCount)
        return withUnsafeTemporaryAllocation(of: Int32.self, capacity: capacity) { places in
            places.initialize(repeating: -1)
            for position in handles.indices {
                let id = handles[position].id
                var place = id._rawHashValue(seed: 0) & (capacity - 1)
                while places[place] >= 0 {
                    if handles[Int(places[place])].id == id { return true }
                    place = (place + 1) & (capacity - 1)
                }
                places[place] = Int32(truncatingIfNeeded: position)
            }
            return false
        }
    }

    /// The values in the order they become ready: `for try await value in Manta.results(references)`.
    ///
    /// The first failure is thrown and ends the sequence; use `finished` to go on behind failures.
    public static func results<Value: Decodable>(_ references: some Sequence<ObjectReference<Value>>) -> Results<Value> {
        Results(references: Array(references))
    }

    /// The references in the order they become ready or fail; reading each one's `value` then returns or throws at once.
    public static func finished<Value>(_ references: some Sequence<ObjectReference<Value>>) -> Finished<Value> {
        Finished(references: Array(references))
    }

    /// Returns when all are settled; throws `timeout` if that takes too long.
    private static func settle(_ handles: [ObjectHandle], timeout: Duration) async throws {
        let queue = CompletionQueue(handles, fetching: true, as: .get)
        try await queue.wait(for: handles.count, timeout: timeout)
        let pending = handles.count - queue.settled.count
        if pending > 0 {
            throw MantaError(.timeout, "\(pending) of \(handles.count) values were not ready within \(timeout); wait longer or see what their tasks do")
        }
    }

    /// The values of references in the order they become ready.
    public struct Results<Value: Decodable>: AsyncSequence {
        public typealias Element = Value
        public typealias Failure = any Error
        let references: [ObjectReference<Value>]

        public func makeAsyncIterator() -> Iterator { Iterator(finished: Finished(references: references).makeAsyncIterator()) }

        public struct Iterator: AsyncIteratorProtocol {
            var finished: Finished<Value>.Iterator
            public mutating func next() async throws -> Value? { try await finished.next()?.value }
            public mutating func next(isolation actor: isolated (any Actor)?) async throws -> Value? { try await finished.next(isolation: actor)?.value }
        }
    }

    /// References in the order they become ready or fail.
    public struct Finished<Value>: AsyncSequence {
        public typealias Element = ObjectReference<Value>
        public typealias Failure = any Error
        let references: [ObjectReference<Value>]

        public func makeAsyncIterator() -> Iterator { Iterator(references: references, queue: CompletionQueue(references.map(\.handle))) }

        public struct Iterator: AsyncIteratorProtocol {
            let references: [ObjectReference<Value>]
            let queue: CompletionQueue
            public mutating func next() async throws -> ObjectReference<Value>? { try await queue.next().map { references[$0] } }
            public mutating func next(isolation actor: isolated (any Actor)?) async throws -> ObjectReference<Value>? {
                try await queue.next().map { references[$0] }
            }
        }
    }
}
