// DriverConsole: what a driver tells its user on standard error: what its workers print, with its source, and failures that nobody awaited.
//
// Standard output stays the program's own. A program may ask for less, or for nothing. Writing happens on a queue of its own, so that a terminal that is stopped holds up nothing; what waits there is
// bounded, and what is left out is counted and told.

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
    private let backlog = Mutex(OutputBacklog(limit: 1 << 20))
    /// Set before anything is shown.
    var shows = LogToDriver.everything

    func show(_ output: WorkerOutput, at now: Instant) {
        guard shows == .everything else { return }
        let prefix = "(\(output.source) pid=\(output.pid) node=\(output.node.short))"
        for line in output.lines { digest.line(line, from: output.worker, prefix: prefix, at: now, show: write) }
        if output.skipped > 0 { digest.skipped(output.skipped, prefix: prefix, at: now, show: write) }
    }

    /// A task or call failed, and whoever made it let go of the result without looking.
    func unseenFailure(of function: String, _ error: any Error, from process: ProcessID, at now: Instant) {
        digest.line("\(function) failed, and nobody awaited its result: \(ThrownError.text(of: error))", from: process, prefix: "(manta)", at: now, show: write)
    }

    /// Something that the user should know at once.
    func warning(_ text: String, from process: ProcessID, at now: Instant) { digest.line(text, from: process, prefix: "(manta)", at: now, show: write) }

    func tick(at now: Instant) {
        digest.tick(at: now, show: write)
        if let bytes = backlog.withLock({ $0.tick() }) { write(bytes) }
    }

    private func write(_ text: String) {
        guard shows != .nothing else { return }
        if let bytes = backlog.withLock({ $0.add(text) }) { write(bytes) }
    }

    private func write(_ bytes: [UInt8]) {
        queue.async { [self] in
            var written = 0
            while written < bytes.count {
                let count = bytes[written...].withUnsafeBytes { Glibc.write(2, $0.baseAddress, $0.count) }
                if count <= 0 { break }
                written += count
            }
            backlog.withLock { $0.written(bytes.count) }
        }
    }
}
