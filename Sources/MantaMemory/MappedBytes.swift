// MappedBytes: the bytes of one object in a store, read in place for as long as somebody holds this.

/// An object's bytes in shared memory. They do not change and stay where they are while this lives.
package final class MappedBytes: Sendable {
    /// `nonisolated(unsafe)`: nobody writes to these bytes while the slot is pinned.
    package nonisolated(unsafe) let buffer: UnsafeRawBufferPointer
    private let store: StoreSegment
    private let pins: PinTable
    private let slot: UInt32

    /// Pins the object, when its slot still holds it.
    package init?(_ use: SlotUse, in store: StoreSegment, pins: PinTable) {
        pins.pin(use.slot)
        guard let extent = store.resident(use) else {
            pins.unpin(use.slot)
            return nil
        }
        (buffer, self.store, self.pins, slot) = (store.readable(extent), store, pins, use.slot)
    }

    deinit { pins.unpin(slot) }
}
