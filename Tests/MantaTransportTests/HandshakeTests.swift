// HandshakeTests: who may talk to whom, and what happens when a peer ends, is restarted, or was never there.

import Glibc
import MantaLoop
import MantaModel
import MantaTestKit
import MantaWire
import Testing

@testable import MantaTransport

@Suite struct HandshakeTests {
    @Test(arguments: Way.allCases) func anotherVersionIsRefusedOnBothSides(way: Way) async throws {
        let (server, client) = (await Process(.head, way: way), await Process(.node, version: protocolVersion + 1))
        let link = try await client.connected(to: server)
        let error = await #expect(throws: MantaError.self) { try await link.request(Question(1)) }
        #expect(error?.code == .versionMismatch)
        #expect(error?.message.contains("version \(protocolVersion + 1)") == true)
        try await eventually { client.events.values == ["closed versionMismatch"] && server.events.values == ["refused"] }
        #expect(server.errors.last?.code == .versionMismatch)
        await client.end()
        await server.end()
    }

    @Test func anotherClusterIsRefused() async throws {
        let (server, client) = (await Process(.head, cluster: .random()), await Process(.node, cluster: .random()))
        _ = await client.connect(to: try await server.listen())
        try await eventually { client.events.values == ["closed versionMismatch"] && server.events.values == ["refused"] }
        #expect(client.errors.last?.message.contains("cluster") == true)
        await client.end()
        await server.end()
    }

    @Test func theClusterIsLearntFromTheHead() async throws {
        let cluster = ClusterID.random()
        let (server, client) = (await Process(.head, cluster: cluster), await Process(.node))
        _ = await client.connect(to: try await server.listen())
        try await eventually { client.events.values == ["opened head"] }
        #expect(await client.loop.perform { client.transport.identity.cluster } == cluster)
        await client.end()
        await server.end()
    }

    @Test func anotherRoleThanExpectedIsAnError() async throws {
        let (server, client) = (await Process(.worker), await Process(.driver))
        _ = await client.connect(to: try await server.listen(), expecting: .head)
        try await eventually { client.events.values == ["closed conflict"] }
        #expect(client.errors.last?.message.contains("expected a head") == true)
        await client.end()
        await server.end()
    }

    @Test func nobodyThereIsAnError() async throws {
        let directory = TemporaryDirectory()
        let client = await Process(.driver)
        let link = await client.connect(to: "ipc://\(directory.file("none.sock"))", grace: .milliseconds(100))
        let error = await #expect(throws: MantaError.self) { try await link.request(Question(1)) }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("none.sock") == true)
        #expect(client.events.values == ["closed unavailable"])
        await client.end()
    }

    @Test func anAddressThatCannotBeIsAnError() async throws {
        let client = await Process(.driver)
        let link = await client.connect(to: "carrier-pigeon://home")
        let error = await #expect(throws: MantaError.self) { try await link.request(Question(1)) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains("expected tcp://HOST:PORT") == true)
        await client.end()
    }

    @Test func aPeerThatStartsLaterIsReached() async throws {
        let directory = TemporaryDirectory()
        let endpoint = "ipc://\(directory.file("late.sock"))"
        let (server, client) = (await Process(.head), await Process(.driver))
        let link = await client.connect(to: endpoint, grace: .some(nil))
        async let answer = link.request(Question(4))
        _ = try await server.listen(on: endpoint)
        #expect(try await answer.number == 8)
        await client.end()
        await server.end()
    }

    @Test(arguments: Way.allCases) func aGoodbyeClosesTheOtherSideAtOnce(way: Way) async throws {
        let (server, client) = (await Process(.node, way: way), await Process(.driver, way: way))
        let link = try await client.connected(to: server, grace: .some(.seconds(60)))
        _ = try await link.request(Question(1))
        await server.end()
        try await eventually { client.events.values == ["opened node", "closed unavailable"] }
        #expect(client.errors.last?.message.contains("has closed the link") == true)
        await client.end()
    }

    @Test(arguments: Way.allCases) func aDriverThatEndsIsSeenByItsNode(way: Way) async throws {
        let (server, client) = (await Process(.node, way: way), await Process(.driver, way: way))
        let link = try await client.connected(to: server)
        _ = try await link.request(Question(1))
        await client.end()
        try await eventually { server.events.values == ["opened driver", "closed unavailable"] }
        await server.end()
    }

    @Test(arguments: [true, false], Way.allCases) func aCrashedPeerIsGoneAfterTheGrace(crashesListener: Bool, way: Way) async throws {
        var settings = Transport.Settings()
        settings.reconnectGrace = .milliseconds(200)
        let (server, client) = (await Process(.node, settings: settings, way: way), await Process(.driver, settings: settings, way: way))
        let link = try await client.connected(to: server)
        _ = try await link.request(Question(1))
        let (crashing, left) = crashesListener ? (server, client) : (client, server)
        await crashing.end(abruptly: true)
        try await eventually { left.events.values.last == "closed unavailable" }
        #expect(left.errors.last?.message.contains("is gone") == true)
        await left.end()
    }

    @Test(arguments: [true, false]) func aRestartedPeerGetsUnansweredRequestsAgain(ofACrash: Bool) async throws {
        let directory = TemporaryDirectory()
        let endpoint = "ipc://\(directory.file("head.sock"))"
        let first = await Process(.head)
        first.answersAtOnce = false
        _ = try await first.listen(on: endpoint)
        let client = await Process(.node)
        client.onOpen = { link in link.send(Note(100)) }
        let link = await client.connect(to: endpoint, grace: .some(nil))
        let answers = Log<UInt64>()
        await client.loop.perform {
            for number in 1...3 as ClosedRange<UInt64> { link.request(Question(number)) { if case .success(let note) = $0 { answers.append(note.number) } } }
        }
        try await eventually { first.questions.count == 3 && first.notes.values == [100] }
        await first.end(abruptly: ofACrash)

        // Meanwhile.
        try await eventually { await client.loop.perform { !link.isOpen } }
        await client.loop.perform {
            link.send(Note(7))
            link.request(Question(4)) { if case .success(let note) = $0 { answers.append(note.number) } }
        }
        let second = await Process(.head)
        second.answersAtOnce = false
        _ = try await second.listen(on: endpoint)
        try await eventually { second.questions.count == 4 }
        #expect(second.questions.values.map(\.1) == [1, 2, 3, 4])
        // What is said on reopening goes before what waited.
        #expect(second.notes.values == [100, 7])
        #expect(client.events.values == ["opened head", "reopened, restarted"])
        await second.loop.perform { for (correlation, number, back) in second.questions.values { back.reply(to: correlation, Note(2 * number)) } }
        try await eventually { answers.values == [2, 4, 6, 8] }
        await client.end()
        await second.end()
    }

    /// F26: a request under way, and one that was answered into the break, are not carried out again.
    @Test(arguments: [Way.tcp, .socket]) func whatIsToBeCarriedOutOnceIsAnsweredOnceMore(way: Way) async throws {
        let (server, client) = (await Process(.head, way: way), await Process(.node, way: way))
        server.answersAtOnce = false
        let link = try await client.connected(to: server, grace: .some(nil))
        let answers = Log<UInt64>()
        await client.loop.perform {
            link.request(Order(1)) { if case .success(let note) = $0 { answers.append(note.number) } }
            link.request(Order(2)) { if case .success(let note) = $0 { answers.append(note.number) } }
            link.request(Question(3)) { if case .success(let note) = $0 { answers.append(note.number) } }
        }
        try await eventually { server.questions.count == 3 }
        let first = server.questions.values
        await server.loop.perform {
            // The answer goes to a connection that is gone.
            shutdown(first[0].2.connection, Int32(SHUT_RDWR))
            first[0].2.reply(to: first[0].0, Note(10))
        }
        try await eventually("the question again") { server.questions.count > 3 }
        #expect(server.questions.values.map(\.1) == [1, 2, 3, 3])
        await server.loop.perform {
            first[1].2.reply(to: first[1].0, Note(20))
            first[2].2.reply(to: first[2].0, Note(30))
        }
        try await eventually { Set(answers.values) == [10, 20, 30] }
        #expect(server.events.values == ["opened node", "reopened"] && answers.count == 3)
        await client.end()
        await server.end()
    }

    @Test(arguments: Way.allCases) func aPeerThatForgotALinkAsksForAHello(way: Way) async throws {
        let (server, client) = (await Process(.head, way: way), await Process(.node, way: way))
        let link = try await client.connected(to: server)
        _ = try await link.request(Question(1))
        // The listener forgets the link without a word: its next message is a stranger's.
        await server.loop.perform { server.transport.forget(server.links.last!) }
        #expect(try await link.request(Question(2)).number == 4)
        #expect(client.events.values == ["opened head", "reopened"])
        #expect(server.events.values == ["opened node", "opened node"])
        await client.end()
        await server.end()
    }

    @Test func anExpectedProcessIsNotReplaced() async throws {
        let directory = TemporaryDirectory()
        let endpoint = "ipc://\(directory.file("worker.sock"))"
        let first = await Process(.worker)
        _ = try await first.listen(on: endpoint)
        let client = await Process(.driver)
        let process = await first.loop.perform { first.transport.identity.process }
        let link = await client.loop.perform { client.transport.connect(to: ProcessAddress(process: process, endpoint: endpoint)) }
        _ = try await link.request(Question(1))
        await first.end(abruptly: true)
        let second = await Process(.worker)
        _ = try await second.listen(on: endpoint)
        try await eventually { client.events.values.last == "closed unavailable" }
        #expect(client.errors.last?.message.contains("is gone") == true)
        await client.end()
        await second.end()
    }
}
