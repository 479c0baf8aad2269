// ServeCommand: `manta serve deploy FILE` and `manta serve status`: what is served, from a file, and how it is.

import ArgumentParser
import Manta
import MantaAdmin
import MantaJSON
import MantaModel
import MantaServe

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Deploys backends and endpoints, and shows how they are.",
        discussion: "Examples:\n  manta serve deploy config/serve.yaml\n  manta serve status", subcommands: [Deploy.self, Status.self])

    struct Deploy: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "deploy", abstract: "Makes a file all that is served, and returns when every backend is ready.",
            discussion: """
                What differs is created, changed or removed; the same file again changes nothing. A file that is wrong changes nothing.

                Examples:
                  manta serve deploy config/serve.yaml
                  manta serve deploy config/echo.yaml --address tcp://127.0.0.1:6380
                """)

        @Argument(help: "A YAML file; config/serve.yaml explains every member.") var file: String
        @OptionGroup var cluster: ClusterOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let configuration = try ServeFile.read(file)
            let session = try await Manta.connect(try cluster.endpoint())
            do {
                try await Serve.connect().apply(configuration)
                await session.stop()
            } catch {
                await session.stop()
                throw error
            }
            try await ServeReport(cluster: cluster, output: output).write()
        }
    }

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "status", abstract: "Shows endpoints, backends and replicas.", discussion: "Example:\n  manta serve status --output json")

        @OptionGroup var cluster: ClusterOptions
        @OptionGroup var output: OutputOptions

        func run() async throws { try await ServeReport(cluster: cluster, output: output).write() }
    }
}

/// Endpoints, backends and replicas, as tables or as one object with three arrays.
struct ServeReport {
    let cluster: ClusterOptions
    let output: OutputOptions

    func write() async throws {
        let tables: [AdminTable] = [.endpoints, .backends, .replicas]
        let state = try await cluster.withCluster { _, runtime in try await ClusterView(runtime: runtime).state(of: tables, limit: Limits.listRows) }
        let rows = try tables.map { ($0, try AdminViews.rows($0, of: state)) }
        output.write(.object(JSONObject(uniqueMembers: rows.map { ($0.0.rawValue, JSONValue($0.1)) }))) {
            rows.map { $0.0.text(of: $0.1) }.joined(separator: "\n\n")
        }
    }
}
