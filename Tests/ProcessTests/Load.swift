// Load: many connections that ask the same again and again until they are told to stop, and what became of every request.

import Foundation
import MantaTestKit
import PlainHTTP
import Synchronization

final class Load: Sendable {
    struct Counts: Sendable {
        var answered = 0
        /// Requests with another status than 200, or without an answer.
        var failures: [String] = []
        /// By body.
        var bodies: [String: Int] = [:]
    }

    private let counts = Mutex(Counts())
    private let isStopped = Atomic<Bool>(false)
    private let running: Atomic<Int>

    /// Starts to send.
    init(port: UInt16, connections: Int = 4, _ method: String, _ path: String, body: String = "") {
        running = Atomic(connections)
        for _ in 0..<connections {
            Thread.detachNewThread { self.send(port, method, path, Array(body.utf8)) }
        }
    }

    private func send(_ port: UInt16, _ method: String, _ path: String, _ body: [UInt8]) {
        defer { running.subtract(1, ordering: .sequentiallyConsistent) }
        var connection: HTTPConnection?
        while !isStopped.load(ordering: .relaxed) {
            do {
                let current = if let connection { connection } else { try HTTPConnection(host: "127.0.0.1", port: port) }
                connection = current
                let answer = try current.request(method, path, body: body)
                counts.withLock {
                    $0.answered += 1
                    if answer.status == 200 { $0.bodies[answer.text, default: 0] += 1 } else { $0.failures.append("\(answer.status) \(answer.text)") }
                }
                if answer.header("Connection")?.lowercased() == "close" { connection = nil }
            } catch {
                connection = nil
                counts.withLock { $0.failures.append("\(error)") }
            }
        }
    }

    var snapshot: Counts { counts.withLock { $0 } }

    /// Waits until so many more requests were answered.
    func more(_ count: Int) async throws {
        let goal = snapshot.answered + count
        try await eventually("\(count) more answers", within: .seconds(30)) { self.snapshot.answered >= goal || self.snapshot.failures.count > 100 }
    }

    /// Stops and returns what became of all requests.
    func stop() async throws -> Counts {
        isStopped.store(true, ordering: .relaxed)
        try await eventually("the end of the load", within: .seconds(40)) { self.running.load(ordering: .sequentiallyConsistent) == 0 }
        return snapshot
    }
}
