// Timeline: what is to happen, in order of virtual time; what was planned first goes first among equals. A binary heap.

import MantaModel

struct Timeline<Event> {
    private struct Entry {
        let at: Int64
        let sequence: UInt64
        let event: Event
        func isBefore(_ other: Entry) -> Bool { (at, sequence) < (other.at, other.sequence) }
    }
    private var heap: [Entry] = []
    private var sequence: UInt64 = 0

    var isEmpty: Bool { heap.isEmpty }

    mutating func add(_ event: Event, at instant: Instant) {
        sequence += 1
        heap.append(Entry(at: instant.nanoseconds, sequence: sequence, event: event))
        var child = heap.count - 1
        while child > 0, heap[child].isBefore(heap[(child - 1) / 2]) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func next() -> (at: Instant, event: Event)? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        if !heap.isEmpty {
            heap[0] = last
            sink()
        }
        return (Instant(nanoseconds: first.at), first.event)
    }

    private mutating func sink() {
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child].isBefore(heap[least]) { least = child }
            if least == parent { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
