// Values that are given up before their objects end, where values lie, and what is said of an object, on a real cluster.

import Manta
import MantaModel
import MantaTestCluster
import MantaTestKit
import MantaWire
import MantaWorker
import Testing

private let perMegabyte = (1 << 20) / 8

extension ObjectTests {
    @Suite(.serialized) struct FreeingTests {
        private func expectFreed(_ what: String, _ read: () async throws -> some Any) async {
            let error = await #expect(throws: MantaError.self) { _ = try await read() }
            #expect(error?.code == .objectFreed && error?.message.contains("Manta.free") == true, "\(what): \(String(describing: error))")
        }

        @Test func aFreedValueIsGoneEverywhereAndNotMadeAgain() async throws {
            try await TestCluster.run(nodes: [2], stores: [64 << 20]) { cluster, _ in
                let (put, made, small) = (Manta.put(numbers(1, count: perMegabyte)), makeNumbers.remote(seed: 2, count: perMegabyte), Manta.put([Int64(1), 2]))
                let keeper = Keeper.remote()
                try await keeper.hold([put.inPlace()]).value
                #expect(try await keeper.totalHeld().value == sum(numbers(1, count: perMegabyte)))
                #expect(try await Manta.get([made]).count == 1)
                try await Manta.free([put, made])
                try await Manta.free([small])
                for reference in [put, made, small] { await expectFreed("the owner", { try await reference.value }) }
                await expectFreed("an argument") { try await addUp.remote(put).value }
                // It may read the value in place until its node has let go of it.
                try await eventually("the end of what a process has read before", within: .seconds(30)) {
                    do {
                        _ = try await keeper.totalHeld().value
                        return false
                    } catch let error as MantaError { return error.code == .objectFreed }
                }
                try await Manta.free([put])
                try await cluster.expectEmptyStores()
                let rows = try await cluster.state(.objects).objects
                for id in [put.id, made.id, small.id] {
                    let row = try #require(rows.first { $0.id == id })
                    #expect(row.state == .freed && row.size == 0 && row.location == nil && row.copies == nil, "\(row)")
                }
                let lines = try await explain(made.id, cluster)
                #expect(lines.contains { $0.contains("was freed") && $0.contains("makeNumbers") }, "\(lines)")
            }
        }

        @Test func whoBorrowsMayFreeToo() async throws {
            try await TestCluster.run(nodes: [2], stores: [64 << 20]) { cluster, _ in
                let references = (0..<3).map { Manta.put(numbers($0, count: perMegabyte)) }
                #expect(try await giveUp.remote(references).value == 3)
                for reference in references { await expectFreed("the owner", { try await reference.value }) }
                try await cluster.expectEmptyStores()
            }
        }

        @Test func whatIsStillBeingMadeIsFreedWhenItIsThere() async throws {
            try await TestCluster.run(nodes: [2], stores: [64 << 20]) { cluster, _ in
                let gate = FileGate()
                let late = makeNumbersWhenOpen.remote(gate: gate.path, seed: 1, count: perMegabyte)
                try await eventually("the task", within: .seconds(30)) { gate.isAwaited }
                #expect(try await Manta.locations(of: [late]) == [ObjectLocation(nodes: [], size: nil, isSpilled: false)])
                try await Manta.free([late])
                gate.open()
                try await eventually("the end of its value", within: .seconds(30)) {
                    do {
                        _ = try await late.value
                        return false
                    } catch MantaError.Code.objectFreed { return true }
                }
                try await cluster.expectEmptyStores()
            }
        }

        @Test func locationsSayWhereValuesLieAndWhetherOnDisk() async throws {
            try await TestCluster.run(nodes: [2], stores: [16 << 20]) { cluster, _ in
                let node = try #require(try await cluster.state(.nodes).nodes.first?.id)
                let small = Manta.put([Int64(1)])
                let place = try #require(try await Manta.locations(of: [small]).first)
                #expect(place.nodes.isEmpty && !place.isSpilled && (1...64).contains(place.size ?? 0))
                let references = (0..<30).map { Manta.put(numbers($0, count: perMegabyte)) }
                let places = try await Manta.locations(of: references)
                #expect(places.allSatisfy { $0.nodes == [node] && ($0.size ?? 0) > 1 << 20 })
                #expect(places.contains { $0.isSpilled } && places.contains { !$0.isSpilled }, "\(places)")
                let rows = try await cluster.state(.objects).objects
                #expect(rows.contains { $0.copies == [ObjectRow.Copy(node: node, spilled: true)] } && rows.contains { $0.copies == [ObjectRow.Copy(node: node, spilled: false)] })
                try await eventually("the store's own count", within: .seconds(30)) {
                    let rows = try await cluster.state(.objects).objects
                    guard let store = try await cluster.usages().first else { return false }
                    return store.spilledObjects == rows.count { $0.copies?.first?.spilled == true }
                }
                // Another process asks the owner.
                let described = #remote([references[0]]) { (references: [ObjectReference<[Int64]>]) in
                    try await Manta.locations(of: references).map(\.nodes.count)
                }
                #expect(try await described.value == [1])
            }
        }

        @Test func anObjectIsExplained() async throws {
            try await TestCluster.run(nodes: [2], stores: [64 << 20]) { cluster, _ in
                let (put, made) = (Manta.put(numbers(1, count: perMegabyte)), makeNumbers.remote(seed: 2, count: perMegabyte))
                _ = try await made.value
                let outer = Manta.put([put])
                let keeper = Keeper.remote()
                try await keeper.hold([made.inPlace()]).value
                var lines = try await explain(put.id, cluster).joined(separator: "\n")
                for part in ["made by put", "in the store of node", "local reference, captured in object", "cannot be made again: it was put"] { #expect(lines.contains(part), "\(lines)") }
                try await eventually("the borrower", within: .seconds(30)) { try await explain(made.id, cluster).contains { $0.contains("borrowed by 1 process (") } }
                lines = try await explain(made.id, cluster).joined(separator: "\n")
                for part in ["makeNumbers(seed:count:), in attempt 1", "its task runs again, up to 3 more times"] { #expect(lines.contains(part), "\(lines)") }
                let error = await #expect(throws: MantaError.self) { try await explain(ObjectID(task: .random(), index: 3), cluster) }
                #expect(error?.code == .notFound)
                _ = outer
            }
        }

        private func explain(_ id: ObjectID, _ cluster: TestCluster) async throws -> [String] {
            guard let runtime = cluster.session.runtime else { throw CurrentRuntime.missing }
            return try await runtime.head(Explain(id: id.description)).lines
        }
    }
}
