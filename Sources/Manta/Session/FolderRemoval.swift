// FolderRemoval: takes away the folders of clusters that programs started for themselves, also of programs that ended without a word.

import Glibc

extension Folders {
    /// Removes a folder and all in it; what cannot be removed stays.
    package static func remove(_ path: String) {
        for name in names(in: path) {
            let child = "\(path)/\(name)"
            if unlink(child) != 0, errno == EISDIR || errno == EPERM { remove(child) }
        }
        rmdir(path)
    }

    /// Removes the folders `<pid>-…` whose process is gone.
    static func removeAbandoned() {
        for name in names(in: runtimeBase) {
            let parts = name.split(separator: "-")
            guard parts.count == 2, let pid = Int32(parts[0]), kill(pid, 0) != 0, errno == ESRCH else { continue }
            remove("\(runtimeBase)/\(name)")
        }
    }

    private static func names(in path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}
