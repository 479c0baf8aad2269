// AccessTests: tokens, and requests that pages of other sites make a browser send.

import MantaAdmin
import MantaHTTP
import MantaModel
import Testing

struct AccessTests {
    static let token = "0123456789abcdef0123456789abcdef"
    static let host = HTTPHeader("Host", "localhost:8265")
    static let json = HTTPHeader("Content-Type", "application/json")

    private func status(_ headers: [HTTPHeader], method: HTTPMethod = .get, path: String = "/api/v1/cluster", query: String = "", token: String? = nil) async -> Int {
        await AdminAPI(FakeCluster(), token: token).ask(method, path, query: query, headers: headers).status
    }

    @Test(arguments: [
        [HTTPHeader("Origin", "http://evil.example")], [HTTPHeader("Origin", "null")], [HTTPHeader("Origin", "http://localhost:8266")],
        [HTTPHeader("Origin", "http://localhost:8265.evil.example")], [HTTPHeader("Sec-Fetch-Site", "cross-site")], [HTTPHeader("Sec-Fetch-Site", "same-site")],
        [HTTPHeader("Origin", "http://localhost:8265"), HTTPHeader("Sec-Fetch-Site", "cross-site")],
    ]) func foreignPagesAreRefusedWhateverTheMethod(_ headers: [HTTPHeader]) async {
        for (method, path) in [
            (.get, "/api/v1/cluster"), (.get, "/api/v1/events"), (.put, "/api/v1/endpoints/e/traffic"), (.delete, "/api/v1/actors/a/b"), (.post, "/api/v1/actors/a/b/call/c"),
            (.patch, "/api/v1/nodes"), (.options, "/api/v1/nodes"),
        ] as [(HTTPMethod, String)] {
            #expect(await status([Self.host, Self.json] + headers, method: method, path: path) == 403)
        }
    }

    @Test func ourOwnPageAndProgramsAreServed() async {
        #expect(await status([Self.host]) == 200)
        #expect(await status([Self.host, HTTPHeader("Origin", "http://localhost:8265"), HTTPHeader("Sec-Fetch-Site", "same-origin")]) == 200)
        #expect(await status([Self.host, HTTPHeader("Sec-Fetch-Site", "none")]) == 200)
    }

    @Test(arguments: ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "application/jsonx", "text/plain; application/json"])
    func whatAFormCanSendIsRefused(_ type: String) async {
        #expect(await status([Self.host, HTTPHeader("Content-Type", type)], method: .post, path: "/api/v1/actors/a/b/call/c") == 415)
        #expect(await status([Self.host, HTTPHeader("Content-Type", type)], method: .put, path: "/api/v1/endpoints/e/traffic") == 415)
    }

    @Test func jsonWithACharsetIsJSON() async {
        #expect(await status([Self.host, HTTPHeader("Content-Type", "Application/JSON; charset=utf-8")], method: .post, path: "/api/v1/actors/a/b/call/c") == 404)
    }

    @Test func aPreflightGetsNoPermission() async {
        let response = await AdminAPI(FakeCluster()).ask(.options, "/api/v1/cluster", headers: [Self.host, HTTPHeader("Access-Control-Request-Method", "PUT")])
        #expect(response.status == 405)
        #expect(!response.headers.contains { $0.name.lowercased().hasPrefix("access-control") })
    }

    @Test(arguments: [
        ([], 401), ([HTTPHeader("Authorization", "Bearer wrong")], 403), ([HTTPHeader("Authorization", "Bearer 0123456789abcdef")], 403),
        ([HTTPHeader("Authorization", "Bearer \(token)0")], 403), ([HTTPHeader("Authorization", "Basic \(token)")], 403), ([HTTPHeader("Authorization", token)], 403),
        ([HTTPHeader("Authorization", "Bearer " + String(repeating: "x", count: 8192))], 403),
        ([HTTPHeader("Authorization", "Bearer \(token)"), HTTPHeader("Authorization", "Bearer \(token)")], 400), ([HTTPHeader("Authorization", "Bearer \(token)")], 200),
    ] as [([HTTPHeader], Int)]) func onlyTheTokenOpens(_ headers: [HTTPHeader], _ expected: Int) async {
        #expect(await status([Self.host] + headers, token: Self.token) == expected)
    }

    @Test func aTokenInTheAddressIsRefused() async {
        #expect(await status([Self.host], query: "token=\(Self.token)", token: Self.token) == 400)
    }

    @Test func everyPathButThePagesAsksForTheToken() async {
        for path in ["/api/v1/nodes", "/api/v1/events", "/API/v1/nodes", "//api/v1/nodes", "/metrics", "/logs", "/x"] {
            #expect(await status([Self.host], path: path, token: Self.token) == 401)
        }
        #expect(await status([Self.host], path: "/", token: Self.token) == 200)
    }

    @Test func guessingIsSlowedDownForTheGuesserOnly() async {
        let api = AdminAPI(FakeCluster(), token: Self.token)
        func ask(_ token: String, from address: String) async -> Int {
            await api.answer(
                HTTPRequestCopy(method: .get, path: "/api/v1/version", headers: [HTTPHeader("Authorization", "Bearer \(token)")], remoteAddress: address)
            ).status
        }
        for _ in 0..<20 { #expect(await ask("guess", from: "10.0.0.1") == 403) }
        #expect(await ask("guess", from: "10.0.0.1") == 429)
        #expect(await ask(Self.token, from: "10.0.0.2") == 200)
    }

    @Test func anAddressThatOthersReachNeedsAToken() {
        for host in ["0.0.0.0", "::", "10.1.2.3", "127.0.0.1.example.org", "reef"] {
            #expect(!AdminConfiguration(host: host).isLoopback)
        }
        for host in ["127.0.0.1", "127.8.8.8", "::1", "localhost"] { #expect(AdminConfiguration(host: host).isLoopback) }
    }
}
