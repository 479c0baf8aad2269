// ExecutableFile: an executable by its content: programs of one hash are the same program, wherever they lie.
//
// A file is read once for each version of it: the hash is noted beside what the kernel says of the file (device, inode, size, time of change), in a folder
// that all processes of a user share.

import CSystem
import Glibc
package import MantaModel

package enum ExecutableFile {
    /// Notes of versions that are no more go when there are so many.
    private static let keptNotes = 1_000

    /// The 32 hexadecimal digits of a file's content.
    ///
    /// - Parameter notes: the folder of the notes; made when it is not there.
    package static func hash(of path: String, notes: String) throws(MantaError) -> String {
        var status = stat()
        guard stat(path, &status) == 0 else { throw unreadable(path, errno) }
        let note = "\(notes)/\(status.st_dev)-\(status.st_ino)-\(status.st_size)-\(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
        if let known = noted(in: note) { return known }
        var bits: [UInt64] = [0, 0]
        let result = manta_hash_file(path, &bits)
        guard result == 0 else { throw unreadable(path, -result) }
        let hash = ContentHash(high: bits[0], low: bits[1]).description
        write(hash, to: note, in: notes)
        return hash
    }

    private static func unreadable(_ path: String, _ error: Int32) -> MantaError {
        MantaError(.notFound, "the program \(path) cannot be read: \(String(cString: strerror(error)))")
    }

    private static func noted(in path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 32)
        guard read(descriptor, &bytes, bytes.count) == bytes.count else { return nil }
        return ContentHash(String(decoding: bytes, as: UTF8.self))?.description
    }

    /// Written beside and renamed, so that nobody reads half of it. Without a note the file is read again the next time.
    private static func write(_ hash: String, to note: String, in folder: String) {
        mkdir(folder, 0o700)
        removeNotes(in: folder)
        let draft = "\(note).\(getpid())"
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return }
        let written = hash.withCString { Glibc.write(descriptor, $0, 32) }
        close(descriptor)
        if written != 32 || rename(draft, note) != 0 { unlink(draft) }
    }

    private static func removeNotes(in folder: String) {
        let names = names(in: folder)
        guard names.count > keptNotes else { return }
        for name in names { unlink("\(folder)/\(name)") }
    }

    /// The names in a folder, without those that begin with a dot.
    package static func names(in folder: String) -> [String] {
        guard let listing = opendir(folder) else { return [] }
        defer { closedir(listing) }
        var names: [String] = []
        while let entry = readdir(listing) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names
    }
}

/// The hash of a file's content, written like every identifier.
private struct ContentHash: Identifier {
    let high, low: UInt64
}
