// A server's life: start, requests of all kinds, late replies, drain, stop; several servers on one loop.

import Glibc
import MantaLoop
import MantaModel
import Synchronization
import Testing

@testable import MantaHTTP

private func get(_ target: String) -> String { "GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n" }

@Suite(.timeLimit(.minutes(1))) struct ServerTests {
    @Test func requestViewShowsEverything() async throws {
        final class Looking: HTTPHandler, Sendable {
            func handle(_ request: borrowing HTTPRequest, token: RequestToken, server: HTTPServer) {
                let raw = String(decoding: request.rawPathBytes, as: UTF8.self)
                var count = 0
                request.forEachHeader { _, _ in count += 1 }
                let parts = [
                    request.method.rawValue, request.path, raw, request.query("a") ?? "-", request.query("c") ?? "-", request.query("none") ?? "-",
                    request.header("x-one") ?? "-", request.header("X-None") ?? "-", "\(count)", request.remoteAddress, request.requestID, request.copy().header("X-ONE") ?? "-",
                ]
                server.respond(token, .text(parts.joined(separator: "|")))
            }
        }
        try await withServer(Looking()) { server in
            let reply = try server.client().exchange(
                "PATCH /a%20b?a=1+2%26&c HTTP/1.1\r\nHost: a\r\nX-One: yes\r\nX-Request-Id: mine-1\r\nContent-Length: 0\r\n\r\n")
            #expect(reply.body == "PATCH|/a b|/a%20b|1 2&||-|yes|-|4|127.0.0.1|mine-1|yes")
            #expect(reply.headers["x-request-id"] == "mine-1")
        }
    }

    @Test func requestIdentifiersAreDistinctAndOfUsIfTheClientsAreUnfit() async throws {
        try await withServer(EchoHandler()) { server in
            let client = try server.client()
            var identifiers: Set<String> = []
            for unfit in ["", "X-Request-Id: a b\r\n", "X-Request-Id: \(String(repeating: "a", count: 65))\r\n", "X-Request-Id:\r\n"] {
                let reply = try client.exchange("GET / HTTP/1.1\r\nHost: a\r\n\(unfit)\r\n")
                identifiers.insert(try #require(reply.headers["x-request-id"]))
            }
            #expect(identifiers.count == 4 && identifiers.allSatisfy { $0.count == 16 })
        }
    }

    @Test func headHasTheLengthAndNoBody() async throws {
        try await withServer(EchoHandler()) { server in
            let client = try server.client()
            client.send("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.readReply(isHead: true).headers["content-length"] == "8")
            #expect(try client.exchange(get("/y")).body == "GET /y ")
        }
    }

    @Test func connectionIsKeptAndClosedOnRequest() async throws {
        try await withServer(EchoHandler()) { server in
            let client = try server.client()
            for index in 0..<50 { #expect(try client.exchange(get("/\(index)")).body == "GET /\(index) ") }
            client.send("GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            #expect(try client.readToEnd().hasSuffix("GET /x "))
            let old = try server.client()
            old.send("GET /x HTTP/1.0\r\n\r\n")
            #expect(try old.readToEnd().hasSuffix("GET /x "))
        }
    }

    @Test func everyKindOfBodyArrivesWhole() async throws {
        // More than a socket takes at once.
        let text = String(repeating: "0123456789abcdefghijklmnopqrstuvwxyz", count: 100_000)
        let large = Array(text.utf8)
        final class Kinds: HTTPHandler, Sendable {
            let large: [UInt8]
            init(_ large: [UInt8]) { self.large = large }
            func handle(_ request: borrowing HTTPRequest, token: RequestToken, server: HTTPServer) {
                switch request.path {
                case "/none": server.respond(token, HTTPResponse(status: 204))
                case "/json": server.respond(token, .json(Array("{}".utf8)))
                case "/large": server.respond(token, HTTPResponse(body: .bytes(large)))
                case "/echo": server.respond(token, status: 200, contentType: "a/b", copying: request.body)
                case "/lent":
                    final class Owner {
                        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 5, alignment: 1)
                        init() { memory.copyBytes(from: "lent!".utf8) }
                        deinit { memory.deallocate() }
                    }
                    let owner = Owner()
                    server.respond(token, status: 200, contentType: "a/b", lending: UnsafeRawBufferPointer(owner.memory), of: owner)
                default: server.respond(token, .failure(404, code: "notFound", message: "nothing is at \"this\" path\n", detail: "path"))
                }
            }
        }
        try await withServer(Kinds(large)) { server in
            let client = try server.client()
            #expect(try client.exchange(get("/none")).status == 204)
            #expect(try client.exchange(get("/json")).headers["content-type"] == "application/json")
            let isWhole = try client.exchange(get("/large")).body == text
            #expect(isWhole)
            #expect(try client.exchange(get("/lent")).body == "lent!")
            let failure = try client.exchange(get("/else"))
            #expect(failure.status == 404 && failure.headers["connection"] == nil)
            #expect(failure.body.hasPrefix(#"{"code":"notFound","message":"nothing is at \"this\" path\u000a","detail":"path","requestId":""#))
            client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: \(large.count)\r\n\r\n")
            client.send(large)
            let isEchoed = try client.readReply().body == text
            #expect(isEchoed)
        }
    }

    @Test func occupiedPortIsNamed() async throws {
        try await withServer(EchoHandler()) { server in
            let error = try server.onLoop { running -> MantaError? in
                do throws(MantaError) {
                    try HTTPServer(loop: running.loop, port: running.port, handler: EchoHandler()).stop()
                    return nil
                } catch { return error }
            }
            #expect(error?.code == .addressInUse)
            #expect(error?.message.hasPrefix("cannot listen on 127.0.0.1:\(server.port): another process uses this port") == true)
        }
    }

    @Test(arguments: [("300.1.1.1", 0), ("example.org", 0), ("127.0.0.1", 70_000), ("192.0.2.1", 0)])
    func impossibleAddressesAreRefused(address: String, port: Int) throws {
        let error = try #require(throws: MantaError.self) {
            let server = try HTTPServer(loop: EventLoop(name: "none"), address: address, port: port, handler: EchoHandler())
            server.stop()
        }
        #expect(error.code == .invalidArgument && error.message.contains(address))
    }

    @Test func servesOnIPv6() async throws {
        try await withServer(EchoHandler(), address: "::1") { server in
            let client = try RawClient(port: server.port, address: "::1")
            #expect(try client.exchange(get("/x")).body == "GET /x ")
        }
    }

    @Test func twoServersShareALoop() async throws {
        try await withServer(EchoHandler()) { server in
            let second = try server.onLoop { try? HTTPServer(loop: $0.loop, port: 0, handler: EchoHandler()) }
            let other = TestServer(server: try #require(second))
            #expect(try server.client().exchange(get("/1")).body == "GET /1 ")
            #expect(try other.client().exchange(get("/2")).body == "GET /2 ")
            try other.onLoop { $0.stop() }
            #expect(throws: Timeout.self) { try RawClient(port: other.port) }
            #expect(try server.client().exchange(get("/3")).body == "GET /3 ")
        }
    }

    @Test func connectionsOverTheLimitWait() async throws {
        var limits = HTTPLimits.ingress
        limits.connections = 2
        try await withServer(EchoHandler(), limits: limits) { server in
            var first: RawClient? = try server.client()
            let second = try server.client()
            let reply = try first?.exchange(get("/1"))
            #expect(reply?.status == 200)
            #expect(try second.exchange(get("/2")).status == 200)
            let third = try server.client()
            third.send(get("/3"))
            #expect(!third.waitReadable(milliseconds: 50))
            first = nil
            #expect(try third.readReply().body == "GET /3 ")
        }
    }

    @Test func connectionsOverTheLimitOfOneAddressAreClosed() async throws {
        var limits = HTTPLimits.ingress
        limits.connectionsPerAddress = 1
        try await withServer(EchoHandler(), limits: limits) { server in
            let first = try server.client()
            #expect(try first.exchange(get("/1")).status == 200)
            #expect(try server.client().readToEnd() == "")
        }
    }

    @Test func asynchronousHandlerAnswers() async throws {
        let handler = AsyncHTTPHandler { request in
            await Task.yield()
            return .text("\(request.method) \(request.path) \(request.query("a") ?? "") \(String(decoding: request.body, as: UTF8.self))")
        }
        try await withServer(handler) { server in
            let clients = try (0..<20).map { _ in try server.client() }
            for (index, client) in clients.enumerated() { client.send("POST /\(index)?a=b HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi") }
            for (index, client) in clients.enumerated() { #expect(try client.readReply().body == "post /\(index) b hi") }
        }
    }

    @Test func drainLetsRequestsFinish() async throws {
        let handler = WaitingHandler()
        try await withServer(handler) { server in
            let idle = try server.client()
            let busy = try server.client()
            busy.send(get("/x"))
            let token = try handler.tokens(1)[0]
            let isDrained = Mutex(false)
            try server.onLoop { $0.drain(within: .seconds(20)) { isDrained.withLock { $0 = true } } }
            #expect(try idle.readToEnd() == "")
            #expect(throws: Timeout.self) { try RawClient(port: server.port) }
            #expect(!isDrained.withLock { $0 })
            try server.onLoop { _ = $0.respond(token, .text("done")) }
            let reply = try busy.readReply()
            #expect(reply.body == "done" && reply.headers["connection"] == "close")
            #expect(try busy.readToEnd() == "")
            try eventually("the drain's end") { isDrained.withLock { $0 } }
        }
    }

    @Test func drainEndsWithItsGrace() async throws {
        let handler = WaitingHandler()
        try await withServer(handler) { server in
            let busy = try server.client()
            busy.send(get("/x"))
            _ = try handler.tokens(1)
            let isDrained = Mutex(false)
            try server.onLoop { $0.drain(within: .milliseconds(50)) { isDrained.withLock { $0 = true } } }
            #expect(try busy.readReply().status == 503)
            try eventually("the drain's end") { isDrained.withLock { $0 } }
        }
    }

    @Test func stopAnswersWhatWaits() async throws {
        let handler = WaitingHandler()
        try await withServer(handler) { server in
            let clients = try (0..<10).map { _ in try server.client() }
            for client in clients { client.send(get("/x")) }
            let tokens = try handler.tokens(10)
            // Some of them are suspended by then, some are not.
            try eventually("suspensions") { try server.onLoop { $0.suspended } == 10 }
            let fresh = try server.client()
            fresh.send(get("/x"))
            _ = try handler.tokens(11)
            try server.onLoop { $0.stop() }
            for client in clients + [fresh] { #expect(try client.readReply().status == 503) }
            #expect(handler.state.withLock { state in tokens.allSatisfy { state.ended[$0] == .stopped } })
        }
    }
}
