// ReferenceCounter: who still needs which object, as one process knows it: of its own objects, and of those of others that it uses.
//
// An own object that is needed for any reason besides this process's handle (a pin by a task in flight, a borrower, an object that contains it) is kept:
// the counter holds its handle. When the last reason goes, so does the handle, and when no code of this process has another copy either, the object ends,
// and with it what it contains. What has no such reason is not in here and costs nothing. Borrowing and the order of its messages are in +Borrowing.
//
// The rules, which hold under any order of messages and the sudden death of any process:
// 1. Each process counts its own uses of a foreign object (its handle, objects of its own that contain it). Its owner is told when the count leaves 0, and
//    when it is 0 again; each message says all that changed in one turn. The owner counts processes, each once.
// 2. Nobody lets go before the next holder is known to the owner. The submitter of a task pins its arguments, and what is inside them, until the task has
//    ended; the worker says so, and sends any release, only after its earlier registrations were acknowledged.
// 3. Who hands out a value keeps what is inside it until the receiver has said that it is registered with the owners. The receiver's object contains it.
// 4. A value that was put contains what is inside it.
// 5. What an actor's constructor takes is pinned until the actor lives; when it may be restarted, until it is dead.
// 6. A process that is gone is no borrower any more; what a process that is gone owned is lost.
// A task that was cancelled has ended for its submitter: code of it that goes on may find what it was given gone.

import DequeModule
package import MantaModel

package struct ReferenceCounter {
    /// Why an own object is kept.
    struct Holds {
        var handle: AnyObject
        var pins: Int32 = 0
        var borrowers: Int32 = 0
        var containers: Int32 = 0
        /// Handles of this process that were made from an encoded reference.
        var aliases: Int32 = 0
        /// It was written into bytes that nobody watches.
        var isForGood = false
        var lastPin: TaskID?
        var lastContainer: ObjectID?

        var isEmpty: Bool { pins == 0 && borrowers == 0 && containers == 0 && aliases == 0 && !isForGood }
    }

    package enum Action: Equatable, Sendable {
        /// Tell the owner that this process uses these objects; it acknowledges the number.
        case register([ObjectID], owner: ProcessAddress, number: UInt64)
        /// Tell the owner that it uses them no more.
        case release([ObjectID], owner: ProcessAddress, number: UInt64)
        /// What waited behind this barrier may go.
        case passed(UInt64)
    }

    let process: ProcessID
    var holds: [ObjectID: Holds] = [:]
    /// What the values of own objects contain.
    private var contents: [ObjectID: [ObjectAddress]] = [:]
    /// The own objects that each other process uses, and the latest of its messages.
    var borrowers: [ProcessID: Borrower] = [:]

    // Of others (see +Borrowing)
    var borrows: [ObjectID: Borrow] = [:]
    var owners = Owners()
    /// Objects whose count left or reached 0 in this turn.
    var changed: [ObjectID] = []
    var lastNumber: UInt64 = 0
    /// Registrations that are not acknowledged, the oldest first.
    var unacknowledged: Deque<UInt64> = []
    var acknowledged: Set<UInt64> = []
    var waiting: Deque<Waiting> = []

    package init(process: ProcessID) { self.process = process }

    // MARK: What is known

    /// Whether any other process may ask for an object of this one, or a value holds one.
    package var keepsAnything: Bool { !holds.isEmpty }

    /// The handle of an own object that is kept.
    package func handle(of id: ObjectID) -> AnyObject? { holds[id]?.handle }

    /// Why an own object is kept.
    package struct Reasons: Equatable, Sendable {
        package var pins = 0
        /// One of the tasks, where it is known.
        package var pinnedBy: TaskID?
        package var borrowers = 0
        package var containers = 0
        /// One of the objects, where it is known.
        package var containedIn: ObjectID?
        package var isForGood = false
        package init() {}
    }

    /// Nil when nothing but handles of this process keep it.
    package func reasons(of id: ObjectID) -> Reasons? {
        guard let hold = holds[id] else { return nil }
        var reasons = Reasons()
        (reasons.pins, reasons.pinnedBy) = (Int(hold.pins), hold.lastPin)
        (reasons.containers, reasons.containedIn) = (Int(hold.containers), hold.lastContainer)
        (reasons.borrowers, reasons.isForGood) = (Int(hold.borrowers), hold.isForGood)
        return reasons
    }

    /// Some of the processes that use an own object.
    package func borrowers(of id: ObjectID, atMost limit: Int) -> [ProcessID] {
        guard let count = holds[id]?.borrowers, count > 0 else { return [] }
        var found: [ProcessID] = []
        for (process, borrower) in borrowers where borrower.objects.contains(id) {
            found.append(process)
            if found.count == min(Int(count), limit) { break }
        }
        return found.sorted()
    }

    /// Whether code of this process has a copy of the handle of an own object that is kept; true for one that is not kept.
    package mutating func isUsedHere(_ id: ObjectID) -> Bool {
        guard let index = holds.index(forKey: id) else { return true }
        return holds.values[index].aliases > 0 || !isKnownUniquelyReferenced(&holds.values[index].handle)
    }

    // MARK: Pins

    /// A task in flight, or the like, needs an own object. A task may pin an object several times.
    package mutating func pin(_ id: ObjectID, _ handle: AnyObject, by task: TaskID) {
        change(id, handle) {
            $0.pins += 1
            $0.lastPin = task
        }
    }

    package mutating func unpin(_ id: ObjectID, by task: TaskID) {
        change(id) {
            $0.pins -= 1
            if $0.lastPin == task { $0.lastPin = nil }
        }
    }

    /// A reference of an own object was written where nobody watches it.
    package mutating func keepForGood(_ id: ObjectID, _ handle: AnyObject) { change(id, handle) { $0.isForGood = true } }

    // MARK: Contents

    /// The value of an own object contains a reference; `handle` is needed when that is to an own object which may not be kept yet.
    package mutating func contain(_ inner: ObjectAddress, _ handle: AnyObject? = nil, in outer: ObjectID) {
        contents[outer, default: []].append(inner)
        guard inner.owner.process == process else { return hold(inner) }
        change(inner.object, handle) {
            $0.containers += 1
            $0.lastContainer = outer
        }
    }

    package func contents(of id: ObjectID) -> [ObjectAddress] { contents[id] ?? [] }

    /// An own object has ended: no handle of it is left.
    package mutating func ended(_ id: ObjectID) {
        guard !contents.isEmpty, let inside = contents.removeValue(forKey: id) else { return }
        for inner in inside {
            guard inner.owner.process == process else {
                drop(inner.object)
                continue
            }
            change(inner.object) {
                $0.containers -= 1
                if $0.lastContainer == id { $0.lastContainer = nil }
            }
        }
    }

    // MARK: Changes

    func isKept(_ id: ObjectID) -> Bool { holds[id] != nil }

    /// Changes the reasons of an own object. Without a handle nothing happens to one that is not kept: it has ended.
    mutating func change(_ id: ObjectID, _ handle: AnyObject? = nil, _ body: (inout Holds) -> Void) {
        guard let index = holds.index(forKey: id) else {
            guard let handle else { return }
            var hold = Holds(handle: handle)
            body(&hold)
            holds[id] = hold
            return
        }
        body(&holds.values[index])
        if holds.values[index].isEmpty { holds.remove(at: index) }
    }
}
