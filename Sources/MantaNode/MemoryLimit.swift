// MemoryLimit: the memory limit that the kernel holds this process and its children to (its control group's), and how often it has struck.

import Glibc
import MantaCore

/// Confined to the node's loop.
final class MemoryLimit {
    /// The limit in bytes; nil when there is none.
    let bytes: Int64?
    private let folder: String?
    private let events: String?
    private var strikes: Int64

    /// `folder`: of the control group; nil when there is none.
    init(folder: String?) {
        self.folder = folder
        events = folder.map { "\($0)/memory.events" }
        bytes = folder.flatMap { KernelFile.read("\($0)/memory.max") }.flatMap { Int64($0.prefix { $0 != "\n" }) }
        strikes = events.flatMap { Self.count(in: $0) } ?? 0
    }

    /// The control group (version 2) of this process, as `/proc/self/cgroup` names it.
    static func ofThisProcess() -> MemoryLimit {
        let line = KernelFile.read("/proc/self/cgroup")?.split(separator: "\n").first { $0.hasPrefix("0::") }
        return MemoryLimit(folder: line.map { "/sys/fs/cgroup\($0.dropFirst(3) == "/" ? "" : $0.dropFirst(3))" })
    }

    /// Whether the kernel killed something at the limit since this was asked last.
    func hasStruckAgain() -> Bool {
        guard let events, let count = Self.count(in: events) else { return false }
        defer { strikes = count }
        return count > strikes
    }

    /// What the control group holds, without the caches of files, which the kernel takes back by itself; nil without a limit.
    var usage: MemoryPolicy.Usage? {
        guard let bytes, let folder, let held = KernelFile.read("\(folder)/memory.current").flatMap({ Int64($0.prefix { $0 != "\n" }) }) else { return nil }
        let statistics = KernelFile.read("\(folder)/memory.stat") ?? ""
        let caches = statistics.split(separator: "\n").first { $0.hasPrefix("inactive_file ") }?.split(separator: " ").last.flatMap { Int64($0) } ?? 0
        return MemoryPolicy.Usage(used: held - caches, limit: bytes, of: "the memory limit of its control group")
    }

    private static func count(in path: String) -> Int64? {
        guard let text = KernelFile.read(path) else { return nil }
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2, words[0] == "oom_kill" { return Int64(words[1]) }
        }
        return nil
    }
}

/// Files that the kernel makes up as they are read.
enum KernelFile {
    /// The text, up to 64 KiB; nil when there is no such file.
    static func read(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 65_536)
        var count = 0
        while count < bytes.count {
            let read = bytes.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress! + count, $0.count - count) }
            if read <= 0 { break }
            count += read
        }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
