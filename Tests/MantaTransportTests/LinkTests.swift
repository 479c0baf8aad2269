// LinkTests: what goes over a link: requests, answers, order, batches, limits and deadlines.

import Glibc
import MantaLoop
import MantaModel
import MantaTestKit
import MantaTransport
import MantaWire
import Testing

@Suite struct LinkTests {
    @Test(arguments: ["tcp://127.0.0.1:0", "ipc"]) func aRequestIsAnswered(endpoint: String) async throws {
        let directory = TemporaryDirectory()
        let (server, client) = (await Process(.node), await Process(.driver))
        let address = try await server.listen(on: endpoint == "ipc" ? "ipc://\(directory.file("sockets/a.sock"))" : endpoint)
        let link = await client.connect(to: address, expecting: .node)
        let answer = try await link.request(Question(21))
        #expect(answer.number == 42)
        #expect(client.events.values == ["opened node"])
        #expect(server.events.values == ["opened driver"])
        #expect(link.peer?.endpoint == address)
        await client.end()
        await server.end()
    }

    @Test func thereAreMoreLinksThanMemoryWasSetAsideFor() async throws {
        let client = await Process(.driver, linksAtFirst: 1)
        var servers: [Process] = []
        var links: [Link] = []
        // ZeroMQ's context for one link has 64 sockets, of which a link takes three.
        for _ in 0..<24 {
            servers.append(await Process(.worker))
            links.append(await client.connect(to: try await servers[servers.count - 1].listen()))
        }
        for link in links { #expect(try await link.request(Question(21)).number == 42) }
        await client.end()
        for server in servers { await server.end() }
    }

    @Test(arguments: Way.allCases) func bothSidesMayAsk(way: Way) async throws {
        let (server, client) = (await Process(.head, way: way), await Process(.node, way: way))
        let link = try await client.connected(to: server)
        _ = try await link.request(Question(1))
        let back = try #require(server.links.last)
        #expect(try await back.request(Question(5)).number == 10)
        await client.end()
        await server.end()
    }

    @Test(arguments: Way.allCases) func manyRequestsAreAnsweredEachWithItsOwn(way: Way) async throws {
        let (server, client) = (await Process(.node, way: way), await Process(.driver, way: way))
        let link = try await client.connected(to: server)
        let answers = Log<[UInt64]>()
        await client.loop.perform {
            for number in 0..<10_000 as Range<UInt64> {
                link.request(Question(number)) { result in
                    if case .success(let note) = result { answers.append([number, note.number]) }
                }
            }
        }
        try await eventually { answers.count == 10_000 }
        #expect(answers.values.allSatisfy { $0[1] == 2 * $0[0] })
        #expect(await client.loop.perform { link.pendingRequests } == 0)
        await client.end()
        await server.end()
    }

    @Test(arguments: Way.allCases) func aHundredThousandMessagesKeepTheirOrder(way: Way) async throws {
        let (server, client) = (await Process(.node, way: way), await Process(.driver, way: way))
        let link = try await client.connected(to: server)
        // Some in one turn, some each in its own.
        for start in stride(from: 0 as UInt64, to: 100_000, by: 1_000) {
            client.loop.execute { for number in start..<start + 1_000 { link.send(Note(number, bytes: [UInt8](repeating: 7, count: Int(number % 97)))) } }
        }
        try await eventually { server.notes.count == 100_000 }
        #expect(server.notes.values == Array(0..<100_000))
        await client.end()
        await server.end()
    }

    @Test(arguments: Way.allCases) func largeMessagesArriveWhole(way: Way) async throws {
        let (server, client) = (await Process(.node, way: way), await Process(.driver, way: way))
        let link = try await client.connected(to: server)
        for (number, size) in [(1, 0), (2, 65_535), (3, 65_536), (4, 1 << 20), (5, 40 << 20), (6, 1)] {
            await client.loop.perform { _ = link.send(Note(UInt64(number), bytes: [UInt8](repeating: UInt8(number), count: size))) }
        }
        try await eventually { server.notes.count == 6 }
        #expect(server.notes.values == [1, 2, 3, 4, 5, 6])
        await client.end()
        await server.end()
    }

    @Test(arguments: Way.allCases) func anOversizedMessageIsAnErrorAtItsSender(way: Way) async throws {
        var settings = Transport.Settings()
        settings.messageBytes = 10_000
        let (server, client) = (await Process(.node, way: way), await Process(.driver, settings: settings, way: way))
        let link = try await client.connected(to: server)
        let error = await client.loop.perform { link.send(Note(1, bytes: [UInt8](repeating: 0, count: 10_001))) }
        #expect(error?.code == .tooLarge)
        #expect(error?.message.contains("runTask") == true && error?.message.contains("10000") == true)
        // The link goes on.
        #expect(try await link.request(Question(1)).number == 2)
        await client.end()
        await server.end()
    }

    @Test(arguments: Way.allCases) func anOversizedAnswerIsAFailure(way: Way) async throws {
        var settings = Transport.Settings()
        settings.messageBytes = 200
        let (server, client) = (await Process(.node, settings: settings, way: way), await Process(.driver, way: way))
        server.answersAtOnce = false
        let link = try await client.connected(to: server)
        let answer = Task { try await link.request(Question(1)) }
        try await eventually { server.questions.count == 1 }
        let (correlation, _, back) = server.questions.values[0]
        await server.loop.perform { back.reply(to: correlation, Note(1, bytes: [UInt8](repeating: 0, count: 300))) }
        let error = await #expect(throws: MantaError.self) { try await answer.value }
        #expect(error?.code == .tooLarge)
        await client.end()
        await server.end()
    }

    @Test(arguments: Way.allCases) func aFailureComesBackAsItWas(way: Way) async throws {
        let (server, client) = (await Process(.node, way: way), await Process(.driver, way: way))
        server.answersAtOnce = false
        let link = try await client.connected(to: server)
        let answer = Task { try await link.request(Question(1)) }
        try await eventually { server.questions.count == 1 }
        let (correlation, _, back) = server.questions.values[0]
        let failure = MantaError(.conflict, "not now", cause: MantaError(.overloaded, "full"))
        await server.loop.perform { back.fail(correlation, failure) }
        let error = await #expect(throws: MantaError.self) { try await answer.value }
        #expect(error == failure)
        await client.end()
        await server.end()
    }

    @Test(arguments: Way.allCases) func aDeadlineEndsARequestAndALateAnswerIsDropped(way: Way) async throws {
        let (server, client) = (await Process(.node, way: way), await Process(.driver, way: way))
        server.answersAtOnce = false
        let link = try await client.connected(to: server)
        let error = await #expect(throws: MantaError.self) { try await link.request(Question(1), deadline: .milliseconds(50)) }
        #expect(error?.code == .timeout)
        #expect(error?.message.contains("getObject") == true && error?.message.contains("0.05 seconds") == true, "\(error!)")
        try await eventually { server.questions.count == 1 }
        let (correlation, _, back) = server.questions.values[0]
        await server.loop.perform { back.reply(to: correlation, Note(1)) }
        server.answersAtOnce = true
        #expect(try await link.request(Question(2)).number == 4)
        #expect(client.errors.count == 0)
        await client.end()
        await server.end()
    }

    @Test(arguments: Way.allCases) func aPeerThatDoesNotReadStopsItsSender(way: Way) async throws {
        var settings = Transport.Settings()
        settings.queueBytes = 4 << 20
        settings.batchBytes = 1 << 16
        let (server, client) = (await Process(.node, way: way), await Process(.driver, settings: settings, way: way))
        let link = try await client.connected(to: server)
        _ = try await link.request(Question(1))
        // The server's loop is held for as long as the client sends.
        let release = Gate()
        let held = Gate()
        server.loop.execute {
            held.open()
            while !release.isOpen { sched_yield() }
        }
        try await held.wait()
        let bytes = [UInt8](repeating: 1, count: 60_000)
        let sent = await client.loop.perform {
            for number in 0..<100_000 as Range<UInt64> {
                guard let error = link.send(Note(number, bytes: bytes)) else { continue }
                return (number, error.code)
            }
            return (0, .notFound)
        }
        #expect(sent.1 == .overloaded)
        release.open()
        try await eventually { server.notes.count == Int(sent.0) }
        #expect(server.notes.values == Array(0..<sent.0))
        #expect(try await link.request(Question(4)).number == 8)
        await client.end()
        await server.end()
    }

    @Test(arguments: Way.allCases) func aRouterWaitsForAPeerThatDoesNotRead(way: Way) async throws {
        var settings = Transport.Settings()
        settings.batchBytes = 1 << 16
        let (server, client) = (await Process(.node, settings: settings, way: way), await Process(.driver, way: way))
        let link = try await client.connected(to: server)
        _ = try await link.request(Question(1))
        let back = try #require(server.links.last)
        let (release, held) = (Gate(), Gate())
        client.loop.execute {
            held.open()
            while !release.isOpen { sched_yield() }
        }
        try await held.wait()
        let bytes = [UInt8](repeating: 1, count: 60_000)
        let blocked = await server.loop.perform {
            for number in 0..<2_000 as Range<UInt64> { back.send(Note(number, bytes: bytes)) }
            return back.queuedBytes
        }
        #expect(blocked > 0)
        release.open()
        try await eventually { client.notes.count == 2_000 }
        #expect(client.notes.values == Array(0..<2_000))
        await client.end()
        await server.end()
    }
}
