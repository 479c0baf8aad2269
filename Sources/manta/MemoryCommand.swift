// MemoryCommand: `manta memory`: the objects of the cluster, what keeps each, how much of its memory they hold, and how full the stores of its nodes are.

import ArgumentParser
import MantaAdmin
import MantaJSON
import MantaLoop
import MantaModel
import MantaWire
import MantaWorker

struct MemoryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "memory", abstract: "Shows objects, why they are kept, and the memory they hold.",
        discussion: """
            Examples:
              manta memory                               the largest objects, and the totals of each node
              manta memory --group-by source             which functions' results hold the memory
              manta memory --sort-by age --limit 20      the oldest of them
              manta memory --units MiB
              manta memory --stats-only                  no objects: totals, and the stores of the nodes
              manta memory --output json
            """)

    enum Grouping: String, ExpressibleByArgument, CaseIterable {
        case node, owner, source
    }
    enum Order: String, ExpressibleByArgument, CaseIterable {
        case size, age
    }
    enum Unit: String, ExpressibleByArgument, CaseIterable {
        case bytes = "B", kibibytes = "KiB", mebibytes = "MiB", gibibytes = "GiB"
        var size: Double {
            switch self {
            case .bytes: 1
            case .kibibytes: 1024
            case .mebibytes: 1024 * 1024
            case .gibibytes: 1024 * 1024 * 1024
            }
        }
    }

    @Option(help: "What the totals below the table are of: node, owner or source.") var groupBy = Grouping.node
    @Option(help: "size, the largest first, or age, the oldest first.") var sortBy = Order.size
    @Option(help: "B, KiB, MiB or GiB; what fits each size when not given.") var units: Unit?
    @Option(help: "Rows at most; 1 to \(Limits.listRows). The largest are looked at.") var limit = AdminFilter.defaultLimit
    @Flag(help: "Totals and stores only; no process is asked for its objects.") var statsOnly = false
    @OptionGroup var cluster: ClusterOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...Limits.listRows).contains(limit) else { throw ValidationError("--limit \(limit): expected 1 to \(Limits.listRows)") }
        guard !statsOnly || groupBy == .node else { throw ValidationError("--stats-only looks at no objects: it has the totals of nodes, not of each \(groupBy.rawValue)") }
    }

    func run() async throws {
        let objects = QueryState(tables: [.objects], limit: statsOnly ? 0 : Limits.listRows)
        let (head, nodes) = try await cluster.withCluster { _, runtime in
            (
                try await runtime.head(objects, deadline: ClusterOptions.patience),
                try await runtime.head(QueryState(tables: [.nodes], limit: Limits.listRows), deadline: ClusterOptions.patience).nodes
            )
        }
        for warning in head.warnings ?? [] { CommandFailure.report(CommandFailure("warning: \(warning)")) }
        let rows = sortBy == .size ? head.objects : head.objects.sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
        var state = AdminState(head: head)
        state.head.objects = Array(rows.prefix(limit))
        let shown = state.head.objects
        let groups = groups(of: head)
        let value: JSONValue = [
            "objects": .array(try AdminViews.rows(.objects, of: state)),
            "total": JSONValue(head.totals[AdminTable.objects.rawValue] ?? rows.count), "bytes": JSONValue(head.objectBytes ?? 0),
            "groups": .array(groups.map { [groupBy.rawValue: .string($0.name), "objects": JSONValue($0.objects), "bytes": JSONValue($0.bytes)] }),
            "stores": .array(try nodes.compactMap(AdminViews.store)),
        ]
        let now = WallTime.now
        output.write(value) {
            [text(shown, groups, total: head.totals[AdminTable.objects.rawValue] ?? rows.count, now: now), stores(nodes)].compactMap(\.self).joined(separator: "\n\n")
        }
    }

    /// One line for each node's store: how full it is, and what has moved since it started, with what moves now.
    private func stores(_ nodes: [NodeRow]) -> String? {
        var table = TextTable(["NODE", "STORE", "USED", "OBJECTS", "ON DISK", "SPILLED", "RESTORED", "EVICTED", "FETCHED", "NOW"])
        let living = nodes.filter { $0.store != nil }.sorted { $0.id < $1.id }
        for node in living {
            guard let store = node.store else { continue }
            table.add([
                node.id.short, size(store.capacity), size(store.used), "\(store.objects)", "\(store.spilledObjects) (\(size(store.spilledBytes)))",
                "\(store.spills) (\(size(store.spillBytes)))", "\(store.restores) (\(size(store.restoreBytes)))", "\(store.evictions)",
                "\(store.fetches) (\(size(store.fetchBytes)))", node.storeRates?.plain ?? "-",
            ])
        }
        return living.isEmpty ? nil : table.text
    }

    private struct Group {
        var name: String
        var objects: Int
        var bytes: Int
    }

    /// Nodes count all their objects; owners and sources those that were listed.
    private func groups(of head: StateAnswer) -> [Group] {
        if groupBy == .node { return (head.objectTotals ?? []).map { Group(name: $0.node.description, objects: $0.objects, bytes: $0.bytes) } }
        var groups: [String: Group] = [:]
        for row in head.objects {
            let name = groupBy == .owner ? row.owner.description : row.source
            groups[name, default: Group(name: name, objects: 0, bytes: 0)].objects += 1
            groups[name]!.bytes += row.size
        }
        return groups.values.sorted { ($0.bytes, $1.name) > ($1.bytes, $0.name) }
    }

    private func text(_ rows: [ObjectRow], _ groups: [Group], total: Int, now: WallTime) -> String {
        guard total > 0 else { return "no objects" }
        var table = TextTable(["OBJECT", "SIZE", "OWNER PID", "NODE", "STATE", "IN", "KEPT BY", "AGE", "TRY", "SOURCE"])
        for row in rows {
            table.add([
                row.id.description, size(row.size), "\(row.ownerPid)", row.node?.short ?? "-", row.state.rawValue, row.place ?? "-",
                row.reasons.isEmpty ? "-" : row.reasons.joined(separator: ", "), age(now.milliseconds - row.createdAt.milliseconds),
                row.attempt.map { "\($0)" } ?? "-", row.source,
            ])
        }
        var totals = TextTable([groupBy.rawValue.uppercased(), "OBJECTS", "SIZE"])
        for group in groups { totals.add([groupBy == .source ? group.name : String(group.name.prefix(8)), "\(group.objects)", size(group.bytes)]) }
        if statsOnly { return "\(total) objects\n\n\(totals.text)" }
        let more = rows.count < total ? "\n\n\(rows.count) of \(total) objects" : ""
        return "\(table.text)\(more)\n\n\(totals.text)"
    }

    private func size(_ bytes: Int) -> String {
        guard let units else { return AdminViews.bytes(Int64(bytes)) }
        return "\(units == .bytes ? "\(bytes)" : "\((Double(bytes) / units.size * 100).rounded() / 100)") \(units.rawValue)"
    }

    /// `850 ms`, `12 s`, `3 min`, `5 h`.
    private func age(_ milliseconds: Int64) -> String {
        switch milliseconds {
        case ..<1_000: "\(max(0, milliseconds)) ms"
        case ..<120_000: "\(milliseconds / 1_000) s"
        case ..<7_200_000: "\(milliseconds / 60_000) min"
        default: "\(milliseconds / 3_600_000) h"
        }
    }
}
