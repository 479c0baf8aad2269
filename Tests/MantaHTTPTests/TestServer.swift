// TestServer: a server on a loop of its own thread, and a thread for the blocking client that talks to it; both are gone when the test is.

import Glibc
import MantaHTTP
import MantaLoop
import MantaModel
import Synchronization

/// Answers at once with what came: `METHOD path?query body`. Remembers what it saw.
final class EchoHandler: HTTPHandler, Sendable {
    let seen = Mutex<[String]>([])
    func handle(_ request: borrowing HTTPRequest, token: RequestToken, server: HTTPServer) {
        let query = request.queryBytes.isEmpty ? "" : "?" + String(decoding: request.queryBytes, as: UTF8.self)
        let text = "\(request.method.rawValue) \(request.path)\(query) \(String(decoding: request.body, as: UTF8.self))"
        seen.withLock { $0.append(text) }
        server.respond(token, .text(text))
    }
}

/// Keeps every request until the test answers it.
final class WaitingHandler: HTTPHandler, Sendable {
    struct State {
        var tokens: [RequestToken] = []
        var ended: [RequestToken: RequestEnd] = [:]
    }
    let state = Mutex(State())
    func handle(_ request: borrowing HTTPRequest, token: RequestToken, server: HTTPServer) {
        state.withLock { $0.tokens.append(token) }
    }
    func requestEnded(_ token: RequestToken, reason: RequestEnd, server: HTTPServer) {
        state.withLock { $0.ended[token] = reason }
    }
    /// The tokens, as soon as there are so many.
    func tokens(_ count: Int) throws -> [RequestToken] {
        try eventually("\(count) requests") { state.withLock { $0.tokens.count >= count } }
        return state.withLock { $0.tokens }
    }
}

/// Waits for a condition with a deadline.
func eventually(_ what: String, within milliseconds: Int = 5_000, _ condition: () throws -> Bool) throws {
    let end = EventLoop.clock() + .milliseconds(milliseconds)
    while try !condition() {
        guard EventLoop.clock() < end else { throw Timeout(description: "not within \(milliseconds) ms: \(what)") }
        sched_yield()
    }
}

private final class Job {
    let run: () -> Void
    init(_ run: @escaping () -> Void) { self.run = run }
}

/// Runs a blocking body on a thread of its own, off the pool that asynchronous code shares.
func onThread<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
    try await withCheckedThrowingContinuation { continuation in
        let job = Unmanaged.passRetained(Job { continuation.resume(with: Result { try body() }) })
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<Job>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, job.toOpaque())
        pthread_detach(thread)
    }
}

struct TestServer: Sendable {
    let server: HTTPServer
    var port: Int { server.port }
    var loop: EventLoop { server.loop }

    /// Runs something on the server's loop and waits for it.
    func onLoop<T: Sendable>(_ body: @escaping @Sendable (HTTPServer) -> T) throws -> T {
        let result = Mutex<T?>(nil)
        loop.execute { [server] in
            let value = body(server)
            result.withLock { $0 = value }
        }
        try eventually("the loop's turn") { result.withLock { $0 != nil } }
        return result.withLock { $0! }
    }

    func client() throws -> RawClient { try RawClient(port: port) }
}

/// Serves with the handler while the body, on a thread of its own, talks to the server.
func withServer(
    _ handler: any HTTPHandler & Sendable, limits: HTTPLimits = .ingress, address: String = "127.0.0.1",
    _ body: @escaping @Sendable (TestServer) throws -> Void
) async throws {
    let loop = EventLoop(name: "http test")
    loop.start()
    let server = try await loop.perform { () throws(MantaError) in try HTTPServer(loop: loop, address: address, port: 0, limits: limits, handler: handler) }
    let result: Result<Void, any Error>
    do { result = .success(try await onThread { try body(TestServer(server: server)) }) } catch { result = .failure(error) }
    await loop.perform { server.stop() }
    loop.stop()
    try await onThread { loop.join() }
    try result.get()
}
