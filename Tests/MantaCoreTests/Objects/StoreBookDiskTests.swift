// A node's object store and its disk: full, at its limit, damaged, and read from where no memory is free.

import MantaCore
import MantaMemory
import MantaModel
import Testing

@Suite struct StoreBookDiskTests {
    @Test func aFullDiskIsNamedAndLosesNothing() {
        var bench = StoreBench(mebibytes: 8)
        bench.put(1, 5 << 20)
        let batch = bench.lease(5 << 20).compactMap(\.spillBatch).first!
        _ = bench.on { $0.open(StoreBench.id(1), token: 9, at: $1, perform: $2) }
        let failed = bench.on { $0.spilled(batch.file, batch.parts, MantaError(.system, "no space left on /spill"), at: $1, perform: $2) }
        #expect(failed.contains { $0.isOpened })
        // The disk is tried again, and fails again, until the patience is over.
        bench.now = .zero + .seconds(11)
        let again = bench.on { $0.tick(at: $1, perform: $2) }
        let error = MantaError(.system, "no space left on /spill")
        let ends = again + again.compactMap(\.spillBatch).flatMap { batch in bench.on { $0.spilled(batch.file, batch.parts, error, at: $1, perform: $2) } }
        #expect(ends.compactMap(\.refusal).first?.code == .objectStoreFull)
        #expect(bench.book.holds(StoreBench.id(1)))
    }

    @Test func aDiskAtItsLimitIsNamedAndServesAgainWhenAFileWent() {
        var bench = StoreBench(mebibytes: 8, limit: 6 << 20)
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
        #expect(bench.book.holds(StoreBench.id(1)) && bench.book.isResident(StoreBench.id(2)))
        // Another one waits; the end of what is on disk makes room for the other object.
        #expect(bench.lease(5 << 20).isEmpty)
        let again = bench.free(1)
        #expect(again.contains(.deleteFile(batch.file)) && again.compactMap(\.spillBatch).first?.parts.map(\.object) == [StoreBench.id(2)])
    }

    /// A store of 8 MiB with one object on disk and another in memory.
    private func fullBench(limit: Int?) -> (StoreBench, SlotUse) {
        var bench = StoreBench(mebibytes: 8, limit: limit)
        bench.put(1, 5 << 20)
        let batch = bench.lease(5 << 20).compactMap(\.spillBatch).first!
        let granted = bench.on { $0.spilled(batch.file, batch.parts, nil, at: $1, perform: $2) }
        guard case .granted(_, _, let extent, let uses)? = granted.first(where: { $0.isGrant }) else { preconditionFailure("no memory came free") }
        let slot = bench.fill(2, 5 << 20, extent, uses)
        return (bench, slot)
    }

    @Test func whatIsOnDiskIsReadThereWhenTheDiskKeepsAllElseInMemory() {
        var (bench, _) = fullBench(limit: 6 << 20)
        let asked = bench.on { $0.open(StoreBench.id(1), token: 7, at: $1, perform: $2) }
        #expect(asked.compactMap(\.check) == [StoreBench.id(1)] && asked.compactMap(\.readable).isEmpty, "its bytes are looked at first")
        #expect(bench.on { $0.open(StoreBench.id(1), token: 8, at: $1, perform: $2) }.isEmpty, "once for all who ask")
        #expect(bench.on { $0.checked(StoreBench.id(1), nil, at: $1, perform: $2) }.compactMap(\.readable) == [7, 8])
        #expect(bench.on { $0.open(StoreBench.id(1), token: 9, at: $1, perform: $2) }.compactMap(\.readable) == [9], "part by part")
        bench.now = bench.now + Limits.diskCheck
        let later = bench.on { $0.open(StoreBench.id(1), token: 10, at: $1, perform: $2) }
        #expect(later.compactMap(\.check) == [StoreBench.id(1)], "\(later)")
        // As soon as there is memory it comes back.
        #expect(bench.on { $0.checked(StoreBench.id(1), nil, at: $1, perform: $2) }.compactMap(\.readable) == [10])
        _ = bench.free(2)
        #expect(bench.on { $0.open(StoreBench.id(1), token: 11, at: $1, perform: $2) }.contains { $0.isRestore })
    }

    @Test func aRequestForMemoryThatWaitsInVainKeepsNobodyFromReadingWhatIsOnDisk() {
        var (bench, _) = fullBench(limit: 6 << 20)
        #expect(bench.lease(5 << 20).compactMap(\.diskComplaint).count == 1)
        #expect(bench.on { $0.open(StoreBench.id(1), token: 7, at: $1, perform: $2) }.compactMap(\.check) == [StoreBench.id(1)])
    }

    @Test func whatIsOnDiskWaitsAMomentForMemoryThatIsBeingReadAndIsReadThereThen() {
        var (bench, slot) = fullBench(limit: nil)
        bench.readers.pinned = [slot.slot]
        #expect(bench.on { $0.open(StoreBench.id(1), token: 7, at: $1, perform: $2) }.isEmpty)
        bench.now = bench.now + Limits.restorePatience
        #expect(bench.on { $0.tick(at: $1, perform: $2) }.compactMap(\.check) == [StoreBench.id(1)])
        #expect(bench.on { $0.checked(StoreBench.id(1), nil, at: $1, perform: $2) }.compactMap(\.readable) == [7])
        #expect(bench.on { $0.open(StoreBench.id(1), token: 8, at: $1, perform: $2) }.compactMap(\.readable) == [8], "the next part is not waited for")
        bench.readers.pinned = []
        #expect(bench.on { $0.open(StoreBench.id(1), token: 9, at: $1, perform: $2) }.compactMap(\.spillBatch).first?.parts.map(\.object) == [StoreBench.id(2)])
    }

    @Test func whatIsDamagedOnDiskIsLostAlsoWithoutMemoryForIt() {
        var (bench, _) = fullBench(limit: 6 << 20)
        _ = bench.on { $0.open(StoreBench.id(1), token: 7, at: $1, perform: $2) }
        let error = MantaError(.objectLost, "damaged")
        let actions = bench.on { $0.checked(StoreBench.id(1), error, at: $1, perform: $2) }
        #expect(actions.filter { $0 == .damaged(StoreBench.id(1), owner: StoreBench.owner, error) }.count == 1, "\(actions)")
        #expect(actions.compactMap(\.refusal).map(\.code) == [.objectLost] && actions.contains(.dropped(StoreBench.id(1), owner: StoreBench.owner)))
        #expect(actions.contains { if case .deleteFile = $0 { true } else { false } } && !bench.book.holds(StoreBench.id(1)) && bench.book.fileBytes == 0)
        // One that ended while it was looked at.
        (bench, _) = fullBench(limit: 6 << 20)
        _ = bench.on { $0.open(StoreBench.id(1), token: 7, at: $1, perform: $2) }
        #expect(bench.free(1).compactMap(\.refusal).count == 1)
        #expect(bench.on { $0.checked(StoreBench.id(1), nil, at: $1, perform: $2) }.isEmpty)
    }

    @Test func whoCanReadAnObjectElsewhereIsToldSoonThatNoCopyComesAndOthersWait() {
        var bench = StoreBench(mebibytes: 8, spills: false)
        bench.put(1, 5 << 20)
        func fetch(_ number: Int, token: UInt64, readsAnywhere: Bool) -> [StoreBook.Action] {
            bench.on { $0.fetch(StoreBench.id(number), owner: StoreBench.owner, size: 5 << 20, readsAnywhere: readsAnywhere, token: token, at: $1, perform: $2) }
        }
        #expect(fetch(2, token: 7, readsAnywhere: false).isEmpty && fetch(2, token: 8, readsAnywhere: true).isEmpty)
        bench.now = .zero + Limits.restorePatience
        let told = bench.on { $0.tick(at: $1, perform: $2) }
        #expect(told.count == 1 && told.first == .refused(8, MantaError(.objectStoreFull, "this node's store has no room for a copy of \(5 << 20) bytes")), "\(told)")
        // Room comes, and the copy.
        #expect(bench.free(1).contains { if case .fetch(StoreBench.id(2), _) = $0 { true } else { false } })
        // With a disk that takes no more there is nothing to wait for.
        (bench, _) = fullBench(limit: 6 << 20)
        #expect(bench.lease(5 << 20).compactMap(\.diskComplaint).count == 1)
        #expect(fetch(3, token: 9, readsAnywhere: true).compactMap(\.refusal).map(\.code) == [.outOfDisk])
        #expect(fetch(3, token: 10, readsAnywhere: false).isEmpty)
    }

    @Test func ofSeveralPartsThatCannotBeReadOneTellsOfTheDamage() {
        var (bench, _) = fullBench(limit: 6 << 20)
        _ = bench.on { $0.open(StoreBench.id(1), token: 7, at: $1, perform: $2) }
        #expect(bench.on { $0.checked(StoreBench.id(1), nil, at: $1, perform: $2) }.compactMap(\.readable) == [7])
        let error = MantaError(.objectLost, "its file is gone")
        let told = (0..<3).flatMap { _ in bench.on { $0.checked(StoreBench.id(1), error, at: $1, perform: $2) } }
        #expect(told.filter { $0 == .damaged(StoreBench.id(1), owner: StoreBench.owner, error) }.count == 1, "\(told)")
        #expect(!bench.book.holds(StoreBench.id(1)))
    }

    @Test func nothingIsWrittenBeyondTheShareOfTheDiskAndTheDiskIsLookedAtAgain() {
        var bench = StoreBench(mebibytes: 8)
        bench.disk = DiskUsage(capacity: 100 << 20, available: 9 << 20)
        bench.put(1, 5 << 20)
        let complaint = bench.lease(5 << 20).compactMap(\.diskComplaint).first
        #expect(complaint?.message.contains("the file system of the folder /spill is 91 % full") == true, "\(String(describing: complaint))")
        #expect(complaint?.message.contains("95 % would be in use") == true)
        bench.disk.available = 11 << 20
        #expect(bench.on { $0.tick(at: $1, perform: $2) }.isEmpty, "not more than once a second")
        bench.now = bench.now + .seconds(1)
        let batch = bench.on { $0.tick(at: $1, perform: $2) }.compactMap(\.spillBatch).first
        #expect(batch?.parts.map(\.object) == [StoreBench.id(1)])
        #expect(bench.on { $0.spilled(batch!.file, batch!.parts, nil, at: $1, perform: $2) }.contains { $0.isGrant })
    }

    @Test func whatFitsTheDiskGoesInsteadOfWhatDoesNot() {
        var bench = StoreBench(mebibytes: 8, limit: 3 << 20)
        bench.put(1, 4 << 20)
        bench.put(2, 2 << 20)
        let batch = bench.lease(3 << 20).compactMap(\.spillBatch).first
        #expect(batch?.parts.map(\.object) == [StoreBench.id(2)])
        #expect(bench.on { $0.spilled(batch!.file, batch!.parts, nil, at: $1, perform: $2) }.contains { $0.isGrant })
        #expect(bench.book.isResident(StoreBench.id(1)))
    }

    @Test func whatIsReadAndNotTheDiskIsNamedWhenThatHoldsTheMemory() {
        var bench = StoreBench(mebibytes: 8, limit: 0)
        bench.readers.pinned = [bench.put(1, 5 << 20)!.slot]
        #expect(bench.lease(5 << 20).isEmpty)
        bench.now = .zero + .seconds(11)
        #expect(bench.on { $0.tick(at: $1, perform: $2) }.compactMap(\.refusal).first?.code == .objectStoreFull)
    }

    @Test func aDiskThatCannotBeLookedAtTakesNothing() {
        var bench = StoreBench(mebibytes: 8)
        bench.put(1, 5 << 20)
        var looks = 0
        bench.book.lease(5 << 20, to: StoreBench.client, token: 99, at: bench.now) { if $0 == .lookAtDisk { looks += 1 } }
        #expect(looks == 1)
        #expect(bench.on { $0.diskSeen(.failure(MantaError(.system, "gone")), at: $1, perform: $2) }.isEmpty)
        bench.now = .zero + .seconds(11)
        bench.book.tick(at: bench.now) { action in
            if let refusal = action.refusal { #expect(refusal.code == .objectStoreFull && refusal.cause?.contains("gone") == true) } else { looks += 1 }
        }
        #expect(looks == 2, "it is looked at again")
    }
}
