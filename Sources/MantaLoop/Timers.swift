// Timers: a loop's timers, and the heap of deadlines under them, which request time-outs use as well.
//
// A cancelled entry stays in the heap until it comes up or until most of the heap is such entries, so cancelling costs a dictionary removal only, and
// the heap stays within twice the live entries.

package import MantaModel

/// Names a timer of one loop.
package struct TimerID: Hashable, Sendable {
    let number: UInt64
}

struct TimerTable {
    private struct Timer {
        var due: Instant
        var period: Duration?
        var body: () -> Void
    }
    private var timers: [UInt64: Timer] = [:]
    private var heap = DeadlineHeap()
    private var last: UInt64 = 0

    mutating func insert(at due: Instant, repeating period: Duration?, _ body: @escaping () -> Void) -> TimerID {
        last += 1
        timers[last] = Timer(due: due, period: period, body: body)
        heap.insert(last, at: due)
        return TimerID(number: last)
    }

    mutating func remove(_ id: TimerID) {
        guard timers.removeValue(forKey: id.number) != nil else { return }
        let timers = timers
        heap.trim(live: timers.count) { timers[$0] != nil }
    }

    /// When the next timer is due.
    var next: Instant? { heap.first?.due }

    /// Takes the timer that is due, the earliest first, and puts a repeating one back. Nil: none is due.
    mutating func popDue(at now: Instant) -> (() -> Void)? {
        while let (number, due) = heap.first, due <= now {
            heap.removeFirst()
            guard let timer = timers[number] else { continue }
            if let period = timer.period {
                // Missed periods are skipped, not made up for in a burst.
                var next = timer.due + period
                if next <= now { next = now + period }
                timers[number]?.due = next
                heap.insert(number, at: next)
            } else {
                timers[number] = nil
            }
            return timer.body
        }
        return nil
    }
}

/// Numbers in the order of their deadlines; equal deadlines in the order of the numbers.
package struct DeadlineHeap {
    private var entries: [(due: Instant, number: UInt64)] = []

    package init() {}

    package var first: (number: UInt64, due: Instant)? { entries.first.map { ($0.number, $0.due) } }
    package var count: Int { entries.count }

    package mutating func insert(_ number: UInt64, at due: Instant) {
        entries.append((due, number))
        rise(entries.count - 1)
    }

    package mutating func removeFirst() {
        let last = entries.removeLast()
        guard !entries.isEmpty else { return }
        entries[0] = last
        sink(0)
    }

    /// Drops dead entries when they are the majority.
    package mutating func trim(live: Int, isLive: (UInt64) -> Bool) {
        guard entries.count > 64, entries.count > 2 * live else { return }
        entries.removeAll { !isLive($0.number) }
        for index in stride(from: entries.count / 2 - 1, through: 0, by: -1) { sink(index) }
    }

    private mutating func rise(_ start: Int) {
        var index = start
        while index > 0 {
            let parent = (index - 1) / 2
            guard entries[index] < entries[parent] else { return }
            entries.swapAt(index, parent)
            index = parent
        }
    }

    private mutating func sink(_ start: Int) {
        var index = start
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2] where child < entries.count && entries[child] < entries[least] { least = child }
            guard least != index else { return }
            entries.swapAt(index, least)
            index = least
        }
    }
}
