// FakeCluster: a cluster for tests: its answers are values that a test sets, and it notes what was asked of it.

import MantaAdmin
import MantaCore
import MantaHTTP
import MantaModel
import MantaWire
import Synchronization

final class FakeCluster: AdminSource {
    struct Content: Sendable {
        var state = AdminState(head: StateAnswer(cluster: ClusterID(high: 1, low: 2), startedAt: WallTime(milliseconds: 1_000)))
        var named: [String: ActorID] = [:]
        var results: [[UInt8]] = []
        var failure: MantaError?
        var thrown: (any Error)?
        var calls: [String] = []
        var arguments: [UInt8] = []
        var queries: [QueryState] = []
        var spans = SpansFound(spans: [], dropped: 0)
    }

    let content = Mutex(Content())

    func set(_ change: (inout Content) -> Void) { content.withLock { change(&$0) } }
    var calls: [String] { content.withLock { $0.calls } }
    var arguments: [UInt8] { content.withLock { $0.arguments } }
    var queries: [QueryState] { content.withLock { $0.queries } }

    private func answer<Result>(_ call: String, _ body: (inout Content) throws -> Result) throws -> Result {
        try content.withLock { content in
            content.calls.append(call)
            if let failure = content.failure { throw failure }
            return try body(&content)
        }
    }

    /// Chooses rows as the head does.
    func state(_ query: QueryState) async throws -> StateAnswer {
        try answer("state") { content in
            content.queries.append(query)
            var head = content.state.head
            let selection = RowSelection(filters: query.filters ?? [], after: query.after, limit: query.limit)
            head.actors = query.tables.contains(.actors) ? try take(.actors, selection.select(head.actors), &head) : []
            head.tasks = query.tables.contains(.tasks) ? try take(.tasks, selection.select(head.tasks), &head) : []
            head.errors = Array(head.errors.prefix(query.limit))
            return head
        }
    }

    private func take<Row>(_ table: QueryState.Table, _ page: RowPage<Row>, _ head: inout StateAnswer) -> [Row] {
        head.totals[table.rawValue] = page.total
        head.states = (head.states ?? [:]).merging([table.rawValue: page.states]) { $1 }
        head.hasMore = page.hasMore
        return page.rows
    }

    func spans() async throws -> SpansFound { try answer("spans") { $0.spans } }
    func serve() async throws -> ServeState { try answer("serve") { $0.state.serve } }

    func setTraffic(of endpoint: String, to shares: [String: Double]) async throws {
        try answer("traffic \(endpoint)") { content in
            guard let index = content.state.serve.endpoints.firstIndex(where: { $0.name == endpoint }) else {
                throw MantaError(.notFound, "there is no endpoint \"\(endpoint)\"")
            }
            content.state.serve.endpoints[index].traffic = shares
        }
    }

    func actor(named name: String, in namespace: String) async throws -> ActorID {
        try answer("actor \(namespace)/\(name)") { content in
            guard let id = content.named["\(namespace)/\(name)"] else { throw MantaError(.notFound, "no living actor is named \"\(name)\" in \"\(namespace)\"") }
            return id
        }
    }

    func call(_ actor: ActorID, method: String, arguments: [UInt8]) async throws -> [[UInt8]] {
        try answer("call \(actor.short) \(method)") { content in
            content.arguments = arguments
            if let thrown = content.thrown { throw thrown }
            return content.results
        }
    }

    func submit(_ specification: SubmissionSpecification) async throws -> SubmissionRow {
        try answer("submit \(specification.entrypoint.joined(separator: " "))") { _ in
            SubmissionRow(id: "job-1", state: .pending, entrypoint: specification.entrypoint, submittedAt: now)
        }
    }
    func stopSubmission(_ id: String) async throws -> Bool { try answer("stop \(id)") { _ in true } }
    func deleteSubmission(_ id: String) async throws { try answer("delete \(id)") { _ in } }
    func submissionLog(_ id: String, offset: Int64) async throws -> SubmissionLog {
        try answer("log \(id) \(offset)") { _ in SubmissionLog(bytes: Array("hello".utf8), next: offset + 5, isComplete: true) }
    }
    func explain(_ id: String) async throws -> [String] { try answer("explain \(id)") { _ in ["it waits", "for a node"] } }

    func kill(_ actor: ActorID) async throws { try answer("kill \(actor.short)") { _ in } }
}

let now = WallTime(milliseconds: 10_000_000)

func actorRow(_ id: ActorID, name: String? = nil, state: ActorState = .alive) -> ActorRow {
    ActorRow(
        id: id, type: "Shop.Counter", name: name, namespace: "shop", detached: true, state: state, pid: 42, node: nil, job: JobID(high: 0, low: 7), restarts: 0,
        createdAt: WallTime(milliseconds: 5_000), death: nil, reason: nil)
}

func taskRow(_ number: UInt64, state: TaskState = .finished) -> TaskRow {
    TaskRow(
        id: TaskID(high: 9, low: number), job: JobID(high: 0, low: 7), function: "Pi.sample(points:)", state: state, attempt: 1,
        submittedAt: WallTime(milliseconds: Int64(number)))
}

extension AdminAPI {
    convenience init(_ cluster: FakeCluster, token: String? = nil) {
        self.init(source: cluster, token: token, files: WebFiles(folder: nil), version: "9.9.9", clock: { now })
    }

    /// Asks as curl would.
    func ask(
        _ method: HTTPMethod, _ path: String, query: String = "", json body: String? = nil, headers: [HTTPHeader] = [HTTPHeader("Host", "localhost:8265")]
    ) async -> HTTPResponse {
        let type = body == nil ? [] : [HTTPHeader("Content-Type", "application/json")]
        return await answer(HTTPRequestCopy(method: method, path: path, queryText: query, headers: headers + type, body: Array((body ?? "").utf8)))
    }
}
