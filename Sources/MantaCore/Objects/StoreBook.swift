// StoreBook: the decisions of a node's object store: who may write where, which objects are there, which leave when it is full, and who waits.
//
// Memory goes through these hands: 1. free 2. leased to a client, with free slots: the client writes objects there and publishes them itself
// 3. an object's 4. free again, when its owner freed it and nobody reads it any more.
// An object is resident, or on its way to disk, or on disk only, or on its way back, or arriving from another node.
//
// What always holds:
// - A part of the arena is free, leased to one client, or one object's; a slot is free, leased, or one object's.
// - Bytes are reused only after `StoreReaders.claim` said that nobody reads them.
// - An object that its owner freed is never given out again, also when the word of its making comes after the word of its end.
// - When memory runs out: copies of what is primary elsewhere go first, then what was used longest ago is written to disk, last of all what tasks that are
//   yet to run were promised here; then requests wait, in order.
//   When none of them got memory and nothing was written for `Limits.storePatience`, they are refused with what holds the memory, or why the disk takes none.
// - What is on disk can be read whatever holds the memory: when none comes free for it, it is read from its file, whose checksum has been looked at, and stays.
//   Whoever can read an object of another node there is told as soon that no copy comes here.
// - Nothing is written to disk beyond its `SpillLimit`, as far as the last look at it and what was written since can tell.

internal import DequeModule
package import MantaMemory
package import MantaModel

/// What the book asks of the memory that readers share.
package protocol StoreReaders: AnyObject {
    /// Refuses new readers of the slot; true when there is none, false when it is read and stays readable.
    func claim(_ use: SlotUse) -> Bool
    /// The slot can be read again.
    func restore(_ use: SlotUse)
    /// The slot holds nothing any more.
    func clear(_ use: SlotUse)
    /// When the slot was opened last, in nanoseconds of some clock.
    func lastUse(_ slot: UInt32) -> UInt64
}

/// Where an object lies on disk.
package struct SpillPlace: Hashable, Sendable {
    package var file: UInt64
    package var offset: Int
    package init(file: UInt64, offset: Int) { (self.file, self.offset) = (file, offset) }
}

package struct StoreBook {
    package enum Place: Hashable, Sendable {
        case resident(Extent, SlotUse)
        case spilling(Extent, SlotUse)
        case spilled(SpillPlace)
        case restoring(Extent, SlotUse, SpillPlace)
        case arriving(Extent, SlotUse)
    }

    package struct Entry: Sendable {
        package let owner: ProcessID
        /// Who wrote it here; nil for a copy.
        var writer: ProcessID?
        package let size: Int
        /// False: a copy of an object whose first place is on another node.
        package let isPrimary: Bool
        package internal(set) var place: Place
        /// It is read from this file too, so that it can leave memory without being written again.
        var onDisk: SpillPlace?
        /// Who waits until it can be read.
        var openers: [UInt64] = []
        /// When its bytes on disk were last found to be right.
        var checkedAt: Instant?
    }

    package enum Action: Hashable, Sendable {
        /// The client may write to this part, and publish with these slots.
        case granted(UInt64, ProcessID, Extent, [SlotUse])
        case refused(UInt64, MantaError)
        /// The object can be read.
        case opened(UInt64, SlotUse, size: Int)
        /// No memory comes free for the object: it is to be read where it lies on disk.
        case readable(UInt64, SpillPlace, size: Int)
        /// Look whether the object's bytes on disk are right, then say `checked`.
        case check(ObjectID, SpillPlace, size: Int)
        /// Look how full the disk is, then say `diskSeen`.
        case lookAtDisk
        /// The disk takes no objects any more, for this reason.
        case diskIsFull(MantaError)
        /// Write these to the file, then say `spilled`.
        case spill(file: UInt64, [SpilledPart])
        /// Read the object into these bytes, then say `restored`.
        case restore(ObjectID, SpillPlace, Extent)
        /// The file holds nothing any more.
        case deleteFile(UInt64)
        /// Fetch the object into these bytes, then say `arrived`.
        case fetch(ObjectID, Extent)
        /// The object's bytes on disk are not what they were, or cannot be read: it is given up here, and `dropped` follows.
        case damaged(ObjectID, owner: ProcessID, MantaError)
        /// The owner's object has no copy here any more, unasked.
        case dropped(ObjectID, owner: ProcessID)
        /// Who wrote the object for its owner is gone: the owner may never hear of it from that process, and has to end it all the same.
        case leftBehind(ObjectID, owner: ProcessID)
    }

    package struct SpilledPart: Hashable, Sendable {
        package var object: ObjectID
        package var extent: Extent
        package var offset: Int
    }

    /// Memory that is asked for.
    struct Want {
        enum Purpose {
            case lease(ProcessID)
            case restore(ObjectID)
            case fetch(ObjectID, owner: ProcessID)
        }
        var token: UInt64
        var bytes: Int
        var purpose: Purpose
        var since: Instant
        /// Who asks for a copy can read the object where it is.
        var readsAnywhere = false
    }

    struct Client {
        /// What it was given and has not filled.
        var extents: [Extent] = []
        var slots: Set<SlotUse> = []
    }

    package let layout: StoreLayout
    let readers: any StoreReaders
    /// How much may be written to disk; nil: nothing.
    let spillLimit: SpillLimit?
    var allocator: ExtentAllocator
    var freeSlots: [SlotUse]
    var clients: [ProcessID: Client] = [:]
    package internal(set) var entries = StoreEntries()
    /// Objects that ended while somebody read them.
    var lingering: [(extent: Extent, use: SlotUse)] = []
    /// What tasks that are yet to run were promised here, by how many of them.
    var promised: [ObjectID: Int] = [:]
    var wants: Deque<Want> = []
    var freed = Remembered<ObjectID, Bool>(limit: Limits.rememberedObjects)
    /// Owners that are gone: nobody would end what came of theirs now, written by a worker that outlives them for a moment or fetched from a node that has not
    /// heard of it.
    var goneOwners = Remembered<ProcessID, Bool>(limit: Limits.rememberedProcesses)
    /// How many objects are still needed of each spill file, and its bytes.
    var files: [UInt64: (objects: Int, bytes: Int)] = [:]
    /// The bytes of all of them.
    package internal(set) var fileBytes = 0
    var lastFile: UInt64 = 0
    /// Something about the disk is under way: a look at it or a batch.
    var isAtDisk = false
    /// The disk as it was last seen, less what was written since.
    var disk: (usage: DiskUsage, at: Instant)?
    /// When somebody who waited got memory, or a batch was written to disk.
    var progressAt: Instant?
    /// Why objects cannot be written to disk, and since when.
    var diskError: (MantaError, at: Instant)?
    package internal(set) var counters = StoreCounters()

    package init(layout: StoreLayout, readers: any StoreReaders, spillLimit: SpillLimit?) {
        (self.layout, self.readers, self.spillLimit) = (layout, readers, spillLimit)
        allocator = ExtentAllocator(capacity: layout.arenaBytes)
        freeSlots = (0..<UInt32(layout.slotCount)).reversed().map { SlotUse(slot: $0, generation: 1) }
    }

    // MARK: Objects

    /// A client published an object. False: that was not its memory; nothing is noted.
    package mutating func stored(_ id: ObjectID, owner: ProcessID, by client: ProcessID, _ use: SlotUse, _ bytes: Extent, at now: Instant, perform: (Action) -> Void) -> Bool {
        let extent = Extent(offset: bytes.offset, count: ExtentAllocator.rounded(bytes.count))
        guard clients[client]?.slots.contains(use) == true, take(extent, of: client) else { return false }
        clients[client]!.slots.remove(use)
        if isOver(id, owner: owner) || entries[id] != nil {
            // Its end was told before its making, or it was made twice.
            end(extent, use)
            serve(at: now, perform)
            return true
        }
        entries[id] = Entry(owner: owner, writer: client, size: bytes.count, isPrimary: true, place: .resident(extent, use))
        return true
    }

    /// The owner needs the objects no more.
    package mutating func free(_ ids: some Sequence<ObjectID>, at now: Instant, perform: (Action) -> Void) {
        for id in ids {
            freed.remember(id, true)
            remove(id, perform)
        }
        serve(at: now, perform)
    }

    func isOver(_ id: ObjectID, owner: ProcessID) -> Bool { freed[id] != nil || goneOwners[owner] != nil }

    /// A process is gone: what it owned ends, what it had leased is free.
    /// - Parameter mayReturn: It cannot be reached, which may have another reason: what it owns from then on is taken.
    package mutating func processEnded(_ process: ProcessID, mayReturn: Bool = false, at now: Instant, perform: (Action) -> Void) {
        if !mayReturn { goneOwners.remember(process, true) }
        clientLeft(process, at: now, perform: perform)
        let owned = entries.filter { $0.value.owner == process }.map(\.key)
        free(owned, at: now, perform: perform)
        for (id, entry) in entries where entry.writer == process { perform(.leftBehind(id, owner: entry.owner)) }
    }

    private mutating func remove(_ id: ObjectID, _ perform: (Action) -> Void) {
        guard let entry = entries.removeValue(forKey: id) else { return }
        for token in entry.openers { perform(.refused(token, MantaError(.objectLost, "object \(id) was freed by its owner"))) }
        switch entry.place {
        case .resident(let extent, let use): end(extent, use)
        // What is on its way is let go of when it has come.
        case .spilling(let extent, let use), .restoring(let extent, let use, _), .arriving(let extent, let use): busy[id] = (extent, use)
        case .spilled: break
        }
        if let disk = entry.diskPlace, !entry.isOnItsWay { leaveFile(disk.file, perform) }
        if let disk = entry.diskPlace, entry.isOnItsWay { busyFiles[id] = disk.file }
    }

    /// Memory of objects that ended while they were written, read or fetched.
    var busy: [ObjectID: (extent: Extent, use: SlotUse)] = [:]
    var busyFiles: [ObjectID: UInt64] = [:]

    /// Frees memory, at once or when its last reader has gone.
    mutating func end(_ extent: Extent, _ use: SlotUse) {
        if readers.claim(use) { release(extent, use) } else { lingering.append((extent, use)) }
    }

    mutating func release(_ extent: Extent, _ use: SlotUse) {
        readers.clear(use)
        allocator.release(extent)
        freeSlots.append(SlotUse(slot: use.slot, generation: use.generation + 1))
    }

    mutating func leaveFile(_ file: UInt64, _ perform: (Action) -> Void) {
        files[file]!.objects -= 1
        guard let left = files[file], left.objects == 0 else { return }
        files[file] = nil
        fileBytes -= left.bytes
        // There is room again, and how much, the next look says.
        if let (error, _) = diskError, error.code == .outOfDisk { (diskError, disk) = (nil, nil) }
        perform(.deleteFile(file))
    }

    /// Somebody wants to read an object that it could not open by itself.
    package mutating func open(_ id: ObjectID, token: UInt64, at now: Instant, perform: (Action) -> Void) {
        guard let entry = entries[id] else {
            return perform(.refused(token, MantaError(.objectLost, "object \(id) is not in the store of this node")))
        }
        switch entry.place {
        case .resident(_, let use): perform(.opened(token, use, size: entry.size))
        case .spilling, .restoring, .arriving: entries[id]!.openers.append(token)
        case .spilled:
            let isFirst = entry.openers.isEmpty
            entries[id]!.openers.append(token)
            if isFirst { want(Want(token: 0, bytes: entry.size, purpose: .restore(id), since: now), at: now, perform) }
        }
    }

    /// Whether the object is here in some form.
    package func holds(_ id: ObjectID) -> Bool { entries[id] != nil }
    /// Whether the object is in memory here.
    package func isResident(_ id: ObjectID) -> Bool { if case .resident? = entries[id]?.place { true } else { false } }
    /// Whether it would have to be read from disk; nil: it is not here.
    package func isSpilled(_ id: ObjectID) -> Bool? {
        switch entries[id]?.place {
        case nil: nil
        case .spilled, .restoring: true
        case .resident, .spilling, .arriving: false
        }
    }
    /// Whether its owner has said that it ended.
    package func hasEnded(_ id: ObjectID) -> Bool { freed[id] != nil }

    // MARK: Time

    /// Time passes: memory that readers let go of comes back, requests that waited too long are refused.
    package mutating func tick(at now: Instant, perform: (Action) -> Void) {
        let ended = lingering
        lingering = []
        for item in ended { end(item.extent, item.use) }
        serve(at: now, perform)
        // As long as others get memory, or it is made free on disk, waiting is worth it.
        guard progressAt.map({ $0 + Limits.storePatience <= now }) ?? true else { return }
        while let want = wants.first, want.since + Limits.storePatience <= now {
            wants.removeFirst()
            fail(want, full(want.bytes), perform)
        }
    }
}

extension StoreBook.Entry {
    /// The place that the object has on disk, whether or not it is in memory too.
    var diskPlace: SpillPlace? {
        switch place {
        case .spilled(let disk), .restoring(_, _, let disk): disk
        case .resident, .spilling, .arriving: onDisk
        }
    }

    var isOnItsWay: Bool {
        switch place {
        case .spilling, .restoring, .arriving: true
        case .resident, .spilled: false
        }
    }
}

/// What a store has done since its start.
package struct StoreCounters: Hashable, Sendable {
    package var spilled = 0
    package var spilledBytes = 0
    package var restored = 0
    package var restoredBytes = 0
    package var evicted = 0
    package var fetched = 0
    package var fetchedBytes = 0
    package init() {}
}
