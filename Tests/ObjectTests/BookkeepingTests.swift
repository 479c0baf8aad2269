// What an object costs besides its value.

import Manta
import MantaTestCluster
import MantaTestKit
import Testing

extension ObjectTests {
    @Suite(.serialized) struct BookkeepingTests {
        /// Of a handle, its entry among the objects of its process, and a value of a few bytes.
        @Test func aMillionSmallObjectsCostLittleEach() async throws {
            try await TestCluster.run(nodes: [1], stores: [64 << 20]) { _, _ in
                _ = try await Manta.get((0..<1000).map { Manta.put($0) })
                let before = residentBytes()
                var objects: [ObjectReference<Int>] = []
                let count = 1_000_000
                objects.reserveCapacity(count)
                for number in 0..<count { objects.append(Manta.put(number)) }
                // When this has been sent, all of them are noted.
                #expect(try await addUp.remote([1, 2]).value == 3)
                let bytes = (residentBytes() - before) / count
                #expect(bytes < 300, "\(bytes) bytes an object")
                #expect(try await objects[count - 1].value == count - 1)
            }
        }
    }
}
