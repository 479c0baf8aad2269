// ProcessTable: what the kernel tells of processes: whether one lives, since when, and which one listens on a port.

import Foundation
import Glibc

enum ProcessTable {
    /// Clock ticks from the machine's start to the process's; nil when there is no such process or it has ended.
    static func startTicks(of pid: Int32) -> UInt64? {
        guard let text = read("/proc/\(pid)/stat"), let name = text.lastIndex(of: ")") else { return nil }
        // The name may hold spaces; the fields behind it start with the third, the state.
        let fields = text[text.index(after: name)...].split(separator: " ")
        guard fields.count > 19, fields[0] != "Z", fields[0] != "X" else { return nil }
        return UInt64(fields[19])
    }

    static func name(of pid: Int32) -> String {
        read("/proc/\(pid)/comm")?.trimmingCharacters(in: .whitespacesAndNewlines) ?? "unknown"
    }

    /// Throws who has the port, when somebody listens on it.
    static func requireFree(port: UInt16, option: String) throws(CommandFailure) {
        guard let inode = listeningSocket(on: port) else { return }
        let owner = owner(of: inode).map { "process \($0) (\(name(of: $0)))" } ?? "a process of another user"
        throw CommandFailure("port \(port) is in use by \(owner); end it, or choose another port with \(option)")
    }

    private static func listeningSocket(on port: UInt16) -> Substring? {
        let wanted = ":" + String(format: "%04X", port)
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            guard let text = read(table) else { continue }
            for line in text.split(separator: "\n").dropFirst() {
                let fields = line.split(separator: " ")
                if fields.count > 9, fields[1].hasSuffix(wanted), fields[3] == "0A" { return fields[9] }
            }
        }
        return nil
    }

    /// A file of the kernel's, whole. Such files tell no size, so reading by size would end after the first piece.
    private static func read(_ path: String) -> String? {
        guard let data = try? FileHandle(forReadingAtPath: path)?.readToEnd() else { return nil }
        return String(decoding: data, as: UTF8.self)
    }

    private static func owner(of inode: Substring) -> Int32? {
        for entry in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
            guard let pid = Int32(entry), let files = try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd") else { continue }
            for file in files where (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/fd/\(file)")) == "socket:[\(inode)]" {
                return pid
            }
        }
        return nil
    }
}
