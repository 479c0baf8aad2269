// APITests: what each route answers, with good input and bad.

import MantaAdmin
import MantaHTTP
import MantaJSON
import MantaModel
import MantaWire
import Testing

extension HTTPResponse {
    var json: JSONValue? {
        if case .bytes(let bytes) = body { try? JSONValue.parse(bytes) } else { nil }
    }
    var failure: HTTPFailure? {
        if case .failure(let failure) = body { failure } else { nil }
    }
    func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}

struct APITests {
    let cluster = FakeCluster()
    let hits = ActorID(high: 0xfeed, low: 1)
    var api: AdminAPI { AdminAPI(cluster) }

    init() {
        let hits = hits
        cluster.set { content in
            content.named = ["shop/hits": hits]
            content.state.head.actors = [actorRow(hits, name: "hits"), actorRow(ActorID(high: 0xfeed, low: 2), state: .dead)]
            content.state.head.tasks = (1...300).reversed().map { taskRow($0, state: $0 % 3 == 0 ? .failed : .finished) }
            content.state.head.totals = ["actors": 2, "tasks": 300]
            content.state.serve.endpoints = [EndpointDescription(name: "e", route: "/e", traffic: ["a": 1])]
            content.state.serve.backends = []
        }
    }

    // MARK: Reading

    @Test func tablesAreRowsAndATotal() async {
        let answer = await api.ask(.get, "/api/v1/actors").json
        #expect(answer?.object?.keys == ["actors", "total", "states"])
        #expect(answer?["total"] == 2)
        #expect(answer?["states"] == ["alive": 1, "dead": 1])
        #expect(answer?["actors"][0]["name"] == "hits")
    }

    @Test(arguments: AdminTable.allCases) func everyTableCanBeListed(_ table: AdminTable) async {
        let response = await api.ask(.get, "/api/v1/\(table.rawValue)")
        #expect(response.status == 200)
        #expect(response.json?[table.rawValue].array != nil)
    }

    @Test func limitAndEqualitiesNarrowAListing() async {
        let limited = await api.ask(.get, "/api/v1/tasks", query: "limit=3").json
        #expect(limited?["tasks"].array?.count == 3)
        #expect(limited?["total"] == 300)
        let failed = await api.ask(.get, "/api/v1/tasks", query: "state=failed&limit=10&attempt=1").json
        #expect(failed?["tasks"].array?.count == 10)
        #expect(failed?["total"] == 100)
        #expect(failed?["tasks"].array?.allSatisfy { $0["state"] == "failed" } == true)
        let function = await api.ask(.get, "/api/v1/tasks", query: "function=Pi.sample%28points%3A%29&state=cancelled").json
        #expect(function?["tasks"] == [])
        #expect(function?["total"] == 0)
    }

    @Test func STATE_003_filtersAreEqualAndUnequalAndNothingElse() async {
        let dead = await api.ask(.get, "/api/v1/actors", query: "state=DEAD").json
        #expect(dead?["actors"].array?.map { $0["id"].string } == [ActorID(high: 0xfeed, low: 2).description])
        #expect(dead?["actors"][0]["pid"] == 42)
        let living = await api.ask(.get, "/api/v1/actors", query: "state!=dead").json
        #expect(living?["actors"].array?.map { $0["id"].string } == [hits.description])
        for query in ["attempt>1", "attempt%3E=1", "attempt<1", "state~=dead"] {
            let response = await api.ask(.get, "/api/v1/tasks", query: query)
            #expect(response.status == 400)
            #expect(response.failure?.message.contains("MEMBER!=VALUE") == true, "\(query)")
        }
    }

    @Test func STATE_021_filtersIgnoreCase() async {
        for query in ["state=FAILED", "state=failed", "state=Failed"] {
            #expect(await api.ask(.get, "/api/v1/tasks", query: query).json?["total"] == 100)
        }
        #expect(await api.ask(.get, "/api/v1/actors", query: "detached=True&name=HITS").json?["total"] == 1)
        #expect(await api.ask(.get, "/api/v1/actors", query: "detached=false").json?["total"] == 0)
    }

    @Test func STATE_016_aCutListingSaysHowManyThereAreAndHowToGoOn() async throws {
        var (seen, query, pages): ([String], String, Int) = ([], "limit=30&state=failed", 0)
        while true {
            let page = try #require(await api.ask(.get, "/api/v1/tasks", query: query).json)
            #expect(page["total"] == 100)
            #expect(page["states"] == ["failed": 100])
            seen += page["tasks"].array?.compactMap { $0["id"].string } ?? []
            pages += 1
            guard let next = page["next"].string else { break }
            query = "limit=30&state=failed&after=\(next)"
        }
        #expect(pages == 4)
        #expect(seen == (1...300).reversed().filter { $0 % 3 == 0 }.map { TaskID(high: 9, low: $0).description })
        let whole = await api.ask(.get, "/api/v1/actors").json
        #expect(whole?["next"].isNull == true)
        #expect(await api.ask(.get, "/api/v1/tasks", query: "after=nobody").status == 404)
        #expect(await api.ask(.get, "/api/v1/tasks", query: "limit=10001").status == 400)
    }

    @Test func STATE_009_aRowIsTheOneOfItsListAlsoFarBehind() async {
        let oldest = TaskID(high: 9, low: 1)
        let row = await api.ask(.get, "/api/v1/tasks/\(oldest)").json
        #expect(row?["id"].string == oldest.description)
        #expect(await api.ask(.get, "/api/v1/tasks", query: "limit=300").json?["tasks"].array?.last == row)
    }

    @Test func whatTheHeadDoesNotFilterIsFilteredHere() async {
        cluster.set { content in
            content.state.serve.endpoints = ["a", "b", "c"].map { EndpointDescription(name: $0, route: "/\($0)", traffic: ["x": 1]) }
            content.state.head.errors = (1...5).map { ErrorRow(at: WallTime(milliseconds: Int64(10 - $0)), code: $0 % 2 == 0 ? "timeout" : "system", message: "\($0)", source: "http") }
            content.state.head.totals["errors"] = 5
        }
        let first = await api.ask(.get, "/api/v1/endpoints", query: "limit=2").json
        #expect(first?["endpoints"].array?.count == 2)
        #expect(first?["next"] == "b")
        #expect(first?["states"].isNull == true)
        #expect(await api.ask(.get, "/api/v1/endpoints", query: "limit=2&after=b").json?["endpoints"].array?.map { $0["name"] } == ["c"])
        let errors = await api.ask(.get, "/api/v1/errors", query: "code!=timeout&limit=2").json
        #expect(errors?["errors"].array?.map { $0["message"] } == ["1", "3"])
        #expect(errors?["total"] == 3)
        let next = errors?["next"].string ?? ""
        #expect(await api.ask(.get, "/api/v1/errors", query: "code!=timeout&limit=2&after=\(next)").json?["errors"].array?.map { $0["message"] } == ["5"])
        #expect(await api.ask(.get, "/api/v1/errors/\(next)").json?["message"] == "3")
    }

    @Test(arguments: ["limit=0", "after=", "color!=red", "limit=10001", "limit=ten", "limit=%2B5", "limit=", "color=red", "state=alive&state=dead", "limit=1&limit=2", "__proto__=1"])
    func badQueriesAreNamed(_ query: String) async {
        let response = await api.ask(.get, "/api/v1/actors", query: query)
        #expect(response.status == 400)
        #expect(response.failure?.code == "invalidArgument")
    }

    @Test func JOB_006_aBadSubmissionIsNamed() async {
        for (body, complaint) in [
            (#"{"entrypoint": "x", "colour": "red"}"#, "colour"), (#"{}"#, "entrypoint"), (#"{"entrypoint": []}"#, "entrypoint"),
            (#"{"entrypoint": "x", "cpus": -1}"#, "cpus"), (#"{"entrypoint": "x", "environment": {"A": 1}}"#, "environment.A"), (#"[]"#, "object"),
        ] {
            let answer = await api.ask(.post, "/api/v1/submissions", json: body)
            #expect(answer.status == 400, "\(body)")
            #expect(answer.failure?.message.contains(complaint) == true, "\(body)")
        }
    }

    @Test func explanationsAreSentences() async {
        let answer = await api.ask(.get, "/api/v1/explain/5f0c2ab1").json
        #expect(answer == ["id": "5f0c2ab1", "lines": ["it waits", "for a node"]])
    }

    @Test func oneRowIsAsInItsList() async {
        let list = await api.ask(.get, "/api/v1/actors").json
        for path in ["/api/v1/actors/\(hits)", "/api/v1/actors/shop/hits"] {
            #expect(await api.ask(.get, path).json == list?["actors"][0])
        }
        #expect(await api.ask(.get, "/api/v1/endpoints/e").json?["traffic"] == ["a": 1])
        for path in ["/api/v1/actors/\(ActorID(high: 0, low: 9))", "/api/v1/actors/shop/nobody", "/api/v1/endpoints/nothing", "/api/v1/nodes/x"] {
            #expect(await api.ask(.get, path).status == 404)
        }
    }

    @Test func theSummaryIsThere() async {
        #expect(await api.ask(.get, "/api/v1/cluster").json?["totals"]["tasks"] == 300)
    }

    @Test func JOB_010_theVersionNamesReleaseProtocolAndSession() async {
        let version = await api.ask(.get, "/api/v1/version")
        #expect(version.status == 200)
        #expect(version.json?["version"] == "9.9.9" && version.json?["api"] == "v1" && version.json?["protocol"] == 1)
        #expect(version.json?["session"] == .string(ClusterID(high: 1, low: 2).description))
        #expect(version.json?.object?.keys.contains("commit") == true)
    }

    @Test(arguments: [
        "/api", "/api/v1", "/api/v1/", "/api/v1/nodes/", "/api/v1//nodes", "/API/v1/nodes", "/api/v2/nodes", "/api/v1/secrets", "/api/v1/actors/a/b/c", "/api/v1/actors/a/b/call/",
        "/style.css.bak", "/web/index.html", "/api/v1/actors/x\u{1}y", "/api/v1/nodes;x=y",
    ]) func nothingElseIsThere(_ path: String) async {
        #expect(await api.ask(.get, path).status == 404)
        #expect(cluster.calls.isEmpty)
    }

    @Test func overlongNamesAreNotLookedUp() async {
        #expect(await api.ask(.get, "/api/v1/actors/shop/" + String(repeating: "x", count: 10_000)).status == 404)
        #expect(cluster.calls.isEmpty)
    }

    @Test(arguments: [
        (.put, "/api/v1/nodes", "GET, HEAD"), (.delete, "/api/v1/nodes", "GET, HEAD"), (.get, "/api/v1/endpoints/e/traffic", "PUT"),
        (.get, "/api/v1/actors/shop/hits/call/increment", "POST"), (.post, "/api/v1/actors/shop/hits", "GET, HEAD, DELETE"), (.delete, "/", "GET, HEAD"),
    ] as [(HTTPMethod, String, String)]) func otherMethodsAreRefusedWithThoseThatWork(_ method: HTTPMethod, _ path: String, _ allowed: String) async {
        let response = await api.ask(method, path, json: "{}")
        #expect(response.status == 405)
        #expect(response.header("Allow") == allowed)
    }

    @Test func aWrongMethodIsSaidBeforeAWrongBody() async {
        let response = await api.ask(.post, "/api/v1/nodes", headers: [HTTPHeader("Host", "localhost:1")])
        #expect(response.status == 405)
        #expect(response.header("Allow") == "GET, HEAD")
        #expect(await api.ask(.put, "/api/v1/endpoints/e/traffic", headers: [HTTPHeader("Host", "localhost:1")]).status == 415)
    }

    @Test func aMethodOverrideIsIgnored() async {
        let response = await api.ask(.get, "/api/v1/actors/shop/hits", headers: [HTTPHeader("Host", "localhost:1"), HTTPHeader("X-HTTP-Method-Override", "DELETE")])
        #expect(response.status == 200)
        #expect(!cluster.calls.contains { $0.hasPrefix("kill") })
    }

    // MARK: Steering

    @Test func trafficIsSetAndTheEndpointAnswered() async {
        let response = await api.ask(.put, "/api/v1/endpoints/e/traffic", json: #"{"a": 0.9, "b": 0.1}"#)
        #expect(response.status == 200)
        #expect(response.json?["traffic"] == ["a": 0.9, "b": 0.1])
        #expect(await api.ask(.put, "/api/v1/endpoints/nothing/traffic", json: #"{"a": 1}"#).status == 404)
    }

    @Test(arguments: [
        "", "null", "5", "[]", "[1]", "{}", "{}x", "[1,]", #"{"a":1}//"#, #"{"a":1,"a":0}"#, #"{"a":0.5}"#, #"{"a":-0.1,"b":1.1}"#, #"{"a":"1"}"#, #"{"a":null}"#,
        #"{"a":1e400}"#, #"{"a":NaN}"#, #"{"a":01}"#, "{\"a\":1}\0", "\u{feff}{\"a\":1}", #"{"\ud800":1}"#, #"{"\u0000":1}"#, #"{"a":2}"#, #"{"a":true}"#, #"{"a":{"b":1}}"#,
    ]) func badTrafficChangesNothing(_ body: String) async {
        let response = await api.ask(.put, "/api/v1/endpoints/e/traffic", json: body)
        #expect(response.status == 400)
        #expect(!cluster.calls.contains { $0.hasPrefix("traffic") })
        #expect(response.failure?.message.isEmpty == false)
    }

    @Test func deepAndLargeBodiesAreRefused() async {
        let deep = String(repeating: "[", count: 100_000)
        #expect(await api.ask(.post, "/api/v1/actors/shop/hits/call/f", json: deep).status == 400)
        let keys = "{" + (0..<50_000).map { "\"k\($0)\":0" }.joined(separator: ",") + "}"
        #expect(await api.ask(.put, "/api/v1/endpoints/e/traffic", json: keys).status == 400)
    }

    @Test func aMethodIsCalledByPositionAndByLabel() async throws {
        cluster.set { $0.results = [JSONMessagePack.encode(["count": 3])] }
        let response = await api.ask(.post, "/api/v1/actors/shop/hits/call/increment", json: #"{"by": 2}"#)
        #expect(response.json == ["result": ["count": 3]])
        #expect(cluster.calls == ["actor shop/hits", "call \(hits.short) increment"])
        #expect(try JSONMessagePack.decode(cluster.arguments) == ["by": 2])
        _ = await api.ask(.post, "/api/v1/actors/\(hits)/call/increment(by:)", json: "[2]")
        #expect(try JSONMessagePack.decode(cluster.arguments) == [2])
        cluster.set { $0.results = [] }
        #expect(await api.ask(.post, "/api/v1/actors/shop/hits/call/reset", json: "[]").json == ["result": nil])
        cluster.set { $0.results = [[0x01], [0x02]] }
        #expect(await api.ask(.post, "/api/v1/actors/shop/hits/call/both", json: "[]").json == ["result": [1, 2]])
    }

    @Test(arguments: ["5", "\"x\"", "null", "tru"]) func argumentsMustBeAListOrAnObject(_ body: String) async {
        #expect(await api.ask(.post, "/api/v1/actors/shop/hits/call/f", json: body).status == 400)
        #expect(cluster.calls.isEmpty)
    }

    @Test func anActorIsRemoved() async {
        #expect(await api.ask(.delete, "/api/v1/actors/shop/hits").status == 204)
        #expect(await api.ask(.delete, "/api/v1/actors/\(hits)").status == 204)
        #expect(cluster.calls == ["actor shop/hits", "kill \(hits.short)", "kill \(hits.short)"])
        #expect(await api.ask(.delete, "/api/v1/actors/shop/nobody").status == 404)
        #expect(await api.ask(.delete, "/api/v1/actors/nobody").status == 404)
    }

    // MARK: Errors

    @Test(arguments: [
        (.invalidArgument, 400), (.wrongType, 400), (.notFound, 404), (.unknownFunction, 404), (.conflict, 409), (.alreadyExists, 409), (.actorDied, 410), (.tooLarge, 413),
        (.overloaded, 503), (.unavailable, 503), (.timeout, 504), (.system, 500),
    ] as [(MantaError.Code, Int)]) func failuresHaveTheirStatus(_ code: MantaError.Code, _ status: Int) async {
        cluster.set { $0.failure = MantaError(code, "what, where, what to do", cause: MantaError(.system, "below")) }
        let response = await api.ask(.get, "/api/v1/nodes")
        #expect(response.status == status)
        #expect(response.failure == HTTPFailure(code: code.rawValue, message: "what, where, what to do", detail: "system: below"))
        #expect((response.header("Retry-After") == "1") == (status == 503))
    }

    @Test func whatUserCodeThrewIsShown() async {
        cluster.set {
            $0.thrown = TaskError(typeName: "Broken", message: "no more", function: "C.f()", task: TaskID(high: 1, low: 1), node: NodeID(high: 1, low: 1), attempt: 1)
        }
        let response = await api.ask(.post, "/api/v1/actors/shop/hits/call/f", json: "[]")
        #expect(response.status == 500)
        #expect(response.failure?.code == "taskFailed")
        #expect(response.failure?.detail == "Broken")
    }

    @Test func everyAnswerKeepsBrowsersFromMisusingIt() async {
        for path in ["/", "/api/v1/nodes", "/nothing"] {
            let response = await api.ask(.get, path)
            #expect(response.header("X-Content-Type-Options") == "nosniff")
            #expect(response.header("X-Frame-Options") == "DENY")
            #expect(response.header("Content-Security-Policy")?.contains("frame-ancestors 'none'") == true)
        }
        #expect(await api.ask(.get, "/api/v1/nodes").header("Cache-Control") == "no-store")
    }
}
