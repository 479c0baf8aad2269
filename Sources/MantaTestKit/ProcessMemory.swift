// ProcessMemory: how much memory the process of a test has.

import Glibc

/// What this process holds in memory, in bytes.
package func residentBytes() -> Int {
    guard let file = fopen("/proc/self/statm", "re") else { preconditionFailure("/proc/self/statm cannot be read") }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 256)
    let count = fread(&bytes, 1, bytes.count, file)
    guard let pages = String(decoding: bytes[..<count], as: UTF8.self).split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else {
        preconditionFailure("/proc/self/statm has no second number")
    }
    return pages * sysconf(Int32(_SC_PAGESIZE))
}
