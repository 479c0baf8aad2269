// Tally: what became of the posts: how many were answered how, and how long each took. Shared by all connections, behind one lock.

import Foundation
import PlainHTTP
import Synchronization

final class Tally: Sendable {
    struct Counts: Sendable {
        var answered = 0
        /// By status, for answers; by text, for requests without one.
        var statuses: [Int: Int] = [:]
        var failures: [String: Int] = [:]
        /// The first text of each kind of refusal.
        var refusals: [Int: String] = [:]
        var seconds: [Double] = []
    }

    private let counts = Mutex(Counts())
    private let next = Mutex(0)
    private let total: Int

    init(total: Int) { self.total = total }

    /// The number of the next post; nil when all are taken.
    func take() -> Int? {
        next.withLock { next in
            guard next < total else { return nil }
            defer { next += 1 }
            return next
        }
    }

    func record(_ answer: HTTPAnswer, seconds: Double) {
        counts.withLock {
            $0.answered += 1
            $0.statuses[answer.status, default: 0] += 1
            $0.seconds.append(seconds)
            if answer.status != 200, $0.refusals[answer.status] == nil { $0.refusals[answer.status] = answer.text }
        }
    }

    func record(_ failure: HTTPFailure) {
        counts.withLock {
            $0.answered += 1
            $0.failures["\(failure)", default: 0] += 1
        }
    }

    var snapshot: Counts { counts.withLock { $0 } }
    var answered: Int { counts.withLock { $0.answered } }
}

extension Tally.Counts {
    /// The latency, in milliseconds, that a share of the posts stayed below.
    func milliseconds(at share: Double) -> Double {
        guard !seconds.isEmpty else { return 0 }
        let sorted = seconds.sorted()
        return sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))] * 1000
    }
}
