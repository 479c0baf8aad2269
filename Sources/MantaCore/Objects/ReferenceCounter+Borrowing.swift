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

    /// An object of another process that this one uses. There may be hundreds of thousands: it holds nothing that has to be counted itself.
    struct Borrow {
        /// By its number among the owners.
        var owner: UInt32
        /// Its handle, and objects of this process that contain it.
        var count: Int32 = 0
        /// The last registration before its count reached 0; its release waits for that one.
        var leftAfter = UInt64.max
        /// The owner has been told.
        var isRegistered = false
        /// It is among `changed`.
        var isChanged = false
        /// The owner is gone.
        var isLost = false
    }

    /// The processes whose objects this one uses, each by a number for as long as it uses any.
    struct Owners {
        private var owners: [(address: ProcessAddress?, borrows: Int)] = []
        private var numbers: [ProcessID: UInt32] = [:]
        private var free: [UInt32] = []

        subscript(number: UInt32) -> ProcessAddress {
            guard let address = owners[Int(number)].address else { preconditionFailure("an owner's number is of use while an object of it is borrowed") }
            return address
        }

        func number(of process: ProcessID) -> UInt32? { numbers[process] }

        /// One more object of this owner is used.
        mutating func began(_ address: ProcessAddress) -> UInt32 {
            if let number = numbers[address.process] {
                owners[Int(number)].borrows += 1
                return number
            }
            let number = free.popLast() ?? UInt32(owners.count)
            if Int(number) == owners.count { owners.append((nil, 0)) }
            owners[Int(number)] = (address, 1)
            numbers[address.process] = number
            return number
        }

        mutating func ended(_ number: UInt32) {
            owners[Int(number)].borrows -= 1
            guard owners[Int(number)].borrows == 0, let address = owners[Int(number)].address else { return }
            owners[Int(number)].address = nil
            numbers[address.process] = nil
            free.append(number)
        }
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
        guard let owner = owners.number(of: ended) else { return }
        for (id, borrow) in borrows where borrow.owner == owner {
            if borrow.count == 0 { forget(id, borrow) } else { borrows[id]!.isLost = true }
        }
    }

    // MARK: Objects of others, used here

    /// One more use of an object, by a handle or by an object that contains it.
    package mutating func hold(_ address: ObjectAddress) { hold(CollectionOfOne(address.object), of: address.owner) }

    /// One more use of each of an owner's objects.
    package mutating func hold(_ ids: some Collection<ObjectID>, of owner: ProcessAddress) {
        guard owner.process != process else {
            for id in ids { change(id) { $0.aliases += 1 } }
            return
        }
        for id in ids {
            guard let index = borrows.index(forKey: id) else {
                borrows[id] = Borrow(owner: owners.began(owner), count: 1, isChanged: true)
                changed.append(id)
                continue
            }
            borrows.values[index].count += 1
            if borrows.values[index].count == 1 { note(id, at: index) }
        }
    }

    /// One use less.
    package mutating func drop(_ id: ObjectID) { drop(CollectionOfOne(id)) }

    /// One use less of each.
    package mutating func drop(_ ids: some Collection<ObjectID>) {
        for id in ids {
            guard let index = borrows.index(forKey: id) else {
                change(id) { if $0.aliases > 0 { $0.aliases -= 1 } }
                continue
            }
            borrows.values[index].count -= 1
            precondition(borrows.values[index].count >= 0, "a use of an object ends once")
            if borrows.values[index].count == 0 { note(id, at: index) }
        }
    }

    private mutating func forget(_ id: ObjectID, _ borrow: Borrow) {
        borrows[id] = nil
        owners.ended(borrow.owner)
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
        var registered: [UInt32: [ObjectID]] = [:]
        var left: [ObjectID] = []
        for id in ids {
            guard let borrow = borrows[id] else { continue }
            borrows[id]!.isChanged = false
            if borrow.count > 0 {
                borrows[id]!.leftAfter = .max
                guard !borrow.isRegistered, !borrow.isLost else { continue }
                borrows[id]!.isRegistered = true
                registered[borrow.owner, default: []].append(id)
            } else if borrow.isRegistered, !borrow.isLost {
                left.append(id)
            } else {
                forget(id, borrow)
            }
        }
        for (number, ids) in registered {
            let owner = owners[number]
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
                if !borrow.isLost { released[owners[borrow.owner], default: []].append(id) }
                forget(id, borrow)
            }
        }
        for (owner, ids) in released {
            each(ids) { _, part, number in perform(.release(part, owner: owner, number: number)) }
        }
    }
}
