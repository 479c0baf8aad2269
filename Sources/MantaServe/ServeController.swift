// ServeController: the one actor that decides about serving: a detached actor named "controller" in the namespace "serve", the only writer of its tables.
//
// What is wanted is in `ServeTables`, what is there in `ReplicaBook`; both decide, this actor carries out. It holds nothing that is not in the tables or
// can be asked of the replicas, so when it dies the next one goes on: proxies and replicas need it for changes only.
// How replicas are started, watched and ended is in ServeController+Replicas.swift.

import Glibc
import Manta
import MantaCore
import MantaModel

/// The namespace of the platform's own actors that serve.
let serveNamespace = "serve"

@RemoteActor(lifetime: .detached, cpus: 0, maxRestarts: -1, maxConcurrency: 1000) actor ServeController {
    static let name = "controller"

    var tables: ServeTables
    var book = ReplicaBook()
    let writer = RowWriter()
    var generator = SystemRandomNumberGenerator()
    /// The replicas' actors, by tag.
    var handles: [String: Replica.Handle] = [:]
    /// Backends of which a replica waits for a place, since when and why.
    var stalls: [String: (since: Instant, reason: String)] = [:]
    /// So long a replica may wait for a place before those who wait for its backend are told.
    private static let stallTime: Duration = .seconds(5)
    /// The next `tick` of the book.
    var wake: Task<Void, Never>?
    /// Those who wait for backends, by a number.
    private var waiters: [Int: (backend: String, continuation: UnsafeContinuation<Void, any Error>)] = [:]
    private var lastWaiter = 0

    init() async throws {
        let found = try await writer.read()
        tables = ServeTables(backends: found.backends, endpoints: found.endpoints, complain: { _ in })
        for row in tables.backends.values { book.expect(row) }
        let actions = book.adopt(found.replicas, at: .now, wall: .now, using: &generator)
        carryOut(actions)
    }

    // MARK: Backends

    func createBackend(_ description: BackendDescription) async throws {
        try await change(inspecting: [description]) { tables throws(MantaError) in try tables.createBackend(description) }
    }

    func updateBackend(_ description: BackendDescription) async throws {
        try await change(inspecting: [description]) { tables throws(MantaError) in try tables.updateBackend(description) }
    }

    func deleteBackend(_ name: String) async throws {
        try await change { tables throws(MantaError) in try tables.deleteBackend(name) }
    }

    func backend(_ name: String) throws -> BackendRow { try tables.backend(named: name) }
    func listBackends() -> [BackendRow] { tables.backends.values.sorted { $0.description.name < $1.description.name } }
    func listReplicas() -> [ReplicaDescription] { book.replicas }

    /// Returns when a backend has its replicas; throws `taskFailed` with the reason when they do not start, `unschedulable` when there is no place for them.
    func waitUntilReady(_ name: String) async throws {
        _ = try tables.backend(named: name)
        lastWaiter += 1
        let waiter = lastWaiter
        try await withUnsafeThrowingContinuation { continuation in
            waiters[waiter] = (name, continuation)
            notify()
        }
        await writer.settled()
    }

    // MARK: Endpoints

    func createEndpoint(_ description: EndpointDescription) async throws {
        try await change { tables throws(MantaError) in try tables.createEndpoint(description) }
    }

    func updateEndpoint(_ description: EndpointDescription) async throws {
        try await change { tables throws(MantaError) in try tables.updateEndpoint(description) }
    }

    func deleteEndpoint(_ name: String) async throws {
        try await change { tables throws(MantaError) in try tables.deleteEndpoint(name) }
    }

    func setTraffic(_ name: String, _ traffic: [String: Double]) async throws {
        try await change { tables throws(MantaError) in try tables.setTraffic(name, traffic) }
    }

    func shadowTraffic(_ name: String, backend: String, share: Double) async throws {
        try await change { tables throws(MantaError) in try tables.setShadow(name, backend: backend, share: share) }
    }

    func endpoint(_ name: String) throws -> EndpointDescription { try tables.endpoint(named: name) }
    func listEndpoints() -> [EndpointDescription] { tables.endpoints.values.sorted { $0.name < $1.name } }

    // MARK: All at once

    /// Makes these all there is.
    func replaceAll(backends: [BackendDescription], endpoints: [EndpointDescription]) async throws {
        try await change(inspecting: backends) { tables throws(MantaError) in try tables.replaceAll(backends: backends, endpoints: endpoints) }
    }

    /// Returns when no replica is left.
    func waitUntilEmpty() async throws {
        while !book.replicas.isEmpty { try await Task.sleep(for: .milliseconds(20)) }
        await writer.settled()
    }

    // MARK: Changing

    /// Makes one change: decided at once, so that changes never mix; written, then carried out. Backends whose types their programs do not have, or whose
    /// programs do not run, are refused before.
    private func change(
        inspecting backends: [BackendDescription] = [], _ decide: (inout ServeTables) throws(MantaError) -> [ServeTables.Change]
    ) async throws {
        if !backends.isEmpty {
            var draft = tables
            _ = try decide(&draft)  // what is wrong by itself is said first
            try await BackendInspector.inspect(backends.filter { !isRunning($0) })
        }
        let changes = try decide(&tables)
        var actions: [ReplicaBook.Action] = []
        for change in changes {
            writer.write(change)
            switch change {
            case .putBackend(let row): actions += book.want(row, at: .now, wall: .now, using: &generator)
            case .deleteBackend(let name): actions += book.forget(name, at: .now, wall: .now, using: &generator)
            case .putEndpoint, .deleteEndpoint: break
            }
        }
        carryOut(actions)
        await writer.settled()
    }

    /// Whether replicas of this very program and type are there.
    private func isRunning(_ description: BackendDescription) -> Bool {
        guard let present = tables.backends[description.name] else { return false }
        return present.status.state == .healthy && present.status.ready > 0 && present.description.keepsReplicas(of: description)
    }

    /// Tells those who wait for a backend what became of it.
    func notify() {
        for (number, waiter) in waiters.sorted(by: { $0.key < $1.key }) {
            guard tables.backends[waiter.backend] != nil else {
                waiters[number] = nil
                waiter.continuation.resume(throwing: MantaError(.notFound, "backend \"\(waiter.backend)\" was deleted"))
                continue
            }
            guard let status = book.status(of: waiter.backend) else { continue }
            switch status.state {
            case .updating:
                guard let stall = stalls[waiter.backend], Instant.now - stall.since >= Self.stallTime else { continue }
                waiter.continuation.resume(throwing: MantaError(.unschedulable, "a replica of backend \"\(waiter.backend)\" finds no place: \(stall.reason)"))
            case .healthy: waiter.continuation.resume()
            case .failed: waiter.continuation.resume(throwing: MantaError(.taskFailed, "backend \"\(waiter.backend)\" does not start: \(status.message)"))
            }
            waiters[number] = nil
        }
    }
}

extension Instant {
    /// The machine's monotonic clock.
    static var now: Instant {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}

extension WallTime {
    static var now: WallTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return WallTime(milliseconds: Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000)
    }
}
