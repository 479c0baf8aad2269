// SubmissionBook: programs that the cluster was asked to run: where each goes, and how it ended.
//
// Life of a submission: 1. pending: waits for a node with room 2. ordered to a node 3. running 4. succeeded, failed or stopped. It runs at most once: one
// whose node is lost has failed. The latest ended ones are remembered until they are deleted.

package import MantaModel

package struct SubmissionBook: Sendable {
    /// A submission as it is kept in the store.
    package struct Entry: Hashable, Sendable, Codable {
        package var specification: SubmissionSpecification
        package var row: SubmissionRow
        /// Somebody asked it to end.
        package var isStopping = false
    }

    package enum Action: Hashable, Sendable {
        case start(SubmissionSpecification, on: NodeID)
        case stop(String, on: NodeID)
        case persist(Entry)
        case forget(String)
    }

    private struct NodeRoom: Sendable {
        var total: Resources
        var available: Resources
    }

    /// Submissions that have ended and are remembered.
    private static let endedLimit = 1_000
    private static let waitingLimit = 10_000

    private var entries: [String: Entry] = [:]
    /// In the order in which they came.
    private var order: [String] = []
    private var nodes: [NodeID: NodeRoom] = [:]
    private var isRecovering = false

    package init() {}

    package var count: Int { entries.count }
    package subscript(_ id: String) -> Entry? { entries[id] }

    /// Newest first.
    package func rows(limit: Int) -> [SubmissionRow] { order.reversed().prefix(max(0, limit)).compactMap { entries[$0]?.row } }

    package mutating func restore(_ stored: [Entry]) {
        for entry in stored.sorted(by: { ($0.row.submittedAt, $0.row.id) < ($1.row.submittedAt, $1.row.id) }) {
            entries[entry.row.id] = entry
            order.append(entry.row.id)
        }
        isRecovering = !stored.isEmpty
    }

    // MARK: What people ask

    package mutating func submit(_ specification: SubmissionSpecification, time: WallTime, _ sink: (Action) -> Void) throws(MantaError) -> SubmissionRow {
        if let complaint = specification.complaint { throw MantaError(.invalidArgument, complaint) }
        let id = specification.id
        if entries[id] != nil { throw MantaError(.alreadyExists, "a job with the id \"\(id)\" already exists; choose another id, or delete that job") }
        guard entries.values.count(where: { $0.row.state == .pending }) < Self.waitingLimit else {
            throw MantaError(.overloaded, "\(Self.waitingLimit) jobs wait to be run; submit more when some have ended")
        }
        entries[id] = Entry(
            specification: specification,
            row: SubmissionRow(id: id, state: .pending, entrypoint: specification.entrypoint, metadata: specification.metadata, submittedAt: time))
        order.append(id)
        place(sink)
        persist(id, sink)
        forgetOldest(sink)
        return entries[id]!.row
    }

    /// Ends a job; one that has ended stays as it is. Returns whether there was something to end.
    package mutating func stop(_ id: String, time: WallTime, _ sink: (Action) -> Void) throws(MantaError) -> Bool {
        guard let entry = entries[id] else { throw Self.unknown(id) }
        guard !entry.row.state.successors.isEmpty else { return false }
        entries[id]!.isStopping = true
        if let node = entry.row.node { sink(.stop(id, on: node)) } else { end(id, .stopped, message: "it was stopped before it ran", time: time) }
        persist(id, sink)
        return true
    }

    package mutating func delete(_ id: String, _ sink: (Action) -> Void) throws(MantaError) {
        guard let entry = entries[id] else { throw Self.unknown(id) }
        guard entry.row.state.successors.isEmpty else {
            throw MantaError(.conflict, "job \"\(id)\" is \(entry.row.state.rawValue), which is not the end of a job; stop it first")
        }
        forget(id, sink)
    }

    package static func unknown(_ id: String) -> MantaError { MantaError(.notFound, "there is no job with the id \"\(id.prefix(128))\"") }

    // MARK: What nodes say

    /// A node registered, with the jobs it runs.
    package mutating func nodeJoined(_ id: NodeID, total: Resources, available: Resources, running: [String], time: WallTime, _ sink: (Action) -> Void) {
        nodes[id] = NodeRoom(total: total.plain, available: available.plain)
        let running = Set(running)
        for entry in entries.values where entry.row.node == id && !entry.row.state.successors.isEmpty && !running.contains(entry.row.id) {
            // The order may be on its way; a node takes it twice as once.
            if entry.row.state == .pending { sink(.start(entry.specification, on: id)) } else { lose(entry.row.id, "node \(id.short) no longer runs it", time, sink) }
        }
        for job in running.sorted() where entries[job]?.isStopping == true { sink(.stop(job, on: id)) }
        place(sink)
    }

    package mutating func nodeUpdated(_ id: NodeID, available: Resources, _ sink: (Action) -> Void) {
        guard nodes[id] != nil else { return }
        nodes[id]!.available = available.plain
        place(sink)
    }

    package mutating func nodeDied(_ id: NodeID, reason: String, time: WallTime, _ sink: (Action) -> Void) {
        nodes[id] = nil
        for entry in entries.values where entry.row.node == id && !entry.row.state.successors.isEmpty {
            lose(entry.row.id, "its node died: \(reason)", time, sink)
        }
    }

    /// Every node of before the head's restart has spoken, or is gone.
    package mutating func recoveryIsComplete(time: WallTime, _ sink: (Action) -> Void) {
        guard isRecovering else { return }
        isRecovering = false
        for entry in entries.values {
            guard let node = entry.row.node, nodes[node] == nil, !entry.row.state.successors.isEmpty else { continue }
            lose(entry.row.id, "its node was lost while the head was away", time, sink)
        }
        place(sink)
    }

    package mutating func started(_ id: String, pid: Int32, time: WallTime, _ sink: (Action) -> Void) {
        guard entries[id]?.row.state == .pending else { return }
        entries[id]!.row.state = .running
        (entries[id]!.row.pid, entries[id]!.row.startedAt, entries[id]!.row.message) = (pid, time, nil)
        persist(id, sink)
    }

    /// The process has ended, or could not be started (`exitCode` nil).
    package mutating func ended(_ id: String, exitCode: Int32?, message: String, time: WallTime, _ sink: (Action) -> Void) {
        guard let entry = entries[id], !entry.row.state.successors.isEmpty else { return }
        entries[id]!.row.exitCode = exitCode
        end(id, entry.isStopping ? .stopped : exitCode == 0 ? .succeeded : .failed, message: message, time: time)
        persist(id, sink)
        forgetOldest(sink)
    }

    private mutating func lose(_ id: String, _ reason: String, _ time: WallTime, _ sink: (Action) -> Void) {
        end(id, entries[id]!.isStopping ? .stopped : .failed, message: reason, time: time)
        persist(id, sink)
    }

    private mutating func end(_ id: String, _ state: SubmissionState, message: String, time: WallTime) {
        entries[id]!.row.state = state
        (entries[id]!.row.message, entries[id]!.row.endedAt) = (message, time)
    }

    // MARK: Placing

    private mutating func place(_ sink: (Action) -> Void) {
        for id in order {
            guard let entry = entries[id], entry.row.state == .pending, entry.row.node == nil else { continue }
            let demand = entry.specification.resources
            let fitting = nodes.filter { $0.value.available.covers(demand) }
            // The emptiest leaves room for others where they are.
            let best = fitting.max { ($0.value.available[Resources.cpu], $1.key) < ($1.value.available[Resources.cpu], $0.key) }
            guard let node = best?.key else {
                let could = nodes.values.contains { $0.total.covers(demand) }
                entries[id]!.row.message =
                    nodes.isEmpty
                    ? "it waits for a node" : could ? "it waits for resources: it needs \(demand), which others hold" : "it waits for resources: it needs \(demand), and no node has as much; add such a node, or ask for less"
                continue
            }
            nodes[node]!.available -= demand
            entries[id]!.row.node = node
            entries[id]!.row.message = nil
            sink(.start(entry.specification, on: node))
        }
    }

    private func persist(_ id: String, _ sink: (Action) -> Void) { if let entry = entries[id] { sink(.persist(entry)) } }

    private mutating func forget(_ id: String, _ sink: (Action) -> Void) {
        entries[id] = nil
        order.removeAll { $0 == id }
        sink(.forget(id))
    }

    private mutating func forgetOldest(_ sink: (Action) -> Void) {
        let ended = order.filter { entries[$0]?.row.state.successors.isEmpty == true }
        for id in ended.dropLast(Self.endedLimit) { forget(id, sink) }
    }
}
