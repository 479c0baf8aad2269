// OutputDigest: which lines of the workers a driver prints, and when: a line that several workers print is printed once, with the number of its
// repetitions a while later; a flood is cut and counted.
//
// Always: the first of equal lines is printed at once; a line that one worker repeats is printed each time; nothing is left out without a word.

package import MantaModel

package struct OutputDigest: Sendable {
    private struct Seen {
        var worker: ProcessID
        /// The prefix of the latest that repeated it.
        var prefix: String
        var repeats = 0
        var until: Instant
    }

    private var seen: [String: Seen] = [:]
    private var printed = 0
    private var omitted = 0
    private var second = Instant.zero

    /// Different lines that are watched for repetitions.
    private static let watchedLines = 1_000

    package init() {}

    /// A worker printed a line.
    package mutating func line(_ text: String, from worker: ProcessID, prefix: String, at now: Instant, show: (String) -> Void) {
        tick(at: now, show: show)
        if let known = seen[text], known.worker != worker {
            seen[text]!.repeats += 1
            seen[text]!.prefix = prefix
            return
        }
        if seen[text] == nil, seen.count < Self.watchedLines { seen[text] = Seen(worker: worker, prefix: prefix, until: now + Limits.outputRepeatPeriod) }
        emit("\(prefix) \(text)", show)
    }

    /// Bytes of a worker's output were passed over.
    package mutating func skipped(_ bytes: Int, prefix: String, at now: Instant, show: (String) -> Void) {
        tick(at: now, show: show)
        emit("\(prefix) … \(DeathCause.byteText(Int64(bytes))) left out; the worker's files on its node have all of it", show)
    }

    /// Time passes: tells of repetitions and of what was left out. Call it about every second.
    package mutating func tick(at now: Instant, show: (String) -> Void) {
        if now - second >= .seconds(1) {
            if omitted > 0 { show("(manta) \(omitted) lines of workers left out; their files on the nodes have all of them") }
            (second, printed, omitted) = (now, 0, 0)
        }
        guard seen.contains(where: { $0.value.until <= now }) else { return }
        for (text, entry) in seen.filter({ $0.value.until <= now }).sorted(by: { $0.key < $1.key }) {
            seen[text] = nil
            if entry.repeats > 0 { emit("\(entry.prefix) \(text) [repeated \(entry.repeats)x across the cluster]", show) }
        }
    }

    private mutating func emit(_ text: String, _ show: (String) -> Void) {
        guard printed < Limits.outputLinesPerSecond else { return omitted += 1 }
        printed += 1
        show(text)
    }
}
