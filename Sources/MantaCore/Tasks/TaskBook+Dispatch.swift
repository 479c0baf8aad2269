// How a TaskBook brings tasks to leases: queues, pipelines, estimates, retries.

internal import DequeModule
internal import MantaModel

extension TaskBook {
    // MARK: Queues

    mutating func index(of key: TaskShape) -> Int32 {
        if let lastShape, lastShape.key == key { return lastShape.index }
        if let index = shapeIndex[key] {
            lastShape = (key, index)
            return index
        }
        let index: Int32
        if let free = freeShapes.popLast() {
            index = free
            shapes[Int(free)] = Shape(key: key)
        } else {
            index = Int32(shapes.count)
            shapes.append(Shape(key: key))
        }
        shapeIndex[key] = index
        lastShape = (key, index)
        return index
    }

    /// A task that is in no queue belongs to another shape from now on.
    mutating func reshape(_ task: TaskID, to key: TaskShape) -> Int32 {
        let (old, new) = (tasks[task]!.shape, index(of: key))
        guard new != old else { return old }
        shapes[Int(old)].tasks -= 1
        shapes[Int(new)].tasks += 1
        tasks[task]!.shape = new
        return new
    }

    mutating func enqueue(_ task: TaskID, in shape: Int32, first: Bool = false) {
        if first { shapes[Int(shape)].queue.prepend(task) } else { shapes[Int(shape)].queue.append(task) }
        shapes[Int(shape)].waiting += 1
        waitingTotal += 1
    }

    /// The next task of the shape that waits, without taking it.
    private mutating func peekTask(_ shape: Int32) -> (task: TaskID, record: Record)? {
        while let task = shapes[Int(shape)].queue.first {
            if let record = tasks[task], record.stage == .waitingForLease { return (task, record) }
            shapes[Int(shape)].queue.removeFirst()
        }
        return nil
    }

    mutating func popTask(_ shape: Int32) -> TaskID? {
        guard let next = peekTask(shape) else { return nil }
        shapes[Int(shape)].leaveQueue()
        waitingTotal -= 1
        return next.task
    }

    // MARK: Sending

    /// Brings waiting tasks to leases with room, then asks for the leases that are missing.
    mutating func dispatch(_ shape: Int32, at now: Instant, _ perform: (Action) -> Void) {
        while !shapes[Int(shape)].isFull, shapes[Int(shape)].waiting > 0, let next = peekTask(shape) {
            guard let number = leaseWithRoom(for: next.record, in: shape) else {
                shapes[Int(shape)].isFull = true
                break
            }
            send(next.task, next.record, on: number, at: now, perform)
        }
        if shapes[Int(shape)].waiting == 0 { withdraw(shape, perform) } else { ask(for: shape, at: now, perform) }
    }

    /// An idle lease, else the one with the least work in flight.
    private func leaseWithRoom(for record: Record, in shape: Int32) -> UInt64? {
        let (estimate, manyWait) = (estimates[record.function] ?? 0, manyWait(shape))
        var best: (load: Int64, number: UInt64)?
        for number in shapes[Int(shape)].open {
            guard let load = leases[number]?.loadWithRoom(for: estimate, whenManyWait: manyWait) else { continue }
            if load < 0 { return number }
            if best == nil || load < best!.load { best = (load, number) }
        }
        return best?.number
    }

    /// Whether so many wait that each lease finds another one when it has ended what it has.
    private func manyWait(_ shape: Int32) -> Bool { shapes[Int(shape)].waiting > shapes[Int(shape)].leases.count }

    private mutating func send(_ task: TaskID, _ record: Record, on number: UInt64, at now: Instant, _ perform: (Action) -> Void) {
        guard let worker = leases[number]?.worker else { return }
        shapes[Int(record.shape)].leaveQueue()
        waitingTotal -= 1
        tasks[task]!.isSent(under: number)
        leases[number]!.add(InFlight(task: task, attempt: record.attempt, estimate: estimates[record.function] ?? 0), at: now)
        perform(.send(task, attempt: Int(record.attempt), id(of: number), worker: worker, payload: record.payload))
    }

    // MARK: Landing

    /// Takes an answered task off its lease.
    mutating func land(_ task: TaskID, on number: UInt64, at now: Instant) {
        guard let shape = leases[number]?.shape, let removed = leases[number]!.remove(task) else { return }
        leases[number]!.begin(at: now)
        shapes[Int(shape)].isFull = false
        if removed.wasFirst, leases[number]!.isClosed, !leases[number]!.isReclaimed {
            leases[number]!.isClosed = false
            open(number, in: shape)
        }
    }

    mutating func removeInFlight(_ task: TaskID, from number: UInt64) -> InFlight? {
        guard let removed = leases[number]?.remove(task) else { return nil }
        cancelled[task] = nil
        return removed.flight
    }

    /// A lease has room: it takes more, or goes back, or stays idle for a while.
    mutating func refill(_ number: UInt64, at now: Instant, _ perform: (Action) -> Void) {
        guard let shape = leases[number]?.shape else { return }
        if leases[number]!.isReclaimed {
            if leases[number]!.inFlight.isEmpty { giveBack(number, perform) }
            return
        }
        if leases[number]!.isClosed {
            guard leases[number]!.inFlight.isEmpty else { return }
            leases[number]!.isClosed = false
            open(number, in: shape)
        }
        while shapes[Int(shape)].waiting > 0, let next = peekTask(shape),
            leases[number]!.hasRoom(for: estimates[next.record.function] ?? 0, whenManyWait: manyWait(shape))
        {
            send(next.task, next.record, on: number, at: now, perform)
        }
        if shapes[Int(shape)].waiting == 0 { withdraw(shape, perform) }
        if leases[number]?.inFlight.isEmpty == true {
            leases[number]!.since = now
            shapes[Int(shape)].isFull = false
            // One for arguments of their own hardly fits another task.
            if leases[number]!.remaining == 0 || idleCount(shape) > idleBound || !shapes[Int(shape)].key.arguments.isEmpty { giveBack(number, perform) }
        }
    }

    /// Idle leases that one shape may keep.
    private var idleBound: Int { max(1, clusterCPUs ?? Limits.leaseRequestsAtFirst) }

    private func idleCount(_ shape: Int32) -> Int {
        shapes[Int(shape)].open.reduce(0) { $0 + (leases[$1]?.inFlight.isEmpty == true ? 1 : 0) }
    }

    // MARK: Ends and retries

    /// Ends a task, once.
    mutating func end(_ task: TaskID, _ how: TaskEnd, at now: Instant, _ perform: (Action) -> Void) {
        guard let record = tasks.removeValue(forKey: task) else { return }
        if !memoryDeaths.isEmpty { (memoryDeaths[task], resting[task]) = (nil, nil) }
        let shape = Int(record.shape)
        shapes[shape].tasks -= 1
        if record.stage == .waitingForArguments { unready -= 1 }
        if record.stage == .waitingForLease {
            shapes[shape].waiting -= 1
            waitingTotal -= 1
            let waiting = shapes[shape].waiting
            if shapes[shape].queue.count > 2 * waiting + 64 {
                shapes[shape].queue.removeAll { tasks[$0]?.stage != .waitingForLease }
            }
            if waiting == 0 { withdraw(record.shape, perform) }
        }
        perform(.ended(task, how, payload: record.payload))
    }

    /// Queues a sent task again, before all others, unless it ended or went elsewhere meanwhile.
    mutating func requeue(_ task: TaskID, attempt: Int32, counting: Bool = false) {
        guard let record = tasks[task], record.stage == .running, record.attempt == attempt else { return }
        tasks[task]!.stage = .waitingForLease
        tasks[task]!.lease = 0
        if counting { tasks[task]!.attempt += 1 }
        enqueue(task, in: record.shape, first: true)
    }

    private mutating func rest(_ task: TaskID, _ rest: Rest) {
        tasks[task]!.stage = .resting
        tasks[task]!.lease = 0
        tasks[task]!.attempt += 1
        resting[task] = rest.until
        var key = shapes[Int(tasks[task]!.shape)].key
        key.avoiding = rest.avoiding
        _ = reshape(task, to: key)
    }

    /// Queues those that have rested for long enough.
    mutating func wakeResting(at now: Instant, _ perform: (Action) -> Void) {
        guard !resting.isEmpty else { return }
        for task in resting.filter({ $0.value <= now }).keys.sorted() {
            resting[task] = nil
            guard let record = tasks[task], record.stage == .resting else { continue }
            tasks[task]!.stage = .waitingForLease
            enqueue(task, in: record.shape)
            dispatch(record.shape, at: now, perform)
        }
    }

    /// The attempt that runs ended through no fault of the task: it counts as none.
    mutating func forgive(_ task: TaskID, attempt: Int32) {
        guard let record = tasks[task], record.stage == .running, record.attempt == attempt else { return }
        tasks[task]!.forgive()
    }

    /// The task may have run in vain: once more, or the end when no retry is left. `error` gets the number of attempts when it is the end.
    /// - Parameter resting: before it is queued again, elsewhere if it can be.
    mutating func retry(
        _ task: TaskID, attempt: Int32, at now: Instant, resting: Rest? = nil, _ perform: (Action) -> Void, error: (Int?) -> MantaError
    ) {
        guard let record = tasks[task], record.stage == .running, record.attempt == attempt else { return }
        if record.hasRetry {
            if let resting { rest(task, resting) } else { requeue(task, attempt: attempt, counting: true) }
            perform(.retried(task, attempt: Int(attempt) + 1, error(nil), payload: record.payload))
        } else {
            end(task, .failed(error(Int(attempt))), at: now, perform)
        }
    }

    // MARK: Estimates

    /// Keeps a moving average of the run times of a function and of its shape: a quarter of each new one counts.
    mutating func learn(_ record: Record, _ nanoseconds: Int64) {
        guard nanoseconds > 0 else { return }
        let sample = max(1_000, nanoseconds)
        if estimates.count >= Limits.estimatedFunctions, estimates[record.function] == nil { estimates.removeAll() }
        Self.average(&estimates[record.function, default: 0], with: sample)
        Self.average(&shapes[Int(record.shape)].estimate, with: sample)
    }

    private static func average(_ known: inout Int64, with sample: Int64) {
        known = known == 0 ? sample : known + (sample - known) / 4
    }
}
