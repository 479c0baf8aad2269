// SystemProcesses: processes as the kernel lists them, and what each of them holds.

import Glibc
import MantaLoop

enum SystemProcesses {
    /// The workers of a node: its loop is its first thread, which starts them.
    static func children(of pid: Int32) -> [Int32] {
        TextFile.lines(of: "/proc/\(pid)/task/\(pid)/children").flatMap { $0.split(separator: " ") }.compactMap { Int32($0) }
    }

    /// Whose environment or arguments name the path.
    static func naming(_ path: String) -> [Int32] {
        TextFile.names(in: "/proc").compactMap { Int32($0) }.filter { pid in
            pid != getpid() && !hasEnded(pid)
                && ["environ", "cmdline"].contains { file in TextFile.lines(of: "/proc/\(pid)/\(file)").contains { $0.contains(path) } }
        }
    }

    /// What a process has open, by kind: `socket`, `pipe`, `memfd:NAME`, `anon_inode:[eventfd]`, and `file` for whatever has a path.
    static func descriptors(of pid: Int32) -> [String: Int] {
        var counts: [String: Int] = [:]
        for name in TextFile.names(in: "/proc/\(pid)/fd") {
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = buffer.withUnsafeMutableBytes { readlink("/proc/\(pid)/fd/\(name)", $0.baseAddress!, $0.count) }
            guard count > 0 else { continue }
            let target = String(decoding: buffer[..<count], as: UTF8.self)
            let kind: Substring =
                if target.hasPrefix("/memfd:") { target.dropFirst(1).prefix { $0 != " " } } else if target.hasPrefix("/") { "file" } else if target.hasPrefix("anon_inode") {
                    target[...]
                } else { target.prefix { $0 != ":" } }
            counts[String(kind), default: 0] += 1
        }
        return counts
    }

    /// Bytes of memory that are a process's own: neither of files nor shared.
    static func privateMemory(of pid: Int32) -> Int {
        let line = TextFile.lines(of: "/proc/\(pid)/status").first { $0.hasPrefix("RssAnon:") }
        return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 << 10 } ?? 0
    }
}

/// Waits for a condition; false when it does not come true in time.
func holds(within limit: Duration, _ condition: () async throws -> Bool) async rethrows -> Bool {
    let end = ContinuousClock.now + limit
    while true {
        if try await condition() { return true }
        guard ContinuousClock.now < end else { return false }
        try? await Task.sleep(for: .milliseconds(20))
    }
}
