// A node's object store: memory that clients lease, objects that come and go, what leaves when it is full; and random operations against a simple model.

import MantaCore
import MantaMemory
import MantaModel
import Testing

@Suite struct StoreBookTests {
    @Test func whatIsFreedIsUsedAgain() {
        var bench = StoreBench(mebibytes: 8)
        for round in 0..<100 {
            #expect(bench.put(round, 3 << 20) != nil)
            _ = bench.free(round)
        }
        #expect(bench.book.usage.used == 0)
        #expect(bench.book.counters.spilled == 0)
    }

    @Test func aSlabServesManyObjects() {
        var bench = StoreBench(mebibytes: 256)
        guard case .granted(_, _, let extent, let uses)? = bench.lease(200_000).first else { return #expect(Bool(false), "no lease") }
        #expect(extent.count == bench.book.slabBytes)
        #expect(uses.count >= extent.count / 200_000)
    }

    /// Ten thousand slots would take longer to write and read than the object takes to be copied.
    @Test func memoryForALargeObjectComesWithASlotForItAlone() {
        var bench = StoreBench(mebibytes: 1024)
        guard case .granted(_, _, let extent, let uses)? = bench.lease(800 << 20).first else { return #expect(Bool(false), "no lease") }
        #expect(extent.count == 800 << 20)
        #expect(uses.count == 1)
    }

    @Test func whatAClientGivesBackIsTakenBeforeTheWordOfTheObjectBesideIt() {
        var bench = StoreBench(mebibytes: 8)
        guard case .granted(_, _, let extent, let uses)? = bench.lease(1 << 20).first else { return #expect(Bool(false), "nothing was granted") }
        let object = 64 << 10
        let rest = Extent(offset: extent.offset + object, count: extent.count - object)
        _ = bench.on { $0.returned(rest, Array(uses.dropFirst()), by: StoreBench.client, at: $1, perform: $2) }
        _ = bench.fill(1, object, Extent(offset: extent.offset, count: object), [uses[0]])
        _ = bench.free(1)
        #expect(bench.book.usage.used == 0)
    }

    @Test func withoutADiskNothingLeavesMemoryAndWhoWaitsIsRefusedWhenNothingMoves() {
        var bench = StoreBench(mebibytes: 4, spills: false)
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
        var bench = StoreBench(mebibytes: 8)
        let use = bench.put(1, 5 << 20)!
        bench.readers.pinned = [use.slot]
        _ = bench.free(1)
        #expect(!bench.lease(5 << 20).contains { $0.isGrant })
        bench.readers.pinned = []
        #expect(bench.on { $0.tick(at: $1, perform: $2) }.contains { $0.isGrant })
    }

    @Test func theLongestUnusedIsWrittenToDiskFirst() {
        var bench = StoreBench(mebibytes: 8)
        let first = bench.put(1, 2 << 20)!
        bench.put(2, 2 << 20)
        bench.put(3, 2 << 20)
        bench.readers.used[first.slot] = 100
        let batch = bench.lease(3 << 20).compactMap(\.spillBatch).first
        #expect(batch?.parts.map(\.object) == [StoreBench.id(2), StoreBench.id(3)])
        #expect(bench.on { $0.spilled(batch!.file, batch!.parts, nil, at: $1, perform: $2) }.contains { $0.isGrant })
        // What is on disk comes back when it is asked for, and can leave again without being written.
        _ = bench.free(1)
        let restoring = bench.on { $0.open(StoreBench.id(2), token: 77, at: $1, perform: $2) }
        #expect(restoring.contains { if case .restore(StoreBench.id(2), _, _) = $0 { true } else { false } })
        let opened = bench.on { $0.restored(StoreBench.id(2), nil, publish: { _, _ in }, at: $1, perform: $2) }
        #expect(opened.contains { if case .opened(77, _, size: 2 << 20) = $0 { true } else { false } })
        #expect(bench.free(2).isEmpty, "the other object is still in the file")
        #expect(bench.free(3) == [.deleteFile(batch!.file)])
    }

    @Test func copiesGoBeforeAnythingIsWritten() {
        var bench = StoreBench(mebibytes: 8)
        bench.put(1, 3 << 20)
        _ = bench.on { $0.fetch(StoreBench.id(2), owner: StoreBench.owner, size: 3 << 20, token: 5, at: $1, perform: $2) }
        #expect(bench.on { $0.arrived(StoreBench.id(2), nil, publish: { _, _ in }, at: $1, perform: $2) }.contains { $0.isOpened })
        let actions = bench.lease(4 << 20)
        #expect(actions.contains(.dropped(StoreBench.id(2), owner: StoreBench.owner)))
        #expect(actions.contains { $0.isGrant })
        #expect(bench.book.counters.spilled == 0)
    }

    @Test func whatTasksWaitForLeavesLast() {
        var bench = StoreBench(mebibytes: 8)
        // A copy, which went first otherwise, and an object that was used before all others.
        bench.put(1, 2 << 20)
        _ = bench.on { $0.fetch(StoreBench.id(2), owner: StoreBench.owner, size: 2 << 20, token: 5, at: $1, perform: $2) }
        _ = bench.on { $0.arrived(StoreBench.id(2), nil, publish: { _, _ in }, at: $1, perform: $2) }
        bench.put(3, 2 << 20)
        bench.book.promise([StoreBench.id(1), StoreBench.id(2)])
        bench.book.promise([StoreBench.id(2)])
        bench.book.withdraw([StoreBench.id(2)])
        let batch = bench.lease(4 << 20).compactMap(\.spillBatch).first
        #expect(batch?.parts.map(\.object) == [StoreBench.id(3)])
        // But rather than that nobody gets memory: then in the usual order.
        let ends = bench.on { $0.spilled(batch!.file, batch!.parts, nil, at: $1, perform: $2) }
        #expect(ends.contains(.dropped(StoreBench.id(2), owner: StoreBench.owner)) || ends.contains { $0.isGrant }, "\(ends)")
        #expect(bench.book.isResident(StoreBench.id(1)))
        bench.book.withdraw([StoreBench.id(1), StoreBench.id(2)])
        #expect(bench.lease(6 << 20).compactMap(\.spillBatch).flatMap(\.parts).map(\.object) == [StoreBench.id(1)])
    }

    @Test func whoeverAsksForACopyMeanwhileGetsTheSame() {
        var bench = StoreBench(mebibytes: 8)
        var fetches = 0
        for token in UInt64(1)...3 {
            fetches += bench.on { $0.fetch(StoreBench.id(2), owner: StoreBench.owner, size: 1 << 20, token: token, at: $1, perform: $2) }
                .count { if case .fetch = $0 { true } else { false } }
        }
        #expect(fetches == 1)
        #expect(bench.on { $0.arrived(StoreBench.id(2), nil, publish: { _, _ in }, at: $1, perform: $2) }.count { $0.isOpened } == 3)
    }

    @Test func aCopyThatEndedWhileItsMemoryWasWaitedForIsNotFetched() {
        var bench = StoreBench(mebibytes: 8)
        let use = bench.put(1, 5 << 20)!
        bench.readers.pinned = [use.slot]
        #expect(bench.on { $0.fetch(StoreBench.id(2), owner: StoreBench.owner, size: 5 << 20, token: 9, at: $1, perform: $2) }.isEmpty)
        let ended = bench.free(2)
        #expect(ended.compactMap(\.refusal).map(\.code) == [.objectLost] && ended.count == 1)
        bench.readers.pinned = []
        #expect(bench.free(1).isEmpty && bench.book.usage.used == 0)
    }

    @Test func theSlotsOfAFullLeaseComeBack() {
        var bench = StoreBench(mebibytes: 8)
        for number in 0..<200 {
            guard case .granted(_, _, let extent, let uses)? = bench.lease(3 << 20).first else { return #expect(Bool(false), "no memory for object \(number)") }
            _ = bench.fill(number, extent.count, extent, uses)
            _ = bench.on { $0.returned(Extent(offset: extent.end, count: 0), Array(uses.dropFirst()), by: StoreBench.client, at: $1, perform: $2) }
            _ = bench.free(number)
        }
        #expect(bench.book.usage.used == 0)
    }

    @Test func aFullStoreSaysWhatHoldsIt() {
        var bench = StoreBench(mebibytes: 8)
        let use = bench.put(1, 5 << 20)!
        bench.readers.pinned = [use.slot]
        #expect(bench.lease(5 << 20).isEmpty)
        bench.now = .zero + .seconds(11)
        let refusal = bench.on { $0.tick(at: $1, perform: $2) }.compactMap(\.refusal).first
        #expect(refusal?.code == .objectStoreFull)
        #expect(refusal?.message.contains("\(StoreBench.id(1))") == true)
    }

    @Test func anObjectThatFitsNoStoreIsRefusedAtOnce() {
        var bench = StoreBench(mebibytes: 8)
        #expect(bench.lease(9 << 20).compactMap(\.refusal).first?.code == .objectStoreFull)
    }

    @Test func anEndThatComesBeforeItsObjectEndsIt() {
        var bench = StoreBench(mebibytes: 8)
        _ = bench.free(1)
        bench.put(1, 1 << 20)
        #expect(!bench.book.holds(StoreBench.id(1)))
        #expect(bench.book.usage.used == 0)
    }

    /// A worker may write what a task of a killed driver made, and a node that has not heard of the end may still send a copy.
    @Test func whatComesOfAnOwnerThatIsGoneIsNotKept() {
        var bench = StoreBench(mebibytes: 8, spills: false)
        bench.put(1, 7 << 20, owner: StoreBench.client)
        let waiting = bench.on { $0.fetch(StoreBench.id(2), owner: StoreBench.owner, size: 4 << 20, token: 90, at: $1, perform: $2) }
        #expect(waiting.isEmpty, "there is no room yet")
        let ended = bench.on { $0.processEnded(StoreBench.owner, at: $1, perform: $2) }
        #expect(ended.compactMap(\.refusal).first?.code == .objectLost, "what waited for room")
        _ = bench.free(1)
        let asked = bench.on { $0.fetch(StoreBench.id(3), owner: StoreBench.owner, size: 100, token: 91, at: $1, perform: $2) }
        #expect(asked.compactMap(\.refusal).first?.code == .objectLost)
        bench.put(4, 1 << 20)
        #expect(!bench.book.holds(StoreBench.id(4)))
        #expect(bench.book.usage.objects == 0 && bench.book.usage.used == 0)
    }

    @Test func anOwnerThatCouldNotBeReachedMayReturn() {
        var bench = StoreBench(mebibytes: 8)
        bench.put(1, 1 << 20)
        _ = bench.on { $0.processEnded(StoreBench.owner, mayReturn: true, at: $1, perform: $2) }
        #expect(!bench.book.holds(StoreBench.id(1)))
        bench.put(2, 1 << 20)
        #expect(bench.book.holds(StoreBench.id(2)))
    }

    @Test func aClientThatDiesLeavesNothing() {
        var bench = StoreBench(mebibytes: 64)
        bench.put(1, 1 << 20, owner: StoreBench.client)
        _ = bench.lease(2 << 20)
        _ = bench.on { $0.processEnded(StoreBench.client, at: $1, perform: $2) }
        #expect(bench.book.usage.used == 0)
        #expect(bench.lease(1).compactMap(\.refusal).first?.code == .notConnected)
    }

    @Test func whatAWorkerWroteForOthersIsToldWhenItDies() {
        var bench = StoreBench(mebibytes: 8)
        bench.put(1, 1 << 20)
        bench.put(2, 1 << 20, owner: StoreBench.client)
        bench.put(3, 1 << 20)
        _ = bench.free(3)
        let actions = bench.on { $0.processEnded(StoreBench.client, at: $1, perform: $2) }
        #expect(actions.contains(.leftBehind(StoreBench.id(1), owner: StoreBench.owner)), "its owner may not have heard of it")
        #expect(actions.count { if case .leftBehind = $0 { true } else { false } } == 1, "its own ends with it, and what ended is gone")
        #expect(bench.book.holds(StoreBench.id(1)) && !bench.book.holds(StoreBench.id(2)))
    }

    @Test func aLieAboutOnesMemoryIsNotBelieved() {
        var bench = StoreBench(mebibytes: 8)
        guard case .granted(_, _, let extent, let uses)? = bench.lease(1 << 20).first else { return #expect(Bool(false), "no lease") }
        var isTaken = true
        _ = bench.on { isTaken = $0.stored(StoreBench.id(1), owner: StoreBench.owner, by: StoreBench.client, uses[0], Extent(offset: extent.end, count: 10), at: $1, perform: $2) }
        #expect(!isTaken)
        let stranger = ProcessID(high: 3, low: 3)
        _ = bench.on { isTaken = $0.stored(StoreBench.id(1), owner: StoreBench.owner, by: stranger, uses[0], Extent(offset: extent.offset, count: 10), at: $1, perform: $2) }
        #expect(!isTaken && !bench.book.holds(StoreBench.id(1)))
    }

    /// Random puts, reads, pins, ends, disk failures and full disks: no part of the arena is ever two objects', nothing live is lost, no more is written than
    /// may be, and all comes back.
    @Test(arguments: UInt64(1)...40) func randomOperationsKeepEveryObjectOnce(seed: UInt64) {
        var random = SplitMix(seed)
        let limit = seed % 2 == 0 ? nil : 12 << 20
        var bench = StoreBench(mebibytes: 16, limit: limit)
        var live: Set<Int> = []
        var next = 0
        for _ in 0..<400 {
            switch random.next() % 10 {
            case 0...4:
                next += 1
                if bench.put(next, Int(random.next() % 3_000_000) + 1) != nil { live.insert(next) } else {
                    // The request waits; it is given up, as its client would.
                    _ = bench.on { $0.clientLeft(StoreBench.client, at: $1, perform: $2) }
                    bench.book.clientJoined(StoreBench.client)
                }
            case 5, 6:
                if let gone = live.randomElement(using: &random) {
                    live.remove(gone)
                    _ = bench.free(gone)
                }
            case 7:
                if let wanted = live.randomElement(using: &random) { _ = bench.on { $0.open(StoreBench.id(wanted), token: 1, at: $1, perform: $2) } }
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
            #expect(Set(bench.book.entries.keys) == Set(live.map(StoreBench.id)))
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
        _ = bench.on { $0.clientLeft(StoreBench.client, at: $1, perform: $2) }
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
