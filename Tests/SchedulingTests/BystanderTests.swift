// Who pays when a worker process is ended for the sake of one of the tasks in it: that task, and none of the others.

import Glibc
import Manta
import MantaModel
import MantaTestCluster
import MantaTestKit
import Testing

extension SchedulingTests {
    @Suite(.serialized) struct BystanderTests {
        enum Reason: CaseIterable { case cancelledByForce, itsOwnerDied }

        @Test(arguments: Reason.allCases) func othersOfAProcessThatIsEndedRunAgainForNothing(because reason: Reason) async throws {
            try await TestCluster.run(nodes: [1]) { _, _ in
                let folder = TemporaryDirectory()
                let gate = Barrier.remote()
                let submitter = Submitter.remote()
                let owner = try await submitter.process().value
                // It allows no retry, and waits in the one process of the node's one CPU.
                let waiting = passBarrier.options(retries: 0).remote(gate, noting: folder.file("waiting"))
                try await eventually("the waiting task", within: .seconds(30)) { (try? String.lines(of: folder.file("waiting")).count) == 1 }
                try await eventually("its wait", within: .seconds(30)) { try await gate.waiting().value == 1 }
                let deaf: ObjectReference<Int> =
                    reason == .cancelledByForce
                    ? turnDeaf.options(retries: 0).remote(noting: folder.file("deaf")) : try await submitter.submitDeaf(noting: folder.file("deaf")).value[0]
                try await eventually("the task that does not listen", within: .seconds(30)) { (try? String.lines(of: folder.file("deaf")).count) == 1 }
                let home = try String.lines(of: folder.file("waiting"))
                #expect(try String.lines(of: folder.file("deaf")) == home, "both are in one process")
                if reason == .cancelledByForce { try await deaf.cancelByForce() } else { kill(owner, SIGKILL) }
                try await eventually("the second run", within: .seconds(30)) { (try? String.lines(of: folder.file("waiting")).count) == 2 }
                try await gate.open().value
                #expect(try await waiting.value == 2)
            }
        }
    }
}

/// Lets everybody pass when it is opened.
@RemoteActor(maxConcurrency: 100) actor Barrier {
    private var isOpen = false
    private var waiters: [CheckedContinuation<Void, Never>] = []
    init() {}
    func pass() async { if !isOpen { await withCheckedContinuation { waiters.append($0) } } }
    func waiting() -> Int { waiters.count }
    func open() {
        isOpen = true
        for waiter in waiters { waiter.resume() }
        waiters = []
    }
}

/// Notes its process, and returns its attempt when it may pass.
@Remote func passBarrier(_ barrier: Barrier.Handle, noting path: String) async throws -> Int {
    note(in: path)
    try await barrier.pass().value
    return try Manta.context.attempt
}

/// Notes its process, and never ends, whatever anybody asks.
@Remote func turnDeaf(noting path: String) -> Int {
    note(in: path)
    while true { pause() }
}

private func note(in path: String) {
    guard let file = fopen(path, "ae") else { return }
    fputs("\(getpid())\n", file)
    fclose(file)
}
