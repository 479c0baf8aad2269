// Report: the outcome of a run, for people and for programs.

import Foundation

struct Report {
    let counts: Tally.Counts
    let seconds: Double
    let topics: [(name: String, held: [String: Int]?)]

    private var rate: Double { Double(counts.answered) / max(seconds, 1e-9) }

    var text: String {
        var lines = [
            String(format: "%d titles in %.2f s: %.0f a second", counts.answered, seconds, rate),
            String(
                format: "latency in ms: p50 %.2f  p95 %.2f  p99 %.2f  max %.2f", counts.milliseconds(at: 0.5), counts.milliseconds(at: 0.95),
                counts.milliseconds(at: 0.99), counts.milliseconds(at: 1)),
        ]
        for (status, count) in counts.statuses.sorted(by: { $0.key < $1.key }) where status != 200 {
            lines.append("status \(status): \(count), first: \(counts.refusals[status] ?? "")")
        }
        for (failure, count) in counts.failures.sorted(by: { $0.key < $1.key }) { lines.append("no answer: \(count), \(failure)") }
        for topic in topics {
            guard let held = topic.held else {
                lines.append("\(topic.name): no answer")
                continue
            }
            lines.append("\(topic.name): \(held.values.reduce(0, +)) titles")
            for (subtopic, count) in held.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) where count > 0 {
                lines.append("  \(subtopic.padding(toLength: 24, withPad: " ", startingAt: 0)) \(count)")
            }
        }
        return lines.joined(separator: "\n")
    }

    var json: String {
        let object: [String: Any] = [
            "titles": counts.answered, "seconds": seconds, "perSecond": rate,
            "latencyMilliseconds": ["p50": counts.milliseconds(at: 0.5), "p95": counts.milliseconds(at: 0.95), "p99": counts.milliseconds(at: 0.99)],
            "statuses": Dictionary(uniqueKeysWithValues: counts.statuses.map { (String($0), $1) }), "failures": counts.failures,
            "topics": Dictionary(topics.map { ($0.name, $0.held ?? [:]) }, uniquingKeysWith: { first, _ in first }),
        ]
        let data = try? JSONSerialization.data(withJSONObject: object, options: [.sortedKeys])
        return data.map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }
}
