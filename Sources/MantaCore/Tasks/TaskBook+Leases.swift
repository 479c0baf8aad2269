// The leases of a TaskBook: asking for them, using them, giving them back, losing them.

internal import DequeModule
package import MantaModel

extension TaskBook {
    /// A node granted a lease. One that is not wanted any more goes back.
    package mutating func leaseGranted(_ lease: LeaseID, worker: ProcessAddress, at now: Instant, perform: (Action) -> Void) {
        guard let number = number(of: lease), let record = leases[number] else { return returnUnknown(lease, perform) }
        guard record.worker == nil else { return }
        leases[number]!.worker = worker
        leases[number]!.since = now
        leases[number]!.saidAt = now
        let shape = record.shape
        shapes[Int(shape)].requested -= 1
        open(number, in: shape)
        refill(number, at: now, perform)
        ask(for: shape, at: now, perform)
    }

    /// A node named a better one: the same lease is asked for there. Away from where large arguments lie goes one task alone, which takes along what
    /// `carrying` names.
    package mutating func leaseMoved(
        _ lease: LeaseID, to node: NodeAddress, at now: Instant, carrying: (Payload) -> [ArgumentLocation] = { _ in [] }, perform: (Action) -> Void
    ) {
        guard let number = number(of: lease), let record = leases[number], record.worker == nil, !record.isMoved else { return }
        var key = shapes[Int(record.shape)].key
        if key.near != nil, key.arguments.isEmpty, let task = popTask(record.shape) {
            forget(number)
            key.arguments = carrying(tasks[task]!.payload)
            let shape = reshape(task, to: key)
            enqueue(task, in: shape)
            return dispatch(shape, at: now, perform)
        }
        leases[number]!.node = node
        leases[number]!.isMoved = true
        leases[number]!.since = now
        request(number, at: now, perform)
    }

    /// A node refused a request: when it is full, the owner asks again later; else the tasks that wait for such leases end with the error.
    package mutating func leaseRefused(_ lease: LeaseID, _ error: MantaError, at now: Instant, perform: (Action) -> Void) {
        guard let number = number(of: lease), let record = leases[number], record.worker == nil else { return }
        let shape = record.shape
        forget(number)
        if error.code == .overloaded {
            shapes[Int(shape)].pausedUntil = now + Limits.leaseRequestRepeat
            return
        }
        while let task = popTask(shape) {
            shapes[Int(shape)].waiting += 1
            waitingTotal += 1
            end(task, .failed(error), at: now, perform)
        }
        withdraw(shape, perform)
    }

    /// A lease is gone, its worker dead. What ran is retried or ends with an error; what had not begun is queued again.
    package mutating func leaseLost(_ lease: LeaseID, _ cause: DeathCause, at now: Instant, perform: (Action) -> Void) {
        guard let number = number(of: lease), let shape = leases[number]?.shape else { return }
        lose(number, cause, at: now, perform)
        dispatch(shape, at: now, perform)
    }

    /// A node wants a lease back. One that is not known (its return was lost) is returned again.
    package mutating func reclaim(_ lease: LeaseID, at now: Instant, perform: (Action) -> Void) {
        guard let number = number(of: lease), let record = leases[number] else { return returnUnknown(lease, perform) }
        guard let worker = record.worker else { return }
        if record.inFlight.isEmpty { return giveBack(number, perform) }
        leases[number]!.isReclaimed = true
        close(number, in: record.shape)
        if record.inFlight.count > 1, record.since + Limits.taskTakeBackAfter <= now { takeBack(number, worker, perform) }
        // Others of the shape may take what would have gone here.
        ask(for: record.shape, at: now, perform)
    }

    /// A node is dead, with every worker on it.
    package mutating func nodeLost(_ node: NodeID, at now: Instant, perform: (Action) -> Void) {
        lostNodes.remember(node, true)
        let cause = DeathCause(.nodeDied, "node \(node.short) is dead")
        lose(where: { $0.node.node == node }, cause, returning: false, at: now, perform)
    }

    /// A worker cannot be reached any more, or was seen to die before its node told. Its leases go back to the node, which may not know yet, and must not give
    /// the worker to anyone: what is sent there may never begin.
    package mutating func workerLost(_ worker: ProcessID, _ cause: DeathCause, at now: Instant, perform: (Action) -> Void) {
        lose(where: { $0.worker?.process == worker }, cause, returning: true, at: now, perform)
    }

    private mutating func lose(where isLost: (Lease) -> Bool, _ cause: DeathCause, returning: Bool, at now: Instant, _ perform: (Action) -> Void) {
        for shape in shapes.indices {
            var isHit = false
            for number in shapes[shape].leases {
                guard let lease = leases[number], isLost(lease) else { continue }
                lose(number, cause, at: now, perform)
                if returning { perform(.abandonLease(id(of: number), node: lease.node)) }
                isHit = true
            }
            if isHit { dispatch(Int32(shape), at: now, perform) }
        }
    }

    private mutating func lose(_ number: UInt64, _ cause: DeathCause, at now: Instant, _ perform: (Action) -> Void) {
        guard let lease = forget(number) else { return }
        for (position, flight) in lease.inFlight.enumerated().reversed() {
            guard position == 0 else {
                requeue(flight.task, attempt: flight.attempt)
                continue
            }
            if cause.kind == .groupRemoved {
                // It could run nowhere else.
                end(flight.task, .failed(MantaError(.placementGroupRemoved, "task \(flight.task.short) ended: \(cause.detail)")), at: now, perform)
                continue
            }
            if cause.kind == .bystander { forgive(flight.task, attempt: flight.attempt) }
            if cause.kind == .outOfMemory, shapes[Int(lease.shape)].key.runsAgain, let error = memoryRanOut(under: flight, cause) {
                end(flight.task, .failed(error), at: now, perform)
                continue
            }
            let rest = cause.kind == .outOfMemory ? Rest(until: memoryRetry(of: flight.task, at: now), avoiding: lease.node.node) : nil
            retry(flight.task, attempt: flight.attempt, at: now, resting: rest, perform) { count in
                let code: MantaError.Code =
                    switch cause.kind {
                    case .nodeDied: .nodeDied
                    case .outOfMemory: .outOfMemory
                    default: .workerCrashed
                    }
                let place = "task \(flight.task.short) ran on worker \(lease.worker?.process.short ?? "?"), which died: \(cause.detail)"
                let details = MantaError.Details(death: cause, node: lease.node.node, task: flight.task, attempts: Int(flight.attempt))
                guard let count else { return MantaError(code, place, details: details) }
                let end = count == 1 ? "it allows no retry" : "it was tried \(count) times, allow more retries or see the worker's log"
                return MantaError(code, "\(place); \(end)", details: details)
            }
        }
    }

    /// Counts a death by memory apart from others; the error when it was one too many.
    private mutating func memoryRanOut(under flight: InFlight, _ cause: DeathCause) -> MantaError? {
        guard tasks[flight.task]?.attempt == flight.attempt else { return nil }
        let deaths = memoryDeaths[flight.task, default: 0] + 1
        guard memoryRetries < 0 || deaths <= memoryRetries else {
            return MantaError(
                .outOfMemory, "memory ran out under task \(flight.task.short) \(deaths) times, which is all that it may be tried: \(cause.detail)",
                details: MantaError.Details(death: cause, task: flight.task, attempts: deaths))
        }
        memoryDeaths[flight.task] = deaths
        forgive(flight.task, attempt: flight.attempt)
        return nil
    }

    /// When a task under which memory ran out is tried again: later each time.
    private func memoryRetry(of task: TaskID, at now: Instant) -> Instant {
        let deaths = max(1, memoryDeaths[task] ?? 1)
        return now + min(Limits.memoryRetryAfter * (1 << min(deaths - 1, 16)), Limits.memoryRetryLimit)
    }

    // MARK: Time

    /// Time passes: idle leases go back, requests are repeated, leases confirmed, silent workers asked. Call it every `Limits.tickPeriod`.
    package mutating func tick(at now: Instant, perform: (Action) -> Void) {
        wakeResting(at: now, perform)
        for index in shapes.indices {
            guard !shapes[index].isFree else { continue }
            if let pause = shapes[index].pausedUntil, pause <= now { shapes[index].pausedUntil = nil }
            checkSome(of: index, at: now, perform)
            if shapes[index].waiting > 0 { dispatch(Int32(index), at: now, perform) }
            if shapes[index].tasks == 0, shapes[index].leases.isEmpty {
                shapeIndex[shapes[index].key] = nil
                lastShape = nil
                shapes[index].isFree = true
                freeShapes.append(Int32(index))
            }
        }
    }

    /// The next leases of a shape, in turn, and the latest: a program that is nested deeply holds very many, and only those that it asked for last are in a hurry.
    private mutating func checkSome(of index: Int, at now: Instant, _ perform: (Action) -> Void) {
        let (numbers, first) = (shapes[index].leases, shapes[index].nextCheck)
        let count = min(numbers.count, Limits.leaseChecksPerTick)
        for offset in 0..<count { check(numbers[(first + offset) % numbers.count], at: now, perform) }
        shapes[index].nextCheck = count < numbers.count ? (first + count) % numbers.count : 0
        guard count < numbers.count else { return }
        for number in numbers.suffix(Limits.latestLeaseChecksPerTick) { check(number, at: now, perform) }
    }

    private mutating func check(_ number: UInt64, at now: Instant, _ perform: (Action) -> Void) {
        guard let lease = leases[number] else { return }
        guard let worker = lease.worker else {
            let patience = shapes[Int(lease.shape)].key.arguments.isEmpty ? Limits.movedRequestPatience : Limits.movedArgumentsPatience
            if lease.isMoved, lease.since + patience <= now {
                perform(.cancelRequest(id(of: number), node: lease.node))
                let shape = lease.shape
                forget(number)
                ask(for: shape, at: now, perform)
            } else if lease.saidAt + Limits.leaseRequestRepeat <= now {
                request(number, at: now, perform)
            }
            return
        }
        if lease.saidAt + Limits.leaseConfirmPeriod <= now {
            leases[number]!.saidAt = now
            perform(.confirmLease(id(of: number), node: lease.node))
        }
        guard !lease.inFlight.isEmpty else {
            if lease.isClosed, lease.since + Limits.leaseRest <= now { return refill(number, at: now, perform) }
            if lease.since + Limits.idleLeaseLifetime <= now { giveBack(number, perform) }
            return
        }
        if lease.inFlight.count > 1, !lease.isClosed, lease.since + Limits.taskTakeBackAfter <= now { takeBack(number, worker, perform) }
        if lease.inquireAt <= now {
            let wait = min(Limits.taskInquiryAfter * (1 << min(lease.inquiries, 8)), Limits.taskInquiryLimit)
            leases[number]!.inquiries += 1
            leases[number]!.inquireAt = now + wait
            leases[number]!.isTakingBack = false
            leases[number]!.isInquired = true
            perform(.inquire(id(of: number), tasks: lease.inFlight.map(\.task), worker: worker))
        }
    }

    private mutating func takeBack(_ number: UInt64, _ worker: ProcessAddress, _ perform: (Action) -> Void) {
        guard !leases[number]!.isTakingBack else { return }
        leases[number]!.isTakingBack = true
        perform(.takeBack(id(of: number), worker: worker))
    }

    // MARK: Asking and giving back

    /// Asks for as many leases as the waiting tasks are worth.
    mutating func ask(for index: Int32, at now: Instant, _ perform: (Action) -> Void) {
        let waiting = shapes[Int(index)].waiting
        guard waiting > 0, shapes[Int(index)].pausedUntil == nil else { return }
        let bound = clusterCPUs.map { min(max(2, 2 * $0), Limits.leaseRequestsPerShape) } ?? Limits.leaseRequestsAtFirst
        var wanted = min(waiting, bound)
        let estimate = shapes[Int(index)].estimate
        if estimate > 0 {
            // Tasks so short that one worker does them all within its share of work are not worth a second one.
            let (work, isHuge) = Int64(waiting).multipliedReportingOverflow(by: estimate)
            if !isHuge { wanted = min(wanted, Int(clamping: 1 + work / Limits.workInFlight.inNanoseconds)) }
        }
        let key = shapes[Int(index)].key
        let node = key.near.flatMap { lostNodes[$0.node] == nil ? $0 : nil } ?? home
        while shapes[Int(index)].requested < wanted {
            lastLease += 1
            let number = lastLease
            leases[number] = Lease(shape: index, node: node, since: now, saidAt: now, inquireAt: now)
            if let maxCalls = key.maxCalls { leases[number]!.remaining = maxCalls }
            shapes[Int(index)].leases.append(number)
            shapes[Int(index)].requested += 1
            request(number, at: now, perform)
        }
    }

    private mutating func request(_ number: UInt64, at now: Instant, _ perform: (Action) -> Void) {
        guard let lease = leases[number] else { return }
        let key = shapes[Int(lease.shape)].key
        leases[number]!.saidAt = now
        let request = LeaseRequest(
            lease: id(of: number), owner: owner, job: key.job, program: key.program, resources: key.resources, mayMove: !lease.isMoved,
            rule: key.rule, home: endsWithHome ? home.node : nil, arguments: key.arguments, runsAgain: key.runsAgain, avoiding: key.avoiding,
            endsWorker: key.maxCalls != nil)
        perform(.requestLease(request, node: lease.node))
    }

    /// Nothing waits any more: withdraws the requests.
    mutating func withdraw(_ index: Int32, _ perform: (Action) -> Void) {
        guard shapes[Int(index)].waiting == 0, shapes[Int(index)].requested > 0 else { return }
        // Requests are the latest of its leases, of which there may be very many.
        var requests: [(number: UInt64, node: NodeAddress)] = []
        var position = shapes[Int(index)].leases.count
        while requests.count < shapes[Int(index)].requested, position > 0 {
            position -= 1
            let number = shapes[Int(index)].leases[position]
            if let lease = leases[number], lease.worker == nil { requests.append((number, lease.node)) }
        }
        for (number, node) in requests.reversed() {
            perform(.cancelRequest(id(of: number), node: node))
            forget(number)
        }
    }

    /// Returns a lease on which nothing is in flight.
    mutating func giveBack(_ number: UInt64, _ perform: (Action) -> Void) {
        guard let lease = forget(number) else { return }
        precondition(lease.inFlight.isEmpty, "a lease is returned when nothing runs under it")
        perform(.returnLease(id(of: number), node: lease.node))
    }

    /// Returns every lease on which nothing is in flight: nothing more is going to be submitted.
    package mutating func giveBackIdle(_ perform: (Action) -> Void) {
        for shape in shapes where !shape.isFree {
            for number in shape.leases where leases[number].map({ $0.worker != nil && $0.inFlight.isEmpty }) ?? false { giveBack(number, perform) }
        }
    }

    /// Returns a lease that is not in the book any more, to the node it was asked of last.
    private func returnUnknown(_ lease: LeaseID, _ perform: (Action) -> Void) {
        perform(.returnLease(lease, node: number(of: lease).flatMap { movedTo[$0] } ?? home))
    }

    /// Removes a lease from the book.
    @discardableResult
    mutating func forget(_ number: UInt64) -> Lease? {
        guard let lease = leases.remove(number) else { return nil }
        close(number, in: lease.shape)
        if let position = shapes[Int(lease.shape)].leases.lastIndex(of: number) { shapes[Int(lease.shape)].leases.remove(at: position) }
        if lease.worker == nil { shapes[Int(lease.shape)].requested -= 1 }
        for flight in lease.inFlight { cancelled[flight.task] = nil }
        if lease.node != home { movedTo.remember(number, lease.node) }
        return lease
    }

    /// The lease may take tasks.
    mutating func open(_ number: UInt64, in shape: Int32) {
        if !shapes[Int(shape)].open.contains(number) { shapes[Int(shape)].open.append(number) }
        shapes[Int(shape)].isFull = false
    }

    /// The lease takes no more tasks.
    mutating func close(_ number: UInt64, in shape: Int32) {
        if let position = shapes[Int(shape)].open.lastIndex(of: number) { shapes[Int(shape)].open.remove(at: position) }
    }

    func id(of number: UInt64) -> LeaseID { LeaseID(high: owner.process.high, low: number) }
    /// The number of a lease that this owner asked for; nil for any other.
    func number(of lease: LeaseID) -> UInt64? { lease.high == owner.process.high ? lease.low : nil }
}
