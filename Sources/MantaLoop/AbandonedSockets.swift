// AbandonedSockets: sockets of processes that are gone and held no lock beside them, as workers, whose node removes their sockets while it lives.
//
// Nobody answers at such a socket any more. A socket that is being made has a moment in which nobody answers either, so a young one is left alone.

import Glibc
import MantaModel

package enum AbandonedSockets {
    /// Removes the sockets without a lock in a folder at which nobody listens. Returns how many live, or are too young to tell.
    /// - Parameter age: how long ago one must have been made to be removed.
    @discardableResult
    package static func remove(in folder: String, olderThan age: Duration) -> Int {
        let names = Set(ExecutableFile.names(in: folder))
        var held = 0
        for name in names where name.hasSuffix(".sock") && !names.contains("\(name).lock") {
            if !remove("\(folder)/\(name)", olderThan: age) { held += 1 }
        }
        return held
    }

    private static func remove(_ path: String, olderThan age: Duration) -> Bool {
        var status = stat()
        guard stat(path, &status) == 0 else { return true }
        guard WallTime.now.milliseconds - Int64(status.st_mtim.tv_sec) * 1000 >= age.inMilliseconds, !isListening(path) else { return false }
        // A process that holds locks may have taken the path since.
        if access("\(path).lock", F_OK) != 0 { unlink(path) }
        return true
    }

    /// Whether a process listens at the path, also one that stands still; true when nobody can tell.
    package static func isListening(_ path: String) -> Bool {
        // Without waiting: a listener that does not accept may have its queue full.
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { return true }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let fits = withUnsafeMutableBytes(of: &address.sun_path) { bytes in
            guard path.utf8.count < bytes.count else { return false }
            bytes.copyBytes(from: path.utf8)
            return true
        }
        guard fits else { return true }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
        return result == 0 || errno != ECONNREFUSED && errno != ENOENT
    }
}
