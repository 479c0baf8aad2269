// DoorbellTests: a line that was rung is found, a sleeper is woken by the pipe, and one that is awake costs no byte.

import CSystem
import Glibc
import MantaMemory
import MantaModel
import Testing

@Suite struct DoorbellTests {
    private func rung(_ bell: borrowing Doorbell) -> [Int] {
        var lines: [Int] = []
        bell.takeRung { lines.append($0) }
        return lines
    }

    private func wakeUps(_ bell: borrowing Doorbell) -> Int {
        withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { max(0, read(bell.wakeUp, $0.baseAddress, $0.count)) }
    }

    @Test func rungLinesAreFoundOnce() throws {
        let bell = try Doorbell()
        let remote = try RemoteDoorbell(bell.address, of: getpid())
        #expect(rung(bell) == [])
        for line in [3, 64, 3, Doorbell.lineCount - 1] { remote.ring(line) }
        let isRung = bell.isRung
        #expect(isRung)
        #expect(rung(bell) == [3, 64, Doorbell.lineCount - 1])
        #expect(rung(bell) == [])
        #expect(wakeUps(bell) == 0, "it did not sleep")
    }

    @Test func aSleeperIsWokenOnce() throws {
        var bell = try Doorbell()
        let remote = try RemoteDoorbell(bell.address, of: getpid())
        let slept = bell.announceSleep()
        #expect(slept)
        remote.ring(1)
        remote.ring(2)
        #expect(wakeUps(bell) == 1)
        bell.awake()
        #expect(rung(bell) == [1, 2])
        remote.ring(5)
        let refused = bell.announceSleep()
        #expect(!refused, "a line was rung before")
        #expect(wakeUps(bell) == 0)
    }

    @Test func linesAreGivenOutOnceAndUsedAgain() throws {
        var bell = try Doorbell()
        let all = (0..<Doorbell.lineCount).map { _ in bell.takeLine() }
        #expect(Set(all).count == Doorbell.lineCount)
        let none = bell.takeLine()
        #expect(none == nil)
        bell.giveBack(17)
        let again = bell.takeLine()
        #expect(again == 17)
    }

    @Test func aBellWhoseOwnerIsGoneIsRungInVain() throws {
        let address: DoorbellAddress
        let remote: RemoteDoorbell
        do {
            var bell = try Doorbell()
            _ = bell.announceSleep()
            address = bell.address
            remote = try RemoteDoorbell(address, of: getpid())
        }
        remote.ring(0)
        #expect(throws: MantaError.self) { _ = try RemoteDoorbell(address, of: getpid()).ring(0) }
    }
}
