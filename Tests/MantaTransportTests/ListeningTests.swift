// ListeningTests: addresses that are taken, wrong or many.

import Glibc
import MantaLoop
import MantaModel
import MantaTestKit
import MantaTransport
import MantaWire
import Testing

@Suite struct ListeningTests {
    @Test func anOccupiedPortIsAPreciseError() async throws {
        let (first, second) = (await Process(.head), await Process(.head))
        let address = try await first.listen()
        let error = await #expect(throws: MantaError.self) { try await second.listen(on: address) }
        #expect(error?.code == .addressInUse)
        #expect(error?.message.contains(address) == true)
        await first.end()
        await second.end()
    }

    @Test func anOccupiedPathIsNotStolen() async throws {
        let directory = TemporaryDirectory()
        let endpoint = "ipc://\(directory.file("x.sock"))"
        let (first, second, client) = (await Process(.node), await Process(.node), await Process(.driver))
        _ = try await first.listen(on: endpoint)
        let error = await #expect(throws: MantaError.self) { try await second.listen(on: endpoint) }
        #expect(error?.code == .addressInUse)
        let link = await client.connect(to: endpoint)
        #expect(try await link.request(Question(1)).number == 2)
        await client.end()
        await first.end()
        // Free again.
        _ = try await second.listen(on: endpoint)
        await second.end()
        #expect(access(directory.file("x.sock"), F_OK) != 0 && access(directory.file("x.sock.lock"), F_OK) != 0)
    }

    @Test(arguments: ["tcp://127.0.0.1", "tcp://256.1.1.1:1", "nonsense", "ipc://relative/path", "ipc:///tmp/\(String(repeating: "long", count: 40))"])
    func wrongAddressesAreErrors(endpoint: String) async throws {
        let process = await Process(.node)
        let error = await #expect(throws: MantaError.self) { try await process.listen(on: endpoint) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains(endpoint.prefix(20)) == true)
        await process.end()
    }

    /// One that is told to be of another machine, and one of this.
    @Test(arguments: ["another", nil]) func whoConnectsTakesThePathOnItsOwnMachineOnly(machine: String?) async throws {
        let directory = TemporaryDirectory()
        var settings = Transport.Settings()
        if let machine { settings.machine = machine }
        let (server, client) = (await Process(.node), await Process(.driver, settings: settings))
        let place = ListeningPlace(path: directory.file("n.sock"), port: try ReservedPort(host: "127.0.0.1"))
        try await server.loop.perform { () throws(MantaError) in try server.transport.listen(at: place) }
        let link = await client.connect(to: place.endpoint.text)
        #expect(try await link.request(Question(1)).number == 2)
        let (way, said) = await client.loop.perform { (link.endpoint, link.peer?.endpoint) }
        #expect(way == (machine == nil ? place.endpoint.local : place.endpoint.network))
        #expect(said == place.endpoint.text)
        let again = await client.connect(to: place.endpoint.text)
        #expect(again === link)
        await client.end()
        await server.end()
        #expect(try ReservedPort(host: "127.0.0.1").endpoint.hasPrefix("tcp://127.0.0.1:"))
    }

    @Test func onlyAnAddressOfThisMachineCanBeListenedOn() {
        for (host, words) in [("192.0.2.1", "this machine has no address 192.0.2.1: give one of"), ("0.0.0.0", "every address"), ("host.example", "expected an IPv4 address")] {
            let error = #expect(throws: MantaError.self) { try ReservedPort(host: host) }
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.contains(words) == true && error?.message.contains("127.0.0.1") == true)
        }
    }

    @Test func aLostProcessEndsItsLinks() async throws {
        let (server, client) = (await Process(.node), await Process(.driver))
        let link = await client.connect(to: try await server.listen())
        #expect(try await link.request(Question(1)).number == 2)
        await server.loop.perform { server.answersAtOnce = false }
        let answer = Task { try await link.request(Question(2)) }
        try await eventually("the question") { server.questions.count == 1 }
        let process = await server.loop.perform { server.transport.identity.process }
        await client.loop.perform { client.transport.lose(process, MantaError(.nodeDied, "it is gone")) }
        let error = await #expect(throws: MantaError.self) { try await answer.value }
        #expect(error?.code == .nodeDied)
        #expect(client.events.values.last == "closed nodeDied")
        await client.end()
        await server.end()
    }

    @Test func oneProcessListensOnSeveralAddresses() async throws {
        let directory = TemporaryDirectory()
        let (server, client) = (await Process(.node), await Process(.driver))
        let addresses = [try await server.listen(on: "ipc://\(directory.file("n.sock"))"), try await server.listen(on: "tcp://*:0")]
        #expect(addresses[1].hasPrefix("tcp://0.0.0.0:"))
        for address in [addresses[0], addresses[1].replacing("0.0.0.0", with: "127.0.0.1")] {
            let link = await client.connect(to: address)
            #expect(try await link.request(Question(1)).number == 2)
        }
        #expect(server.events.count == 2)
        await client.end()
        await server.end()
    }

    @Test func manyLinks() async throws {
        let server = await Process(.head)
        let address = try await server.listen()
        var clients: [Process] = []
        for _ in 0..<100 { clients.append(await Process(.worker)) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, client) in clients.enumerated() {
                group.addTask {
                    let link = await client.connect(to: address)
                    for round in 0..<20 as Range<UInt64> {
                        let number = UInt64(index) + round
                        let answer = try await link.request(Question(number))
                        #expect(answer.number == 2 * number)
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(server.links.count == 100)
        for client in clients { await client.end() }
        try await eventually { server.events.values.filter { $0 == "closed unavailable" }.count == 100 }
        await server.end()
    }
}
