// AbsenceTests: processes that a link leads to: dead ones are known at once while their machine lives, slow ones of this machine are waited for.

import Glibc
import MantaLoop
import MantaModel
import MantaTestKit
import MantaTransport
import MantaWire
import Testing

/// Listens at a path or a port and accepts nobody, as a process that stands still.
private final class Sleeper {
    private var descriptor: Int32
    private(set) var endpoint = ""
    init() {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var (address, size) = (sockaddr_in(), socklen_t(MemoryLayout<sockaddr_in>.size))
        (address.sin_family, address.sin_addr.s_addr) = (sa_family_t(AF_INET), UInt32(0x7f00_0001).bigEndian)
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) == 0 && getsockname(descriptor, $0, &size) == 0 }
        }
        precondition(bound && listen(descriptor, 64) == 0, "the kernel chooses a port")
        endpoint = "tcp://127.0.0.1:\(UInt16(bigEndian: address.sin_port))"
    }
    init(at path: String) {
        endpoint = "ipc://\(path)"
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
        precondition(bound == 0 && listen(descriptor, 8) == 0, "a path of the test's own")
    }
    /// As a killed process does: the socket stays at its path, and nobody listens.
    func die() {
        close(descriptor)
        descriptor = -1
    }
    deinit { if descriptor >= 0 { close(descriptor) } }
}

@Suite struct AbsenceTests {
    /// Longer than any test: what ends before it ended at once.
    private static let patient: Transport.Settings = {
        var settings = Transport.Settings()
        (settings.firstGrace, settings.reconnectGrace) = (.seconds(600), .seconds(600))
        return settings
    }()

    @Test(arguments: [true, false]) func aNewLinkToADeadProcessEndsAtOnce(socketIsLeft: Bool) async throws {
        let directory = TemporaryDirectory()
        let path = directory.file("dead.sock")
        if socketIsLeft { Sleeper(at: path).die() }
        let client = await Process(.driver, settings: Self.patient)
        let dead = ProcessID.random()
        let link = await client.loop.perform { client.transport.connect(to: ProcessAddress(process: dead, endpoint: "ipc://\(path)")) }
        let error = await #expect(throws: MantaError.self) { try await link.request(Question(1), deadline: nil) }
        #expect(error?.code == .unavailable && error?.message.contains("is gone") == true, "\(String(describing: error))")
        #expect(client.events.values == ["closed unavailable"])
        await client.end()
    }

    /// The kernel of the other machine refuses.
    @Test func aNewLinkToADeadProcessOfAnotherMachineEndsAtOnce() async throws {
        // A port that is bound and that nobody listens on.
        let port = try ReservedPort(host: "127.0.0.1")
        let client = await Process(.driver, settings: Self.patient)
        let link = await client.loop.perform { client.transport.connect(to: ProcessAddress(process: .random(), endpoint: "\(port.endpoint);machine=another;ipc:///nowhere.sock")) }
        let error = await #expect(throws: MantaError.self) { try await link.request(Question(1), deadline: nil) }
        #expect(error?.code == .unavailable && error?.message.contains("nobody listens there") == true, "\(String(describing: error))")
        #expect(client.events.values == ["closed unavailable"])
        await client.end()
    }

    @Test(arguments: [Way.socket, .tcp]) func aProcessThatIsKilledUnderALinkIsGoneAtOnce(way: Way) async throws {
        let (server, client) = (await Process(.worker, settings: Self.patient, way: way), await Process(.driver, settings: Self.patient, way: way))
        let endpoint = try await server.listen()
        let address = await server.loop.perform { ProcessAddress(process: server.transport.identity.process, endpoint: endpoint) }
        let link = await client.loop.perform { client.transport.connect(to: address) }
        #expect(try await link.request(Question(2)).number == 4)
        await server.end(abruptly: true)
        try await eventually { client.events.values == ["opened worker", "closed unavailable"] }
        await client.end()
    }

    @Test func aProcessThatStandsStillIsWaitedForBeyondTheGraceUntilItIsDead() async throws {
        let directory = TemporaryDirectory()
        let path = directory.file("still.sock")
        let sleeper = Sleeper(at: path)
        var settings = Transport.Settings()
        (settings.firstGrace, settings.reconnectGrace) = (.milliseconds(20), .milliseconds(20))
        let client = await Process(.driver, settings: settings)
        _ = await client.loop.perform { client.transport.connect(to: ProcessAddress(process: .random(), endpoint: "ipc://\(path)")) }
        let graces = Log<Int>()
        await client.loop.perform { for grace in 1...5 { client.loop.schedule(after: .milliseconds(20) * grace) { graces.append(grace) } } }
        try await eventually { graces.count == 5 }
        #expect(client.events.values == [])
        sleeper.die()
        try await eventually { client.events.values == ["closed unavailable"] }
        await client.end()
    }

    @Test func aPlaceWhereAnotherProcessMayComeIsWaitedFor() async throws {
        let directory = TemporaryDirectory()
        let path = directory.file("head.sock")
        let client = await Process(.driver, settings: Self.patient)
        let link = await client.connect(to: "ipc://\(path)")
        let answers = Log<UInt64>()
        await client.loop.perform { link.request(Question(1), deadline: nil) { if case .success(let note) = $0 { answers.append(note.number) } } }
        let server = await Process(.head)
        _ = try await server.listen(on: "ipc://\(path)")
        try await eventually { answers.values == [2] }
        await client.end()
        await server.end()
    }

    @Test(arguments: [Way.socket, .tcp]) func whoseEndOthersTellIsKeptUntilTheyHaveTold(way: Way) async throws {
        let directory = TemporaryDirectory()
        let port = try ReservedPort(host: "127.0.0.1")
        let endpoint = way == .tcp ? port.endpoint : "ipc://\(directory.file("dead.sock"))"
        let client = await Process(.driver, settings: Self.patient)
        client.waitsForWord = true
        let dead = ProcessID.random()
        _ = await client.loop.perform { client.transport.connect(to: ProcessAddress(process: dead, endpoint: endpoint)) }
        try await eventually { client.askedForWord.count > 1 }
        #expect(client.events.values == [])
        await client.loop.perform {
            client.waitsForWord = false
            client.transport.lookAgain(for: dead)
        }
        try await eventually { client.events.values == ["closed unavailable"] }
        await client.end()
    }

    /// As on another machine, whose kernel takes connections for it.
    @Test func aPortThatIsListenedOnIsWaitedForUntilItIsNot() async throws {
        let sleeper = Sleeper()
        let client = await Process(.driver, settings: Self.patient)
        let still = ProcessID.random()
        let address = ProcessAddress(process: still, endpoint: sleeper.endpoint)
        _ = await client.loop.perform { client.transport.connect(to: address) }
        let looks = Log<Int>()
        await client.loop.perform {
            for look in 1...5 {
                client.loop.schedule(after: .milliseconds(20) * look) {
                    client.transport.lookAgain(for: still)
                    looks.append(look)
                }
            }
        }
        try await eventually { looks.count == 5 }
        #expect(client.events.values == [])
        sleeper.die()
        try await eventually { client.events.values == ["closed unavailable"] }
        await client.end()
    }
}
