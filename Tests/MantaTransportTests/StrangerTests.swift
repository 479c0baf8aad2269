// StrangerTests: what a listener does with peers that are written by others, or wrongly.

import MantaModel
import MantaTestKit
import MantaTransport
import MantaWire
import Testing

@Suite struct StrangerTests {
    /// A listener, a stranger that has shaken hands, and a check that others are served all the same.
    private func withStranger(_ body: (Process, Stranger) async throws -> Void) async throws {
        let (server, client) = (await Process(.head), await Process(.driver))
        let address = try await server.listen()
        let stranger = try Stranger(connectingTo: address)
        try stranger.shakeHands()
        try await body(server, stranger)
        let link = await client.connect(to: address)
        #expect(try await link.request(Question(3)).number == 6)
        await client.end()
        await server.end()
    }

    @Test func aPeerWrittenFromTheDescriptionIsServed() async throws {
        try await withStranger { server, stranger in
            stranger.send(record(kind: 1, helloBody()) + record(kind: 60, flags: 1, correlation: 9, [21]))
            // One message: the Welcome and the answer [kind, reply, 9, 0], 42, no bytes.
            let batch = try stranger.readFrame()
            #expect(batch[4..<7] == [0x94, 2, 0])
            #expect(batch.suffix(8) == [0x94, 50, 2, 9, 0, 42, 0xc4, 0])
            #expect(server.events.values == ["opened worker"])
        }
    }

    @Test func withoutAHelloItIsAskedForOne() async throws {
        try await withStranger { server, stranger in
            stranger.send(record(kind: 50, [1, 0xc4, 0]))
            let answer = try stranger.readFrame()
            #expect(answer[5] == 4)
            #expect(server.notes.count == 0)
            #expect(server.events.count == 0)
        }
    }

    @Test func anotherVersionIsToldWhichOneIsSpokenHere() async throws {
        try await withStranger { server, stranger in
            stranger.send(record(kind: 1, helloBody(version: 99)))
            let answer = try stranger.readFrame()
            #expect(answer[5] == 3)
            let text = String(decoding: answer, as: UTF8.self)
            #expect(text.contains("versionMismatch") && text.contains("version \(protocolVersion)") && text.contains("99"))
        }
    }

    @Test func anUnreadableHelloIsRefused() async throws {
        try await withStranger { _, stranger in
            stranger.send(record(kind: 1, helloBody(role: "emperor")))
            let answer = try stranger.readFrame()
            #expect(String(decoding: answer, as: UTF8.self).contains("emperor"))
        }
    }

    @Test(arguments: [
        [0, 0, 0], [0xff, 0xff, 0xff, 0xff], [0, 0, 0, 5, 0x94, 50, 0], [0, 0, 0, 0], [0, 0, 0, 1, 0xc1], [0, 0, 0, 5, 0x94, 50, 0xc0, 0, 0],
        record(kind: 2, [0]), record(kind: 4, [0xc0]), record(kind: 50, flags: 2, correlation: 77, [1]), record(kind: 127, [1]),
        record(kind: 50, [0xdd, 0xff, 0xff, 0xff, 0xff]),
    ] as [[UInt8]])
    func malformedBatchesAreDropped(batch: [UInt8]) async throws {
        try await withStranger { server, stranger in
            stranger.send(record(kind: 1, helloBody()))
            _ = try stranger.readFrame()
            stranger.send(batch)
            // The link goes on with the next batch.
            stranger.send(record(kind: 60, flags: 1, correlation: 1, [4]))
            let answer = try stranger.readFrame()
            #expect(answer.suffix(3) == [8, 0xc4, 0])
            #expect(server.notes.count == 0)
        }
    }

    @Test func anUnknownKindOfRequestFails() async throws {
        try await withStranger { server, stranger in
            stranger.send(record(kind: 1, helloBody()) + record(kind: 127, flags: 1, correlation: 5, [1]))
            let batch = try stranger.readFrame()
            #expect(String(decoding: batch, as: UTF8.self).contains("does not know messages of kind 127"))
            #expect(server.events.values == ["opened worker", "malformed"])
        }
    }

    @Test func aHugeFrameEndsTheConnectionOnly() async throws {
        try await withStranger { server, stranger in
            stranger.send(record(kind: 1, helloBody()))
            _ = try stranger.readFrame()
            stranger.write([0x02, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
            #expect(throws: DidNotHappen.self) { try stranger.readFrame() }
        }
    }

    @Test func bytesThatAreNoZeroMQChangeNothing() async throws {
        let (server, client) = (await Process(.head), await Process(.driver))
        let address = try await server.listen()
        for bytes in [[], [UInt8](repeating: 0xff, count: 1000), Array("GET / HTTP/1.1\r\n\r\n".utf8)] { try Stranger(connectingTo: address).write(bytes) }
        let silent = try Stranger(connectingTo: address)
        let link = await client.connect(to: address)
        #expect(try await link.request(Question(1)).number == 2)
        #expect(server.events.values == ["opened driver"])
        withExtendedLifetime(silent) {}
        await client.end()
        await server.end()
    }

    @Test func aPeerThatGoesSilentlyIsClosedAfterTheGrace() async throws {
        var settings = Transport.Settings()
        settings.reconnectGrace = .milliseconds(100)
        let server = await Process(.head, settings: settings)
        let address = try await server.listen()
        do {
            let stranger = try Stranger(connectingTo: address)
            try stranger.shakeHands()
            stranger.send(record(kind: 1, helloBody()))
            _ = try stranger.readFrame()
        }
        try await eventually { server.events.values == ["opened worker", "closed unavailable"] }
        await server.end()
    }
}
