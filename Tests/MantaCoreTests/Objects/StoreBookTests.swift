// A node's object store: memory that clients lease, objects that come and go, what leaves when it is full; and random operations against a simple model.

import MantaCore
import MantaMemory
import MantaModel
import Testing

/// A store's shared memory as the book sees it.
private final class Readers: StoreReaders {
    var pinned: Set<UInt32> = []
    var used: [UInt32: UInt64] = [:]
    var claimed: Set<UInt32> = []
    func claim(_ use: SlotUse) -> Bool {
        if pinned.contains(use.slot) { return false }
        claimed.insert(use.slot)
        return true
    }
    func restore(_ use: SlotUse) { claimed.remove(use.slot) }
    func clear(_ use: SlotUse) { claimed.remove(use.slot) }
    func lastUse(_ slot: UInt32) -> UInt64 { used[slot] ?? 0 }
}

private struct Bench {
    let readers = Readers()
    var book: StoreBook
    var now = Instant.zero
    var actions: [StoreBook.Action] = []
    private var clock: UInt64 = 0
    private var tokens: UInt64 = 0
    private var handled = 0
    /// What the disk says when somebody looks at it.
    var disk = DiskUsage(capacity: 1 << 40, available: 1 << 40)
    static let owner = ProcessID(high: 1, low: 1)
    static let client = ProcessID(high: 2, low: 2)

    init(mebibytes: Int, spills: Bool = true, limit: Int? = nil) {
        let spilling = spills ? SpillLimit(folder: "/spill", bytes: limit) : nil
        book = StoreBook(layout: StoreLayout(arenaBytes: mebibytes << 20), readers: readers, spillLimit: spilling)
        book.clientJoined(Self.client)
    }

    static func id(_ number: Int) -> ObjectID { ObjectID(task: TaskID(high: 7, low: UInt64(number)), index: 0) }

    mutating func on(_ event: (inout StoreBook, Instant, (StoreBook.Action) -> Void) -> Void) -> [StoreBook.Action] {
        var actions: [StoreBook.Action] = []
        event(&book, now) { actions.append($0) }
        // The disk is looked at as soon as that is asked for.
        if actions.contains(.lookAtDisk) {
            actions.removeAll { $0 == .lookAtDisk }
            book.diskSeen(.success(disk), at: now) { actions.append($0) }
        }
        self.actions += actions
        return actions
    }

    mutating func lease(_ bytes: Int, by client: ProcessID = Bench.client) -> [StoreBook.Action] {
        tokens += 1
        let token = tokens
        return on { $0.lease(bytes, to: client, token: token, at: $1, perform: $2) }
    }

    /// Puts an object of exactly a lease of its own.
    @discardableResult
    mutating func put(_ number: Int, _ bytes: Int, owner: ProcessID = Bench.owner) -> SlotUse? {
        guard case .granted(_, _, let extent, let uses)? = lease(bytes).first(where: { if case .granted = $0 { true } else { false } }) else { return nil }
        return fill(number, bytes, extent, uses, owner: owner)
    }

    mutating func fill(_ number: Int, _ bytes: Int, _ extent: Extent, _ uses: [SlotUse], owner: ProcessID = Bench.owner) -> SlotUse {
        clock += 1
        readers.used[uses[0].slot] = clock
        var isTaken = false
        _ = on { isTaken = $0.stored(Self.id(number), owner: owner, by: Self.client, uses[0], Extent(offset: extent.offset, count: bytes), at: $1, perform: $2) }
        #expect(isTaken)
        let used = ExtentAllocator.rounded(bytes)
        let rest = Extent(offset: extent.offset + used, count: extent.count - used)
        if rest.count > 0 { _ = on { $0.returned(rest, Array(uses.dropFirst()), by: Self.client, at: $1, perform: $2) } }
        return uses[0]
    }

    /// The disk does what it was told.
    mutating func workOffTheDisk(failing: Bool) {
        while handled < actions.count {
            let action = actions[handled]
            handled += 1
            if let batch = action.spillBatch {
                _ = on { $0.spilled(batch.file, batch.parts, failing ? MantaError(.system, "disk") : nil, at: $1, perform: $2) }
            } else if case .restore(let id, _, _) = action {
                _ = on { $0.restored(id, nil, publish: { _, _ in }, at: $1, perform: $2) }
            } else if case .check(let id, _, _) = action {
                _ = on { $0.checked(id, nil, at: $1, perform: $2) }
            }
        }
    }

    mutating func free(_ numbers: Int...) -> [StoreBook.Action] { on { $0.free(numbers.map(Self.id), at: $1, perform: $2) } }
}

extension StoreBook.Action {
    fileprivate var spillBatch: (file: UInt64, parts: [StoreBook.SpilledPart])? { if case .spill(let file, let parts) = self { (file, parts) } else { nil } }
    fileprivate var refusal: MantaError? { if case .refused(_, let error) = self { error } else { nil } }
    fileprivate var diskComplaint: MantaError? { if case .diskIsFull(let error) = self { error } else { nil } }
    fileprivate var isGrant: Bool { if case .granted = self { true } else { false } }
    fileprivate var isOpened: Bool { if case .opened = self { true } else { false } }
    fileprivate var check: ObjectID? { if case .check(let id, _, _) = self { id } else { nil } }
    fileprivate var readable: UInt64? { if case .readable(let token, _, _) = self { token } else { nil } }
    fileprivate var isRestore: Bool { if case .restore = self { true } else { false } }
}

@Suite struct StoreBookTests {
    @Test func whatIsFreedIsUsedAgain() {
        var bench = Bench(mebibytes: 8)
        for round in 0..<100 {
            #expect(bench.put(round, 3 << 20) != nil)
            _ = bench.free(round)
        }
        #expect(bench.book.usage.used == 0)
        #expect(bench.book.counters.spilled == 0)
    }

    @Test func aSlabServesManyObjects() {
        var bench = Bench(mebibytes: 256)
        guard case .granted(_, _, let extent, let uses)? = bench.lease(200_000).first else { return #expect(Bool(false), "no lease") }
        #expect(extent.count == bench.book.slabBytes)
        #expect(uses.count >= extent.count / 200_000)
    }

    /// Ten thousand slots would take longer to write and read than the object takes to be copied.
    @Test func memoryForALargeObjectComesWithASlotForItAlone() {
        var bench = Bench(mebibytes: 1024)
        guard case .granted(_, _, let extent, let uses)? = bench.lease(800 << 20).first else { return #expect(Bool(false), "no lease") }
        #expect(extent.count == 800 << 20)
        #expect(uses.count == 1)
    }

    @Test func whatAClientGivesBackIsTakenBeforeTheWordOfTheObjectBesideIt() {
        var bench = Bench(mebibytes: 8)
        guard case .granted(_, _, let extent, let uses)? = bench.lease(1 << 20).first else { return #expect(Bool(false), "nothing was granted") }
        let object = 64 << 10
        let rest = Extent(offset: extent.offset + object, count: extent.count - object)
        _ = bench.on { $0.returned(rest, Array(uses.dropFirst()), by: Bench.client, at: $1, perform: $2) }
        _ = bench.fill(1, object, Extent(offset: extent.offset, count: object), [uses[0]])
        _ = bench.free(1)
        #expect(bench.book.usage.used == 0)
    }

    @Test func withoutADiskNothingLeavesMemoryAndWhoWaitsIsRefusedWhenNothingMoves() {
        var bench = Bench(mebibytes: 4, spills: false)
        for number in 1...3 { bench.put(number, 1 << 20) }
        #expect(bench.lease(2 << 20).isEmpty && bench.lease(1 << 20).isEmpty)
        // The end of one serves nobody: the first in line wants more.
        bench.now = bench.now + .seconds(6)
        #expect(bench.free(1).isEmpty)
        bench.now = bench.now + .seconds(1)
        #expect(bench.free(2).count == 2)
        #expect(bench.lease(3 << 20).isEmpty)
        bench.now = bench.now + .seconds(9)
        #expect(bench.on { $0.tick(at: $1, perform: $2) }.isEmpty, "others got memory less than the patience ago")
        bench.now = bench.now + .seconds(2)
        guard case .refused(_, let error)? = bench.on({ $0.tick(at: $1, perform: $2) }).first else { return #expect(Bool(false), "nobody was refused") }
        #expect(error.code == .objectStoreFull)
    }

    @Test func bytesThatAreReadAreNotReused() {
        var bench = Bench(mebibytes: 8)
        let use = bench.put(1, 5 << 20)!
        bench.readers.pinned = [use.slot]
        _ = bench.free(1)
        #expect(!bench.lease(5 << 20).contains { $0.isGrant })
        bench.readers.pinned = []
        #expect(bench.on { $0.tick(at: $1, perform: $2) }.contains { $0.isGrant })
    }

    @Test func theLongestUnusedIsWrittenToDiskFirst() {
        var bench = Bench(mebibytes: 8)
        let first = bench.put(1, 2 << 20)!
        bench.put(2, 2 << 20)
        bench.put(3, 2 << 20)
        bench.readers.used[first.slot] = 100
        let batch = bench.lease(3 << 20).compactMap(\.spillBatch).first
        #expect(batch?.parts.map(\.object) == [Bench.id(2), Bench.id(3)])
        #expect(bench.on { $0.spilled(batch!.file, batch!.parts, nil, at: $1, perform: $2) }.contains { $0.isGrant })
        // What is on disk comes back when it is asked for, and can leave again without being written.
        _ = bench.free(1)
        let restoring = bench.on { $0.open(Bench.id(2), token: 77, at: $1, perform: $2) }
        #expect(restoring.contains { if case .restore(Bench.id(2), _, _) = $0 { true } else { false } })
        let opened = bench.on { $0.restored(Bench.id(2), nil, publish: { _, _ in }, at: $1, perform: $2) }
        #expect(opened.contains { if case .opened(77, _, size: 2 << 20) = $0 { true } else { false } })
        #expect(bench.free(2).isEmpty, "the other object is still in the file")
        #expect(bench.free(3) == [.deleteFile(batch!.file)])
    }

    @Test func copiesGoBeforeAnythingIsWritten() {
        var bench = Bench(mebibytes: 8)
        bench.put(1, 3 << 20)
        _ = bench.on { $0.fetch(Bench.id(2), owner: Bench.owner, size: 3 << 20, token: 5, at: $1, perform: $2) }
        #expect(bench.on { $0.arrived(Bench.id(2), nil, publish: { _, _ in }, at: $1, perform: $2) }.contains { $0.isOpened })
        let actions = bench.lease(4 << 20)
        #expect(actions.contains(.dropped(Bench.id(2), owner: Bench.owner)))
        #expect(actions.contains { $0.isGrant })
        #expect(bench.book.counters.spilled == 0)
    }

    @Test func whatTasksWaitForLeavesLast() {
        var bench = Bench(mebibytes: 8)
        // A copy, which went first otherwise, and an object that was used before all others.
        bench.put(1, 2 << 20)
        _ = bench.on { $0.fetch(Bench.id(2), owner: Bench.owner, size: 2 << 20, token: 5, at: $1, perform: $2) }
        _ = bench.on { $0.arrived(Bench.id(2), nil, publish: { _, _ in }, at: $1, perform: $2) }
        bench.put(3, 2 << 20)
        bench.book.promise([Bench.id(1), Bench.id(2)])
        bench.book.promise([Bench.id(2)])
        bench.book.withdraw([Bench.id(2)])
        let batch = bench.lease(4 << 20).compactMap(\.spillBatch).first
        #expect(batch?.parts.map(\.object) == [Bench.id(3)])
        // But rather than that nobody gets memory: then in the usual order.
        let ends = bench.on { $0.spilled(batch!.file, batch!.parts, nil, at: $1, perform: $2) }
        #expect(ends.contains(.dropped(Bench.id(2), owner: Bench.owner)) || ends.contains { $0.isGrant }, "\(ends)")
        #expect(bench.book.isResident(Bench.id(1)))
        bench.book.withdraw([Bench.id(1), Bench.id(2)])
        #expect(bench.lease(6 << 20).compactMap(\.spillBatch).flatMap(\.parts).map(\.object) == [Bench.id(1)])
    }

    @Test func whoeverAsksForACopyMeanwhileGetsTheSame() {
        var bench = Bench(mebibytes: 8)
        var fetches = 0
        for token in UInt64(1)...3 {
            fetches += bench.on { $0.fetch(Bench.id(2), owner: Bench.owner, size: 1 << 20, token: token, at: $1, perform: $2) }
                .count { if case .fetch = $0 { true } else { false } }
        }
        #expect(fetches == 1)
        #expect(bench.on { $0.arrived(Bench.id(2), nil, publish: { _, _ in }, at: $1, perform: $2) }.count { $0.isOpened } == 3)
    }

    @Test func aCopyThatEndedWhileItsMemoryWasWaitedForIsNotFetched() {
        var bench = Bench(mebibytes: 8)
        let use = bench.put(1, 5 << 20)!
        bench.readers.pinned = [use.slot]
        #expect(bench.on { $0.fetch(Bench.id(2), owner: Bench.owner, size: 5 << 20, token: 9, at: $1, perform: $2) }.isEmpty)
        let ended = bench.free(2)
        #expect(ended.compactMap(\.refusal).map(\.code) == [.objectLost] && ended.count == 1)
        bench.readers.pinned = []
        #expect(bench.free(1).isEmpty && bench.book.usage.used == 0)
    }

    @Test func theSlotsOfAFullLeaseComeBack() {
        var bench = Bench(mebibytes: 8)
        for number in 0..<200 {
            guard case .granted(_, _, let extent, let uses)? = bench.lease(3 << 20).first else { return #expect(Bool(false), "no memory for object \(number)") }
            _ = bench.fill(number, extent.count, extent, uses)
            _ = bench.on { $0.returned(Extent(offset: extent.end, count: 0), Array(uses.dropFirst()), by: Bench.client, at: $1, perform: $2) }
            _ = bench.free(number)
        }
        #expect(bench.book.usage.used == 0)
    }

    @Test func aFullStoreSaysWhatHoldsIt() {
        var bench = Bench(mebibytes: 8)
        let use = bench.put(1, 5 << 20)!
        bench.readers.pinned = [use.slot]
        #expect(bench.lease(5 << 20).isEmpty)
        bench.now = .zero + .seconds(11)
        let refusal = bench.on { $0.tick(at: $1, perform: $2) }.compactMap(\.refusal).first
        #expect(refusal?.code == .objectStoreFull)
        #expect(refusal?.message.contains("\(Bench.id(1))") == true)
    }

    @Test func aFullDiskIsNamedAndLosesNothing() {
        var bench = Bench(mebibytes: 8)
        bench.put(1, 5 << 20)
        let batch = bench.lease(5 << 20).compactMap(\.spillBatch).first!
        _ = bench.on { $0.open(Bench.id(1), token: 9, at: $1, perform: $2) }
        let failed = bench.on { $0.spilled(batch.file, batch.parts, MantaError(.system, "no space left on /spill"), at: $1, perform: $2) }
        #expect(failed.contains { $0.isOpened })
        // The disk is tried again, and fails again, until the patience is over.
        bench.now = .zero + .seconds(11)
        let again = bench.on { $0.tick(at: $1, perform: $2) }
        let error = MantaError(.system, "no space left on /spill")
        let ends = again + again.compactMap(\.spillBatch).flatMap { batch in bench.on { $0.spilled(batch.file, batch.parts, error, at: $1, perform: $2) } }
        #expect(ends.compactMap(\.refusal).first?.code == .objectStoreFull)
        #expect(bench.book.holds(Bench.id(1)))
    }

    @Test func aDiskAtItsLimitIsNamedAndServesAgainWhenAFileWent() {
        var bench = Bench(mebibytes: 8, limit: 6 << 20)
        bench.put(1, 5 << 20)
        let batch = bench.lease(5 << 20).compactMap(\.spillBatch).first!
        let granted = bench.on { $0.spilled(batch.file, batch.parts, nil, at: $1, perform: $2) }
        guard case .granted(_, _, let extent, let uses)? = granted.first(where: { $0.isGrant }) else { return #expect(Bool(false), "no memory came free") }
        _ = bench.fill(2, 5 << 20, extent, uses)
        #expect(bench.book.fileBytes > 5 << 20 && bench.book.fileBytes <= 6 << 20)
        let told = bench.lease(5 << 20)
        #expect(told.count == 1 && told.first?.diskComplaint?.code == .outOfDisk, "nothing is written beyond the limit")
        bench.now = .zero + .seconds(11)
        let refusals = bench.on { $0.tick(at: $1, perform: $2) }
        #expect(refusals.compactMap(\.diskComplaint).isEmpty, "it was said already")
        let refusal = refusals.compactMap(\.refusal).first
        #expect(refusal?.code == .outOfDisk && MantaError.Family.full ~= refusal!)
        #expect(refusal?.cause?.contains("the 6291456 bytes that this node may write to the folder /spill do not suffice") == true, "\(refusal?.cause ?? "no cause")")
        #expect(bench.book.holds(Bench.id(1)) && bench.book.isResident(Bench.id(2)))
        // Another one waits; the end of what is on disk makes room for the other object.
        #expect(bench.lease(5 << 20).isEmpty)
        let again = bench.free(1)
        #expect(again.contains(.deleteFile(batch.file)) && again.compactMap(\.spillBatch).first?.parts.map(\.object) == [Bench.id(2)])
    }

    /// A store of 8 MiB with one object on disk and another in memory.
    private func fullBench(limit: Int?) -> (Bench, SlotUse) {
        var bench = Bench(mebibytes: 8, limit: limit)
        bench.put(1, 5 << 20)
        let batch = bench.lease(5 << 20).compactMap(\.spillBatch).first!
        let granted = bench.on { $0.spilled(batch.file, batch.parts, nil, at: $1, perform: $2) }
        guard case .granted(_, _, let extent, let uses)? = granted.first(where: { $0.isGrant }) else { preconditionFailure("no memory came free") }
        let slot = bench.fill(2, 5 << 20, extent, uses)
        return (bench, slot)
    }

    @Test func whatIsOnDiskIsReadThereWhenTheDiskKeepsAllElseInMemory() {
        var (bench, _) = fullBench(limit: 6 << 20)
        let asked = bench.on { $0.open(Bench.id(1), token: 7, at: $1, perform: $2) }
        #expect(asked.compactMap(\.check) == [Bench.id(1)] && asked.compactMap(\.readable).isEmpty, "its bytes are looked at first")
        #expect(bench.on { $0.open(Bench.id(1), token: 8, at: $1, perform: $2) }.isEmpty, "once for all who ask")
        #expect(bench.on { $0.checked(Bench.id(1), nil, at: $1, perform: $2) }.compactMap(\.readable) == [7, 8])
        #expect(bench.on { $0.open(Bench.id(1), token: 9, at: $1, perform: $2) }.compactMap(\.readable) == [9], "part by part")
        bench.now = bench.now + Limits.diskCheck
        let later = bench.on { $0.open(Bench.id(1), token: 10, at: $1, perform: $2) }
        #expect(later.compactMap(\.check) == [Bench.id(1)], "\(later)")
        // As soon as there is memory it comes back.
        #expect(bench.on { $0.checked(Bench.id(1), nil, at: $1, perform: $2) }.compactMap(\.readable) == [10])
        _ = bench.free(2)
        #expect(bench.on { $0.open(Bench.id(1), token: 11, at: $1, perform: $2) }.contains { $0.isRestore })
    }

    @Test func aRequestForMemoryThatWaitsInVainKeepsNobodyFromReadingWhatIsOnDisk() {
        var (bench, _) = fullBench(limit: 6 << 20)
        #expect(bench.lease(5 << 20).compactMap(\.diskComplaint).count == 1)
        #expect(bench.on { $0.open(Bench.id(1), token: 7, at: $1, perform: $2) }.compactMap(\.check) == [Bench.id(1)])
    }

    @Test func whatIsOnDiskWaitsAMomentForMemoryThatIsBeingReadAndIsReadThereThen() {
        var (bench, slot) = fullBench(limit: nil)
        bench.readers.pinned = [slot.slot]
        #expect(bench.on { $0.open(Bench.id(1), token: 7, at: $1, perform: $2) }.isEmpty)
        bench.now = bench.now + Limits.restorePatience
        #expect(bench.on { $0.tick(at: $1, perform: $2) }.compactMap(\.check) == [Bench.id(1)])
        #expect(bench.on { $0.checked(Bench.id(1), nil, at: $1, perform: $2) }.compactMap(\.readable) == [7])
        #expect(bench.on { $0.open(Bench.id(1), token: 8, at: $1, perform: $2) }.compactMap(\.readable) == [8], "the next part is not waited for")
        bench.readers.pinned = []
        #expect(bench.on { $0.open(Bench.id(1), token: 9, at: $1, perform: $2) }.compactMap(\.spillBatch).first?.parts.map(\.object) == [Bench.id(2)])
    }

    @Test func whatIsDamagedOnDiskIsLostAlsoWithoutMemoryForIt() {
        var (bench, _) = fullBench(limit: 6 << 20)
        _ = bench.on { $0.open(Bench.id(1), token: 7, at: $1, perform: $2) }
        let actions = bench.on { $0.checked(Bench.id(1), MantaError(.objectLost, "damaged"), at: $1, perform: $2) }
        #expect(actions.compactMap(\.refusal).map(\.code) == [.objectLost] && actions.contains(.dropped(Bench.id(1), owner: Bench.owner)))
        #expect(actions.contains { if case .deleteFile = $0 { true } else { false } } && !bench.book.holds(Bench.id(1)) && bench.book.fileBytes == 0)
        // One that ended while it was looked at.
        (bench, _) = fullBench(limit: 6 << 20)
        _ = bench.on { $0.open(Bench.id(1), token: 7, at: $1, perform: $2) }
        #expect(bench.free(1).compactMap(\.refusal).count == 1)
        #expect(bench.on { $0.checked(Bench.id(1), nil, at: $1, perform: $2) }.isEmpty)
    }

    @Test func nothingIsWrittenBeyondTheShareOfTheDiskAndTheDiskIsLookedAtAgain() {
        var bench = Bench(mebibytes: 8)
        bench.disk = DiskUsage(capacity: 100 << 20, available: 9 << 20)
        bench.put(1, 5 << 20)
        let complaint = bench.lease(5 << 20).compactMap(\.diskComplaint).first
        #expect(complaint?.message.contains("the file system of the folder /spill is 91 % full") == true, "\(String(describing: complaint))")
        #expect(complaint?.message.contains("95 % would be in use") == true)
        bench.disk.available = 11 << 20
        #expect(bench.on { $0.tick(at: $1, perform: $2) }.isEmpty, "not more than once a second")
        bench.now = bench.now + .seconds(1)
        let batch = bench.on { $0.tick(at: $1, perform: $2) }.compactMap(\.spillBatch).first
        #expect(batch?.parts.map(\.object) == [Bench.id(1)])
        #expect(bench.on { $0.spilled(batch!.file, batch!.parts, nil, at: $1, perform: $2) }.contains { $0.isGrant })
    }

    @Test func whatFitsTheDiskGoesInsteadOfWhatDoesNot() {
        var bench = Bench(mebibytes: 8, limit: 3 << 20)
        bench.put(1, 4 << 20)
        bench.put(2, 2 << 20)
        let batch = bench.lease(3 << 20).compactMap(\.spillBatch).first
        #expect(batch?.parts.map(\.object) == [Bench.id(2)])
        #expect(bench.on { $0.spilled(batch!.file, batch!.parts, nil, at: $1, perform: $2) }.contains { $0.isGrant })
        #expect(bench.book.isResident(Bench.id(1)))
    }

    @Test func whatIsReadAndNotTheDiskIsNamedWhenThatHoldsTheMemory() {
        var bench = Bench(mebibytes: 8, limit: 0)
        bench.readers.pinned = [bench.put(1, 5 << 20)!.slot]
        #expect(bench.lease(5 << 20).isEmpty)
        bench.now = .zero + .seconds(11)
        #expect(bench.on { $0.tick(at: $1, perform: $2) }.compactMap(\.refusal).first?.code == .objectStoreFull)
    }

    @Test func aDiskThatCannotBeLookedAtTakesNothing() {
        var bench = Bench(mebibytes: 8)
        bench.put(1, 5 << 20)
        var looks = 0
        bench.book.lease(5 << 20, to: Bench.client, token: 99, at: bench.now) { if $0 == .lookAtDisk { looks += 1 } }
        #expect(looks == 1)
        #expect(bench.on { $0.diskSeen(.failure(MantaError(.system, "gone")), at: $1, perform: $2) }.isEmpty)
        bench.now = .zero + .seconds(11)
        bench.book.tick(at: bench.now) { action in
            if let refusal = action.refusal { #expect(refusal.code == .objectStoreFull && refusal.cause?.contains("gone") == true) } else { looks += 1 }
        }
        #expect(looks == 2, "it is looked at again")
    }

    @Test func anObjectThatFitsNoStoreIsRefusedAtOnce() {
        var bench = Bench(mebibytes: 8)
        #expect(bench.lease(9 << 20).compactMap(\.refusal).first?.code == .objectStoreFull)
    }

    @Test func anEndThatComesBeforeItsObjectEndsIt() {
        var bench = Bench(mebibytes: 8)
        _ = bench.free(1)
        bench.put(1, 1 << 20)
        #expect(!bench.book.holds(Bench.id(1)))
        #expect(bench.book.usage.used == 0)
    }

    @Test func aClientThatDiesLeavesNothing() {
        var bench = Bench(mebibytes: 64)
        bench.put(1, 1 << 20, owner: Bench.client)
        _ = bench.lease(2 << 20)
        _ = bench.on { $0.processEnded(Bench.client, at: $1, perform: $2) }
        #expect(bench.book.usage.used == 0)
        #expect(bench.lease(1).compactMap(\.refusal).first?.code == .notConnected)
    }

    @Test func whatAWorkerWroteForOthersIsToldWhenItDies() {
        var bench = Bench(mebibytes: 8)
        bench.put(1, 1 << 20)
        bench.put(2, 1 << 20, owner: Bench.client)
        bench.put(3, 1 << 20)
        _ = bench.free(3)
        let actions = bench.on { $0.processEnded(Bench.client, at: $1, perform: $2) }
        #expect(actions.contains(.leftBehind(Bench.id(1), owner: Bench.owner)), "its owner may not have heard of it")
        #expect(actions.count { if case .leftBehind = $0 { true } else { false } } == 1, "its own ends with it, and what ended is gone")
        #expect(bench.book.holds(Bench.id(1)) && !bench.book.holds(Bench.id(2)))
    }

    @Test func aLieAboutOnesMemoryIsNotBelieved() {
        var bench = Bench(mebibytes: 8)
        guard case .granted(_, _, let extent, let uses)? = bench.lease(1 << 20).first else { return #expect(Bool(false), "no lease") }
        var isTaken = true
        _ = bench.on { isTaken = $0.stored(Bench.id(1), owner: Bench.owner, by: Bench.client, uses[0], Extent(offset: extent.end, count: 10), at: $1, perform: $2) }
        #expect(!isTaken)
        let stranger = ProcessID(high: 3, low: 3)
        _ = bench.on { isTaken = $0.stored(Bench.id(1), owner: Bench.owner, by: stranger, uses[0], Extent(offset: extent.offset, count: 10), at: $1, perform: $2) }
        #expect(!isTaken && !bench.book.holds(Bench.id(1)))
    }

    /// Random puts, reads, pins, ends, disk failures and full disks: no part of the arena is ever two objects', nothing live is lost, no more is written than
    /// may be, and all comes back.
    @Test(arguments: UInt64(1)...40) func randomOperationsKeepEveryObjectOnce(seed: UInt64) {
        var random = SplitMix(seed)
        let limit = seed % 2 == 0 ? nil : 12 << 20
        var bench = Bench(mebibytes: 16, limit: limit)
        var live: Set<Int> = []
        var next = 0
        for _ in 0..<400 {
            switch random.next() % 10 {
            case 0...4:
                next += 1
                if bench.put(next, Int(random.next() % 3_000_000) + 1) != nil { live.insert(next) } else {
                    // The request waits; it is given up, as its client would.
                    _ = bench.on { $0.clientLeft(Bench.client, at: $1, perform: $2) }
                    bench.book.clientJoined(Bench.client)
                }
            case 5, 6:
                if let gone = live.randomElement(using: &random) {
                    live.remove(gone)
                    _ = bench.free(gone)
                }
            case 7:
                if let wanted = live.randomElement(using: &random) { _ = bench.on { $0.open(Bench.id(wanted), token: 1, at: $1, perform: $2) } }
            case 8: bench.readers.pinned = Set((0..<3).map { _ in UInt32(random.next() % 64) })
            default:
                bench.now = bench.now + .milliseconds(500)
                _ = bench.on { $0.tick(at: $1, perform: $2) }
            }
            bench.disk.available = random.next() % 5 == 0 ? 0 : 1 << 40
            bench.workOffTheDisk(failing: random.next() % 8 == 0)
            if let limit { #expect(bench.book.fileBytes <= limit) }
            var places: [Extent] = []
            for entry in bench.book.entries.values {
                if case .resident(let extent, _) = entry.place { places.append(extent) }
            }
            places.sort { $0.offset < $1.offset }
            for (left, right) in zip(places, places.dropFirst()) { #expect(left.end <= right.offset) }
            #expect(Set(bench.book.entries.keys) == Set(live.map(Bench.id)))
            let onDisk = bench.book.entries.values.filter { if case .spilled = $0.place { true } else { false } }
            let usage = bench.book.usage
            #expect(usage.spilledObjects == onDisk.count && usage.spilledBytes == onDisk.reduce(0) { $0 + $1.size })
            #expect(usage.objects + usage.spilledObjects == live.count)
            #expect(usage.objectBytes + usage.spilledBytes == bench.book.entries.values.reduce(0) { $0 + $1.size })
        }
        bench.readers.pinned = []
        for number in live { _ = bench.free(number) }
        bench.workOffTheDisk(failing: false)
        _ = bench.on { $0.tick(at: $1, perform: $2) }
        _ = bench.on { $0.clientLeft(Bench.client, at: $1, perform: $2) }
        #expect(bench.book.usage.used == 0 && bench.book.fileBytes == 0)
    }
}

private struct SplitMix: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
