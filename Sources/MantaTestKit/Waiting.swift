// Waiting: how tests wait for what other threads and processes do: always for a condition and never beyond a deadline.

import Synchronization

/// What a test waited for did not happen in time.
package struct DidNotHappen: Error, CustomStringConvertible {
    package let description: String
    package init(description: String) { self.description = description }
}

/// Waits until `condition` holds. The only place of the tests that sleeps.
/// - Throws: `DidNotHappen` after `limit`.
package func eventually(
    _ what: String = "the condition", within limit: Duration = .seconds(10), poll: Duration = .milliseconds(5),
    fileID: String = #fileID, line: Int = #line, _ condition: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now + limit
    while true {
        if try await condition() { return }
        guard ContinuousClock.now < end else { throw DidNotHappen(description: "\(what) did not happen within \(limit) (\(fileID):\(line))") }
        try await Task.sleep(for: poll)
    }
}

/// Something that happens once and that many may wait for.
package final class Gate: Sendable {
    private let opened = Mutex(false)
    package init() {}

    package var isOpen: Bool { opened.withLock { $0 } }
    package func open() { opened.withLock { $0 = true } }

    /// - Throws: `DidNotHappen` when it stays closed.
    package func wait(within limit: Duration = .seconds(10), fileID: String = #fileID, line: Int = #line) async throws {
        try await eventually("the gate's opening", within: limit, poll: .milliseconds(1), fileID: fileID, line: line) { isOpen }
    }
}

/// Values that other threads report, in order.
package final class Log<Value: Sendable>: Sendable {
    private let stored = Mutex<[Value]>([])
    package init() {}

    package func append(_ value: Value) { stored.withLock { $0.append(value) } }
    package var values: [Value] { stored.withLock { $0 } }
    package func clear() { stored.withLock { $0 = [] } }
    package var count: Int { stored.withLock { $0.count } }
    package var last: Value? { stored.withLock { $0.last } }
}
