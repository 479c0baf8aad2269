// SharedSegment: memory that two processes of this machine share. It has no name in any file system: the other process opens it through the one that
// made it, and it is gone when both have let go, however they ended.
//
// Owns the mapping and, where this process made it, the descriptor that others open it by. What always holds: its size never changes, so that no
// access can fault.

import CSystem
import Glibc
package import MantaModel

/// A mapping of shared memory; unmapped when its owner goes.
package struct SharedSegment: ~Copyable, Sendable {
    /// `nonisolated(unsafe)`: shared with other processes anyway; who uses it decides how.
    package nonisolated(unsafe) let base: UnsafeMutableRawPointer
    package let byteCount: Int
    /// What others open it by; -1 where this process opened it.
    package let descriptor: Int32

    /// Makes a segment of zero bytes.
    /// - Parameter name: For people who look at the process's mappings; need not be unique.
    package init(named name: String, byteCount: Int) throws(MantaError) {
        let descriptor = manta_memory_create(name, Int64(byteCount))
        guard descriptor >= 0 else {
            throw MantaError(.system, "no shared memory of \(byteCount) bytes: \(String(cString: strerror(-descriptor)))")
        }
        guard let base = Self.map(descriptor, byteCount) else {
            let failure = errno
            Glibc.close(descriptor)
            throw MantaError(.system, "cannot map shared memory of \(byteCount) bytes: \(String(cString: strerror(failure)))")
        }
        (self.base, self.byteCount, self.descriptor) = (base, byteCount, descriptor)
    }

    /// Opens a segment that another process made.
    /// - Parameters:
    ///   - descriptor: The number that the segment has in that process.
    ///   - byteCount: The size that it must have.
    ///   - isReadOnly: A write through this mapping ends the process.
    package init(descriptor: Int32, of process: Int32, byteCount: Int, isReadOnly: Bool = false) throws(MantaError) {
        let opened = manta_memory_open(process, descriptor, Int64(byteCount))
        guard opened >= 0 else {
            throw MantaError(
                .system, "process \(process) shares no memory of \(byteCount) bytes by its descriptor \(descriptor): \(String(cString: strerror(-opened)))")
        }
        defer { Glibc.close(opened) }
        guard let base = Self.map(opened, byteCount, isReadOnly: isReadOnly) else {
            throw MantaError(.system, "cannot map shared memory of \(byteCount) bytes: \(String(cString: strerror(errno)))")
        }
        (self.base, self.byteCount, self.descriptor) = (base, byteCount, -1)
    }

    /// Maps a segment that this process made a second time, for reading only.
    package init(viewing segment: borrowing SharedSegment) throws(MantaError) {
        guard let base = Self.map(segment.descriptor, segment.byteCount, isReadOnly: true) else {
            throw MantaError(.system, "cannot map shared memory of \(segment.byteCount) bytes again: \(String(cString: strerror(errno)))")
        }
        (self.base, byteCount, descriptor) = (base, segment.byteCount, -1)
    }

    private static func map(_ descriptor: Int32, _ byteCount: Int, isReadOnly: Bool = false) -> UnsafeMutableRawPointer? {
        // Nothing is set aside: pages count when they are first written.
        let base = mmap(nil, byteCount, isReadOnly ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, descriptor, 0)
        return base == MAP_FAILED ? nil : base
    }

    deinit {
        munmap(base, byteCount)
        if descriptor >= 0 { Glibc.close(descriptor) }
    }
}
