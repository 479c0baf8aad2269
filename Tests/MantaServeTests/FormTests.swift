// FormTests: what needs no cluster: the binary form of requests and responses, queries, types by name, and configurations.

import Manta
import MantaModel
import MantaWire
import Testing

@testable import MantaServe

struct FormTests {
    private let request = Request(
        method: .post, path: "/ä/b", query: [("a", "1 2"), ("b&", "=ü"), ("a", "3")], headers: [Header("Content-Type", "text/plain"), Header("X-Empty", "")],
        body: Array("body".utf8))

    @Test func aRequestComesOutAsItWentIn() throws {
        let sent = Request(try HTTPCall(request.addressed(to: "shop", requestID: "id-1")))
        #expect((sent.endpoint, sent.requestID, sent.method, sent.path) == ("shop", "id-1", "POST", "/ä/b"))
        #expect(sent.queryText == "a=1%202&b%26=%3D%C3%BC&a=3")
        #expect(sent.query("a") == "1 2")
        #expect(sent.query("b&") == "=ü")
        #expect(sent.query("c") == nil)
        #expect(sent.headers == [Header("Content-Type", "text/plain"), Header("X-Empty", "")])
        #expect(sent.header("content-TYPE") == "text/plain")
        #expect(sent.header("x-empty") == "")
        #expect(sent.header("x") == nil)
        #expect(sent.text == "body")
    }

    @Test func sizesOfAllWidthsTravel() throws {
        for count in [0, 31, 32, 255, 256, 65_535, 65_536, 300_000] {
            let text = String(repeating: "x", count: count)
            let sent = Request(method: .put, path: "/" + text, headers: [Header("A", text)], body: Array(text.utf8))
            #expect(sent.path.utf8.count == count + 1)
            #expect(sent.header("a") == text)
            #expect(sent.body.count == count)
            let answer = try Response(encoded: Response(status: 201, headers: [Header("A", text)], body: sent.body).encoded())
            #expect(answer == Response(status: 201, headers: [Header("A", text)], body: sent.body))
        }
    }

    /// Bytes come from other processes: whatever they are, they are refused or read, never trusted.
    @Test func damagedFormsAreRefused() throws {
        var generator = SystemRandomNumberGenerator()
        let whole = request.addressed(to: "shop", requestID: "id")
        let answer = try Response.text("hello").encoded()
        for length in 0..<whole.count { #expect(throws: MantaError.self) { try HTTPCall(Array(whole[..<length])) } }
        for length in 0..<answer.count { #expect(throws: MantaError.self) { try Response(encoded: Array(answer[..<length])) } }
        for _ in 0..<2_000 {
            var damaged = whole
            for _ in 0..<3 { damaged[Int.random(in: 0..<damaged.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator) }
            if let call = try? HTTPCall(damaged) {
                let read = Request(call)
                _ = (read.headers, read.query, read.text, read.header("x-empty"))
            }
        }
    }

    @Test func aCallIsAnOrdinaryActorCallOnTheWire() throws {
        struct Source: HTTPCallSource {
            func write(into writer: inout MessagePackWriter) {
                let path = Array("/p".utf8)
                path.withUnsafeBytes { path in
                    writer.writeHTTPCall(requestID: path, endpoint: "e", method: "GET", path: path, query: path, body: path) { writer in
                        writer.writeHTTPHeader(name: path, value: path)
                        return 1
                    }
                }
            }
        }
        let (task, actor) = (TaskID(high: 1, low: 2), ActorID(high: 3, low: 4))
        var writer = MessagePackWriter()
        CallReplica(task: task, actor: actor, sequence: 7, method: 3, source: Source()).encode(into: &writer)
        var reader = MessagePackReader(writer.bytes)
        let call = try CallActor(from: &reader)
        #expect(reader.isAtEnd)
        #expect((call.task, call.actor, call.sequence, call.method, call.resultCount) == (task, actor, 7, 3, 1))
        guard case .value(let bytes) = call.arguments.first else { return #expect(Bool(false)) }
        let request = Request(try HTTPCall(try ValueDecoder.decode([UInt8].self, from: bytes)))
        #expect((request.path, request.method, request.header("/P")) == ("/p", "GET", "/p"))

        let value = try ValueEncoder.bytes(Response.text("yes", status: 202).encoded())
        for outcome in [TaskOutcome.values([.inline(value)]), .thrown([1, 2]), .failed(MantaError(.timeout, "late"))] {
            var writer = MessagePackWriter()
            TaskDone(task: task, attempt: 1, outcome: outcome, startedAt: WallTime(milliseconds: 5), duration: 9).encode(into: &writer)
            var reader = MessagePackReader(writer.bytes)
            let done = try ReplicaDone(from: &reader)
            #expect(done.task == task)
            switch (done.outcome, outcome) {
            case (.answer(let answer), .values): #expect((answer.status, String(decoding: answer.body, as: UTF8.self)) == (202, "yes"))
            case (.thrown(let error), .thrown(let sent)): #expect(error == sent)
            case (.failed(let error), .failed(let sent)): #expect(error == sent)
            default: #expect(Bool(false))
            }
        }
    }

    // MARK: JSON

    @Test func bodiesAreJSONOrSaidNotToBe() throws {
        struct Order: Codable, Equatable { var item: String; var count: Int }
        let response = try Response.json(Order(item: "tea", count: 2))
        #expect(response.text == #"{"item":"tea","count":2}"#)
        #expect(try Request(text: response.text).json(as: Order.self) == Order(item: "tea", count: 2))
        #expect(try Request(text: #"{"a":[1,2.5,null,true]}"#).json(as: ConfigurationValue.self) == ["a": [1, 2.5, nil, true]])
        let malformed = #expect(throws: MantaError.self) { try Request(text: "{").json(as: Order.self) }
        #expect(malformed?.code == .malformed)
        let wrong = #expect(throws: MantaError.self) { try Request(text: #"{"item":"tea","count":"two"}"#).json(as: Order.self) }
        #expect(wrong?.code == .wrongType)
        #expect(wrong?.message.contains("count") == true)
        #expect(throws: MantaError.self) { try Response.json(Double.nan) }
    }

    // MARK: Types by name

    @Test func registeredTypesAreFoundByTheirNames() throws {
        for type in [Mirror.self, Option.self] as [any Backend.Type] {
            let name = BackendTypes.name(of: type)
            #expect(name.hasPrefix("MantaServeTests."))
            #expect(try BackendTypes.runtimeName(of: type) == nil)
            #expect(try BackendTypes.type(of: BackendDescription(name: "a", program: Program(path: "/p"), type: name)) == type)
        }
    }

    /// Otherwise an optimized build would lack types that a debug build has.
    @Test func typesThatAreNotRegisteredAreFoundOnlyByWhoNamesThem() throws {
        for type in [Tallying.self, Nest.Inner.self] as [any Backend.Type] {
            var description = BackendDescription(name: "a", program: Program(path: "/p"), type: BackendTypes.name(of: type))
            let error = #expect(throws: MantaError.self) { try BackendTypes.type(of: description) }
            #expect(error?.message.contains("@Deployable struct") == true)
            #expect(error?.message.contains("MantaServeTests.Mirror") == true, "what there is is named")
            description.runtimeType = try BackendTypes.runtimeName(of: type)
            #expect(try BackendTypes.type(of: description) == type)
            description.type = "MantaServeTests.Mirror"
            #expect(try BackendTypes.type(of: description) == Mirror.self, "a changed type is another type")
        }
        let hidden = #expect(throws: MantaError.self) { try BackendTypes.runtimeName(of: Hidden.self) }
        #expect(hidden?.code == .invalidArgument)
    }

    @Test(arguments: [
        ("Mirror", MantaError.Code.invalidArgument), ("", .invalidArgument), ("A..B", .invalidArgument), ("MantaServeTests.Mirrors", .unknownFunction),
        ("MantaServeTests.Mirrored", .unknownFunction),
    ])
    func namesThatAreNoBackendsAreRefused(_ name: String, _ code: MantaError.Code) {
        let error = #expect(throws: MantaError.self) { try BackendTypes.type(named: name) }
        #expect(error?.code == code)
    }

    // MARK: Configurations

    private func configuration(_ json: String) throws -> ServeConfiguration { try Request(text: json).json(as: ServeConfiguration.self) }

    @Test func aConfigurationBecomesRows() throws {
        let read = try configuration(
            """
            {"backends": [{"name": "a", "type": "M.T", "program": "/bin/sh", "replicas": 2, "cpus": 0.5, "configuration": {"x": [1, "two"]}, "requestTimeout": 1.5}],
             "endpoints": [{"name": "e", "route": "/e", "methods": ["get", "POST"], "traffic": {"a": 1}}, {"name": "f", "backend": "a"}]}
            """)
        let (backends, endpoints) = try read.descriptions(program: Program(path: "/own"))
        #expect(backends[0].replicas == 2)
        #expect(backends[0].resources == Resources([Resources.cpu: 0.5]))
        #expect(backends[0].userConfiguration == ["x": [1, "two"]])
        #expect((backends[0].requestTimeoutSeconds, backends[0].drainSeconds) == (1.5, 20))
        #expect(endpoints[0].methods == [.get, .post])
        #expect(endpoints[1] == EndpointDescription(name: "f", route: nil, traffic: ["a": 1]))
    }

    @Test(arguments: [
        (#"{"backend": []}"#, "has no member \"backend\""), (#"{"backends": [{"name": "a", "type": "M.T", "replica": 1}]}"#, "has no member \"replica\""),
        (#"{"endpoints": [{"name": "e", "methods": ["FETCH"]}]}"#, "the method \"FETCH\" is unknown"), (#"{"backends": [{"type": "M.T"}]}"#, "name"),
    ])
    func membersThatAreUnknownOrMissingAreNamed(_ json: String, _ text: String) {
        let error = #expect(throws: MantaError.self) { try configuration(json) }
        #expect(error?.message.contains(text) == true, "\(error?.message ?? "")")
    }

    @Test(arguments: [
        (#"{"backends": [{"name": "a", "type": "M.T", "program": "/no/such/program"}]}"#, "is not there"),
        (#"{"backends": [{"name": "a", "type": "M.T", "program": "/etc/passwd"}]}"#, "cannot be executed"),
        (#"{"backends": [{"name": "a b", "type": "M.T"}]}"#, "name"), (#"{"backends": [{"name": "a", "type": "M.T", "requestTimeout": 0}]}"#, "requestTimeoutSeconds"),
        (#"{"backends": [{"name": "a", "type": "M.T", "resources": {"CPU": 1}}]}"#, "use cpus"), (#"{"endpoints": [{"name": "e"}]}"#, "neither backend nor traffic"),
        (#"{"endpoints": [{"name": "e", "backend": "a", "traffic": {"a": 1}}]}"#, "both backend and traffic"),
    ])
    func whatCannotBeIsRefused(_ json: String, _ text: String) throws {
        let read = try configuration(json)
        let error = #expect(throws: MantaError.self) { try read.descriptions(program: Program(path: "/own")) }
        #expect(error?.message.contains(text) == true, "\(error?.message ?? "")")
    }
}

enum Nest {
    struct Inner: Backend {
        init(_ context: BackendContext) async throws {}
        func handle(_ request: Request) async throws -> Response { Response() }
    }
}

private struct Hidden: Backend {
    init(_ context: BackendContext) async throws {}
    func handle(_ request: Request) async throws -> Response { Response() }
}

@Deployable enum Option: Backend {
    case one
    init(_ context: BackendContext) async throws { self = .one }
    func handle(_ request: Request) async throws -> Response { Response() }
}
