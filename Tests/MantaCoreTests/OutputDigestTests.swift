// What a driver prints of its workers' lines: the first at once, repetitions counted, floods cut.

import MantaCore
import MantaModel
import Testing

@Suite struct OutputDigestTests {
    private let workers = (1...13).map { ProcessID(high: UInt64($0), low: 0) }
    private var digest = OutputDigest()
    private let start = Instant.zero + .seconds(100)

    private mutating func line(_ text: String, _ worker: Int = 0, after delay: Duration = .zero) -> [String] {
        var printed: [String] = []
        digest.line(text, from: workers[worker], prefix: "(f pid=\(worker))", at: start + delay) { printed.append($0) }
        return printed
    }

    private mutating func tick(after delay: Duration) -> [String] {
        var printed: [String] = []
        digest.tick(at: start + delay) { printed.append($0) }
        return printed
    }

    @Test mutating func theSameLineOfSeveralWorkersIsPrintedOnceAndCounted() {
        #expect(line("loading") == ["(f pid=0) loading"])
        for worker in 1...12 { #expect(line("loading", worker, after: .seconds(1)) == []) }
        #expect(tick(after: .seconds(4)) == [])
        #expect(tick(after: .seconds(5)) == ["(f pid=12) loading [repeated 12x across the cluster]"])
        #expect(tick(after: .seconds(20)) == [])
        #expect(line("loading", 3, after: .seconds(21)) == ["(f pid=3) loading"])
    }

    @Test mutating func oneWorkerMayRepeatItself() {
        #expect(line("step") == ["(f pid=0) step"])
        #expect(line("step") == ["(f pid=0) step"])
        #expect(tick(after: .seconds(6)) == [])
    }

    @Test mutating func aFloodIsCutAndCounted() {
        var printed = 0
        for number in 0..<(Limits.outputLinesPerSecond + 7) { printed += line("line \(number)").count }
        #expect(printed == Limits.outputLinesPerSecond)
        let told = tick(after: .seconds(1))
        #expect(told.count == 1 && told[0].contains("7 lines"))
        #expect(line("later", after: .seconds(1)) == ["(f pid=0) later"])
    }

    @Test mutating func whatWasPassedOverIsTold() {
        var printed: [String] = []
        digest.skipped(3 << 20, prefix: "(f pid=1)", at: start) { printed.append($0) }
        #expect(printed.count == 1 && printed[0].contains("3.0 MiB left out"))
    }
}
