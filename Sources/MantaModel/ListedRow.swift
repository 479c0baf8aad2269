// ListedRow: rows whose members can be asked for by name, as text. RowFilter: one condition of a listing. Members are named as they are shown.

/// A row that listings can be filtered by.
package protocol ListedRow: Sendable {
    /// Every member that a listing shows, by its name there.
    static var members: [RowMember<Self>] { get }
    /// What names the row in its table.
    var key: String { get }
    /// The name of the state it is in.
    var stateName: String { get }
}

/// A member of a row, as text; nil when this row has none.
package struct RowMember<Row: Sendable>: Sendable {
    package let name: String
    package let text: @Sendable (Row) -> String?

    init(_ name: String, _ text: @escaping @Sendable (Row) -> String?) { (self.name, self.text) = (name, text) }
}

/// A condition: a member is, or is not, a value. Letters count as equal in capitals and small.
package struct RowFilter: Codable, Hashable, Sendable {
    package var member: String
    package var value: String
    /// Whether rows with the value are wanted, or all others.
    package var isEqual: Bool

    package init(_ member: String, isEqual: Bool = true, _ value: String) { (self.member, self.value, self.isEqual) = (member, value, isEqual) }

    /// Whether a row with this member's text is wanted; an absent member is the empty text.
    package func accepts(_ text: String?) -> Bool {
        let text = text ?? ""
        return (text == value || text.utf8.count == value.utf8.count && text.lowercased() == value.lowercased()) == isEqual
    }
}

extension NodeRow: ListedRow {
    package static let members: [RowMember<Self>] = [
        RowMember("id") { $0.id.description }, RowMember("state") { $0.state.rawValue }, RowMember("host") { $0.host }, RowMember("endpoint") { $0.endpoint },
        RowMember("pid") { "\($0.pid)" }, RowMember("total") { $0.total.description }, RowMember("available") { $0.available.description },
        RowMember("workers") { "\($0.workers)" }, RowMember("startedAt") { "\($0.startedAt.milliseconds)" },
        RowMember("labels") { $0.labels?.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",") },
        RowMember("store") { $0.store?.plain }, RowMember("storeRates") { $0.storeRates?.plain },
    ]
    package var key: String { id.description }
    package var stateName: String { state.rawValue }
}

extension JobRow: ListedRow {
    package static let members: [RowMember<Self>] = [
        RowMember("id") { $0.id.description }, RowMember("state") { $0.state.rawValue }, RowMember("program") { $0.program }, RowMember("namespace") { $0.namespace },
        RowMember("pid") { "\($0.pid)" }, RowMember("startedAt") { "\($0.startedAt.milliseconds)" }, RowMember("endedAt") { $0.endedAt.map { "\($0.milliseconds)" } },
    ]
    package var key: String { id.description }
    package var stateName: String { state.rawValue }
}

extension TaskRow: ListedRow {
    package static let members: [RowMember<Self>] = [
        RowMember("id") { $0.id.description }, RowMember("job") { $0.job.description }, RowMember("function") { $0.function },
        RowMember("name") { $0.name }, RowMember("placement") { $0.placement?.rawValue }, RowMember("state") { $0.state.rawValue },
        RowMember("actor") { $0.actor?.description }, RowMember("node") { $0.node?.description }, RowMember("worker") { $0.worker?.description },
        RowMember("pid") { $0.pid.map { "\($0)" } }, RowMember("placementGroup") { $0.placementGroup?.description },
        RowMember("parent") { $0.parent?.description }, RowMember("attempt") { "\($0.attempt)" }, RowMember("submittedAt") { "\($0.submittedAt.milliseconds)" },
        RowMember("startedAt") { $0.startedAt.map { "\($0.milliseconds)" } }, RowMember("endedAt") { $0.endedAt.map { "\($0.milliseconds)" } },
        RowMember("error") { $0.error }, RowMember("attempts") { $0.attempts.map { "\($0.count)" } },
    ]
    package var key: String { id.description }
    package var stateName: String { state.rawValue }
}

extension ActorRow: ListedRow {
    package static let members: [RowMember<Self>] = [
        RowMember("id") { $0.id.description }, RowMember("type") { $0.type }, RowMember("name") { $0.name }, RowMember("namespace") { $0.namespace },
        RowMember("detached") { "\($0.detached)" }, RowMember("state") { $0.state.rawValue }, RowMember("pid") { $0.pid.map { "\($0)" } },
        RowMember("node") { $0.node?.description }, RowMember("job") { $0.job.description }, RowMember("restarts") { "\($0.restarts)" },
        RowMember("createdAt") { "\($0.createdAt.milliseconds)" }, RowMember("endedAt") { $0.endedAt.map { "\($0.milliseconds)" } },
        RowMember("death") { $0.death?.kind.rawValue }, RowMember("reason") { $0.reason },
        RowMember("placementGroup") { $0.placementGroup?.description },
    ]
    package var key: String { id.description }
    package var stateName: String { state.rawValue }
}

extension PlacementGroupRow: ListedRow {
    package static let members: [RowMember<Self>] = [
        RowMember("id") { $0.id.description }, RowMember("name") { $0.name }, RowMember("namespace") { $0.namespace }, RowMember("state") { $0.state.rawValue },
        RowMember("strategy") { $0.strategy.rawValue }, RowMember("bundles") { "\($0.bundles.count)" }, RowMember("job") { $0.job.description },
        RowMember("detached") { "\($0.detached)" }, RowMember("createdAt") { "\($0.createdAt.milliseconds)" }, RowMember("reason") { $0.reason },
    ]
    package var key: String { id.description }
    package var stateName: String { state.rawValue }
}

extension SubmissionRow: ListedRow {
    package static let members: [RowMember<Self>] = [
        RowMember("id") { $0.id }, RowMember("state") { $0.state.rawValue }, RowMember("entrypoint") { $0.entrypoint.joined(separator: " ") },
        RowMember("node") { $0.node?.description }, RowMember("pid") { $0.pid.map { "\($0)" } }, RowMember("exitCode") { $0.exitCode.map { "\($0)" } },
        RowMember("message") { $0.message }, RowMember("metadata") { "\($0.metadata.count)" }, RowMember("submittedAt") { "\($0.submittedAt.milliseconds)" },
        RowMember("startedAt") { $0.startedAt.map { "\($0.milliseconds)" } }, RowMember("endedAt") { $0.endedAt.map { "\($0.milliseconds)" } },
    ]
    package var key: String { id }
    package var stateName: String { state.rawValue }
}

extension ObjectRow: ListedRow {
    package static let members: [RowMember<Self>] = [
        RowMember("id") { $0.id.description }, RowMember("state") { $0.state.rawValue }, RowMember("size") { "\($0.size)" }, RowMember("owner") { $0.owner.description },
        RowMember("ownerPid") { "\($0.ownerPid)" }, RowMember("node") { $0.node?.description }, RowMember("source") { $0.source },
        RowMember("createdAt") { "\($0.createdAt.milliseconds)" }, RowMember("location") { $0.location?.rawValue }, RowMember("local") { "\($0.local)" },
        RowMember("pins") { "\($0.pins)" }, RowMember("pinnedBy") { $0.pinnedBy?.description }, RowMember("borrowers") { "\($0.borrowers)" },
        RowMember("containers") { "\($0.containers)" }, RowMember("containedIn") { $0.containedIn?.description }, RowMember("forGood") { "\($0.forGood)" },
        RowMember("copies") { $0.copies?.map(\.node.description).joined(separator: ",") }, RowMember("copyCount") { $0.copyCount.map { "\($0)" } },
        RowMember("borrowedBy") { $0.borrowedBy?.map(\.description).joined(separator: ",") }, RowMember("attempt") { $0.attempt.map { "\($0)" } },
    ]
    package var key: String { id.description }
    package var stateName: String { state.rawValue }
}
