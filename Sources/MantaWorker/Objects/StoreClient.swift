// StoreClient: this process's use of its node's object store: where it may write, and the views that it reads through.
//
// Any thread writes and opens objects here without asking anybody; only when its slab is full, or an object is not in memory, is the node asked, by the
// loop. What always holds: a reservation is one writer's; memory that is not filled goes back to the node, at the latest when it has rested for a while.

import MantaMemory
import MantaModel
import MantaWire
import Synchronization

/// Memory for one object.
struct Reservation: Sendable {
    var extent: Extent
    var use: SlotUse
}

final class StoreClient: Sendable {
    /// The store as this process has it mapped.
    struct Opened: Sendable {
        let segment: StoreSegment
        let pins: PinTable
        let node: NodeAddress
        let pages = PresentPages()
    }

    private struct State {
        var opened: Opened?
        /// What is left of the last lease.
        var slab: Slab?
    }

    private struct Slab {
        var extent: Extent
        var slots: [SlotUse]
        var usedAt: UInt64

        mutating func carve(_ bytes: Int) -> Reservation? {
            let wanted = ExtentAllocator.rounded(bytes)
            guard wanted <= extent.count, let use = slots.popLast() else { return nil }
            defer { (extent.offset, extent.count) = (extent.offset + wanted, extent.count - wanted) }
            return Reservation(extent: Extent(offset: extent.offset, count: bytes), use: use)
        }

        var lease: MemoryLeased {
            MemoryLeased(offset: extent.offset, count: extent.count, slots: slots.map(\.slot), generations: slots.map(\.generation))
        }
    }

    private let state = Mutex(State())

    var opened: Opened? { state.withLock { $0.opened } }

    func open(_ opened: Opened) { state.withLock { $0.opened = opened } }

    /// The node is gone, and the store with it; views that are held stay readable.
    func close() { state.withLock { $0 = State() } }

    /// Memory of the slab; nil when the node must be asked.
    func reserve(_ bytes: Int) -> Reservation? {
        state.withLock { state in
            state.slab?.usedAt = StoreSegment.now
            return state.slab?.carve(bytes)
        }
    }

    /// A lease came, which one writer asked for: its reservation, and what goes back to the node.
    func took(_ lease: MemoryLeased, for bytes: Int) -> (Reservation?, back: MemoryLeased?) {
        let uses = zip(lease.slots, lease.generations).map { SlotUse(slot: $0, generation: $1) }
        var slab = Slab(extent: Extent(offset: lease.offset, count: lease.count), slots: uses, usedAt: StoreSegment.now)
        let reservation = slab.carve(bytes)
        return state.withLock { state in
            // The larger rest is kept.
            if let old = state.slab, old.extent.count >= slab.extent.count, !old.slots.isEmpty { return (reservation, slab.lease) }
            defer { state.slab = slab }
            return (reservation, state.slab?.lease)
        }
    }

    /// What has not been used for a second.
    func takeResting() -> MemoryLeased? {
        state.withLock { state in
            guard let slab = state.slab, slab.usedAt + 1_000_000_000 < StoreSegment.now else { return nil }
            state.slab = nil
            return slab.lease
        }
    }

    /// Writes a value into its memory; from here on it can be read by everyone on this machine.
    func publish(_ value: EncodedParts, in reservation: Reservation, of store: Opened) -> StoredPlace {
        for part in store.pages.missing(in: reservation.extent) { store.segment.populate(part) }
        value.copy(into: store.segment.writable(reservation.extent))
        store.segment.publish(reservation.use, reservation.extent)
        return StoredPlace(node: store.node, slot: reservation.use.slot, generation: reservation.use.generation, size: value.count)
    }

    /// The object's bytes in place, if they are in this machine's memory.
    func view(_ place: StoredPlace) -> MappedBytes? {
        guard let opened, opened.node.node == place.node.node, Int(place.slot) < opened.segment.layout.slotCount else { return nil }
        return MappedBytes(SlotUse(slot: place.slot, generation: place.generation), in: opened.segment, pins: opened.pins)
    }
}

/// Which parts of a store this process has written before: their pages are present and need not be asked for again.
final class PresentPages: Sendable {
    /// Pages are asked for in steps of so much, and not at all for less.
    private static let step = 1 << 20
    private let present = Mutex<Set<Int>>([])

    /// The whole steps of an extent that were not written before; they count as written from now on.
    func missing(in extent: Extent) -> [Extent] {
        let steps = (extent.offset + Self.step - 1) / Self.step..<max((extent.offset + Self.step - 1) / Self.step, extent.end / Self.step)
        guard !steps.isEmpty else { return [] }
        return present.withLock { present in
            var missing: [Extent] = []
            for step in steps where present.insert(step).inserted {
                if let last = missing.last, last.end == step * Self.step {
                    missing[missing.count - 1].count += Self.step
                } else {
                    missing.append(Extent(offset: step * Self.step, count: Self.step))
                }
            }
            return missing
        }
    }
}
