// ClusterTables: what runs in the cluster, as a program sees it: the head's tables of nodes, jobs, tasks, actors, objects, placement groups and errors.
//
// Rows and conditions are those of the admin API and of `manta list`. What is listed is as the processes of the cluster told it last: records of tasks are
// at most half a second old, those of this process are not old at all.

public import MantaModel
import MantaWire
import MantaWorker

/// A condition on rows: a member, named as the admin API shows it, is or is not a text; letters count as equal in capitals and small.
///
/// ```swift
/// let failed = try await Manta.tasks(where: ["state=failed", "function!=Shop.poll()"])
/// ```
public struct RowCondition: Hashable, Sendable, ExpressibleByStringInterpolation {
    /// Nil when it was written in a way that is not understood.
    let filter: RowFilter?
    let text: String

    private init(_ filter: RowFilter) { (self.filter, text) = (filter, "\(filter.member)\(filter.isEqual ? "" : "!")=\(filter.value)") }

    /// The member is this text; of a member that the row does not have, the empty one.
    public static func equal(_ member: String, _ value: String) -> RowCondition { RowCondition(RowFilter(member, value)) }
    /// The member is not this text.
    public static func notEqual(_ member: String, _ value: String) -> RowCondition { RowCondition(RowFilter(member, isEqual: false, value)) }

    /// `member=value` or `member!=value`; a listing with anything else throws `invalidArgument`.
    public init(stringLiteral text: String) {
        self.text = text
        guard let sign = text.firstIndex(of: "=") else {
            filter = nil
            return
        }
        let (before, value) = (text[..<sign], String(text[text.index(after: sign)...]))
        filter = before.last == "!" ? RowFilter(String(before.dropLast()), isEqual: false, value) : RowFilter(String(before), value)
    }
}

/// A part of a table: its rows, and how many there are in all.
public struct Listing<Row: Sendable>: Sendable, RandomAccessCollection {
    public var rows: [Row]
    /// How many rows meet the conditions, with those that are not shown.
    public var total: Int
    /// How many of those are in which state.
    public var states: [String: Int]
    /// Whether there are more behind the last row: list on with `after:` its identifier.
    public var hasMore: Bool
    /// What is missing and why, as sentences.
    public var warnings: [String]

    public var startIndex: Int { rows.startIndex }
    public var endIndex: Int { rows.endIndex }
    public subscript(index: Int) -> Row { rows[index] }
}

/// What all nodes that are not dead have together, and what of it nobody holds.
public struct ClusterResources: Hashable, Sendable {
    public var total: Resources
    public var available: Resources
}

extension Manta {
    // Each throws `notConnected` without a session, `invalidArgument` for a condition on a member that rows do not have or a limit that cannot be, `notFound`
    // when the row to go on from is gone, and `unavailable` in the serial mode, which has no tables. Rows come newest first.

    /// The nodes.
    ///
    /// - Parameters:
    ///   - where: what every row must meet.
    ///   - limit: rows at most, 1 to 10,000.
    ///   - after: the identifier of the last row of the listing before, to go on behind it.
    public static func nodes(where conditions: [RowCondition] = [], limit: Int = 1_000, after: NodeID? = nil) async throws -> Listing<NodeRow> {
        try await listing(.nodes, conditions, limit, after?.description) { $0.nodes }
    }

    /// Programs that have joined.
    public static func jobs(where conditions: [RowCondition] = [], limit: Int = 1_000, after: JobID? = nil) async throws -> Listing<JobRow> {
        try await listing(.jobs, conditions, limit, after?.description) { $0.jobs }
    }

    /// Tasks and calls of actors: the latest 100,000 records.
    public static func tasks(where conditions: [RowCondition] = [], limit: Int = 1_000, after: TaskID? = nil) async throws -> Listing<TaskRow> {
        try await listing(.tasks, conditions, limit, after?.description) { $0.tasks }
    }

    /// Actors, with the dead ones that the head remembers.
    public static func actors(where conditions: [RowCondition] = [], limit: Int = 1_000, after: ActorID? = nil) async throws -> Listing<ActorRow> {
        try await listing(.actors, conditions, limit, after?.description) { $0.actors }
    }

    /// Actors that have a name and are not dead: of this session's namespace, or of all.
    public static func namedActors(allNamespaces: Bool = false) async throws -> [ActorRow] {
        let runtime = try runtimeWithTables()
        var conditions = [RowCondition.notEqual("name", ""), .notEqual("state", ActorState.dead.rawValue)]
        if !allNamespaces { conditions.append(.equal("namespace", runtime.namespace)) }
        var page = try await actors(where: conditions, limit: Limits.listRows)
        var rows = page.rows
        while page.hasMore, let last = page.last {
            page = try await actors(where: conditions, limit: Limits.listRows, after: last.id)
            rows += page.rows
        }
        // Names compare exactly, whatever their letters.
        return allNamespaces ? rows : rows.filter { $0.namespace == runtime.namespace }
    }

    /// Objects that processes own, the largest first.
    public static func objects(where conditions: [RowCondition] = [], limit: Int = 1_000, after: ObjectID? = nil) async throws -> Listing<ObjectRow> {
        try await listing(.objects, conditions, limit, after?.description) { $0.objects }
    }

    /// Placement groups.
    public static func placementGroups(
        where conditions: [RowCondition] = [], limit: Int = 1_000, after: PlacementGroupID? = nil
    ) async throws -> Listing<PlacementGroupRow> {
        try await listing(.placementGroups, conditions, limit, after?.description) { $0.placementGroups ?? [] }
    }

    /// What went wrong: the latest errors of this job, or of all jobs and of the cluster itself.
    ///
    /// - Parameter limit: rows at most, 1 to 10,000.
    public static func errors(ofAllJobs: Bool = false, limit: Int = 1_000) async throws -> [ErrorRow] {
        let runtime = try runtimeWithTables()
        let all = try await listing(.errors, [], Limits.listRows, nil) { $0.errors }
        let job = runtime.job
        return Array(all.rows.lazy.filter { ofAllJobs || $0.job == job }.prefix(try checked(limit)))
    }

    /// The resources of the cluster.
    public static func resources() async throws -> ClusterResources {
        let answer = try await runtimeWithTables().head(QueryState(tables: [.nodes], limit: 0))
        return ClusterResources(total: answer.resources ?? Resources(), available: answer.freeResources ?? Resources())
    }

    private static func listing<Row>(
        _ table: QueryState.Table, _ conditions: [RowCondition], _ limit: Int, _ after: String?, _ rows: (StateAnswer) -> [Row]
    ) async throws -> Listing<Row> {
        let runtime = try runtimeWithTables()
        var filters: [RowFilter] = []
        for condition in conditions {
            guard let filter = condition.filter else {
                throw MantaError(.invalidArgument, "the condition \"\(condition.text.prefix(64))\" is not understood; expected member=value or member!=value")
            }
            filters.append(filter)
        }
        let query = QueryState(tables: [table], limit: try checked(limit), filters: filters.isEmpty ? nil : filters, after: after)
        if table == .tasks || table == .errors { await runtime.flushReports() }
        let answer = try await runtime.head(query)
        let shown = rows(answer)
        let total = answer.totals[table.rawValue] ?? shown.count
        return Listing(
            rows: shown, total: total, states: answer.states?[table.rawValue] ?? [:], hasMore: answer.hasMore ?? (filters.isEmpty && after == nil && total > shown.count),
            warnings: answer.warnings ?? [])
    }

    private static func checked(_ limit: Int) throws(MantaError) -> Int {
        guard (1...Limits.listRows).contains(limit) else {
            throw MantaError(.invalidArgument, "a listing was asked for \(limit) rows; expected 1 to \(Limits.listRows)")
        }
        return limit
    }

    private static func runtimeWithTables() throws(MantaError) -> Runtime {
        guard let runtime = CurrentRuntime.get() else { throw CurrentRuntime.missing }
        guard let runtime = runtime as? Runtime else { throw MantaError(.unavailable, "the serial mode has no cluster whose tables could be listed") }
        return runtime
    }
}
