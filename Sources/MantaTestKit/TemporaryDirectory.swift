// TemporaryDirectory: a test's own folder, gone when its owner is.

import Glibc

/// Makes a folder of its own, mode 0700 and with a short path (sockets have at most 107 bytes), and removes it with everything in it.
package struct TemporaryDirectory: ~Copyable {
    package let path: String

    package init() {
        var template = Array("/tmp/manta-test-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { preconditionFailure("no temporary directory: \(String(cString: strerror(errno)))") }
        path = String(cString: made)
    }

    /// The path of a name in it.
    package func file(_ name: String) -> String { "\(path)/\(name)" }

    deinit { removeTree(path) }
}

/// Removes a file, or a folder and everything in it; links are removed, not followed.
private func removeTree(_ path: String) {
    if let listing = opendir(path) {
        while let entry = readdir(listing) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            guard name != ".", name != ".." else { continue }
            if entry.pointee.d_type == UInt8(DT_DIR) { removeTree("\(path)/\(name)") } else { unlink("\(path)/\(name)") }
        }
        closedir(listing)
    }
    rmdir(path)
}
