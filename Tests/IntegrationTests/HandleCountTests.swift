// Handles of actors without a name are counted wherever they are: an actor lives while any process has one, or calls made on one run, and not longer.

import Glibc
import Manta
import MantaTestKit
import Testing

/// Keeps a handle that it was given, until it is told to drop it.
@RemoteActor actor HandleKeeper {
    private var kept: [Lengths.Handle] = []
    init() {}
    func keep(_ handles: [Lengths.Handle]) { kept += handles }
    func processOfKept() async throws -> Int32 { try await kept[0].process().value }
    func drop() { kept = [] }
    func give() -> Lengths.Handle { kept[0] }
    func process() -> Int32 { getpid() }
}

/// Makes an actor here and hands it over.
@Remote func makeLengths(_ ignored: Int) async throws -> Lengths.Handle {
    let made = Lengths.remote()
    _ = try await made.process().value
    return made
}

/// Its call takes until a gate opens.
@RemoteActor actor GateWaiter {
    init() {}
    func process() -> Int32 { getpid() }
    func wait(at gate: Gate.Handle) async throws { try await gate.wait().value }
}

/// Calls the actor and does not wait for the answer.
@Remote func callWithoutWaiting(_ waiter: GateWaiter.Handle, _ gate: Gate.Handle) { _ = waiter.wait(at: gate) }

@Remote func processOf(_ handle: Lengths.Handle) async throws -> Int32 { try await handle.process().value }

extension SharedClusterTests {
@Suite(.serialized) struct HandleCountTests {
    private func isAlive(_ process: Int32) -> Bool { kill(process, 0) == 0 }

    private func ends(_ process: Int32, _ comment: String) async throws {
        try await eventually("the end of the actor's process: \(comment)", within: .seconds(30)) { !isAlive(process) }
    }

    /// The process of an actor of which the keeper alone has a handle.
    private func actorKept(by keeper: HandleKeeper.Handle) async throws -> Int32 {
        let lengths = Lengths.remote()
        let process = try await lengths.process().value
        try await keeper.keep([lengths]).value
        return process
    }

    @Test func anActorWhoseHandleWentThroughATaskEndsWithItsLastHandle() async throws {
        let process: Int32
        do {
            let lengths = Lengths.options(resources: ["disk": 2]).remote()
            process = try await processOf.remote(lengths).value
            #expect(try await processOf.remote(lengths).value == process)
        }
        try await ends(process, "no process has a handle")
        // What it held is free again.
        #expect(try await heldResources.options(resources: ["disk": 2]).remote(0).value["disk"] == 2)
    }

    @Test func anActorLivesWhileAnotherActorHasItsHandle() async throws {
        let keeper = HandleKeeper.remote()
        let process = try await actorKept(by: keeper)
        #expect(try await keeper.processOfKept().value == process, "this process has no handle any more")
        do {
            let back = try await keeper.give().value
            try await keeper.drop().value
            #expect(try await back.process().value == process, "it came back to the process that made it")
        }
        try await ends(process, "the keeper has dropped it, and so has this process")
    }

    @Test func anActorEndsWithTheProcessThatHasItsLastHandle() async throws {
        let keeper = HandleKeeper.remote()
        let process = try await actorKept(by: keeper)
        kill(try await keeper.process().value, SIGKILL)
        try await ends(process, "the process with the last handle was killed")
    }

    @Test func anActorLivesWhileAnObjectContainsItsHandle() async throws {
        let process: Int32
        do {
            let object = Manta.put([Lengths.remote(), Lengths.remote()])
            process = try await object.value[1].process().value
            #expect(try await object.value[1].process().value == process)
        }
        try await ends(process, "the object is gone")
    }

    @Test func theMakersProcessNeedNotHaveAHandle() async throws {
        let process: Int32
        do {
            let lengths = try await makeLengths.remote(0).value
            process = try await lengths.process().value
            #expect(try await lengths.length([1, 2]).value == 2)
        }
        try await ends(process, "the last handle was here, the actor was made by a task")
    }

    @Test func anActorEndsAfterTheCallsOfThoseWhoDroppedItsHandle() async throws {
        let gate = Gate.remote()
        let process: Int32
        do {
            let waiter = GateWaiter.remote()
            process = try await waiter.process().value
            try await callWithoutWaiting.remote(waiter, gate).value
        }
        try await eventually("the call of the task", within: .seconds(30)) { try await gate.waiting().value == 1 }
        #expect(isAlive(process), "nobody has a handle, but the call of the task still runs")
        try await gate.open().value
        try await ends(process, "its last call has ended")
    }
}
}
