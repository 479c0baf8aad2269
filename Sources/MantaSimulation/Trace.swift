// Trace: a hash over everything that happened, to compare runs, and the latest events that are no ticks, to explain a failure.

import MantaModel

struct Trace {
    static let kept = 32
    /// FNV-1a over the words of every event.
    private(set) var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    private(set) var events = 0
    private var told = 0
    private var latest: [(at: Instant, event: Event)] = []
    /// Gets a line for every event but ticks.
    let observe: ((String) -> Void)?

    init(observe: ((String) -> Void)? = nil) { self.observe = observe }

    mutating func record(_ event: Event, at now: Instant) {
        for word in [UInt64(bitPattern: now.nanoseconds)] + event.words { mix(word) }
        events += 1
        // Ticks come all the time and tell nothing.
        if case .tick = event { return }
        if latest.count < Self.kept { latest.append((now, event)) } else { latest[told % Self.kept] = (now, event) }
        told += 1
        observe?(Self.line(event, at: now))
    }

    private mutating func mix(_ word: UInt64) {
        hash = (hash ^ word) &* 0x0000_0100_0000_01B3
        hash ^= hash >> 29
    }

    /// The latest events, oldest first, one line each.
    var lines: [String] {
        let start = latest.count < Self.kept ? 0 : told % Self.kept
        return (0..<latest.count).map { offset in
            let entry = latest[(start + offset) % latest.count]
            return Self.line(entry.event, at: entry.at)
        }
    }

    private static func line(_ event: Event, at instant: Instant) -> String { "\(instant.nanoseconds / 1_000) µs  \(event)" }
}
