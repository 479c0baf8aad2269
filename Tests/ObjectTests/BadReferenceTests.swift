// References that lead nowhere, as from a file that another program wrote.

import Foundation
import Manta
import MantaLoop
import MantaModel
import MantaTestCluster
import MantaTestKit
import MantaTransport
import MantaWire
import MantaWorker
import Testing

@Remote func someReferences(_ value: Int) -> [ObjectReference<Int>] { [Manta.put(value)] }

/// Refuses everybody, since nobody is of its cluster.
private final class Stranger: TransportDelegate, Sendable {
    func linkOpened(_ link: Link, hello: Hello) {}
    func linkReopened(_ link: Link, hello: Hello, restarted: Bool) {}
    func linkClosed(_ link: Link, error: MantaError) {}
    func received(_ message: inout InboundMessage, on link: Link) {}
}

extension ObjectTests {
    @Suite(.serialized) struct BadReferenceTests {
        private struct Written: Codable {
            var id: ObjectID
            var owner: ProcessAddress
        }

        /// The same reference with something changed.
        private func altered(_ reference: ObjectReference<Int>, _ change: (inout Written) -> Void) throws -> ObjectReference<Int> {
            var written = try JSONDecoder().decode(Written.self, from: JSONEncoder().encode(reference))
            change(&written)
            return try JSONDecoder().decode(ObjectReference<Int>.self, from: JSONEncoder().encode(written))
        }

        @Test func anObjectThatDoesNotExistIsLost() async throws {
            try await TestCluster.run(nodes: [1], stores: [64 << 20]) { _, _ in
                let (own, foreign) = (Manta.put(1), try await someReferences.remote(7).value[0])
                #expect(try await foreign.value == 7)
                for reference in [own, foreign] {
                    let wrong = try altered(reference) { $0.id = ObjectID(task: .random(), index: 0) }
                    let error = await #expect(throws: MantaError.self) { try await wrong.value }
                    #expect(error?.code == .objectLost && error?.message == "object \(wrong.id) is not known to its owner: it has ended, or never was")
                    let unknown = await #expect(throws: MantaError.self) { try await Manta.locations(of: [wrong]) }
                    #expect(unknown?.message == error?.message)
                }
                let nobody = try altered(own) { ($0.id, $0.owner) = (ObjectID(task: .random(), index: 0), ProcessAddress(process: .random(), endpoint: "ipc:///nowhere/nobody.sock")) }
                let error = await #expect(throws: MantaError.self) { try await nobody.value }
                #expect(error?.code == .ownerDied, "\(String(describing: error))")
                for body in [{ _ = try await Manta.locations(of: [nobody]) }, { try await Manta.free([nobody]) }] as [@Sendable () async throws -> Void] {
                    let gone = await #expect(throws: MantaError.self) { try await body() }
                    #expect(gone?.code == .ownerDied, "\(String(describing: gone))")
                }
                let other = try altered(own) { ($0.id, $0.owner) = (ObjectID(task: .random(), index: 0), ProcessAddress(process: .random(), endpoint: "ipc:///nowhere/other.sock")) }
                let unasked = await #expect(throws: MantaError.self) { try await Manta.locations(of: [other]) }
                #expect(unasked?.code == .ownerDied, "\(String(describing: unasked))")
                #expect(try await own.value == 1, "nothing else is disturbed")
            }
        }

        /// A reader whose own node dies, or that lies, takes nothing from others.
        @Test func whatAReaderCouldNotGetIsThereForOthers() async throws {
            try await TestCluster.run(nodes: [1], stores: [64 << 20]) { cluster, nodes in
                let values = numbers(5, count: 200_000)
                let reference = Manta.put(values)
                let keeper = Keeper.remote()
                try await keeper.hold([reference.inPlace()]).value
                let owner = try #require(Manta.processAddress)
                let loop = EventLoop(name: "reader")
                loop.start()
                defer { loop.stop() }
                let reader = Stranger()
                let (id, node) = (reference.handle.id, nodes[0].id)
                let transport = await loop.perform {
                    Transport(loop: loop, identity: Hello(cluster: nil, role: .worker, process: .random(), pid: getpid(), endpoint: "", host: "here"), delegate: reader)
                }
                let answer = try await loop.perform { transport.connect(to: owner.endpoint) }.request(GetObject(object: id, lostAt: node))
                guard case .values(let places) = answer.outcome, case .stored(let place)? = places.first else {
                    Issue.record("it is where it was: \(answer.outcome)")
                    return
                }
                #expect(place.node.node == node)
                let total = try await addUpInPlace.remote(reference.inPlace()).value
                #expect(total == sum(values))
                try await eventually("one object in the store", within: .seconds(30)) { try await cluster.usages().first?.objects == 1 }
                await loop.perform { transport.close() }
            }
        }

        @Test func aReferenceOfAnotherClusterSaysSo() async throws {
            try await TestCluster.run(nodes: [1], stores: [64 << 20]) { _, _ in
                let folder = TemporaryDirectory()
                let loop = EventLoop(name: "stranger")
                loop.start()
                defer { loop.stop() }
                let process = ProcessID.random()
                let endpoint = "ipc://\(folder.file("stranger.sock"))"
                let stranger = Stranger()
                let transport = try await loop.perform {
                    let hello = Hello(cluster: .random(), role: .driver, process: process, pid: getpid(), endpoint: endpoint, host: "here")
                    let transport = Transport(loop: loop, identity: hello, delegate: stranger)
                    _ = try transport.listen(on: endpoint)
                    return transport
                }
                let wrong = try altered(Manta.put(1)) { ($0.id, $0.owner) = (ObjectID(task: .random(), index: 0), ProcessAddress(process: process, endpoint: endpoint)) }
                let error = await #expect(throws: MantaError.self) { try await wrong.value }
                #expect(error?.message.contains("cluster") == true && error?.message.contains("\(wrong.id)") == true, "\(String(describing: error))")
                await loop.perform { transport.close() }
            }
        }
    }
}
