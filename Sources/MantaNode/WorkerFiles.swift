// WorkerFiles: where a worker's output goes: one file for what it prints, one for its errors.
//
// Making files takes longer than starting a worker, and most workers print nothing. So the files of a silent one go to the next: a file is named after the
// worker that writes to it when that has written. What a silent worker left running may write there too, later.

import Glibc
import MantaModel

/// A file to which a worker appends, and from which its node reads.
final class OutputFile {
    private(set) var path: String
    let descriptor: Int32

    init(path: String) throws(MantaError) {
        descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw MantaError(.system, "the file \(path) cannot be written: \(String(cString: strerror(errno)))") }
        self.path = path
    }

    deinit { close(descriptor) }

    var size: Int64 { Int64(lseek(descriptor, 0, SEEK_END)) }

    /// Names it; the former name stays when that is not possible.
    func rename(to name: String) {
        guard name != path, Glibc.rename(path, name) == 0 else { return }
        path = name
    }
}

/// The files of one worker at a time.
final class WorkerFiles {
    let output: OutputFile
    let errors: OutputFile
    private var names: (output: String, errors: String)

    init(for worker: ProcessID, in directory: String) throws(MantaError) {
        names = Self.names(worker, directory)
        (output, errors) = (try OutputFile(path: names.output), try OutputFile(path: names.errors))
    }

    private static func names(_ worker: ProcessID, _ directory: String) -> (output: String, errors: String) {
        ("\(directory)/worker-\(worker.short).out", "\(directory)/worker-\(worker.short).err")
    }

    /// They are another worker's now, which names them when it writes.
    fileprivate func hand(to worker: ProcessID, in directory: String) { names = Self.names(worker, directory) }

    var areEmpty: Bool { output.size == 0 && errors.size == 0 }

    /// Names both after their worker.
    func settle() {
        output.rename(to: names.output)
        errors.rename(to: names.errors)
    }
}

/// The files of workers that printed nothing.
struct SpareFiles {
    private let directory: String
    private var files: [WorkerFiles] = []
    private static let limit = 256

    init(directory: String) { self.directory = directory }

    /// Files for a new worker.
    mutating func take(for worker: ProcessID) throws(MantaError) -> WorkerFiles {
        guard let spare = files.popLast() else { return try WorkerFiles(for: worker, in: directory) }
        spare.hand(to: worker, in: directory)
        return spare
    }

    /// Takes the files of a worker that has ended; returns whether another one may get them.
    mutating func give(back used: WorkerFiles) -> Bool {
        guard used.areEmpty else {
            used.settle()
            return false
        }
        guard files.count < Self.limit else {
            Self.remove(used)
            return false
        }
        files.append(used)
        return true
    }

    /// Removes all, before the end.
    mutating func clear() {
        for used in files { Self.remove(used) }
        files = []
    }

    private static func remove(_ used: WorkerFiles) {
        unlink(used.output.path)
        unlink(used.errors.path)
    }
}
