// StoreBench: a node's object store under test, with its clock, its disk, and what the processes of its machine read.

import MantaCore
import MantaMemory
import MantaModel
import Testing

/// A store's shared memory as the book sees it.
final class SlotReaders: StoreReaders {
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

struct StoreBench {
    let readers = SlotReaders()
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

    mutating func lease(_ bytes: Int, by client: ProcessID = StoreBench.client) -> [StoreBook.Action] {
        tokens += 1
        let token = tokens
        return on { $0.lease(bytes, to: client, token: token, at: $1, perform: $2) }
    }

    /// Puts an object of exactly a lease of its own.
    @discardableResult
    mutating func put(_ number: Int, _ bytes: Int, owner: ProcessID = StoreBench.owner) -> SlotUse? {
        guard case .granted(_, _, let extent, let uses)? = lease(bytes).first(where: { if case .granted = $0 { true } else { false } }) else { return nil }
        return fill(number, bytes, extent, uses, owner: owner)
    }

    mutating func fill(_ number: Int, _ bytes: Int, _ extent: Extent, _ uses: [SlotUse], owner: ProcessID = StoreBench.owner) -> SlotUse {
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
    var spillBatch: (file: UInt64, parts: [StoreBook.SpilledPart])? { if case .spill(let file, let parts) = self { (file, parts) } else { nil } }
    var refusal: MantaError? { if case .refused(_, let error) = self { error } else { nil } }
    var diskComplaint: MantaError? { if case .diskIsFull(let error) = self { error } else { nil } }
    var isGrant: Bool { if case .granted = self { true } else { false } }
    var isOpened: Bool { if case .opened = self { true } else { false } }
    var check: ObjectID? { if case .check(let id, _, _) = self { id } else { nil } }
    var readable: UInt64? { if case .readable(let token, _, _) = self { token } else { nil } }
    var isRestore: Bool { if case .restore = self { true } else { false } }
}
