// How many items one stream may have.

import Manta
import MantaModel
import MantaTestCluster
import Testing

extension SchedulingTests {
    @Suite(.serialized) struct StreamLimitTests {
        @Test func CORE_053_aStreamBeyondTheLimitFailsAndEnds() async throws {
            try await TestCluster.run(nodes: [1], environment: ["MANTA_STREAM_ITEMS": "2"]) { cluster, _ in
                for count in [2, 3] {
                    var items: [Int] = []
                    var failure: (any Error)?
                    for try await item in countUp.remote(count) {
                        do { items.append(try await item.value) } catch { failure = error }
                    }
                    #expect(items == [0, 1])
                    #expect((failure as? MantaError)?.code == (count == 3 ? .tooLarge : nil), "\(String(describing: failure))")
                }
                try await cluster.expectEverythingIsReturned()
            }
        }
    }
}

@Remote(retries: 0) func countUp(_ count: Int) -> ResultStream<Int> {
    ResultStream { yield in
        for number in 0..<count { try await yield(number) }
    }
}
