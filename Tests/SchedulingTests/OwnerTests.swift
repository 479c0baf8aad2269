// What becomes of work whose owner or node has died.

import Glibc
import Manta
import MantaLoop
import MantaModel
import MantaTestCluster
import MantaTestKit
import MantaWire
import Testing

extension SchedulingTests {
    @Suite(.serialized) struct OwnerTests {
        /// The process that a task noted.
        private func noted(in path: String) -> Int32? {
            guard let file = fopen(path, "re") else { return nil }
            defer { fclose(file) }
            var bytes = [UInt8](repeating: 0, count: 512)
            let count = fread(&bytes, 1, bytes.count, file)
            return String(decoding: bytes[..<count], as: UTF8.self).split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int32($0) }
        }

        @Test(arguments: [false, true]) func FAIL_028_aChildEndsWithItsOwner(afterTheHeadsRestart: Bool) async throws {
            try await TestCluster.run(nodes: [1, 1]) { cluster, nodes in
                let folder = TemporaryDirectory()
                let parent = Resident.options(scheduling: .node(nodes[0].id)).remote()
                let child = try await parent.makeChild().value
                let (parentProcess, childProcess) = (try await parent.process().value, try await child.process().value)
                let submitter = Submitter.options(scheduling: .node(nodes[1].id)).remote()
                let orphan = try await submitter.submit(noting: folder.file("child")).value[0]
                try await eventually("the child task", within: .seconds(30)) { noted(in: folder.file("child")) != nil }
                let (owner, task) = (try await submitter.process().value, try #require(noted(in: folder.file("child"))))
                if afterTheHeadsRestart {
                    try await cluster.restartHead()
                    try await eventually("the nodes' registration", within: .seconds(30)) {
                        try await cluster.state(.nodes).nodes.count { $0.state == .alive } == 2
                    }
                }
                kill(parentProcess, SIGKILL)
                kill(owner, SIGKILL)
                try await eventually("the end of the child actor", within: .seconds(30)) { hasEnded(childProcess) }
                try await eventually("the end of the child task", within: .seconds(30)) { hasEnded(task) }
                let error = await #expect(throws: MantaError.self) { try await orphan.value }
                #expect(error?.code == .ownerDied)
                let call = await #expect(throws: MantaError.self) { try await child.node().value }
                #expect(call?.code == .actorDied)
            }
        }

        /// The states of a function's tasks.
        private func states(of function: String, in tasks: [TaskRow]) -> [TaskState] { tasks.filter { $0.function.contains(function) }.map(\.state) }

        @Test func STATE_013_whatATaskSubmittedFailsWithItsProcess() async throws {
            try await TestCluster.run(nodes: [8]) { cluster, _ in
                let folder = TemporaryDirectory()
                let parent = submitAndDie.options(retries: 0).remote(noting: folder.file("end"))
                try await eventually("the grandchildren") {
                    states(of: "waitForGood", in: try await cluster.state(.tasks).tasks).filter { $0 == .running }.count == 2
                }
                #expect(creat(folder.file("end"), 0o600) >= 0)
                let error = await #expect(throws: MantaError.self) { try await parent.value }
                #expect(error?.code == .workerCrashed)
                try await eventually("the failure of all five") {
                    let tasks = try await cluster.state(.tasks).tasks
                    return tasks.count == 5 && tasks.allSatisfy { $0.state == .failed }
                }
            }
        }

        @Test func STATE_014_whatACallSubmittedFailsWithItsActorUnlessItHasEnded() async throws {
            try await TestCluster.run(nodes: [8]) { cluster, _ in
                let folder = TemporaryDirectory()
                let submitter = Submitter.remote()
                _ = try await submitter.finishChild().value
                let call = submitter.submitAndDie(noting: folder.file("end"))
                try await eventually("its child") { states(of: "waitForGood", in: try await cluster.state(.tasks).tasks) == [.running] }
                #expect(creat(folder.file("end"), 0o600) >= 0)
                _ = await #expect(throws: MantaError.self) { try await call.value }
                try await eventually("the failure of the call and its child") {
                    let tasks = try await cluster.state(.tasks).tasks
                    return states(of: "submitAndDie", in: tasks) == [.failed] && states(of: "waitForGood", in: tasks) == [.failed]
                        && states(of: "finishChild", in: tasks) == [.finished] && states(of: "whereAmI", in: tasks) == [.finished]
                }
            }
        }

        @Test func aDriverOutlivesItsNodeWhereAnotherOneServesItsMachine() async throws {
            try await TestCluster.run(nodes: [1, 1]) { cluster, nodes in
                let folder = TemporaryDirectory()
                // Of equal nodes the older one is the driver's.
                let task = hangOnce.options(scheduling: .node(nodes[0].id, soft: true)).remote(noting: folder.file("tries"))
                try await eventually("the first try", within: .seconds(30)) { access(folder.file("tries"), F_OK) == 0 }
                nodes[0].kill()
                #expect(try await task.value == nodes[1].id.description)
                #expect(try await whereAmI.remote().value == nodes[1].id.description)
            }
        }

        @Test func aDriverWhoseMachineHasNoNodeAnyMoreIsTold() async throws {
            try await TestCluster.run(nodes: [1]) { cluster, nodes in
                let worker = try await process.remote().value
                nodes[0].kill()
                try await eventually("the end of its worker", within: .seconds(30)) { hasEnded(worker) }
                for _ in 0..<2 {
                    let error = await #expect(throws: MantaError.self) { try await whereAmI.remote().value }
                    #expect(error?.code == .nodeDied)
                }
            }
        }

        @Test func FAIL_023_workersEndWithTheirNode() async throws {
            try await TestCluster.run(nodes: [1, 1]) { cluster, nodes in
                let worker = try await process.options(scheduling: .node(nodes[1].id)).remote().value
                let resident = Resident.options(scheduling: .node(nodes[1].id)).remote()
                let home = try await resident.process().value
                nodes[1].kill()
                try await eventually("the end of its workers", within: .seconds(30)) { hasEnded(worker) && hasEnded(home) }
                let error = await #expect(throws: MantaError.self) {
                    while true { _ = try await resident.process().value }
                }
                #expect(error?.code == .actorDied)
            }
        }

        @Test func FAIL_038_aLostNodeIsOneError() async throws {
            try await TestCluster.run(nodes: [1, 1]) { cluster, nodes in
                nodes[1].kill()
                try await eventually("the node's death", within: .seconds(30)) {
                    try await cluster.state(.nodes).nodes.first { $0.id == nodes[1].id }?.state == .dead
                }
                let errors = try await cluster.state(.errors).errors
                #expect(errors.count { $0.code == "nodeDied" && $0.node == nodes[1].id } == 1)
            }
        }

        @Test func FAIL_027_whatDiedWhileTheHeadWasAwayIsKnownLater() async throws {
            try await TestCluster.run(nodes: [2]) { cluster, _ in
                let mortal = Resident.remote()
                let lasting = Resident.options(name: "lasting", lifetime: .detached, maxRestarts: -1).remote()
                let before = (try await mortal.process().value, try await lasting.process().value)
                kill(cluster.head, SIGKILL)
                kill(before.0, SIGKILL)
                kill(before.1, SIGKILL)
                try await cluster.restartHead()
                let error = await #expect(throws: MantaError.self) {
                    while true { _ = try await mortal.process().value }
                }
                #expect(error?.code == .actorDied)
                try await eventually("the detached actor under another process", within: .seconds(60)) {
                    guard let pid = try? await lasting.process().value else { return false }
                    return pid != before.1
                }
                try await Manta.kill(lasting)
            }
        }
    }
}

/// Ends with its process.
@Remote func waitForGood() async throws -> Int {
    while true { try await Task.sleep(for: .seconds(3600)) }  // until its process ends
}
@Remote func waitForGrandchild() async throws -> Int { try await waitForGood.remote().value }

/// Ends its process when the file is there.
private func die(noting path: String) async throws -> Never {
    while access(path, F_OK) != 0 { try await Task.sleep(for: .milliseconds(10)) }  // until the test says so
    _exit(1)
}
@Remote func submitAndDie(noting path: String) async throws -> Int {
    let children = (0..<2).map { _ in waitForGrandchild.remote() }
    defer { withExtendedLifetime(children) {} }
    try await die(noting: path)
}

@RemoteActor(maxConcurrency: 10) actor Submitter {
    init() {}
    func finishChild() async throws -> String { try await whereAmI.remote().value }
    func submitAndDie(noting path: String) async throws -> Int {
        let child = waitForGood.remote()
        defer { withExtendedLifetime(child) {} }
        try await die(noting: path)
    }
    func process() -> Int32 { getpid() }
    func submit(noting path: String) -> [ObjectReference<String>] { [hangOnce.options(cpus: 0, retries: 0).remote(noting: path)] }
    func submitDeaf(noting path: String) -> [ObjectReference<Int>] { [turnDeaf.options(retries: 0).remote(noting: path)] }
}
