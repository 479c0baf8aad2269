// Who ends when memory runs out.

import MantaCore
import MantaModel
import Testing

@Suite struct MemoryPolicyTests {
    private let node = NodeID(high: 0xabcdef12_00000000, low: 1)
    private func holder(_ number: UInt64, _ mebibytes: Int64, runsAgain: Bool = true) -> MemoryPolicy.Holder {
        MemoryPolicy.Holder(
            process: ProcessID(high: 0, low: number), pid: Int32(number), title: "M.f\(number)", runsAgain: runsAgain, bytes: mebibytes << 20,
            startedAt: .zero + .seconds(Int64(number)))
    }
    private func victim(_ holders: [MemoryPolicy.Holder], used: Int64 = 96) -> (process: ProcessID, cause: DeathCause)? {
        MemoryPolicy.victim([MemoryPolicy.Usage(used: used << 20, limit: 100 << 20, of: "the machine's memory")], among: holders, node: node)
    }

    @Test func nobodyEndsWhileThereIsRoom() {
        #expect(victim([holder(1, 90)], used: 95) == nil)
        #expect(victim([], used: 99) == nil)
    }

    @Test func theLargestTaskEndsAndItsDeathSaysWhatUsedTheMemory() throws {
        let chosen = try #require(victim([holder(1, 10), holder(2, 60), holder(3, 20)]))
        #expect(chosen.process.low == 2)
        #expect(chosen.cause.kind == .outOfMemory)
        for part in ["node abcdef12", "96.0 MiB", "100.0 MiB", "M.f2", "60.0 MiB", "M.f3 (pid 3) 20.0 MiB"] {
            #expect(chosen.cause.detail.contains(part), "\(chosen.cause.detail)")
        }
    }

    @Test func FAIL_047_whatCannotBeTriedAgainEndsOnlyWhenItHoldsFarMore() {
        #expect(victim([holder(1, 40), holder(2, 60, runsAgain: false)])?.process.low == 1)
        #expect(victim([holder(1, 10), holder(2, 60, runsAgain: false)])?.process.low == 2)
        #expect(victim([holder(2, 60, runsAgain: false)])?.process.low == 2)
    }

    @Test func FAIL_047_anOlderTaskThatIsTriedAgainEndsBeforeAYoungerOneThatIsNot() {
        #expect(victim([holder(1, 30), holder(2, 30, runsAgain: false)])?.process.low == 1)
        #expect(victim([holder(1, 30, runsAgain: false), holder(2, 30)])?.process.low == 2)
    }

    @Test func ofEqualsTheYoungestEnds() {
        #expect(victim([holder(1, 30), holder(2, 30)])?.process.low == 2)
    }
}
