// Programs that the cluster was asked to run, from their submission to their end.

import MantaCore
import MantaModel
import Testing

@Suite struct SubmissionBookTests {
    private final class Bench {
        var book = SubmissionBook()
        var actions: [SubmissionBook.Action] = []
        let node = NodeID(high: 1, low: 1)
        let time = WallTime(milliseconds: 1)

        func join(_ cpus: Double, running: [String] = []) {
            let total = Resources([Resources.cpu: ResourceAmount(cpus)])
            book.nodeJoined(node, total: total, available: total, running: running, time: time) { actions.append($0) }
        }
        func submit(_ id: String, cpus: Double = 0) throws {
            _ = try book.submit(
                SubmissionSpecification(id: id, entrypoint: ["true"], isShell: false, resources: Resources([Resources.cpu: ResourceAmount(cpus)])), time: time
            ) { actions.append($0) }
        }
        func state(_ id: String) -> SubmissionState? { book[id]?.row.state }
        var started: [String] { actions.compactMap { if case .start(let specification, _) = $0 { specification.id } else { nil } } }
    }

    @Test func aJobRunsAndEnds() throws {
        let b = Bench()
        b.join(2)
        try b.submit("one")
        #expect(b.started == ["one"])
        b.book.started("one", pid: 7, time: b.time) { b.actions.append($0) }
        #expect(b.state("one") == .running)
        b.book.ended("one", exitCode: 0, message: "it ended well", time: b.time) { b.actions.append($0) }
        #expect(b.state("one") == .succeeded)
        b.book.ended("one", exitCode: 1, message: "again", time: b.time) { b.actions.append($0) }
        #expect(b.state("one") == .succeeded, "an end is told once")
    }

    @Test func JOB_003_anIdIsTakenUntilItIsDeleted() throws {
        let b = Bench()
        b.join(2)
        try b.submit("one")
        #expect(throws: MantaError.self) { try b.submit("one") }
        let refused = #expect(throws: MantaError.self) { try b.book.delete("one") { b.actions.append($0) } }
        #expect(refused?.code == .conflict)
        b.book.ended("one", exitCode: 3, message: "it exited with code 3", time: b.time) { b.actions.append($0) }
        #expect(b.state("one") == .failed)
        try b.book.delete("one") { b.actions.append($0) }
        #expect(b.book.count == 0)
        try b.submit("one")
    }

    @Test func JOB_005_aStoppedJobIsStoppedHoweverItEnds() throws {
        let b = Bench()
        b.join(2)
        try b.submit("one")
        b.book.started("one", pid: 7, time: b.time) { b.actions.append($0) }
        #expect(try b.book.stop("one", time: b.time) { b.actions.append($0) })
        #expect(b.actions.contains(.stop("one", on: b.node)))
        b.book.ended("one", exitCode: 143, message: "signal 15", time: b.time) { b.actions.append($0) }
        #expect(b.state("one") == .stopped)
        #expect(try !b.book.stop("one", time: b.time) { b.actions.append($0) })
    }

    @Test func JOB_008_whatDoesNotFitWaitsWithAReason() throws {
        let b = Bench()
        b.join(1)
        try b.submit("large", cpus: 4)
        #expect(b.state("large") == .pending)
        #expect(b.book["large"]?.row.message?.contains("waits for resources") == true)
        #expect(b.started.isEmpty)
        b.join(4)
        #expect(b.started == ["large"])
    }

    @Test func aJobWhoseNodeIsLostHasFailed() throws {
        let b = Bench()
        b.join(1)
        try b.submit("one")
        b.book.started("one", pid: 7, time: b.time) { b.actions.append($0) }
        b.book.nodeDied(b.node, reason: "its process ended", time: b.time) { b.actions.append($0) }
        #expect(b.state("one") == .failed)
        #expect(b.book["one"]?.row.message?.contains("its node died") == true)
    }

    @Test func aJobThatRunsLivesThroughTheHeadsRestart() throws {
        let b = Bench()
        b.join(1)
        try b.submit("one")
        b.book.started("one", pid: 7, time: b.time) { b.actions.append($0) }
        var again = SubmissionBook()
        again.restore([try #require(b.book["one"])])
        again.nodeJoined(b.node, total: Resources(), available: Resources(), running: ["one"], time: b.time) { b.actions.append($0) }
        again.recoveryIsComplete(time: b.time) { b.actions.append($0) }
        #expect(again["one"]?.row.state == .running)
        again.nodeJoined(b.node, total: Resources(), available: Resources(), running: [], time: b.time) { b.actions.append($0) }
        #expect(again["one"]?.row.state == .failed)
    }

    @Test(arguments: ["", "a/b", "a b", String(repeating: "x", count: 129)]) func badIdsAreRefused(_ id: String) {
        let b = Bench()
        #expect(throws: MantaError.self) { try b.submit(id) }
    }
}
