// RowWriter: writes the controller's rows into the head's tables, one after the other, in the order they were given.
//
// While the head is away it waits and goes on when it is back: what the controller has decided is written in the end, or the controller is gone.

import Manta
import MantaCore
import MantaModel
import Synchronization

final class RowWriter: Sendable {
    private struct Job: Sendable {
        var write: @Sendable () async throws -> Void
        var done: @Sendable () -> Void
    }

    private let jobs: AsyncStream<Job>.Continuation
    private let backends = Table<BackendRow>(platform: ServeTable.backends)
    private let endpoints = Table<EndpointDescription>(platform: ServeTable.endpoints)
    private let replicas = Table<ReplicaDescription>(platform: ServeTable.replicas)
    /// How often a write that the head refuses is tried again.
    private static let attempts = 5

    init() {
        let (stream, continuation) = AsyncStream<Job>.makeStream()
        jobs = continuation
        Task {
            for await job in stream {
                await Self.carryOut(job.write)
                job.done()
            }
        }
    }

    deinit { jobs.finish() }

    private static func carryOut(_ write: @Sendable () async throws -> Void) async {
        var refusals = 0
        while !Task.isCancelled {
            do {
                return try await write()
            } catch let error as MantaError where error.code == .timeout || error.code == .unavailable {
                // The head is away: the row is not lost, only late.
            } catch {
                refusals += 1
                if refusals >= attempts { return }
            }
            try? await Task.sleep(for: .milliseconds(200))
        }
    }

    /// Writes a replica's row.
    func put(_ replica: ReplicaDescription) { add { [replicas] in try await replicas.put(replica.tag, replica) } }
    func delete(replica tag: String) { add { [replicas] in try await replicas.delete(tag) } }

    func write(_ change: ServeTables.Change) {
        switch change {
        case .putBackend(let row): add { [backends] in try await backends.put(row.description.name, row) }
        case .deleteBackend(let name): add { [backends] in try await backends.delete(name) }
        case .putEndpoint(let endpoint): add { [endpoints] in try await endpoints.put(endpoint.name, endpoint) }
        case .deleteEndpoint(let name): add { [endpoints] in try await endpoints.delete(name) }
        }
    }

    /// Returns when everything that was given before is written.
    func settled() async {
        await withUnsafeContinuation { continuation in
            let result = jobs.yield(Job(write: {}, done: { continuation.resume() }))
            if case .terminated = result { continuation.resume() }
        }
    }

    private func add(_ write: @escaping @Sendable () async throws -> Void) { jobs.yield(Job(write: write, done: {})) }

    /// What a predecessor has left.
    func read() async throws -> (backends: [BackendRow], endpoints: [EndpointDescription], replicas: [ReplicaDescription]) {
        (Array(try await backends.entries().values), Array(try await endpoints.entries().values), Array(try await replicas.entries().values))
    }
}
