// The records of a TaskBook: tasks, shapes, leases. A task's record is small: a million may wait.

internal import DequeModule
internal import MantaModel

extension TaskBook {
    struct Record {
        enum Stage: UInt8 {
            /// `resting`: it is to run again, but not yet; in no queue.
            case waitingForArguments, waitingForLease, resting, running
        }
        let payload: Payload
        let function: UInt64
        /// The number of the lease it was sent under; 0 while it is not sent.
        var lease: UInt64 = 0
        var shape: Int32
        var missing: Int32
        var retries: Int32
        /// From 1.
        var attempt: Int32 = 1
        var stage: Stage

        /// Whether it may run again when this attempt fails.
        var hasRetry: Bool { retries < 0 || attempt <= retries }

        /// Its last attempt counts for nothing: it may be tried as often as before.
        mutating func forgive() { if retries >= 0, retries < .max { retries += 1 } }

        mutating func isSent(under number: UInt64) {
            stage = .running
            lease = number
        }
    }

    /// How a task rests before it is tried again.
    struct Rest {
        let until: Instant
        /// The node that it ran on.
        let avoiding: NodeID
    }

    /// A task that was sent and has not been answered. Its record may have ended before: it was cancelled.
    struct InFlight {
        let task: TaskID
        let attempt: Int32
        /// Estimated run time in nanoseconds; 0 when nothing is known of the function.
        let estimate: Int64
    }

    struct Lease {
        let shape: Int32
        var node: NodeAddress
        var isMoved = false
        /// Nil until it is granted.
        var worker: ProcessAddress?
        /// In the order they were sent; the first is the one that runs.
        var inFlight: Deque<InFlight> = []
        /// The sum of the estimates in flight, in nanoseconds.
        var load: Int64 = 0
        /// The node wants it back.
        var isReclaimed = false
        /// The worker gave tasks back: it gets no more until the first in flight has ended, or, when nothing is, for `Limits.leaseRest`.
        var isClosed = false
        var isTakingBack = false
        /// How many tasks it may still be sent; then it goes back, and its worker ends.
        var remaining = Int.max
        /// When it was requested, became idle, or its first in flight became the first.
        var since: Instant
        /// When the request or the confirmation was last sent.
        var saidAt: Instant
        var inquireAt: Instant
        var inquiries = 0
        /// It was asked and has not answered: an answer nobody waits for is late and says nothing of what is in flight now.
        var isInquired = false

        /// A task is sent.
        mutating func add(_ flight: InFlight, at now: Instant) {
            if inFlight.isEmpty { begin(at: now) }
            if remaining < .max { remaining -= 1 }
            inFlight.append(flight)
            load += flight.estimate
        }

        /// Takes a task off; nil when it is not in flight.
        mutating func remove(_ task: TaskID) -> (flight: InFlight, wasFirst: Bool)? {
            guard let position = inFlight.firstIndex(where: { $0.task == task }) else { return nil }
            let flight = position == 0 ? inFlight.removeFirst() : inFlight.remove(at: position)
            load -= flight.estimate
            return (flight, position == 0)
        }

        /// Another task is the first in flight from now on, or the worker gave a sign of life.
        mutating func begin(at now: Instant) {
            since = now
            inquiries = 0
            isInquired = false
            inquireAt = now + Limits.taskInquiryAfter
        }

        /// How much is in flight, when a task with this estimate may be sent now; below zero when nothing is.
        func loadWithRoom(for estimate: Int64, whenManyWait: Bool) -> Int64? {
            hasRoom(for: estimate, whenManyWait: whenManyWait) ? (inFlight.isEmpty ? -1 : load) : nil
        }

        /// Whether a task with this estimate may be sent now. `whenManyWait`: others would take what is sent ahead no sooner.
        func hasRoom(for estimate: Int64, whenManyWait: Bool) -> Bool {
            if remaining == 0 { return false }
            guard let last = inFlight.last else { return true }
            let budget = Limits.workInFlight.inNanoseconds
            guard estimate > 0, last.estimate > 0 else { return false }
            if estimate < budget { return load < budget && inFlight.count < Limits.tasksInFlight }
            return whenManyWait && inFlight.count == 1 && max(estimate, last.estimate) <= Limits.longestTaskAhead.inNanoseconds
        }
    }

    /// Leases by number. They are read and changed where they lie: a lease has a dozen fields, and every task looks at several of them.
    struct LeaseTable {
        private var slots: [Lease?] = []
        private var free: [Int] = []
        private var places: [Number: Int] = [:]

        /// Numbers are counted up, by this process: they need no keyed hash.
        private struct Number: Hashable {
            let value: UInt64
            func _rawHashValue(seed: Int) -> Int {
                let mixed = (value ^ UInt64(truncatingIfNeeded: seed)) &* 0x9E37_79B9_7F4A_7C15
                return Int(truncatingIfNeeded: mixed ^ mixed >> 32)
            }
        }

        var count: Int { places.count }
        var numbers: [UInt64] { places.keys.map(\.value) }

        /// Setting nil is for `remove`.
        subscript(number: UInt64) -> Lease? {
            _read {
                if let place = places[Number(value: number)] { yield slots[place] } else { yield nil }
            }
            _modify {
                let place = places[Number(value: number)] ?? insert(number)
                yield &slots[place]
            }
        }

        mutating func remove(_ number: UInt64) -> Lease? {
            guard let place = places.removeValue(forKey: Number(value: number)) else { return nil }
            free.append(place)
            return slots[place].take()
        }

        private mutating func insert(_ number: UInt64) -> Int {
            let place = free.popLast() ?? slots.count
            if place == slots.count { slots.append(nil) }
            places[Number(value: number)] = place
            return place
        }
    }

    struct Shape {
        let key: TaskShape
        /// It waits to stand for another shape.
        var isFree = false
        /// Tasks that wait for a lease; ended ones stay until they are met or outnumber the others.
        var queue: Deque<TaskID> = []
        var waiting = 0
        /// All tasks of the shape.
        var tasks = 0
        /// Every lease, oldest first.
        var leases: [UInt64] = []
        /// The position in there of the one that is looked at next.
        var nextCheck = 0
        /// Those that are granted and may take more when they have room.
        var open: [UInt64] = []
        /// Those that are not granted yet.
        var requested = 0
        /// No open lease has room: known since the last look, until an answer or a grant.
        var isFull = false
        /// A moving average of the run times, in nanoseconds; 0 when nothing is known.
        var estimate: Int64 = 0
        /// A request was refused because the node is full: wait until then.
        var pausedUntil: Instant?

        /// The first task of the queue no longer waits.
        mutating func leaveQueue() {
            queue.removeFirst()
            waiting -= 1
        }
    }
}
