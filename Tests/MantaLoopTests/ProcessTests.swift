// ProcessTests: children, their ends, and signals.

import Glibc
import MantaLoop
import MantaModel
import MantaTestKit
import Testing

@Suite struct ChildTests {
    @Test func anEndIsSeenAtOnceAndReaped() async throws {
        let running = RunningLoop()
        let log = Log<MantaLoop.ExitStatus?>()
        try await running.loop.perform { [loop = running.loop] () throws(MantaError) in
            let pid = try ChildProcess(path: "/bin/sh", arguments: ["sh", "-c", "exit 7"], environment: []).spawn()
            try loop.watchProcess(pid) { log.append(reap(pid)) }
        }
        try await eventually { log.count == 1 }
        #expect(log.values == [.exited(7)])
    }

    @Test func aKilledChildSaysBySignal() async throws {
        let running = RunningLoop()
        let log = Log<MantaLoop.ExitStatus?>()
        let pid = try await running.loop.perform { [loop = running.loop] () throws(MantaError) in
            let pid = try ChildProcess(path: "/bin/sleep", arguments: ["sleep", "1000"], environment: []).spawn()
            try loop.watchProcess(pid) { log.append(reap(pid)) }
            return pid
        }
        #expect(reap(pid) == nil)
        kill(pid, SIGKILL)
        try await eventually { log.count == 1 }
        #expect(log.values == [.signaled(SIGKILL)])
    }

    @Test func aProcessThatIsGoneIsReportedSoon() async throws {
        let running = RunningLoop()
        let gate = Gate()
        try await running.loop.perform { [loop = running.loop] () throws(MantaError) in
            // Above the largest pid the kernel gives.
            try loop.watchProcess(1 << 30) { gate.open() }
        }
        try await gate.wait()
    }

    @Test func aChildGetsWhatItWasGivenAndNothingElse() async throws {
        let running = RunningLoop()
        let directory = TemporaryDirectory()
        let path = directory.file("output")
        let output = open(path, O_WRONLY | O_CREAT, 0o600)
        let inherited = open(directory.file("inherited"), O_WRONLY | O_CREAT, 0o600)
        defer { for descriptor in [output, inherited] { close(descriptor) } }
        let folder = directory.path
        let gate = Gate()
        try await running.loop.perform { [loop = running.loop] () throws(MantaError) in
            let pid = try ChildProcess(
                path: "/bin/sh", arguments: ["sh", "-c", "pwd; echo $NAME; echo three >&3; ls /proc/self/fd | tr '\\n' ' '"], environment: ["NAME=value", "PATH=/bin:/usr/bin"],
                directory: folder, output: output, inherited: inherited
            ).spawn()
            try loop.watchProcess(pid) {
                _ = reap(pid)
                gate.open()
            }
        }
        try await gate.wait()
        // 4 is the listing's own.
        #expect(contents(of: path) == "\(folder)\nvalue\n0 1 2 3 4 ")
        #expect(contents(of: directory.file("inherited")) == "three\n")
    }

    @Test func aProgramThatIsNotThereIsAnError() async throws {
        let running = RunningLoop()
        let error = await #expect(throws: MantaError.self) {
            try await running.loop.perform { () throws(MantaError) in
                _ = try ChildProcess(path: "/nowhere/at-all", arguments: ["x"], environment: []).spawn()
            }
        }
        #expect(error?.message.contains("/nowhere/at-all") == true)
        #expect(error?.message.contains("No such file") == true)
    }

    @Test func childrenDieWithTheThreadThatStartedThem() async throws {
        var running: RunningLoop? = RunningLoop()
        let observer = RunningLoop()
        let pids = try await running!.loop.perform { () throws(MantaError) in
            let attached = ChildProcess(path: "/bin/sleep", arguments: ["sleep", "1000"], environment: [])
            var detached = attached
            detached.detached = true
            return (attached: try attached.spawn(), detached: try detached.spawn())
        }
        let log = Log<Int32>()
        try await observer.loop.perform { [loop = observer.loop] () throws(MantaError) in
            for pid in [pids.attached, pids.detached] { try loop.watchProcess(pid) { log.append(pid) } }
        }
        running = nil
        try await eventually { log.values == [pids.attached] }
        #expect(kill(pids.detached, 0) == 0)
        kill(pids.detached, SIGKILL)
        try await eventually { log.count == 2 }
        for pid in [pids.attached, pids.detached] { #expect(reap(pid) == .signaled(SIGKILL)) }
    }

    @Test func signalsBecomeEvents() async throws {
        let running = RunningLoop()
        let log = Log<Int32>()
        let watch = try await running.loop.perform { [loop = running.loop] () throws(MantaError) in
            try loop.watchSignals([SIGUSR1, SIGUSR2]) { log.append($0) }
        }
        kill(getpid(), SIGUSR1)
        try await eventually { log.values == [SIGUSR1] }
        kill(getpid(), SIGUSR2)
        try await eventually { log.values == [SIGUSR1, SIGUSR2] }
        await running.loop.perform { watch.cancel() }
    }

    private func contents(of path: String) -> String {
        let descriptor = open(path, O_RDONLY)
        defer { close(descriptor) }
        return withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
            String(decoding: buffer.prefix(max(0, read(descriptor, buffer.baseAddress, 4096))), as: UTF8.self)
        }
    }
}
