// The rules of Placement.

import MantaModel
import Testing

@testable import MantaCore

@Suite struct PlacementPolicies {
    func node(_ low: UInt64, total: Int64 = 10, free: Int64, state: NodeState = .alive) -> NodeView {
        NodeView(
            id: NodeID(high: 1, low: low), endpoint: "tcp://\(low)", total: Resources(["CPU": ResourceAmount(integerLiteral: total)]),
            available: Resources(["CPU": ResourceAmount(integerLiteral: free)]), state: state)
    }
    let one = Resources(["CPU": 1])

    @Test func localFirstTakesTheLocalNodeWhileItHasRoom() {
        let views = [node(1, free: 10), node(2, free: 1)]
        #expect(Placement.localFirst(views[1].id).choose(for: one, among: views) == .room(views[1]))
        #expect(Placement.localFirst(node(2, free: 0).id).choose(for: one, among: [views[0], node(2, free: 0)]) == .room(views[0]))
    }

    @Test func hybridPacksUntilHalfFullThenSpreads() {
        let policy = Placement.hybrid(preferring: nil)
        #expect(policy.choose(for: one, among: [node(1, free: 6), node(2, free: 10)]) == .room(node(1, free: 6)))
        #expect(policy.choose(for: one, among: [node(1, free: 5), node(2, free: 10)]) == .room(node(2, free: 10)))
        #expect(policy.choose(for: one, among: [node(1, free: 2), node(2, free: 3)]) == .room(node(2, free: 3)))
    }

    @Test func workWithoutGPUsLeavesNodesWithGPUsAloneWhereOthersHaveRoom() {
        func machine(_ low: UInt64, gpus: Int64, free: Int64) -> NodeView {
            var view = node(low, free: free)
            view.total[Resources.gpu] = ResourceAmount(integerLiteral: gpus)
            view.available[Resources.gpu] = view.total[Resources.gpu]
            return view
        }
        let (first, second) = (machine(1, gpus: 4, free: 10), machine(2, gpus: 0, free: 1))
        let policy = Placement.hybrid(preferring: nil)
        #expect(policy.choose(for: one, among: [first, second]) == .room(second))
        #expect(policy.choose(for: one, among: [first, machine(2, gpus: 0, free: 0)]) == .room(first), "nobody else has room")
        #expect(policy.choose(for: Resources(["CPU": 1, "GPU": 1]), among: [first, second]) == .room(first))
    }

    @Test func hybridPrefersTheGivenNode() {
        let views = [node(1, free: 9), node(2, free: 9)]
        #expect(Placement.hybrid(preferring: views[1].id).choose(for: one, among: views) == .room(views[1]))
    }

    @Test func spreadTakesTheEmptiestAndBreaksTiesByChance() {
        let views = [node(1, free: 9), node(2, free: 9), node(3, free: 4)]
        let chosen = Set((0..<4).compactMap { Placement.spread.choose(for: one, among: views, tie: $0).node })
        #expect(chosen == Set(views.prefix(2)))
    }

    @Test func theOrderOfTheViewsDoesNotMatter() {
        let views = [node(1, free: 3), node(2, free: 7), node(3, free: 7), node(4, free: 10)]
        for policy in [Placement.spread, .hybrid(preferring: nil), .localFirst(views[2].id)] {
            #expect(policy.choose(for: one, among: views, tie: 1) == policy.choose(for: one, among: views.reversed(), tie: 1))
        }
    }

    @Test func aFullClusterNamesANodeForLater() {
        let views = [node(1, free: 0), node(2, free: 0, state: .suspect)]
        #expect(Placement.spread.choose(for: one, among: views) == .later(views[0]))
    }

    @Test func whatFitsNowhereIsExplained() {
        let views = [node(1, free: 10)]
        #expect(
            Placement.spread.choose(for: Resources(["CPU": 11]), among: views)
                == .nowhere("it needs CPU 11 and the largest node has 10; start a larger node or ask for less"))
        #expect(Placement.spread.choose(for: one, among: []) == .nowhere("no node is alive"))
    }
}
