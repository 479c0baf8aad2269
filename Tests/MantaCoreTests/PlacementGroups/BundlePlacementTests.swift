// On which nodes bundles go.

import MantaCore
import MantaModel
import Testing

@Suite struct BundlePlacementTests {
    private func node(_ number: UInt64) -> NodeID { NodeID(high: 1, low: number) }
    private func cpus(_ amounts: Double...) -> [Resources] { amounts.map { Resources([Resources.cpu: ResourceAmount($0)]) } }
    private func rooms(_ amounts: Double...) -> [BundleRoom] {
        zip(1..., cpus2(amounts)).map { BundleRoom(node: node(UInt64($0)), free: $1) }
    }
    private func cpus2(_ amounts: [Double]) -> [Resources] { amounts.map { Resources([Resources.cpu: ResourceAmount($0)]) } }

    @Test(arguments: [PlacementStrategy.pack, .strictPack]) func SCHED_006_packUsesOneNode(_ strategy: PlacementStrategy) throws {
        let places = try #require(BundlePlacement.assign(cpus(2, 2), strategy, taken: [], rooms: rooms(4, 4)))
        #expect(Set(places).count == 1)
    }

    @Test(arguments: [PlacementStrategy.spread, .strictSpread]) func SCHED_006_spreadUsesSeveralNodes(_ strategy: PlacementStrategy) throws {
        let places = try #require(BundlePlacement.assign(cpus(2, 2, 2), strategy, taken: [], rooms: rooms(4, 4, 4)))
        #expect(Set(places).count == 3)
    }

    @Test func packUsesMoreNodesWhenItMust() throws {
        let places = try #require(BundlePlacement.assign(cpus(2, 2, 2), .pack, taken: [], rooms: rooms(4, 2)))
        #expect(places.count { $0 == node(1) } == 2)
    }

    @Test func strictStrategiesFailRatherThanCompromise() {
        #expect(BundlePlacement.assign(cpus(2, 2, 2), .strictPack, taken: [], rooms: rooms(4, 2)) == nil)
        #expect(BundlePlacement.assign(cpus(1, 1, 1), .strictSpread, taken: [], rooms: rooms(4, 2)) == nil)
        #expect(BundlePlacement.assign(cpus(3), .pack, taken: [], rooms: rooms(2, 2)) == nil)
    }

    @Test func strictSpreadFindsTheOnlyAssignment() {
        #expect(BundlePlacement.assign(cpus(1, 4, 2), .strictSpread, taken: [], rooms: rooms(2, 1, 4)) == [node(2), node(3), node(1)])
    }

    @Test func theOtherBundlesOfTheGroupCount() throws {
        #expect(BundlePlacement.assign(cpus(1), .strictSpread, taken: [node(1)], rooms: rooms(4)) == nil)
        #expect(BundlePlacement.assign(cpus(1), .strictPack, taken: [node(2)], rooms: rooms(4, 4)) == [node(2)])
        #expect(BundlePlacement.assign(cpus(1), .pack, taken: [node(2)], rooms: rooms(4, 4)) == [node(2)])
        #expect(BundlePlacement.assign(cpus(1), .spread, taken: [node(1)], rooms: rooms(4, 1)) == [node(2)])
    }
}
