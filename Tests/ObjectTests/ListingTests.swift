// What people see of objects: each once, and each that they ask for.

import Manta
import MantaModel
import MantaTestCluster
import MantaTestKit
import MantaWire
import MantaWorker
import Testing

/// Elements of one megabyte.
private let perMegabyte = (1 << 20) / 8

@Remote func manyReferences(_ count: Int) -> [ObjectReference<Int>] { (0..<count).map { Manta.put($0) } }

extension ObjectTests {
    @Suite(.serialized) struct ListingTests {
        /// Processes of a machine talk to each of its nodes, and each of these asks whom it knows.
        @Test func anObjectIsListedOnceHoweverManyNodesKnowItsOwner() async throws {
            try await TestCluster.run(nodes: [1, 1, 1], stores: [64 << 20, 64 << 20, 64 << 20]) { cluster, nodes in
                let mine = (0..<3).map { Manta.put(numbers($0, count: perMegabyte)) }
                // The driver has leases of every node, and a task of each has some of its own.
                let keepers = nodes.map { Keeper.options(scheduling: .node($0.id)).remote() }
                let made = keepers.enumerated().map { $0.element.make(seed: $0.offset, count: perMegabyte) }
                #expect(try await Manta.get(nodes.map { place.options(scheduling: .node($0.id)).remote() }).count == nodes.count)
                #expect(try await Manta.get(mine + made).count == 6)
                for node in nodes {
                    let others = Donor.options(scheduling: .node(node.id)).remote()
                    let given = try await others.give(2, count: perMegabyte).value
                    try await keepers[0].hold(given).value
                    let state = try await cluster.state(.objects)
                    #expect(Set(state.objects.map(\.id)).count == state.objects.count && state.warnings == nil, "\(state.objects.map(\.id)), \(state.warnings ?? [])")
                    #expect(state.totals["objects"] == state.objects.count && state.states?["objects"]?.values.reduce(0, +) == state.objects.count)
                    #expect(state.objectBytes == state.objects.reduce(0) { $0 + $1.size })
                    #expect(state.objects.filter { $0.size > 1 << 20 }.count >= 8)
                    withExtendedLifetime(given) {}
                }
            }
        }

        @Test func placesAreToldOfMoreObjectsThanAnOwnerIsAskedAboutAtOnce() async throws {
            try await TestCluster.run(nodes: [1], stores: [64 << 20]) { _, _ in
                let references = try await manyReferences.remote(Limits.listRows + 50).value
                let places = try await Manta.locations(of: references)
                #expect(places.count == references.count && places.allSatisfy { $0.size != nil })
                try await Manta.free(references)
                let last = await #expect(throws: MantaError.self) { try await references[Limits.listRows + 49].value }
                #expect(last?.code == .objectFreed)
            }
        }

        @Test func anObjectIsFoundByItsIdentifierHoweverManyLargerOnesThereAre() async throws {
            try await TestCluster.run(nodes: [1], stores: [64 << 20]) { cluster, _ in
                let runtime = try #require(cluster.session.runtime)
                let small = Manta.put(1)
                let foreign = try await someReferences.remote(7).value[0]
                let larger = (0..<Limits.listRows + 50).map { _ in Manta.put("something longer than a number") }
                try await eventually("all objects in the list", within: .seconds(30)) {
                    try await runtime.head(QueryState(tables: [.objects], limit: 1)).totals["objects"] ?? 0 > larger.count
                }
                func rows(_ filters: RowFilter...) async throws -> StateAnswer { try await runtime.head(QueryState(tables: [.objects], limit: 1, filters: filters)) }
                for id in [small.id, foreign.id, larger[0].id] {
                    let answer = try await rows(RowFilter("id", "\(id)"))
                    #expect(answer.objects.map(\.id) == [id] && answer.totals["objects"] == 1 && answer.warnings == nil, "\(answer.objects), \(answer.warnings ?? [])")
                }
                #expect(try await rows(RowFilter("id", "\(small.id)"), RowFilter("state", "failed")).objects.isEmpty)
                let nobody = try await rows(RowFilter("id", "\(ObjectID(task: .random(), index: 0))"))
                #expect(nobody.objects.isEmpty && nobody.warnings == nil)
                withExtendedLifetime(larger) {}
            }
        }
    }
}
