// AdminSummary: the cluster in one object: is it well, how much of it is in use, how many of each thing there are, and in which states.
//
// All numbers are of all rows that the head keeps, not only of those that were read, except for the errors of late.

package import MantaJSON
package import MantaModel
import MantaWire

extension AdminViews {
    /// The answer of `GET /api/v1/cluster` and the event `cluster`.
    package static func cluster(_ state: AdminState, version: String, now: WallTime) -> JSONValue {
        let head = state.head
        let problems = problems(of: state, now: now)
        let living = (state.states(of: .nodes) ?? [:]).contains { $0.key != NodeState.dead.rawValue && $0.value > 0 }
        let tasks = head.totals[AdminTable.tasks.rawValue] ?? head.tasks.count
        return [
            "cluster": .string(head.cluster.description), "version": .string(version), "startedAt": .integer(head.startedAt.milliseconds),
            "now": .integer(now.milliseconds), "health": .string(!living ? "empty" : problems.isEmpty ? "healthy" : "degraded"),
            "problems": .array(problems.map { .string($0) }),
            "nodes": counts(.nodes, state),
            "resources": ["total": resources(head.resources ?? Resources()), "available": resources(head.freeResources ?? Resources())],
            "unfinishedTasks": counts(head.unfinishedTasks ?? [:]), "waitingRequests": JSONValue(head.waitingRequests ?? 0),
            "demands": .array(
                (head.demands ?? []).map { ["resources": resources($0.resources), "count": JSONValue($0.count), "infeasible": .bool($0.infeasible)] }),
            "totals": .object(JSONObject(uniqueMembers: AdminTable.allCases.map { ($0.rawValue, JSONValue(state.total(of: $0))) })),
            "jobs": counts(.jobs, state), "tasks": counts(.tasks, state), "actors": counts(.actors, state), "objects": counts(.objects, state),
            "backends": counts(.backends, state), "replicas": counts(.replicas, state),
            "objectBytes": JSONValue(head.objectBytes ?? 0),
            // Of all tasks that were ever reported, some are no longer kept.
            "tasksSeen": JSONValue(tasks + head.droppedTasks), "droppedTasks": JSONValue(head.droppedTasks),
            "recentErrors": JSONValue(head.errors.count { isRecent($0.at, now: now) }),
        ]
    }

    /// What an operator should look at, in sentences.
    private static func problems(of state: AdminState, now: WallTime) -> [String] {
        var problems: [String] = []
        for node in state.head.nodes where node.state == .suspect { problems.append("node \(node.host) (\(node.id.short)) does not answer") }
        let lost = state.head.errors.count { $0.code == MantaError.Code.nodeDied.rawValue && isRecent($0.at, now: now) }
        if lost > 0 { problems.append(lost == 1 ? "a node was lost" : "\(lost) nodes were lost") }
        for backend in state.serve.backends.sorted(by: { $0.description.name < $1.description.name }) where backend.status.state == .failed {
            problems.append("backend \(backend.description.name) fails")
        }
        return problems
    }

    private static func isRecent(_ time: WallTime, now: WallTime) -> Bool { now.milliseconds - time.milliseconds < recent.inMilliseconds }

    private static func counts(_ table: AdminTable, _ state: AdminState) -> JSONValue { counts(state.states(of: table) ?? [:]) }

    /// `{"alive": 3, "dead": 1}`.
    static func counts(_ states: [String: Int]) -> JSONValue {
        .object(JSONObject(uniqueMembers: states.sorted { $0.key < $1.key }.map { ($0.key, JSONValue($0.value)) }))
    }
}
