// Options of functions and actors, and what failures and contexts tell programs.

import Glibc
import Manta
import MantaModel
import MantaTestKit
import Testing

extension SharedClusterTests {
@Suite(.serialized) struct OptionTests {
    private func expectDeath(_ body: () async throws -> Void) async {
        let error = await #expect(throws: MantaError.self) { try await body() }
        #expect(error?.code == .actorDied)
    }

    @Test func callsBeyondAnActorsLimitFailAtOnce() async throws {
        let gate = Gate.options(maxPendingCalls: 3).remote()
        try await Manta.ready(gate).value
        let waits = (0..<3).map { _ in gate.wait() }
        await expectCode(.overloaded, of: gate.waiting())
        let other = try await Manta.actors(where: [.equal("id", "\(Manta.id(of: gate))")])
        #expect(other.first?.state == .alive)
        try await Manta.kill(gate)
        for wait in waits { await expectDeath { try await wait.value } }
    }

    @Test func callsOfAnActorThatDoesNotOrderThemPassThoseThatWait() async throws {
        let gate = Gate.remote()
        let late = waitFor.options(cpus: 0).remote(gate)
        let counter = Counter.options(ordersCalls: false).remote()
        let first = counter.increment(by: late)
        #expect(try await counter.increment(by: 1).value == 1, "it does not wait for the one before")
        #expect(!first.isReady)
        try await gate.open().value
        #expect(try await first.value == 2)
    }

    @Test func aWorkerEndsBehindSoManyCalls() async throws {
        var processes: [Int32: Int] = [:]
        for number in 0..<5 { processes[try await processOfTwo.remote(number).value, default: 0] += 1 }
        #expect(processes.values.allSatisfy { $0 <= 2 } && processes.count >= 3, "\(processes)")
        var single: Set<Int32> = []
        for number in 0..<3 { single.insert(try await processOfTwo.options(maxCalls: 1).remote(number).value) }
        #expect(single.count == 3)
        try await eventually("the end of the workers", within: .seconds(30)) { single.allSatisfy { kill($0, 0) != 0 } }
        let error = await #expect(throws: MantaError.self) { try await processOfTwo.options(maxCalls: 0).remote(1).value }
        #expect(error?.code == .invalidArgument)
    }

    @Test func aReferenceTellsWhenAnActorLives() async throws {
        let busy = Gate.options(maxConcurrency: 1).remote()
        let held = busy.wait()
        try await Manta.ready(busy).value
        #expect(!held.isReady, "it waits for no call")
        try await Manta.kill(busy)
        await expectDeath { try await Manta.ready(busy).value }
        await expectDeath { try await held.value }
    }

    @Test func contextsTellActorsParentsAndNodes() async throws {
        let telling = Telling.options(name: "telling").remote()
        let told = try await tellOfParents.remote(telling).value
        #expect(told[1]?.hasSuffix(".Telling") == true && told[2] == "telling" && told[3] == told[0] && told[0] != nil)
        let context = try Manta.context
        #expect(told[4] == context.node?.description && context.nodeLabels[NodeLabel.node] == told[4])
        let address = try await SharedCluster.get().address
        #expect(told[5] == address && context.clusterAddress == address)
        try await Manta.kill(telling)
    }

    @Test func STATE_020_aCallIsListedByItsMethodAndByTheNameThatItWasGiven() async throws {
        let telling = Telling.remote()
        _ = try? await telling.breaks().value
        _ = try? await telling.breaks.options(name: "breaking")().value
        try await eventually("the records of both calls") {
            let calls = try await Manta.tasks(where: [.equal("actor", "\(Manta.id(of: telling))")])
            return Set(calls.map { "\($0.function.split(separator: ".").last ?? "") \($0.name ?? "unnamed")" }) == ["breaks() unnamed", "breaks() breaking"]
        }
        try await Manta.kill(telling)
    }

    @Test func anErrorThatComesBackAsItselfStillTellsWhereItWasThrown() async throws {
        let telling = Telling.remote()
        let call = telling.breaks.options(name: "breaking")()
        await #expect(throws: Trouble.broken(code: 5)) { try await call.value }
        let (failure, here) = (try #require(call.failure), try Manta.context.node)
        #expect(failure.function.hasSuffix("Telling.breaks()") && failure.actor == Manta.id(of: telling) && failure.pid != getpid() && failure.attempt == 1)
        #expect(failure.message.contains("5") && failure.host != nil && failure.node == here)
        let task = failing.options(retries: 0).remote(6)
        await #expect(throws: Trouble.broken(code: 6)) { try await task.value }
        #expect(task.failure?.function.hasSuffix("failing(_:)") == true && task.failure?.actor == nil && task.failure?.typeName.hasSuffix("Trouble") == true)
        let opaque = await #expect(throws: TaskError.self) { try await failingOpaquely.options(retries: 0).remote().value }
        #expect(opaque?.pid != nil && opaque?.host != nil)
        #expect(echoInt.remote(1).failure == nil)
    }

    @Test func causesOfDeathsAreThereForPrograms() async throws {
        let task = await #expect(throws: MantaError.self) { try await crash.options(retries: 0).remote().value }
        #expect(task?.details?.death?.kind == .signaled && task?.details?.death?.facts?.signal == SIGABRT && task?.details?.attempts == 1)
        let counter = Counter.options(name: "dying").remote()
        let actor = await #expect(throws: MantaError.self) { try await counter.end().value }
        let (details, here) = (actor?.details, try Manta.context.node)
        #expect(details?.death?.facts?.signal == SIGABRT && details?.actor == Manta.id(of: counter) && details?.actorName == "dying")
        #expect(details?.actorType?.hasSuffix(".Counter") == true && details?.node == here, "\(String(describing: details))")
    }
}
}
