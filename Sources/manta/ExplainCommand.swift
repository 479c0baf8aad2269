// ExplainCommand: `manta explain ID`: why something waits, where it was put and why, why it was tried again, why it died; what keeps an object.

import ArgumentParser
import Manta
import MantaJSON
import MantaModel
import MantaWire
import MantaWorker

struct ExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Says why a task, actor or placement group waits, where it was put and why, and why it died; and what keeps an object.",
        discussion: """
            Examples:
              manta explain 5f0c2ab19d3e44b7a1b2c3d4e5f60718
              manta explain 5f0c2ab1                          the first digits, except for tasks
              manta explain 5f0c2ab19d3e44b7a1b2c3d4e5f60718-0   an object: who made it, where it is, what keeps it, whether it can be made again
            """)

    @Argument(help: "An identifier, as `manta list` shows it.") var id: String
    @OptionGroup var cluster: ClusterOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let lines = try await cluster.withCluster { [id] _, runtime in try await runtime.head(Explain(id: id), deadline: ClusterOptions.patience).lines }
        output.write(["id": JSONValue(id), "lines": JSONValue(lines.map { JSONValue($0) })]) { lines.joined(separator: "\n") }
    }
}
