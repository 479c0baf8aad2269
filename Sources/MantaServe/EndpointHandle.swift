// EndpointHandle: calls an endpoint from Swift. SharedRouter: what all handles of a process share: the tables as the head tells them, and one `Router`.
//
// A call goes the way of an HTTP request: drawn, admitted, queued or refused by the same rules, and straight to a replica.

import Manta
import MantaCore
import MantaModel
import MantaWire
import Synchronization

/// Calls an endpoint. May be copied, kept, and used by any number of tasks at once.
public struct EndpointHandle: Sendable {
    public let endpoint: String
    let router: SharedRouter

    init(endpoint: String, router: SharedRouter) { (self.endpoint, self.router) = (endpoint, router) }

    /// Sends a request and returns the answer, whatever its status.
    ///
    /// - Parameter shardKey: calls with the same key go to the same backend, for as long as the traffic is divided as it is.
    /// - Throws: what the backend threw; `MantaError`: `notFound` when there is no such endpoint, `overloaded` when as many wait as may, `unavailable` when
    ///   the backend has no replicas, `timeout` after the backend's time, `actorDied` when the replica died while it had the request.
    public func call(_ request: Request = Request(), shardKey: String? = nil) async throws -> Response {
        try await router.call(endpoint, request, shardKey: shardKey)
    }
}

/// The routing of this process.
final class SharedRouter: Sendable {
    private struct State {
        var router = Router()
        var endpoints: [String: EndpointDescription] = [:]
        var backends: [String: BackendRow] = [:]
        var replicas: [String: ReplicaDescription] = [:]
        /// Tables of which the first state has come.
        var told: Set<String> = []
        var waiting: [UInt64: UnsafeContinuation<Int, any Error>] = [:]
        var starting: [UnsafeContinuation<Void, Never>] = []
        var lastToken: UInt64 = 0
        var generator = SystemRandomNumberGenerator()
        var failure: (any Error)?
    }

    private let state = Mutex(State())
    private static let shared = Mutex<(router: SharedRouter, address: ProcessAddress)?>(nil)

    /// The router of the present session.
    static func current() throws -> SharedRouter {
        guard let address = Manta.processAddress else { throw MantaError(.notConnected, "call Manta.start() or Manta.connect() first") }
        return try shared.withLock { shared in
            if let shared, shared.address == address { return shared.router }
            let router = SharedRouter()
            try router.follow()
            shared = (router, address)
            return router
        }
    }

    // MARK: The tables

    private func follow() throws {
        try follow(ServeTable.endpoints, \.endpoints)
        try follow(ServeTable.backends, \.backends)
        try follow(ServeTable.replicas, \.replicas)
    }

    private func follow<Row: Codable & Sendable>(_ name: String, _ rows: any WritableKeyPath<State, [String: Row]> & Sendable) throws {
        let changes = try Table<Row>(platform: name).changes()
        Task { [weak self] in
            do {
                for try await change in changes {
                    guard let self else { return }
                    update { state in
                        switch change {
                        case .all(let all): state[keyPath: rows] = all
                        case .put(let key, let row): state[keyPath: rows][key] = row
                        case .deleted(let key): state[keyPath: rows][key] = nil
                        }
                        state.told.insert(name)
                    }
                }
            } catch {
                self?.update { $0.failure = error }
            }
        }
    }

    private func update(_ change: (inout State) -> Void) {
        let starting = state.withLock { state -> [UnsafeContinuation<Void, Never>] in
            change(&state)
            state.router.update(endpoints: Array(state.endpoints.values), backends: Array(state.backends.values), replicas: Array(state.replicas.values))
            for backend in 0..<state.router.backendCount { Self.serveWaiting(backend, &state) }
            guard state.told.count == 3 || state.failure != nil else { return [] }
            defer { state.starting = [] }
            return state.starting
        }
        for continuation in starting { continuation.resume() }
    }

    /// Gives free places to those that wait. Resuming under the lock only enqueues them.
    private static func serveWaiting(_ backend: Int, _ state: inout State) {
        while let (token, slot) = state.router.nextWaiting(backend, using: &state.generator) {
            if let continuation = state.waiting.removeValue(forKey: token) { continuation.resume(returning: slot) } else { state.router.finished(slot) }
        }
        while let (token, refusal) = state.router.nextRefused(backend) {
            state.waiting.removeValue(forKey: token)?.resume(throwing: error(refusal, backend, state.router))
        }
    }

    private func told() async throws {
        await withUnsafeContinuation { continuation in
            let isTold = state.withLock { state in
                if state.told.count == 3 || state.failure != nil { return true }
                state.starting.append(continuation)
                return false
            }
            if isTold { continuation.resume() }
        }
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }

    // MARK: Calls

    func call(_ endpoint: String, _ request: Request, shardKey: String?) async throws -> Response {
        try await told()
        let requestID = request.requestID.isEmpty ? ProcessID.random().short + ProcessID.random().short : request.requestID
        let bytes = request.addressed(to: endpoint, requestID: requestID)
        let (backend, timeout, copies) = try await placed(endpoint, shardKey)
        for slot in copies { sendCopy(bytes, to: slot) }
        return try await withThrowingTaskGroup(of: Response?.self) { group in
            group.addTask { try await self.call(backend, bytes) }
            group.addTask {
                try await Task.sleep(for: timeout)
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let response = first else {
                throw MantaError(.timeout, "endpoint \"\(endpoint)\" did not answer within \(timeout)")
            }
            return response
        }
    }

    /// The same, for an endpoint that was created a moment ago too: this process may not have heard of it yet.
    private func placed(_ endpoint: String, _ shardKey: String?) async throws -> (backend: Int, timeout: Duration, copies: [Int]) {
        let deadline = ContinuousClock.now + Self.newsPatience
        while true {
            do { return try place(endpoint, shardKey) } catch let error as MantaError where error.code == .notFound && ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(10))
            }
        }
    }

    /// So long news of the head's tables may be on their way.
    private static let newsPatience: Duration = .seconds(1)

    /// The backend that is drawn for a call, its time, and the replicas that get a copy.
    private func place(_ endpoint: String, _ shardKey: String?) throws -> (backend: Int, timeout: Duration, copies: [Int]) {
        try state.withLock { state in
            guard let index = state.router.tables.endpoint(named: endpoint) else {
                throw MantaError(.notFound, "there is no endpoint \"\(endpoint)\"; create it, or look at listEndpoints()")
            }
            var draw = state.generator.next()
            if var key = shardKey { draw = key.withUTF8 { ShardHash.draw(UnsafeRawBufferPointer($0)) } }
            let compiled = state.router.tables.endpoints[index]
            let backend = compiled.backend(for: draw)
            var copies: [Int] = []
            for index in 0..<compiled.shadowCount {
                let draw = state.generator.next()
                if let shadow = compiled.shadow(index, for: draw), let slot = state.router.admitShadow(to: shadow, using: &state.generator) { copies.append(slot) }
            }
            return (backend, state.router.timeout(of: backend), copies)
        }
    }

    private func call(_ backend: Int, _ bytes: [UInt8]) async throws -> Response {
        let slot = try await admitted(to: backend)
        defer { finished(slot) }
        guard let actor = state.withLock({ $0.router.replica(slot)?.actor }) else { throw MantaError(.unavailable, "the replica is gone") }
        let reference = Replica.Handle(_actor: _ActorReference(actor)).handle(bytes)
        return try await withTaskCancellationHandler {
            try Response(encoded: try await reference.value)
        } onCancel: {
            reference.cancel()
        }
    }

    private func sendCopy(_ bytes: [UInt8], to slot: Int) {
        guard let actor = state.withLock({ $0.router.replica(slot)?.actor }) else { return finished(slot) }
        let reference = Replica.Handle(_actor: _ActorReference(actor)).handle(bytes)
        Task {
            _ = try? await reference.value
            self.finished(slot)
        }
    }

    /// A place at a replica: at once, or when one is free.
    private func admitted(to backend: Int) async throws -> Int {
        let token = state.withLock { state in
            state.lastToken += 1
            return state.lastToken
        }
        return try await withTaskCancellationHandler {
            try await withUnsafeThrowingContinuation { continuation in
                let outcome = state.withLock { state -> Result<Int, any Error>? in
                    switch state.router.admit(token, to: backend, deadline: Instant(nanoseconds: .max), using: &state.generator) {
                    case .send(let slot): return .success(slot)
                    case .refuse(let refusal): return .failure(Self.error(refusal, backend, state.router))
                    case .wait:
                        if Task.isCancelled {
                            state.router.cancelled(token, of: backend)
                            return .failure(CancellationError())
                        }
                        state.waiting[token] = continuation
                        return nil
                    }
                }
                if let outcome { continuation.resume(with: outcome) }
            }
        } onCancel: {
            let continuation = state.withLock { state in
                state.router.cancelled(token, of: backend)
                return state.waiting.removeValue(forKey: token)
            }
            continuation?.resume(throwing: CancellationError())
        }
    }

    private func finished(_ slot: Int) {
        state.withLock { state in
            let backend = state.router.backend(ofReplica: slot)
            state.router.finished(slot)
            if backend >= 0 { Self.serveWaiting(backend, &state) }
        }
    }

    private static func error(_ refusal: Router.Refusal, _ backend: Int, _ router: Router) -> MantaError {
        let name = router.backendName(backend)
        return switch refusal {
        case .queueFull: MantaError(.overloaded, "backend \"\(name)\" has as many requests as it takes; try later, or raise maxQueued or replicas")
        case .failed: MantaError(.unavailable, "backend \"\(name)\" has no replica: \(router.failure(of: backend))")
        case .noReplicas: MantaError(.unavailable, "backend \"\(name)\" has no replicas")
        }
    }
}
