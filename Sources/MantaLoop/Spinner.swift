// Spinner: decides whether looking for work for a few microseconds before a sleep is worth it: only while it has paid off lately.

import MantaModel

struct Spinner {
    let limit: Duration
    /// Grows when spinning finds work, or a sleep was so short that spinning would have; from 0 to 8.
    private var score = 0

    init(limit: Duration) { self.limit = min(limit, .microseconds(20)) }

    var isEnabled: Bool { limit > .zero }
    var isWorthwhile: Bool { isEnabled && score >= 4 }

    mutating func slept(for duration: Duration) {
        if duration <= limit { score = min(score + 1, 8) } else { score = max(score - 1, 0) }
    }

    /// Notes whether spinning found work, and returns it.
    mutating func found(_ success: Bool) -> Bool {
        score = success ? min(score + 1, 8) : max(score - 2, 0)
        return success
    }
}
