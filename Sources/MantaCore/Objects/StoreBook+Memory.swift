// The memory of a StoreBook: leases of clients, who waits for memory, and what makes room.

internal import DequeModule
package import MantaMemory
package import MantaModel

extension StoreBook {
    /// So much is given to a client at once, unless it asks for more: many objects are then written without asking.
    package var slabBytes: Int { ExtentAllocator.rounded(min(max(layout.arenaBytes / 64, 1 << 20), 16 << 20)) }

    // MARK: Clients

    package mutating func clientJoined(_ client: ProcessID) { clients[client] = clients[client] ?? Client() }

    /// A client is gone: what it had not published is free, what it waits for is forgotten.
    package mutating func clientLeft(_ client: ProcessID, at now: Instant, perform: (Action) -> Void) {
        guard let left = clients.removeValue(forKey: client) else { return }
        for extent in left.extents { allocator.release(extent) }
        for use in left.slots {
            // It may have published the slot and died before it said so.
            readers.clear(use)
            freeSlots.append(SlotUse(slot: use.slot, generation: use.generation + 1))
        }
        wants.removeAll { if case .lease(client) = $0.purpose { true } else { false } }
        serve(at: now, perform)
    }

    /// A client needs memory for an object of so many bytes.
    package mutating func lease(_ bytes: Int, to client: ProcessID, token: UInt64, at now: Instant, perform: (Action) -> Void) {
        guard clients[client] != nil else { return perform(.refused(token, MantaError(.notConnected, "process \(client.short) has not opened this node's store"))) }
        want(Want(token: token, bytes: bytes, purpose: .lease(client), since: now), at: now, perform)
    }

    /// A client gives back what it did not fill: memory with slots, or slots alone.
    package mutating func returned(_ extent: Extent, _ uses: [SlotUse], by client: ProcessID, at now: Instant, perform: (Action) -> Void) {
        guard clients[client] != nil else { return }
        if extent.count > 0 {
            guard take(extent, of: client) else { return }
            allocator.release(extent)
        }
        for use in uses where clients[client]!.slots.remove(use) != nil { freeSlots.append(use) }
        serve(at: now, perform)
    }

    /// Takes a part out of what a client has leased: the word of an object beside it may still be on its way. False when that is not its memory.
    mutating func take(_ extent: Extent, of client: ProcessID) -> Bool {
        guard let index = clients[client]?.extents.firstIndex(where: { $0.offset <= extent.offset && extent.end <= $0.end }) else { return false }
        let leased = clients[client]!.extents.remove(at: index)
        if leased.offset < extent.offset { clients[client]!.extents.append(Extent(offset: leased.offset, count: extent.offset - leased.offset)) }
        if extent.end < leased.end { clients[client]!.extents.append(Extent(offset: extent.end, count: leased.end - extent.end)) }
        return true
    }

    // MARK: Copies from elsewhere

    /// Memory is needed for a copy of another node's object; `fetch` follows, or `refused`. Everyone who asks meanwhile gets the same copy.
    /// - Parameter readsAnywhere: Who asks can read it where it is, and is refused as soon as nobody is letting go of memory.
    package mutating func fetch(
        _ id: ObjectID, owner: ProcessID, size: Int, readsAnywhere: Bool = false, token: UInt64, at now: Instant, perform: (Action) -> Void
    ) {
        if entries[id] != nil { return open(id, token: token, at: now, perform: perform) }
        guard !isOver(id, owner: owner) else { return perform(.refused(token, MantaError(.objectLost, "object \(id) was freed by its owner, or went with it"))) }
        want(Want(token: token, bytes: size, purpose: .fetch(id, owner: owner), since: now, readsAnywhere: readsAnywhere), at: now, perform)
    }

    /// The copy is complete, or will not come.
    package mutating func arrived(_ id: ObjectID, _ error: MantaError?, publish: (SlotUse, Extent) -> Void, at now: Instant, perform: (Action) -> Void) {
        if let gone = busy.removeValue(forKey: id) { return letGo(gone, at: now, perform) }
        guard let entry = entries[id], case .arriving(let extent, let use) = entry.place else { return }
        guard let error else {
            counters.fetched += 1
            counters.fetchedBytes += entry.size
            return becomeResident(id, extent, use, publish, perform)
        }
        entries[id] = nil
        for token in entry.openers { perform(.refused(token, error)) }
        letGo((extent, use), at: now, perform)
    }

    mutating func letGo(_ gone: (extent: Extent, use: SlotUse), at now: Instant, _ perform: (Action) -> Void) {
        release(gone.extent, gone.use)
        serve(at: now, perform)
    }

    mutating func becomeResident(_ id: ObjectID, _ extent: Extent, _ use: SlotUse, _ publish: (SlotUse, Extent) -> Void, _ perform: (Action) -> Void) {
        guard let entry = entries[id] else { return }
        publish(use, Extent(offset: extent.offset, count: entry.size))
        entries[id]!.place = .resident(extent, use)
        entries[id]!.openers = []
        for token in entry.openers { perform(.opened(token, use, size: entry.size)) }
    }

    // MARK: Wants

    mutating func want(_ want: Want, at now: Instant, _ perform: (Action) -> Void) {
        guard ExtentAllocator.rounded(want.bytes) <= layout.arenaBytes else {
            let message = "an object of \(want.bytes) bytes does not fit this node's store of \(layout.arenaBytes); start the node with a larger one (--store-memory)"
            return fail(want, MantaError(.objectStoreFull, message), perform)
        }
        guard wants.count < Limits.storeWants else {
            return fail(want, MantaError(.overloaded, "\(wants.count) requests wait for memory of this node's store, its limit; ask again later"), perform)
        }
        wants.append(want)
        serve(at: now, perform)
    }

    /// Serves who waits, in order; makes room for the first who cannot be served.
    mutating func serve(at now: Instant, _ perform: (Action) -> Void) {
        // Taken out first: granting one may bring another one here.
        while let want = wants.popFirst() {
            if grant(want, at: now, perform) {
                if want.since < now { progressAt = now }
                continue
            }
            wants.prepend(want)
            break
        }
        if let want = wants.first { makeRoom(for: want, at: now, perform) }
    }

    private mutating func grant(_ want: Want, at now: Instant, _ perform: (Action) -> Void) -> Bool {
        guard !freeSlots.isEmpty else { return false }
        switch want.purpose {
        case .lease(let client):
            // More than asked for while there is plenty, so that the next objects need no request.
            let isPlenty = allocator.freeBytes > layout.arenaBytes / 4
            guard let extent = isPlenty ? allocator.allocate(max(want.bytes, slabBytes)) ?? allocator.allocate(want.bytes) : allocator.allocate(want.bytes) else {
                return false
            }
            // One for the object, and for as many as the rest can hold.
            let slots = min(freeSlots.count, 1 + (extent.count - want.bytes) / Limits.inlineValueBytes)
            let uses = Array(freeSlots.suffix(slots))
            freeSlots.removeLast(slots)
            clients[client]!.extents.append(extent)
            clients[client]!.slots.formUnion(uses)
            perform(.granted(want.token, client, extent, uses))
        case .restore(let id):
            guard let entry = entries[id], case .spilled(let disk) = entry.place else { return true }
            guard let extent = allocator.allocate(want.bytes) else { return false }
            entries[id]!.place = .restoring(extent, freeSlots.removeLast(), disk)
            perform(.restore(id, disk, Extent(offset: extent.offset, count: want.bytes)))
        case .fetch(let id, let owner):
            if isOver(id, owner: owner) || entries[id] != nil {
                // It ended, or came here in another way, while this waited.
                open(id, token: want.token, at: now, perform: perform)
                return true
            }
            guard let extent = allocator.allocate(want.bytes) else { return false }
            entries[id] = Entry(
                owner: owner, size: want.bytes, isPrimary: false, place: .arriving(extent, freeSlots.removeLast()), openers: [want.token])
            perform(.fetch(id, Extent(offset: extent.offset, count: want.bytes)))
        }
        return true
    }

    mutating func fail(_ want: Want, _ error: MantaError, _ perform: (Action) -> Void) {
        switch want.purpose {
        case .lease, .fetch: perform(.refused(want.token, error))
        case .restore(let id):
            let openers = entries[id]?.openers ?? []
            entries[id]?.openers = []
            for token in openers { perform(.refused(token, error)) }
        }
    }

    /// What holds the memory, for whoever cannot get any.
    func full(_ bytes: Int) -> MantaError {
        let leased = clients.values.reduce(0) { $0 + $1.extents.reduce(0) { $0 + $1.count } }
        let lingering = lingering.reduce(0) { $0 + $1.extent.count }
        let largest = entries.filter { if case .resident = $0.value.place { true } else { false } }.sorted { ($0.value.size, $1.key) > ($1.value.size, $0.key) }
            .prefix(3).map { "object \($0.key) of process \($0.value.owner.short) (\($0.value.size) bytes)" }
        let holders = largest.isEmpty ? "" : "; the largest: \(largest.joined(separator: ", "))"
        let rest = diskError == nil ? "read or on its way to disk" : "read, or kept because the disk takes no more"
        let message = """
            no \(bytes) bytes came free in this node's store within \(Limits.storePatience): of \(layout.arenaBytes) bytes \(allocator.freeBytes) are free in pieces \
            of at most \(allocator.largestFree), \(leased) leased to processes that write, \(lingering) of ended objects still read, the rest \(rest)\(holders); \
            release references and views, or start the node with a larger store (--store-memory)
            """
        return MantaError(diskError?.0.code == .outOfDisk ? .outOfDisk : .objectStoreFull, message, cause: diskError?.0)
    }

    // MARK: What operators see

    package var usage: StoreUsage {
        StoreUsage(
            capacity: layout.arenaBytes, used: layout.arenaBytes - allocator.freeBytes, objects: entries.inMemory.objects, objectBytes: entries.inMemory.bytes,
            spilledObjects: entries.onDisk.objects, spilledBytes: entries.onDisk.bytes, spills: counters.spilled, spillBytes: counters.spilledBytes,
            restores: counters.restored, restoreBytes: counters.restoredBytes, evictions: counters.evicted, fetches: counters.fetched,
            fetchBytes: counters.fetchedBytes)
    }
}
