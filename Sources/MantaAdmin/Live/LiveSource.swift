// LiveSource: the cluster behind the admin API: the runtime of the process that it runs in, as a client of the head like any other.
//
// The rows of serving are followed, not asked for, so that reading them costs nothing. Until the head has answered for the first time every call throws
// `unavailable`.

import Manta
package import MantaModel
package import MantaWire
import MantaWorker
import Synchronization

package final class LiveSource: AdminSource {
    private let content = Mutex(Content())

    private struct Content {
        var session: Session?
        var watches: [WatchID] = []
        var endpoints: [String: EndpointDescription] = [:]
        var backends: [String: BackendRow] = [:]
        var replicas: [String: ReplicaDescription] = [:]
        /// What actors are that were looked up, so that their calls are shown under their type's name.
        var types: [ActorID: String] = [:]
    }
    private static let knownTypes = 1024

    package init() {}

    /// Connects to the head; tries again until it answers.
    package func connect(to head: String) async {
        while !Task.isCancelled {
            if let session = try? await Session.attach(head, role: .admin) {
                follow(session)
                return
            }
            try? await Task.sleep(for: .milliseconds(200))
        }
    }

    private func follow(_ session: Session) {
        guard let runtime = session.runtime else { return }
        let watches = [
            runtime.watchTable(ServeTable.endpoints) { [weak self] in self?.take($0, \.endpoints) },
            runtime.watchTable(ServeTable.backends) { [weak self] in self?.take($0, \.backends) },
            runtime.watchTable(ServeTable.replicas) { [weak self] in self?.take($0, \.replicas) },
        ]
        content.withLock { ($0.session, $0.watches) = (session, watches) }
    }

    /// A row that cannot be read is one of a later version; it is left out.
    private func take<Row: Decodable>(_ event: TableEvent, _ rows: WritableKeyPath<Content, [String: Row]>) {
        func decoded(_ bytes: [UInt8]) -> Row? { try? ValueDecoder.decode(Row.self, from: bytes) }
        content.withLock { content in
            switch event {
            case .snapshot(let entries):
                content[keyPath: rows] = Dictionary(entries.compactMap { entry in decoded(entry.value).map { (entry.key, $0) } }, uniquingKeysWith: { $1 })
            case .changed(let key, let value): content[keyPath: rows][key] = value.flatMap(decoded)
            }
        }
    }

    private func runtime() throws -> Runtime {
        guard let runtime = content.withLock({ $0.session })?.runtime else {
            throw MantaError(.unavailable, "the admin API is not connected to the head yet; try again in a moment")
        }
        return runtime
    }

    /// A person waits for the answer.
    private static let deadline: Duration = .seconds(5)

    // MARK: AdminSource

    package func state(_ query: QueryState) async throws -> StateAnswer { try await runtime().head(query, deadline: Self.deadline) }

    package func spans() async throws -> SpansFound { try await runtime().head(QuerySpans(), deadline: Self.deadline) }

    package func serve() async throws -> ServeState {
        _ = try runtime()
        return content.withLock { ServeState(endpoints: Array($0.endpoints.values), backends: Array($0.backends.values), replicas: Array($0.replicas.values)) }
    }

    // Serve's controller is an actor like any other, and the only one that writes these tables.
    package func setTraffic(of endpoint: String, to shares: [String: Double]) async throws {
        let controller: ActorID
        do {
            controller = try await actor(named: "controller", in: "serve")
        } catch let error as MantaError where error.code == .notFound {
            throw MantaError(.notFound, "there is no endpoint \"\(endpoint)\": nothing is served in this cluster")
        }
        let arguments: [any Encodable & Sendable] = [endpoint, shares]
        var writer = MessagePackWriter()
        writer.writeArrayHeader(arguments.count)
        for argument in arguments { try ValueEncoder.encode(argument, into: &writer) }
        _ = try await call(controller, method: "setTraffic", arguments: writer.bytes)
        // Its rows change before it answers, but the news of it may come a moment later.
        content.withLock { $0.endpoints[endpoint]?.traffic = shares }
    }

    package func actor(named name: String, in namespace: String) async throws -> ActorID {
        let found = try await runtime().lookUpActor(name: name, namespace: namespace)
        content.withLock { content in
            if content.types.count >= Self.knownTypes { content.types.removeAll() }
            content.types[found.id] = found.type
        }
        return found.id
    }

    package func call(_ actor: ActorID, method: String, arguments: [UInt8]) async throws -> [[UInt8]] {
        let type = content.withLock { $0.types[actor] } ?? "actor \(actor.short)"
        let handles = try runtime().call(
            actor: actor, function: "\(type).\(method)", method: .max, methodName: method, arguments: [.value(EncodedValue(bytes: arguments))], resultCount: 1)
        return [try await handles[0].bytes().array]
    }

    package func submit(_ specification: SubmissionSpecification) async throws -> SubmissionRow {
        try await runtime().head(SubmitProgram(specification: specification), deadline: Self.deadline).row
    }
    package func stopSubmission(_ id: String) async throws -> Bool { try await runtime().head(StopSubmission(id: id), deadline: Self.deadline).isStopping }
    package func deleteSubmission(_ id: String) async throws { _ = try await runtime().head(DeleteSubmission(id: id), deadline: Self.deadline) }
    package func submissionLog(_ id: String, offset: Int64) async throws -> SubmissionLog {
        try await runtime().head(ReadSubmissionLog(id: id, offset: offset), deadline: Self.deadline)
    }

    package func explain(_ id: String) async throws -> [String] { try await runtime().head(Explain(id: id), deadline: Self.deadline).lines }

    package func kill(_ actor: ActorID) async throws { try await runtime().kill(actor: actor) }
}
