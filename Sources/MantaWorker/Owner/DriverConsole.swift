// DriverConsole: what a driver tells its user on standard error: what its workers print, with its source, and failures that nobody awaited.
//
// Standard output stays the program's own. Writing happens on a queue of its own, so that a terminal that is stopped holds up nothing; what waits there is
// bounded.

import Dispatch
import Glibc
import MantaCore
import MantaModel
import MantaWire
import Synchronization

/// `@unchecked Sendable`: the digest is confined to the loop; the queue that writes touches the backlog only, under its lock.
final class DriverConsole: @unchecked Sendable {
    private var digest = OutputDigest()
    private let queue = DispatchQueue(label: "manta.console")
    private let backlog = Mutex(0)

    /// Bytes that may wait to be written.
    private static let backlogLimit = 1 << 20

    func show(_ output: WorkerOutput, at now: Instant) {
        let prefix = "(\(output.source) pid=\(output.pid) node=\(output.node.short))"
        for line in output.lines { digest.line(line, from: output.worker, prefix: prefix, at: now, show: write) }
        if output.skipped > 0 { digest.skipped(output.skipped, prefix: prefix, at: now, show: write) }
    }

    /// A task or call failed, and whoever made it let go of the result without looking.
    func unseenFailure(of function: String, _ error: any Error, from process: ProcessID, at now: Instant) {
        digest.line("\(function) failed, and nobody awaited its result: \(error)", from: process, prefix: "(manta)", at: now, show: write)
    }

    /// Something that the user should know at once.
    func warning(_ text: String, from process: ProcessID, at now: Instant) { digest.line(text, from: process, prefix: "(manta)", at: now, show: write) }

    func tick(at now: Instant) { digest.tick(at: now, show: write) }

    private func write(_ text: String) {
        let bytes = Array("\(text)\n".utf8)
        let fits = backlog.withLock { waiting in
            guard waiting + bytes.count <= Self.backlogLimit else { return false }
            waiting += bytes.count
            return true
        }
        guard fits else { return }
        queue.async { [self] in
            var written = 0
            while written < bytes.count {
                let count = bytes[written...].withUnsafeBytes { Glibc.write(2, $0.baseAddress, $0.count) }
                if count <= 0 { break }
                written += count
            }
            backlog.withLock { $0 -= bytes.count }
        }
    }
}
