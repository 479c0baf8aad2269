// LargestTests: the largest of many against sorting all; and what a store's reports come to in a second.

import MantaCore
import MantaModel
import Testing

struct LargestTests {
    @Test(arguments: [0, 1, 7, 500, 2_000]) func theLargestAreThoseThatSortingFinds(limit: Int) {
        var generator = SeededGenerator(UInt64(limit) + 1)
        let numbers = (0..<1_000).map { (Int.random(in: 0..<50, using: &generator), $0) }
        var largest = Largest<(Int, Int)>(limit, by: <)
        for number in numbers { largest.add(number) }
        #expect(largest.sorted.map(\.1) == numbers.sorted(by: >).prefix(limit).map(\.1))
    }

    @Test func aStoresRatesAreTheDifferenceOfItsReports() {
        func usage(_ spills: Int) -> StoreUsage {
            StoreUsage(
                capacity: 100, used: 0, objects: 0, objectBytes: 0, spilledObjects: 0, spilledBytes: 0, spills: spills, spillBytes: spills * 1000, restores: 0,
                restoreBytes: 0, evictions: 0, fetches: 0, fetchBytes: 0)
        }
        let start = Instant.zero
        var report = StoreReport(usage(10), at: start)
        #expect(report.rates == nil)
        report.reported(usage(14), at: start + .seconds(2))
        #expect(report.rates?.spills == 2 && report.rates?.spillBytes == 2000)
        // A second report in the same moment says nothing of a second.
        report.reported(usage(15), at: start + .seconds(2))
        #expect(report.rates?.spills == 2 && report.usage.spills == 15)
        // A node that began anew counts from zero.
        report.reported(usage(0), at: start + .seconds(3))
        #expect(report.rates?.spills == 0)
    }
}
