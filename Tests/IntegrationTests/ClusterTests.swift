// The core on a real cluster of this machine: one session for all tests of the file, its node with two CPUs. Each test uses names of its own.

import Glibc
import Manta
import MantaTestKit
import Testing

/// The cluster that the tests of this file share; it ends with the test process.
enum SharedCluster {
    private static let session = Task { try await Manta.start(cpus: 2, resources: ["disk": 2]) }
    @discardableResult static func get() async throws -> Session { try await session.value }
}

/// Everything that runs on the shared cluster, one test after the other: its CPUs are few.
@Suite(.serialized, .timeLimit(.minutes(3)), .onSharedCluster) struct SharedClusterTests {}

/// Starts the shared cluster before a test.
struct OnSharedCluster: SuiteTrait, TestTrait, TestScoping {
    var isRecursive: Bool { true }
    func provideScope(for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void) async throws {
        try await SharedCluster.get()
        try await function()
    }
}

extension Trait where Self == OnSharedCluster {
    static var onSharedCluster: OnSharedCluster { OnSharedCluster() }
}

extension SharedClusterTests {
@Suite(.serialized) struct TaskTests {

    @Test func CORE_001_valuesComeBackEqual() async throws {
        for value in [0, 1, -1, 1 << 62, Int.min, Int.max] { #expect(try await echoInt.remote(value).value == value) }
        for value in ["", "ascii", "Zürich 🚀", String(repeating: "x", count: 300_000)] { #expect(try await echoText.remote(value).value == value) }
        let nested: [String: [Int?]] = ["a": [1, nil, 3], "": [], "ü": [nil]]
        #expect(try await echoNested.remote(nested).value == nested)
    }

    @Test func CORE_002_putAndGetNeedNoCPU() async throws {
        for round in 0..<100 {
            #expect(try await Manta.put(round).value == round)
            #expect(try await Manta.put([round, 2]).value == [round, 2])
        }
    }

    @Test func CORE_003_recursionGivesItsCPUBack() async throws {
        #expect(try await factorial.remote(5).value == 120)
        #expect(try await factorial.remote(15).value == 1_307_674_368_000)
    }

    @Test func CORE_004_chainsDoNotStarveTheirChildren() async throws {
        let references = (0..<200).map { chainF.remote($0) }
        #expect(try await Manta.get(references) == (0..<200).map { $0 + 3 })
    }

    @Test func CORE_006_topLevelReferencesAreResolvedNestedOnesStay() async throws {
        let one = echoInt.remote(1)
        #expect(try await echoInt.remote(one).value == 1)
        #expect(try await valueInside.remote([one, Manta.put(2), sum.remote(one, 2)]).value == 6)
    }

    @Test func CORE_008_getKeepsTheOrder() async throws {
        let references = (0..<10).map { echoInt.remote($0) }
        #expect(try await Manta.get(references.reversed() + [references[3], references[3]]) == (0..<10).reversed() + [3, 3])
    }

    @Test func CORE_010_waitCounts() async throws {
        let references = (0..<4).map { echoInt.remote($0) }
        let one = try await Manta.wait(references)
        #expect((one.ready.count, one.pending.count) == (1, 3))
        let all = try await Manta.wait(references, count: 4)
        #expect((all.ready.count, all.pending.count) == (4, 0))
    }

    @Test func CORE_011_waitEndsAtItsTimeout() async throws {
        let gate = Gate.remote()
        let slow = waitFor.remote(gate)
        let (ready, pending) = try await Manta.wait([echoInt.remote(1), slow], count: 2, timeout: .milliseconds(500))
        #expect(ready.count == 1)
        #expect(pending == [slow])
        try await gate.open().value
        #expect(try await slow.value == 1)
    }

    @Test func CORE_012_waitReturnsNoMoreThanAsked() async throws {
        let references = (0..<10).map { Manta.put($0) }
        let (ready, pending) = try await Manta.wait(references, count: 2)
        #expect((ready.count, pending.count) == (2, 8))
    }

    @Test func tupleResultsAreReferencesOfTheirOwn() async throws {
        let (quotient, remainder) = divide.remote(17, by: 5)
        let values = try await Manta.get(quotient, remainder)
        #expect(values == (3, 2))
    }

    @Test func largeValuesTravelByReference() async throws {
        let values = Manta.put([Double](repeating: 0.5, count: 1_000_000))
        #expect(try await total.remote(values).value == 500_000)
        #expect(try await total.remote(ones.remote(500_000)).value == 500_000)
    }

    @Test func referencesInsideResultsCanBeRead() async throws {
        let references = try await makeReferences.remote(5).value
        #expect(try await Manta.get(references) == [0, 1, 2, 3, 4])
    }

    @Test func errorsComeBackAsThemselves() async throws {
        await #expect(throws: Trouble.broken(code: 7)) { try await failing.remote(7).value }
        let error = await #expect(throws: TaskError.self) { try await failingOpaquely.remote().value }
        #expect(error?.typeName.hasSuffix("Opaque") == true)
        #expect(error?.function.contains("failingOpaquely") == true)
    }

    @Test func aFailedArgumentFailsTheTask() async throws {
        await #expect(throws: Trouble.broken(code: 9)) { try await sum.remote(failing.remote(9), 1).value }
    }

    @Test func FAIL_crashesAreRetriedThenTold() async throws {
        let error = await #expect(throws: MantaError.self) { try await crash.options(retries: 1).remote().value }
        #expect(error?.code == .workerCrashed)
        #expect(error?.message.contains("signal 6") == true)
    }

    @Test func badOptionsFailBeforeAnythingRuns() async throws {
        let error = await #expect(throws: MantaError.self) { try await echoInt.options(cpus: -1).remote(1).value }
        #expect(error?.code == .invalidArgument)
    }

    @Test func customResourcesLimitWhatRunsAtOnce() async throws {
        let gate = Gate.remote()
        let slow = (0..<2).map { _ in waitFor.options(cpus: 0, resources: ["disk": 1]).remote(gate) }
        #expect(try await Manta.get(slow.map { _ in echoInt.remote(1) }).count == 2)
        try await gate.open().value
        #expect(try await Manta.get(slow) == [1, 1])
    }

    @Test func workersAreOtherProcesses() async throws {
        #expect(try await workerProcess.remote().value != getpid())
    }
}

}

extension SharedClusterTests {
@Suite(.serialized) struct ActorTests {

    @Test func ACTOR_001_callsRunInTheOrderTheyWereMade() async throws {
        let ledger = Ledger.remote()
        let counts = (0..<100).map { ledger.append(echoInt.remote($0)) }
        #expect(try await Manta.get(counts) == Array(1...100))
        #expect(try await ledger.all().value == Array(0..<100))
    }

    @Test func ACTOR_003_actorsKeepTheirState() async throws {
        let counters = (0..<3).map { Counter.remote(start: $0) }
        for step in 1...10 {
            let values = try await Manta.get(counters.map { $0.increment() })
            #expect(values == [step, 1 + step, 2 + step])
        }
        for counter in counters { try await Manta.kill(counter) }
    }

    @Test func ACTOR_005_aThrowingConstructorFailsTheCalls() async throws {
        let counter = Counter.remote(start: -5)
        let error = await #expect(throws: MantaError.self) { try await counter.increment().value }
        #expect(error?.code == .actorDied)
        #expect(error?.message.contains("broken") == true)
    }

    @Test func handlesAreArguments() async throws {
        let counter = Counter.remote(start: 10)
        #expect(try await incrementThrice.remote(counter).value == 13)
        #expect(try await counter.increment(by: echoInt.remote(7)).value == 20)
    }

    @Test func errorsOfMethodsComeBackAndTheActorLives() async throws {
        let counter = Counter.remote(start: 3)
        await #expect(throws: Trouble.broken(code: 3)) { try await counter.fail().value }
        #expect(try await counter.increment().value == 4)
    }

    @Test func ACTOR_025_aTakenNameIsRefused() async throws {
        let first = Counter.options(name: "taken").remote()
        #expect(try await first.increment().value == 1)
        let second = Counter.options(name: "taken").remote()
        let error = await #expect(throws: MantaError.self) { try await second.increment().value }
        #expect(error?.code == .alreadyExists)
        #expect(try await first.increment().value == 2)
    }

    @Test func ACTOR_027_aKilledActorFreesItsName() async throws {
        let first = Counter.options(name: "reused").remote()
        #expect(try await first.increment().value == 1)
        try await Manta.kill(first)
        await #expect(throws: MantaError.self) { try await Counter.named("reused") }
        let second = Counter.options(name: "reused").remote(start: 5)
        #expect(try await second.increment().value == 6)
        let error = await #expect(throws: MantaError.self) { try await first.increment().value }
        #expect(error?.code == .actorDied)
    }

    @Test func ACTOR_028_namesBelongToNamespaces() async throws {
        let actor = Counter.options(name: "scoped", namespace: "elsewhere").remote()
        #expect(try await actor.increment().value == 1)
        let error = await #expect(throws: MantaError.self) { try await Counter.named("scoped") }
        #expect(error?.code == .notFound)
        #expect(try await Counter.named("scoped", namespace: "elsewhere").increment().value == 2)
    }

    @Test func getIfExistsFindsTheOlderActor() async throws {
        let first = Counter.options(name: "shared", getIfExists: true).remote(start: 1)
        #expect(try await first.increment().value == 2)
        let second = Counter.options(name: "shared", getIfExists: true).remote(start: 100)
        #expect(try await second.increment().value == 3)
    }

    @Test func aCrashedActorSaysWhy() async throws {
        let counter = Counter.remote()
        let error = await #expect(throws: MantaError.self) { try await counter.end().value }
        #expect(error?.code == .actorDied)
        #expect(error?.message.contains("signal 6") == true)
    }

    @Test func ACTOR_016_anActorWithRestartsLivesAgain() async throws {
        let counter = Counter.options(maxRestarts: 1).remote(start: 40)
        #expect(try await counter.increment().value == 41)
        await #expect(throws: MantaError.self) { try await counter.end().value }
        #expect(try await counter.increment().value == 41)
    }

    @Test func actorsAreProcessesOfTheirOwn() async throws {
        let (one, two) = (Counter.remote(), Counter.remote())
        #expect(try await one.process().value != two.process().value)
    }
}
}
