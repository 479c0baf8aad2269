// ResultStream: what a remote function returns to deliver its results one after the other, while it runs; and what its caller gets.
//
// Each item is an object of its own. The function waits while its consumer is behind; it runs to its end when nobody consumes any more.

import MantaModel
import MantaWorker

/// The result of a remote function or method that makes many values over time.
///
/// ```swift
/// @Remote func pages(_ url: String) -> ResultStream<Page> {
///     ResultStream(maxPending: 10) { yield in
///         for try await page in crawl(url) { try await yield(page) }
///     }
/// }
/// for try await page in pages.remote(url) { print(try await page.value) }
/// ```
///
/// When the body throws, or its process dies without a retry left, the stream delivers one reference that fails with the error, and ends. A body that runs
/// again starts from its beginning; the consumer gets each item once, by its position.
public struct ResultStream<Element: Encodable & SendableMetatype>: Sendable {
    let maxPending: Int
    let body: @Sendable (Yield) async throws -> Void

    /// - Parameters:
    ///   - maxPending: how many items may wait for the consumer before the body does, at least 1; 100 by default.
    ///   - body: makes the items; runs on the worker, in an actor's method isolated to the actor.
    public init(maxPending: Int = 100, @_inheritActorContext _ body: @escaping @Sendable @isolated(any) (Yield) async throws -> Void) {
        self.maxPending = maxPending
        self.body = { try await body($0) }
    }

    /// Delivers items.
    public struct Yield: Sendable {
        let sink: any StreamSink
        let window: Int

        /// Sends an item to the consumer, waiting while that is behind.
        ///
        /// - Throws: `CancellationError` when the task is cancelled; `MantaError` with the code `ownerDied` when the consumer's process is gone.
        public func callAsFunction(_ item: Element) async throws { try await sink.send(.encoding(item), window: window) }
    }
}

/// The results of a streaming call: references, in the order the function makes them, each available while it still runs.
///
/// A stream is consumed once, by one loop at a time; copies share it. When no copy is left the function runs on to its end, and its items are dropped.
public struct ReferenceStream<Element>: AsyncSequence, Sendable {
    public typealias Failure = any Error
    private let reader: Reader

    /// Tells the producer when the last copy goes.
    private final class Reader: Sendable {
        let result: ObjectHandle
        let stream: StreamHandle
        init(_ result: ObjectHandle) {
            self.result = result
            if let stream = result.stream {
                self.stream = stream
            } else {
                // It could not be submitted: the reason, once, is all there is.
                stream = StreamHandle(moved: {})
                if case .failed(let error) = result.outcome { stream.finish(result, error) }
            }
        }
        deinit { stream.abandon() }
    }

    init(_ result: ObjectHandle) { reader = Reader(result) }

    /// Ready when the function has ended; fails as it failed.
    public var completed: ObjectReference<Void> { ObjectReference(reader.result) }

    /// Cancels the function; the next reference fails with `cancelled`, then the stream ends. Items that came and were not taken are dropped.
    public func cancel(recursive: Bool = true) {
        completed.cancel(recursive: recursive)
        let error = MantaError(.cancelled, "the stream of task \(reader.result.id.task) was cancelled")
        reader.stream.finish(.failed("ReferenceStream", error), error)
    }

    public func makeAsyncIterator() -> Iterator { Iterator(stream: self) }

    public struct Iterator: AsyncIteratorProtocol {
        let stream: ReferenceStream

        /// The next reference, when it is there; nil at the end, again and again.
        public mutating func next() async throws -> ObjectReference<Element>? { try await stream.nextReference() }
        public mutating func next(isolation actor: isolated (any Actor)?) async throws -> ObjectReference<Element>? { try await stream.nextReference() }
    }

    fileprivate func take(_ count: Int) -> [ObjectHandle] { reader.stream.take(Swift.max(0, count)) { [result = reader.result] in result.item($0) } }

    private func nextReference() async throws -> ObjectReference<Element>? {
        try await reader.stream.next().map { ObjectReference($0) }
    }
}

extension ReferenceStream {
    /// References of the next `count` items, at once: each is ready when its item is there.
    ///
    /// When the function ends with fewer, those that are missing fail: with its error, or with `malformed`. Items beyond come as ever.
    public func references(_ count: Int) -> [ObjectReference<Element>] { take(count).map { ObjectReference($0) } }
}

extension ReferenceStream where Element: Decodable & SendableMetatype {
    /// The values themselves; a failure is thrown and ends the sequence.
    public var values: AsyncThrowingMapSequence<ReferenceStream<Element>, Element> { map { try await $0.value } }
}

extension _Reply {
    /// For the macro: makes all items of a stream, and the object of its end.
    public nonisolated(nonsending) init<Element>(draining stream: ResultStream<Element>) async throws {
        guard stream.maxPending > 0 else {
            throw MantaError(.invalidArgument, "a stream's maxPending is \(stream.maxPending); expected 1 or more")
        }
        guard let runtime = CurrentRuntime.get(), let context = TaskContext.current else { throw CurrentRuntime.missing }
        let sink = runtime.streamSink(for: context)
        defer { sink.close() }
        try await stream.body(ResultStream<Element>.Yield(sink: sink, window: stream.maxPending))
        self = .void
    }
}

extension _Results {
    /// For the macro: the stream of a streaming call.
    public func stream<Element>(of type: Element.Type = Element.self) -> ReferenceStream<Element> { ReferenceStream(handles[0]) }
}
