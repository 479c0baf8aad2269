// ExtentAllocator: which parts of a range of memory are free. Only numbers: it never touches the memory.
//
// What always holds: free extents are in order, do not touch one another, and lie on the grain. The lowest fitting place is taken first, so that
// memory that was used before is used again while the rest of the range stays untouched and costs nothing.

/// A part of a range of memory.
package struct Extent: Hashable, Sendable {
    package var offset: Int
    package var count: Int
    package var end: Int { offset + count }
    package init(offset: Int, count: Int) { (self.offset, self.count) = (offset, count) }
}

package struct ExtentAllocator: Sendable {
    /// Every extent begins on, and takes, a multiple of this: a page, so that two objects never share one.
    package static let grain = 4096
    package let capacity: Int
    package private(set) var freeBytes: Int
    private var free: [Extent]

    /// The range from zero to `capacity`, which is cut to the grain; all of it is free.
    package init(capacity: Int) {
        self.capacity = capacity & ~(Self.grain - 1)
        freeBytes = self.capacity
        free = self.capacity > 0 ? [Extent(offset: 0, count: self.capacity)] : []
    }

    /// What an extent for so many bytes takes.
    package static func rounded(_ count: Int) -> Int { (max(count, 1) + grain - 1) & ~(grain - 1) }

    package var largestFree: Int { free.reduce(0) { max($0, $1.count) } }

    /// The lowest place for `count` bytes, rounded up; nil when none is large enough.
    package mutating func allocate(_ count: Int) -> Extent? {
        let wanted = Self.rounded(count)
        guard let index = free.firstIndex(where: { $0.count >= wanted }) else { return nil }
        let extent = Extent(offset: free[index].offset, count: wanted)
        if free[index].count == wanted {
            free.remove(at: index)
        } else {
            free[index].offset += wanted
            free[index].count -= wanted
        }
        freeBytes -= wanted
        return extent
    }

    /// Gives back an extent, or a part of one, that was allocated.
    package mutating func release(_ extent: Extent) {
        guard extent.count > 0 else { return }
        precondition(extent.offset % Self.grain == 0 && extent.count % Self.grain == 0 && extent.offset >= 0 && extent.end <= capacity, "an extent of this range")
        let index = position(of: extent.offset)
        let touchesNext = index < free.count && free[index].offset == extent.end
        let touchesPrevious = index > 0 && free[index - 1].end == extent.offset
        precondition(index == free.count || free[index].offset >= extent.end, "an extent is released once")
        precondition(index == 0 || free[index - 1].end <= extent.offset, "an extent is released once")
        switch (touchesPrevious, touchesNext) {
        case (true, true):
            free[index - 1].count += extent.count + free[index].count
            free.remove(at: index)
        case (true, false): free[index - 1].count += extent.count
        case (false, true): free[index] = Extent(offset: extent.offset, count: extent.count + free[index].count)
        case (false, false): free.insert(extent, at: index)
        }
        freeBytes += extent.count
    }

    /// The first free extent at or behind the offset.
    private func position(of offset: Int) -> Int {
        var (low, high) = (0, free.count)
        while low < high {
            let middle = (low + high) / 2
            if free[middle].offset < offset { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
