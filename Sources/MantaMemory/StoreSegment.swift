// StoreSegment: the memory that a node's object store shares with the processes of its machine: a table of slots, one for each object in it, and the
// arena with the objects' bytes.
//
// The node makes it; clients open it. A slot is found by its number and generation:
//
// | offset in slot | holds | written by |
// | --- | --- | --- |
// | 0 | generation << 2, plus 0 free, 1 resident, 2 leaving | who fills the slot (a client with a lease of it), then the node |
// | 8 | where the bytes begin in the arena | who fills it |
// | 16 | how many there are | who fills it |
// | 24 | when it was last opened, in the clock of the machine, nanoseconds | readers |
//
// What always holds: the bytes of a slot that is resident do not change. A reader pins the slot in its own `PinTable`, then looks whether it is still
// resident in its generation; the node marks it as leaving, then looks for pins. Both looks come after the other side could see the first step, so a
// reader that goes on has kept the node from reusing the bytes, and no process needs to ask another one to read.

import Glibc
package import MantaModel
import Synchronization

/// How a store's memory is divided.
package struct StoreLayout: Hashable, Sendable {
    package static let slotBytes = 32
    package let arenaBytes: Int
    package let slotCount: Int

    /// One slot for so many bytes of the arena: values that are not larger travel in messages.
    private static let bytesPerSlot = 64 << 10
    private static let slotsAtLeast = 1024

    package init(arenaBytes: Int) {
        self.arenaBytes = arenaBytes & ~(ExtentAllocator.grain - 1)
        slotCount = max(Self.slotsAtLeast, self.arenaBytes / Self.bytesPerSlot)
    }

    var tableBytes: Int { ExtentAllocator.rounded(slotCount * Self.slotBytes) }
    package var byteCount: Int { tableBytes + arenaBytes }
    package var pinBytes: Int { ExtentAllocator.rounded(slotCount * 4) }
}

/// A slot in one of its uses.
package struct SlotUse: Hashable, Sendable {
    package var slot: UInt32
    package var generation: UInt64
    package init(slot: UInt32, generation: UInt64) { (self.slot, self.generation) = (slot, generation) }
}

/// A store's memory as one process sees it. Views of objects keep it mapped.
package final class StoreSegment: Sendable {
    package let layout: StoreLayout
    private let segment: SharedSegment
    /// A second mapping of the same memory through which nothing can be written: a write through a view traps.
    private let views: SharedSegment
    private enum Phase: UInt64 { case free = 0, resident = 1, leaving = 2 }

    /// Makes a node's store.
    package init(making layout: StoreLayout) throws(MantaError) {
        segment = try SharedSegment(named: "manta-store", byteCount: layout.byteCount)
        views = try SharedSegment(viewing: segment)
        self.layout = layout
    }

    /// Opens the store of a node of this machine.
    package init(opening descriptor: Int32, of node: Int32, _ layout: StoreLayout) throws(MantaError) {
        segment = try SharedSegment(descriptor: descriptor, of: node, byteCount: layout.byteCount)
        views = try SharedSegment(descriptor: descriptor, of: node, byteCount: layout.byteCount, isReadOnly: true)
        self.layout = layout
    }

    /// What others open it by; -1 where it was opened.
    package var descriptor: Int32 { segment.descriptor }

    private func word(_ slot: UInt32, _ index: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
        precondition(slot < layout.slotCount, "a store has \(layout.slotCount) slots")
        return (segment.base + Int(slot) * StoreLayout.slotBytes + index * 8).assumingMemoryBound(to: Atomic<UInt64>.self)
    }

    // MARK: Bytes

    /// Where bytes are written before their slot is resident.
    package func writable(_ extent: Extent) -> UnsafeMutableRawBufferPointer {
        precondition(extent.offset >= 0 && extent.count >= 0 && extent.end <= layout.arenaBytes, "an extent of this store")
        return UnsafeMutableRawBufferPointer(start: segment.base + layout.tableBytes + extent.offset, count: extent.count)
    }

    package func readable(_ extent: Extent) -> UnsafeRawBufferPointer {
        precondition(extent.offset >= 0 && extent.count >= 0 && extent.end <= layout.arenaBytes, "an extent of this store")
        return UnsafeRawBufferPointer(start: views.base + layout.tableBytes + extent.offset, count: extent.count)
    }

    /// Makes the pages of an extent present in this process, many in one step. What it cannot do is done page by page at the first write.
    package func populate(_ extent: Extent) {
        let bytes = writable(Extent(offset: extent.offset & ~(ExtentAllocator.grain - 1), count: ExtentAllocator.rounded(extent.count)))
        _ = madvise(bytes.baseAddress, bytes.count, 23)  // MADV_POPULATE_WRITE, which the headers may not know yet
    }

    // MARK: Slots

    /// Fills a free slot: from here on the bytes can be read, and do not change.
    package func publish(_ use: SlotUse, _ extent: Extent) {
        word(use.slot, 1).pointee.store(UInt64(truncatingIfNeeded: extent.offset), ordering: .relaxed)
        word(use.slot, 2).pointee.store(UInt64(truncatingIfNeeded: extent.count), ordering: .relaxed)
        word(use.slot, 3).pointee.store(Self.now, ordering: .relaxed)
        word(use.slot, 0).pointee.store(use.generation << 2 | Phase.resident.rawValue, ordering: .sequentiallyConsistent)
    }

    /// The object's bytes, when the slot still holds it. The caller has pinned the slot.
    package func resident(_ use: SlotUse) -> Extent? {
        guard word(use.slot, 0).pointee.load(ordering: .sequentiallyConsistent) == use.generation << 2 | Phase.resident.rawValue else { return nil }
        let extent = Extent(
            offset: Int(truncatingIfNeeded: word(use.slot, 1).pointee.load(ordering: .relaxed)),
            count: Int(truncatingIfNeeded: word(use.slot, 2).pointee.load(ordering: .relaxed)))
        guard extent.offset >= 0, extent.count >= 0, extent.count <= layout.arenaBytes, extent.offset <= layout.arenaBytes - extent.count else { return nil }
        word(use.slot, 3).pointee.store(Self.now, ordering: .relaxed)
        return extent
    }

    /// The node wants the slot back: new readers are refused from here on. Then it looks for pins.
    package func markLeaving(_ use: SlotUse) {
        word(use.slot, 0).pointee.store(use.generation << 2 | Phase.leaving.rawValue, ordering: .sequentiallyConsistent)
    }

    /// Somebody reads it: it stays.
    package func markResident(_ use: SlotUse) {
        word(use.slot, 0).pointee.store(use.generation << 2 | Phase.resident.rawValue, ordering: .sequentiallyConsistent)
    }

    /// The slot holds nothing. Its next use has another generation.
    package func markFree(_ use: SlotUse) {
        word(use.slot, 0).pointee.store(use.generation << 2 | Phase.free.rawValue, ordering: .sequentiallyConsistent)
    }

    /// When the slot was opened last, by the clock of `now`.
    package func lastUse(_ slot: UInt32) -> UInt64 { word(slot, 3).pointee.load(ordering: .relaxed) }

    /// Nanoseconds of the machine's clock that runs on while it sleeps.
    package static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC_COARSE, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// Which slots one client reads: a count for each. The client writes it; the node, which opens it, looks before it reuses memory. It ends with its client,
/// so a killed one holds nothing.
package final class PinTable: Sendable {
    private let segment: SharedSegment
    private let slotCount: Int

    package init(making layout: StoreLayout) throws(MantaError) {
        segment = try SharedSegment(named: "manta-pins", byteCount: layout.pinBytes)
        slotCount = layout.slotCount
    }

    package init(opening descriptor: Int32, of client: Int32, _ layout: StoreLayout) throws(MantaError) {
        segment = try SharedSegment(descriptor: descriptor, of: client, byteCount: layout.pinBytes)
        slotCount = layout.slotCount
    }

    package var descriptor: Int32 { segment.descriptor }

    private func count(_ slot: UInt32) -> UnsafeMutablePointer<Atomic<UInt32>> {
        precondition(slot < slotCount, "a store has \(slotCount) slots")
        return (segment.base + Int(slot) * 4).assumingMemoryBound(to: Atomic<UInt32>.self)
    }

    package func pin(_ slot: UInt32) { count(slot).pointee.add(1, ordering: .sequentiallyConsistent) }
    package func unpin(_ slot: UInt32) { count(slot).pointee.subtract(1, ordering: .sequentiallyConsistent) }
    package func isPinned(_ slot: UInt32) -> Bool { count(slot).pointee.load(ordering: .sequentiallyConsistent) != 0 }
}
