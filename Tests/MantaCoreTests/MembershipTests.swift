// MembershipTests: who counts as alive, suspect and dead, and why.

import MantaCore
import MantaModel
import Testing

@Suite struct MembershipTests {
    private final class Harness {
        var membership = Membership()
        var now = Instant.zero
        var actions: [Membership.Action] = []

        func node(_ id: NodeID = .random(), process: ProcessID = .random()) -> Membership.Node {
            Membership.Node(
                id: id, process: process, endpoint: "ipc:///tmp/n", host: "here", pid: 5, total: Resources(["CPU": 2]), available: Resources(["CPU": 2]),
                startedAt: WallTime(milliseconds: 0))
        }
        func add() -> NodeID {
            let node = node()
            #expect(throws: Never.self) { try self.membership.register(node, at: self.now) { self.actions.append($0) } }
            return node.id
        }
        @discardableResult
        func beat(_ id: NodeID, available: Resources = Resources(["CPU": 2])) -> Bool {
            membership.heartbeat(id, available: available, workers: 1, at: now) { actions.append($0) }
        }
        /// Lets time pass with a tick every second, as the head does.
        func pass(seconds: Int, beating: [NodeID] = []) {
            for _ in 0..<seconds {
                now = now + .seconds(1)
                for id in beating { beat(id) }
                membership.tick(at: now) { actions.append($0) }
            }
        }
        func state(_ id: NodeID) -> NodeState? { membership[id]?.state }
    }

    @Test func aNodeThatIsSilentBecomesSuspectThenDead() {
        let h = Harness()
        let (silent, lively) = (h.add(), h.add())
        h.pass(seconds: 2, beating: [lively])
        #expect(h.state(silent) == .alive)
        h.pass(seconds: 1, beating: [lively])
        #expect(h.state(silent) == .suspect)
        h.pass(seconds: 6, beating: [lively])
        #expect(h.state(silent) == .suspect)
        h.pass(seconds: 1, beating: [lively])
        #expect(h.state(silent) == .dead)
        #expect(h.state(lively) == .alive)
        #expect(h.actions.filter { if case .nodeDied(silent, _) = $0 { true } else { false } }.count == 1)
        #expect(!h.beat(silent), "it must register again")
    }

    /// F13, F28.
    @Test func aSuspectThatSpeaksAgainIsAlive() {
        let h = Harness()
        let id = h.add()
        h.pass(seconds: 3)
        #expect(h.state(id) == .suspect)
        h.pass(seconds: 2)
        #expect(h.beat(id))
        #expect(h.state(id) == .alive)
        #expect(h.actions.contains(.nodeBecameAlive(id)))
        #expect(!h.actions.contains { if case .nodeDied = $0 { true } else { false } })
    }

    @Test func aNodeWhoseLinkIsGoneIsDeadBeforeASilentOne() {
        let h = Harness()
        let (broken, silent) = (h.add(), h.add())
        h.membership.disconnected(broken, at: h.now) { h.actions.append($0) }
        #expect(h.state(broken) == .dead)
        h.pass(seconds: 3)
        #expect(h.membership[broken]?.reason?.contains("connection") == true)
        #expect(h.state(silent) == .suspect)
    }

    /// F12.
    @Test func aNodeWhoseProcessEndedIsDeadAtOnce() {
        let h = Harness()
        let id = h.add()
        h.membership.exited(id, reason: "process 5 ended", at: h.now) { h.actions.append($0) }
        h.membership.exited(id, reason: "process 5 ended", at: h.now) { h.actions.append($0) }
        #expect(h.actions.filter { $0 == .nodeDied(id, reason: "process 5 ended") }.count == 1)
        #expect(h.membership[id]?.available == Resources())
    }

    /// F59: the head was stopped, not the nodes.
    @Test func theHeadsOwnPauseKillsNobody() {
        let h = Harness()
        let id = h.add()
        h.pass(seconds: 1, beating: [id])
        h.now = h.now + .seconds(60)
        h.membership.tick(at: h.now) { h.actions.append($0) }
        #expect(h.state(id) == .alive)
        h.pass(seconds: 10)
        #expect(h.state(id) == .dead)
    }

    /// F34.
    @Test func aSecondProcessWithTheSameIdentifierIsRefusedWhileTheFirstLives() throws {
        let h = Harness()
        let first = h.node()
        try h.membership.register(first, at: h.now) { _ in }
        let clone = h.node(first.id)
        let error = #expect(throws: MantaError.self) { try h.membership.register(clone, at: h.now) { _ in } }
        #expect(error?.code == .conflict)
        try h.membership.register(first, at: h.now) { _ in }
        h.membership.exited(first.id, reason: "gone", at: h.now) { _ in }
        try h.membership.register(clone, at: h.now) { _ in }
        #expect(h.membership[first.id]?.process == clone.process)
    }

    @Test func theViewIsPublishedWhenItChangedAndOnceARound() {
        let h = Harness()
        let id = h.add()
        h.pass(seconds: 3, beating: [id])
        #expect(h.actions.filter { $0 == .publishView }.count == 1)
        h.actions = []
        for units in 0..<5 { h.beat(id, available: Resources(["CPU": ResourceAmount(units: Int64(units))])) }
        h.pass(seconds: 1)
        #expect(h.actions == [.publishView])
    }

    @Test func aNewHeadWaitsForTheNodesOfTheLast() throws {
        let h = Harness()
        let (back, gone, ended) = (h.node(), h.node(), h.node())
        for node in [back, gone, ended] { h.membership.await(node.id, at: h.now) }
        h.membership.exited(ended.id, reason: "", at: h.now) { h.actions.append($0) }
        #expect(h.actions == [.forget(ended.id)])
        #expect(h.membership.isAwaiting)
        try h.membership.register(back, at: h.now) { h.actions.append($0) }
        #expect(h.actions.contains(.persist(back)))
        #expect(h.membership.isAwaiting)
        h.actions = []
        h.pass(seconds: 10, beating: [back.id])
        #expect(!h.membership.isAwaiting)
        #expect(h.actions == [.forget(gone.id)])
        h.membership.exited(back.id, reason: "gone", at: h.now) { h.actions.append($0) }
        #expect(h.actions.contains(.forget(back.id)))
    }

    @Test func deadNodesAreListedAndForgottenInTime() {
        let h = Harness()
        let ids = (0..<1001).map { _ in h.add() }
        for id in ids { h.membership.exited(id, reason: "gone", at: h.now) { _ in } }
        #expect(h.membership.all.count == 1000)
        #expect(h.membership[ids[0]] == nil)
        #expect(h.membership[ids[1]]?.state == .dead)
    }
}
