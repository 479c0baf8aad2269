// Wrong options, waits that could never end, methods and actors that are not there: a precise error each, before anything runs where that is possible.

import Glibc
import Manta
import MantaModel
import MantaTestKit
import MantaWire
import MantaWorker
import Testing

/// Waits for its own result, which it is handed by the keeper.
@Remote func waitForItself(_ keeper: ReferenceKeeper.Handle) async throws -> Int { try await keeper.kept().value[0].value }

@Remote(retries: 0) func goOn(_ member: RingMember.Handle, _ left: Int) async throws -> Int { try await member.goAround(left, true).value }

/// An actor that holds a CPU, of the group that this task runs in.
@Remote func makeCounterWithCPU() async throws -> Int { try await Counter.options(cpus: 1).remote().increment().value }

/// One of several that call each other in turn and wait.
@RemoteActor(maxConcurrency: 1) actor RingMember {
    private var next: RingMember.Handle?
    init() {}
    func know(_ next: RingMember.Handle) { self.next = next }
    func goAround(_ left: Int, _ throughTasks: Bool) async throws -> Int {
        guard left > 0, let next else { return 0 }
        return try await (throughTasks ? goOn.remote(next, left - 1) : next.goAround(left - 1, false)).value + 1
    }
    func standAt(_ gate: String, noting path: String) async throws -> Int {
        if let file = fopen(path, "we") { fclose(file) }
        while access(gate, F_OK) != 0 { try await Task.sleep(for: .milliseconds(20)) }  // until the test says so
        return 0
    }
}

@RemoteActor actor ReferenceKeeper {
    private var references: [ObjectReference<Int>] = []
    init() {}
    func keep(_ references: [ObjectReference<Int>]) { self.references = references }
    func kept() async throws -> [ObjectReference<Int>] {
        while references.isEmpty { try await Task.sleep(for: .milliseconds(5)) }  // until it is told
        return references
    }
}

/// Calls itself and waits.
@RemoteActor final class SelfCaller {
    private var me: SelfCaller.Handle?
    init() {}
    func know(_ handle: SelfCaller.Handle) -> Int {
        me = handle
        return 1
    }
    func call() async throws -> Int { try await me?.know(me!).value ?? 0 }
}

extension SharedClusterTests {
@Suite(.serialized) struct BadInputTests {
    private func refusal<Value: Decodable>(of reference: ObjectReference<Value>) async -> MantaError? {
        // It has failed already: nothing was submitted.
        #expect(reference.isReady)
        return await #expect(throws: MantaError.self) { try await reference.value }
    }

    @Test func amountsThatCannotBeAreRefusedAtOnce() async throws {
        let cases: [(ObjectReference<Int>, String)] = [
            (echoInt.options(cpus: -1).remote(1), "\"CPU\" is -1"), (echoInt.options(cpus: .infinity).remote(1), "inf"),
            (echoInt.options(cpus: 1e20).remote(1), "9e14"), (echoInt.options(gpus: 1.5).remote(1), "whole number"),
            (echoInt.options(memory: -5).remote(1), "\"memory\""), (echoInt.options(resources: ["": 1]).remote(1), "empty name"),
            (echoInt.options(resources: ["CPU": 1]).remote(1), "use the parameter cpus"), (echoInt.options(retries: -2).remote(1), "retries is -2"),
            (echoInt.options(timeout: .zero).remote(1), "timeout"),
            (echoInt.options(resources: ["a,b": 1]).remote(1), "comma"), (echoInt.options(resources: ["a=b": 1]).remote(1), "comma"),
            (echoInt.options(scheduling: .labels(["zone": .in([])])).remote(1), "\"zone\" must be in no values"),
            (echoInt.options(scheduling: .labels([:], preferring: ["": .exists])).remote(1), "empty name"),
            (echoInt.options(scheduling: .labels([:])).remote(1), "no conditions"),
        ]
        for (reference, part) in cases {
            let error = await refusal(of: reference)
            #expect(error?.code == .invalidArgument && error?.message.contains(part) == true, "\(part): \(String(describing: error))")
        }
    }

    @Test func optionsOfActorsThatCannotBeAreRefusedAtOnce() async throws {
        let cases: [(Counter.Handle, String)] = [
            (Counter.options(cpus: -0.5).remote(), "\"CPU\" is -0.5"), (Counter.options(maxRestarts: -2).remote(), "maxRestarts is -2"),
            (Counter.options(maxConcurrency: 0).remote(), "maxConcurrency is 0"), (Counter.options(maxTaskRetries: -7).remote(), "maxTaskRetries is -7"),
            (Counter.options(concurrencyGroups: ["io": 0]).remote(), "io"), (Counter.options(getIfExists: true).remote(), "needs a name"),
            (Counter.options(name: "").remote(), "empty"), (Counter.options(name: String(repeating: "n", count: 300)).remote(), "300 bytes"),
        ]
        for (actor, part) in cases {
            let error = await refusal(of: actor.increment())
            #expect(error?.code == .invalidArgument && error?.message.contains(part) == true, "\(part): \(String(describing: error))")
        }
        let labelled = await refusal(of: Counter.options(scheduling: .labels(["zone": .notIn([])])).remote().increment())
        #expect(labelled?.message.contains("\"zone\" must not be in no values") == true, "\(String(describing: labelled))")
        let counter = Counter.remote()
        let unknown = await #expect(throws: MantaError.self) { try await counter.increment.options(concurrencyGroup: "none")(by: 1).value }
        #expect(unknown?.message.contains("has no concurrency group \"none\"") == true, "\(String(describing: unknown))")
    }

    @Test func whatCouldNotBeSubmittedIsAnObjectAsAnyOther() async throws {
        let refused = echoInt.options(cpus: -1).remote(1)
        let keeper = ReferenceKeeper.remote()
        try await keeper.keep([refused]).value
        let elsewhere = try await keeper.kept().value[0]
        await expectCode(.invalidArgument, of: elsewhere)
        refused.cancel()
        try await refused.cancelByForce()
        try await Manta.free([refused])
        #expect(try await Manta.locations(of: [refused]).first?.size == nil)
        await expectCode(.invalidArgument, of: refused)
    }

    @Test func anActorThatCouldNotBeCreatedIsNotSentOnNorEnded() async throws {
        let actor = Counter.options(maxRestarts: -2).remote()
        await expectCode(.invalidArgument, of: Manta.put([actor]))
        for end in [{ try await Manta.kill(actor) }, { try await Manta.terminate(actor) }] as [@Sendable () async throws -> Void] {
            let error = await #expect(throws: MantaError.self) { try await end() }
            #expect(error?.message.contains("maxRestarts is -2") == true, "\(String(describing: error))")
        }
    }

    @Test func aNameIsNotTakenForAnActorOfAnotherType() async throws {
        let counter = Counter.options(name: "typed").remote()
        #expect(try await counter.increment().value == 1)
        let other = SelfCaller.options(name: "typed", getIfExists: true).remote()
        let error = await #expect(throws: MantaError.self) { try await other.call().value }
        #expect(error?.code == .wrongType && error?.message.contains("Counter; expected a ") == true, "\(String(describing: error))")
        #expect(try await counter.increment().value == 2)
        try await Manta.kill(counter)
    }

    @Test func anActorThatItsGroupCannotHoldIsRefusedAndOneThatNeedsNothingLivesInABundleWithoutCPUs() async throws {
        let group = try await Manta.placementGroup([["disk": 1]])
        let resident = Counter.options(scheduling: .group(group)).remote()
        #expect(try await resident.increment().value == 1)
        let error = await refusal(of: Counter.options(cpus: 1, scheduling: .group(group, bundle: 0)).remote().increment())
        #expect(error?.code == .invalidArgument && error?.message.contains("it needs CPU 1") == true, "\(String(describing: error))")
        let inside = makeCounterWithCPU.options(cpus: 0, scheduling: .group(group, capturesChildren: true)).remote()
        let captured = await #expect(throws: MantaError.self) { try await inside.value }
        #expect(captured?.code == .invalidArgument && captured?.message.contains("it needs CPU 1") == true, "\(String(describing: captured))")
        try await group.remove()
        let gone = await #expect(throws: MantaError.self) { while true { _ = try await resident.increment().value } }
        #expect(gone?.code == .placementGroupRemoved, "\(String(describing: gone))")
    }

    /// Nobody adds nodes to a cluster that a program started for itself.
    @Test func whatNoNodeCanEverHoldFailsInAProgramsOwnCluster() async throws {
        let group = try await Manta.placementGroup([["CPU": 1], ["CPU": 64]])
        let (task, actor) = (echoInt.options(cpus: 64).remote(1), Counter.options(cpus: 64).remote())
        let waits: [@Sendable () async throws -> Void] = [
            { _ = try await task.value }, { _ = try await actor.increment().value }, { _ = try await group.ready().value },
        ]
        try await eventually("demands that people see", within: .seconds(30)) {
            let demands = try await SharedCluster.get().runtime?.head(QueryState(tables: [.nodes], limit: 1)).demands ?? []
            return demands.contains { $0.resources == Resources(["CPU": 64]) && $0.count >= 2 && $0.infeasible }
        }
        for wait in waits {
            let error = await #expect(throws: MantaError.self) { try await wait() }
            #expect(error?.code == .unschedulable, "\(String(describing: error))")
        }
    }

    @Test func aMethodThatDoesNotExistIsNamedWithThoseThatDo() async throws {
        let counter = Counter.remote(start: 1)
        let runtime = try #require(CurrentRuntime.get() as? Runtime)
        let error = await #expect(throws: MantaError.self) { try await runtime.call(actor: counter._actor.id, methodNamed: "decrement", arguments: [0x90]) }
        #expect(error?.code == .unknownFunction && error?.message.contains("\"decrement\"") == true && error?.message.contains("increment(by:)") == true, "\(String(describing: error))")
        #expect(try await counter.increment().value == 2, "nothing else changed")
    }

    @Test func aTaskThatWaitsForItselfIsToldSo() async throws {
        let keeper = ReferenceKeeper.remote()
        let task = waitForItself.options(retries: 0).remote(keeper)
        keeper.keep([task])
        let error = await #expect(throws: MantaError.self) { try await task.value }
        #expect(error?.code == .conflict && error?.message.contains("waits for its own result") == true, "\(String(describing: error))")
    }

    @Test func anActorThatCallsItselfAndWaitsIsToldSo() async throws {
        let caller = SelfCaller.remote()
        #expect(try await caller.know(caller).value == 1)
        let error = await #expect(throws: MantaError.self) { try await caller.call().value }
        #expect(error?.code == .conflict && error?.message.contains("waits for a call of its own actor") == true, "\(String(describing: error))")
    }

    @Test(arguments: [2, 3], [false, true]) func actorsThatWaitForEachOtherAreToldSo(count: Int, throughTasks: Bool) async throws {
        let ring = (0..<count).map { _ in RingMember.remote() }
        for (index, member) in ring.enumerated() { try await member.know(ring[(index + 1) % count]).value }
        let error = await #expect(throws: MantaError.self) { try await ring[0].goAround(count, throughTasks).value }
        #expect(error?.code == .conflict && error?.message.contains("can never begin") == true, "\(String(describing: error))")
        #expect(error?.message.contains("RingMember.goAround") == true, "\(String(describing: error))")
        // Only the wait that closed the ring failed; all are free again.
        for member in ring { #expect(try await member.goAround(0, false).value == 0) }
    }

    @Test func whatWaitsInLineWithoutACycleIsLeftAlone() async throws {
        let (first, second) = (RingMember.remote(), RingMember.remote())
        try await first.know(second).value
        let gate = TemporaryDirectory()
        let slow = second.standAt(gate.file("gate"), noting: gate.file("begun"))
        try await eventually("the call in front", within: .seconds(30)) { access(gate.file("begun"), F_OK) == 0 }
        let behind = first.goAround(1, false)
        // Twice as long as it takes for a wait to be looked at.
        #expect(try await Manta.wait([behind], timeout: .seconds(3)).ready.isEmpty)
        _ = try #require(fopen(gate.file("gate"), "we").map { fclose($0) })
        #expect(try await behind.value == 1)
        #expect(try await slow.value == 0)
    }
}
}
