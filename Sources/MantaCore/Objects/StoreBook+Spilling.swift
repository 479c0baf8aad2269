// What leaves a StoreBook's memory when it is full, and how it comes back.

package import MantaMemory
package import MantaModel

extension StoreBook {
    /// Lets objects go until the request fits, or begins to write some to disk; one batch at a time.
    mutating func makeRoom(for want: Want, at now: Instant, _ perform: (Action) -> Void) {
        guard !isAtDisk else { return }
        // Sorted by the last use: a full store has few large objects rather than many small ones.
        var candidates = entries.compactMap { id, entry -> Candidate? in
            guard case .resident(let extent, let use) = entry.place else { return nil }
            return Candidate(id: id, used: readers.lastUse(use.slot), extent: extent, use: use)
        }.sorted { ($0.used, $0.id) < ($1.used, $1.id) }
        let boundary = promisedLast(&candidates)
        if letGo(candidates[..<boundary], for: want.bytes, perform) { return serve(at: now, perform) }
        spill(candidates[..<boundary], want.bytes, at: now, perform)
        // Rather than that nobody gets memory: what waits would wait for what keeps it waiting.
        if !isAtDisk, boundary < candidates.endIndex {
            if letGo(candidates[boundary...], for: want.bytes, perform) { return serve(at: now, perform) }
            spill(candidates[boundary...], want.bytes, at: now, perform)
        }
        readElsewhere(at: now, perform)
    }

    /// An object in memory.
    private struct Candidate {
        var id: ObjectID
        var used: UInt64
        var extent: Extent
        var use: SlotUse
    }

    /// Puts what tasks were promised behind all others; returns where it begins.
    private func promisedLast(_ candidates: inout [Candidate]) -> Int {
        guard !promised.isEmpty else { return candidates.endIndex }
        let last = candidates.filter { promised[$0.id] != nil }
        candidates.removeAll { promised[$0.id] != nil }
        defer { candidates += last }
        return candidates.endIndex
    }

    /// Lets go of what needs not be written, until there is room for so many bytes; false when that does not suffice.
    private mutating func letGo(_ candidates: ArraySlice<Candidate>, for bytes: Int, _ perform: (Action) -> Void) -> Bool {
        for candidate in candidates {
            guard let entry = entries[candidate.id], !entry.isPrimary || entry.onDisk != nil, readers.claim(candidate.use) else { continue }
            if let disk = entry.onDisk {
                entries[candidate.id]!.place = .spilled(disk)
            } else {
                entries[candidate.id] = nil
                counters.evicted += 1
                perform(.dropped(candidate.id, owner: entry.owner))
            }
            release(candidate.extent, candidate.use)
            if allocator.largestFree >= ExtentAllocator.rounded(bytes), !freeSlots.isEmpty { return true }
        }
        return false
    }

    /// Begins to write some of them to disk, if any may and must be.
    private mutating func spill(_ resident: ArraySlice<Candidate>, _ bytes: Int, at now: Instant, _ perform: (Action) -> Void) {
        guard let spillLimit else { return }
        if let diskError, diskError.at + Limits.diskPause > now { return }
        let candidates = resident.filter { entries[$0.id]?.isPrimary == true && entries[$0.id]?.onDisk == nil }
        guard !candidates.isEmpty else { return diskError = nil }
        guard let disk, disk.at + Limits.diskPause > now else {
            isAtDisk = true
            return perform(.lookAtDisk)
        }
        var parts: [SpilledPart] = []
        var total = 0
        // Small objects share a file; not so much at once that everything else waits for the disk.
        let enough = max(bytes, min(Limits.spillBatchBytes, layout.arenaBytes / 8))
        let room = spillLimit.room(disk.usage, written: fileBytes)
        var refusal: MantaError?
        for candidate in candidates where total < enough && parts.count < Limits.spillBatchObjects {
            let (id, extent, use) = (candidate.id, candidate.extent, candidate.use)
            let size = entries[id]!.size
            let onDisk = ExtentAllocator.rounded(size + Self.spillHeaderBytes)
            let fits = total + onDisk <= room
            // One that does not fit is asked for to know whether the disk alone keeps it in memory.
            guard fits || refusal == nil, readers.claim(use) else { continue }
            guard fits else {
                readers.restore(use)
                refusal = spillLimit.refusal(of: size, disk.usage, written: fileBytes + total)
                continue
            }
            entries[id]!.place = .spilling(extent, use)
            parts.append(SpilledPart(object: id, extent: Extent(offset: extent.offset, count: size), offset: total))
            total += onDisk
        }
        guard !parts.isEmpty else { return diskRefused(refusal, at: now, perform) }
        lastFile += 1
        isAtDisk = true
        files[lastFile] = (parts.count, total)
        fileBytes += total
        self.disk!.usage.available -= total
        perform(.spill(file: lastFile, parts))
    }

    /// The disk has no room for anything that could leave memory; nil: nothing could, and that is not the disk's doing.
    private mutating func diskRefused(_ error: MantaError?, at now: Instant, _ perform: (Action) -> Void) {
        let wasRefused = diskError?.0.code == error?.code
        diskError = error.map { ($0, now) }
        if let error, !wasRefused { perform(.diskIsFull(error)) }
    }

    /// How full the disk is, or why nobody can say.
    package mutating func diskSeen(_ found: Result<DiskUsage, MantaError>, at now: Instant, perform: (Action) -> Void) {
        isAtDisk = false
        switch found {
        case .success(let usage): disk = (usage, now)
        case .failure(let error): diskError = (error, now)
        }
        serve(at: now, perform)
    }

    /// Before each object in a file stands what it is and its checksum.
    package static let spillHeaderBytes = 64

    /// The batch is on disk, or could not be written.
    package mutating func spilled(_ file: UInt64, _ parts: [SpilledPart], _ error: MantaError?, at now: Instant, perform: (Action) -> Void) {
        isAtDisk = false
        if error == nil { (progressAt, diskError) = (now, nil) }
        for part in parts {
            let disk = SpillPlace(file: file, offset: part.offset)
            if let gone = busy.removeValue(forKey: part.object) {
                release(gone.extent, gone.use)
                leaveFile(file, perform)
                continue
            }
            guard let entry = entries[part.object], case .spilling(let extent, let use) = entry.place else { continue }
            guard error == nil else {
                readers.restore(use)
                leaveFile(file, perform)
                entries[part.object]!.place = .resident(extent, use)
                answer(part.object, use, perform)
                continue
            }
            counters.spilled += 1
            counters.spilledBytes += entry.size
            release(extent, use)
            entries[part.object]!.place = .spilled(disk)
            entries[part.object]!.onDisk = disk
            // Somebody asked for it while it was on its way out.
            if !entry.openers.isEmpty { wants.append(Want(token: 0, bytes: entry.size, purpose: .restore(part.object), since: now)) }
        }
        // Last: the end of the file is no reason to try again at once.
        if let error { (diskError, disk) = ((error, now), nil) }
        serve(at: now, perform)
    }

    /// The object was read from disk, or could not be: then it is lost here.
    package mutating func restored(_ id: ObjectID, _ error: MantaError?, publish: (SlotUse, Extent) -> Void, at now: Instant, perform: (Action) -> Void) {
        if let gone = busy.removeValue(forKey: id) {
            if let file = busyFiles.removeValue(forKey: id) { leaveFile(file, perform) }
            return letGo(gone, at: now, perform)
        }
        guard let entry = entries[id], case .restoring(let extent, let use, let disk) = entry.place else { return }
        if let error {
            lost(id, entry, disk, error, perform)
            return letGo((extent, use), at: now, perform)
        }
        counters.restored += 1
        counters.restoredBytes += entry.size
        becomeResident(id, extent, use, publish, perform)
    }

    /// It cannot be read from disk.
    private mutating func lost(_ id: ObjectID, _ entry: Entry, _ disk: SpillPlace, _ error: MantaError, _ perform: (Action) -> Void) {
        entries[id] = nil
        for token in entry.openers { perform(.refused(token, error)) }
        leaveFile(disk.file, perform)
        perform(.damaged(id, owner: entry.owner, error))
        perform(.dropped(id, owner: entry.owner))
    }

    private mutating func answer(_ id: ObjectID, _ use: SlotUse, _ perform: (Action) -> Void) {
        guard let entry = entries[id] else { return }
        entries[id]!.openers = []
        for token in entry.openers { perform(.opened(token, use, size: entry.size)) }
    }
}

// MARK: - What tasks wait for

extension StoreBook {
    /// A task that is yet to run was promised these objects here: they leave memory after all others, whether they are here or come.
    package mutating func promise(_ ids: some Sequence<ObjectID>) {
        for id in ids { promised[id, default: 0] += 1 }
    }

    /// Such a task has run, or will not.
    package mutating func withdraw(_ ids: some Sequence<ObjectID>) {
        for id in ids {
            guard let count = promised[id] else { continue }
            promised[id] = count > 1 ? count - 1 : nil
        }
    }
}

// MARK: - Reading without memory

extension StoreBook {
    /// Objects that wait for memory, and for which none is being made: those on disk are read from their files, copies are left where they are. At once when
    /// the disk is what keeps everything else in memory, and while somebody is reading them in this way.
    private mutating func readElsewhere(at now: Instant, _ perform: (Action) -> Void) {
        guard !isAtDisk else { return }
        let isDiskFull = diskError?.0.code == .outOfDisk
        var due: [Want] = []
        wants.removeAll { [entries] want in
            let isOver = isDiskFull || want.since + Limits.restorePatience <= now
            let isDue =
                switch want.purpose {
                case .lease: false
                case .fetch: want.readsAnywhere && isOver
                case .restore(let id): isOver || entries[id]?.isChecked(at: now) == true
                }
            if isDue { due.append(want) }
            return isDue
        }
        for want in due {
            if case .restore(let id) = want.purpose { readFromDisk(id, at: now, perform) } else { fail(want, noRoom(for: want.bytes), perform) }
        }
    }

    /// Short: who hears it reads the object elsewhere.
    private func noRoom(for bytes: Int) -> MantaError {
        MantaError(diskError?.0.code == .outOfDisk ? .outOfDisk : .objectStoreFull, "this node's store has no room for a copy of \(bytes) bytes", cause: diskError?.0)
    }

    private mutating func readFromDisk(_ id: ObjectID, at now: Instant, _ perform: (Action) -> Void) {
        guard let entry = entries[id], case .spilled(let disk) = entry.place else { return }
        guard entry.isChecked(at: now) else { return perform(.check(id, disk, size: entry.size)) }
        entries[id]!.openers = []
        for token in entry.openers { perform(.readable(token, disk, size: entry.size)) }
    }

    /// An object's bytes on disk are right, or it is lost here.
    package mutating func checked(_ id: ObjectID, _ error: MantaError?, at now: Instant, perform: (Action) -> Void) {
        guard let entry = entries[id], case .spilled(let disk) = entry.place else { return }
        if let error {
            lost(id, entry, disk, error, perform)
            return serve(at: now, perform)
        }
        entries[id]!.checkedAt = now
        readFromDisk(id, at: now, perform)
    }
}

extension StoreBook.Entry {
    /// Whether its bytes on disk were looked at not long ago.
    fileprivate func isChecked(at now: Instant) -> Bool { checkedAt.map { $0 + Limits.diskCheck > now } ?? false }
}
