// The rules of LeaseBook about workers, owners, actors and other nodes.

import MantaModel
import Testing

@testable import MantaCore

@Suite struct LeaseBookWorkers {
    @Test func noMoreWorkersStartThanWaitAndFit() {
        var node = LeaseBench(cpus: 2)
        let starts = (0..<5).flatMap { _ in node.request().1 }.count { $0.isStart }
        #expect(starts == 2)
    }

    @Test func startsThatFailRefuseTheRequestsOfTheProgram() {
        var node = LeaseBench(cpus: 1)
        let (lease, _) = node.request()
        var actions: [LeaseBook.Action] = []
        for _ in 0..<Limits.workerStartFailures {
            actions = node.on { $0.workerStartFailed(LeaseBench.program, DeathCause(.startFailed, "no such file"), at: $1, perform: $2) }
        }
        guard case .refuse(lease, let error, _) = actions.first else {
            Issue.record("expected a refusal, got \(actions)")
            return
        }
        #expect(error.message.contains("no such file"))
        #expect(error.message.contains("/bin/program"))
    }

    @Test func aStartThatFailsOnceIsTriedAgain() {
        var node = LeaseBench(cpus: 1)
        _ = node.request()
        let actions = node.on { $0.workerStartFailed(LeaseBench.program, DeathCause(.startFailed, "exit 1"), at: $1, perform: $2) }
        #expect(actions == [.startWorker(LeaseBench.program)])
    }

    @Test func aDeadWorkersLeasesAreLostAndItsResourcesFree() {
        var node = LeaseBench()
        let worker = node.ready(count: 1)[0]
        let (blocked, _) = node.request()
        _ = node.block(blocked, turn: 1)
        node.book.capacity(Resources([Resources.cpu: 1]), at: node.now) { _ in }
        let (active, _) = node.request()
        #expect(node.die(worker).compactMap(\.lostLease) == [blocked, active])
        #expect(node.freeCPUs == 1)
    }

    @Test func aRequestRepeatedAfterItsWorkerDiedIsAnsweredWithTheLoss() {
        var node = LeaseBench()
        let worker = node.ready(count: 1)[0]
        let request = node.makeRequest()
        _ = node.request(request)
        _ = node.die(worker)
        #expect(node.request(request).compactMap(\.lostLease) == [request.lease])
    }

    @Test func surplusWorkersLeaveSoonAndTheOthersWhenUnusedForLong() {
        var node = LeaseBench(cpus: 2)
        _ = node.ready(count: 4)
        #expect(node.advance(Limits.surplusWorkerLifetime).compactMap(\.stopped).count == 2)
        #expect(node.advance(.seconds(30)).compactMap(\.stopped).isEmpty)
        #expect(node.advance(Limits.idleWorkerLifetime).compactMap(\.stopped).count == 2)
    }

    @Test func aWorkerThatOwnsLeasesIsNotStopped() {
        var node = LeaseBench(cpus: 0)
        let worker = node.ready(count: 1)[0]
        _ = node.request(worker)
        #expect(node.advance(.seconds(120)).compactMap(\.stopped).isEmpty)
    }

    @Test func aWorkerThatWasAskedToLeaveGetsNoLease() {
        var node = LeaseBench(cpus: 1)
        let worker = node.ready(count: 1)[0]
        _ = node.advance(Limits.idleWorkerLifetime)
        #expect(node.book.isIdle(worker.process), "its end is no loss of work")
        #expect(node.request().1 == [.startWorker(LeaseBench.program)])
        let actions = node.on { $0.workerStays(worker.process, at: $1, perform: $2) }
        #expect(actions.first?.grantedWorker == worker)
    }

    @Test func workersAreStartedAheadUpToOnePerCPU() {
        var node = LeaseBench(cpus: 2)
        let actions = node.on { $0.prestart(LeaseBench.program, count: 5, at: $1, perform: $2) }
        #expect(actions == [.startWorker(LeaseBench.program), .startWorker(LeaseBench.program)])
    }

    @Test func aWorkerCarriesLeasesOfOneJobOnly() {
        var node = LeaseBench(cpus: 1)
        let worker = node.ready(count: 1)[0]
        let (lease, _) = node.request()
        _ = node.block(lease, turn: 1)
        let stranger = node.makeRequest(LeaseBench.other, job: JobID(high: 5, low: 2))
        #expect(node.request(stranger) == [.startWorker(LeaseBench.program)])
        #expect(node.ready().1.first?.grantedWorker != worker)
    }
}

@Suite struct LeaseBookOwners {
    @Test func aWorkerThatItsOwnerCannotReachIsKilledAndGivenToNobody() {
        var node = LeaseBench(cpus: 1)
        let worker = node.ready(count: 1)[0]
        let (lease, _) = node.request()
        let (waiting, _) = node.request(LeaseBench.other)
        let actions = node.on { $0.returnLease(lease, endsWorker: true, at: $1, perform: $2) }
        #expect(actions.compactMap(\.killed) == [worker.process] && actions.compactMap(\.grantedWorker).isEmpty)
        #expect(node.die(worker).allSatisfy { if case .lost = $0 { false } else { true } }, "its owner knows")
        let (next, served) = node.ready()
        #expect(served.compactMap(\.grantedWorker) == [next])
        #expect(node.giveBack(waiting).isEmpty && node.freeCPUs == 1)
        #expect(node.on { $0.returnLease(lease, endsWorker: true, at: $1, perform: $2) }.isEmpty, "once")
    }

    @Test func workersOfADeadOwnerAreKilledAndItsRequestsDropped() {
        var node = LeaseBench(cpus: 1)
        let worker = node.ready(count: 1)[0]
        _ = node.request()
        _ = node.request()
        let actions = node.on { $0.ownerDied(LeaseBench.driver.process, at: $1, perform: $2) }
        #expect(actions.compactMap(\.killed) == [worker.process])
        #expect(node.freeCPUs == 0, "the worker runs until it is dead")
        #expect(node.die(worker).isEmpty)
        #expect(node.freeCPUs == 1)
        #expect(node.book.counts == (0, 0, 0))
    }

    @Test func lateRequestsOfADeadOwnerAreIgnored() {
        var node = LeaseBench(cpus: 1)
        _ = node.ready(count: 1)
        _ = node.on { $0.ownerDied(LeaseBench.driver.process, at: $1, perform: $2) }
        #expect(node.request().1.isEmpty)
        #expect(node.freeCPUs == 1)
    }

    @Test func aDeadWorkersOwnRequestsAreDropped() {
        var node = LeaseBench(cpus: 2)
        let workers = node.ready(count: 2)
        let (_, first) = node.request()
        let parent = first[0].grantedWorker!
        let (_, second) = node.request(parent)
        let child = second[0].grantedWorker!
        #expect(Set(workers) == [parent, child])
        #expect(node.die(parent).compactMap(\.killed) == [child.process])
    }

    @Test func theEndOfAJobDropsItsRequestsAndKillsItsWorkers() {
        var node = LeaseBench(cpus: 1)
        let worker = node.ready(count: 1)[0]
        _ = node.request()
        _ = node.request()
        let actions = node.on { $0.jobEnded(LeaseBench.job, at: $1, perform: $2) }
        #expect(actions.compactMap(\.killed) == [worker.process])
        #expect(node.book.counts.waiting == 0)
    }

    @Test func anOwnerIsToldThatItDoesNotHoldALease() {
        var node = LeaseBench()
        let lease = LeaseID(high: 1, low: 77)
        let actions = node.on { $0.confirmLease(lease, owner: LeaseBench.driver, at: $1, perform: $2) }
        #expect(actions.compactMap(\.lostLease) == [lease])
    }

    @Test func aLeaseThatItsOwnerDoesNotConfirmIsAskedBack() {
        var node = LeaseBench()
        _ = node.ready(count: 2)
        let (silent, _) = node.request()
        let (confirmed, _) = node.request()
        _ = node.advance(Limits.leaseConfirmDeadline - .seconds(1))
        _ = node.on { $0.confirmLease(confirmed, owner: LeaseBench.driver, at: $1, perform: $2) }
        #expect(node.advance(Limits.leaseConfirmPeriod).compactMap(\.reclaimed) == [silent])
    }
}

@Suite struct LeaseBookActors {
    let actor = ActorID(high: 3, low: 1)

    @Test func anActorHoldsItsResourcesUntilItIsReleased() {
        var node = LeaseBench(cpus: 2)
        let one = Resources([Resources.cpu: 1])
        #expect(node.on { $0.reserve(actor, one, at: $1, perform: $2) } == [.reserved(actor)])
        #expect(node.on { $0.reserve(actor, one, at: $1, perform: $2) } == [.reserved(actor)], "asked again, answered again")
        #expect(node.freeCPUs == 1)
        _ = node.on { $0.release(actor, at: $1, perform: $2) }
        _ = node.on { $0.release(actor, at: $1, perform: $2) }
        #expect(node.freeCPUs == 2)
    }

    @Test func anActorWaitsForALeaseAndGoesBeforeRequests() {
        var node = LeaseBench(cpus: 1)
        _ = node.ready(count: 1)
        let (held, _) = node.request()
        let (waiting, _) = node.request()
        node.now = node.now + Limits.leaseSlice
        let asked = node.on { $0.reserve(actor, Resources([Resources.cpu: 1]), at: $1, perform: $2) }
        #expect(asked.compactMap(\.reclaimed) == [held])
        #expect(node.giveBack(held) == [.reserved(actor)])
        #expect(node.on { $0.release(actor, at: $1, perform: $2) }.compactMap(\.granted) == [waiting])
    }

    @Test func anActorThatWaitsNoLongerIsForgotten() {
        var node = LeaseBench(cpus: 1)
        _ = node.ready(count: 1)
        let (held, _) = node.request()
        _ = node.on { $0.reserve(actor, Resources([Resources.cpu: 1]), at: $1, perform: $2) }
        _ = node.on { $0.release(actor, at: $1, perform: $2) }
        #expect(node.giveBack(held).isEmpty)
        #expect(node.freeCPUs == 1)
    }

    @Test func requestsThatOnlyActorsKeepFromFittingHoldBackNobody() {
        var node = LeaseBench(cpus: 2)
        _ = node.ready(count: 2)
        _ = node.on { $0.reserve(actor, Resources([Resources.cpu: 1]), at: $1, perform: $2) }
        let (large, _) = node.request(cpus: 2)
        _ = node.advance(.seconds(5))
        #expect(node.request().1.compactMap(\.granted).count == 1)
        #expect(node.book.reason(for: large) == "actors hold CPU 1 of CPU 2, it needs CPU 2")
    }
}

@Suite struct LeaseBookMoving {
    let there = NodeView(id: NodeID(high: 9, low: 2), endpoint: "tcp://b:1", total: Resources([Resources.cpu: 4]), available: Resources([Resources.cpu: 1]))

    @Test func aRequestMovesToANodeWithRoomWhenThereIsNoneHere() {
        var node = LeaseBench(cpus: 1)
        _ = node.ready(count: 1)
        _ = node.on { $0.clusterView([there], at: $1, perform: $2) }
        _ = node.request(mayMove: true)
        let request = node.makeRequest(mayMove: true)
        let moved = node.request(request)
        #expect(moved == [.move(request.lease, to: there.address, .room, owner: LeaseBench.driver)])
        #expect(node.request(request) == moved, "asked again, named again")
        #expect(node.request(mayMove: true).1.isEmpty, "the room there is taken")
    }

    @Test func aRequestThatMayNotMoveStays() {
        var node = LeaseBench(cpus: 0)
        _ = node.on { $0.clusterView([there], at: $1, perform: $2) }
        #expect(node.request(mayMove: false).1.isEmpty)
    }

    @Test func aRequestStaysWhereThereIsRoom() {
        var node = LeaseBench(cpus: 1)
        _ = node.on { $0.clusterView([there], at: $1, perform: $2) }
        #expect(node.request(mayMove: true).1 == [.startWorker(LeaseBench.program)])
    }

    @Test func waitingRequestsMoveWhenRoomIsReportedElsewhere() {
        var node = LeaseBench(cpus: 1)
        _ = node.ready(count: 1)
        _ = node.request(mayMove: true)
        let (waiting, _) = node.request(mayMove: true)
        let actions = node.on { $0.clusterView([there], at: $1, perform: $2) }
        #expect(actions == [.move(waiting, to: there.address, .room, owner: LeaseBench.driver)])
        #expect(node.book.explain(waiting) == "moved to node 00000000")
    }

    @Test func whatCanNeverFitHereGoesWhereItCanLater() {
        var node = LeaseBench(cpus: 1)
        var full = there
        full.available = Resources()
        _ = node.on { $0.clusterView([full], at: $1, perform: $2) }
        let request = node.makeRequest(cpus: 3, mayMove: true)
        #expect(node.request(request) == [.move(request.lease, to: there.address, .room, owner: LeaseBench.driver)])
    }

    @Test func whatFitsNowhereStaysAndSaysWhy() {
        var node = LeaseBench(cpus: 1)
        _ = node.on { $0.clusterView([there], at: $1, perform: $2) }
        let request = node.makeRequest(cpus: 0, ["GPU": 1], mayMove: true)
        #expect(node.request(request).isEmpty)
        #expect(node.book.reason(for: request.lease)?.contains("no node has any GPU") == true)
    }
}
