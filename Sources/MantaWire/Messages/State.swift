// State: what processes tell the head for people to see, and how it is asked for.

package import MantaModel

/// Any process → head, in batches: what became of tasks. Later records of a task replace earlier ones. Thousands in a second, so written and read by hand.
package struct ReportTasks: WireMessage, Hashable {
    package static var kind: MessageKind { .reportTasks }
    package var tasks: [TaskRow]
    /// Records left out because there were too many.
    package var dropped: Int
    /// How many tasks and calls of the process have not ended, by state, when that has changed; most often not written.
    package var unfinished: [String: Int]?
    /// What the process did beside, and how much of that was left out; most often nothing, and then not written.
    package var spans: [WorkSpan] = []
    package var droppedSpans = 0
    package init(tasks: [TaskRow], dropped: Int, unfinished: [String: Int]? = nil) { (self.tasks, self.dropped, self.unfinished) = (tasks, dropped, unfinished) }
    package func encode(into writer: inout MessagePackWriter) throws(MantaError) {
        writer.writeArrayHeader(!spans.isEmpty ? 5 : unfinished == nil ? 2 : 3)
        writer.writeArrayHeader(tasks.count)
        for row in tasks { try writer.write(row) }
        writer.write(dropped)
        if !spans.isEmpty { try writer.writeCodable(unfinished) } else if let unfinished { try ValueEncoder.encode(unfinished, into: &writer) }
        if spans.isEmpty { return }
        try writer.writeCodable(spans)
        writer.write(droppedSpans)
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        let count = try reader.readArrayHeader(atLeast: 2)
        tasks = []
        for _ in 0..<(try reader.readArrayHeader()) { tasks.append(try reader.readTaskRow()) }
        dropped = try reader.readInt()
        if count > 2 { unfinished = try reader.readCodable() }
        if count > 4 {
            spans = try reader.readCodable() ?? []
            droppedSpans = try reader.readInt()
        }
        try reader.skipFields(from: 5, to: count)
    }
}

extension MessagePackWriter {
    fileprivate mutating func write(_ row: TaskRow) throws(MantaError) {
        let fields = row.placementGroup != nil ? 18 : row.pid != nil ? 17 : row.placement != nil ? 16 : row.name != nil ? 15 : 14
        writeArrayHeader(fields)
        write(row.id)
        write(row.job)
        write(row.function)
        write(row.state.rawValue)
        write(row.actor)
        write(row.node)
        write(row.worker)
        write(row.parent)
        write(row.attempt)
        write(row.submittedAt.milliseconds)
        write(row.startedAt?.milliseconds)
        write(row.endedAt?.milliseconds)
        write(row.error)
        try writeCodable(row.attempts)
        if fields > 14 { write(row.name) }
        if fields > 15 { write(row.placement?.rawValue) }
        if fields > 16 { write(row.pid.map(Int64.init)) }
        if fields > 17 { write(row.placementGroup) }
    }
}

extension MessagePackReader {
    fileprivate mutating func readTaskRow() throws(MantaError) -> TaskRow {
        let count = try readArrayHeader(atLeast: 14)
        let (id, job, function): (TaskID, JobID, String) = (try readIdentifier(), try readIdentifier(), try readString())
        guard let state = TaskState(rawValue: try readString()) else { throw unexpected("a task's state") }
        let (actor, node): (ActorID?, NodeID?) = (try readOptionalIdentifier(), try readOptionalIdentifier())
        let (worker, parent): (ProcessID?, TaskID?) = (try readOptionalIdentifier(), try readOptionalIdentifier())
        let (attempt, submittedAt) = (try readInt(), WallTime(milliseconds: try readInt64()))
        let startedAt = try readOptionalInt64().map { WallTime(milliseconds: $0) }
        let endedAt = try readOptionalInt64().map { WallTime(milliseconds: $0) }
        var row = TaskRow(
            id: id, job: job, function: function, state: state, actor: actor, node: node, worker: worker, parent: parent, attempt: attempt,
            submittedAt: submittedAt, startedAt: startedAt, endedAt: endedAt, error: try readOptionalString())
        row.attempts = try readCodable()
        if count > 14 { row.name = try readOptionalString() }
        if count > 15 { row.placement = try readOptionalString().flatMap { PlacementReason(rawValue: $0) } }
        if count > 16 { row.pid = try readOptionalInt64().map { Int32(truncatingIfNeeded: $0) } }
        if count > 17 { row.placementGroup = try readOptionalIdentifier() }
        try skipFields(from: 18, to: count)
        return row
    }
}

/// Any process → head: errors for people to see.
package struct ReportErrors: CodedMessage, Hashable {
    package static var kind: MessageKind { .reportErrors }
    package var errors: [ErrorRow]
    package init(errors: [ErrorRow]) { self.errors = errors }
}

/// Node → driver, or node → head → driver where the node has no link to it: what a worker of the driver's job printed.
package struct WorkerOutput: CodedMessage, Hashable {
    package static var kind: MessageKind { .workerOutput }
    package var job: JobID
    /// What the worker runs: a function, or the type of an actor.
    package var source: String
    package var worker: ProcessID
    package var pid: Int32
    package var node: NodeID
    /// Whether it was printed to standard error.
    package var isError: Bool
    package var lines: [String]
    /// Bytes left out because there were too many; the worker's file has them.
    package var skipped: Int
    package init(job: JobID, source: String, worker: ProcessID, pid: Int32, node: NodeID, isError: Bool, lines: [String], skipped: Int) {
        (self.job, self.source, self.worker, self.pid, self.node) = (job, source, worker, pid, node)
        (self.isError, self.lines, self.skipped) = (isError, lines, skipped)
    }
}

/// Admin, command line → head: rows of the named tables, newest first, at most `limit` of each. Answered, or failed with `invalidArgument` or `notFound`.
package struct QueryState: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .queryState }
    package typealias Reply = StateAnswer
    package enum Table: String, Codable, Sendable, CaseIterable { case nodes, jobs, tasks, actors, objects, errors, placementGroups, submissions }
    package var tables: [Table]
    package var limit: Int
    /// What every row must meet; errors are not filtered here. Only with a single table.
    package var filters: [RowFilter]?
    /// The key of the row behind which the listing goes on. Only with a single table.
    package var after: String?
    package init(tables: [Table], limit: Int, filters: [RowFilter]? = nil, after: String? = nil) {
        (self.tables, self.limit, self.filters, self.after) = (tables, limit, filters, after)
    }
}

/// Admin, command line → head: the spans that it keeps, the latest first.
package struct QuerySpans: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .querySpans }
    package typealias Reply = SpansFound
    package init() {}
}

package struct SpansFound: CodedMessage, Hashable {
    package static var kind: MessageKind { .spansFound }
    package var spans: [WorkSpan]
    /// Left out by processes, and pushed out by later ones.
    package var dropped: Int
    package init(spans: [WorkSpan], dropped: Int) { (self.spans, self.dropped) = (spans, dropped) }
}

package struct StateAnswer: CodedMessage, Hashable {
    package static var kind: MessageKind { .stateAnswer }
    package var cluster: ClusterID
    package var startedAt: WallTime
    package var nodes: [NodeRow]
    package var jobs: [JobRow]
    package var tasks: [TaskRow]
    package var actors: [ActorRow]
    package var objects: [ObjectRow]
    package var errors: [ErrorRow]
    package var placementGroups: [PlacementGroupRow]?
    package var submissions: [SubmissionRow]?
    /// How many rows there are in all that meet the filters, by table.
    package var totals: [String: Int]
    /// Task records that were dropped on the way or pushed out of the ring.
    package var droppedTasks: Int
    /// How many of all those rows are in which state, by table; for tables whose rows have states.
    package var states: [String: [String: Int]]?
    /// Bytes of all objects.
    package var objectBytes: Int?
    /// The objects of each node that answered.
    package var objectTotals: [ObjectTotals]?
    /// What all nodes that are not dead have, and what of it is free.
    package var resources: Resources?
    package var freeResources: Resources?
    /// Requests for workers that wait at the nodes, and what for, the most important ones; with the nodes.
    package var waitingRequests: Int?
    package var demands: [DemandRow]?
    /// Tasks and calls that have not ended, by state, as their owners said last; with the tasks.
    package var unfinishedTasks: [String: Int]?
    /// Whether there are more rows behind the last one that was asked for with `after` or filters.
    package var hasMore: Bool?
    /// What is missing in this answer and why, as sentences.
    package var warnings: [String]?
    package init(cluster: ClusterID, startedAt: WallTime) {
        (self.cluster, self.startedAt) = (cluster, startedAt)
        (nodes, jobs, tasks, actors, objects, errors, totals, droppedTasks) = ([], [], [], [], [], [], [:], 0)
    }
}
