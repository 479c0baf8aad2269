// ClusterLauncher: starts head, node and proxy as processes of an executable, and waits until each says that it is ready.
//
// Started for a program (`Manta.start`), they end with it; started for good (`manta start`), each has a session of its own and outlives it. Whatever
// fails is one error with the process's own words; what was started before it is ended again.

import CSystem
import Glibc
package import MantaLoop
import MantaModel

package struct ClusterLauncher: Sendable {
    /// A process that said it is ready.
    package struct Started: Sendable {
        package var role: String
        package var pid: Int32
        package var endpoint: String
    }

    /// The executable that plays the roles.
    package var program: String
    /// They outlive this process.
    package var detached: Bool
    private let loop: EventLoop

    /// `loop` must run, and live as long as this process when the children are to end with it.
    package init(program: String, detached: Bool, loop: EventLoop) { (self.program, self.detached, self.loop) = (program, detached, loop) }

    /// Starts `role` with these variables and waits for its word.
    package func start(_ role: String, _ variables: [String: String], log: String? = nil, deadline: Duration = .seconds(10)) async throws -> Started {
        try await withCheckedThrowingContinuation { continuation in
            loop.execute {
                do {
                    try launch(role, variables, log, deadline) { continuation.resume(with: $0.mapError { $0 as any Error }) }
                } catch { continuation.resume(throwing: error) }
            }
        }
    }

    private func launch(
        _ role: String, _ variables: [String: String], _ log: String?, _ deadline: Duration, _ done: @escaping (Result<Started, MantaError>) -> Void
    ) throws(MantaError) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0, fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0, fcntl(ends[1], F_SETFD, FD_CLOEXEC) == 0 else { throw MantaError(.system, "no pipe for the \(role): \(String(cString: strerror(errno)))") }
        defer { close(ends[1]) }
        var variables = variables
        variables[Variable.role] = role
        variables[Variable.readyDescriptor] = "3"
        let output = log.map { open($0, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600) } ?? -1
        defer { if output >= 0 { close(output) } }
        let child = ChildProcess(
            path: program, arguments: [program, role], environment: ProcessEnvironment.current(adding: variables), output: output >= 0 ? output : 2,
            error: output >= 0 ? output : 2, inherited: ends[1], detached: detached)
        let pid: Int32
        do { pid = try child.spawn() } catch {
            close(ends[0])
            throw error
        }
        let word = ReadyWord(role: role, pid: pid, descriptor: ends[0], loop: loop, done: done)
        try word.listen(deadline: deadline)
    }
}

/// The one line that a process writes when it has started. Keeps itself alive until it has come.
private final class ReadyWord {
    private let role: String
    private let pid: Int32
    private let descriptor: Int32
    private let loop: EventLoop
    private var done: ((Result<ClusterLauncher.Started, MantaError>) -> Void)?
    private var registration: DescriptorID?
    private var timer: TimerID?
    private var text: [UInt8] = []

    init(role: String, pid: Int32, descriptor: Int32, loop: EventLoop, done: @escaping (Result<ClusterLauncher.Started, MantaError>) -> Void) {
        (self.role, self.pid, self.descriptor, self.loop, self.done) = (role, pid, descriptor, loop, done)
    }

    func listen(deadline: Duration) throws(MantaError) {
        registration = try loop.addDescriptor(descriptor, .read) { [self] _ in readable() }
        timer = loop.schedule(after: deadline) { [self] in
            kill(pid, SIGKILL)
            finish(.failure(MantaError(.timeout, "the \(role) (process \(pid)) did not start within \(deadline)")))
        }
    }

    private func readable() {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = read(descriptor, &buffer, buffer.count)
        if count > 0 { text += buffer[..<count] }
        guard count <= 0 || text.contains(UInt8(ascii: "\n")) else { return }
        let line = String(decoding: text.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        if line.hasPrefix("ready ") {
            finish(.success(ClusterLauncher.Started(role: role, pid: pid, endpoint: String(line.dropFirst(6)))))
        } else if line.hasPrefix("error ") {
            finish(.failure(MantaError(.unavailable, "the \(role) could not start: \(line.dropFirst(6))")))
        } else {
            finish(.failure(MantaError(.unavailable, "the \(role) (process \(pid)) ended before it was ready; see its log")))
        }
    }

    private func finish(_ result: Result<ClusterLauncher.Started, MantaError>) {
        if let registration { loop.removeDescriptor(registration) }
        if let timer { loop.cancel(timer) }
        close(descriptor)
        if case .failure = result { _ = reap(pid) }
        let call = done
        (done, registration, timer) = (nil, nil, nil)
        call?(result)
    }
}
