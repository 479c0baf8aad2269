// RingTests: what is particular to links in shared memory: the move there, last words, and everything odd, which leads back to the socket.

import Glibc
import MantaLoop
import MantaModel
import MantaTestKit
import MantaTransport
import MantaWire
import Testing

@Suite struct RingTests {
    @Test func nothingIsLostOrOvertakenByTheMove() async throws {
        let (server, client) = (await Process(.node, way: .ring), await Process(.driver, way: .ring))
        server.onOpen = { back in for number in 0..<5_000 as Range<UInt64> { back.loop.later { back.send(Note(number)) } } }
        let link = await client.connect(to: try await server.listen())
        // Before, during and after the move.
        var (sent, turnsLeft): (UInt64, Int) = (0, 50)
        while turnsLeft > 0 {
            let numbers = sent..<sent + 200
            let isShared = await client.loop.perform {
                for number in numbers { link.send(Note(number, bytes: [UInt8](repeating: 1, count: Int(number % 301)))) }
                return link.isShared
            }
            sent = numbers.upperBound
            if isShared { turnsLeft -= 1 }
            try #require(sent < 10_000_000, "the link never moved")
        }
        try await eventually(within: .seconds(30)) { server.notes.count == sent && client.notes.count == 5_000 }
        #expect(server.notes.values == Array(0..<sent))
        #expect(client.notes.values == Array(0..<5_000))
        await client.end()
        await server.end()
    }

    @Test func aLinkThatIsHardlyUsedStaysOnItsSocket() async throws {
        var settings = Transport.Settings()
        settings.batchesBeforeRing = 1_000
        let directory = TemporaryDirectory()
        let (server, client) = (await Process(.node), await Process(.driver, settings: settings))
        let link = await client.connect(to: try await server.listen(on: "ipc://\(directory.file("a.sock"))"))
        for number in 1...100 as ClosedRange<UInt64> { _ = try await link.request(Question(number)) }
        #expect(await client.loop.perform { !link.isShared })
        await client.end()
        await server.end()
    }

    @Test func aPeerThatRefusesIsServedByTheSocket() async throws {
        let directory = TemporaryDirectory()
        let (server, client) = (await Process(.node, way: .socket), await Process(.driver, way: .ring))
        let link = await client.connect(to: try await server.listen(on: "ipc://\(directory.file("a.sock"))"))
        for number in 1...100 as ClosedRange<UInt64> { #expect(try await link.request(Question(number)).number == 2 * number) }
        #expect(await client.loop.perform { !link.isShared })
        #expect(client.events.values == ["opened node"])
        await client.end()
        await server.end()
    }

    @Test func aLinkOverTheNetworkStaysThere() async throws {
        let (server, client) = (await Process(.node, way: .ring), await Process(.driver, way: .ring))
        let link = await client.connect(to: try await server.listen(on: "tcp://127.0.0.1:0"))
        for number in 1...50 as ClosedRange<UInt64> { _ = try await link.request(Question(number)) }
        #expect(await client.loop.perform { !link.isShared })
        await client.end()
        await server.end()
    }

    @Test(arguments: [true, false]) func lastWordsArrive(ofTheListener: Bool) async throws {
        let (server, client) = (await Process(.node, way: .ring), await Process(.driver, way: .ring))
        let link = try await client.connected(to: server)
        let (speaker, hearer) = ofTheListener ? (server, client) : (client, server)
        await speaker.loop.perform {
            let link = ofTheListener ? server.links.last! : link
            // More than the ring holds.
            for number in 0..<1_000 as Range<UInt64> { link.send(Note(number, bytes: [UInt8](repeating: 2, count: 100))) }
            speaker.transport.close()
        }
        try await eventually { hearer.events.values.last == "closed unavailable" }
        #expect(hearer.notes.values == Array(0..<1_000))
        #expect(hearer.errors.last?.message.contains("has closed the link") == true)
        await hearer.end()
    }

    @Test func aForgottenLinkBeginsAgainAndMovesAgain() async throws {
        let (server, client) = (await Process(.head, way: .ring), await Process(.node, way: .ring))
        let link = try await client.connected(to: server)
        await server.loop.perform { server.transport.forget(server.links.last!) }
        #expect(try await link.request(Question(2)).number == 4)
        #expect(client.events.values == ["opened head", "reopened"])
        try await eventually {
            _ = try await link.request(Question(3))
            return await client.loop.perform { link.isShared }
        }
        await client.end()
        await server.end()
    }

    @Test(arguments: [true, false]) func anOverwrittenRingLeadsBackToTheSocket(byTheListener: Bool) async throws {
        let (server, client) = (await Process(.head, way: .ring), await Process(.node, way: .ring))
        let link = try await client.connected(to: server)
        await server.loop.perform { byTheListener ? server.links.last!.spoilRing() : () }
        await client.loop.perform { byTheListener ? () : link.spoilRing() }
        // What is sent now would write a count that can be again.
        try await eventually { (byTheListener ? client : server).errors.values.contains { $0.code == .malformed && $0.message.contains("overwritten") } }
        for number in 1...50 as ClosedRange<UInt64> { #expect(try await link.request(Question(number)).number == 2 * number) }
        #expect(await client.loop.perform { !link.isShared })
        await client.end()
        await server.end()
    }

    /// Numbers that are no memory, no pipe, or none of the offering process's: the other side stays on the socket and answers so.
    @Test(arguments: [UInt8(0), 77, 255]) func anOfferThatLiesIsRefused(descriptor: UInt8) async throws {
        let server = await Process(.head)
        let stranger = try Stranger(connectingTo: try await server.listen())
        try stranger.shakeHands()
        stranger.send(record(kind: 1, correlation: 1, helloBody()))
        _ = try stranger.readFrame()
        let number: [UInt8] = descriptor < 128 ? [descriptor] : [0xcc, descriptor]
        let token: [UInt8] = [0xcf, 1, 2, 3, 4, 5, 6, 7, 8]
        stranger.send(record(kind: 110, [0x94] + number + [0xcd, 0x40, 0] + token + [0x93] + number + number + [0]))
        #expect(try stranger.readFrame() == record(kind: 111, [0xc0]))
        #expect(server.events.values == ["opened worker"])
        await server.end()
    }
}
