// Manta in serial mode: the same API with no cluster behind it.

import MantaModel
import MantaWorker

extension Manta {
    /// How remote code is run without a cluster.
    public enum LocalMode: Sendable {
        /// In the calling process, for debugging: breakpoints, prints and stack traces are all in one place.
        case serial
    }

    /// Makes this process its own cluster of one: `let session = try Manta.start(mode: .serial)`.
    ///
    /// - Parameter namespace: of named actors; "default" by default.
    /// - Throws: `MantaError` with the code `conflict` when there is a session already.
    public static func start(mode: LocalMode, namespace: String = "default") throws -> SerialSession {
        let runtime = SerialRuntime(program: try Records.program.get(), namespace: namespace)
        try CurrentRuntime.install(runtime)
        return SerialSession(runtime: runtime)
    }

    /// Runs the body, and the tasks it starts, with a cluster of their own in serial mode; other tasks of the process do not see it. For tests: many can
    /// run at once.
    public static func serially<Value>(namespace: String = "default", _ body: () async throws -> Value) async throws -> Value {
        let runtime = SerialRuntime(program: try Records.program.get(), namespace: namespace)
        return try await CurrentRuntime.with(runtime, body)
    }
}

/// The life of the serial mode; it ends with `stop()` or with the last copy.
public final class SerialSession: Sendable {
    private let runtime: SerialRuntime
    init(runtime: SerialRuntime) { self.runtime = runtime }
    deinit { CurrentRuntime.remove(runtime) }

    /// Ends it; calls made later fail with `notConnected`.
    public func stop() { CurrentRuntime.remove(runtime) }
}
