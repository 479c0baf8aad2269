// LocalProcess: what the kernel says of a process of this machine, so that a process that got the number of an earlier one is told apart from it.
//
// The incarnation is made of the machine's boot and the process's start in clock ticks since then, which no change of the wall clock moves.

import Glibc
import MantaModel

struct LocalProcess {
    /// No other process, before or after, has the same number and the same incarnation.
    let incarnation: String
    /// For people: moves with the wall clock.
    let startedAt: WallTime

    /// Whether a process with this number is there and is the one that is meant, as far as that is known.
    static func runs(_ pid: Int32, _ incarnation: String?) -> Bool {
        guard let process = LocalProcess(pid) else { return false }
        return incarnation == nil || incarnation == process.incarnation
    }

    /// Nil when there is no such process.
    init?(_ pid: Int32) {
        guard let status = text(of: "/proc/\(pid)/stat"), let boot = text(of: "/proc/sys/kernel/random/boot_id"), let machine = text(of: "/proc/stat"),
            // The name, in parentheses, may hold anything.
            let name = status.lastIndex(of: ")"),
            let line = machine.split(separator: "\n").first(where: { $0.hasPrefix("btime ") }), let began = Int64(line.dropFirst("btime ".utf8.count))
        else { return nil }
        let fields = status[status.index(after: name)...].split(separator: " ")
        let ticksPerSecond = Int64(sysconf(Int32(_SC_CLK_TCK)))
        // One that has ended, and that nobody has asked for its status, does nothing any more.
        guard fields.count > 19, fields[0] != "Z", fields[0] != "X", let ticks = Int64(fields[19]), ticksPerSecond > 0 else { return nil }
        incarnation = "\(boot.prefix(36))/\(ticks)"
        startedAt = WallTime(milliseconds: began * 1000 + ticks * 1000 / ticksPerSecond)
    }
}

/// The whole text of a file of the kernel's.
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
