// Cancelling tasks and calls in each phase of their lives, and deadlines, on the cluster the tests of this target share.

import Glibc
import Manta
import MantaTestKit
import Testing

/// Waits until a note is on the board.
func noted(_ what: String, on board: Board.Handle, times: Int = 1) async throws {
    try await eventually("the note \"\(what)\"", within: .seconds(30)) { try await board.count(what).value >= times }
}

func expectCode<Value: Decodable>(_ code: MantaError.Code, of reference: ObjectReference<Value>, line: Int = #line) async {
    let place = SourceLocation(fileID: #fileID, filePath: #filePath, line: line, column: 1)
    let error = await #expect(throws: MantaError.self, sourceLocation: place) { try await reference.value }
    #expect(error?.code == code, "\(String(describing: error))", sourceLocation: place)
}

extension SharedClusterTests {
@Suite(.serialized) struct CancellationTests {
    let board = Board.remote()

    @Test func aTaskThatWaitsForItsArgumentsIsCancelled() async throws {
        let held = hold.remote(board, "argument")
        let task = passOn.remote(held)
        task.cancel()
        await expectCode(.cancelled, of: task)
        try await noted("began argument", on: board)
        #expect(try await board.count("cancelled argument").value == 0)
        held.cancel()
        try await noted("cancelled argument", on: board)
    }

    @Test func FAIL_013_queuedTasksAreCancelledAndOthersRun() async throws {
        let holders = (0..<2).map { hold.remote(board, "holder \($0)") }
        for number in 0..<2 { try await noted("began holder \(number)", on: board) }
        let queued = (0..<20).map { flaky.remote(board, "queued \($0)", tries: 0) }
        for (number, task) in queued.enumerated() where number != 7 { task.cancel() }
        for (number, task) in queued.enumerated() where number != 7 { await expectCode(.cancelled, of: task) }
        for holder in holders { holder.cancel() }
        #expect(try await queued[7].value == 1)
        let notes = try await board.all().value
        #expect(notes.keys.filter { $0.hasPrefix("queued") } == ["queued 7"], "what was cancelled in the queue never ran")
    }

    @Test func aRunningTaskHearsItsCancellation() async throws {
        let task = hold.remote(board, "running")
        try await noted("began running", on: board)
        task.cancel()
        await expectCode(.cancelled, of: task)
        try await noted("cancelled running", on: board)
        #expect(try await echoInt.remote(1).value == 1, "its worker goes on")
    }

    @Test(arguments: [false, true]) func FAIL_011_aChainFailsBehindTheOneThatIsCancelled(byForce: Bool) async throws {
        let head = hold.remote(board, "head")
        var chain = [head]
        for _ in 0..<3 { chain.append(passOn.remote(chain.last!)) }
        try await noted("began head", on: board)
        chain[2].cancel()
        for task in chain[2...] { await expectCode(.cancelled, of: task) }
        #expect(!chain[0].isReady && !chain[1].isReady)
        if byForce { try await chain[0].cancelByForce() } else { chain[0].cancel() }
        for task in chain { await expectCode(.cancelled, of: task) }
    }

    @Test func FAIL_012_dependentsFailWithTheirHeadButNotTheHeadWithThem() async throws {
        let gate = Gate.remote()
        let head = waitFor.remote(gate)
        let dependents = (0..<3).map { _ in passOn.remote(head) }
        for task in dependents { task.cancel() }
        for task in dependents { await expectCode(.cancelled, of: task) }
        try await gate.open().value
        #expect(try await head.value == 1)
        let other = hold.remote(board, "other head")
        let others = (0..<3).map { _ in passOn.remote(other) }
        other.cancel()
        for task in others { await expectCode(.cancelled, of: task) }
    }

    @Test func FAIL_015_aBorrowedReferenceIsCancelledAtItsOwner() async throws {
        let inner = try await submitHold.remote(board).value
        try await noted("began inner", on: board)
        inner.cancel()
        await expectCode(.cancelled, of: inner)
        try await noted("cancelled inner", on: board)
    }

    @Test func FAIL_016_childrenAreCancelledToo() async throws {
        let task = parent.remote(board, width: 2)
        for number in 0..<2 { try await noted("began child \(number)", on: board) }
        task.cancel()
        await expectCode(.cancelled, of: task)
        for number in 0..<2 { try await noted("cancelled child \(number)", on: board) }
        #expect(try await echoInt.options(cpus: 2).remote(5).value == 5, "all CPUs are free again")
    }

    @Test func childrenGoOnWhenTheyAreNotMeant() async throws {
        let gate = Gate.remote()
        let task = parentOfPatient.remote(board, gate)
        try await eventually("the child", within: .seconds(30)) { try await gate.waiting().value == 1 }
        task.cancel(recursive: false)
        await expectCode(.cancelled, of: task)
        #expect(try await echoInt.remote(1).value == 1)
        try await gate.open().value
        try await noted("went on", on: board)
    }

    @Test func FAIL_014_codeThatDoesNotListenEndsByForce() async throws {
        let first = deaf.remote(board, "deaf")
        try await noted("began deaf", on: board)
        let queued = (0..<40).map { echoInt.remote($0) }
        for (number, task) in queued.enumerated() where number.isMultiple(of: 2) { try await task.cancelByForce() }
        first.cancel()
        await expectCode(.cancelled, of: first)
        try await first.cancelByForce()
        for (number, task) in queued.enumerated() where !number.isMultiple(of: 2) { #expect(try await task.value == number) }
        // Not before: what wants every CPU is served first when it has waited for long.
        let second = deaf.options(cpus: 2).remote(board, "second")
        try await noted("began second", on: board)
        second.cancel()
        await expectCode(.cancelled, of: second)
        try await second.cancelByForce()
        #expect(try await echoInt.options(cpus: 2).remote(1).value == 1)
    }

    @Test func aTaskCancelledByForceFreesItsCPUs() async throws {
        let task = deaf.options(cpus: 2).remote(board, "both")
        try await noted("began both", on: board)
        try await task.cancelByForce()
        await expectCode(.cancelled, of: task)
        #expect(try await echoInt.options(cpus: 2).remote(3).value == 3)
        #expect(try await board.count("began both").value == 1, "it is not tried again")
    }

    @Test func whatHasEndedStaysAsItIs() async throws {
        let task = echoInt.remote(4)
        #expect(try await task.value == 4)
        task.cancel()
        try await task.cancelByForce()
        #expect(try await task.value == 4)
    }

    // MARK: Calls

    @Test func FAIL_017_aRunningCallIsCancelledAndTheActorLives() async throws {
        let patient = Patient.remote(board)
        for round in 0..<20 {
            let call = patient.hold("call \(round)")
            try await noted("began call \(round)", on: board)
            call.cancel()
            await expectCode(.cancelled, of: call)
            try await noted("cancelled call \(round)", on: board)
            #expect(try await patient.next().value == round + 1)
        }
    }

    @Test func FAIL_019_queuedCallsAreCancelledWithTheirOwnIdentifier() async throws {
        let patient = Patient.options(maxConcurrency: 1).remote(board)
        let running = patient.hold("first")
        try await noted("began first", on: board)
        let calls = (0..<100).map { patient.flaky("queued \($0)", tries: 0) }
        for call in calls { call.cancel() }
        for call in calls {
            let error = await #expect(throws: MantaError.self) { try await call.value }
            #expect(error?.code == .cancelled)
            #expect(error?.message.contains(call.id.task.description) == true)
        }
        running.cancel()
        #expect(try await patient.next().value == 1)
        #expect(try await board.all().value.keys.filter { $0.hasPrefix("queued") }.isEmpty)
    }

    @Test func FAIL_020_cancellingAFinishedCallChangesNothing() async throws {
        let patient = Patient.remote(board)
        let call = patient.next()
        #expect(try await call.value == 1)
        call.cancel()
        #expect(try await call.value == 1)
        #expect(try await patient.next().value == 2)
    }

    @Test func FAIL_033_manyCallsAreCancelledInReverse() async throws {
        let patient = Patient.options(maxConcurrency: 1).remote(board)
        let running = patient.hold("blocker")
        try await noted("began blocker", on: board)
        let calls = (0..<2_500).map { patient.flaky("call \($0)", tries: 0) }
        for call in calls.reversed() { call.cancel() }
        for call in calls { await expectCode(.cancelled, of: call) }
        running.cancel()
        #expect(try await board.all().value.keys.filter { $0.hasPrefix("call") }.isEmpty)
    }

    @Test func aCallIsNotCancelledByForce() async throws {
        let patient = Patient.remote(board)
        let call = patient.hold("call")
        try await noted("began call", on: board)
        let error = await #expect(throws: MantaError.self) { try await call.cancelByForce() }
        #expect(error?.code == .invalidArgument)
        #expect(!call.isReady)
        call.cancel()
        await expectCode(.cancelled, of: call)
    }

    // MARK: Deadlines

    @Test func aTaskThatTakesTooLongEndsWithItsTime() async throws {
        let running = hold.options(timeout: .milliseconds(500)).remote(board, "slow")
        await expectCode(.timeout, of: running)
        try await noted("cancelled slow", on: board)
    }

    @Test func aQueuedTaskEndsWithItsTime() async throws {
        let holders = (0..<2).map { hold.remote(board, "holder \($0)") }
        for number in 0..<2 { try await noted("began holder \(number)", on: board) }
        await expectCode(.timeout, of: echoInt.options(timeout: .milliseconds(100)).remote(1))
        let unserved = await #expect(throws: MantaError.self) { try await echoInt.options(timeout: .milliseconds(100)).remote(1).value }
        #expect(unserved?.message.contains("when it waits with 0 others for a worker with CPU 1") == true, "\(String(describing: unserved))")
        let argument = holders[0]
        let unready = await #expect(throws: MantaError.self) { try await passOn.options(timeout: .milliseconds(100)).remote(argument).value }
        #expect(unready?.message.contains("argument 1, object \(argument.id), is not there") == true, "\(String(describing: unready))")
        for holder in holders { holder.cancel() }
    }

    @Test func aCallThatTakesTooLongEndsWithItsTime() async throws {
        let patient = Patient.remote(board)
        await expectCode(.timeout, of: patient.hold.options(timeout: .milliseconds(300))("slow call"))
        try await noted("cancelled slow call", on: board)
        #expect(try await patient.next().value == 1)
    }

    @Test func deadlinesHoldForWhatIsSubmittedBelow() async throws {
        #expect(try await childTimeLeft.remote(2).value == nil)
        let left = try #require(try await childTimeLeft.options(timeout: .seconds(60)).remote(2).value)
        #expect(left > 1 && left < 60)
        let task = waitForHold.options(timeout: .seconds(2)).remote(board, "grandchild")
        await expectCode(.timeout, of: task)
        try await eventually("the child's end", within: .seconds(30)) {
            let notes = try await board.all().value
            return notes["began grandchild"] == notes["cancelled grandchild"]
        }
    }

    @Test func theLongestTimeIsWithoutEnd() async throws {
        #expect(try await echoInt.options(timeout: .seconds(Int64.max)).remote(1).value == 1)
        #expect(try await childTimeLeft.options(timeout: .seconds(Int64.max)).remote(1).value != nil)
        #expect(try await Manta.get([takesAWhile.remote()], timeout: .seconds(Int64.max)) == [1])
    }

    @Test func aTimeoutMustBePositive() async throws {
        await expectCode(.invalidArgument, of: echoInt.options(timeout: .zero).remote(1))
        await expectCode(.invalidArgument, of: Patient.remote(board).next.options(timeout: .seconds(-1))())
    }
}
}
