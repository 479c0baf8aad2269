// StoreLock: at most one head has a store open: a lock file beside it that names its holder.
//
// The lock is the kernel's (flock), so it ends with its holder however that dies; the file's text only says who it is.

import Glibc
import MantaModel

/// Held from `init` until `release`.
final class StoreLock {
    private var descriptor: Int32

    /// Takes the lock; throws `addressInUse` naming the holder when another process (or another store object here) has it.
    init(path: String) throws(MantaError) {
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw MantaError(.system, "the lock file \(path) cannot be opened: \(reason(errno)); make its folder writable for this user")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let number = errno
            let holder = Self.text(of: descriptor)
            Glibc.close(descriptor)
            descriptor = -1
            if number == EWOULDBLOCK {
                throw MantaError(
                    .addressInUse,
                    "the store \(path.dropLast(".lock".utf8.count)) is in use by \(holder.isEmpty ? "another process" : holder); stop that head first, or start this one with another directory")
            }
            throw MantaError(.system, "the lock file \(path) cannot be locked: \(reason(number))")
        }
        let text = Array("process \(getpid()) on \(hostName())\n".utf8)
        _ = ftruncate(descriptor, 0)
        // Only people read it, so a full disk is no reason to fail here.
        _ = text.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
    }

    func release() {
        guard descriptor >= 0 else { return }
        Glibc.close(descriptor)
        descriptor = -1
    }

    deinit { release() }

    private static func text(of descriptor: Int32) -> String {
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
        return String(decoding: bytes.prefix(max(0, count)).prefix { $0 != 10 }, as: UTF8.self)
    }
}

/// What an errno means, in words.
func reason(_ number: Int32) -> String {
    // The C library gives each thread its own buffer for this.
    strerror(number).map { String(cString: $0) } ?? "error \(number)"
}

private func hostName() -> String {
    var bytes = [CChar](repeating: 0, count: 256)
    return bytes.withUnsafeMutableBufferPointer { buffer in
        guard let base = buffer.baseAddress, gethostname(base, buffer.count - 1) == 0 else { return "this machine" }
        return String(cString: base)
    }
}
