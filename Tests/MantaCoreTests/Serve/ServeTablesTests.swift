// ServeTablesTests: what may be created, changed and deleted, in which words it is refused, and that a refusal changes nothing.

import MantaModel
import Testing

@testable import MantaCore

struct ServeTablesTests {
    private func tables() throws -> ServeTables {
        var tables = ServeTables()
        _ = try tables.createBackend(backend("a"))
        _ = try tables.createBackend(backend("b"))
        _ = try tables.createEndpoint(endpoint("shop", route: "/shop"))
        return tables
    }

    private func refusal(_ tables: inout ServeTables, _ body: (inout ServeTables) throws -> [ServeTables.Change]) -> MantaError? {
        let (backends, endpoints) = (tables.backends, tables.endpoints)
        do {
            _ = try body(&tables)
            return nil
        } catch {
            #expect(tables.backends == backends)
            #expect(tables.endpoints == endpoints)
            return error as? MantaError
        }
    }

    private func changes(_ tables: inout ServeTables, _ body: (inout ServeTables) throws -> [ServeTables.Change]) throws -> [ServeTables.Change] {
        try body(&tables)
    }

    @Test func doingTheSameAgainIsNoChange() throws {
        var tables = try tables()
        for _ in 0..<10 {
            #expect(try changes(&tables) { try $0.createBackend(backend("a")) } == [])
            #expect(try changes(&tables) { try $0.createEndpoint(endpoint("shop", route: "/shop")) } == [])
        }
        #expect(tables.backends.count == 2)
    }

    @Test func takenNamesAndRoutesAreRefused() throws {
        var tables = try tables()
        #expect(refusal(&tables) { try $0.createBackend(backend("a", replicas: 3)) }?.code == .alreadyExists)
        #expect(refusal(&tables) { try $0.createEndpoint(endpoint("shop", route: "/other")) }?.code == .alreadyExists)
        let error = refusal(&tables) { try $0.createEndpoint(endpoint("other", route: "/shop")) }
        #expect(error?.code == .alreadyExists)
        #expect(error?.message.contains("belongs to endpoint \"shop\"") == true)
    }

    @Test func unknownBackendsAndEndpointsAreNamed() throws {
        var tables = try tables()
        let error = refusal(&tables) { try $0.setTraffic("shop", ["a": 0.5, "c": 0.5]) }
        #expect(error?.code == .notFound)
        #expect(error?.message.contains("no backend \"c\"; there are \"a\", \"b\"") == true)
        #expect(refusal(&tables) { try $0.setTraffic("shops", ["a": 1]) }?.message == "there is no endpoint \"shops\"; there is \"shop\"")
        #expect(refusal(&tables) { try $0.deleteEndpoint("shops") }?.code == .notFound)
        #expect(refusal(&tables) { try $0.updateBackend(backend("c")) }?.code == .notFound)
    }

    @Test func aBackendInUseStays() throws {
        var tables = try tables()
        _ = try tables.setShadow("shop", backend: "b", share: 0.5)
        #expect(refusal(&tables) { try $0.deleteBackend("a") }?.message == "backend \"a\" is used by endpoint \"shop\"; move their traffic first")
        #expect(refusal(&tables) { try $0.deleteBackend("b") }?.code == .conflict)
        _ = try tables.deleteEndpoint("shop")
        #expect(try changes(&tables) { try $0.deleteBackend("a") } == [.deleteBackend("a")])
        #expect(try changes(&tables) { try $0.createEndpoint(endpoint("again", route: "/shop", traffic: ["b": 1])) }.count == 1)
    }

    @Test(arguments: [
        [:], ["a": 0.5], ["a": 0.7, "b": 0.7], ["a": -0.5, "b": 1.5], ["a": .nan], ["a": .infinity, "b": 0], ["a": 0, "b": 0],
    ] as [[String: Double]])
    func sharesMustSumToOne(_ traffic: [String: Double]) throws {
        var tables = try tables()
        #expect(refusal(&tables) { try $0.setTraffic("shop", traffic) }?.code == .invalidArgument)
    }

    @Test func sharesMayBeOffByDecimalFractions() throws {
        var tables = try tables()
        #expect(try changes(&tables) { try $0.setTraffic("shop", ["a": 0.1 + 0.2, "b": 0.7]) }.count == 1)
        #expect(try changes(&tables) { try $0.setTraffic("shop", ["a": 1, "b": 0]) }.count == 1)
    }

    @Test(arguments: ["", "shop", "/shop/", "//", "/a//b", "/-/x", "/-", "/a?b", "/a b", "/a/../b", "/%41"])
    func routesAreChecked(_ route: String) throws {
        var tables = try tables()
        #expect(refusal(&tables) { try $0.createEndpoint(endpoint("other", route: route)) }?.code == .invalidArgument)
    }

    @Test(arguments: ["/", "/-x", "/a", "/a/b.c/d", "/grüße"])
    func routesThatAreAllRight(_ route: String) throws {
        var tables = try tables()
        #expect(try changes(&tables) { try $0.createEndpoint(endpoint("other", route: route)) }.count == 1)
    }

    @Test(arguments: ["", "a b", "a/b", "a?", "a#b", "a\n", String(repeating: "x", count: 257)])
    func namesAreChecked(_ name: String) throws {
        var tables = try tables()
        #expect(refusal(&tables) { try $0.createBackend(backend(name)) }?.code == .invalidArgument)
        #expect(refusal(&tables) { try $0.createEndpoint(endpoint(name, route: nil)) }?.code == .invalidArgument)
    }

    @Test func numbersAreChecked() throws {
        var tables = try tables()
        #expect(refusal(&tables) { try $0.createBackend(backend("c", replicas: -1)) }?.message == "backend \"c\": replicas is -1; expected 0 to 10000")
        #expect(refusal(&tables) { try $0.createBackend(backend("c", maxConcurrent: 0)) }?.code == .invalidArgument)
        #expect(refusal(&tables) { try $0.createBackend(backend("c", maxQueued: -1)) }?.code == .invalidArgument)
        var description = backend("c")
        description.requestTimeoutSeconds = .nan
        let error = refusal(&tables) { try $0.createBackend(description) }
        #expect(error?.code == .invalidArgument)
    }

    @Test func onlyWhatReplicasCannotLiveWithMakesARevision() throws {
        var tables = try tables()
        func update(_ change: (inout BackendDescription) -> Void) throws -> UInt64? {
            var description = try tables.backend(named: "a").description
            change(&description)
            _ = try tables.updateBackend(description)
            return tables.backends["a"]?.revision
        }
        #expect(try update { $0.replicas = 3 } == 1)
        #expect(try update { $0.userConfiguration = ["count": 1] } == 1)
        #expect(try update { $0.maxConcurrent = 1 } == 1)
        #expect(try update { $0.version = "2" } == 2)
        #expect(try update { $0.type = "Shop.Other" } == 3)
    }

    @Test func allAtOnceOrNothing() throws {
        var tables = try tables()
        #expect(refusal(&tables) { try $0.replaceAll(backends: [backend("c")], endpoints: [endpoint("x", route: "/x", traffic: ["d": 1])]) }?.code == .notFound)
        #expect(refusal(&tables) { try $0.replaceAll(backends: [backend("c"), backend("c")], endpoints: []) }?.code == .alreadyExists)
        let twice = [endpoint("x", route: "/x", traffic: ["c": 1]), endpoint("y", route: "/x", traffic: ["c": 1])]
        #expect(refusal(&tables) { try $0.replaceAll(backends: [backend("c")], endpoints: twice) }?.code == .alreadyExists)
        // The route moves from one endpoint to another.
        let made = try tables.replaceAll(backends: [backend("a"), backend("c")], endpoints: [endpoint("x", route: "/shop", traffic: ["c": 1])])
        #expect(made.count == 4)
        #expect(made.first == .putBackend(try tables.backend(named: "c")))
        #expect(made.last == .deleteBackend("b"))
        #expect(try changes(&tables) { try $0.replaceAll(backends: [backend("c"), backend("a")], endpoints: [endpoint("x", route: "/shop", traffic: ["c": 1])]) } == [])
    }

    @Test func rowsThatWereStoredAreCheckedAgain() {
        var complaints: [String] = []
        let tables = ServeTables(
            backends: [row(backend("a")), row(backend("bad name"))], endpoints: [endpoint("x", route: "/x"), endpoint("y", route: "/y", traffic: ["gone": 1])],
            complain: { complaints.append($0) })
        #expect(tables.backends.keys.sorted() == ["a"])
        #expect(tables.endpoints.keys.sorted() == ["x"])
        #expect(complaints.count == 2)
    }
}
