// What is tried again: tasks and calls whose process died, and those that threw what they are to be retried on.

import Glibc
import Manta
import MantaTestKit
import Testing

extension SharedClusterTests {
@Suite(.serialized) struct RetryTests {
    let board = Board.remote()

    @Test func FAIL_007_aCrashIsRetriedAsOftenAsAllowed() async throws {
        #expect(try await fragile.options(retries: 1).remote(board, "once", tries: 2).value == 2)
        await expectCode(.workerCrashed, of: fragile.options(retries: 0).remote(board, "never", tries: 2))
        #expect(try await board.count("never").value == 1)
    }

    @Test func FAIL_008_errorsAreRetriedOnlyWhenChosen() async throws {
        #expect(try await flaky.options(retries: 1, retryOn: .anyError).remote(board, "a", tries: 2).value == 2)
        await #expect(throws: Trouble.broken(code: 1)) { try await flaky.options(retries: 0, retryOn: .anyError).remote(board, "b", tries: 2).value }
        await #expect(throws: Trouble.broken(code: 1)) { try await flaky.options(retries: 5).remote(board, "c", tries: 2).value }
        #expect(try await board.count("c").value == 1)
        #expect(try await flaky.options(retries: -1, retryOn: [Trouble.self]).remote(board, "d", tries: 12).value == 12)
        await #expect(throws: Trouble.broken(code: 1)) { try await flaky.options(retries: 5, retryOn: [Opaque.self]).remote(board, "e", tries: 2).value }
        await expectCode(.invalidArgument, of: flaky.options(retries: -2).remote(board, "f", tries: 1))
    }

    @Test func ACTOR_031_aCallIsRetriedOnItsErrors() async throws {
        let patient = Patient.remote(board)
        let retried = patient.flaky.options(maxTaskRetries: 5, retryOn: [Trouble.self])
        #expect(try await retried("five", tries: 6).value == 6)
        await #expect(throws: Trouble.broken(code: 6)) { try await retried("six", tries: 7).value }
        #expect(try await board.count("six").value == 6)
    }

    @Test func ACTOR_032_withoutAConditionErrorsAreNotRetriedAndTheCallDecides() async throws {
        let patient = Patient.options(maxTaskRetries: 5).remote(board)
        await #expect(throws: Trouble.broken(code: 1)) { try await patient.flaky("off", tries: 9).value }
        #expect(try await board.count("off").value == 1)
        await #expect(throws: Trouble.broken(code: 6)) { try await patient.flaky.options(retryOn: .anyError)("actor's", tries: 20).value }
        await #expect(throws: Trouble.broken(code: 11)) {
            try await patient.flaky.options(maxTaskRetries: 10, retryOn: .anyError)("call's", tries: 20).value
        }
        #expect(try await board.count("call's").value == 11)
    }

    @Test func ACTOR_033_errorsAndCrashesShareOneBudgetAndRestartsBoundIt() async throws {
        let patient = Patient.options(maxRestarts: 1).remote(board)
        let call = patient.play.options(maxTaskRetries: 4, retryOn: .anyError)("bounded", ["raise", "exit", "exit"])
        await expectCode(.actorDied, of: call)
        #expect(try await board.count("bounded").value == 3)
        let other = Patient.options(maxRestarts: -1).remote(board)
        await expectCode(.actorUnavailable, of: other.play.options(maxTaskRetries: 2, retryOn: .anyError)("shared", ["raise", "raise", "exit", "return"]))
        #expect(try await board.count("shared").value == 3)
    }

    @Test func ACTOR_012_callsInFlightFailAndLaterOnesSeeTheNextIncarnation() async throws {
        let tally = Tally.options(maxRestarts: 1).remote()
        for round in 0..<2 {
            let before = (0..<50).map { _ in tally.next() }
            for (number, call) in before.enumerated() { #expect(try await call.value == number + 1) }
            let crash = tally.next(crashing: true)
            await expectCode(round == 0 ? .actorUnavailable : .actorDied, of: crash)
            if round == 0 { continue }
            for call in (0..<20).map({ _ in tally.next() }) { await expectCode(.actorDied, of: call) }
        }
    }

    @Test func ACTOR_013_withRetriesNoCallFails() async throws {
        let tally = Tally.options(maxRestarts: 1, maxTaskRetries: -1).remote()
        #expect(try await tally.next().value == 1)
        let process = try await tally.process().value
        let calls = (0..<100).map { _ in tally.next() }
        kill(process, SIGKILL)
        let values = try await Manta.get(calls)
        // Ascending, but for the one place where it began anew.
        let falls = zip(values, values.dropFirst()).filter { $0 >= $1 }
        #expect(falls.count <= 1, "\(values)")
        kill(try await tally.process().value, SIGKILL)
        await expectCode(.actorDied, of: tally.next())
    }

    @Test func ACTOR_034_pendingCallsAreRetriedAndCompletedOnesAreNot() async throws {
        let patient = Patient.options(maxRestarts: -1, maxTaskRetries: -1).remote(board)
        #expect(try await patient.flaky("completed", tries: 0).value == 1)
        let pending = patient.hold("pending")
        try await noted("began pending", on: board)
        #expect(try await patient.play("crash", ["exit"]).value == 2)
        try await noted("began pending", on: board, times: 2)
        pending.cancel()
        await expectCode(.cancelled, of: pending)
        #expect(try await board.count("completed").value == 1)
    }

    @Test func FAIL_032_aCancelledCallIsNotMadeAgain() async throws {
        let patient = Patient.options(maxRestarts: -1, maxTaskRetries: -1).remote(board)
        let pending = patient.hold("cancelled")
        try await noted("began cancelled", on: board)
        pending.cancel()
        kill(try await patient.process().value, SIGKILL)
        await expectCode(.cancelled, of: pending)
        #expect(try await patient.next().value == 1)
        #expect(try await board.count("began cancelled").value == 1)
    }

    @Test func aCallKnowsWhichTryItIs() async throws {
        let patient = Patient.options(maxRestarts: 1).remote(board)
        #expect(try await patient.attempt().value == 1)
        #expect(try await fragile.remote(board, "attempts", tries: 3).value == 3)
    }
}
}
