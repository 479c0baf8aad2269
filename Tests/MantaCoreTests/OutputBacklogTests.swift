// What waits for a terminal that does not take it: bounded, and nothing is left out without a word.

import MantaCore
import Testing

@Suite struct OutputBacklogTests {
    private var backlog = OutputBacklog(limit: 2048)

    private func text(_ bytes: [UInt8]?) -> String? { bytes.map { String(decoding: $0, as: UTF8.self) } }

    @Test mutating func linesThatDoNotFitAreCountedAndTold() {
        let long = String(repeating: "x", count: 2000)
        #expect(text(backlog.add(long)) == "\(long)\n")
        for _ in 0..<3 { #expect(backlog.add(long) == nil) }
        #expect(backlog.tick() == nil, "there is no room to tell it")
        backlog.written(2001)
        #expect(text(backlog.add("next"))?.hasSuffix("next\n") == true)
        #expect(backlog.tick() == nil, "it is told once")
    }

    @Test mutating func theNumberIsToldBeforeTheNextLine() throws {
        let long = String(repeating: "x", count: 2040)
        _ = backlog.add(long)
        for _ in 0..<3 { _ = backlog.add(long) }
        backlog.written(2041)
        let told = try #require(text(backlog.add("next")))
        #expect(told.contains("3 lines left out") && told.hasSuffix("\nnext\n"))
        backlog.written(told.utf8.count)
        #expect(text(backlog.add("later")) == "later\n")
    }

    @Test mutating func theNumberIsToldWhenNothingElseComes() {
        let long = String(repeating: "x", count: 2040)
        _ = backlog.add(long)
        _ = backlog.add(long)
        backlog.written(2041)
        #expect(text(backlog.tick())?.contains("1 lines left out") == true)
        #expect(backlog.tick() == nil)
    }
}
