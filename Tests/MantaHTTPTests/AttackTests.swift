// The attack table's rows of framing, request line and headers: what the server answers, that it closes, and that no hidden request is served.

import Synchronization
import Testing

@testable import MantaHTTP

struct Attack: Sendable, CustomTestStringConvertible {
    let row: String
    let request: [UInt8]
    let statuses: Set<Int>

    init(_ row: String, _ request: String, _ statuses: Int...) { self.init(row, Array(request.utf8), Set(statuses)) }
    init(_ row: String, _ request: [UInt8], _ statuses: Set<Int>) { (self.row, self.request, self.statuses) = (row, request, statuses) }
    var testDescription: String { row }
}

private let hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"
private func post(_ headers: String, _ body: String = "") -> String { "POST /x HTTP/1.1\r\nHost: a\r\n\(headers)\r\n\r\n\(body)" }
private func get(_ target: String) -> String { "GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n" }
private func host(_ host: String) -> String { "GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n" }

@Suite(.timeLimit(.minutes(1))) struct AttackTests {
    /// Rows whose answer is a refusal after which the connection is closed.
    static let refused: [Attack] = [
        Attack("B1 length and chunks", post("Content-Length: 6\r\nTransfer-Encoding: chunked", "0\r\n\r\n\(hidden)"), 400),
        Attack("B2 two equal lengths", post("Content-Length: 5\r\nContent-Length: 5", "hello\(hidden)"), 400),
        Attack("B3 two different lengths", post("Content-Length: 5\r\nContent-Length: 50", "hello\(hidden)"), 400),
        Attack("B4 list", post("Content-Length: 5, 5", "hello\(hidden)"), 400),
        Attack("B4 plus", post("Content-Length: +5", "hello\(hidden)"), 400),
        Attack("B4 minus", post("Content-Length: -1", "hello\(hidden)"), 400),
        Attack("B4 hexadecimal", post("Content-Length: 0x5", "hello\(hidden)"), 400),
        Attack("B4 underscore", post("Content-Length: 5_0", "hello\(hidden)"), 400),
        Attack("B4 trailing space", post("Content-Length: 5 ", "hello\(hidden)"), 400),
        Attack("B4 empty", post("Content-Length:", "hello\(hidden)"), 400),
        Attack("B5 leading zeros", post("Content-Length: 005", "hello\(hidden)"), 400),
        Attack("B6 2^63", post("Content-Length: 9223372036854775808", "hello"), 413),
        Attack("B7 2^64", post("Content-Length: 18446744073709551616", "hello"), 413),
        Attack("B8 space before the length's colon", post("Content-Length : 5", "hello\(hidden)"), 400),
        Attack("B9 space before the encoding's colon", post("Transfer-Encoding : chunked", "0\r\n\r\n\(hidden)"), 400),
        Attack("B10 two encodings", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "0\r\n\r\n\(hidden)"), 400),
        Attack("B11 xchunked", post("Transfer-Encoding: xchunked", "0\r\n\r\n\(hidden)"), 501),
        Attack("B11 vertical tab", post("Transfer-Encoding: \u{0B}chunked", "0\r\n\r\n\(hidden)"), 400, 501),
        Attack("B11 chunked twice", post("Transfer-Encoding: chunked, chunked", "0\r\n\r\n\(hidden)"), 501),
        Attack("B12 identity", post("Transfer-Encoding: identity", hidden), 501),
        Attack("B13 gzip", post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n\(hidden)"), 501),
        Attack("B14 encoding in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        Attack("B15 folded line", "POST / HTTP/1.1\r\nHost: a\r\nX: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        Attack("B15 folded last line", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400),
        Attack("B16 space before the first header", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
        Attack("B16 tab before the first header", "GET / HTTP/1.1\r\n\tX: b\r\nHost: a\r\n\r\n", 400),
        Attack("B17 negative chunk", post("Transfer-Encoding: chunked", "-5\r\nhello\r\n0\r\n\r\n"), 400),
        Attack("B17 hexadecimal prefix", post("Transfer-Encoding: chunked", "0x5\r\nhello\r\n0\r\n\r\n"), 400),
        Attack("B17 leading space", post("Transfer-Encoding: chunked", " 5\r\nhello\r\n0\r\n\r\n"), 400),
        Attack("B17 trailing space", post("Transfer-Encoding: chunked", "5 \r\nhello\r\n0\r\n\r\n"), 400),
        Attack("B17 underscore", post("Transfer-Encoding: chunked", "0_2e\r\nhello\r\n0\r\n\r\n"), 400),
        Attack("B17 empty size", post("Transfer-Encoding: chunked", "\r\nhello\r\n0\r\n\r\n"), 400),
        Attack("B18 17 digits", post("Transfer-Encoding: chunked", "11111111111111111\r\nhello\r\n0\r\n\r\n"), 400, 413),
        Attack("B20 data longer than its size", post("Transfer-Encoding: chunked", "3\r\nhello\r\n0\r\n\r\n"), 400),
        Attack("B30 expectation", post("Expect: xyz\r\nContent-Length: 2", "hi"), 417),
        Attack("B31 bare line feeds", "GET / HTTP/1.1\nHost: a\n\n", 400),
        Attack("B31 one bare line feed", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400),
        Attack("B31 bare line feed at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400),
        Attack("B31 bare line feed in the last line", "GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
        Attack("B31 bare line feed in the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
        Attack("B32 bare CR in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400),
        Attack("B33 NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400),
        Attack("B33 NULs that look like a line's end", "GET / HTTP/1.1\r\nHost: a\r\nX: a\0\0Y: c\r\n\r\n", 400),
        Attack("B33 NULs at the end", "GET / HTTP/1.1\r\nHost: a\0\0\r\n\r\n", 400),
        Attack("B34 NUL in a name", "GET / HTTP/1.1\r\nHost: a\r\nX\0Y: b\r\n\r\n", 400),
        Attack("B35 NUL in the target", "GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        Attack("B35 escaped NUL", get("/a%00b"), 400),
        Attack("B36 no digits", get("/%zz"), 400),
        Attack("B36 one digit", get("/%2"), 400),
        Attack("B36 Unicode escape", get("/%u0041"), 400),
        Attack("B36 in the query", get("/?a=%zz"), 400),
        Attack("B37 dot segments", get("/../../etc/passwd"), 400),
        Attack("B37 escaped dot segments", get("/%2e%2e%2fetc"), 400),
        Attack("B37 backslash", get("/..%5cetc"), 400),
        Attack("B37 doubly escaped", get("/%252e%252e/etc"), 400),
        Attack("B37 dot segment within", get("/a/./b"), 400),
        Attack("B37 dot segment at the end", get("/a/.."), 400),
        Attack("B38 absolute form of another host", get("http://evil/"), 400),
        Attack("B39 CONNECT", "CONNECT evil:443 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        Attack("B41 no slash", get("a"), 400),
        Attack("B41 two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        Attack("B41 two spaces before the version", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        Attack("B41 space in the target", get("/a b"), 400),
        Attack("B42 small letters", "get / HTTP/1.1\r\nHost: a\r\n\r\n", 405, 501),
        Attack("B42 long method", String(repeating: "A", count: 7000) + " / HTTP/1.1\r\nHost: a\r\n\r\n", 405, 501),
        Attack("B42 unknown method", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 405, 501),
        Attack("B42 spaced method", "G E T / HTTP/1.1\r\nHost: a\r\n\r\n", 400, 405, 501),
        Attack("B43 TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        Attack("B44 small version", "GET / http/1.1\r\nHost: a\r\n\r\n", 400),
        Attack("B44 long version", "GET / HTTP/1.1x\r\nHost: a\r\n\r\n", 400),
        Attack("B44 no version", "GET /\r\nHost: a\r\n\r\n", 400),
        Attack("B45 HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
        Attack("B46 HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        Attack("B46 preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        Attack("B48 no host", "GET / HTTP/1.1\r\n\r\n", 400),
        Attack("B49 two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        Attack("B50 space in host", host("a b"), 400),
        Attack("B50 comma in host", host("a,b"), 400),
        Attack("B50 user in host", host("user@h"), 400),
        Attack("B50 long host", host(String(repeating: "a", count: 300)), 400),
        Attack("B51 no colon", "GET / HTTP/1.1\r\nHost: a\r\nbad line\r\n\r\n", 400),
        Attack("B51 empty name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400),
        Attack("B52 500 headers", "GET / HTTP/1.1\r\nHost: a\r\n" + (0..<500).map { "X\($0): b\r\n" }.joined() + "\r\n", 431),
        Attack("B52 large header", "GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "b", count: 20_000))\r\n\r\n", 431),
        Attack("B52 header over libmicrohttpd's memory", "GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "b", count: 100_000))\r\n\r\n", 431),
        Attack("B53 long target", get("/" + String(repeating: "a", count: 9_000)), 414),
        Attack("B53 target over libmicrohttpd's memory", get("/" + String(repeating: "a", count: 100_000)), 414),
        Attack("B57 high bytes in the path", Array("GET /".utf8) + [0xC3, 0xA9] + Array(" HTTP/1.1\r\nHost: a\r\n\r\n".utf8), [400]),
        Attack("B57 escaped invalid UTF-8", get("/%ff%fe"), 400),
    ]

    @Test(arguments: refused)
    func isRefused(_ attack: Attack) async throws {
        let handler = EchoHandler()
        try await withServer(handler) { server in
            let client = try server.client()
            client.send(attack.request)
            let answer = try client.readToEnd()
            let status = answer.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
            // No version, no slash and other unreadable request lines are closed without an answer by libmicrohttpd.
            let isMute = answer.isEmpty && (attack.row.hasPrefix("B44") || attack.row.hasPrefix("B42 spaced"))
            #expect(attack.statuses.contains(status) || isMute, "answered \(answer)")
            #expect(isMute || answer.lowercased().contains("connection: close"))
            #expect(handler.seen.withLock { $0 } == [], "a handler saw the request")
            #expect(!answer.contains("/hidden"))
        }
    }

    /// Rows that are served.
    static let served: [(String, String, String)] = [
        ("B21 short chunk extension", post("Transfer-Encoding: chunked", "5;name=value\r\nhello\r\n0\r\n\r\n"), "POST /x hello"),
        ("B23 trailers are not merged", post("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\nContent-Length: 99\r\nHost: evil\r\n\r\n"), "POST /x hello"),
        ("B25 GET with a body", "GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "GET /x hello"),
        ("B38 absolute form of the same host", get("http://a/x?y"), "GET /x?y "),
        ("B47 Upgrade", "GET /x HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n", "GET /x "),
        ("B54 underscore in a name", "POST /x HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\n\r\n", "POST /x "),
        ("B57 high bytes in the query", get("/x?a=%ff"), "GET /x?a=%ff "),
        ("chunks", post("Transfer-Encoding: Chunked", "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"), "POST /x hello!"),
        ("no white space after the colon", "GET /x HTTP/1.1\r\nHost:a\r\n\r\n", "GET /x "),
        ("white space around values", "GET /x HTTP/1.1\r\nHost: \t a\r\nX: \t b \t\r\n\r\n", "GET /x "),
        ("empty value", "GET /x HTTP/1.1\r\nHost: a\r\nX:\r\nY: \r\n\r\n", "GET /x "),
        ("escaped path", get("/a%20b/%C3%A9"), "GET /a b/é "),
        ("a leading empty line", "\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n", "GET /x "),
        ("HTTP/1.0 kept alive", "GET /x HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET /x "),
        ("cookies", "GET /x HTTP/1.1\r\nHost: a\r\nCookie: a=b; c=d\r\nX: y\r\n\r\n", "GET /x "),
        ("high bytes in a value", "GET /x HTTP/1.1\r\nHost: a\r\nX: é\r\n\r\n", "GET /x "),
        ("IPv6 host", host("[::1]:8000"), "GET / "),
    ]

    @Test(arguments: served)
    func isServed(_ row: String, _ request: String, _ body: String) async throws {
        try await withServer(EchoHandler()) { server in
            let client = try server.client()
            let reply = try client.exchange(request)
            #expect(reply.status == 200)
            #expect(reply.body == body)
            // The connection is fit for the next request.
            #expect(try client.exchange(get("/next")).body == "GET /next ")
        }
    }

    @Test("B19 a chunk without end is cut by the body's deadline") func endlessChunk() async throws {
        var limits = HTTPLimits.ingress
        limits.bodyDeadline = .milliseconds(200)
        try await withServer(EchoHandler(), limits: limits) { server in
            let client = try server.client()
            #expect(try client.exchange(post("Transfer-Encoding: chunked", "FFFFFFFFFFFFFFFF\r\nhello")).status == 408)
            #expect(try client.readToEnd() == "")
        }
    }

    @Test("B24 too many small chunks") func smallChunks() async throws {
        var limits = HTTPLimits.ingress
        limits.smallChunks = 1000
        try await withServer(EchoHandler(), limits: limits) { server in
            let client = try server.client()
            client.send(post("Transfer-Encoding: chunked", String(repeating: "1\r\na\r\n", count: 1100)))
            #expect(try client.readReply().status == 400)
            client.send("0\r\n\r\n")
            #expect(try client.readToEnd() == "")
        }
    }

    @Test("B26 pipelined requests are answered in order") func pipelining() async throws {
        try await withServer(EchoHandler()) { server in
            let client = try server.client()
            client.send(get("/1") + post("Content-Length: 2", "hi") + get("/3"))
            #expect(try [client.readReply().body, client.readReply().body, client.readReply().body] == ["GET /1 ", "POST /x hi", "GET /3 "])
        }
    }

    @Test("B27 a body that ends early reaches no handler") func shortBody() async throws {
        let handler = EchoHandler()
        try await withServer(handler) { server in
            let client = try server.client()
            client.send(post("Content-Length: 50", "short"))
            client.closeWriting()
            _ = try client.readToEnd()
        }
        #expect(handler.seen.withLock { $0 } == [])
    }

    @Test("B28 a request whose sender closes its half is answered") func halfClosed() async throws {
        try await withServer(EchoHandler()) { server in
            let client = try server.client()
            client.send(get("/x"))
            client.closeWriting()
            #expect(try client.readReply().body == "GET /x ")
        }
    }

    @Test("B29 a refused body gets no 100") func refusedExpectation() async throws {
        try await withServer(EchoHandler()) { server in
            let client = try server.client()
            client.send(post("Expect: 100-continue\r\nContent-Length: 99999999999"))
            let answer = try client.readToEnd()
            #expect(answer.hasPrefix("HTTP/1.1 413 ") && !answer.contains(" 100 "))
        }
    }

    @Test("an accepted body gets its 100") func acceptedExpectation() async throws {
        try await withServer(EchoHandler()) { server in
            let client = try server.client()
            client.send(post("Expect: 100-Continue\r\nContent-Length: 5"))
            #expect(try client.read(through: "\r\n\r\n").hasPrefix("HTTP/1.1 100 "))
            #expect(try client.exchange("hello").body == "POST /x hello")
        }
    }

    @Test("B40 OPTIONS * tells the methods") func optionsOfTheServer() async throws {
        try await withServer(EchoHandler()) { server in
            let client = try server.client()
            let reply = try client.exchange("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(reply.status == 204 && reply.headers["allow"] == "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
        }
    }

    static let noise: [(String, [UInt8])] = [
        ("TLS", [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xFC, 0x03, 0x03]), ("ZMTP", [0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F, 3, 0]),
        ("SSH", Array("SSH-2.0-OpenSSH_9.2\r\n".utf8)), ("random", [0x93, 0x12, 0xFE, 0x00, 0x0A, 0x0D, 0x81]), ("nothing", []),
    ]
    @Test("B55 other protocols and silence are cut by the header's deadline", arguments: noise)
    func otherProtocols(_ name: String, _ bytes: [UInt8]) async throws {
        var limits = HTTPLimits.ingress
        limits.headerDeadline = .milliseconds(100)
        try await withServer(EchoHandler(), limits: limits) { server in
            let client = try server.client()
            client.send(bytes)
            _ = try client.readToEnd()
        }
    }

    @Test("B58 nothing of a response header can end its line") func headerInjection() async throws {
        final class Injecting: HTTPHandler, Sendable {
            func handle(_ request: borrowing HTTPRequest, token: RequestToken, server: HTTPServer) {
                let evil = request.query("x") ?? ""
                let headers = [HTTPHeader("X-Evil", evil), HTTPHeader("X Bad", "a"), HTTPHeader("X-Good", "fine"), HTTPHeader("Content-Length", "7")]
                server.respond(token, HTTPResponse(headers: headers, body: .text("ok")))
            }
        }
        try await withServer(Injecting()) { server in
            let client = try server.client()
            for evil in ["%0d%0aSet-Cookie:%20a=b", "%01", "%0a", "%7f"] {
                let reply = try client.exchange(get("/?x=a\(evil)"))
                #expect(reply.headers["x-evil"] == nil && reply.headers["set-cookie"] == nil)
                #expect(reply.headers["x-good"] == "fine" && reply.headers["content-length"] == "2" && reply.body == "ok")
            }
            #expect(try server.onLoop { $0.statistics.droppedHeaders } == 8)
        }
    }

    @Test("B59, B60 a body over the limit is refused as soon as it is known") func largeBody() async throws {
        let handler = EchoHandler()
        var limits = HTTPLimits.ingress
        limits.bodyBytes = 1000
        try await withServer(handler, limits: limits) { server in
            let announced = try server.client()
            #expect(try announced.exchange(post("Content-Length: 1001")).status == 413)
            #expect(try announced.readToEnd() == "")
            let chunked = try server.client()
            let chunk = "fa\r\n" + String(repeating: "a", count: 250) + "\r\n"
            chunked.send(post("Transfer-Encoding: chunked", String(repeating: chunk, count: 5)))
            let reply = try chunked.readReply()
            #expect(reply.status == 413 && reply.headers["connection"] == "close" && reply.body.contains("payloadTooLarge"))
            chunked.send(chunk + "0\r\n\r\n")
            #expect(try chunked.readToEnd() == "")
            let fitting = try server.client()
            #expect(try fitting.exchange(post("Transfer-Encoding: chunked", String(repeating: chunk, count: 4) + "0\r\n\r\n")).status == 200)
        }
        #expect(handler.seen.withLock { $0.count } == 1)
    }

    /// SplitMix64, so that a failing seed fails again.
    private struct Random: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    @Test("mutated requests harm nobody", arguments: [1, 2, 3, .random(in: 4...UInt64.max)] as [UInt64])
    func mutatedRequests(seed: UInt64) async throws {
        try await withServer(EchoHandler()) { server in
            var random = Random(state: seed)
            let requests = Self.refused.map(\.request) + Self.served.map { Array($0.1.utf8) }
            for _ in 0..<150 {
                var bytes = requests.randomElement(using: &random) ?? []
                for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
                    let place = Int.random(in: 0..<bytes.count, using: &random)
                    switch Int.random(in: 0..<4, using: &random) {
                    case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                    case 1: bytes.remove(at: place)
                    case 2: bytes.insert(contentsOf: [0x0D, 0x0A, 0x00, 0x20, 0x3A].prefix(Int.random(in: 1...5, using: &random)), at: place)
                    default: bytes.removeSubrange(place...)
                    }
                }
                let client = try server.client()
                // In two pieces, so that the server sees an incomplete request first.
                let half = bytes.count / 2
                client.send(Array(bytes[..<half]))
                client.send(Array(bytes[half...]))
                client.closeWriting()
                if Bool.random(using: &random) { _ = client.waitReadable(milliseconds: 1) }
            }
            #expect(try server.client().exchange(get("/fine")).body == "GET /fine ")
            #expect(try server.onLoop { [$0.waiting, $0.suspended] } == [0, 0])
        }
    }

    @Test("refusals are JSON with an identifier") func refusalsAreJSON() async throws {
        try await withServer(EchoHandler()) { server in
            let reply = try server.client().exchange(get("/%zz"))
            #expect(reply.headers["content-type"] == "application/json" && reply.headers["x-content-type-options"] == "nosniff")
            #expect(reply.headers["cache-control"] == "no-store")
            let identifier = try #require(reply.headers["x-request-id"])
            #expect(identifier.count == 16 && reply.body.hasPrefix("{\"code\":\"badRequest\",\"message\":\""))
            #expect(reply.body.hasSuffix("\"detail\":null,\"requestId\":\"\(identifier)\"}\n"))
        }
    }

    @Test("admin limits refuse needless bodies and other hosts") func strictServer() async throws {
        try await withServer(EchoHandler(), limits: .admin) { server in
            try server.onLoop { $0.allowedHosts = ["localhost:\($0.port)", "127.0.0.1:\($0.port)"] }
            let port = server.port
            #expect(try server.client().exchange("GET / HTTP/1.1\r\nHost: LOCALHOST:\(port)\r\nContent-Length: 2\r\n\r\nhi").status == 400)
            #expect(try server.client().exchange("GET / HTTP/1.1\r\nHost: LOCALHOST:\(port)\r\n\r\n").status == 200)
            for evil in ["evil.com:\(port)", "localhost.evil.com", "127.0.0.1.nip.io:\(port)", "localhost.:\(port)", "localhost:1", "localhost"] {
                #expect(try server.client().exchange(host(evil)).status == 421)
            }
        }
    }
}
