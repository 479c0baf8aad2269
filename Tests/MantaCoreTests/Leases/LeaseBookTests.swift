// The rules of LeaseBook: granting, queues, workers. One test a rule.

import MantaModel
import Testing

@testable import MantaCore

@Suite struct LeaseBookGranting {
    @Test func aRequestStartsAWorkerAndIsGrantedWhenItIsReady() {
        var node = LeaseBench()
        let (lease, actions) = node.request()
        #expect(actions == [.startWorker(LeaseBench.program)])
        let (worker, then) = node.ready()
        #expect(then == [.grant(lease, worker: worker, gpus: [], owner: LeaseBench.driver)])
        #expect(node.freeCPUs == 1)
    }

    @Test func aReadyWorkerIsGrantedAtOnce() {
        var node = LeaseBench()
        let workers = node.ready(count: 1)
        #expect(node.request().1.first?.grantedWorker == workers[0])
    }

    @Test func theSameRequestAgainGetsTheSameGrantAgain() {
        var node = LeaseBench()
        _ = node.ready(count: 2)
        let request = node.makeRequest()
        let first = node.request(request)
        #expect(node.request(request) == first)
        #expect(node.freeCPUs == 1)
    }

    @Test func aRequestTwiceWhileItWaitsIsOneRequest() {
        var node = LeaseBench(cpus: 1)
        _ = node.ready(count: 1)
        let (held, _) = node.request()
        let request = node.makeRequest()
        #expect(node.request(request).isEmpty)
        #expect(node.request(request).isEmpty)
        #expect(node.book.counts.waiting == 1)
        #expect(node.giveBack(held).compactMap(\.granted) == [request.lease])
        #expect(node.giveBack(request.lease).isEmpty)
    }

    @Test func aReturnTwiceIsNothing() {
        var node = LeaseBench()
        _ = node.ready(count: 1)
        let (lease, _) = node.request()
        _ = node.giveBack(lease)
        _ = node.giveBack(lease)
        #expect(node.freeCPUs == 2)
        #expect(node.book.counts == (0, 0, 0))
    }

    @Test func aRequestThatComesAfterItsReturnIsNotGranted() {
        var node = LeaseBench()
        _ = node.ready(count: 1)
        let request = node.makeRequest()
        _ = node.giveBack(request.lease)
        #expect(node.request(request).isEmpty)
        #expect(node.freeCPUs == 2)
    }

    @Test func aWithdrawnRequestLeavesTheQueue() {
        var node = LeaseBench(cpus: 1)
        _ = node.ready(count: 1)
        let (held, _) = node.request()
        let (withdrawn, _) = node.request()
        let (last, _) = node.request()
        _ = node.on { $0.cancelRequest(withdrawn, at: $1, perform: $2) }
        #expect(node.giveBack(held).compactMap(\.granted) == [last])
    }

    @Test func resourcesAreNeverGrantedTwice() {
        var node = LeaseBench(cpus: 2)
        _ = node.ready(count: 4)
        let actions = (0..<4).flatMap { _ in node.request(cpus: 1).1 }
        #expect(actions.compactMap(\.granted).count == 2)
        #expect(node.freeCPUs == 0)
    }

    @Test func fractionsOfACPUShareIt() {
        var node = LeaseBench(cpus: 1)
        _ = node.ready(count: 4)
        let actions = (0..<4).flatMap { _ in node.request(cpus: 0.25).1 }
        #expect(actions.compactMap(\.granted).count == 4)
        #expect(node.freeCPUs == 0)
    }

    @Test func endedLeasesAreForgottenInBoundedNumber() {
        var node = LeaseBench()
        for low in 0..<UInt64(Limits.rememberedLeases + 10) { _ = node.giveBack(LeaseID(high: 7, low: low)) }
        #expect(node.book.endings[LeaseID(high: 7, low: 0)] == nil)
        #expect(node.book.endings[LeaseID(high: 7, low: 100)] != nil)
    }

    @Test func aFullQueueRefusesWithOverloaded() {
        var node = LeaseBench(cpus: 0)
        node.book.waitingCount = Limits.queuedLeaseRequests
        guard case .refuse(_, let error, _) = node.request().1.first else {
            Issue.record("expected a refusal")
            return
        }
        #expect(error.code == .overloaded)
    }
}

@Suite struct LeaseBookFairness {
    @Test func requestsOfAGroupAreServedInOrder() {
        var node = LeaseBench(cpus: 1)
        _ = node.ready(count: 1)
        let (held, _) = node.request()
        let waiting = (0..<3).map { _ in node.request().0 }
        var served: [LeaseID] = []
        var current = held
        while let next = node.giveBack(current).compactMap(\.granted).first {
            served.append(next)
            current = next
        }
        #expect(served == waiting)
    }

    @Test func theOwnerWithFewestLeasesGoesFirst() {
        var node = LeaseBench(cpus: 2)
        _ = node.ready(count: 2)
        let (first, _) = node.request(LeaseBench.driver)
        _ = node.request(LeaseBench.driver)
        _ = node.request(LeaseBench.driver)
        let (late, _) = node.request(LeaseBench.other)
        #expect(node.giveBack(first).compactMap(\.granted) == [late])
    }

    @Test func whatDoesNotFitIsPassedOver() {
        var node = LeaseBench(cpus: 2)
        _ = node.ready(count: 3)
        _ = node.request()
        let (large, none) = node.request(cpus: 2)
        #expect(none.isEmpty)
        let (_, small) = node.request()
        #expect(small.compactMap(\.granted).count == 1)
        #expect(node.book.reason(for: large) != nil)
    }

    @Test func aLargeRequestIsNotStarvedBySmallOnes() {
        var node = LeaseBench(cpus: 2)
        _ = node.ready(count: 4)
        let (one, _) = node.request()
        let (two, _) = node.request()
        let (large, _) = node.request(cpus: 2)
        let (small, _) = node.request()
        _ = node.advance(Limits.leasePatience)
        #expect(node.giveBack(one).compactMap(\.granted).isEmpty, "the freed CPU is kept for the overdue request")
        #expect(node.giveBack(two).compactMap(\.granted) == [large])
        #expect(node.giveBack(large).compactMap(\.granted) == [small])
    }

    @Test func anOverdueRequestHoldsBackOnlyWhatItLacks() {
        var node = LeaseBench(cpus: 1, ["GPU": 1])
        _ = node.ready(count: 3)
        _ = node.request(cpus: 1)
        _ = node.request(cpus: 1)
        _ = node.advance(Limits.leasePatience)
        let gpu = node.makeRequest(cpus: 0, ["GPU": 1])
        #expect(node.request(gpu).compactMap(\.granted) == [gpu.lease])
    }

    @Test func aRequestThatCanNeverFitHoldsBackNobody() {
        var node = LeaseBench(cpus: 2)
        _ = node.ready(count: 2)
        let (hopeless, _) = node.request(cpus: 8)
        _ = node.advance(.seconds(10))
        #expect(node.request().1.compactMap(\.granted).count == 1)
        #expect(node.book.reason(for: hopeless) == "no node can ever serve it: it needs CPU 8 and the largest node has 2; start a larger node or ask for less")
    }

    @Test func othersLeasesAreAskedBackOncePerPeriod() {
        var node = LeaseBench(cpus: 1)
        _ = node.ready(count: 1)
        let (held, _) = node.request(LeaseBench.driver)
        node.now = node.now + Limits.leaseSlice
        let (_, actions) = node.request(LeaseBench.other)
        #expect(actions.compactMap(\.reclaimed) == [held])
        #expect(node.advance(.milliseconds(10)).compactMap(\.reclaimed).isEmpty)
        #expect(node.advance(Limits.reclaimPeriod).compactMap(\.reclaimed) == [held])
    }

    @Test func aLeaseIsNotAskedBackForItsOwnGroup() {
        var node = LeaseBench(cpus: 1)
        _ = node.ready(count: 1)
        _ = node.request()
        _ = node.request()
        #expect(node.advance(.milliseconds(100)).compactMap(\.reclaimed).isEmpty)
    }

    @Test func aLeaseIsAskedBackForAnotherShapeOfTheSameOwner() {
        var node = LeaseBench(cpus: 1)
        _ = node.ready(count: 1)
        let (held, _) = node.request(cpus: 1)
        _ = node.request(cpus: 0.5)
        #expect(node.advance(.milliseconds(100)).compactMap(\.reclaimed) == [held])
    }

    @Test func noMoreLeasesAreAskedBackThanRequestsWait() {
        var node = LeaseBench(cpus: 4)
        _ = node.ready(count: 4)
        for _ in 0..<4 { _ = node.request(LeaseBench.driver) }
        _ = node.request(LeaseBench.other)
        #expect(node.advance(.milliseconds(100)).compactMap(\.reclaimed).count == 1)
    }
}

@Suite struct LeaseBookBlocking {
    @Test func aBlockedLeaseGivesItsResourcesToOthersOnTheSameWorker() {
        var node = LeaseBench(cpus: 1)
        let worker = node.ready(count: 1)[0]
        let (parent, _) = node.request()
        let (child, none) = node.request(worker)
        #expect(none.isEmpty)
        let actions = node.block(parent, turn: 1)
        #expect(actions == [.grant(child, worker: worker, gpus: [], owner: worker)])
        #expect(node.freeCPUs == 0)
    }

    @Test func resumingWaitsForTheWorkersOtherLease() {
        var node = LeaseBench(cpus: 1)
        let worker = node.ready(count: 1)[0]
        let (parent, _) = node.request()
        _ = node.block(parent, turn: 1)
        let (child, _) = node.request(worker)
        #expect(node.resume(parent, turn: 1, on: worker).compactMap(\.resumedLease).isEmpty)
        #expect(node.giveBack(child) == [.resumed(parent, turn: 1, worker: worker)])
        #expect(node.freeCPUs == 0)
    }

    /// The other one may wait for it without a word, or just take long.
    @Test func resumingGoesOnBesideALongTaskWhenThereAreResources() {
        var node = LeaseBench(cpus: 2)
        _ = node.ready(count: 2)
        let (first, granted) = node.request()
        let (elsewhere, _) = node.request()
        _ = node.block(first, turn: 1)
        let (long, grantedBeside) = node.request()
        let worker = granted[0].grantedWorker!
        #expect(grantedBeside.first?.grantedWorker == worker)
        _ = node.giveBack(elsewhere)
        #expect(node.resume(first, turn: 1, on: worker).compactMap(\.resumedLease).isEmpty)
        #expect(node.advance(Limits.resumptionPatience - .milliseconds(1)).compactMap(\.resumedLease).isEmpty)
        #expect(node.advance(.milliseconds(1)).compactMap(\.resumedLease) == [first])
        #expect(node.freeCPUs == 0)
        _ = node.giveBack(long)
        _ = node.giveBack(first)
        #expect(node.freeCPUs == 2 && node.book.isIdle(worker.process))
    }

    @Test func resumptionsGoBeforeNewRequests() {
        var node = LeaseBench(cpus: 1)
        let workers = node.ready(count: 2)
        let (parent, grant) = node.request()
        let home = grant[0].grantedWorker!
        _ = node.block(parent, turn: 1)
        let (next, _) = node.request()
        let (waiting, _) = node.request()
        _ = node.resume(parent, turn: 1, on: home)
        #expect(workers.contains(home))
        #expect(node.giveBack(next).compactMap(\.resumedLease) == [parent])
        #expect(node.giveBack(parent).compactMap(\.granted) == [waiting])
    }

    @Test func resumptionsAreServedInOrder() {
        var node = LeaseBench(cpus: 1)
        let worker = node.ready(count: 1)[0]
        var blocked: [LeaseID] = []
        for turn in 1...3 {
            let (lease, _) = node.request()
            _ = node.block(lease, turn: UInt64(turn))
            blocked.append(lease)
        }
        let (busy, _) = node.request()
        for (index, lease) in blocked.enumerated() { _ = node.resume(lease, turn: UInt64(index + 1), on: worker) }
        var order: [LeaseID] = []
        var current = busy
        while let next = node.giveBack(current).compactMap(\.resumedLease).first {
            order.append(next)
            current = next
        }
        #expect(order == blocked)
    }

    @Test func resumeIsAnsweredAgainWhenItIsRepeated() {
        var node = LeaseBench()
        let worker = node.ready(count: 1)[0]
        let (lease, _) = node.request()
        _ = node.block(lease, turn: 1)
        let answer = node.resume(lease, turn: 1, on: worker)
        #expect(answer == [.resumed(lease, turn: 1, worker: worker)])
        #expect(node.resume(lease, turn: 1, on: worker) == answer)
        #expect(node.freeCPUs == 1)
    }

    @Test func aBlockedThatComesAfterItsResumeIsIgnored() {
        var node = LeaseBench()
        let worker = node.ready(count: 1)[0]
        let (lease, _) = node.request()
        _ = node.resume(lease, turn: 1, on: worker)
        _ = node.block(lease, turn: 1)
        #expect(node.freeCPUs == 1, "the task runs")
        _ = node.block(lease, turn: 2)
        #expect(node.freeCPUs == 2)
    }

    @Test func resumingALeaseThatEndedIsAnsweredWithItsEnd() {
        var node = LeaseBench()
        let worker = node.ready(count: 1)[0]
        let (lease, _) = node.request()
        _ = node.block(lease, turn: 1)
        _ = node.giveBack(lease)
        #expect(node.resume(lease, turn: 1, on: worker) == [.ended(lease, worker: worker)])
    }

    @Test func aWorkerWhoseTaskCouldGoOnGetsNoNewLease() {
        var node = LeaseBench(cpus: 1)
        let worker = node.ready(count: 1)[0]
        let (first, _) = node.request()
        _ = node.block(first, turn: 1)
        let (second, _) = node.request()
        _ = node.resume(first, turn: 1, on: worker)
        _ = node.request()
        #expect(node.giveBack(second) == [.resumed(first, turn: 1, worker: worker)])
    }

    @Test func recursionNeedsOneProcessPerCPU() {
        var node = LeaseBench(cpus: 2)
        var starts = 0
        var owner = LeaseBench.driver
        for depth in 1...2_000 {
            let (lease, requested) = node.request(owner)
            var actions = requested
            if actions.contains(where: \.isStart) {
                starts += 1
                actions = node.ready().1
            }
            guard let worker = actions.first(where: { $0.granted == lease })?.grantedWorker else {
                Issue.record("not granted at depth \(depth)")
                return
            }
            _ = node.block(lease, turn: UInt64(depth))
            owner = worker
        }
        #expect(starts == 2)
        #expect(node.book.counts.blocked == 2_000)
    }

    @Test func theLeaseThatKeepsAResumptionFromItsWorkerIsAskedBack() {
        var node = LeaseBench(cpus: 2)
        let worker = node.ready(count: 1)[0]
        let (parent, _) = node.request(cpus: 2)
        _ = node.block(parent, turn: 1)
        node.book.capacity(Resources([Resources.cpu: 1]), at: node.now) { _ in }
        let (child, _) = node.request()
        node.now = node.now + Limits.leaseSlice
        #expect(node.resume(parent, turn: 1, on: worker).compactMap(\.reclaimed) == [child])
    }

    @Test func aTaskThatCouldGoOnGetsItsChildsLeaseBackAtOnce() {
        var node = LeaseBench(cpus: 1)
        let worker = node.ready().0
        let (parent, _) = node.request()
        let (child, before) = node.request(worker)
        #expect(before.compactMap(\.granted).isEmpty)
        #expect(node.block(parent, turn: 1).compactMap(\.granted) == [child])
        #expect(node.resume(parent, turn: 1, on: worker).compactMap(\.reclaimed) == [child], "not only after its slice")
        #expect(node.giveBack(child).compactMap(\.resumedLease) == [parent])
    }
}
