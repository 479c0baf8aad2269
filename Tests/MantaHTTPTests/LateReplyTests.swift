// Requests that wait: many at once, long enough to be suspended, over their deadline, and clients that do not wait for the end.

import Glibc
import MantaLoop
import MantaModel
import Synchronization
import Testing

@testable import MantaHTTP

private func get(_ target: String) -> String { "GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n" }

@Suite(.timeLimit(.minutes(1))) struct LateReplyTests {
    @Test(arguments: [false, true])
    func twoHundredConnectionsGetTheirOwnReply(afterSuspension: Bool) async throws {
        let handler = WaitingHandler()
        try await withServer(handler) { server in
            let clients = try (0..<200).map { _ in try server.client() }
            for round in 0..<3 {
                for (index, client) in clients.enumerated() { client.send(get("/\(round)/\(index)")) }
                let tokens = try handler.tokens(200 * (round + 1)).suffix(200)
                if afterSuspension { try eventually("suspensions") { try server.onLoop { $0.suspended } == 200 } }
                try server.onLoop { server in
                    for token in tokens.shuffled() {
                        let path = server.withRequest(token) { $0.path }
                        server.respond(token, .text(path ?? "over"))
                    }
                }
                for (index, client) in clients.enumerated() { #expect(try client.readReply().body == "/\(round)/\(index)") }
            }
            #expect(try server.onLoop { [$0.waiting, $0.suspended, $0.unfinished] } == [0, 0, 0])
        }
    }

    @Test func waitingRequestsDoNotKeepTheLoopBusy() async throws {
        let handler = WaitingHandler()
        try await withServer(handler) { server in
            let client = try server.client()
            client.send(get("/x"))
            let token = try handler.tokens(1)[0]
            try eventually("suspension") { try server.onLoop { $0.suspended } == 1 }
            // The loop may now sleep until the next look for clients that left.
            let rest = try server.onLoop { server in
                server.needsRun = false
                return server.wait() ?? .max
            }
            #expect(rest > 100_000_000)
            try server.onLoop { _ = $0.respond(token, .text("done")) }
            #expect(try client.readReply().body == "done")
        }
    }

    @Test func secondAndLateRepliesAreDropped() async throws {
        let handler = WaitingHandler()
        try await withServer(handler) { server in
            let client = try server.client()
            client.send(get("/1"))
            let first = try handler.tokens(1)[0]
            #expect(try server.onLoop { [$0.respond(first, .text("one")), $0.respond(first, .text("two"))] } == [true, false])
            #expect(try client.readReply().body == "one")
            client.send(get("/2"))
            let second = try handler.tokens(2)[1]
            #expect(second.slot == first.slot && second.generation != first.generation)
            #expect(try server.onLoop { [$0.respond(first, .text("late")), $0.respond(second, .text("three"))] } == [false, true])
            #expect(try client.readReply().body == "three")
            #expect(try server.onLoop { $0.statistics.lateReplies } == 2)
        }
    }

    @Test func repliesInTheHandlersTurnAndPipelinedLateOnesKeepTheirOrder() async throws {
        let handler = WaitingHandler()
        try await withServer(handler) { server in
            let client = try server.client()
            client.send(get("/1") + get("/2") + get("/3"))
            for index in 0..<3 {
                // The next request is not seen before this one is answered.
                let tokens = try handler.tokens(index + 1)
                #expect(tokens.count == index + 1)
                try server.onLoop { _ = $0.respond(tokens[index], .text("\(index)")) }
                #expect(try client.readReply().body == "\(index)")
            }
        }
    }

    @Test(arguments: [false, true])
    func clientThatCrashesIsNoticed(afterSuspension: Bool) async throws {
        let handler = WaitingHandler()
        try await withServer(handler) { server in
            var client: RawClient? = try server.client()
            client?.send(get("/x"))
            let token = try handler.tokens(1)[0]
            if afterSuspension { try eventually("suspension") { try server.onLoop { $0.suspended } == 1 } }
            client?.resetOnClose()
            client = nil
            try eventually("the notice") { handler.state.withLock { $0.ended[token] } == .disconnected }
            #expect(try server.onLoop { $0.respond(token, .text("late")) } == false)
            #expect(try server.onLoop { [$0.waiting, $0.suspended, $0.unfinished] } == [0, 0, 0])
        }
    }

    @Test func clientThatClosesBeforeTheReplyHarmsNobody() async throws {
        let handler = WaitingHandler()
        try await withServer(handler) { server in
            do {
                let client = try server.client()
                client.send(get("/x"))
                _ = try handler.tokens(1)
            }
            let token = try handler.tokens(1)[0]
            _ = try server.onLoop { $0.respond(token, HTTPResponse(body: .bytes([UInt8](repeating: 7, count: 5_000_000)))) }
            try eventually("the connection's end") { try server.onLoop { manta_connections($0) } == 0 }
            let next = try server.client()
            next.send(get("/y"))
            let second = try handler.tokens(2)[1]
            _ = try server.onLoop { $0.respond(second, .text("fine")) }
            #expect(try next.readReply().body == "fine")
        }
    }

    @Test func overdueRequestGets504() async throws {
        let handler = WaitingHandler()
        var limits = HTTPLimits.ingress
        limits.requestDeadline = .milliseconds(60)
        try await withServer(handler, limits: limits) { server in
            let client = try server.client()
            client.send(get("/x"))
            let reply = try client.readReply()
            #expect(reply.status == 504 && reply.body.contains("\"code\":\"timeout\""))
            let token = try handler.tokens(1)[0]
            #expect(handler.state.withLock { $0.ended[token] } == .deadline)
            #expect(try server.onLoop { $0.respond(token, .text("late")) } == false)
        }
    }

    @Test func handlerSetsTheDeadline() async throws {
        let handler = WaitingHandler()
        try await withServer(handler) { server in
            let client = try server.client()
            client.send(get("/x"))
            let token = try handler.tokens(1)[0]
            try server.onLoop { $0.setDeadline(token, after: .milliseconds(20)) }
            #expect(try client.readReply().status == 504)
        }
    }

    @Test func slowHeaderIsCut() async throws {
        var limits = HTTPLimits.ingress
        limits.headerDeadline = .milliseconds(150)
        try await withServer(EchoHandler(), limits: limits) { server in
            let client = try server.client()
            client.send("GET / HTTP/1.1\r\nHost: a\r\n")
            // A line every 10 ms would keep an inactivity timer from ever firing.
            try eventually("the cut") { client.waitReadable(milliseconds: 10) || !client.send("X: y\r\n") }
            #expect(try server.onLoop { $0.statistics.tooSlow } == 1)
        }
    }

    @Test func slowHeaderOfAKeptConnectionIsCut() async throws {
        var limits = HTTPLimits.ingress
        limits.headerDeadline = .milliseconds(150)
        try await withServer(EchoHandler(), limits: limits) { server in
            let client = try server.client()
            #expect(try client.exchange(get("/1")).status == 200)
            client.send("GET / HTTP/1.1\r\nHost: a\r\n")
            try eventually("the cut") { client.waitReadable(milliseconds: 10) || !client.send("X: y\r\n") }
            #expect(try client.readReply().status == 408)
        }
    }

    @Test func slowBodyIsCut() async throws {
        var limits = HTTPLimits.ingress
        limits.bodyDeadline = .milliseconds(150)
        try await withServer(EchoHandler(), limits: limits) { server in
            let client = try server.client()
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n")
            try eventually("the cut") { client.waitReadable(milliseconds: 10) || !client.send("x") }
            #expect(try client.readReply().status == 408)
        }
    }

    @Test func idleConnectionIsClosed() async throws {
        var limits = HTTPLimits.ingress
        limits.idleDeadline = .milliseconds(1_100)
        try await withServer(EchoHandler(), limits: limits) { server in
            let client = try server.client()
            #expect(try client.exchange(get("/1")).status == 200)
            #expect(try client.readToEnd() == "")
        }
    }
}

private func manta_connections(_ server: HTTPServer) -> Int {
    (0..<server.table.made).count { server.table.slots[$0].phase != .free }
}
