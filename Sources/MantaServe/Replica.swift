// Replica: the actor that hosts one instance of a backend's type, in a process of the backend's program.
//
// Made by the controller, one for each wanted replica, detached and never restarted: a dead one is replaced by another. Requests come straight from
// proxies and handles. They run on the process's threads, as many at once as come; the actor itself does nothing but be there.

import Manta
import MantaModel
import MantaWire
import MantaWorker
import Synchronization

/// What a replica tells of itself once it is constructed.
struct ReplicaIntroduction: Codable, Sendable {
    var actor: ActorID
    var address: ProcessAddress
    var pid: Int32
    var node: NodeID?
    /// The index of `handle`.
    var method: UInt32
    var configuration: ConfigurationValue
}

@RemoteActor actor Replica {
    /// After the last request: how long none may come before a draining replica counts as idle.
    private static let quietTime: Duration = .milliseconds(250)

    private let description: BackendDescription
    private let tag: String
    private let index: Int
    private let state: Mutex<State>

    private struct State {
        var backend: any Backend
        var configuration: ConfigurationValue
        var inFlight = 0
        var lastEnd = ContinuousClock.now
    }

    init(_ description: BackendDescription, tag: String, index: Int) async throws {
        (self.description, self.tag, self.index) = (description, tag, index)
        let type = try BackendTypes.type(of: description)
        let backend = try await type.init(Self.context(description, tag, index, description.userConfiguration))
        state = Mutex(State(backend: backend, configuration: description.userConfiguration))
    }

    /// Answers a request: both in the form of `HTTPCall` and `HTTPAnswer`.
    @concurrent nonisolated func handle(_ request: [UInt8]) async throws -> [UInt8] {
        let backend = state.withLock { state in
            state.inFlight += 1
            return state.backend
        }
        defer {
            state.withLock { state in
                state.inFlight -= 1
                state.lastEnd = .now
            }
        }
        return try await backend.handle(Request(try HTTPCall(request))).encoded()
    }

    /// Who and where this replica is.
    func introduce() throws -> ReplicaIntroduction {
        let context = try Manta.context
        guard let actor = context.actor, let address = Manta.processAddress else {
            throw MantaError(.notConnected, "the replica \(tag) does not run in a worker")
        }
        let method = Self._type.methods.firstIndex { $0.baseName == "handle" } ?? 0
        return ReplicaIntroduction(
            actor: actor, address: address, pid: context.pid, node: context.node, method: UInt32(method),
            configuration: state.withLock { $0.configuration })
    }

    /// Takes the user's present configuration.
    func reconfigure(_ configuration: ConfigurationValue) async throws {
        let (present, backend) = state.withLock { ($0.configuration, $0.backend) }
        if present == configuration { return }
        let next = try await Self.reconfigured(backend, Self.context(description, tag, index, configuration))
        state.withLock { ($0.backend, $0.configuration) = (next, configuration) }
    }

    /// Returns when nothing has been in flight for a while, or the time is over. Requests that still come are answered.
    func drain(seconds: Double) async throws {
        let end = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < end {
            let (inFlight, lastEnd) = state.withLock { ($0.inFlight, $0.lastEnd) }
            if inFlight == 0, ContinuousClock.now - lastEnd >= Self.quietTime { return }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Never returns: whoever calls it learns by the call's failure that the replica has died.
    func live() async {
        await withUnsafeContinuation { (_: UnsafeContinuation<Void, Never>) in }
    }

    private static func reconfigured<Hosted: Backend>(_ backend: Hosted, _ context: BackendContext) async throws -> any Backend {
        try await backend.reconfigured(context)
    }

    private static func context(_ description: BackendDescription, _ tag: String, _ index: Int, _ configuration: ConfigurationValue) -> BackendContext {
        BackendContext(backend: description.name, version: description.version, replica: index, tag: tag, configuration: configuration)
    }
}
