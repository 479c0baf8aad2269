// The rules of TaskBook: from submission to the end, pipelines, leases. One test a rule.

import MantaModel
import Testing

@testable import MantaCore

@Suite struct TaskBookLife {
    @Test func aTaskAsksForALeaseRunsAndEnds() {
        var owner = TaskBench()
        let (task, asked) = owner.submit()
        let lease = asked[0].requested!
        #expect(asked == [.request(lease, TaskBench.home, mayMove: true)])
        #expect(owner.book.state(of: task) == .waitingForLease)
        #expect(owner.grant(lease) == [.send(task, 1, lease)])
        #expect(owner.book.state(of: task) == .running)
        #expect(owner.done(task) == [.ended(task, .answered)])
        #expect(owner.book.state(of: task) == nil)
    }

    @Test func aTaskWaitsForItsArguments() {
        var owner = TaskBench()
        let (task, asked) = owner.submit(missing: 2)
        #expect(asked.isEmpty)
        #expect(owner.on { $0.argumentReady(task, at: $1, perform: $2) }.isEmpty)
        #expect(owner.book.explain(task) == "waits for 1 of its arguments")
        #expect(owner.on { $0.argumentReady(task, at: $1, perform: $2) }.count == 1)
        #expect(owner.book.state(of: task) == .waitingForLease)
    }

    @Test func aFailedArgumentEndsTheTaskWithItsError() {
        var owner = TaskBench()
        let (task, _) = owner.submit(missing: 1)
        let error = MantaError(.objectLost, "gone")
        #expect(owner.on { $0.argumentFailed(task, error, at: $1, perform: $2) } == [.ended(task, .failed(error))])
        #expect(owner.on { $0.argumentReady(task, at: $1, perform: $2) }.isEmpty)
    }

    @Test func tasksOfAShapeAreSentInOrder() {
        var owner = TaskBench()
        let (first, asked) = owner.submit()
        let rest = owner.submit(count: 3)
        var sent = owner.grant(asked[0].requested!).compactMap(\.sent)
        while let last = sent.last, let next = owner.done(last).compactMap(\.sent).first { sent.append(next) }
        #expect(sent == [first] + rest)
    }

    @Test func anAnswerTwiceEndsTheTaskOnce() {
        var owner = TaskBench()
        let (task, asked) = owner.submit()
        _ = owner.grant(asked[0].requested!)
        _ = owner.done(task)
        #expect(owner.done(task).isEmpty)
        #expect(owner.ends[task] == 1)
    }

    @Test func anAnswerOfAnEarlierAttemptIsIgnored() {
        var owner = TaskBench()
        let (task, asked) = owner.submit()
        _ = owner.grant(asked[0].requested!)
        let again = owner.lose(asked[0].requested!).compactMap(\.requested)[0]
        #expect(owner.done(task, attempt: 1).isEmpty)
        #expect(owner.grant(again) == [.send(task, 2, again)])
        #expect(owner.done(task, attempt: 2).contains(.ended(task, .answered)))
    }

    @Test func cancellingAWaitingTaskEndsItAndWithdrawsItsRequest() {
        var owner = TaskBench()
        let (task, asked) = owner.submit()
        let cancelled = owner.on { $0.cancel(task, at: $1, perform: $2) }
        #expect(cancelled.compactMap(\.failure).map(\.code) == [.cancelled])
        #expect(cancelled.contains(.cancelRequest(asked[0].requested!)))
        #expect(owner.book.counts == (0, 0, 0, 0))
    }

    @Test func aCancelledRunningTaskKeepsItsPlaceUntilTheWorkerReports() {
        var owner = TaskBench()
        let (task, asked) = owner.submit()
        let lease = asked[0].requested!
        _ = owner.grant(lease)
        let cancelled = owner.on { $0.cancel(task, at: $1, perform: $2) }
        #expect(cancelled.first == .cancelRunning(task))
        #expect(cancelled.compactMap(\.failure).map(\.code) == [.cancelled])
        let (next, waiting) = owner.submit()
        #expect(waiting.compactMap(\.sent).isEmpty)
        #expect(owner.done(task).compactMap(\.sent) == [next])
        #expect(owner.ends[task] == 1)
    }


    @Test func aRefusalEndsTheTasksThatWait() {
        var owner = TaskBench()
        let (first, asked) = owner.submit()
        let (second, _) = owner.submit()
        let error = MantaError(.unavailable, "no worker could be started")
        let refused = owner.on { $0.leaseRefused(asked[0].requested!, error, at: $1, perform: $2) }
        #expect(Set(refused.compactMap(\.endedTask)) == [first, second])
        #expect(owner.book.counts == (0, 0, 0, 0))
    }

    @Test func aRefusalBecauseTheNodeIsFullIsTriedAgainLater() {
        var owner = TaskBench()
        let (task, asked) = owner.submit()
        #expect(owner.on { $0.leaseRefused(asked[0].requested!, MantaError(.overloaded, "full"), at: $1, perform: $2) }.isEmpty)
        #expect(owner.advance(.milliseconds(100)).isEmpty)
        #expect(owner.advance(Limits.leaseRequestRepeat).compactMap(\.requested).count == 1)
        #expect(owner.book.state(of: task) == .waitingForLease)
    }
}

@Suite struct TaskBookPipelines {
    @Test func oneTaskIsInFlightWhileNothingIsKnown() {
        var owner = TaskBench()
        let (first, asked) = owner.submit()
        _ = owner.submit(count: 5)
        #expect(owner.grant(asked[0].requested!).compactMap(\.sent) == [first])
    }

    @Test func shortTasksAreSentAheadUpToTwoMilliseconds() {
        var owner = TaskBench(clusterCPUs: 1)
        _ = owner.warmUp(taking: .microseconds(100))
        let tasks = owner.submit(count: 100)
        #expect(tasks.count { owner.book.state(of: $0) == .running } == 20)
    }

    @Test func noMoreThanTheLimitIsInFlight() {
        var owner = TaskBench(clusterCPUs: 1)
        _ = owner.warmUp(taking: .nanoseconds(100))
        let tasks = owner.submit(count: 1_000)
        #expect(tasks.count { owner.book.state(of: $0) == .running } == Limits.tasksInFlight)
    }

    @Test func longTasksGoOneByOne() {
        var owner = TaskBench()
        _ = owner.warmUp(taking: Limits.longestTaskAhead + .milliseconds(1))
        let tasks = owner.submit(count: 100)
        #expect(tasks.count { owner.book.state(of: $0) == .running } == 1)
    }

    @Test func aTaskOfMillisecondsIsSentAheadWhileManyWait() {
        var owner = TaskBench(clusterCPUs: 2)
        _ = owner.warmUp(taking: .milliseconds(8))
        let tasks = owner.submit(count: 20)
        let leases = owner.book.leases.numbers.count
        func count(_ state: TaskState) -> Int { tasks.count { owner.book.state(of: $0) == state } }
        for task in tasks {
            _ = owner.done(task, taking: .milliseconds(8))
            if count(.waitingForLease) > leases { #expect(count(.running) == 2) }
            // Whoever is free first shall have what is left.
            if count(.waitingForLease) < leases { #expect(count(.running) == (task == tasks.last ? 0 : 1)) }
        }
    }

    @Test func nothingIsSentBehindAnUnknownFunction() {
        var owner = TaskBench()
        _ = owner.warmUp(taking: .microseconds(10))
        _ = owner.submit(function: 2)
        let known = owner.submit(count: 3, function: 1)
        #expect(known.allSatisfy { owner.book.state(of: $0) == .waitingForLease })
    }

    @Test func workIsSharedBetweenLeases() {
        var owner = TaskBench(clusterCPUs: 4)
        let first = owner.warmUp(taking: .microseconds(500))
        _ = owner.submit(count: 10)
        let second = owner.book.leases.numbers.max()!
        let sent = owner.grant(LeaseID(high: first.high, low: second), on: 2)
        #expect(sent.compactMap(\.sent).count == 4, "2 ms of work on the second lease too")
    }

    @Test func manyWaitingTasksAskForSeveralLeases() {
        var owner = TaskBench(clusterCPUs: 2)
        let asked = (0..<10).flatMap { _ in owner.submit().1 }
        #expect(asked.compactMap(\.requested).count == 4, "twice the CPUs of the cluster")
        var unknown = TaskBench()
        #expect((0..<100).flatMap { _ in unknown.submit().1 }.compactMap(\.requested).count == Limits.leaseRequestsAtFirst)
    }

    @Test func tinyTasksAreNotWorthManyLeases() {
        var owner = TaskBench(clusterCPUs: 16)
        _ = owner.warmUp(taking: .microseconds(1))
        let asked = (0..<500).flatMap { _ in owner.submit().1 }
        #expect(asked.compactMap(\.requested).count == 1)
    }

    @Test func tasksBehindALongOneAreTakenBackAndRunElsewhere() {
        var owner = TaskBench(clusterCPUs: 1)
        let lease = owner.warmUp(taking: .microseconds(100))
        let tasks = owner.submit(count: 3)
        #expect(owner.advance(Limits.taskTakeBackAfter).contains(.takeBack(lease)))
        let asked = owner.on { $0.tasksReturned([tasks[1], tasks[2]], lease: lease, at: $1, perform: $2) }
        #expect(owner.book.state(of: tasks[1]) == .waitingForLease)
        #expect(owner.book.attempt(of: tasks[1]) == 1, "it had not begun")
        let other = asked.compactMap(\.requested)[0]
        #expect(owner.grant(other, on: 2).compactMap(\.sent) == [tasks[1], tasks[2]], "in their order")
    }

    @Test func aLeaseWhoseTaskAwaitsGetsNoMoreUntilItEnds() {
        var owner = TaskBench(clusterCPUs: 1)
        let lease = owner.warmUp(taking: .microseconds(100))
        let (running, _) = owner.submit()
        _ = owner.on { $0.tasksReturned([], lease: lease, at: $1, perform: $2) }
        let (next, asked) = owner.submit()
        #expect(asked.compactMap(\.sent).isEmpty)
        #expect(owner.done(running).compactMap(\.sent) == [next])
    }
}

@Suite struct TaskBookLeases {
    @Test func anIdleLeaseIsUsedAtOnce() {
        var owner = TaskBench()
        let lease = owner.warmUp(taking: .milliseconds(10))
        let (task, asked) = owner.submit()
        #expect(asked == [.send(task, 1, lease)])
    }

    @Test func anIdleLeaseIsReturnedAfterItsTime() {
        var owner = TaskBench()
        let lease = owner.warmUp(taking: .milliseconds(10))
        #expect(owner.advance(Limits.idleLeaseLifetime - .milliseconds(1)).isEmpty)
        #expect(owner.advance(.milliseconds(1)) == [.giveBack(lease)])
    }

    @Test func anIdleLeaseIsReturnedAtOnceWhenItIsAskedBack() {
        var owner = TaskBench()
        let lease = owner.warmUp(taking: .milliseconds(10))
        #expect(owner.reclaim(lease) == [.giveBack(lease)])
    }

    @Test func aBusyLeaseIsReturnedAfterWhatIsInFlight() {
        var owner = TaskBench(clusterCPUs: 1)
        let lease = owner.warmUp(taking: .microseconds(900))
        let tasks = owner.submit(count: 5)
        #expect(owner.reclaim(lease).compactMap(\.returned).isEmpty)
        let running = tasks.filter { owner.book.state(of: $0) == .running }
        #expect(running.count == 3)
        #expect(owner.done(running[0]).compactMap(\.sent).isEmpty)
        _ = owner.done(running[1])
        #expect(owner.done(running[2]).contains(.giveBack(lease)))
    }

    @Test func anUnknownLeaseThatIsAskedBackIsReturnedAgain() {
        var owner = TaskBench()
        let lease = owner.warmUp(taking: .milliseconds(10))
        _ = owner.reclaim(lease)
        #expect(owner.reclaim(lease) == [.giveBack(lease)])
    }

    @Test func aGrantThatIsNotWantedAnyMoreGoesBack() {
        var owner = TaskBench()
        let (task, asked) = owner.submit()
        _ = owner.on { $0.cancel(task, at: $1, perform: $2) }
        #expect(owner.grant(asked[0].requested!) == [.giveBack(asked[0].requested!)])
    }

    @Test func requestsAreWithdrawnWhenNothingWaits() {
        var owner = TaskBench()
        let (first, asked) = owner.submit()
        let (second, more) = owner.submit()
        _ = owner.grant(asked[0].requested!)
        let after = owner.done(first)
        #expect(after.compactMap(\.sent) == [second])
        #expect(after.contains(.cancelRequest(more.compactMap(\.requested)[0])))
    }

    @Test func aRequestIsRepeatedWithTheSameLeaseUntilItIsAnswered() {
        var owner = TaskBench()
        let (_, asked) = owner.submit()
        #expect(owner.advance(Limits.leaseRequestRepeat) == asked)
        _ = owner.grant(asked[0].requested!)
        #expect(owner.advance(Limits.leaseRequestRepeat).compactMap(\.requested).isEmpty)
    }

    @Test func aGrantTwiceIsOneGrant() {
        var owner = TaskBench()
        let (_, asked) = owner.submit()
        _ = owner.grant(asked[0].requested!)
        #expect(owner.grant(asked[0].requested!).isEmpty)
    }

    @Test func aMovedRequestIsMadeThereAndMayNotMoveAgain() {
        var owner = TaskBench()
        let (task, asked) = owner.submit()
        let lease = asked[0].requested!
        #expect(owner.on { $0.leaseMoved(lease, to: TaskBench.away, at: $1, perform: $2) } == [.request(lease, TaskBench.away, mayMove: false)])
        #expect(owner.on { $0.leaseMoved(lease, to: TaskBench.away, at: $1, perform: $2) }.isEmpty)
        #expect(owner.grant(lease) == [.send(task, 1, lease)])
        #expect(owner.book.place(of: task)?.node == TaskBench.away)
    }

    @Test func aMovedRequestThatWaitsTooLongIsMadeAtHomeAgain() {
        var owner = TaskBench()
        let (_, asked) = owner.submit()
        let lease = asked[0].requested!
        _ = owner.on { $0.leaseMoved(lease, to: TaskBench.away, at: $1, perform: $2) }
        let again = owner.advance(Limits.movedRequestPatience)
        #expect(again.first == .cancelRequest(lease))
        #expect(again.last == .request(again.compactMap(\.requested)[0], TaskBench.home, mayMove: true))
    }

    @Test func heldLeasesAreConfirmed() {
        var owner = TaskBench()
        let (_, asked) = owner.submit()
        _ = owner.grant(asked[0].requested!)
        #expect(owner.advance(Limits.leaseConfirmPeriod).contains(.confirm(asked[0].requested!)))
    }

    @Test func aShapeKeepsNoMoreIdleLeasesThanTheClusterHasCPUs() {
        var owner = TaskBench(clusterCPUs: 2)
        let tasks = owner.submit(count: 8)
        for number in owner.book.leases.numbers.sorted() { _ = owner.grant(LeaseID(high: 1, low: number), on: number) }
        var returned = 0
        for task in tasks.prefix(8) { returned += owner.done(task).compactMap(\.returned).count }
        #expect(owner.book.counts.granted == 2)
        #expect(returned == 2)
    }
}

@Suite struct TaskBookLosses {
    @Test func aTaskWhoseWorkerDiedIsTriedAgainThenFails() {
        var owner = TaskBench()
        let (task, asked) = owner.submit(retries: 2)
        var lease = asked[0].requested!
        for attempt in 1...2 {
            #expect(owner.grant(lease, on: UInt64(attempt)) == [.send(task, attempt, lease)])
            lease = owner.lose(lease).compactMap(\.requested)[0]
        }
        _ = owner.grant(lease, on: 3)
        let error = owner.lose(lease).compactMap(\.failure).first
        #expect(error?.code == .workerCrashed)
        #expect(error?.message.contains("killed by signal 11") == true)
        #expect(error?.message.contains("tried 3 times") == true)
        #expect(owner.ends[task] == 1)
    }

    @Test func anErrorToRetryOnIsRetriedOnTheSameBudget() {
        var owner = TaskBench()
        let (task, asked) = owner.submit(retries: 2)
        let lease = asked[0].requested!
        _ = owner.grant(lease)
        func threw(_ attempt: Int) -> [Asked] {
            owner.on { $0.taskDone(task, attempt: attempt, duration: .milliseconds(1), mayRetry: true, at: $1, perform: $2) }
        }
        #expect(threw(1) == [.retried(task, 2, nil), .send(task, 2, lease)])
        #expect(threw(1).isEmpty, "an answer twice")
        let again = owner.lose(lease)
        #expect(again.first == .retried(task, 3, .workerCrashed))
        _ = owner.grant(again.compactMap(\.requested)[0], on: 2)
        #expect(threw(3) == [.ended(task, .answered)], "no retry is left: the answer is the end")
    }

    @Test func aTaskWithoutRetriesFailsAtOnce() {
        var owner = TaskBench()
        let (_, asked) = owner.submit(retries: 0)
        _ = owner.grant(asked[0].requested!)
        #expect(owner.lose(asked[0].requested!).compactMap(\.failure).map(\.code) == [.workerCrashed])
    }

    @Test func endlessRetriesNeverFail() {
        var owner = TaskBench()
        var (_, asked) = owner.submit(retries: -1)
        for attempt in 1...50 {
            let lease = asked.compactMap(\.requested)[0]
            _ = owner.grant(lease, on: UInt64(attempt))
            asked = owner.lose(lease)
            #expect(asked.compactMap(\.failure).isEmpty)
        }
    }

    @Test func tasksThatHadNotBegunAreQueuedAgainWithoutCountingAnAttempt() {
        var owner = TaskBench(clusterCPUs: 1)
        let lease = owner.warmUp(taking: .microseconds(100))
        let tasks = owner.submit(count: 3)
        let again = owner.lose(lease).compactMap(\.requested)[0]
        #expect(tasks.map { owner.book.attempt(of: $0) } == [2, 1, 1])
        #expect(owner.grant(again, on: 2).compactMap(\.sent) == tasks, "in their order")
    }

    @Test func aSilentWorkerIsAskedMoreAndMoreSeldom() {
        var owner = TaskBench()
        let (task, asked) = owner.submit()
        let lease = asked[0].requested!
        _ = owner.grant(lease)
        var times: [Int] = []
        for second in 1...20 where owner.advance(.seconds(1)).contains(.inquire(lease, [task])) { times.append(second) }
        #expect(times == [2, 4, 8, 16])
    }

    @Test func aTaskThatItsWorkerDoesNotKnowIsSentAgain() {
        var owner = TaskBench()
        let (task, asked) = owner.submit()
        let lease = asked[0].requested!
        _ = owner.grant(lease)
        #expect(owner.advance(Limits.taskInquiryAfter).contains(.inquire(lease, [task])))
        let again = owner.on { $0.tasksUnknown([task], lease: lease, at: $1, perform: $2) }
        #expect(again == [.retried(task, 2, .unavailable), .send(task, 2, lease)])
        #expect(owner.on { $0.tasksUnknown([task], lease: lease, at: $1, perform: $2) }.isEmpty, "nobody asked about the second attempt")
    }

    @Test func aLeaseWhoseWorkerGaveEverythingBackRests() {
        var owner = TaskBench(clusterCPUs: 1)
        let (task, asked) = owner.submit()
        let lease = asked[0].requested!
        _ = owner.grant(lease)
        let returned = owner.on { $0.tasksReturned([task], lease: lease, at: $1, perform: $2) }
        #expect(returned.compactMap(\.sent).isEmpty)
        #expect(returned.compactMap(\.requested).count == 1, "another lease may run it")
        #expect(owner.advance(Limits.leaseRest).contains(.send(task, 1, lease)))
    }

    @Test func anUnknownTaskWithoutRetriesFails() {
        var owner = TaskBench()
        let (task, asked) = owner.submit(retries: 0)
        _ = owner.grant(asked[0].requested!)
        _ = owner.advance(Limits.taskInquiryAfter)
        let ended = owner.on { $0.tasksUnknown([task], lease: asked[0].requested!, at: $1, perform: $2) }
        #expect(ended.compactMap(\.failure).map(\.code) == [.unavailable])
    }

    @Test func aLossOfARequestAsksAgain() {
        var owner = TaskBench()
        let (_, asked) = owner.submit()
        let again = owner.lose(asked[0].requested!)
        #expect(again.compactMap(\.requested).count == 1)
        #expect(again.compactMap(\.requested) != asked.compactMap(\.requested), "with a new lease")
    }
}

@Suite struct TaskBookGivingUp {
    @Test func aProcessThatGivesUpEndsItsTasksAndReturnsItsLeases() {
        var owner = TaskBench()
        let (running, asked) = owner.submit()
        let lease = asked[0].requested!
        _ = owner.grant(lease)
        let (waiting, _) = owner.submit()
        let (missing, _) = owner.submit(missing: 1)
        let ended = owner.on { $0.endAll(MantaError(.notConnected, "the session ended"), at: $1, perform: $2) }
        #expect(ended.compactMap(\.endedTask) == [running, waiting, missing])
        #expect(ended.contains(.giveBack(lease)))
        #expect(owner.book.counts == (0, 0, 0, 0))
    }

    @Test func aLostReturnIsRepeatedToTheNodeItWasMovedTo() {
        var owner = TaskBench()
        let (task, asked) = owner.submit()
        let lease = asked[0].requested!
        _ = owner.on { $0.leaseMoved(lease, to: TaskBench.away, at: $1, perform: $2) }
        _ = owner.grant(lease)
        _ = owner.done(task)
        _ = owner.reclaim(lease)
        var node: NodeAddress?
        owner.book.reclaim(lease, at: owner.now) { if case .returnLease(_, let address) = $0 { node = address } }
        #expect(node == TaskBench.away)
    }
}

@Suite struct TaskBookSize {
    @Test func unusedShapesAreForgotten() {
        var owner = TaskBench()
        for cpus in 1...50 {
            let shape = TaskShape(job: TaskBench.shape.job, program: TaskBench.shape.program, resources: Resources(["CPU": ResourceAmount(Double(cpus))]))
            let (task, _) = owner.submit(shape: shape)
            _ = owner.on { $0.cancel(task, at: $1, perform: $2) }
        }
        _ = owner.advance(.milliseconds(50))
        #expect(owner.book.shapeIndex.isEmpty)
        _ = owner.submit()
        #expect(owner.book.shapes.count == 50)
    }

    @Test func cancelledTasksLeaveTheQueue() {
        var owner = TaskBench()
        for task in owner.submit(count: 1_000) { _ = owner.on { $0.cancel(task, at: $1, perform: $2) } }
        #expect(owner.book.shapes[0].queue.count <= 64)
    }

    @Test func aRecordIsSmall() {
        #expect(MemoryLayout<TaskBook.Record>.size <= 64)
    }
}
