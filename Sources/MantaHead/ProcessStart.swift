// ProcessStart: when a process of this machine began, so that a process that got the number of an earlier one is told apart from it.

import Glibc
import MantaModel

/// When the process began, to about a second; nil when there is none.
func processStart(_ pid: Int32) -> WallTime? {
    guard let status = text(of: "/proc/\(pid)/stat"), let boot = text(of: "/proc/stat"),
        // The name, in parentheses, may hold anything.
        let name = status.lastIndex(of: ")"),
        let line = boot.split(separator: "\n").first(where: { $0.hasPrefix("btime ") }), let began = Int64(line.dropFirst("btime ".utf8.count))
    else { return nil }
    let fields = status[status.index(after: name)...].split(separator: " ")
    let ticksPerSecond = Int64(sysconf(Int32(_SC_CLK_TCK)))
    guard fields.count > 19, let ticks = Int64(fields[19]), ticksPerSecond > 0 else { return nil }
    return WallTime(milliseconds: began * 1000 + ticks * 1000 / ticksPerSecond)
}

/// The beginning of a file of the kernel's.
private func text(of path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16_384)
    while bytes.count < 4 << 20 {
        let count = buffer.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
        guard count > 0 else { break }
        bytes += buffer[..<count]
    }
    return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
}
