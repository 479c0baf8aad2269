// ProcessTemplate: a process of a program that was loaded once and forks further ones, which start in a fraction of the time and share its memory.
//
// It owns the template's process and the socket to it. What is forked is a child of this process, which must adopt orphans. A template that fails once,
// or does not answer in time, is ended and never asked again: whoever wants a process then starts it by itself.

import CSystem
import Glibc
package import MantaModel

package final class ProcessTemplate {
    package let pid: Int32
    private let socket: Int32
    private var state = State.starting
    /// Forking takes about a millisecond; a template that takes longer than this is stopped, or broken.
    private static let patience = Duration.milliseconds(500)

    private enum State { case starting, ready, broken }

    /// Loads the program. The caller watches the process and reaps it.
    /// - Parameters:
    ///   - arguments: including the name of the program as the first, for everything that is forked.
    ///   - environment: the whole environment, as `NAME=value` pairs, that everything forked begins with.
    package init(path: String, arguments: [String], environment: [String]) throws(MantaError) {
        var sockets: [Int32] = [-1, -1]
        let result = manta_template_sockets(&sockets)
        guard result == 0 else { throw MantaError(.system, "no sockets for a template of \(path): \(String(cString: strerror(-result)))") }
        socket = sockets[0]
        defer { close(sockets[1]) }
        // Every symbol is bound once, here, and not in each process.
        let own = ["\(MANTA_ROLE_VARIABLE)=\(MANTA_TEMPLATE_ROLE)", "\(MANTA_TEMPLATE_BINDING)=1"]
        let environment = environment.filter { !$0.hasPrefix("\(MANTA_ROLE_VARIABLE)=") && !$0.hasPrefix("\(MANTA_TEMPLATE_BINDING)=") } + own
        do throws(MantaError) {
            pid = try ChildProcess(path: path, arguments: arguments, environment: environment, inherited: sockets[1]).spawn()
        } catch {
            close(socket)
            throw error
        }
    }

    /// It ends with its socket.
    deinit { close(socket) }

    /// Whether it can fork now; asks without waiting.
    package var isReady: Bool {
        if state == .starting {
            switch manta_template_is_ready(socket) {
            case 1: state = .ready
            case 0: break
            default: state = .broken
            }
        }
        return state == .ready
    }

    /// Whether it will never fork again.
    package var isBroken: Bool { state == .broken }

    /// Forks a process that plays the role which `MANTA_ROLE` of `variables` names. Waits for it: about a millisecond.
    /// - Parameters:
    ///   - variables: in addition to the template's environment, or instead of its own.
    ///   - inherited: becomes the process's descriptor 3.
    /// - Returns: the pid of a child of this process, which gets SIGKILL when this process ends.
    package func fork(adding variables: [String: String], output: Int32, error: Int32, inherited: Int32?) throws(MantaError) -> Int32 {
        var bytes: [CChar] = []
        for (name, value) in variables { bytes += "\(name)=\(value)".utf8CString }
        let milliseconds = Int32(Self.patience.inMilliseconds)
        let pid = manta_template_fork(socket, bytes, bytes.count, output, error, inherited ?? -1, milliseconds)
        if pid > 0 { return pid }
        if pid != -E2BIG, pid != -EAGAIN { breakUp() }
        throw MantaError(.system, "the template \(self.pid) forked no process: \(String(cString: strerror(-pid)))")
    }

    /// Ends it. What it forked goes on.
    package func breakUp() {
        state = .broken
        kill(pid, SIGKILL)
    }

    /// Lets this process be the parent of what its templates fork. From now on it must also take the ends of strangers, by `reapStrangers`: of processes
    /// that a descendant left behind.
    package static func adoptOrphans() throws(MantaError) {
        let result = manta_adopt_orphans()
        guard result == 0 else { throw MantaError(.system, "this process cannot adopt orphans: \(String(cString: strerror(-result)))") }
    }
}

extension EventLoop {
    /// Takes the ends of children that nobody on this loop watches.
    package func reapStrangers() {
        assertOnLoop()
        withUnsafeMutablePointer(to: &watchedProcesses) { watched in
            while manta_reap_stranger({ $1!.assumingMemoryBound(to: Set<Int32>.self).pointee.contains($0) ? 1 : 0 }, watched) > 0 {}
        }
    }
}
