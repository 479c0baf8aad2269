// Deployments on a real cluster: what is listed, what stays and what goes when the wanted state changes, and what parts of it die in between.

import Glibc
import Manta
import MantaModel
import MantaTestKit
import Testing

@testable import MantaServe

/// Answers a request's body.
struct Echoing: Backend {
    init(_ context: BackendContext) async throws {}
    func handle(_ request: Request) async throws -> Response { Response(request.body, contentType: "application/octet-stream") }
}

/// Waits for its gate; one that is cancelled counts itself.
struct Patient: Backend {
    init(_ context: BackendContext) async throws {}
    func handle(_ request: Request) async throws -> Response {
        await withTaskCancellationHandler {
            _ = try? await Gate.named("patience", namespace: "tests").wait().value
        } onCancel: {
            Task { try await Counter.named("cancelled", namespace: "tests").increment().value }
        }
        return .text("through")
    }
}

extension ServeTests {
    @Test func SERVE_023_cancellingACallCancelsItsHandlerAndNoOther() async throws {
        let gate = Gate.options(name: "patience", namespace: "tests").remote()
        let cancelled = Counter.options(name: "cancelled", namespace: "tests").remote()
        try await serve.createBackend("patient", Patient.self)
        try await serve.createEndpoint("patient", backend: "patient")
        let handle = try serve.handle("patient")
        let first = Task { try await handle.call() }
        let second = Task { try await handle.call() }
        try await eventually("both calls") { try await gate.waiting().value == 2 }
        first.cancel()
        await #expect(throws: CancellationError.self) { try await first.value }
        try await eventually("the first handler's cancellation", within: .seconds(30)) { try await cancelled.increment(by: 0).value == 1 }
        try await gate.open().value
        #expect(try await second.value.text == "through")
        #expect(try await cancelled.increment(by: 0).value == 1)
        try await clear()
        try await Manta.kill(gate)
        try await Manta.kill(cancelled)
    }

    @Test func SERVE_008_010_endpointsAreListedAndFreed() async throws {
        for name in ["m", "n"] { try await serve.createBackend(name, Mirror.self) }
        try await serve.createEndpoint("e", route: "/e", methods: [.get, .post], traffic: ["m": 0.25, "n": 0.75])
        try await serve.shadowTraffic("e", to: "n", fraction: 0.5)
        try await serve.createEndpoint("inner", backend: "m")
        #expect(
            try await serve.listEndpoints() == [
                EndpointDescription(name: "e", route: "/e", methods: [.get, .post], traffic: ["m": 0.25, "n": 0.75], shadows: ["n": 0.5]),
                EndpointDescription(name: "inner", route: nil, methods: [.get], traffic: ["m": 1]),
            ])
        let pid = try await serve.handle("inner").call().json(as: Mirrored.self).pid
        try await serve.deleteEndpoint("e")
        try await settle("/e", 404)
        // Its name and route are free, its backends are there as before.
        try await serve.createEndpoint("e", route: "/e", backend: "m")
        try await settle("/e")
        #expect(try await ask("/e").pid == pid)
        try await clear()
        #expect(try await serve.listEndpoints().isEmpty)
    }

    @Test func SERVE_026_027_aDeploymentReplacesWhatWasAndLeavesTheRest() async throws {
        func deployment(_ backend: String, _ route: String) -> ServeConfiguration {
            var configuration = ServeConfiguration()
            configuration.backends = [backend, "other"].map { .init(name: $0, type: "MantaServeTests.Mirror") }
            configuration.endpoints = [.init(name: "e", route: route, backend: backend), .init(name: "other", route: "/other", backend: "other")]
            return configuration
        }
        try await serve.apply(deployment("first", "/one"))
        try await settle("/one")
        try await settle("/other")
        let other = try await ask("/other").pid
        try await serve.apply(deployment("second", "/two"))
        try await settle("/two")
        try await settle("/one", 404)
        #expect(try await ask("/two").backend == "second")
        try await eventually("the end of the first backend's replicas") { try await serve.listReplicas().allSatisfy { $0.backend != "first" } }
        #expect(try await ask("/other").pid == other, "what did not change was not touched")

        var conflict = deployment("second", "/two")
        conflict.endpoints.append(.init(name: "third", route: "/two", backend: "other"))
        let wrong = conflict
        let error = await #expect(throws: MantaError.self) { try await serve.apply(wrong) }
        #expect(error?.code == .alreadyExists)
        #expect(error?.message.contains("/two") == true && error?.message.contains("\"e\"") == true)
        #expect(try await ask("/two").backend == "second")
        #expect(try await serve.listEndpoints().map(\.name) == ["e", "other"])

        try await serve.deleteEndpoint("e")
        try await settle("/two", 404)
        let again = await #expect(throws: MantaError.self) { try await serve.deleteEndpoint("e") }
        #expect(again?.code == .notFound)
        #expect(try await ask("/other").pid == other)
        try await clear()
    }

    @Test func SERVE_042_anUpdateGoesOnThoughItsControllerDiesTwice() async throws {
        try await serve.createBackend("u", Mirror.self, .init(version: "1", replicas: 2))
        try await serve.createEndpoint("u", route: "/u", backend: "u")
        try await settle("/u")
        var description = try #require(try await serve.listBackends().first { $0.description.name == "u" }).description
        description.version = "2"
        // Returns when it is durable; nothing of it need be done.
        try await serve.controller.updateBackend(description).value
        for _ in 0..<2 {
            try await endProcess(ofActorNamed: "controller")
            #expect(try await http("GET", "/u", at: base).status == 200)
            try await eventually("the controller's return", within: .seconds(30)) { (try? await serve.listReplicas()) != nil }
        }
        try await eventually("two replicas of the new version and no others", within: .seconds(30)) {
            let replicas = try await serve.listReplicas().filter { $0.backend == "u" }
            return replicas.count == 2 && replicas.allSatisfy { $0.version == "2" && $0.state == .ready }
        }
        for _ in 0..<10 { #expect(try await http("GET", "/u", at: base).status == 200) }
        try await clear()
    }

    @Test func SERVE_044_aReplacementThatHangsLeavesTheOtherReplicaServing() async throws {
        let gate = Gate.options(name: "hanging-gate", namespace: "tests").remote()
        try await serve.createBackend("h", Mirror.self, .init(replicas: 2, configuration: ["hangAfter": "hanging"]))
        try await serve.createEndpoint("h", route: "/h", backend: "h")
        try await settle("/h")
        let pids = Set(try await serve.listReplicas().filter { $0.backend == "h" }.compactMap(\.pid))
        #expect(pids.count == 2)
        let dead = try #require(pids.first)
        kill(dead, SIGKILL)
        try await eventually("the replacement's constructor") { try await gate.waiting().value == 1 }
        for _ in 0..<20 { #expect(pids.subtracting([dead]).contains(try await ask("/h").pid)) }
        #expect(try await serve.listBackends().first { $0.description.name == "h" }?.status.ready == 1)
        try await gate.open().value
        try await eventually("both") { try await serve.listBackends().first { $0.description.name == "h" }?.status.ready == 2 }
        try await clear()
        try await Manta.kill(gate)
        try await Manta.kill(try await Counter.named("hanging", namespace: "tests"))
    }

    @Test func SERVE_054_061_theSameAgainChangesNothing() async throws {
        try await serve.createBackend("same", Mirror.self, .init(version: "7"))
        try await serve.createEndpoint("same", route: "/same", backend: "same")
        try await settle("/same")
        let pid = try await ask("/same").pid
        for _ in 0..<9 {
            try await serve.createBackend("same", Mirror.self, .init(version: "7"))
            try await serve.createEndpoint("same", route: "/same", backend: "same")
        }
        #expect(try await serve.listBackends().count == 1)
        #expect(try await serve.listEndpoints().count == 1)
        try await serve.updateBackend("same") { $0.version = "7" }
        #expect(try await ask("/same").pid == pid)
        try await serve.updateBackend("same") { $0.version = "8" }
        try await eventually("another process") { try await ask("/same").pid != pid }
        try await clear()
    }

    @Test func SERVE_052_aBodyComesBackWhole() async throws {
        try await serve.createBackend("echo", Echoing.self)
        try await serve.createEndpoint("echo", route: "/echo", methods: [.get, .post], backend: "echo")
        try await settle("/echo")
        let body = (0..<655_360).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        #expect(try await http("POST", "/echo", at: base, body: body).body == body)
        #expect(try await serve.handle("echo").call(Request(method: .post, body: body)).body == body)
        try await clear()
    }

    // MARK: HTTP

    @Test func HTTP_002_theLongestRouteThatFitsWins() async throws {
        try await settle("/a", 404)
        for name in ["hello", "deep"] { try await serve.createBackend(name, Mirror.self) }
        try await serve.createEndpoint("hello", route: "/hello", backend: "hello")
        try await settle("/hello/a")
        #expect(try await http("GET", "/a", at: base).status == 404)
        #expect(try await http("GET", "/helloa", at: base).status == 404, "a route ends where a segment ends")
        try await serve.createBackend("root", Mirror.self)
        try await serve.createEndpoint("root", route: "/", backend: "root")
        try await serve.createEndpoint("deep", route: "/hello/world", backend: "deep")
        try await settle("/a")
        try await eventually("the longer route") { try await ask("/hello/world/").backend == "deep" }
        #expect(try await ask("/hello/a").backend == "hello")
        #expect(try await ask("/a").backend == "root")
        #expect(try await ask("/helloa").backend == "root")
        try await clear()
        try await settle("/a", 404)
    }

    @Test func HTTP_005_011_requestsHaveIdentifiers() async throws {
        try await serve.createBackend("id", Mirror.self)
        try await serve.createEndpoint("id", route: "/id", backend: "id")
        try await settle("/id")
        var made: Set<String> = []
        for _ in 0..<10 {
            let reply = try await http("GET", "/id", at: base)
            let seen = try Response(reply.body, contentType: "application/json").json(as: Mirrored.self).requestID
            #expect(reply.headers["x-request-id"] == seen)
            made.insert(seen)
        }
        #expect(made.count == 10 && !made.contains(""))
        // One identifier for many requests is the client's affair: each has its own answer.
        let base = base
        let paths = try await withThrowingTaskGroup(of: (String, HTTPReply).self) { group in
            for number in 0..<20 {
                group.addTask { ("/id/\(number)", try await http("GET", "/id/\(number)", at: base, headers: ["X-Request-ID": "123-234"])) }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        for (path, reply) in paths {
            let answer = try Response(reply.body, contentType: "application/json").json(as: Mirrored.self)
            #expect(answer.path == path)
            #expect(answer.requestID == "123-234")
            #expect(reply.headers["x-request-id"] == "123-234")
        }
        try await clear()
    }

    /// The time is a 504 here, where Ray answers 408.
    @Test func HTTP_007_whatWaitedInVainNeverReachesAReplica() async throws {
        let gate = Gate.options(name: "vain", namespace: "tests").remote()
        try await serve.createBackend("vain", Mirror.self, .init(maxConcurrent: 1, requestTimeout: .seconds(3)))
        try await serve.createEndpoint("vain", route: "/vain", backend: "vain")
        try await settle("/vain")
        let before = try await ask("/vain").count
        let base = base
        async let blocked = http("GET", "/vain?do=hold&gate=vain", at: base)
        try await eventually("the first") { try await gate.waiting().value == 1 }
        async let waiting = http("GET", "/vain", at: base)
        #expect(try await [blocked.status, waiting.status] == [504, 504])
        try await gate.open().value
        try await settle("/vain")
        // The blocked one, that of `settle`, and this: the one that waited is not among them.
        #expect(try await ask("/vain").count == before + 3)
        try await clear()
        try await Manta.kill(gate)
    }

    @Test func HTTP_010_healthIsToldOnceThereIsARoute() async throws {
        try await clear()
        try await settle("/-/healthz", 503)
        let early = try await http("GET", "/-/healthz", at: base)
        #expect(early.text.contains("no endpoint with a route"))
        #expect(early.headers["retry-after"] == "1")
        try await serve.createBackend("p", Mirror.self)
        try await serve.createEndpoint("inner", backend: "p")
        #expect(try await http("GET", "/-/healthz", at: base).status == 503)
        try await serve.createEndpoint("p", route: "/p", methods: [.get, .put], backend: "p")
        try await settle("/-/healthz")
        #expect(try await http("GET", "/-/healthz", at: base).text == "success\n")
        #expect(try await http("GET", "/-/routes", at: base).text == #"{"/p":{"endpoint":"p","methods":["GET","PUT"]}}"#)
        #expect(try await http("POST", "/-/routes", at: base).headers["allow"] == "GET, HEAD")
        #expect(try await http("GET", "/-/nothing", at: base).status == 404)
        try await clear()
    }
}
