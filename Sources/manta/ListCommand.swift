// ListCommand: `manta list TABLE`: the rows of one table of the cluster.

import ArgumentParser
import MantaAdmin
import MantaJSON
import MantaModel

struct ListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists nodes, jobs, tasks, actors, placement groups, submitted jobs, objects, errors, endpoints, backends or replicas.",
        discussion: """
            Below a table that does not show all rows stands how many there are, and how to go on. Filters name members as --output json shows them;
            several must all hold, and capitals count as small letters.

            Examples:
              manta list nodes
              manta list tasks --limit 20
              manta list tasks --filter state=failed --filter function!=M.noise
              manta list actors --output json      an array of objects, with the members of the admin API
            """)

    @Argument(help: "\(AdminTable.allCases.map(\.rawValue).joined(separator: ", ")).") var table: AdminTable
    @Option(help: "Rows at most, newest first; 1 to \(Limits.listRows).") var limit = AdminFilter.defaultLimit
    @Option(name: [.short, .long], help: "Only rows whose member is the value, or is not: MEMBER=VALUE, MEMBER!=VALUE. May be given several times.") var filter: [String] = []
    @Option(help: "Go on behind the row of this ID.") var after: String?
    @OptionGroup var cluster: ClusterOptions
    @OptionGroup var output: OutputOptions

    func validate() throws { _ = try rows() }

    func run() async throws {
        let rows = try rows()
        let listing = try await cluster.withCluster { _, runtime in try await ClusterView(runtime: runtime).listing(of: table, rows) }
        for warning in listing.warnings { CommandFailure.report(CommandFailure("warning: \(warning)")) }
        output.write(JSONValue(listing.rows)) { text(listing) }
    }

    /// The command line's wish as the admin API would hear it.
    private func rows() throws(ValidationError) -> AdminFilter {
        var parameters = [(name: "limit", value: "\(limit)")]
        if let after { parameters.append(("after", after)) }
        parameters += try Self.parameters(of: filter)
        do throws(MantaError) { return try AdminFilter(parameters, of: table) } catch { throw ValidationError(error.message) }
    }

    /// Conditions as the admin API has them in its queries.
    static func parameters(of conditions: [String]) throws(ValidationError) -> [(name: String, value: String)] {
        var parameters: [(name: String, value: String)] = []
        for condition in conditions {
            let parts = condition.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2, !["limit", "after"].contains(parts[0]) else {
                throw ValidationError("--filter \(condition): expected MEMBER=VALUE or MEMBER!=VALUE")
            }
            parameters.append((parts[0], parts[1]))
        }
        return parameters
    }

    private func text(_ listing: AdminListing) -> String {
        var text = listing.rows.isEmpty && (!filter.isEmpty || after != nil) ? "no such \(table.rawValue)" : table.text(of: listing.rows)
        guard listing.rows.count < listing.total else { return text }
        let states = (listing.states ?? [:]).sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        text += "\n\n\(listing.rows.count) of \(listing.total) \(table.rawValue)\(states.isEmpty ? "" : " (\(states))")"
        if let next = listing.next { text += "; for more: --after \(next), or --limit up to \(Limits.listRows)" }
        return text
    }
}

extension AdminTable: ExpressibleByArgument {}
