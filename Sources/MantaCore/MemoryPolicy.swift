// MemoryPolicy: whether memory is about to run out on a node, and which worker must end so that the machine does not suffer. Pure: numbers in, a choice out.
//
// The worker that holds the most memory ends. What can be tried again goes before what cannot: an actor, whose state would be lost, and a task without
// retries end only when they hold twice as much as any other task, or when there is none. Of workers that hold the same, the youngest loses the least work.

package import MantaModel

package struct MemoryPolicy: Sendable {
    /// A worker and what it holds.
    package struct Holder: Hashable, Sendable {
        package var process: ProcessID
        package var pid: Int32
        /// What it runs, for people.
        package var title: String
        /// Its death costs time only: it runs a task that is tried again.
        package var runsAgain: Bool
        package var bytes: Int64
        package var startedAt: Instant
        package init(process: ProcessID, pid: Int32, title: String, runsAgain: Bool, bytes: Int64, startedAt: Instant) {
            (self.process, self.pid, self.title, self.runsAgain, self.bytes, self.startedAt) = (process, pid, title, runsAgain, bytes, startedAt)
        }
    }

    /// How much is in use of how much.
    package struct Usage: Hashable, Sendable {
        package var used: Int64
        package var limit: Int64
        /// Whose limit it is: this machine's, the control group's, or the node's own for its workers.
        package var of: String
        /// The share of the limit beyond which a worker must end.
        package var threshold: Double
        package init(used: Int64, limit: Int64, of: String, threshold: Double = 0.95) {
            (self.used, self.limit, self.of, self.threshold) = (used, limit, of, threshold)
        }

        package var isExceeded: Bool { Double(used) > Double(limit) * threshold }
    }

    /// The worker to end and why; nil while there is room, or when nobody could be ended.
    package static func victim(_ usages: [Usage], among holders: [Holder], node: NodeID) -> (process: ProcessID, cause: DeathCause)? {
        guard let usage = usages.first(where: \.isExceeded), !holders.isEmpty else { return nil }
        let largest = holders.sorted { weight($0) > weight($1) || (weight($0) == weight($1) && $0.startedAt > $1.startedAt) }
        let victim = largest[0]
        let others = largest.dropFirst().prefix(3).map { "\($0.title) (pid \($0.pid)) \(DeathCause.byteText($0.bytes))" }
        let percent = Int(Double(usage.used) / Double(max(1, usage.limit)) * 100)
        var detail = "memory ran out on node \(node.short): \(DeathCause.byteText(usage.used)) of \(usage.of), \(DeathCause.byteText(usage.limit)), were in use (\(percent) %)"
        detail += "; worker \(victim.pid), which ran \(victim.title) and held \(DeathCause.byteText(victim.bytes)), was ended before the machine suffered"
        if !others.isEmpty { detail += "; the next largest: \(others.joined(separator: ", "))" }
        detail += "; ask for memory when you submit such work, run less of it at once, or use a larger node"
        return (victim.process, DeathCause(.outOfMemory, detail))
    }

    private static func weight(_ holder: Holder) -> Int64 { holder.runsAgain ? holder.bytes : holder.bytes / 2 }
}
