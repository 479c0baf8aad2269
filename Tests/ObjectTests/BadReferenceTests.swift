// References that lead nowhere, as from a file that another program wrote.

import Foundation
import Manta
import MantaLoop
import MantaModel
import MantaTestCluster
import MantaTestKit
import MantaTransport
import MantaWire
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
                    #expect(error?.code == .objectLost && error?.message.contains("\(wrong.id)") == true, "\(String(describing: error))")
                }
                let nobody = try altered(own) { ($0.id, $0.owner) = (ObjectID(task: .random(), index: 0), ProcessAddress(process: .random(), endpoint: "ipc:///nowhere/nobody.sock")) }
                let error = await #expect(throws: MantaError.self) { try await nobody.value }
                #expect(error?.code == .ownerDied, "\(String(describing: error))")
                #expect(try await own.value == 1, "nothing else is disturbed")
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
