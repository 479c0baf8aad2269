// ProcessEnder: ends processes that `manta start` recorded: SIGTERM first, SIGKILL to those that are still there after ten seconds.

import Glibc

struct ProcessEnder {
    static let grace = Duration.seconds(10)
    let record: ClusterRecord

    /// Proxies first, so that nothing new comes in, then nodes, then the head; returns those that had to be killed.
    @discardableResult
    func end(_ processes: [ProcessRecord]) async -> [ProcessRecord] {
        var killed: [ProcessRecord] = []
        for role in ["proxy", "node", "head"] {
            let group = processes.filter { $0.role == role && $0.isAlive }
            for process in group { kill(process.pid, SIGTERM) }
            killed += await wait(for: group)
        }
        for process in processes { record.remove(process) }
        return killed
    }

    private func wait(for group: [ProcessRecord]) async -> [ProcessRecord] {
        let deadline = ContinuousClock.now + Self.grace
        var waiting = group
        while !waiting.isEmpty, ContinuousClock.now < deadline {
            try? await Task.sleep(for: .milliseconds(10))
            for process in waiting { waitpid(process.pid, nil, WNOHANG) }
            waiting.removeAll { !$0.isAlive }
        }
        for process in waiting { kill(process.pid, SIGKILL) }
        return waiting
    }
}
