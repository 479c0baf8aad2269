// AdminAPI: answers the requests of operators and the dashboard: routes, reads the cluster through its source, and says in JSON what came of it.
//
// Every answer has the headers that keep a browser from misusing it. Errors are `{"code", "message", "detail", "requestId"}` with the status that fits.

package import MantaHTTP
import MantaJSON
package import MantaModel
import MantaWire

package final class AdminAPI: Sendable {
    private let source: any AdminSource
    private let access: AdminAccess
    private let files: WebFiles
    private let feed: AdminFeed
    private let version: String
    private let clock: @Sendable () -> WallTime

    /// - Parameters:
    ///   - token: what callers must present; nil on loopback addresses only.
    ///   - clock: the wall clock, for answers that say what time it is.
    package init(source: any AdminSource, token: String?, files: WebFiles, version: String, clock: @escaping @Sendable () -> WallTime) {
        (self.source, self.files, self.version, self.clock) = (source, files, version, clock)
        access = AdminAccess(token: token)
        feed = AdminFeed(source: source, version: version, clock: clock)
    }

    // MARK: Requests

    /// Answers any request. Never throws: what goes wrong is an answer too.
    package func answer(_ request: HTTPRequestCopy) async -> HTTPResponse {
        var response = await routed(request)
        let isPage = files.has(request.path)
        if !isPage { response.headers.append(HTTPHeader("Cache-Control", "no-store")) }
        response.headers += Self.headers
        return response
    }

    private static let headers = [
        HTTPHeader("X-Content-Type-Options", "nosniff"), HTTPHeader("X-Frame-Options", "DENY"), HTTPHeader("Referrer-Policy", "no-referrer"),
        HTTPHeader("Cross-Origin-Resource-Policy", "same-origin"), HTTPHeader("Cross-Origin-Opener-Policy", "same-origin"),
        HTTPHeader(
            "Content-Security-Policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
        ),
    ]

    private func routed(_ request: HTTPRequestCopy) async -> HTTPResponse {
        if files.has(request.path) {
            return request.method == .get || request.method == .head ? files.response(to: request) : Self.methodNotAllowed([.get, .head])
        }
        if let refusal = access.refusal(of: request, at: clock()) { return refusal }
        guard let route = AdminRoute(path: request.path) else {
            return .failure(404, code: "notFound", message: "there is nothing at this path; the admin API is under \(AdminRoute.prefix), for example \(AdminRoute.prefix)nodes")
        }
        guard route.methods.contains(request.method) else { return Self.methodNotAllowed(route.methods) }
        if let refusal = access.refusalOfBody(of: request) { return refusal }
        do {
            return try await answer(route, request)
        } catch {
            return Self.failure(error)
        }
    }

    private func answer(_ route: AdminRoute, _ request: HTTPRequestCopy) async throws -> HTTPResponse {
        switch (route, request.method) {
        case (.version, _):
            // The session is the cluster's identity; null while the head is away. A build does not know the commit it was made of.
            let session = try? await source.state(QueryState(tables: [], limit: 0)).cluster.description
            return .json([
                "version": .string(version), "api": "v1", "protocol": JSONValue(Int(protocolVersion)), "session": session.map { .string($0) } ?? .null, "commit": .null,
            ])
        case (.cluster, _): return .json(AdminViews.cluster(try await everything(), version: version, now: clock()))
        case (.list(.submissions), .post):
            let row = try await source.submit(try SubmissionBody.specification(Self.json(request.body)))
            return .json(["id": .string(row.id), "state": .string(row.state.rawValue)], status: 201)
        case (.row(.submissions, let key), .delete):
            try await source.deleteSubmission(key)
            return HTTPResponse(status: 204)
        case (.stopSubmission(let id), _): return .json(["stopped": .bool(try await source.stopSubmission(id))])
        case (.submissionLogs(let id), _): return try await logs(of: id, request)
        case (.list(let table), _): return .json(try await list(table, request))
        case (.row(.actors, let key), .delete):
            guard let id = ActorID(key) else { throw MantaError(.notFound, "there is no actor \"\(key)\"; expected 32 hexadecimal digits, or NAMESPACE/NAME") }
            try await source.kill(id)
            return HTTPResponse(status: 204)
        case (.row(let table, let key), _): return .json(try await row(key, of: table))
        case (.namedActor(let namespace, let name), .delete):
            try await source.kill(try await source.actor(named: name, in: namespace))
            return HTTPResponse(status: 204)
        case (.namedActor(let namespace, let name), _): return .json(try await row(try await source.actor(named: name, in: namespace).description, of: .actors))
        case (.traffic(let endpoint), _): return .json(try await setTraffic(of: endpoint, request))
        case (.call(let actor, let method), _): return .json(try await call(actor, method, request))
        case (.explain(let id), _): return .json(["id": .string(id), "lines": .array(try await source.explain(id).map { .string($0) })])
        case (.timeline, _): return .json(try await timeline(request))
        case (.events, _): return try await events(request)
        }
    }

    // MARK: Reading

    private func everything() async throws -> AdminState {
        AdminState(head: try await source.state(QueryState(tables: QueryState.Table.allCases, limit: AdminFeed.rows)), serve: try await source.serve())
    }

    private func listing(_ table: AdminTable, _ filter: AdminFilter) async throws -> AdminListing {
        let head = try await source.state(filter.query(of: table))
        return try filter.listing(of: table, in: AdminState(head: head, serve: table.state == nil ? try await source.serve() : ServeState()))
    }

    private func list(_ table: AdminTable, _ request: HTTPRequestCopy) async throws -> JSONValue {
        try await listing(table, try AdminFilter(queryParameters(request.queryText), of: table)).value
    }

    /// A trace of the tasks that the query asks for, as it would for a list; as many as a list may have unless it says otherwise.
    private func timeline(_ request: HTTPRequestCopy) async throws -> JSONValue {
        var parameters = queryParameters(request.queryText)
        if !parameters.contains(where: { $0.name == "limit" }) { parameters.append(("limit", "\(Limits.listRows)")) }
        let tasks = try await source.state(try AdminFilter(parameters, of: .tasks).query(of: .tasks)).tasks
        let nodes = try await source.state(QueryState(tables: [.nodes], limit: Limits.listRows)).nodes
        return Timeline.trace(of: tasks, with: try await source.spans().spans, on: nodes, now: clock())
    }

    private func row(_ key: String, of table: AdminTable) async throws -> JSONValue {
        guard let row = try await listing(table, AdminFilter(limit: 1, filters: [RowFilter(table.key, key)])).rows.first else {
            throw MantaError(.notFound, "there is no \(table.noun) \"\(key)\"; list them with GET \(AdminRoute.prefix)\(table.rawValue)")
        }
        return row
    }

    private func events(_ request: HTTPRequestCopy) async throws -> HTTPResponse {
        let names = request.query("tables")?.split(separator: ",").map(String.init) ?? AdminTable.allCases.map(\.rawValue)
        var tables: [AdminTable] = []
        for name in names {
            guard let table = AdminTable(rawValue: name) else {
                throw MantaError(
                    .invalidArgument, "there is no table \"\(name.prefix(64))\"; expected some of \(AdminTable.allCases.map(\.rawValue).joined(separator: ","))")
            }
            if !tables.contains(table) { tables.append(table) }
        }
        if request.method == .head { return HTTPResponse(contentType: "text/event-stream") }
        return try await feed.response(tables: tables)
    }

    // MARK: Submitted programs

    /// The output from `offset` on as text; the header says where the next part begins.
    private func logs(of id: String, _ request: HTTPRequestCopy) async throws -> HTTPResponse {
        let text = request.query("offset") ?? "0"
        guard let offset = Int64(text), offset >= 0 else { throw MantaError(.invalidArgument, "offset is \"\(text.prefix(32))\"; expected a number of bytes") }
        let log = try await source.submissionLog(id, offset: offset)
        var response = HTTPResponse(contentType: "text/plain; charset=utf-8", body: .bytes(log.bytes))
        response.headers.append(HTTPHeader("X-Next-Offset", "\(log.next)"))
        response.headers.append(HTTPHeader("X-Complete", log.isComplete ? "true" : "false"))
        return response
    }

    // MARK: Steering

    private func setTraffic(of endpoint: String, _ request: HTTPRequestCopy) async throws -> JSONValue {
        guard let members = try Self.json(request.body).object else {
            throw MantaError(.invalidArgument, "expected an object of shares by backend, such as {\"classifier:v1\": 0.9, \"classifier:v2\": 0.1}")
        }
        var shares: [String: Double] = [:]
        for (backend, value) in members {
            guard let share = value.double else { throw MantaError(.invalidArgument, "\(backend.prefix(64)): expected a number from 0 to 1, found \(value.kind)") }
            shares[backend] = share
        }
        if let complaint = ServeRules.complaint(traffic: shares) { throw MantaError(.invalidArgument, "endpoint \"\(endpoint)\": \(complaint)") }
        try await source.setTraffic(of: endpoint, to: shares)
        return try await row(endpoint, of: .endpoints)
    }

    private func call(_ actor: AdminActor, _ method: String, _ request: HTTPRequestCopy) async throws -> JSONValue {
        let arguments = request.body.isEmpty ? .array([]) : try Self.json(request.body)
        guard arguments.array != nil || arguments.object != nil else {
            throw MantaError(.invalidArgument, "expected an array of arguments by position, or an object by label; found \(arguments.kind)")
        }
        let id =
            switch actor {
            case .identifier(let id): id
            case .name(let name, let namespace): try await source.actor(named: name, in: namespace)
            }
        let results = try await source.call(id, method: method, arguments: JSONMessagePack.encode(arguments))
        let values = try results.map { try JSONMessagePack.decode($0) }
        return ["result": values.count == 1 ? values[0] : values.isEmpty ? .null : .array(values)]
    }

    private static func json(_ body: [UInt8]) throws(MantaError) -> JSONValue {
        do { return try JSONValue.parse(body) } catch { throw error.mantaError }
    }

    // MARK: Errors

    private static func methodNotAllowed(_ methods: [HTTPMethod]) -> HTTPResponse {
        let names = methods.map(\.rawValue).joined(separator: ", ")
        return .failure(405, code: "methodNotAllowed", message: "this path answers \(names)", headers: [HTTPHeader("Allow", names)])
    }

    /// What went wrong as an answer.
    static func failure(_ error: any Error) -> HTTPResponse {
        switch error {
        case let error as MantaError:
            let status = status(of: error.code)
            return .failure(
                status, code: error.code.rawValue, message: error.message, detail: error.cause, headers: status == 503 ? [HTTPHeader("Retry-After", "1")] : [])
        case let error as TaskError:
            return .failure(500, code: MantaError.Code.taskFailed.rawValue, message: error.description, detail: error.typeName)
        case is CancellationError: return .failure(503, code: "cancelled", message: "the request was cancelled")
        default: return .failure(500, code: MantaError.Code.taskFailed.rawValue, message: "\(error)", detail: "\(type(of: error))")
        }
    }

    private static func status(of code: MantaError.Code) -> Int {
        switch code {
        case .invalidArgument, .wrongType, .malformed: 400
        case .notFound, .unknownFunction: 404
        case .alreadyExists, .conflict: 409
        case .actorDied: 410
        case .tooLarge: 413
        case .overloaded, .unavailable, .actorUnavailable, .notConnected, .cancelled: 503
        case .timeout: 504
        default: 500
        }
    }
}

extension HTTPResponse {
    fileprivate static func json(_ value: JSONValue, status: Int = 200) -> HTTPResponse {
        .json(value.serialize() + [UInt8(ascii: "\n")], status: status)
    }
}
