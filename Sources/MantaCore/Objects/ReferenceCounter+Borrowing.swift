// ReferenceCounter+Borrowing: both ends of borrowing: the processes that use own objects, and this process as a user of the objects of others.
//
// A message carries a number that grows with every message of its process, to whomever it goes. An owner applies the messages of a process in the order of
// their numbers and once each, so one that is sent again after a break changes nothing. Releases and barriers wait in one queue until the
// registrations before them are acknowledged.

import DequeModule
package import MantaModel

extension ReferenceCounter {
    /// Another process that uses own objects.
    struct Borrower {
        var objects: Set<ObjectID> = []
        /// The number of its latest message.
        var latest: UInt64 = 0
    }

    /// An object of another process that this one uses.
    struct Borrow {
        var owner: ProcessAddress
        /// Its handle, and objects of this process that contain it.
        var count: Int32 = 0
        /// The owner has been told.
        var isRegistered = false
        /// It is among `changed`.
        var isChanged = false
        /// The last registration before its count reached 0; its release waits for that one.
        var leftAfter: UInt64?
        /// The owner is gone.
        var isLost = false
    }

    /// Waits until the registrations up to a number are acknowledged.
    struct Waiting {
        enum Item {
            case release(ObjectID)
            case barrier
        }
        var item: Item
        var number: UInt64
        /// Names the barrier.
        var token: UInt64 = 0
    }

    /// References in one message.
    package static var messageLimit: Int { 10_000 }

    // MARK: Own objects, used by others

    /// A process uses these objects. One that is not kept has ended: who borrows in time finds it.
    package mutating func borrowed(_ ids: [ObjectID], by borrower: ProcessID, number: UInt64) {
        guard isNew(number, of: borrower) else { return }
        for id in ids where isKept(id) && borrowers[borrower]!.objects.insert(id).inserted { change(id) { $0.borrowers += 1 } }
    }

    package mutating func released(_ ids: [ObjectID], by borrower: ProcessID, number: UInt64) {
        guard isNew(number, of: borrower) else { return }
        for id in ids where borrowers[borrower]!.objects.remove(id) != nil { change(id) { $0.borrowers -= 1 } }
    }

    private mutating func isNew(_ number: UInt64, of borrower: ProcessID) -> Bool {
        guard number > borrowers[borrower, default: Borrower()].latest else { return false }
        borrowers[borrower, default: Borrower()].latest = number
        return true
    }

    /// A process is gone: it uses nothing, and what it owned is lost.
    package mutating func processEnded(_ ended: ProcessID, perform: (Action) -> Void) {
        for id in borrowers.removeValue(forKey: ended)?.objects ?? [] { change(id) { $0.borrowers -= 1 } }
        for (id, borrow) in borrows where borrow.owner.process == ended {
            if borrow.count == 0 { borrows[id] = nil } else { borrows[id]!.isLost = true }
        }
    }

    // MARK: Objects of others, used here

    /// One more use of an object, by a handle or by an object that contains it.
    package mutating func hold(_ address: ObjectAddress) {
        guard address.owner.process != process else { return change(address.object) { $0.aliases += 1 } }
        guard let index = borrows.index(forKey: address.object) else {
            borrows[address.object] = Borrow(owner: address.owner, count: 1, isChanged: true)
            return changed.append(address.object)
        }
        borrows.values[index].count += 1
        if borrows.values[index].count == 1 { note(address.object, at: index) }
    }

    /// One use less.
    package mutating func drop(_ id: ObjectID) {
        guard let index = borrows.index(forKey: id) else { return change(id) { if $0.aliases > 0 { $0.aliases -= 1 } } }
        borrows.values[index].count -= 1
        precondition(borrows.values[index].count >= 0, "a use of an object ends once")
        if borrows.values[index].count == 0 { note(id, at: index) }
    }

    private mutating func note(_ id: ObjectID, at index: Dictionary<ObjectID, Borrow>.Index) {
        guard !borrows.values[index].isChanged else { return }
        borrows.values[index].isChanged = true
        changed.append(id)
    }

    /// Whether `flush` has something to tell.
    package var hasChanges: Bool { !changed.isEmpty }

    /// Whether a barrier would have to wait, or may.
    package var owesRegistrations: Bool { !changed.isEmpty || !unacknowledged.isEmpty }

    /// Tells the owners what changed in this turn: registrations first, and releases as soon as all registrations before them are acknowledged.
    package mutating func flush(perform: (Action) -> Void) {
        guard !changed.isEmpty else { return }
        let ids = changed
        changed.removeAll(keepingCapacity: true)
        var registered: [ProcessAddress: [ObjectID]] = [:]
        var left: [ObjectID] = []
        for id in ids {
            guard let borrow = borrows[id] else { continue }
            borrows[id]!.isChanged = false
            if borrow.count > 0 {
                borrows[id]!.leftAfter = nil
                guard !borrow.isRegistered, !borrow.isLost else { continue }
                borrows[id]!.isRegistered = true
                registered[borrow.owner, default: []].append(id)
            } else if borrow.isRegistered, !borrow.isLost {
                left.append(id)
            } else {
                borrows[id] = nil
            }
        }
        for (owner, ids) in registered {
            each(ids) { counter, part, number in
                counter.unacknowledged.append(number)
                perform(.register(part, owner: owner, number: number))
            }
        }
        for id in left {
            borrows[id]!.leftAfter = lastNumber
            waiting.append(Waiting(item: .release(id), number: lastNumber))
        }
        goOn(perform)
    }

    private mutating func each(_ ids: [ObjectID], _ body: (inout Self, [ObjectID], UInt64) -> Void) {
        for start in stride(from: 0, to: ids.count, by: Self.messageLimit) {
            lastNumber += 1
            body(&self, Array(ids[start..<min(start + Self.messageLimit, ids.count)]), lastNumber)
        }
    }

    /// An owner has a registration, or is gone.
    package mutating func acknowledged(_ number: UInt64, perform: (Action) -> Void) {
        acknowledged.insert(number)
        while let first = unacknowledged.first, acknowledged.remove(first) != nil { unacknowledged.removeFirst() }
        goOn(perform)
    }

    /// A barrier behind every registration so far; nil when nothing has to be waited for. `passed` names it.
    package mutating func barrier(perform: (Action) -> Void) -> UInt64? {
        flush(perform: perform)
        guard !unacknowledged.isEmpty else { return nil }
        lastNumber += 1
        waiting.append(Waiting(item: .barrier, number: lastNumber - 1, token: lastNumber))
        return lastNumber
    }

    /// Lets go what waited for registrations that are acknowledged.
    private mutating func goOn(_ perform: (Action) -> Void) {
        var released: [ProcessAddress: [ObjectID]] = [:]
        while let next = waiting.first, next.number < unacknowledged.first ?? .max {
            waiting.removeFirst()
            switch next.item {
            case .barrier: perform(.passed(next.token))
            case .release(let id):
                // It may be used again, or have been left a second time since.
                guard let borrow = borrows[id], borrow.leftAfter == next.number, borrow.count == 0 else { continue }
                borrows[id] = nil
                if !borrow.isLost { released[borrow.owner, default: []].append(id) }
            }
        }
        for (owner, ids) in released {
            each(ids) { _, part, number in perform(.release(part, owner: owner, number: number)) }
        }
    }
}
