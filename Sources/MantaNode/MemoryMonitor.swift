// MemoryMonitor: looks at the memory of the machine, of this node's control group and of its workers, several times a second; MemoryPolicy decides who ends.

import Glibc
import MantaCore
import MantaModel

/// Confined to the node's loop.
final class MemoryMonitor {
    private let node: NodeID
    /// What the workers of this node may hold together, in bytes; nil: what the machine has.
    private let workerLimit: Int64?
    private let group: MemoryLimit

    init(node: NodeID, workerLimit: Int64?) {
        (self.node, self.workerLimit) = (node, workerLimit)
        group = MemoryLimit.ofThisProcess()
    }

    /// Whom to end now, if memory is about to run out.
    ///
    /// - Parameters:
    ///   - workers: those that carry work.
    ///   - runsAgain: whether what a worker of tasks carries is tried again when it dies.
    func victim(among workers: () -> [WorkerProcess], runsAgain: (ProcessID) -> Bool) -> (process: ProcessID, cause: DeathCause)? {
        var usages = [machine, group.usage].compactMap { $0 }
        var holders: [MemoryPolicy.Holder]?
        if let workerLimit {
            let found = Self.holders(workers(), runsAgain)
            usages.append(
                MemoryPolicy.Usage(used: found.reduce(0) { $0 + $1.bytes }, limit: workerLimit, of: "what its workers may hold", threshold: 1))
            holders = found
        }
        guard usages.contains(where: \.isExceeded) else { return nil }
        return MemoryPolicy.victim(usages, among: holders ?? Self.holders(workers(), runsAgain), node: node)
    }

    private static func holders(_ workers: [WorkerProcess], _ runsAgain: (ProcessID) -> Bool) -> [MemoryPolicy.Holder] {
        workers.map { worker in
            let runsAgain = if case .tasks = worker.purpose { runsAgain(worker.id) } else { false }
            return MemoryPolicy.Holder(
                process: worker.id, pid: worker.pid, title: worker.function ?? "nothing yet", runsAgain: runsAgain, bytes: residentBytes(of: worker.pid),
                startedAt: worker.startedAt)
        }
    }

    /// What only this process holds in memory: pages that it shares with others would be free only with the last of them.
    private static func residentBytes(of pid: Int32) -> Int64 {
        guard let words = KernelFile.read("/proc/\(pid)/statm")?.split(separator: " "), words.count > 2, let resident = Int64(words[1]), let shared = Int64(words[2])
        else { return 0 }
        return max(0, resident - shared) * Int64(sysconf(Int32(_SC_PAGESIZE)))
    }

    private var machine: MemoryPolicy.Usage? {
        guard let text = KernelFile.read("/proc/meminfo") else { return nil }
        var amounts: [Substring: Int64] = [:]
        for line in text.split(separator: "\n").prefix(8) {
            let words = line.split(separator: " ")
            if words.count >= 2, let amount = Int64(words[1]) { amounts[words[0]] = amount * 1024 }
        }
        guard let total = amounts["MemTotal:"], let available = amounts["MemAvailable:"] else { return nil }
        return MemoryPolicy.Usage(used: total - available, limit: total, of: "the machine's memory")
    }
}
