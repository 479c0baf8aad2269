// Which node serves a request: rules of scheduling in a node's book.

import MantaModel
import Testing

@testable import MantaCore

@Suite struct LeaseBookRuleTests {
    private let there = NodeID(high: 9, low: 2)
    private let beyond = NodeID(high: 9, low: 3)

    private func view(_ id: NodeID, cpus: Double = 4, free: Double = 4, labels: [String: String] = [:], state: NodeState = .alive) -> NodeView {
        NodeView(
            id: id, endpoint: "ipc:///\(id.low)", total: Resources([Resources.cpu: ResourceAmount(cpus)]),
            available: Resources([Resources.cpu: ResourceAmount(free)]), state: state, labels: labels)
    }

    private func bench(cpus: Double = 2, labels: [String: String] = [:], _ views: [NodeView]) -> LeaseBench {
        var bench = LeaseBench(cpus: cpus, labels: labels)
        _ = bench.ready(count: 2)
        _ = bench.on { $0.clusterView(views, at: $1, perform: $2) }
        return bench
    }

    private func request(_ bench: inout LeaseBench, _ rule: PlacementRule, cpus: Double = 1) -> [LeaseBook.Action] {
        var request = bench.makeRequest(cpus: cpus, mayMove: true)
        request.rule = rule
        return bench.request(request)
    }

    @Test func SCHED_004_aHardWishIsMovedThereServedHereOrRefused() {
        var bench = bench([view(there, free: 0)])
        #expect(request(&bench, .node(there, soft: false)).first?.target == there, "it waits for the busy node")
        #expect(request(&bench, .node(bench.book.node, soft: false)).first?.granted != nil)
        #expect(request(&bench, .node(there, soft: false), cpus: 8).first?.refusal?.code == .unschedulable)
        #expect(request(&bench, .node(bench.book.node, soft: false), cpus: 3).first?.refusal?.code == .unschedulable)
    }

    @Test func SCHED_004_anUnknownNodeIsWaitedForBrieflyThenTheRequestIsRefused() {
        var bench = bench([view(there)])
        #expect(request(&bench, .node(beyond, soft: false)).isEmpty)
        #expect(bench.advance(.milliseconds(500)).isEmpty)
        let refusal = bench.advance(.milliseconds(500)).compactMap(\.refusal).first
        #expect(refusal?.code == .unschedulable)
        #expect(refusal?.message.contains("not a living node") == true)
        #expect(request(&bench, .node(beyond, soft: false)).isEmpty)
        #expect(bench.on { $0.clusterView([view(beyond)], at: $1, perform: $2) }.first?.target == beyond)
    }

    @Test func SCHED_005_aSoftWishGoesElsewhereOnlyWhenTheNodeIsGoneOrTooSmall() {
        var bench = bench([view(there, free: 0)])
        #expect(request(&bench, .node(there, soft: true)).first?.target == there, "a busy node is waited for")
        #expect(request(&bench, .node(beyond, soft: true)).first?.granted != nil)
        #expect(request(&bench, .node(there, soft: true), cpus: 1).first?.target == there)
    }

    @Test func SCHED_015_spreadTakesTurns() {
        var bench = bench(cpus: 8, [view(there, cpus: 8, free: 8)])
        var targets: [NodeID?] = []
        for _ in 0..<8 { targets.append(request(&bench, .spread).first?.target) }
        #expect(targets.count { $0 == there } == 4)
    }

    @Test func labelsChooseTheNode() {
        var bench = bench(labels: ["zone": "a"], [view(there, labels: ["zone": "b", "disk": "fast"]), view(beyond, labels: ["zone": "b"])])
        #expect(request(&bench, .labels(required: ["zone": "a"], preferred: [:])).first?.granted != nil)
        #expect(request(&bench, .labels(required: ["zone": .not("a")], preferred: ["disk": .missing])).first?.target == beyond)
        #expect(request(&bench, .labels(required: ["zone": "b", "disk": .exists], preferred: [:])).first?.target == there)
    }

    @Test func aRequestForLabelsNobodyHasWaitsAndNeverRunsHere() {
        var bench = bench([view(there)])
        #expect(request(&bench, .labels(required: ["zone": "c"], preferred: [:])).isEmpty)
        #expect(bench.advance(.seconds(5)).allSatisfy { if case .infeasible = $0 { true } else { false } }, "its owner is told, and it waits")
        #expect(bench.book.counts.waiting == 1)
        let moved = bench.on { $0.clusterView([view(there), view(beyond, labels: ["zone": "c"])], at: $1, perform: $2) }
        #expect(moved.first?.target == beyond)
        #expect(bench.book.counts.waiting == 0)
    }

    @Test func theLeasesOfALostNodesOwnersAreDropped() {
        var bench = bench([view(there)])
        var foreign = bench.makeRequest(LeaseBench.other)
        foreign.home = there
        #expect(bench.request(foreign).first?.granted != nil)
        let (own, granted) = bench.request()
        #expect(granted.first?.granted == own)
        let killed = bench.on { $0.nodeLost(there, at: $1, perform: $2) }
        #expect(killed.compactMap(\.killed).count == 1)
        #expect(bench.on { $0.requestLease(foreign, at: $1, perform: $2) }.isEmpty, "late messages of the dead are dropped")
    }
}

extension LeaseBook.Action {
    var target: NodeID? { if case .move(_, let node, _, _) = self { node.node } else { nil } }
    var refusal: MantaError? { if case .refuse(_, let error, _) = self { error } else { nil } }
}
