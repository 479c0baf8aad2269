// Serving on a real cluster of this machine: what backends, endpoints and traffic do, by HTTP and from Swift, and what stays when parts of it die.

import Glibc
import Manta
import MantaModel
import MantaServe
import MantaTestKit
import MantaWire
import MantaWorker
import Testing

/// What `Mirror` tells of itself and its request.
struct Mirrored: Codable, Sendable {
    var backend: String
    var version: String
    var tag: String
    var replica: Int
    var pid: Int32
    var method: String
    var path: String
    var requestID: String
    var configuration: ConfigurationValue
    /// Requests this instance has had.
    var count: Int
}

/// Answers who it is; on demand it throws, dies, or waits for a gate.
@Deployable final actor Mirror: Backend {
    let context: BackendContext
    private var count = 0

    init(_ context: BackendContext) async throws {
        self.context = context
        if let text = try? context.configuration(as: [String: String].self) {
            if let reason = text["fail"] { throw MantaError(.invalidArgument, reason) }
            if let name = text["hangAfter"] {
                // The third and all further ones never come to an end.
                let counter = Counter.options(name: name, namespace: "tests", lifetime: .detached, getIfExists: true).remote()
                if try await counter.increment().value > 2 { try await Gate.named(name + "-gate", namespace: "tests").wait().value }
            }
            if let name = text["meet"] {
                // Goes on when two replicas have come.
                let counter = Counter.options(name: name, namespace: "tests", lifetime: .detached, getIfExists: true).remote()
                _ = try await counter.increment().value
                try await eventually("the other replica") { try await counter.increment(by: 0).value >= 2 }
            }
        }
    }

    func handle(_ request: Request) async throws -> Response {
        count += 1
        switch request.query("do") {
        case "throw": throw Trouble.broken(code: 3)
        case "die": abort()
        case "wait": try await Gate.named(request.query("gate") ?? "", namespace: "tests").wait().value
        case "hold":
            // Takes no notice of being cancelled.
            let gate = request.query("gate") ?? ""
            try await Task.detached { try await Gate.named(gate, namespace: "tests").wait().value }.value
        case "hang": for await _ in AsyncStream<Void>(unfolding: { await withUnsafeContinuation { (_: UnsafeContinuation<Void?, Never>) in } }) {}
        default: break
        }
        return try .json(
            Mirrored(
                backend: context.backend, version: context.version, tag: context.tag, replica: context.replica, pid: getpid(), method: request.method,
                path: request.path, requestID: request.requestID, configuration: context.configuration, count: count))
    }
}

/// Counts, in one place, how often each backend was asked.
final class Tallying: Backend {
    private let name: String
    private let counter: Counter.Handle
    init(_ context: BackendContext) async throws {
        name = context.backend
        counter = Counter.options(name: "tally-\(context.backend)", namespace: "tests", lifetime: .detached, getIfExists: true).remote()
        _ = try await counter.increment(by: 0).value
    }
    func handle(_ request: Request) async throws -> Response {
        _ = try await counter.increment().value
        return .text(name)
    }
}

@Suite(.serialized, .timeLimit(.minutes(3))) struct ServeTests {
    let serve: Serve
    let base: String

    init() async throws {
        base = try #require(try await SharedCluster.get().http)
        serve = try await Serve.connect()
    }

    func clear() async throws { try await serve.apply(ServeConfiguration()) }

    func ask(_ path: String, _ method: String = "GET", headers: [String: String] = [:]) async throws -> Mirrored {
        let reply = try await http(method, path, at: base, headers: headers)
        guard reply.status == 200 else { throw MantaError(.taskFailed, "\(reply.status): \(reply.text)") }
        return try Response(reply.body, contentType: "application/json").json(as: Mirrored.self)
    }

    /// As a machine without memory would end it.
    func endProcess(ofActorNamed name: String) async throws {
        let runtime = try #require(try await SharedCluster.get().runtime)
        let state = try await runtime.head(QueryState(tables: [.actors], limit: 1000))
        let pid = try #require(state.actors.first { $0.name == name && $0.state == .alive }?.pid)
        kill(pid, SIGKILL)
    }

    /// Proxies follow within milliseconds, not at once.
    func settle(_ path: String, _ expected: Int = 200) async throws {
        try await eventually("\(path) answering \(expected)") { try await http("GET", path, at: base).status == expected }
    }

    @Test func SERVE_001_bothMethodsReachTheBackend() async throws {
        try await serve.createBackend("m", Mirror.self)
        try await serve.createEndpoint("m", route: "/m", methods: [.get, .post], backend: "m")
        try await settle("/m")
        #expect(try await ask("/m").method == "GET")
        #expect(try await ask("/m", "POST").method == "POST")
        #expect(try await ask("/m/below?x=1").path == "/m/below")
        #expect(try await http("PUT", "/m", at: base).headers["allow"] == "GET, HEAD, POST")
        try await clear()
        try await settle("/m", 404)
    }

    @Test func SERVE_004_unknownNamesChangeNothing() async throws {
        try await serve.createBackend("m", Mirror.self)
        try await serve.createEndpoint("m", route: "/m", backend: "m")
        func refused(_ code: MantaError.Code, _ body: () async throws -> Void) async {
            let error = await #expect(throws: MantaError.self) { try await body() }
            #expect(error?.code == code)
        }
        await refused(.notFound) { try await serve.setTraffic("m", ["n": 1]) }
        await refused(.notFound) { try await serve.setTraffic("n", ["m": 1]) }
        await refused(.invalidArgument) { try await serve.setTraffic("m", ["m": 0.5]) }
        await refused(.conflict) { try await serve.deleteBackend("m") }
        await refused(.alreadyExists) { try await serve.createEndpoint("other", route: "/m", backend: "m") }
        await refused(.alreadyExists) { try await serve.createBackend("m", Mirror.self, .init(replicas: 2)) }
        let endpoints = try await serve.listEndpoints()
        #expect(endpoints == [EndpointDescription(name: "m", route: "/m", traffic: ["m": 1])])
        try await clear()
        #expect(try await serve.listEndpoints().isEmpty)
    }

    @Test func SERVE_005_006_trafficIsDividedAndKeysStay() async throws {
        for name in ["a", "b", "c"] { try await serve.createBackend(name, Mirror.self) }
        try await serve.createEndpoint("split", route: "/split", traffic: ["a": 0.4, "b": 0.3, "c": 0.3])
        try await settle("/split")
        var seen: Set<String> = []
        for _ in 0..<40 { seen.insert(try await ask("/split").backend) }
        #expect(seen == ["a", "b", "c"])
        let handle = try serve.handle("split")
        for key in 0..<20 {
            let first = try await ask("/split", headers: ["X-Manta-Shard-Key": "key \(key)"]).backend
            #expect(try await ask("/split", headers: ["x-manta-shard-key": "key \(key)"]).backend == first)
            #expect(try await handle.call(shardKey: "key \(key)").json(as: Mirrored.self).backend == first)
        }
        try await serve.setTraffic("split", ["b": 1, "a": 0])
        try await eventually("the traffic moved") {
            var seen: Set<String> = []
            for _ in 0..<5 { seen.insert(try await ask("/split").backend) }
            return seen == ["b"]
        }
        for _ in 0..<20 { #expect(try await ask("/split").backend == "b") }
        try await clear()
    }

    @Test func SERVE_007_shadowsGetCopies() async throws {
        for name in ["primary", "all", "half"] { try await serve.createBackend(name, Tallying.self) }
        try await serve.createEndpoint("shadowed", route: "/shadowed", backend: "primary")
        try await serve.shadowTraffic("shadowed", to: "all", fraction: 1)
        try await serve.shadowTraffic("shadowed", to: "half", fraction: 0.5)
        try await settle("/shadowed")
        let counters = try await [Counter.named("tally-primary", namespace: "tests"), Counter.named("tally-all", namespace: "tests"), Counter.named("tally-half", namespace: "tests")]
        // The proxy knows of the shadow, and no copy of before is under way any more.
        try await eventually("a copy") {
            _ = try await http("GET", "/shadowed", at: base)
            return try await counters[1].increment(by: 0).value > 0
        }
        var last = -1
        try await eventually("quiet", poll: .milliseconds(200)) {
            let (former, count) = (last, try await counters[1].increment(by: 0).value)
            last = count
            return count == former
        }
        let before = try await Manta.get(counters.map { $0.increment(by: 0) })
        for _ in 0..<100 { #expect(try await http("GET", "/shadowed", at: base).text == "primary") }
        try await eventually("all copies") { try await counters[1].increment(by: 0).value - before[1] == 100 }
        let after = try await Manta.get(counters.map { $0.increment(by: 0) })
        #expect(after[0] - before[0] == 100)
        #expect((20...80).contains(after[2] - before[2]))
        try await clear()
        for counter in counters { try await Manta.kill(counter) }
    }

    @Test func SERVE_011_012_013_configurationReachesReplicasWithoutARestart() async throws {
        try await serve.createBackend("c", Mirror.self, .init(replicas: 2, configuration: ["count": 123]))
        try await serve.createEndpoint("c", route: "/c", backend: "c")
        try await settle("/c")
        func look() async throws -> (pids: Set<Int32>, counts: Set<ConfigurationValue>) {
            var (pids, counts): (Set<Int32>, Set<ConfigurationValue>) = ([], [])
            for _ in 0..<40 {
                let answer = try await ask("/c")
                pids.insert(answer.pid)
                counts.insert(answer.configuration["count"] ?? .null)
            }
            return (pids, counts)
        }
        let first = try await look()
        #expect(first.pids.count == 2)
        #expect(first.counts == [123])
        try await serve.updateBackend("c") { $0.replicas = 3 }
        try await eventually("a third replica") { try await look().pids.count == 3 }
        let second = try await look()
        #expect(second.counts == [123])
        #expect(second.pids.isSuperset(of: first.pids))
        try await serve.updateBackend("c") { $0.userConfiguration = ["count": 456] }
        try await eventually("the configuration everywhere") { try await look().counts == [456] }
        #expect(try await look().pids == second.pids)
        // SERVE-013
        try await serve.updateBackend("c") { $0.replicas = 1 }
        try await eventually("one replica") { try await look().pids.count == 1 }
        try await clear()
    }

    @Test func SERVE_014_replicasStartTogether() async throws {
        try await serve.createBackend("pair", Mirror.self, .init(replicas: 2, configuration: ["meet": "pair-gate"]))
        #expect(try await serve.listReplicas().filter { $0.backend == "pair" && $0.state == .ready }.count == 2)
        try await Manta.kill(try await Counter.named("pair-gate", namespace: "tests"))
        try await clear()
    }

    @Test func SERVE_021_HTTP_008_whatIsTooMuchIsRefused() async throws {
        let gate = Gate.options(name: "pressure", namespace: "tests").remote()
        try await serve.createBackend("one", Mirror.self, .init(maxConcurrent: 1, maxQueued: 1))
        try await serve.createEndpoint("one", route: "/one", backend: "one")
        try await settle("/one")
        let handle = try serve.handle("one")
        let blocked = Request(query: [("do", "wait"), ("gate", "pressure")])
        let base = base
        // One place, one that waits: of four calls two are refused, at once.
        let calls = Log<Int>()
        async let first = handle.call(blocked)
        try await eventually("the first call") { try await gate.waiting().value == 1 }
        for _ in 0..<3 {
            Task {
                do { calls.append(try await handle.call(Request()).status) } catch let error as MantaError { calls.append(error.code == .overloaded ? 503 : 0) }
            }
        }
        try await eventually("two refusals at the handle") { calls.values == [503, 503] }
        // A proxy counts for itself.
        let requests = Log<Int>()
        async let third = http("GET", "/one?do=wait&gate=pressure", at: base)
        try await eventually("the third call") { try await gate.waiting().value == 2 }
        for _ in 0..<3 {
            Task {
                let reply = try await http("GET", "/one", at: base)
                requests.append(reply.status == 503 && reply.headers["retry-after"] != "1" ? 0 : reply.status)
            }
        }
        try await eventually("two refusals at the proxy") { requests.values == [503, 503] }
        try await gate.open().value
        #expect(try await first.status == 200)
        #expect(try await third.status == 200)
        try await eventually("the answers of those that waited") { calls.values.last == 200 && requests.values.last == 200 }
        try await clear()
        try await Manta.kill(gate)
    }

    @Test func SERVE_025_aConstructorsErrorFailsTheDeployment() async throws {
        let error = await #expect(throws: MantaError.self) {
            try await serve.createBackend("bad", Mirror.self, .init(configuration: ["fail": "there is no model"]))
        }
        #expect(error?.code == .taskFailed)
        #expect(error?.message.contains("there is no model") == true)
        #expect(try await serve.listBackends().allSatisfy { $0.description.name != "bad" })

        var configuration = ServeConfiguration()
        configuration.backends = [.init(name: "bad", type: "MantaServeTests.Mirror")]
        configuration.backends[0].configuration = ["fail": "there is no model"]
        configuration.endpoints = [.init(name: "bad", route: "/bad", backend: "bad")]
        let broken = configuration
        await #expect(throws: MantaError.self) { try await serve.apply(broken) }
        try await settle("/bad", 503)
        let status = try #require(try await serve.listBackends().first { $0.description.name == "bad" }?.status)
        #expect(status.state == .failed)
        #expect(status.message.contains("there is no model"))
        configuration.backends[0].configuration = nil
        configuration.backends[0].version = "2"
        try await serve.apply(configuration)
        try await settle("/bad")

        configuration.backends[0].type = "MantaServeTests.Mirrors"
        let misspelt = configuration
        let unknown = await #expect(throws: MantaError.self) { try await serve.apply(misspelt) }
        #expect(unknown?.message.contains("no backend MantaServeTests.Mirrors") == true)
        // What served before serves on.
        #expect(try await ask("/bad").version == "2")
        try await clear()
    }

    @Test func SERVE_049_aBackendWithoutAPlaceIsRefused() async throws {
        let error = await #expect(throws: MantaError.self) {
            try await serve.createBackend("huge", Mirror.self, .init(resources: ["unobtainium": 1]))
        }
        #expect(error?.code == .unschedulable)
        #expect(error?.message.contains("unobtainium") == true)
        #expect(try await serve.listBackends().allSatisfy { $0.description.name != "huge" })
    }

    @Test func SERVE_029_030_anUpdateLetsRequestsFinish() async throws {
        let gate = Gate.options(name: "update", namespace: "tests").remote()
        try await serve.createBackend("v", Mirror.self, .init(version: "1", replicas: 2))
        try await serve.createEndpoint("v", route: "/v", backend: "v")
        try await settle("/v")
        async let blocked = ask("/v?do=wait&gate=update")
        try await eventually("the request") { try await gate.waiting().value == 1 }
        try await serve.updateBackend("v") { $0.version = "2" }
        try await eventually("the new version alone") {
            var versions: Set<String> = []
            for _ in 0..<10 { versions.insert(try await ask("/v").version) }
            return versions == ["2"]
        }
        for _ in 0..<20 { #expect(try await ask("/v").version == "2") }
        try await gate.open().value
        #expect(try await blocked.version == "1")
        try await eventually("the old replicas' end") {
            let replicas = try await serve.listReplicas().filter { $0.backend == "v" }
            return replicas.count == 2 && replicas.allSatisfy { $0.version == "2" && $0.state == .ready }
        }
        try await clear()
        try await Manta.kill(gate)
    }

    @Test func SERVE_031_HTTP_004_aDeadReplicaIsReplacedAndAThrownErrorIsA500() async throws {
        try await serve.createBackend("d", Mirror.self)
        try await serve.createEndpoint("d", route: "/d", backend: "d")
        try await settle("/d")
        let thrown = try await http("GET", "/d?do=throw", at: base, headers: ["X-Request-Id": "abc-123"])
        #expect(thrown.status == 500)
        #expect(thrown.headers["x-request-id"] == "abc-123")
        #expect(thrown.text.contains("\"requestId\":\"abc-123\""))
        #expect(!thrown.text.contains("broken"))
        let runtime = try #require(try await SharedCluster.get().runtime)
        try await eventually("the error among those of the cluster") {
            try await runtime.head(QueryState(tables: [.errors], limit: 100)).errors.contains { $0.requestId == "abc-123" && $0.message.contains("broken") }
        }
        #expect(try await ask("/d", headers: ["X-Request-Id": "123-234"]).requestID == "123-234")
        #expect(try await ask("/d").requestID.isEmpty == false)
        let pid = try await ask("/d").pid
        #expect(try await http("GET", "/d?do=die", at: base).status == 502)
        try await eventually("another process") { (try? await ask("/d").pid).map { $0 != pid } ?? false }
        await #expect(throws: Trouble.broken(code: 3)) { try await serve.handle("d").call(Request(query: [("do", "throw")])) }
        try await clear()
    }

    @Test func HTTP_006_aLateAnswerIsA504() async throws {
        try await serve.createBackend("late", Mirror.self, .init(requestTimeout: .milliseconds(300)))
        try await serve.createEndpoint("late", route: "/late", backend: "late")
        try await settle("/late")
        #expect(try await http("GET", "/late?do=hang", at: base).status == 504)
        let error = await #expect(throws: MantaError.self) { try await serve.handle("late").call(Request(query: [("do", "hang")])) }
        #expect(error?.code == .timeout)
        #expect(try await http("GET", "/late", at: base).status == 200)
        try await clear()
    }

    @Test func SERVE_041_theControllersDeathInterruptsNothing() async throws {
        try await serve.createBackend("k", Mirror.self, .init(replicas: 2))
        try await serve.createEndpoint("k", route: "/k", backend: "k")
        try await settle("/k")
        let replicas = Set(try await serve.listReplicas().filter { $0.backend == "k" }.map(\.tag))
        try await endProcess(ofActorNamed: "controller")
        for _ in 0..<20 { #expect(try await http("GET", "/k", at: base).status == 200) }
        try await eventually("the controller's return", within: .seconds(20)) { (try? await serve.listReplicas()) != nil }
        let adopted = try await serve.listReplicas().filter { $0.backend == "k" }
        #expect(Set(adopted.map(\.tag)) == replicas)
        try await serve.createEndpoint("k2", route: "/k2", backend: "k")
        try await settle("/k2")
        try await clear()
        try await eventually("no replicas") { try await serve.listReplicas().isEmpty }
    }

    @Test func shutdownLeavesNothingAndServingCanBeginAgain() async throws {
        try await serve.createBackend("s", Mirror.self, .init(replicas: 2))
        try await serve.createEndpoint("s", route: "/s", backend: "s")
        try await settle("/s")
        try await serve.shutdown()
        try await settle("/s", 404)
        let again = try await Serve.connect()
        #expect(try await again.listEndpoints().isEmpty)
        #expect(try await again.listReplicas().isEmpty)
        try await again.createBackend("s", Mirror.self)
        try await again.createEndpoint("s", route: "/s", backend: "s")
        try await settle("/s")
        try await again.apply(ServeConfiguration())
    }
}
