// Processes: starting child processes, seeing any process of this machine end, and taking a child's exit status.

import CSystem
import Glibc
package import MantaModel

/// How a process ended.
package enum ExitStatus: Hashable, Sendable, CustomStringConvertible {
    case exited(Int32)
    case signaled(Int32)

    package var description: String {
        switch self {
        case .exited(let code): "exited with status \(code)"
        case .signaled(let signal): "was ended by signal \(signal) (\(DeathCause.signalName(signal)))"
        }
    }
}

/// How a child ended, and the most memory it ever held, in bytes.
package struct ChildEnd: Hashable, Sendable {
    package var status: ExitStatus
    package var peakMemory: Int64
}

/// Takes the end of a child that has ended; nil while it runs, or when it is not a child of this process.
package func collect(_ pid: Int32) -> ChildEnd? {
    var (value, peak): (Int32, Int64) = (0, 0)
    switch manta_reap(pid, &value, &peak) {
    case 1: return ChildEnd(status: .exited(value), peakMemory: peak)
    case 2: return ChildEnd(status: .signaled(value), peakMemory: peak)
    default: return nil
    }
}

/// Takes the exit status of a child that has ended, as `collect` does.
package func reap(_ pid: Int32) -> ExitStatus? { collect(pid)?.status }

/// Whether the process has ended and nobody has asked how. One whose main thread has ended before the others is not: it still holds its files and locks.
package func isZombie(_ pid: Int32) -> Bool {
    guard let file = fopen("/proc/\(pid)/stat", "re") else { return true }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 512)
    let count = fread(&bytes, 1, bytes.count, file)
    // Behind the name, which may hold anything: the state is the first, the number of threads the 18th.
    let fields = String(decoding: bytes[..<count], as: UTF8.self).split(separator: ")").last?.split(separator: " ") ?? []
    guard fields.count > 17 else { return true }
    return fields[0] == "Z" && (Int(fields[17]) ?? 0) <= 1
}

/// Whether the process is gone.
package func hasEnded(_ pid: Int32) -> Bool { kill(pid, 0) != 0 || isZombie(pid) }

/// A child process to start.
package struct ChildProcess {
    /// The executable's path; `PATH` is not searched.
    package var path: String
    /// Including the name of the program as the first.
    package var arguments: [String]
    /// `NAME=value` pairs: the whole environment.
    package var environment: [String]
    package var directory: String?
    /// Descriptors for the child's output and errors; nil: /dev/null.
    package var output: Int32?
    package var error: Int32?
    /// A descriptor that the child gets as its number 3. All others are closed in it.
    package var inherited: Int32?
    /// Whether the child lives on without its parent. Otherwise it is killed when the thread that started it ends: start it on a loop that lives as
    /// long as the process.
    package var detached: Bool
    /// Whether it leads a process group of its own: what it starts can be signalled with it, by the negative of its pid. A detached child always does.
    package var leadsGroup: Bool

    package init(
        path: String, arguments: [String], environment: [String], directory: String? = nil, output: Int32? = nil, error: Int32? = nil,
        inherited: Int32? = nil, detached: Bool = false, leadsGroup: Bool = false
    ) {
        (self.path, self.arguments, self.environment, self.directory) = (path, arguments, environment, directory)
        (self.output, self.error, self.inherited, self.detached, self.leadsGroup) = (output, error, inherited, detached, leadsGroup)
    }

    /// Starts it; returns when exec has succeeded. The caller reaps it.
    package func spawn() throws(MantaError) -> Int32 {
        let arguments = arguments.map { strdup($0) } + [nil]
        let environment = environment.map { strdup($0) } + [nil]
        defer { for text in arguments + environment { free(text) } }
        let pid = path.withCString { path in
            arguments.withUnsafeBufferPointer { arguments in
                environment.withUnsafeBufferPointer { environment in
                    func start(in directory: UnsafePointer<CChar>?) -> Int32 {
                        var options = manta_spawn_options(
                            path: path, arguments: arguments.baseAddress, environment: environment.baseAddress, directory: directory,
                            output: output ?? -1, error: error ?? -1, inherited: inherited ?? -1, detached: detached ? 1 : 0,
                            leads_group: leadsGroup ? 1 : 0)
                        return manta_spawn(&options)
                    }
                    return directory.map { $0.withCString { start(in: $0) } } ?? start(in: nil)
                }
            }
        }
        guard pid > 0 else {
            throw MantaError(.system, "cannot start \(path)\(directory.map { " in \($0)" } ?? ""): \(String(cString: strerror(-pid)))")
        }
        return pid
    }
}

/// The watch of one process. It lasts until the process ends or `cancel()`, whether or not somebody keeps it.
///
/// `@unchecked Sendable`: used on its loop only, which debug builds assert.
package final class ProcessWatch: @unchecked Sendable {
    package let pid: Int32
    private let loop: EventLoop
    private var registration: DescriptorID?
    private var descriptor: Int32 = -1
    private var onExit: (() -> Void)?

    init(pid: Int32, loop: EventLoop, onExit: @escaping () -> Void) throws(MantaError) {
        (self.pid, self.loop, self.onExit) = (pid, loop, onExit)
        let opened = manta_pidfd_open(pid)
        if opened == -ESRCH {
            loop.later { self.ended() }
            return
        }
        guard opened >= 0 else { throw MantaError(.system, "cannot watch process \(pid): \(String(cString: strerror(-opened)))") }
        descriptor = opened
        loop.watchedProcesses.insert(pid)
        do throws(MantaError) { registration = try loop.addDescriptor(opened, .read) { _ in self.ended() } } catch {
            loop.watchedProcesses.remove(pid)
            close(opened)
            throw error
        }
    }

    /// No call comes after this.
    package func cancel() {
        loop.assertOnLoop()
        onExit = nil
        if let registration { loop.removeDescriptor(registration) }
        registration = nil
        loop.watchedProcesses.remove(pid)
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }

    private func ended() {
        let call = onExit
        cancel()
        call?()
    }
}

extension EventLoop {
    /// Calls `onExit` once, on the loop, when the process has ended; soon, when it has ended already. A child is still to be reaped then.
    @discardableResult
    package func watchProcess(_ pid: Int32, onExit: @escaping () -> Void) throws(MantaError) -> ProcessWatch {
        assertOnLoop()
        return try ProcessWatch(pid: pid, loop: self, onExit: onExit)
    }
}
