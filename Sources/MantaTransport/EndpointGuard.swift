// EndpointGuard: the right to listen at an ipc path. A second bind would silently steal the path from a living process, so each listener holds its lock.

import Glibc
import MantaLoop
import MantaModel

/// Holds a path's lock, and removes path and lock file in the end.
final class EndpointGuard {
    private let lock: PathLock

    /// ZeroMQ's and the kernel's limit on a socket's path.
    private static let longestPath = 107

    init(path: String) throws(MantaError) {
        guard path.hasPrefix("/") else { throw MantaError(.invalidArgument, "cannot listen on ipc://\(path): expected an absolute path") }
        guard path.utf8.count <= Self.longestPath else {
            throw MantaError(
                .invalidArgument, "cannot listen on ipc://\(path): the path has \(path.utf8.count) bytes, the system allows \(Self.longestPath): use a shorter directory")
        }
        try Self.makePrivateDirectory(String(path[..<path.lastIndex(of: "/")!]))
        lock = try PathLock(path)
        // What is there now was left behind by a process that is gone.
        unlink(path)
    }

    deinit { unlink(lock.path) }

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
