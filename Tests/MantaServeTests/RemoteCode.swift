// What the tests of serving run remotely, and the cluster they share: this test program is also the workers' program.

import Manta

/// The cluster of this file's tests; it ends with the test process.
enum SharedCluster {
    private static let session = Task { try await Manta.start(cpus: 4) }
    @discardableResult static func get() async throws -> Session { try await session.value }
}

enum Trouble: Error, Codable, Equatable { case broken(code: Int) }

/// Lets callers wait until someone opens it.
@RemoteActor(maxConcurrency: 1000) actor Gate {
    private var isOpen = false
    private var waiters: [CheckedContinuation<Void, Never>] = []
    init() {}
    func wait() async {
        if isOpen { return }
        await withCheckedContinuation { waiters.append($0) }
    }
    func open() {
        isOpen = true
        for waiter in waiters { waiter.resume() }
        waiters = []
    }
    func waiting() -> Int { waiters.count }
}

@RemoteActor actor Counter {
    private var count = 0
    init() {}
    func increment(by n: Int = 1) -> Int {
        count += n
        return count
    }
}
