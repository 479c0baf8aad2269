// Why tasks wait, and how their attempts ended, as the cluster explains it.

import Glibc
import Manta
import MantaModel
import MantaTestCluster
import MantaTestKit
import MantaWire
import MantaWorker
import Testing

extension SchedulingTests {
    @Suite(.serialized) struct ExplainTests {
        private func explain(_ id: some CustomStringConvertible, _ cluster: TestCluster) async throws -> String {
            try await #require(cluster.session.runtime).head(Explain(id: id.description)).lines.joined(separator: "\n")
        }

        @Test func aPendingTaskAndActorSayWhatTheyWaitFor() async throws {
            try await TestCluster.run(nodes: [1]) { cluster, _ in
                let task = whereAmI.options(cpus: 64).remote()
                try await eventually("the node's reason", within: .seconds(30)) {
                    let text = try await explain(task.id.task, cluster)
                    return text.contains("waits") && text.contains("no node can ever serve it: it needs CPU 64 and the largest node has 1")
                }
                let actor = Resident.options(name: "large", cpus: 64).remote()
                try await eventually("the actor", within: .seconds(30)) { try await !cluster.state(.actors).actors.isEmpty }
                let row = try #require(try await cluster.state(.actors).actors.first { $0.name == "large" })
                let text = try await explain(row.id, cluster)
                #expect(text.contains("it needs CPU 64, which no node of the cluster has at all"), "\(text)")
                withExtendedLifetime(actor) {}
            }
        }

        @Test func whatWaitsForItsNodeBehindAPlacementGroupSaysSo() async throws {
            try await TestCluster.run(nodes: [1, 1]) { cluster, nodes in
                let group = try await Manta.placementGroup([["CPU": 1], ["CPU": 1]], strategy: .strictSpread)
                #expect(try await group.isReady(within: .seconds(30)))
                let task = whereAmI.options(scheduling: .node(nodes[1].id, soft: true)).remote()
                let holders = "placement groups hold CPU 1 of CPU 1, it needs CPU 1"
                try await eventually("the node's reason", within: .seconds(30)) { try await explain(task.id.task, cluster).contains(holders) }
                try await eventually("the notice", within: .seconds(30)) {
                    try await Manta.errors().contains { $0.task == task.id.task && $0.message.hasSuffix("waits and cannot run: on node \(nodes[1].id.short) \(holders); it waits until one of them ends") }
                }
                try await group.remove()
                #expect(try await task.value == nodes[1].id.description)
                try await eventually("no demand", within: .seconds(30)) { try await cluster.state(.nodes).demands?.isEmpty ?? true }
            }
        }

        @Test func whatWaitsForLongIsListedAndSaysWhichArgumentsAreMissing() async throws {
            try await TestCluster.run(nodes: [2]) { cluster, nodes in
                let folder = TemporaryDirectory()
                let gate = folder.file("gate")
                let gatekeeper = Gatekeeper.remote()
                let maker = untilThere.remote(gate)
                let waitingTask = twiceAs.remote(maker)
                let waitingCall = gatekeeper.twiceAs(maker)
                let behind = gatekeeper.untilThere(gate)
                let rows = { try await cluster.state(.tasks).tasks.filter { $0.endedAt == nil } }
                try await eventually("rows of all of them", within: .seconds(30)) { try await rows().count == 4 }
                func row(_ task: TaskID) async throws -> TaskRow { try #require(try await rows().first { $0.id == task }) }
                let running = try await row(maker.id.task)
                #expect(running.state == .running && running.node == nodes[0].id && running.worker != nil && running.placement == .home)
                #expect(try await row(waitingTask.id.task).state == .waitingForArguments)
                #expect(try await row(waitingCall.id.task).state == .waitingForArguments)
                #expect(try await row(behind.id.task).state == .waitingForLease)
                try await eventually("the numbers", within: .seconds(30)) {
                    try await cluster.state(.tasks).unfinishedTasks == ["waitingForArguments": 2, "waitingForLease": 1, "running": 1]
                }
                let ofTask = try await explain(waitingTask.id.task, cluster)
                #expect(ofTask.contains("argument 1, object \(maker.id), is not there: SchedulingTests.untilThere(_:)") && ofTask.contains("sent to worker"), "\(ofTask)")
                let ofCall = try await explain(waitingCall.id, cluster)
                #expect(ofCall.contains("waits in line for actor") && ofCall.contains("behind 0 calls") && ofCall.contains("is not there"), "\(ofCall)")
                let ofNext = try await explain(behind.id.task, cluster)
                #expect(ofNext.contains("behind 1 calls") && ofNext.contains("waits for 1 of its arguments"), "\(ofNext)")
                let ofMaker = try await explain(maker.id.task, cluster)
                #expect(ofMaker.contains("runs there") && ofMaker.contains("it is the node of the process that submitted it"), "\(ofMaker)")
                _ = fopen(gate, "we").map { fclose($0) }
                #expect(try await [waitingTask.value, waitingCall.value, behind.value] == [2, 2, 1])
                let second = folder.file("second")
                let call = gatekeeper.untilThere(second)
                try await eventually("the call's row", within: .seconds(30)) {
                    let row = try await rows().first { $0.id == call.id.task }
                    return row?.state == .running && row?.node == nodes[0].id && row?.worker != nil
                }
                #expect(try await explain(call.id.task, cluster).contains("runs there"))
                _ = fopen(second, "we").map { fclose($0) }
                #expect(try await call.value == 1)
                await #expect(throws: MantaError.self) { try await explain("0123456789", cluster) }
            }
        }

        @Test func aTasksNameIsWhatPeopleSee() async throws {
            try await TestCluster.run(nodes: [1]) { cluster, _ in
                let named = whatItIs.options(name: "nightly report")
                #expect(try await named.remote(fails: false).value == "nightly report")
                let failing = named.remote(fails: true)
                do {
                    _ = try await failing.value
                    Issue.record("it returned")
                } catch let error as TaskError { #expect(error.function == "nightly report") }
                try await eventually("the record", within: .seconds(30)) {
                    let row = try await cluster.state(.tasks).tasks.first { $0.id == failing.id.task }
                    return row?.state == .failed && row?.name == "nightly report" && row?.function == "SchedulingTests.whatItIs(fails:)"
                }
                let text = try await explain(failing.id.task, cluster)
                #expect(text.contains("\"nightly report\" (SchedulingTests.whatItIs(fails:))"), "\(text)")
                await #expect(throws: MantaError.self) { _ = try await whatItIs.options(name: "").remote(fails: false).value }
            }
        }

        @Test func FAIL_009_everyAttemptIsListedWithItsWorkerAndItsEnd() async throws {
            try await TestCluster.run(nodes: [1]) { cluster, _ in
                let folder = TemporaryDirectory()
                let task = dieAtFirst.options(retries: 3).remote(times: 3, noting: folder.file("pids"))
                #expect(try await task.value == 4)
                let pids = try String.lines(of: folder.file("pids"))
                #expect(pids.count == 4)
                var failed: [TaskAttempt] = []
                try await eventually("the records of four attempts", within: .seconds(30)) {
                    let row = try await cluster.state(.tasks).tasks.first { $0.id == task.id.task }
                    failed = row?.attempts ?? []
                    return row?.state == .finished && row?.attempt == 4 && failed.count == 3
                }
                #expect(failed.map(\.state) == [.failed, .failed, .failed])
                for (attempt, pid) in zip(failed, pids) { #expect(attempt.error?.contains("worker \(pid)") == true, "\(attempt.error ?? "")") }
                #expect(Set(failed.compactMap(\.worker)).count == 3)
                let text = try await explain(task.id.task, cluster)
                #expect(text.contains("attempt 3 failed") && text.contains("attempt 4 finished"), "\(text)")
            }
        }
    }
}

/// Ends when the file is there.
@Remote func untilThere(_ path: String) async throws -> Int {
    while access(path, F_OK) != 0 { try await Task.sleep(for: .milliseconds(10)) }  // the work itself
    return 1
}

@Remote func twiceAs(_ number: Int) -> Int { 2 * number }

@RemoteActor actor Gatekeeper {
    init() {}
    func twiceAs(_ number: Int) -> Int { 2 * number }
    func untilThere(_ path: String) async throws -> Int {
        while access(path, F_OK) != 0 { try await Task.sleep(for: .milliseconds(10)) }  // the work itself
        return 1
    }
}

@Remote func whatItIs(fails: Bool) throws -> String {
    struct Failure: Error {}
    if fails { throw Failure() }
    return try Manta.context.function ?? "nothing"
}

/// Notes its process, and ends it in the first tries.
@Remote func dieAtFirst(times: Int, noting path: String) throws -> Int {
    guard let file = fopen(path, "ae") else { return -1 }
    fputs("\(getpid())\n", file)
    fclose(file)
    let attempt = try Manta.context.attempt
    if attempt <= times { kill(getpid(), SIGKILL) }
    return attempt
}

extension String {
    /// The lines of a file.
    static func lines(of path: String) throws -> [String] {
        guard let file = fopen(path, "re") else { throw DidNotHappen(description: "there is no file \(path)") }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n").map(String.init)
    }
}
