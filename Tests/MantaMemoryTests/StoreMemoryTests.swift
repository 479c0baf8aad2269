// The memory under a store: extents against a simple model, slots and pins, and views that cannot be written.

import Glibc
import MantaMemory
import Testing

@Suite struct StoreMemoryTests {
    /// A map of pages, each free or not, beside the allocator.
    @Test(arguments: 1...20) func extentsAgreeWithAMapOfPages(seed: Int) {
        var state = UInt64(seed)
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let pages = 256
        var allocator = ExtentAllocator(capacity: pages * ExtentAllocator.grain + 17)
        var taken = [Bool](repeating: false, count: pages)
        var held: [Extent] = []
        for _ in 0..<2_000 {
            if random(2) == 0 {
                let count = random(40 * ExtentAllocator.grain) + 1
                let needed = ExtentAllocator.rounded(count) / ExtentAllocator.grain
                let place = (0..<(pages - needed + 1)).first { start in !taken[start..<start + needed].contains(true) }
                let extent = allocator.allocate(count)
                #expect(extent.map { $0.offset / ExtentAllocator.grain } == place)
                guard let extent else { continue }
                for page in extent.offset / ExtentAllocator.grain..<extent.end / ExtentAllocator.grain { taken[page] = true }
                held.append(extent)
            } else if !held.isEmpty {
                var extent = held.remove(at: random(held.count))
                if extent.count > ExtentAllocator.grain, random(2) == 0 {
                    // Only the first page.
                    held.append(Extent(offset: extent.offset + ExtentAllocator.grain, count: extent.count - ExtentAllocator.grain))
                    extent.count = ExtentAllocator.grain
                }
                for page in extent.offset / ExtentAllocator.grain..<extent.end / ExtentAllocator.grain { taken[page] = false }
                allocator.release(extent)
            }
            #expect(allocator.freeBytes == taken.count { !$0 } * ExtentAllocator.grain)
        }
    }

    private func makeStore() throws -> (StoreSegment, PinTable, StoreSegment, PinTable) {
        let layout = StoreLayout(arenaBytes: 4 << 20)
        let node = try StoreSegment(making: layout)
        let pins = try PinTable(making: layout)
        return (node, pins, try StoreSegment(opening: node.descriptor, of: getpid(), layout), try PinTable(opening: pins.descriptor, of: getpid(), layout))
    }

    @Test func whatOneProcessPublishesAnotherReads() throws {
        let (node, pins, client, nodePins) = try makeStore()
        let (use, extent) = (SlotUse(slot: 3, generation: 1), Extent(offset: 8192, count: 5))
        #expect(MappedBytes(use, in: client, pins: pins) == nil)
        client.writable(extent).copyBytes(from: [1, 2, 3, 4, 5])
        client.publish(use, extent)
        var view = MappedBytes(use, in: client, pins: pins)
        #expect(view.map { Array($0.buffer) } == [1, 2, 3, 4, 5])
        #expect(nodePins.isPinned(3))
        #expect(Array(node.readable(extent)) == [1, 2, 3, 4, 5])
        #expect(MappedBytes(SlotUse(slot: 3, generation: 2), in: client, pins: pins) == nil, "another use of the slot")
        node.markLeaving(use)
        #expect(MappedBytes(use, in: client, pins: pins) == nil, "the node wants it back")
        #expect(nodePins.isPinned(3), "the first view still reads it")
        view = nil
        #expect(!nodePins.isPinned(3))
    }

    @Test func aSlotThatPointsOutsideIsNotBelieved() throws {
        let (_, pins, client, _) = try makeStore()
        for extent in [Extent(offset: 4 << 20, count: 1), Extent(offset: -4096, count: 4), Extent(offset: 0, count: 5 << 20), Extent(offset: .max, count: .max)] {
            client.publish(SlotUse(slot: 1, generation: 1), extent)
            #expect(MappedBytes(SlotUse(slot: 1, generation: 1), in: client, pins: pins) == nil)
        }
    }

    /// The mapping that views are read through does not allow writing.
    @Test func viewsCannotBeWritten() throws {
        let (node, _, client, _) = try makeStore()
        for store in [node, client] {
            let address = UInt(bitPattern: store.readable(Extent(offset: 0, count: 1)).baseAddress!)
            let file = try #require(fopen("/proc/self/maps", "re"))
            defer { fclose(file) }
            var line = [CChar](repeating: 0, count: 1024)
            var found: String?
            while found == nil, fgets(&line, 1024, file) != nil {
                let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
                let range = text.split(separator: " ")[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
                if range.count == 2, address >= range[0], address < range[1] { found = String(text.split(separator: " ")[1]) }
            }
            #expect(found == "r--s")
        }
    }
}
