// ListCommand: `manta list TABLE`: the rows of one table of the cluster.

import ArgumentParser
import MantaAdmin
import MantaJSON
import MantaModel

struct ListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists nodes, jobs, tasks, actors, objects, errors, endpoints, backends or replicas.",
        discussion: """
            Examples:
              manta list nodes
              manta list tasks --limit 20
              manta list actors --output json      an array of objects, with the members of the admin API
            """)

    @Argument(help: "\(AdminTable.allCases.map(\.rawValue).joined(separator: ", ")).") var table: AdminTable
    @Option(help: "Rows at most, newest first.") var limit = 100
    @OptionGroup var cluster: ClusterOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...Limits.listRows).contains(limit) else { throw ValidationError("--limit is \(limit); expected 1 to \(Limits.listRows)") }
    }

    func run() async throws {
        let state = try await cluster.withCluster { _, runtime in try await ClusterView(runtime: runtime).state(of: [table], limit: limit) }
        let rows = Array(try AdminViews.rows(table, of: state).prefix(limit))
        output.write(JSONValue(rows)) { table.text(of: rows) }
    }
}

extension AdminTable: ExpressibleByArgument {}
