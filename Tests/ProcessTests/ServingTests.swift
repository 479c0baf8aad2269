// ServingTests: requests that are as they should be, and requests that are not; deployments that are as they should be, and those that are not.

import Foundation
import MantaJSON
import MantaTestKit
import PlainHTTP
import Testing

/// Backends of Probe, for tests.
enum Configurations {
    static let answers = """
        # Two backends that answer their own name.
        backends:
          - {name: one, program: Probe, type: Probe.Answer, configuration: {text: one}}
          - {name: two, program: Probe, type: Probe.Answer, configuration: {text: two}}
        endpoints:
          - {name: answer, route: /answer, methods: [GET, POST], traffic: {one: 1, two: 0}}
        """
    static let manners = """
        # Backends with bad manners: one throws, one dies, one takes its time and takes one request only.
        backends:
          - {name: thrower, program: Probe, type: Probe.Thrower}
          - {name: dier, program: Probe, type: Probe.Dier}
          - {name: sleeper, program: Probe, type: Probe.Answer, maxConcurrent: 1, maxQueued: 0, configuration: {text: late, seconds: 3}}
        endpoints:
          - {name: throw, route: /throw, methods: [GET], traffic: {thrower: 1}}
          - {name: die, route: /die, methods: [GET], traffic: {dier: 1}}
          - {name: sleep, route: /sleep, methods: [GET], traffic: {sleeper: 1}}
        """
}

extension ProcessTests {
    @Suite(.serialized)
    struct ServingTests {
        @Test func whatARequestCannotHaveIsSaid() async throws {
            try await Platform.run(deploying: Configurations.answers) { platform in
                try await platform.ready("GET", "/answer")
                #expect(try await platform.http("GET", "/-/healthz").status == 200)
                let routes = try await platform.http("GET", "/-/routes")
                #expect(try JSONValue.parse(routes.body)["/answer"]["endpoint"].string == "answer", "\(routes.text)")

                let unknown = try await platform.http("GET", "/nowhere")
                expectError(unknown, 404)
                let method = try await platform.http("DELETE", "/answer")
                expectError(method, 405)
                #expect(method.header("Allow")?.contains("GET") == true)
                #expect(method.header("Allow")?.contains("POST") == true)
            }
        }

        @Test func ambiguousFramingIsRefusedAndTheConnectionClosed() async throws {
            try await Platform.run(deploying: Configurations.answers) { platform in
                try await platform.ready("GET", "/answer")
                for request in [
                    "POST /answer HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                    "POST /answer HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
                    "POST /answer HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\nhello",
                    "POST /answer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
                    "POST /answer HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                    "GET /answer HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "GET /answer HTTP/1.1\r\n\r\n", "GET /answer\r\n\r\n",
                ] {
                    let (answer, isClosed) = try await platform.raw(request)
                    // A request line that cannot be read is answered by libmicrohttpd itself, with a page of its own.
                    if request.hasPrefix("GET /answer\r\n") { #expect(answer.status == 400, "\(request)") } else { expectError(answer, 400) }
                    #expect(isClosed, "\(request)")
                }
                let (answer, _) = try await platform.raw("POST /answer HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
                #expect(answer.status == 413)
                #expect(try await platform.http("GET", "/answer").text == "one")
            }
        }

        @Test func aBackendsFaultsAreToldApart() async throws {
            try await Platform.run(deploying: Configurations.manners) { platform in
                try await platform.ready("GET", "/throw", status: 500)
                let thrown = try await platform.http("GET", "/throw")
                expectError(thrown, 500)
                #expect(!thrown.text.contains("Probe.swift"), "no stack may show: \(thrown.text)")

                try await platform.ready("GET", "/sleep")
                // One place, no queue: of three at once one is answered, the others are asked to come again.
                let answers = try await withThrowingTaskGroup { group in
                    for _ in 0..<3 { group.addTask { try await platform.http("GET", "/sleep") } }
                    return try await group.reduce(into: [HTTPAnswer]()) { $0.append($1) }
                }
                #expect(answers.map(\.status).sorted() == [200, 503, 503])
                for refused in answers where refused.status == 503 {
                    expectError(refused, 503)
                    #expect(refused.header("Retry-After") != nil)
                }

                let died = try await platform.http("GET", "/die")
                #expect([500, 502, 503].contains(died.status), "\(died.status) \(died.text)")
            }
        }

        @Test func aBackendThatIsGoneIs503() async throws {
            try await Platform.run(deploying: Configurations.answers) { platform in
                try await platform.ready("GET", "/answer")
                try await platform.deploy(Configurations.answers.replacingOccurrences(of: "type: Probe.Answer, c", with: "type: Probe.Answer, replicas: 0, c"))
                try await platform.ready("GET", "/answer", status: 503)
                let answer = try await platform.http("GET", "/answer")
                #expect(answer.header("Retry-After") != nil)
                expectError(answer, 503)
            }
        }

        @Test func SERVE_046_aDeploymentThatIsWrongChangesNothing() async throws {
            try await Platform.run(deploying: Configurations.answers) { platform in
                let before = try await platform.list("endpoints")
                for (text, line, words) in [
                    ("backends:\n  - {name: three, program: Probe, typ: Probe.Answer}\n", 2, ["typ", "type"]),
                    ("backends:\n  - name: three\n    program: Probe\n    type: Probe.Answer\n    replicas: many\n", 5, ["replicas", "whole number", "many"]),
                    ("backends:\n  - {name: three, program: Probe, type: Probe.Answer\n", 3, ["expected"]),
                ] {
                    let file = "\(platform.folder)/wrong.yaml"
                    try text.write(toFile: file, atomically: true, encoding: .utf8)
                    let outcome = try await platform.attempt(["serve", "deploy", file])
                    #expect(outcome.status == 1)
                    #expect(outcome.errors.contains("\(file):\(line):"), "\(outcome)")
                    for word in words { #expect(outcome.errors.contains(word), "\(outcome)") }
                }
                let file = "\(platform.folder)/wrong.yaml"
                for (text, word) in [
                    (Configurations.answers.replacingOccurrences(of: "two: 0}", with: "two: 0.5}"), "1.5"),
                    (Configurations.answers.replacingOccurrences(of: "two: 0}", with: "four: 0}"), "four"),
                    (Configurations.answers.replacingOccurrences(of: "name: two", with: "name: one"), "one"),
                    (Configurations.answers + "\n  - {name: other, route: /answer, methods: [GET], backend: two}\n", "/answer"),
                    (Configurations.answers.replacingOccurrences(of: "Probe.Answer", with: "Probe.Nothing"), "Probe.Nothing"),
                    // Nothing of what is served stands in these files: it must not be removed for their sake.
                    ("backends:\n  - {name: x, program: Probe, type: Probe.Nothing}\n", "@Deployable"),
                    ("backends:\n  - {name: x, program: /bin/true, type: Probe.Answer}\n", "/bin/true"),
                    (Configurations.answers.replacingOccurrences(of: "program: Probe,", with: "program: Nothing,"), "Nothing"),
                ] {
                    try text.write(toFile: file, atomically: true, encoding: .utf8)
                    let outcome = try await platform.attempt(["serve", "deploy", file])
                    #expect(outcome.status == 1, "\(outcome)")
                    #expect(outcome.errors.contains(word), "\(outcome)")
                }
                #expect(try await platform.list("endpoints") == before)
                #expect(try await platform.list("backends").map { $0["name"].string } == ["one", "two"])
                #expect(try await platform.http("GET", "/answer").text == "one")
                try await eventually("the end of the processes that looked") {
                    try await platform.list("actors").allSatisfy { $0["type"].string != "MantaServe.BackendInspector" || $0["state"].string == "dead" }
                }
            }
        }

        /// Who deployed first was removed meanwhile, and the cluster started again with what it had stored.
        @Test func theControllerGoesOnInTheProgramThatDeploysWhenItsOwnIsGone() async throws {
            try await Platform.run { platform in
                let (copy, file) = ("\(platform.folder)/manta", "\(platform.folder)/serve.yaml")
                try FileManager.default.copyItem(atPath: BuiltProgram.manta.path, toPath: copy)
                let configuration = Configurations.answers.replacingOccurrences(of: "program: Probe", with: "program: \(BuiltProgram.Probe.path)")
                try configuration.write(toFile: file, atomically: true, encoding: .utf8)
                let variables = BuiltProgram.environment(adding: platform.environment)
                let first = try await RunningProgram(path: copy, ["serve", "deploy", file], variables).finish(within: .seconds(60))
                #expect(first.status == 0, "\(first)")
                try await platform.manta("stop", "--port", "\(platform.port)")
                try FileManager.default.removeItem(atPath: copy)

                try await platform.startHead()
                try await platform.manta("serve", "deploy", file)
                try await platform.ready("GET", "/answer")
            }
        }

        @Test func trafficMovesUnderLoadWithoutAFailedRequest() async throws {
            try await Platform.run(deploying: Configurations.answers) { platform in
                try await platform.ready("GET", "/answer")
                try await eventually("a replica of the other backend") {
                    try await platform.list("backends").allSatisfy { $0["state"].string == "healthy" }
                }
                let load = Load(port: platform.httpPort, "GET", "/answer")
                try await load.more(200)
                #expect(load.snapshot.bodies["two"] == nil)
                #expect(try await platform.admin("PUT", "endpoints/answer/traffic", ["one": 0.5, "two": 0.5]).status == 200)
                try await eventually("traffic at the other backend") { load.snapshot.bodies["two"] != nil }
                try await load.more(400)
                #expect(try await platform.admin("PUT", "endpoints/answer/traffic", ["one": 0, "two": 1]).status == 200)
                try await eventually("all traffic at the other backend") {
                    let before = load.snapshot.bodies["one"]
                    try await load.more(50)
                    return load.snapshot.bodies["one"] == before
                }
                let counts = try await load.stop()
                #expect(counts.failures == [])

                let wrong = try await platform.admin("PUT", "endpoints/answer/traffic", ["one": 0.5, "two": 0.6])
                #expect(wrong.status == 400)
                #expect(wrong.value["message"].string?.contains("1.1") == true)
                #expect(try await platform.admin("PUT", "endpoints/answer/traffic", ["three": 1]).status == 404)
                #expect(try await platform.admin("PUT", "endpoints/nothing/traffic", ["one": 1]).status == 404)
                #expect(try await platform.list("endpoints").first?["traffic"]["two"].integer == 1)
            }
        }
    }
}

/// An error's shape: JSON with code, message, detail and requestId.
func expectError(_ answer: HTTPAnswer, _ status: Int, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(answer.status == status, "\(answer.text)", sourceLocation: sourceLocation)
    let value = try? JSONValue.parse(answer.body)
    #expect(value?["code"].string != nil, "\(answer.text)", sourceLocation: sourceLocation)
    #expect(value?["message"].string != nil, "\(answer.text)", sourceLocation: sourceLocation)
    #expect(value?["requestId"].string != nil, "\(answer.text)", sourceLocation: sourceLocation)
    #expect(value?.object?.keys == ["code", "message", "detail", "requestId"], "\(answer.text)", sourceLocation: sourceLocation)
}
