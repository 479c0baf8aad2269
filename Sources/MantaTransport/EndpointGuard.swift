// EndpointGuard: the right to listen at an ipc path. A second bind would silently steal the path from a living process, so each listener holds a lock on
// a file beside it; the kernel frees that when the process ends, however it ends.

import CSystem
import Glibc
import MantaModel

/// Holds a path's lock, and removes path and lock file in the end.
final class EndpointGuard {
    private let path: String
    private let lock: Int32

    /// ZeroMQ's and the kernel's limit on a socket's path.
    private static let longestPath = 107

    init(path: String) throws(MantaError) {
        guard path.hasPrefix("/") else { throw MantaError(.invalidArgument, "cannot listen on ipc://\(path): expected an absolute path") }
        guard path.utf8.count <= Self.longestPath else {
            throw MantaError(
                .invalidArgument, "cannot listen on ipc://\(path): the path has \(path.utf8.count) bytes, the system allows \(Self.longestPath): use a shorter directory")
        }
        try Self.makePrivateDirectory(String(path[..<path.lastIndex(of: "/")!]))
        let lock = manta_lock_file(path + ".lock")
        guard lock != -EWOULDBLOCK else {
            throw MantaError(.addressInUse, "ipc://\(path) is in use by another process: stop that one, or choose another path")
        }
        guard lock >= 0 else { throw MantaError(.system, "cannot lock \(path).lock: \(String(cString: strerror(-lock)))") }
        (self.path, self.lock) = (path, lock)
        // What is there now was left behind by a process that is gone.
        unlink(path)
    }

    deinit {
        unlink(path)
        unlink(path + ".lock")
        close(lock)
    }

    /// Makes the directory and its parents where they lack; the last one for this user alone.
    private static func makePrivateDirectory(_ directory: String) throws(MantaError) {
        guard !directory.isEmpty else { return }
        var made = ""
        for part in directory.split(separator: "/") {
            made += "/" + part
            guard mkdir(made, 0o700) != 0, errno != EEXIST else { continue }
            throw MantaError(.system, "cannot make the directory \(made): \(String(cString: strerror(errno)))")
        }
        var status = stat()
        guard stat(directory, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw MantaError(.system, "\(directory) is not a directory")
        }
        guard status.st_uid == geteuid() else {
            throw MantaError(.system, "\(directory) belongs to another user: sockets need a directory of their own")
        }
    }
}
