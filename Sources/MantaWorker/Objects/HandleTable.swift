// HandleTable: the handles that references inside values lead to, by object, and the uses of references that the loop was not told of yet.
//
// Values can hold many thousands of references, whose handles come and go together: a handle costs one allocation, its own. The table keeps none of
// them. An entry is a bare pointer, which the handle's end removes under the table's lock, before its memory goes; so what is found under the lock is
// memory of a handle, and whether that one is about to end says its count of references (`swift_tryRetain`).
//
// Entries lie in one array, each at the first free place from the one that its object's identifier hashes to; at most two thirds of the places are taken.
// The objects of a process are numbered: eight that follow each other share a stretch of memory, so that lists of references are looked up in a row.

import CSystem
import MantaModel

struct HandleTable {
    private struct Place {
        /// Nil: free.
        var handle: UnsafeMutableRawPointer?
        var hash: UInt
    }

    /// A power of two many.
    private var places: [Place]
    private(set) var count = 0
    /// What the loop is to be told.
    private(set) var uses = ReferenceUses()
    /// References are most often of one owner: what its handles share is made once.
    private var lastOwner: ObjectOwner?

    private static let fewest = 64

    init() { places = Self.empty(Self.fewest) }

    private static func empty(_ count: Int) -> [Place] { Array(repeating: Place(handle: nil, hash: 0), count: count) }

    // MARK: Finding

    /// The handle of an object, unless the last copy of it is being released. Let go of it outside of the lock: it may be the last one by then.
    func find(_ id: ObjectID) -> ObjectHandle? {
        let hash = Self.hash(id)
        var place = Int(truncatingIfNeeded: hash) & (places.count - 1)
        while let pointer = places[place].handle {
            if places[place].hash == hash, let handle = Self.retained(pointer, if: id) { return handle }
            place = (place + 1) & (places.count - 1)
        }
        return nil
    }

    /// The object of an entry; its handle's memory is there for as long as the entry is.
    private static func id(_ pointer: UnsafeMutableRawPointer) -> ObjectID {
        Unmanaged<ObjectHandle>.fromOpaque(pointer)._withUnsafeGuaranteedRef { $0.id }
    }

    private static func retained(_ pointer: UnsafeMutableRawPointer, if id: ObjectID) -> ObjectHandle? {
        guard self.id(pointer) == id else { return nil }
        return swift_tryRetain(pointer).map { Unmanaged<ObjectHandle>.fromOpaque($0).takeRetainedValue() }
    }

    // MARK: Changing

    /// From now on references to the object lead to this handle: what was found before is about to end, or leads nowhere else.
    mutating func insert(_ handle: ObjectHandle) {
        let hash = Self.hash(handle.id)
        let pointer = Unmanaged.passUnretained(handle).toOpaque()
        var place = Int(truncatingIfNeeded: hash) & (places.count - 1)
        while let other = places[place].handle {
            if places[place].hash == hash, Self.id(other) == handle.id {
                places[place].handle = pointer
                return
            }
            place = (place + 1) & (places.count - 1)
        }
        places[place] = Place(handle: pointer, hash: hash)
        count += 1
        if count > places.count / 3 * 2 { resize(to: places.count * 2) }
    }

    /// A handle ends: it is found no more, and if it was of a borrowed object, that use is over. True: the loop is to be told that there is something.
    mutating func ended(_ handle: ReleasedHandle) -> Bool {
        remove(handle)
        guard handle.isBorrowed else { return false }
        defer { uses.dropped(handle.id) }
        return uses.isEmpty
    }

    private mutating func remove(_ handle: ReleasedHandle) {
        var place = Int(truncatingIfNeeded: Self.hash(handle.id)) & (places.count - 1)
        while let other = places[place].handle, UInt(bitPattern: other) != handle.memory { place = (place + 1) & (places.count - 1) }
        // Another handle may have taken its place.
        guard places[place].handle != nil else { return }
        places[place].handle = nil
        count -= 1
        if places.count > Self.fewest, count < places.count / 16 { resize(to: places.count / 4) } else { closeGap(at: place) }
    }

    /// Moves up what comes behind a place that has become free and would not be found any more.
    private mutating func closeGap(at freed: Int) {
        let mask = places.count - 1
        var (gap, place) = (freed, (freed + 1) & mask)
        while places[place].handle != nil {
            let home = Int(truncatingIfNeeded: places[place].hash) & mask
            if (place - home) & mask >= (place - gap) & mask {
                places[gap] = places[place]
                places[place].handle = nil
                gap = place
            }
            place = (place + 1) & mask
        }
    }

    private mutating func resize(to size: Int) {
        let old = places
        places = Self.empty(max(size, Self.fewest))
        for entry in old where entry.handle != nil {
            var place = Int(truncatingIfNeeded: entry.hash) & (places.count - 1)
            while places[place].handle != nil { place = (place + 1) & (places.count - 1) }
            places[place] = entry
        }
    }

    /// Places of objects with consecutive numbers follow each other, eight by eight.
    private static func hash(_ id: ObjectID) -> UInt {
        let stretch = TaskID(high: id.task.high, low: id.task.low >> 3)._rawHashValue(seed: Int(id.index))
        return UInt(bitPattern: stretch) << 3 | UInt(id.task.low & 7)
    }

    // MARK: Uses

    /// What handles of this owner's objects share.
    mutating func owner(_ address: ProcessAddress) -> ObjectOwner {
        if let lastOwner, lastOwner.address == address { return lastOwner }
        let owner = ObjectOwner(address)
        lastOwner = owner
        return owner
    }

    mutating func borrowed(_ id: ObjectID, from owner: ObjectOwner) { uses.borrowed(id, from: owner) }

    /// Swaps what happened for something empty, whose storage is used again.
    mutating func takeUses(into other: inout ReferenceUses) { swap(&uses, &other) }
}

/// Handles of borrowed objects that were made, and handles of them that ended, in the order in which that happened.
struct ReferenceUses: Sendable {
    enum Kind: Sendable {
        case borrowed(from: ObjectOwner)
        case dropped
    }

    private var objects: [ObjectID] = []
    /// How many of the objects, one after the other, it happened to.
    private var runs: [(kind: Kind, count: Int)] = []

    var isEmpty: Bool { objects.isEmpty }

    mutating func borrowed(_ id: ObjectID, from owner: ObjectOwner) {
        objects.append(id)
        if case .borrowed(let last)? = runs.last?.kind, last === owner { return runs[runs.count - 1].count += 1 }
        runs.append((.borrowed(from: owner), 1))
    }

    mutating func dropped(_ id: ObjectID) {
        objects.append(id)
        if case .dropped? = runs.last?.kind { return runs[runs.count - 1].count += 1 }
        runs.append((.dropped, 1))
    }

    /// Each run in its order.
    func forEach(_ body: (Kind, ArraySlice<ObjectID>) -> Void) {
        var start = 0
        for run in runs {
            body(run.kind, objects[start..<start + run.count])
            start += run.count
        }
    }

    mutating func removeAll() {
        // A list of references that was unusually long is not to cost memory for good.
        let isLong = objects.count > Limits.keptUses
        objects.removeAll(keepingCapacity: !isLong)
        runs.removeAll(keepingCapacity: !isLong)
    }
}

extension Limits {
    /// Uses of references for which memory is kept.
    fileprivate static let keptUses = 100_000
}
