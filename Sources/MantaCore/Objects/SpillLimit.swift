// SpillLimit: how much of a disk a node may fill with objects that left memory. Pure: what the file system is like and what was written in, the room out.
//
// A file system that is full hinders everything on its machine: a node stops before. Two bounds: the share of the file system that is in use, by whomever,
// and, where somebody said so, the bytes of this node's own files.

package import MantaModel

/// A file system at one moment.
package struct DiskUsage: Hashable, Sendable {
    /// Bytes in all.
    package var capacity: Int
    /// Bytes that this user may still write.
    package var available: Int
    package init(capacity: Int, available: Int) { (self.capacity, self.available) = (capacity, available) }
    package var used: Int { capacity - available }
}

package struct SpillLimit: Hashable, Sendable {
    /// Of the spilled objects.
    package var folder: String
    /// What this node's files may hold together; nil: what the file system has.
    package var bytes: Int?
    /// Beyond this share of the file system in use nothing is written.
    package var share: Double

    package init(folder: String, bytes: Int? = nil, share: Double = Limits.spillDiskShare) {
        (self.folder, self.bytes, self.share) = (folder, bytes, share)
    }

    /// Bytes that may be written now, when this node's files hold `written`.
    package func room(_ usage: DiskUsage, written: Int) -> Int {
        let ofTheDisk = min(usage.available, Int(Double(usage.capacity) * share) - usage.used)
        return max(0, bytes.map { min($0 - written, ofTheDisk) } ?? ofTheDisk)
    }

    /// Why an object of so many bytes, that there is no `room` for, stays in memory.
    package func refusal(of size: Int, _ usage: DiskUsage, written: Int) -> MantaError {
        if let bytes, bytes - written < size {
            return MantaError(.outOfDisk, """
                the \(bytes) bytes that this node may write to the folder \(folder) do not suffice: \(written) are written, and an object of \(size) bytes was \
                to be; release references, or start the node with a higher limit (--spill-limit)
                """)
        }
        let percent = usage.capacity > 0 ? Int((Double(usage.used) / Double(usage.capacity) * 100).rounded(.down)) : 100
        return MantaError(.outOfDisk, """
            the file system of the folder \(folder) is \(percent) % full: \(usage.available) of \(usage.capacity) bytes are available, and an object of \(size) \
            bytes is not written there when more than \(Int((share * 100).rounded())) % would be in use; make room there, choose another folder \
            (--spill-directory), or release references
            """)
    }
}
