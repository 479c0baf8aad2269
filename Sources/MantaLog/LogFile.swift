// LogFile: a process's log: a file of its own that is rotated at a size, so that logs never fill the disk.
//
// One line for one record, written at once with one call, so nothing is lost when the process is killed. Files of processes that are gone are kept up
// to a number. A log that cannot be written never stops the process: warnings still reach the standard error.

import CSystem
import Glibc
package import Logging
package import MantaModel
import Synchronization

/// The file that this process logs to.
package final class LogFile: Sendable {
    package let path: String
    private let limit: Int
    private let kept: Int
    private let state: Mutex<State>

    private struct State {
        var descriptor: Int32
        var size: Int
    }

    /// - Parameters:
    ///   - limit: The size in bytes at which the file becomes `path.1`.
    ///   - kept: How many former files there are, `path.1` the latest.
    package init(path: String, limit: Int = 16 << 20, kept: Int = 3) throws(MantaError) {
        (self.path, self.limit, self.kept) = (path, limit, kept)
        let descriptor = Self.open(path)
        guard descriptor >= 0 else { throw MantaError(.system, "cannot write the log \(path): \(String(cString: strerror(errno)))") }
        state = Mutex(State(descriptor: descriptor, size: Int(lseek(descriptor, 0, SEEK_END))))
    }

    deinit { state.withLock { _ = close($0.descriptor) } }

    /// Appends a line; the newline is added.
    package func write(_ line: String) {
        var text = line + "\n"
        text.withUTF8 { bytes in
            state.withLock { state in
                if state.size > 0, state.size + bytes.count > limit { rotate(&state) }
                let written = Glibc.write(state.descriptor, bytes.baseAddress, bytes.count)
                if written > 0 { state.size += written }
            }
        }
    }

    private func rotate(_ state: inout State) {
        for number in stride(from: kept - 1, through: 1, by: -1) { rename("\(path).\(number)", "\(path).\(number + 1)") }
        rename(path, "\(path).1")
        let descriptor = Self.open(path)
        guard descriptor >= 0 else { return }  // goes on in the old one
        close(state.descriptor)
        state = State(descriptor: descriptor, size: 0)
    }

    private static func open(_ path: String) -> Int32 {
        Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
    }

    // MARK: The process's log

    private static let isBootstrapped = Atomic<Bool>(false)
    /// Files of ended processes of one role that stay.
    static let keptProcesses = 32

    /// Sends every `Logger` of this process to `directory/role-pid.log`, and records of `warning` and above to the standard error as well. Once in a
    /// process; later calls do nothing.
    package static func bootstrap(role: String, directory: String, level: Logger.Level = .info) {
        guard !isBootstrapped.exchange(true, ordering: .acquiringAndReleasing) else { return }
        mkdir(directory, 0o700)
        removeOld(role: role, in: directory)
        let file: LogFile?
        do throws(MantaError) { file = try LogFile(path: "\(directory)/\(role)-\(getpid()).log") } catch {
            LogHandlerOfFile.standardError(error.description)
            file = nil
        }
        LoggingSystem.bootstrap { LogHandlerOfFile(label: $0, file: file, logLevel: level) }
    }

    /// Removes the oldest logs of processes of this role that are gone.
    static func removeOld(role: String, in directory: String) {
        guard let listing = opendir(directory) else { return }
        defer { closedir(listing) }
        var ended: [(changed: Int, pid: Int32)] = []
        while let entry = readdir(listing) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            guard name.hasPrefix("\(role)-"), name.hasSuffix(".log"), let pid = Int32(name.dropFirst(role.utf8.count + 1).dropLast(4)) else { continue }
            var status = stat()
            guard kill(pid, 0) != 0, errno == ESRCH, stat("\(directory)/\(name)", &status) == 0 else { continue }
            ended.append((status.st_mtim.tv_sec, pid))
        }
        guard ended.count > keptProcesses else { return }
        for (_, pid) in ended.sorted(by: { $0.changed < $1.changed }).dropLast(keptProcesses) {
            let path = "\(directory)/\(role)-\(pid).log"
            for name in [path] + (1...9).map({ "\(path).\($0)" }) { unlink(name) }
        }
    }
}
