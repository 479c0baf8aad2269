// AdminSummary: the cluster in one object: is it well, how much of it is in use, how many of each thing there are, and in which states.
//
// Counts by state are of the rows that were read (the newest), totals of all rows.

package import MantaJSON
package import MantaModel
import MantaWire

extension AdminViews {
    /// The answer of `GET /api/v1/cluster` and the event `cluster`.
    package static func cluster(_ state: AdminState, version: String, now: WallTime) -> JSONValue {
        let head = state.head
        var (total, available) = (Resources(), Resources())
        for node in head.nodes where node.state != .dead {
            total += node.total
            available += node.available
        }
        let problems = problems(of: state, now: now)
        let living = head.nodes.contains { $0.state != .dead }
        let tasks = head.totals[AdminTable.tasks.rawValue] ?? head.tasks.count
        return [
            "cluster": .string(head.cluster.description), "version": .string(version), "startedAt": .integer(head.startedAt.milliseconds),
            "now": .integer(now.milliseconds), "health": .string(!living ? "empty" : problems.isEmpty ? "healthy" : "degraded"),
            "problems": .array(problems.map { .string($0) }),
            "nodes": counts(head.nodes.map(\.state.rawValue)),
            "resources": ["total": resources(total), "available": resources(available)],
            "totals": .object(JSONObject(uniqueMembers: AdminTable.allCases.map { ($0.rawValue, JSONValue(state.total(of: $0))) })),
            "jobs": counts(head.jobs.map(\.state.rawValue)),
            "tasks": counts(head.tasks.map(\.state.rawValue)),
            "actors": counts(head.actors.map(\.state.rawValue)),
            "objectBytes": JSONValue(head.objects.reduce(0) { $0 &+ $1.size }),
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

    private static func counts(_ states: [String]) -> JSONValue {
        var counts: [String: Int] = [:]
        for state in states { counts[state, default: 0] += 1 }
        return .object(JSONObject(uniqueMembers: counts.sorted { $0.key < $1.key }.map { ($0.key, JSONValue($0.value)) }))
    }
}
