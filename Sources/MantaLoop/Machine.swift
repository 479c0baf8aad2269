// Machine: what a process asks its machine: what time it is, and how it is called.

import Glibc
package import MantaModel

extension WallTime {
    /// The wall clock's time.
    package static var now: WallTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return WallTime(milliseconds: Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000)
    }
}

/// The machine this process runs on.
package enum Host {
    /// Its name, as `uname -n` says.
    package static let name: String = {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return "unknown" }
        return buffer.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }()
}
