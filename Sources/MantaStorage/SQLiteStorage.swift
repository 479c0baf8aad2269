// SQLiteStorage: the head's rows in one SQLite file: write-ahead log, an fsync for every commit, one writer thread (StoreWriter).
//
// The opener's thread checks and loads everything; from then on only the writer thread touches the connection. The file and its folder are readable
// for their owner only.

import Glibc
package import MantaModel

/// The default storage.
package final class SQLiteStorage: Storage {
    /// The database file.
    package let location: String
    private let loaded: StoredState
    private let queue: WriterQueue

    /// Opens or creates `<directory>/head.sqlite`, alone: throws `addressInUse` naming the holder when another head has it, `malformed` when the file
    /// is damaged or not ours, `versionMismatch` when a later program wrote it, `system` when it cannot be written. `pageLimit`: the file grows no
    /// further than so many pages of 4 KiB, as if the disk were full then.
    package init(directory: String, pageLimit: Int? = nil) throws(MantaError) {
        try makeDirectories(directory)
        let path = directory + "/head.sqlite"
        location = path
        let lock = try StoreLock(path: path + ".lock")
        // SQLite gives its log the mode of the file, so the file is made first, for its owner only.
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw MantaError(.system, "the store \(path) cannot be opened for writing: \(reason(errno)); make the file and its folder writable for this user")
        }
        fchmod(descriptor, 0o600)
        Glibc.close(descriptor)
        let connection = try SQLiteConnection(path: path)
        try connection.prepareSchema(newCluster: .random())
        if let pageLimit { try connection.execute("PRAGMA max_page_count = \(pageLimit)") }
        loaded = try connection.loadAll()
        queue = WriterQueue(store: path)
        try StoreWriter(connection: connection, lock: lock, queue: queue).start()
    }

    package func load() throws(MantaError) -> StoredState { loaded }

    package func apply(_ changes: [StorageChange], then: @escaping @Sendable (MantaError?) -> Void) {
        if let refusal = queue.append(WriterQueue.Request(changes: changes, then: then)) { then(refusal) }
    }

    package func close() { queue.close() }

    deinit { queue.close() }
}

/// Makes a folder and those above it, for this user only.
private func makeDirectories(_ path: String) throws(MantaError) {
    var prefix = ""
    for part in path.split(separator: "/", omittingEmptySubsequences: false) {
        prefix += prefix.isEmpty && part.isEmpty ? "" : String(part)
        if !prefix.isEmpty, mkdir(prefix, 0o700) != 0, errno != EEXIST {
            let number = errno
            var status = stat()
            // A parent that exists but may not be written to answers EACCES or EROFS before EEXIST.
            guard stat(prefix, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
                throw MantaError(.system, "the folder \(prefix) for the store cannot be made: \(reason(number)); give the head a directory it may write to")
            }
        }
        prefix += "/"
    }
}
