// ChaosTests: short runs of the program `chaos`, as anyone runs it: workers, nodes, drivers and the head die, and nothing that was asked for is lost; what
// clients put, make and hold is whole or lost with whoever died, and nothing of it is left over.

import Glibc
import MantaLoop
import MantaTestKit
import Testing

@Suite(.serialized, .timeLimit(.minutes(10))) struct ChaosTests {
    /// Sixteen actors with unlimited restarts and retries on three nodes of two CPUs, and tasks of every kind beside them.
    @Test func FAIL_010_nothingIsLostWhileProcessesOfEveryKindAreKilled() async throws {
        try await succeeds(["--minutes", "0.33", "--every", "1.5", "--nodes", "3", "--cpus", "2", "--producers", "2"])
    }

    @Test func everyValueIsWholeAndNothingIsLeftWhileClientsWorkersAndNodesAreKilled() async throws {
        try await succeeds(["soak", "--minutes", "0.33", "--every", "2.5", "--nodes", "3", "--cpus", "2", "--clients", "2", "--store", "16", "--largest", "1"])
    }

    private func succeeds(_ arguments: [String]) async throws {
        let folder = TemporaryDirectory()
        let running = RunningLoop()
        let output = folder.file("output")
        let end = Log<MantaLoop.ExitStatus?>()
        try await start(arguments, output, on: running.loop, end)
        try await eventually("the end of the run", within: .seconds(400), poll: .milliseconds(100)) { end.count == 1 }
        #expect(end.values == [.exited(0)], "\(text(of: output))")
    }

    /// The run ends with this process: it is started on a thread that lives as long as the loop.
    private func start(_ arguments: [String], _ output: String, on loop: EventLoop, _ end: Log<MantaLoop.ExitStatus?>) async throws {
        let program = builtProgram("chaos")
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            loop.execute {
                let descriptor = open(output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
                defer { close(descriptor) }
                continuation.resume(with: Result {
                    let environment = ProcessEnvironment.current(adding: [:]).filter { !$0.hasPrefix("MANTA_") }
                    let child = ChildProcess(path: program, arguments: [program] + arguments, environment: environment, output: descriptor, error: descriptor)
                    let pid = try child.spawn()
                    try loop.watchProcess(pid) { end.append(reap(pid)) }
                })
            }
        }
    }

    /// Beside this test's own executable.
    private func builtProgram(_ name: String) -> String {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes { readlink("/proc/self/exe", $0.baseAddress!, $0.count) }
        let path = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
        return path.split(separator: "/").dropLast().reduce(into: "") { $0 += "/\($1)" } + "/\(name)"
    }

    private func text(of path: String) -> String {
        guard let file = fopen(path, "re") else { return "no output" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 18)
        return String(decoding: bytes[..<fread(&bytes, 1, bytes.count, file)], as: UTF8.self)
    }
}
