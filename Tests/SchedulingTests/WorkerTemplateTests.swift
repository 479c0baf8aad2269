// Workers that a template forks: children of their node like all others, seen when they die, and not in need of the template after their start.

import Glibc
import Manta
import MantaLoop
import MantaModel
import MantaTestCluster
import MantaTestKit
import Testing

/// Tells about its process.
@RemoteActor actor Inspector {
    private var count = 0
    init() {}
    func increment() -> Int {
        count += 1
        return count
    }
    func process() -> Int32 { getpid() }
    func parent() -> Int32 { getppid() }
    func crash() { abort() }
    /// What numeric libraries are told.
    func threads() -> [String] {
        ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"].map { (name: String) -> String in getenv(name).map { String(cString: $0) } ?? "" }
    }
    /// The higher, the sooner the kernel takes the process when memory runs out.
    func readinessToEnd() -> String {
        guard let file = fopen("/proc/self/oom_score_adj", "re") else { return "" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }
    func say(_ text: String) { print(text) }
    /// A process that lives on for a moment when whoever started it has ended.
    func leaveBehind() throws -> Int32 {
        guard let pipe = popen("sleep 0.2 >/dev/null & echo $!", "r") else { throw MantaError(.system, "no shell") }
        defer { pclose(pipe) }
        var number: Int32 = 0
        withUnsafeMutablePointer(to: &number) { pointer in _ = withVaList([pointer]) { vfscanf(pipe, "%d", $0) } }
        return number
    }
}

/// The environment with which the process, or what it was forked from, was started.
private func firstEnvironment(of pid: Int32) -> [String] {
    guard let file = fopen("/proc/\(pid)/environ", "re") else { return [] }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 17)
    let count = fread(&bytes, 1, bytes.count, file)
    return bytes[..<count].split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
}

private func isOfTemplate(_ pid: Int32) -> Bool { firstEnvironment(of: pid).contains("MANTA_ROLE=template") }

/// A template has one thread; a worker has many.
private func isTemplate(_ pid: Int32) -> Bool {
    guard isOfTemplate(pid), let folder = opendir("/proc/\(pid)/task") else { return false }
    defer { closedir(folder) }
    var count = 0
    while let entry = readdir(folder) { if entry.pointee.d_name.0 != UInt8(ascii: ".") { count += 1 } }
    return count == 1
}

/// The processes that a process has begun and that have not ended.
private func children(of pid: Int32) -> [Int32] {
    guard let file = fopen("/proc/\(pid)/task/\(pid)/children", "re") else { return [] }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let count = fread(&bytes, 1, bytes.count, file)
    return String(decoding: bytes[..<count], as: UTF8.self).split(separator: " ").compactMap { Int32($0) }
}

extension SchedulingTests {
    @Suite struct WorkerTemplateTests {
        /// Starts actors until the latest was forked from a template.
        private func untilForked(on node: TestNode) async throws -> Inspector.Handle {
            var actors: [Inspector.Handle] = []
            try await eventually("a worker that was forked", within: .seconds(60)) {
                actors.append(Inspector.options(maxRestarts: 1).remote())
                return isOfTemplate(try await actors.last!.process().value)
            }
            return try #require(actors.last)
        }

        @Test func aForkedWorkerIsAChildOfItsNode() async throws {
            try await TestCluster.run(nodes: [4]) { _, nodes in
                let actor = try await untilForked(on: nodes[0])
                let parent = try await actor.parent().value
                #expect(parent == nodes[0].pid)
                let count = try await actor.increment().value
                #expect(count == 1)
            }
        }

        @Test func numericLibrariesUseTheCPUsThatAWorkerWasGiven() async throws {
            try await TestCluster.run(nodes: [4]) { _, nodes in
                let forked = try await untilForked(on: nodes[0])
                let one = try await forked.threads().value
                #expect(one == ["1", "1", "1"])
                let two = try await Inspector.options(cpus: 2.5).remote().threads().value
                #expect(two == ["2", "2", "2"])
                let half = try await Inspector.options(cpus: 0.5).remote().threads().value
                #expect(half == ["1", "1", "1"])
            }
            try await TestCluster.run(nodes: [1], environment: ["MKL_NUM_THREADS": "7"]) { _, _ in
                let threads = try await Inspector.remote().threads().value
                #expect(threads == ["", "7", ""], "the user knows better")
            }
        }

        @Test func theKernelTakesAWorkerFirst() async throws {
            try await TestCluster.run(nodes: [4]) { _, nodes in
                let first = try await Inspector.remote().readinessToEnd().value
                #expect(first == "1000")
                let forked = try await untilForked(on: nodes[0]).readinessToEnd().value
                #expect(forked == "1000")
            }
        }

        @Test func theDeathOfAForkedWorkerIsToldAsOfAnyOther() async throws {
            try await TestCluster.run(nodes: [4], environment: ["SWIFT_BACKTRACE": "enable=no"]) { _, nodes in
                let actor = try await untilForked(on: nodes[0])
                let pid = try await actor.process().value
                let error = await #expect(throws: MantaError.self) { try await actor.crash().value }
                #expect(error?.message.contains("SIGABRT") == true, "\(error?.message ?? "nothing")")
                let next = try await actor.process().value
                #expect(next != pid)
            }
        }

        @Test func aTemplatesEndIsNotTheEndOfWhatItForked() async throws {
            try await TestCluster.run(nodes: [4]) { _, nodes in
                let actor = try await untilForked(on: nodes[0])
                let worker = try await actor.process().value
                let template = try #require(children(of: nodes[0].pid).first { $0 != worker && isTemplate($0) })
                kill(template, SIGKILL)
                try await eventually("the end of the template", within: .seconds(30)) { kill(template, 0) != 0 }
                let count = try await actor.increment().value
                #expect(count == 1)
                let later = Inspector.remote()
                let forked = isOfTemplate(try await later.process().value)
                #expect(!forked, "workers are started from the file from now on")
            }
        }

        @Test func aStoppedTemplateDoesNotKeepWorkersFromStarting() async throws {
            try await TestCluster.run(nodes: [4]) { _, nodes in
                let actor = try await untilForked(on: nodes[0])
                let worker = try await actor.process().value
                let template = try #require(children(of: nodes[0].pid).first { $0 != worker && isTemplate($0) })
                kill(template, SIGSTOP)
                let later = Inspector.remote()
                let forked = isOfTemplate(try await later.process().value)
                #expect(!forked)
                try await eventually("the end of the template", within: .seconds(30)) { kill(template, 0) != 0 }
            }
        }

        @Test func whatAWorkerLeavesBehindDoesNotStayAZombie() async throws {
            try await TestCluster.run(nodes: [2]) { _, nodes in
                let actor = Inspector.remote()
                let orphan = try await actor.leaveBehind().value
                try #require(orphan > 0)
                try await Manta.kill(actor)
                try await eventually("the end of the orphan", within: .seconds(30)) { kill(orphan, 0) != 0 }
                #expect(children(of: nodes[0].pid).allSatisfy { !isZombie($0) })
            }
        }
    }
}
