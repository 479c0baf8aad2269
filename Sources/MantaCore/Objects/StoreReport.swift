// StoreReport: what a node said last of its object store, and what the store did in each second between that and the report before.

package import MantaModel

package struct StoreReport: Sendable {
    package private(set) var usage: StoreUsage
    package private(set) var rates: StoreRates?
    private var at: Instant

    package init(_ usage: StoreUsage, at now: Instant) { (self.usage, at) = (usage, now) }

    /// A node reported again.
    package mutating func reported(_ later: StoreUsage, at now: Instant) {
        let seconds = (now - at) / .seconds(1)
        // Two reports that come together, after a link was restored, say nothing about a second.
        guard seconds > 0.1 else { return usage = later }
        rates = StoreRates(from: usage, to: later, seconds: seconds)
        (usage, at) = (later, now)
    }
}
