// PathLock: the right to what lies at a path: a socket, or a folder. The lock is on a file beside it, `PATH.lock`, and the kernel frees it when its process
// ends, however that ends: what lies at a path whose lock is free was left behind, and anyone may remove it.

import CSystem
import Glibc
package import MantaModel

/// Holds the lock until it is released, and then removes its file; what lies at the path is its holder's to remove.
package final class PathLock: Sendable {
    package let path: String
    private let descriptor: Int32
    private static let suffix = ".lock"

    /// - Throws: `addressInUse` when another process holds it, `system` when its file cannot be made.
    package init(_ path: String) throws(MantaError) {
        let descriptor = manta_lock_file(path + Self.suffix, true)
        guard descriptor != -EWOULDBLOCK else { throw MantaError(.addressInUse, "\(path) is in use by another process: stop that one, or choose another path") }
        guard descriptor >= 0 else { throw MantaError(.system, "cannot lock \(path)\(Self.suffix): \(String(cString: strerror(-descriptor)))") }
        (self.path, self.descriptor) = (path, descriptor)
    }

    /// The lock of what was left behind at a path; nil when it is somebody's, or nothing is there.
    private init?(abandoned path: String) {
        let descriptor = manta_lock_file(path + Self.suffix, false)
        guard descriptor >= 0 else { return nil }
        (self.path, self.descriptor) = (path, descriptor)
    }

    deinit {
        unlink(path + Self.suffix)
        close(descriptor)
    }

    // MARK: What was left behind

    /// Removes what a process that is gone has left at a path, a file or a folder of files; false when it is somebody's, or nothing is there.
    @discardableResult
    package static func removeAbandoned(_ path: String) -> Bool {
        guard let lock = PathLock(abandoned: path) else { return false }
        if unlink(path) != 0, errno == EISDIR || errno == EPERM {
            for name in ExecutableFile.names(in: path) { unlink("\(path)/\(name)") }
            rmdir(path)
        }
        withExtendedLifetime(lock) {}
        return true
    }

    /// The same for everything in a folder that `isOurs` says it is by its name. Returns how many of them are somebody's.
    @discardableResult
    package static func removeAbandoned(in folder: String, where isOurs: (Substring) -> Bool) -> Int {
        var held = 0
        for name in ExecutableFile.names(in: folder) where name.hasSuffix(suffix) {
            let name = name.dropLast(suffix.count)
            if isOurs(name), !removeAbandoned("\(folder)/\(name)") { held += 1 }
        }
        return held
    }
}
