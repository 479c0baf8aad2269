// Streams: events in their order, silence, clients that leave or take nothing, the server's end.

import Glibc
import MantaLoop
import Synchronization
import Testing

@testable import MantaHTTP

/// Opens a stream for every request and keeps it for the test.
private final class StreamingHandler: HTTPHandler, Sendable {
    let streams = Mutex<[HTTPStream]>([])
    let ended = Mutex(0)
    let isEvents: Bool
    init(isEvents: Bool = true) { self.isEvents = isEvents }
    func handle(_ request: borrowing HTTPRequest, token: RequestToken, server: HTTPServer) {
        guard let stream = server.stream(token, contentType: isEvents ? "text/event-stream" : "text/plain", isEvents: isEvents) else { return }
        stream.onEnd { self.ended.withLock { $0 += 1 } }
        streams.withLock { $0.append(stream) }
    }
    func stream(_ index: Int = 0) throws -> HTTPStream {
        try eventually("stream \(index)") { streams.withLock { $0.count > index } }
        return streams.withLock { $0[index] }
    }
}

private let request = "GET /events HTTP/1.1\r\nHost: a\r\n\r\n"

@Suite(.timeLimit(.minutes(1))) struct StreamTests {
    @Test func eventsArriveAsTheyAreSent() async throws {
        let handler = StreamingHandler()
        try await withServer(handler) { server in
            let client = try server.client()
            client.send(request)
            let head = try client.read(through: "\r\n\r\n")
            #expect(head.contains("text/event-stream") && head.contains("no-store") && head.contains("chunked") && head.contains("X-Request-Id"))
            let stream = try handler.stream()
            // From a thread that is not the loop's.
            for index in 0..<100 { stream.send(event: "tick", id: "\(index)", data: "line \(index)\nmore") }
            for index in 0..<100 {
                #expect(try client.read(through: "more\n\n").contains("id: \(index)\nevent: tick\ndata: line \(index)\ndata: "))
            }
            try eventually("the pause") { try server.onLoop { $0.suspended } == 1 }
            stream.send(data: "last")
            stream.close()
            _ = try client.read(through: "data: last\n\n")
            _ = try client.read(through: "0\r\n\r\n")
            try eventually("the end") { handler.ended.withLock { $0 } == 1 }
            #expect(try server.onLoop { _ in stream.write([1]) } == false)
            // The connection serves on.
            client.send(request)
            _ = try client.read(through: "\r\n\r\n")
            try handler.stream(1).close()
            _ = try client.read(through: "0\r\n\r\n")
            try eventually("the accounts") { try server.onLoop { [$0.waiting, $0.suspended, $0.unfinished] } == [0, 0, 0] }
        }
    }

    @Test func headOfAStreamEndsWithItsHeader() async throws {
        let handler = StreamingHandler()
        try await withServer(handler) { server in
            let client = try server.client()
            client.send("HEAD /events HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.readReply(isHead: true).headers["content-type"] == "text/event-stream")
            try eventually("the end") { handler.ended.withLock { $0 } == 1 }
            client.send(request)
            #expect(try client.read(through: "\r\n\r\n").hasPrefix("HTTP/1.1 200 "))
        }
    }

    @Test func streamToAnOldClientEndsWithTheConnection() async throws {
        let handler = StreamingHandler()
        try await withServer(handler) { server in
            let client = try server.client()
            client.send("GET /events HTTP/1.0\r\n\r\n")
            let stream = try handler.stream()
            stream.send(data: "x")
            stream.close()
            #expect(try client.readToEnd().hasSuffix("data: x\n\n"))
        }
    }

    @Test func silenceIsBrokenByComments() async throws {
        var limits = HTTPLimits.ingress
        limits.pingPeriod = .milliseconds(30)
        let handler = StreamingHandler()
        try await withServer(handler, limits: limits) { server in
            let client = try server.client()
            client.send(request)
            for _ in 0..<3 { _ = try client.read(through: ": ping\n\n") }
            try handler.stream().send(data: "x")
            _ = try client.read(through: "data: x\n\n")
            _ = try client.read(through: ": ping\n\n")
        }
        #expect(handler.ended.withLock { $0 } == 1)
    }

    @Test func clientThatLeavesEndsItsStream() async throws {
        let handler = StreamingHandler()
        try await withServer(handler) { server in
            do {
                let client = try server.client()
                client.send(request)
                _ = try client.read(through: "\r\n\r\n")
            }
            try eventually("the end") { handler.ended.withLock { $0 } == 1 }
            try eventually("the accounts") { try server.onLoop { [$0.waiting, $0.suspended, $0.unfinished] } == [0, 0, 0] }
        }
    }

    @Test func clientThatTakesNothingEndsItsOwnStreamOnly() async throws {
        var limits = HTTPLimits.ingress
        limits.streamBytes = 64 << 10
        let handler = StreamingHandler(isEvents: false)
        try await withServer(handler, limits: limits) { server in
            let lazy = try server.client()
            lazy.send(request)
            let lazyStream = try handler.stream(0)
            let eager = try server.client()
            eager.send(request)
            let eagerStream = try handler.stream(1)
            let piece = [UInt8](repeating: 65, count: 32 << 10)
            try eventually("the overflow") { try server.onLoop { _ in !lazyStream.write(piece) } }
            #expect(try server.onLoop { $0.statistics.overflowedStreams } == 1)
            eagerStream.write(Array("hello".utf8))
            _ = try eager.read(through: "hello")
            // The lazy client sees that its response is not complete.
            let rest = try lazy.readToEnd()
            #expect(!rest.hasSuffix("0\r\n\r\n"))
            eagerStream.close()
            _ = try eager.read(through: "0\r\n\r\n")
        }
    }

    @Test func stopEndsStreams() async throws {
        let handler = StreamingHandler()
        try await withServer(handler) { server in
            let clients = try (0..<5).map { _ in try server.client() }
            for client in clients { client.send(request) }
            for client in clients { _ = try client.read(through: "\r\n\r\n") }
            try server.onLoop { $0.stop() }
            for client in clients { _ = try client.readToEnd() }
            #expect(handler.ended.withLock { $0 } == 5)
        }
    }

    @Test func drainEndsStreams() async throws {
        let handler = StreamingHandler()
        try await withServer(handler) { server in
            let client = try server.client()
            client.send(request)
            _ = try client.read(through: "\r\n\r\n")
            try server.onLoop { $0.drain(within: .seconds(20)) {} }
            #expect(try client.readToEnd().hasSuffix("0\r\n\r\n"))
        }
    }

    @Test func asynchronousHandlerStreams() async throws {
        let handler = AsyncHTTPHandler { _ in
            HTTPResponse(
                body: .events { stream in
                    stream.send(data: "one")
                    stream.close()
                })
        }
        try await withServer(handler) { server in
            let client = try server.client()
            client.send(request)
            #expect(try client.read(through: "0\r\n\r\n").contains("data: one\n\n"))
        }
    }
}
