// SpinnerTests: a spinner spins only while that has paid off lately, finds what comes, and one spins at a time.

import MantaLoop
import Synchronization
import Testing

@Suite struct SpinnerTests {
    /// Whether it looks at all.
    private func looks(_ spinner: Spinner) -> Bool {
        var looked = false
        _ = spinner.spin {
            looked = true
            return true
        }
        return looked
    }

    @Test func itBeginsAfterShortSleepsAndEndsAfterLongOnes() {
        let spinner = Spinner(limit: .microseconds(50))
        #expect(!looks(spinner))
        for _ in 0..<8 { spinner.slept(for: .microseconds(90)) }
        #expect(looks(spinner))
        for _ in 0..<6 { spinner.slept(for: .milliseconds(3)) }
        #expect(!looks(spinner))
    }

    @Test func spinsInVainEndIt() {
        let spinner = Spinner(limit: .microseconds(10))
        for _ in 0..<8 { spinner.slept(for: .zero) }
        var looks = 0
        for _ in 0..<10 { #expect(!spinner.spin { looks += 1; return false }) }
        let before = looks
        #expect(!spinner.spin { looks += 1; return false })
        #expect(before > 0 && looks == before)
    }

    @Test func itFindsWhatComes() {
        let spinner = Spinner(limit: .seconds(10))
        for _ in 0..<8 { spinner.slept(for: .zero) }
        var looks = 0
        #expect(spinner.spin { looks += 1; return looks == 5 })
    }

    @Test func oneSpinsAtATime() {
        let spinner = Spinner(limit: .seconds(10))
        for _ in 0..<8 { spinner.slept(for: .zero) }
        var inner: Bool?
        #expect(spinner.spin {
            inner = self.looks(spinner)
            return true
        })
        #expect(inner == false)
    }

    @Test func noneNeverSpins() {
        let spinner = Spinner(limit: .zero)
        for _ in 0..<20 { spinner.slept(for: .zero) }
        #expect(!looks(spinner))
    }
}
