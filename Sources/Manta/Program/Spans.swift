// Spans: stretches of user code that people see by name in the timeline.

import MantaLoop
import MantaModel
import MantaWorker

extension Manta {
    /// Runs the body, and shows it under this name inside its task, or in the line of its process, in what `manta timeline` writes.
    ///
    /// The timeline shows by itself where code waited for references (`get`, `wait`), put values (`put`), fetched or decoded arguments, and stored large
    /// results, where that took a millisecond or more. A process tells of at most 500 spans in half a second, and the head keeps the latest 20,000; without a
    /// session the body just runs.
    ///
    /// ```swift
    /// let image = try await Manta.span("decode") { try decode(bytes) }
    /// ```
    /// - Parameter name: what it is shown as; cut at 256 bytes of UTF-8.
    public static func span<Result, Failure: Error>(
        _ name: String, isolation: isolated (any Actor)? = #isolation, _ body: () async throws(Failure) -> sending Result
    ) async throws(Failure) -> sending Result {
        let start = EventLoop.clock()
        defer { note(name, since: start) }
        return try await body()
    }

    /// The same of code that does not wait.
    public static func span<Result, Failure: Error>(_ name: String, _ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        let start = EventLoop.clock()
        defer { note(name, since: start) }
        return try body()
    }

    private static func note(_ name: String, since start: Instant) {
        let name = name.utf8.count > Limits.nameBytes ? String(decoding: name.utf8.prefix(Limits.nameBytes), as: UTF8.self) : name
        CurrentRuntime.get()?.note(.user, named: name, since: start, to: EventLoop.clock())
    }
}
