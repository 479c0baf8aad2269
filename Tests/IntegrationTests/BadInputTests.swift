// Wrong options, waits that could never end, methods and actors that are not there: a precise error each, before anything runs where that is possible.

import Manta
import MantaModel
import MantaTestKit
import MantaWorker
import Testing

/// Waits for its own result, which it is handed by the keeper.
@Remote func waitForItself(_ keeper: ReferenceKeeper.Handle) async throws -> Int { try await keeper.kept().value[0].value }

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
        let counter = Counter.remote()
        let unknown = await #expect(throws: MantaError.self) { try await counter.increment.options(concurrencyGroup: "none")(by: 1).value }
        #expect(unknown?.message.contains("has no concurrency group \"none\"") == true, "\(String(describing: unknown))")
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
}
}
