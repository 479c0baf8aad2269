// Rows of the core that are not about cancelling, retries, streams or the lives of actors: waiting, the call matrix, contexts, threads, errors in patterns,
// and actors that end with their last handle.

import Glibc
import Manta
import MantaModel
import MantaTestKit
import MantaWire
import MantaWorker
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

/// The jobs of what a task makes from a thread that has nothing of it: a task, a call of an actor, and what either makes.
@Remote func jobsOfWhatAThreadMakes(_ ignored: Int) async throws -> [JobID] {
    try await Task.detached {
        let actor = JobTeller.remote()
        return [try Manta.context.job, try await actor.job().value] + (try await jobsOfWhatIsMade.remote(1).value) + (try await actor.jobsFromAThread().value)
    }.value
}

@RemoteActor actor JobTeller {
    init() {}
    func job() throws -> JobID { try Manta.context.job }
    func jobsFromAThread() async throws -> [JobID] { try await Task.detached { try await jobsOfWhatIsMade.remote(1).value }.value }
}

/// Its parameters with and without a default.
@Remote func joined(_ x: Int, _ y: Int, third: Int = 0, fourth: Int = 0) -> [Int] { [x, y, third, fourth] }
@Remote func twice(_ first: [Int], _ second: [Int], again third: [Int]) -> Bool { first == second && second == third }

@RemoteActor final class Joiner {
    init() {}
    func joined(_ x: Int, _ y: Int, third: Int = 0) -> [Int] { [x, y, third] }
    func twice(_ first: [Int], _ second: [Int], again third: [Int]) -> Bool { first == second && second == third }
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

/// One of three values, then an early end.
@Remote func endingEarly(_ ignored: Int) -> ResultStream<Int> {
    ResultStream { yield in
        for number in 0..<3 {
            if number == 1 { return }
            try await yield(number)
        }
    }
}

@Remote func blocks(_ count: Int, of doubles: Int) -> ResultStream<[Double]> {
    ResultStream { yield in
        for number in 0..<count { try await yield([Double](repeating: Double(number), count: doubles)) }
    }
}

/// Delivers what the one below delivers.
@RemoteActor actor Relay {
    private let below: Relay.Handle?
    init(_ below: Relay.Handle?) { self.below = below }
    func stream(_ count: Int, of doubles: Int) -> ResultStream<[Double]> {
        ResultStream { [below] yield in
            if let below {
                for try await item in below.stream(count, of: doubles) { try await yield(try await item.value) }
            } else {
                for number in 0..<count { try await yield([Double](repeating: Double(number), count: doubles)) }
            }
        }
    }
}

enum Versions {
    enum First { @Remote static func version() async -> Int { 1 } }
    enum Second { @Remote static func version() async -> Int { 2 } }
    enum Third { @Remote static func version() async -> Int { 3 } }
    enum Fourth { @Remote static func version() async -> Int { 4 } }
    enum Fifth { @Remote static func version() async -> Int { 5 } }
}

extension SharedClusterTests {
@Suite(.serialized) struct CoreRowTests {
    let board = Board.remote()

    @Test(arguments: [10, 10_000_000]) func CORE_005_theCallMatrix(count: Int) async throws {
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

    @Test func CORE_037_aReferenceIsNotPutOnceMore() async throws {
        // To get a value that is no reference does not compile.
        let one = Manta.put(1)
        let error = await #expect(throws: MantaError.self) { try await Manta.put(one).value }
        #expect(error?.code == .invalidArgument && error?.message.contains("\(one.id)") == true, "\(String(describing: error))")
        #expect(try await Manta.put([one]).value[0].value == 1)
    }

    @Test func CORE_040_everythingBelowATaskBelongsToItsJob() async throws {
        let mine = try Manta.context.job
        #expect(try await jobsOfWhatIsMade.remote(3).value == [mine, mine, mine, mine])
        let jobs = try await jobsOfWhatAThreadMakes.remote(0).value
        #expect(jobs.count == 6 && Set(jobs) == [mine])
        let runtime = try #require(CurrentRuntime.get() as? Runtime)
        let actors = try await runtime.head(QueryState(tables: [.actors], limit: 10_000)).actors.filter { $0.type.contains("JobTeller") }
        #expect(!actors.isEmpty && actors.allSatisfy { $0.job == mine })
    }

    @Test func CORE_032_argumentsBindWithTheirDefaultsOrAreRefused() async throws {
        // With too few, or of another type, a call does not compile; a call by name is checked where the method is.
        #expect(try await joined.remote(1, 2).value == [1, 2, 0, 0])
        #expect(try await joined.remote(1, 2, third: 3).value == [1, 2, 3, 0])
        #expect(try await joined.remote(1, 2, third: 3, fourth: 4).value == [1, 2, 3, 4])
        let joiner = Joiner.remote()
        let runtime = try #require(CurrentRuntime.get() as? Runtime)
        for arguments in [[0x90], [0x91, 0x01], [0x94, 0x01, 0x01, 0x01, 0x01]] as [[UInt8]] {
            let error = await #expect(throws: MantaError.self) {
                try await runtime.call(actor: joiner._actor.id, methodNamed: "joined", arguments: arguments)
            }
            #expect(error?.code == .invalidArgument && error?.message.contains("joined(_:_:third:)") == true, "\(String(describing: error))")
        }
        #expect(try await joiner.joined(1, 2).value == [1, 2, 0])
    }

    // A program cannot define a function anew; what it may have is several of one name. That programs keep their versions, `ProcessTests` shows.
    @Test func CORE_050_ofFunctionsThatHaveOneNameEachCallRunsItsOwn() async throws {
        let versions: [() -> ObjectReference<Int>] = [
            { Versions.First.version.remote() }, { Versions.Second.version.remote() }, { Versions.Third.version.remote() },
            { Versions.Fourth.version.remote() }, { Versions.Fifth.version.remote() },
        ]
        // Not more than are told of in full: other tests look for theirs.
        let calls = (0..<200).map { versions[$0 % 5]() }
        #expect(try await Manta.get(calls) == (0..<200).map { $0 % 5 + 1 })
    }

    @Test func CORE_051_oneArgumentMayBePassedSeveralTimes() async throws {
        let values = Array(0..<100)
        let reference = Manta.put(values)
        #expect(try await twice.remote(values, values, again: values).value)
        #expect(try await twice.remote(reference, reference, again: reference).value)
        #expect(try await twice.remote(values, reference, again: values).value)
        let joiner = Joiner.remote()
        #expect(try await joiner.twice(reference, reference, again: reference).value)
        #expect(try await joiner.twice(reference, values, again: reference).value)
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

    @Test(arguments: [false, true]) func CORE_024_aStreamThatIsDroppedLeavesNothing(hasEnded: Bool) async throws {
        let runtime = try #require(CurrentRuntime.get() as? Runtime)
        func rows() async throws -> Int {
            try await runtime.head(QueryState(tables: [.objects], limit: 10_000)).objects.count { $0.source.contains("blocks") }
        }
        do {
            let stream = blocks.remote(5, of: 10)
            if hasEnded {
                try await eventually("the end of the producer", within: .seconds(30)) {
                    let tasks = try await runtime.head(QueryState(tables: [.tasks], limit: 10_000)).tasks
                    return tasks.contains { $0.function.contains("blocks") && $0.state == .finished }
                }
            }
            _ = stream
        }
        try await eventually("the end of its objects", within: .seconds(30)) { try await rows() == 0 }
    }

    @Test func CORE_041_tablesKeepWhatIsPut() async throws {
        let (table, other) = (try Manta.table("core 041", of: String.self), try Manta.table("core 041 too", of: String.self))
        #expect(try await table.get("a") == nil)
        #expect(try await table.add("a", "first"))
        #expect(try await table.add("a", "second") == false, "it was there")
        #expect(try await table.get("a") == "first")
        try await table.put("a", "third")
        #expect(try await table.get("a") == "third")
        #expect(try await other.get("a") == nil, "tables are apart")
        #expect(try await table.delete("a"))
        #expect(try await table.delete("a") == false)
        for key in ["p/1", "p/2", "p/3", "q"] { try await table.put(key, key) }
        #expect(try await table.delete(prefix: "p/") == 3)
        #expect(try await table.entries() == ["q": "q"])
        #expect(throws: MantaError.self) { try Manta.table("manta.anything", of: Int.self) }
    }

    @Test func CORE_042_aStreamPassesThroughFourActors() async throws {
        var relay = Relay.remote(nil)
        for _ in 0..<3 { relay = Relay.remote(relay) }
        var seen: [Double] = []
        for try await item in relay.stream(10, of: 50_000) {
            let values = try await item.value
            #expect(values.count == 50_000)
            seen.append(values[49_999])
        }
        #expect(seen == (0..<10).map(Double.init))
    }

    @Test func CORE_043_aStreamMayEndEarly() async throws {
        var seen: [Int] = []
        for try await item in endingEarly.remote(0) { seen.append(try await item.value) }
        #expect(seen == [0])
    }

    @Test func CORE_045_callbacksComeWithTheValue() async throws {
        let ready = Manta.put(5)
        #expect(await withCheckedContinuation { done in ready.onReady { done.resume(returning: try? await $0.value) } } == 5)
        let pending = flaky.remote(board, "callback \(ready.id)", tries: 1)
        let answer = await withCheckedContinuation { done in
            pending.onReady { done.resume(returning: $0.isReady ? try? await $0.value : nil) }
        }
        #expect(answer == 1)
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
