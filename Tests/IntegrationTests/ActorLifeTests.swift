// The lives of actors: how they end, how many calls run at once and in which groups, names that many race for, and the library types made of them.

import Glibc
import Manta
import MantaTestKit
import Testing

extension SharedClusterTests {
@Suite(.serialized) struct ActorLifeTests {
    let board = Board.remote()

    // MARK: Ends

    @Test func ACTOR_041_terminationEndsWhatCameBeforeAndRunsTheHook() async throws {
        let graceful = Departing.remote(board, "graceful")
        let calls = (0..<20).map { graceful.slow($0) }
        try await Manta.terminate(graceful)
        #expect(try await Manta.get(calls) == Array(0..<20), "calls that came before are answered")
        #expect(try await board.count("goodbye graceful").value == 1)
        await expectCode(.actorDied, of: graceful.slow(1))
        try await Manta.terminate(graceful)

        let killed = Departing.remote(board, "killed")
        #expect(try await killed.slow(1).value == 1)
        try await Manta.kill(killed)
        await expectCode(.actorDied, of: killed.slow(1))
        #expect(try await board.count("goodbye killed").value == 0)
    }

    @Test func aKillThatAllowsARestartLeavesAnActorThatWaitsForItsArguments() async throws {
        let gate = Gate.remote()
        let argument = waitFor.options(cpus: 0).remote(gate)
        let (lasting, mortal) = (Counter.options(maxRestarts: 1).remote(start: argument), Counter.remote(start: argument))
        for actor in [lasting, mortal] { try await Manta.kill(actor, mayRestart: true) }
        await expectCode(.actorDied, of: mortal.increment())
        try await gate.open().value
        #expect(try await lasting.increment().value == 2)
    }

    @Test func aTerminatedActorIsNotRestartedAndItsNameIsFree() async throws {
        let first = Departing.options(name: "departing", maxRestarts: -1).remote(board, "first")
        #expect(try await first.slow(1).value == 1)
        try await Manta.terminate(first)
        let second = Departing.options(name: "departing").remote(board, "second")
        #expect(try await second.slow(2).value == 2)
        try await Manta.kill(second)
    }

    @Test func anActorEndsItselfBehindTheCallsThatCameBefore() async throws {
        let leaver = Leaver.options(maxRestarts: -1).remote(board, "leaver")
        let refused = await #expect(throws: MantaError.self) { try await leaver.terminateMyself(leaver).value }
        #expect(refused?.code == .conflict && refused?.message.contains("exitActor") == true, "\(String(describing: refused))")
        #expect(try await leaver.leave().value == 1, "the call that asks for it answers")
        await expectCode(.actorDied, of: leaver.leave())
        try await eventually("its goodbye", within: .seconds(30)) { try await board.count("goodbye leaver").value == 1 }
        let early = Leaver.remote(board, leavingAs: "early leaver")
        try await eventually("its goodbye", within: .seconds(30)) { try await board.count("goodbye early leaver").value == 1 }
        await expectCode(.actorDied, of: early.leave())
        #expect(throws: MantaError.self) { try Manta.exitActor() }
    }

    @Test func aDetachedActorIsRefusedWhatTheHeadWouldHaveToKeep() async throws {
        func maker(_ lifetime: ActorLifetime) -> Weighty.Factory { Weighty.options(lifetime: lifetime) }
        let large = [UInt8](repeating: 1, count: 3 << 20)
        let stored = Manta.put(large)
        for refused in [maker(.detached).remote(large, "by value"), maker(.detached).remote(stored, "by reference")] {
            let error = await #expect(throws: MantaError.self) { try await refused.size().value }
            #expect(error?.code == .tooLarge, "\(String(describing: error))")
            for part in ["Weighty", "of them argument 1", "in a call", "up to 1048576 bytes"] { #expect(error?.message.contains(part) == true, "\(String(describing: error))") }
        }
        // What ends with its job takes it from the store; and what is less than the limit outlives its maker's objects.
        let (lasting, small) = (maker(.job).remote(stored, "job"), Manta.put([UInt8](repeating: 2, count: 500_000)))
        let kept = [maker(.detached).remote(small, "small, by reference"), maker(.detached).remote([UInt8](repeating: 2, count: 500_000), "small")]
        #expect(try await lasting.size().value == 3 << 20)
        for actor in kept {
            #expect(try await actor.size().value == 500_000)
            try await Manta.kill(actor)
        }
    }

    @Test func ACTOR_051_aKillThatAllowsARestartKeepsTheName() async throws {
        let tally = Tally.options(name: "lasting", maxRestarts: 1).remote()
        #expect(try await tally.next().value == 1)
        let process = try await tally.process().value
        try await Manta.kill(tally, mayRestart: true)
        try await eventually("the end of its process", within: .seconds(30)) { kill(process, 0) != 0 }
        try await eventually("an answer of the next incarnation", within: .seconds(30)) {
            (try? await Tally.named("lasting").next().value) != nil
        }
        #expect(try await tally.process().value != process)
        try await Manta.kill(tally)
    }

    @Test func ACTOR_023_anActorKilledBeforeItStartedFreesItsCPU() async throws {
        for _ in 0..<5 {
            let actor = Tally.options(cpus: 2).remote()
            try await Manta.kill(actor)
            await expectCode(.actorDied, of: actor.next())
        }
        let next = Tally.options(cpus: 2).remote()
        #expect(try await next.next().value == 1)
        try await Manta.kill(next)
    }

    @Test func anActorKilledWhileItWaitsForArgumentsNeverIs() async throws {
        let held = hold.remote(board, "argument")
        let actor = Counter.remote(start: held)
        try await Manta.kill(actor)
        await expectCode(.actorDied, of: actor.increment())
        held.cancel()
    }

    // MARK: Calls at once

    @Test func ACTOR_035_anActorWithAsyncMethodsTakesManyCallsAtOnce() async throws {
        let batcher = Batcher.remote(3)
        let calls = [3, 1, 2].map { batcher.join($0) }
        for call in calls { #expect(try await call.value == [1, 2, 3]) }
    }

    @Test func ACTOR_057_thousandsOfCallsWaitForEachOther() async throws {
        let batcher = Batcher.options(maxConcurrency: 100_000).remote(2_000)
        let calls = (0..<2_000).map { batcher.join($0) }
        #expect(try await calls[0].value.count == 2_000)
        #expect(try await batcher.threads().value < 200)
        try await Manta.kill(batcher)
    }

    @Test func callsThatMayOverlapBeginInOrder() async throws {
        let overlapping = Overlapping.remote()
        for number in 0..<500 { overlapping.begin(number) }
        #expect(try await overlapping.begun().value == Array(0..<500))
    }

    @Test func ACTOR_044_callsRunInTheirGroups() async throws {
        let grouped = Grouped.remote()
        _ = try await Manta.get((0..<6).map { _ in grouped.read() } + (0..<6).map { _ in grouped.compute() })
        #expect(try await grouped.most("read").value == 2)
        #expect(try await grouped.most("compute").value == 4)
        _ = try await Manta.get((0..<6).map { _ in grouped.compute.options(concurrencyGroup: "io")() })
        #expect(try await grouped.most("compute").value == 4)
        await expectCode(.invalidArgument, of: grouped.compute.options(concurrencyGroup: "none")())
        await expectCode(.invalidArgument, of: Tally.options(concurrencyGroups: ["io": 2]).remote().next())
    }

    @Test func ACTOR_045_aBlockedGroupBlocksNoOther() async throws {
        let grouped = Grouped.options(maxConcurrency: 1, concurrencyGroups: ["io": 1, "compute": 1]).remote()
        let blocked = [grouped.never(), grouped.never.options(concurrencyGroup: "io")(), grouped.read()]
        #expect(try await grouped.compute().value == "compute")
        #expect(blocked.allSatisfy { !$0.isReady })
        try await Manta.kill(grouped)
    }

    @Test func anActorThatWaitsForItselfIsTold() async throws {
        let own = Selfish.remote()
        let error = await #expect(throws: MantaError.self) { try await own.wait(for: own).value }
        #expect(error?.code == .conflict)
        #expect(error?.message.contains("its own actor") == true)
        #expect(try await own.answer().value == 42, "it goes on")
        #expect(try await own.later(own).value.value == 42, "not waiting is fine")
    }

    // MARK: Handles and names

    @Test func ACTOR_056_aHandleThatWasPutMeansTheSameActor() async throws {
        let tally = Tally.remote()
        #expect(try await tally.next().value == 1)
        let fetched = try await Manta.put(tally).value
        #expect(try await fetched.next().value == 2)
        #expect(try await tally.next().value == 3)
    }

    @Test func ACTOR_052_manyRaceForOneName() async throws {
        for round in 0..<5 {
            let name = "raced \(round)"
            let values = try await Manta.get((0..<8).map { _ in joinByName.options(cpus: 0.1).remote(name) })
            #expect(values.sorted() == Array(1...8))
            try await Manta.kill(Tally.named(name))
        }
    }

    @Test func ACTOR_002_eachCallerIsServedInItsOrder() async throws {
        let log = CallerLog.remote()
        let callers = (1...5).map { pushNumbered.options(cpus: 0.1).remote(log, $0, 100) }
        for number in 0..<100 { log.push(0, number) }
        _ = try await Manta.get(callers)
        let seen = try await log.all().value
        for caller in 0...5 { #expect(seen[caller] == Array(0..<100)) }
    }

    @Test func ACTOR_037_orderHoldsForCopiesOfAHandleAndNestedTasks() async throws {
        let log = CallerLog.remote()
        let copy = try await Manta.put(log).value
        for number in 0..<100 { (number.isMultiple(of: 2) ? log : copy).push(0, number) }
        _ = try await pushFromBelow.remote(log, 1, 100).value
        let seen = try await log.all().value
        #expect(seen[0] == Array(0..<100))
        #expect(seen[1] == Array(0..<100))
    }

    @Test func ACTOR_046_aRetriedTaskMayCallItsActorAgain() async throws {
        let tally = Tally.remote()
        #expect(try await crashUntilCounted.options(retries: 5).remote(tally, above: 2).value == 3)
    }

    @Test func ACTOR_017_aRestartedActorMayCallItsTargetAgain() async throws {
        let target = Tally.remote()
        let caller = Caller.options(maxRestarts: 1).remote(target)
        for step in 1...3 { #expect(try await caller.call().value == step) }
        kill(try await caller.process().value, SIGKILL)
        try await eventually("an answer of the next incarnation", within: .seconds(30)) { (try? await caller.process().value) != nil }
        #expect(try await caller.call().value == 4)
    }

    @Test func ACTOR_061_aThousandTimesOneNameIsOneActor() async throws {
        for round in 1...1_000 {
            let tally = Tally.options(name: "again and again", maxRestarts: 1, getIfExists: true).remote()
            #expect(try await tally.next().value == round)
        }
        try await Manta.kill(Tally.named("again and again"))
    }

    @Test func ACTOR_064_anActorKnowsThatItWasRestarted() async throws {
        let reborn = Reborn.options(maxRestarts: 1, maxTaskRetries: 1).remote()
        #expect(try await reborn.lives().value == [0, 0])
        kill(try await reborn.process().value, SIGKILL)
        try await eventually("its second life", within: .seconds(30)) { try await reborn.lives().value == [1, 1] }
    }

    @Test func ACTOR_063_anActorsTimesAreSeen() async throws {
        let reborn = Reborn.options(maxRestarts: 1, maxTaskRetries: 1).remote()
        let process = try await reborn.process().value
        let row = { try #require(try await Manta.actors(where: ["id=\(Manta.id(of: reborn))"]).rows.first) }
        let first = try await row()
        #expect(first.endedAt == nil)
        kill(process, SIGKILL)
        try await eventually("its second life", within: .seconds(30)) { try await reborn.lives().value == [1, 1] }
        let second = try await row()
        #expect(second.restarts == 1 && second.createdAt == first.createdAt && second.endedAt == nil)
        try await Manta.kill(reborn)
        let last = try await row()
        #expect(last.createdAt == first.createdAt)
        #expect(try #require(last.endedAt) > last.createdAt)
    }

    @Test func ACTOR_021_aConstructorThatCrashes() async throws {
        await expectCode(.actorDied, of: CrashingAtFirst.remote(board, "never", tries: 9).answer())
        let third = CrashingAtFirst.options(maxRestarts: 3).remote(board, "third", tries: 3)
        #expect(try await third.answer().value == 3)
    }

    @Test func ACTOR_039_methodsReturnSeveralReferences() async throws {
        let own = Selfish.remote()
        let (quotient, remainder) = own.split(17, by: 5)
        let values = try await Manta.get(quotient, remainder)
        #expect(values == (3, 2))
    }

    @Test func ACTOR_042_tasksDoNotRunWhereActorsLive() async throws {
        let tally = Tally.remote()
        let process = try await tally.process().value
        for other in try await Manta.get((0..<100).map { _ in workerProcess.remote() }) { #expect(other != process) }
    }

    @Test func ACTOR_059_aReferenceIsAwaitedAgainAfterAFirstWaitWasCancelled() async throws {
        let gate = Gate.remote()
        let reference = waitFor.remote(gate)
        let reader = Task { try await reference.value }
        reader.cancel()
        await #expect(throws: CancellationError.self) { try await reader.value }
        await #expect(throws: MantaError.self) { try await Manta.get([reference], timeout: .milliseconds(50)) }
        try await gate.open().value
        #expect(try await reference.value == 1)
        #expect(try await reference.value == 1)
    }

    // MARK: Library types

    @Test func ACTOR_060_aQueueKeepsItsRules() async throws {
        let queue = try DistributedQueue<Int>(capacity: 1)
        try await queue.put(1)
        await #expect(throws: QueueError.full(capacity: 1)) { try await queue.put(2, timeout: .zero) }
        await #expect(throws: QueueError.full(capacity: 1)) { try await queue.put(2, timeout: .milliseconds(200)) }
        #expect(try await queue.take() == 1)
        await #expect(throws: QueueError.empty) { try await queue.take(timeout: .zero) }
        await #expect(throws: QueueError.empty) { try await queue.take(timeout: .milliseconds(200)) }
        await #expect(throws: MantaError.self) { try await queue.take(timeout: .seconds(-1)) }
        await #expect(throws: MantaError.self) { try await queue.put(1, timeout: .seconds(-1)) }
        let putter = Task { for number in 0..<10 { try await queue.put(number) } }
        for number in 0..<10 { #expect(try await queue.take() == number) }
        try await putter.value
        #expect(try await queue.isEmpty)
        try await queue.end()
    }

    @Test func aQueueIsFoundByItsNameInItsNamespace() async throws {
        let queue = try DistributedQueue<Int>(name: "queue", namespace: "depot")
        try await queue.put(1)
        let same = try DistributedQueue<Int>(name: "queue", namespace: "depot", getIfExists: true)
        #expect(try await same.take() == 1)
        try await same.put(2)
        #expect(try await DistributedQueue<Int>.named("queue", namespace: "depot").take() == 2)
        try await queue.end()
    }

    @Test func whoWaitsBehindOneThatGivesUpIsServed() async throws {
        let queue = try DistributedQueue<Int>(capacity: 2)
        try await queue.put(0)
        let large = Task { try await queue.put(all: [1, 2]) }
        // Until it stands in the line, others still find room.
        try await eventually("the end of the line behind it", within: .seconds(30)) {
            if (try? await queue.put(9, timeout: .zero)) == nil { return true }
            _ = try await queue.take()
            return false
        }
        let small = Task { try await queue.put(3) }
        large.cancel()
        try await small.value
        await #expect(throws: (any Error).self) { try await large.value }
        _ = try await queue.take()
        #expect(try await queue.take() == 3)
        try await queue.end()
    }

    @Test func aQueueIsSharedWithTasks() async throws {
        let queue = try DistributedQueue<Int>()
        let drained = drainQueue.remote(queue, 20)
        try await queue.put(all: Array(0..<20))
        #expect(try await drained.value == (0..<20).reduce(0, +))
    }

    @Test func aPoolSharesItsActors() async throws {
        let pool = ActorPool(2) { Selfish.remote() }
        #expect(try await pool.map(Array(0..<20)) { $0.split($1 * 7, by: 7).quotient } == Array(0..<20))
        #expect(try await pool.submit { $0.answer() } == 42)
        #expect(await pool.idleCount == 2)
        await #expect(throws: Trouble.broken(code: 3)) { try await pool.map([1, 2, 3, 4]) { $0.failAt(3, $1) } }
        try await eventually("free actors") { await pool.idleCount == 2 }
        let gate = Gate.remote()
        let slow = Task { try await pool.submit { $0.waitFor(gate) } }
        try await eventually("the call", within: .seconds(30)) { try await gate.waiting().value == 1 }
        slow.cancel()
        await #expect(throws: CancellationError.self) { try await slow.value }
        try await pool.end()
        let ended = await #expect(throws: MantaError.self) { try await pool.submit { $0.answer() } }
        #expect(ended?.code == .conflict, "nobody waits at a pool without actors")
    }
}
}
