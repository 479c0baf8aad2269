// Descriptors: which handler belongs to which watched descriptor. A slot's generation keeps an event that was collected for a removed descriptor from
// reaching the next user of the slot.

import CSystem

/// What to watch a descriptor for.
package struct Interest: OptionSet, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }
    package static let read = Interest(rawValue: EPOLLIN.rawValue)
    package static let write = Interest(rawValue: EPOLLOUT.rawValue)
    /// Once for each change, so that nothing need be read to quiet the descriptor.
    package static let edge = Interest(rawValue: EPOLLET.rawValue)
}

/// What happened to a descriptor.
package struct Events: OptionSet, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }
    package static let readable = Events(rawValue: EPOLLIN.rawValue)
    package static let writable = Events(rawValue: EPOLLOUT.rawValue)
    /// The other side is gone, or the descriptor is broken; reading tells.
    package static let closed = Events(rawValue: EPOLLHUP.rawValue | EPOLLERR.rawValue)
}

/// Names a watched descriptor of one loop.
package struct DescriptorID: Hashable, Sendable {
    let slot: UInt32
    let generation: UInt32
    var mark: UInt64 { UInt64(generation) << 32 | UInt64(slot) }
}

struct DescriptorTable {
    /// The loop's own eventfd: no slot has this number.
    static let wakeUpMark = UInt64.max

    private struct Slot {
        var descriptor: Int32
        var generation: UInt32
        var handler: ((Events) -> Void)?
    }
    private var slots: [Slot] = []
    private var free: [UInt32] = []

    mutating func insert(_ descriptor: Int32, _ handler: @escaping (Events) -> Void) -> DescriptorID {
        if let slot = free.popLast() {
            slots[Int(slot)].descriptor = descriptor
            slots[Int(slot)].handler = handler
            return DescriptorID(slot: slot, generation: slots[Int(slot)].generation)
        }
        slots.append(Slot(descriptor: descriptor, generation: 0, handler: handler))
        return DescriptorID(slot: UInt32(slots.count - 1), generation: 0)
    }

    @discardableResult
    mutating func remove(_ id: DescriptorID) -> Int32? {
        guard let descriptor = descriptor(of: id) else { return nil }
        slots[Int(id.slot)].handler = nil
        slots[Int(id.slot)].generation &+= 1
        free.append(id.slot)
        return descriptor
    }

    func descriptor(of id: DescriptorID) -> Int32? {
        guard slots.indices.contains(Int(id.slot)), slots[Int(id.slot)].generation == id.generation, slots[Int(id.slot)].handler != nil else { return nil }
        return slots[Int(id.slot)].descriptor
    }

    func handler(of mark: UInt64) -> ((Events) -> Void)? {
        let slot = Int(mark & 0xffff_ffff)
        guard slot < slots.count, slots[slot].generation == UInt32(mark >> 32) else { return nil }
        return slots[slot].handler
    }
}
