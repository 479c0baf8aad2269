// Machine: the machine this process runs on: what time it is there, how it is called, and how the processes of a cluster tell it from others.
//
// A path, a process identifier and shared memory mean something to another process only on the same machine: under the same kernel, and in the same
// namespaces of the network and of processes. Containers of one host are machines of their own.

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
package enum Machine {
    /// The variable that names the machine instead of its kernel: equal where processes may share sockets and memory, different where they may not.
    package static let variable = "MANTA_MACHINE"

    /// Its name, as `uname -n` says. Several machines may have the same one.
    package static let name: String = {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return "unknown" }
        return buffer.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }()

    /// No other machine has the same one.
    package static let identity: String = {
        if let given = ProcessEnvironment[variable], !given.isEmpty { return String(given.map { $0 == ";" ? "_" : $0 }) }
        let boot = firstLine(of: "/proc/sys/kernel/random/boot_id").prefix { $0 != "-" }
        return "\(boot)-\(namespace("net"))-\(namespace("pid"))"
    }()

    /// Whether a process that says this of itself runs here.
    package static func isHere(host: String, endpoint: String) -> Bool {
        Endpoint(endpoint).machine.map { $0 == identity } ?? (host == name)
    }

    private static func namespace(_ kind: String) -> String {
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = readlink("/proc/self/ns/\(kind)", &buffer, buffer.count)
        return String(String(decoding: buffer.prefix(max(0, count)), as: UTF8.self).filter(\.isNumber))
    }

    private static func firstLine(of path: String) -> String {
        guard let file = fopen(path, "re") else { return "" }
        defer { fclose(file) }
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = fread(&buffer, 1, buffer.count, file)
        return String(String(decoding: buffer.prefix(count), as: UTF8.self).prefix { $0 != "\n" })
    }
}
