// Rows of the core that are not about cancelling, retries, streams or the lives of actors: waiting, the call matrix, contexts, threads, errors in patterns,
// and actors that end with their last handle.

import Glibc
import Manta
import MantaTestKit
import Testing

@Remote func length(_ values: [Double]) -> Int { values.count }
@Remote func lengthInside(_ references: [ObjectReference<[Double]>]) async throws -> Int { try await references[0].value.count }

@RemoteActor actor Lengths {
    init() {}
    func length(_ values: [Double]) -> Int { values.count }
    func lengthInside(_ references: [ObjectReference<[Double]>]) async throws -> Int { try await references[0].value.count }
    func ones(_ count: Int) -> [Double] { [Double](repeating: 1, count: count) }
    func resources() throws -> [String: Double] { try Manta.context.resources.amounts.mapValues(\.value) }
    func process() -> Int32 { getpid() }
}

@Remote func heldResources(_ ignored: Int) throws -> [String: Double] { try Manta.context.resources.amounts.mapValues(\.value) }

/// The jobs of what a task makes, here and from below.
@Remote func jobsOfWhatIsMade(_ depth: Int) async throws -> [JobID] {
    let mine = try Manta.context.job
    return depth == 0 ? [mine] : [mine] + (try await jobsOfWhatIsMade.remote(depth - 1).value)
}

@Remote func describeContext(_ ignored: Int) throws -> [String] {
    let context = try Manta.context
    return [context.task?.description ?? "", context.node?.description ?? "", context.process.description, "\(context.pid)", "\(context.attempt)"]
}

/// Many threads of one process at once, each with tasks, calls, puts and waits.
@Remote func busyThreads(_ threads: Int, rounds: Int) async throws -> Int { try await runBusyThreads(threads, rounds: rounds) }

func runBusyThreads(_ threads: Int, rounds: Int) async throws -> Int {
    try await withThrowingTaskGroup(of: Int.self) { group in
        let counter = Counter.remote()
        for _ in 0..<threads {
            group.addTask {
                for round in 0..<rounds {
                    guard try await echoInt.remote(round).value == round, try await Manta.put(round).value == round else { return 0 }
                    let (ready, pending) = try await Manta.wait([counter.increment(by: 0), counter.increment()], count: 2)
                    guard ready.count == 2, pending.isEmpty else { return 0 }
                }
                return 1
            }
        }
        return try await group.reduce(0, +)
    }
}

extension SharedClusterTests {
@Suite(.serialized) struct CoreRowTests {
    let board = Board.remote()

    @Test(arguments: [10, 200_000]) func CORE_005_theCallMatrix(count: Int) async throws {
        let actor = Lengths.remote()
        for producer in [ones.remote(count), actor.ones(count)] {
            #expect(try await length.remote(producer).value == count)
            #expect(try await lengthInside.remote([producer]).value == count)
            #expect(try await actor.length(producer).value == count)
            #expect(try await actor.lengthInside([producer]).value == count)
        }
    }

    @Test func CORE_013_waitRefusesAReferenceTwiceAndTakesNone() async throws {
        let one = echoInt.remote(1)
        let error = await #expect(throws: MantaError.self) { try await Manta.wait([one, one]) }
        #expect(error?.code == .invalidArgument)
        let (ready, pending) = try await Manta.wait([ObjectReference<Int>]())
        #expect(ready.isEmpty && pending.isEmpty)
    }

    @Test func CORE_016_manyThreadsWorkAtOnce() async throws {
        #expect(try await runBusyThreads(10, rounds: 10) == 10)
        #expect(try await busyThreads.remote(4, rounds: 5).value == 4)
    }

    @Test func CORE_017_aCallersWaitHoldsUpNoOtherCaller() async throws {
        let log = CallerLog.remote()
        let held = hold.remote(board, "slow argument")
        log.push(0, held)
        #expect(try await pushNumbered.options(cpus: 0.1).remote(log, 1, 3).value == 1)
        held.cancel()
    }

    @Test func CORE_033_getWithATimeoutReturnsAsSoonAsTheValueIsThere() async throws {
        let clock = ContinuousClock()
        let start = clock.now
        #expect(try await Manta.get([echoInt.remote(3)], timeout: .seconds(30)) == [3])
        #expect(clock.now - start < .seconds(20))
    }

    @Test func CORE_040_everythingBelowATaskBelongsToItsJob() async throws {
        let mine = try Manta.context.job
        #expect(try await jobsOfWhatIsMade.remote(3).value == [mine, mine, mine, mine])
    }

    @Test func CORE_049_contextsTellTheResources() async throws {
        #expect(try await heldResources.remote(0).value == ["CPU": 1])
        #expect(try await heldResources.options(cpus: 2, resources: ["disk": 0.5]).remote(0).value == ["CPU": 2, "disk": 0.5])
        #expect(try await Lengths.remote().resources().value.isEmpty)
        #expect(try await Lengths.options(cpus: 1).remote().resources().value == ["CPU": 1])
        let described = try await describeContext.remote(0).value
        let here = try Manta.context.node?.description
        #expect(described[0] != "" && described[1] == here && described[3] != "\(getpid())" && described[4] == "1")
    }

    @Test func errorsAreCaughtByKindAndByFamily() async throws {
        func kind(of body: () async throws -> Void) async -> String {
            do {
                try await body()
                return "none"
            } catch MantaError.Code.cancelled {
                return "cancelled"
            } catch MantaError.Family.died {
                return "died"
            } catch Trouble.broken(let code) {
                return "broken \(code)"
            } catch MantaError.Family.misuse {
                return "misuse"
            } catch { return "\(error)" }
        }
        let held = hold.remote(board, "held")
        held.cancel()
        #expect(await kind { _ = try await held.value } == "cancelled")
        #expect(await kind { _ = try await crash.options(retries: 0).remote().value } == "died")
        #expect(await kind { _ = try await failing.remote(7).value } == "broken 7")
        #expect(await kind { _ = try await echoInt.options(cpus: -1).remote(1).value } == "misuse")
    }

    @Test func FAIL_002_getThrowsWithoutWaitingForWhatNeverEnds() async throws {
        let patient = Patient.remote(board)
        let never = patient.hold("never")
        await #expect(throws: Trouble.broken(code: 1)) { try await Manta.get([patient.flaky("failing", tries: 9), never]) }
        never.cancel()
    }

    // MARK: Last handles

    @Test func ACTOR_007_aCallOnATemporaryHandleIsAnswered() async throws {
        #expect(try await Counter.remote(start: 4).increment().value == 5)
        let pending = Batcher.remote(1).join(7)
        #expect(try await pending.value == [7])
    }

    @Test func ACTOR_009_anActorEndsWithItsLastHandleAndIsNotRestarted() async throws {
        for _ in 0..<3 {
            // Each needs what the one before held.
            let process = try await Lengths.options(resources: ["disk": 2], maxRestarts: 3).remote().process().value
            try await eventually("the end of its process", within: .seconds(30)) { kill(process, 0) != 0 }
        }
        #expect(try await heldResources.options(resources: ["disk": 2]).remote(0).value["disk"] == 2)
    }

    @Test func anActorWhoseHandleWasGivenAwayLives() async throws {
        let reference = Manta.put(Counter.remote(start: 1))
        #expect(try await reference.value.increment().value == 2)
        #expect(try await reference.value.increment().value == 3)
        #expect(try await Manta.get([incrementThrice.remote(reference)]) == [6])
    }

    @Test func aNamedActorOutlivesItsHandles() async throws {
        #expect(try await Counter.options(name: "unheld").remote(start: 1).increment().value == 2)
        #expect(try await Counter.named("unheld").increment().value == 3)
        try await Manta.kill(Counter.named("unheld"))
    }
}
}
