// MantaCommand: the program `manta`: its subcommands, and where a run begins and ends.
//
// Results go to standard output, everything else to standard error. Status 0: done; 1: it failed; 64: the command line is wrong.

import ArgumentParser
import Foundation

struct MantaCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "manta",
        abstract: "Runs Swift functions and actors on a cluster and serves them over HTTP.",
        discussion: """
            Examples:
              manta start --head                         a cluster on this machine
              manta start --address tcp://10.0.0.1:6380  this machine joins a cluster
              manta serve deploy config/serve.yaml       backends and endpoints
              manta list actors --output json
              manta memory                               objects, and why they are kept
              manta explain 5f0c2ab1                     why it waits, or why it died
              manta timeline                             what ran when and where, for ui.perfetto.dev
              manta job submit -- ./train --epochs 5     a program that the cluster runs
              manta stop

            Commands that talk to a cluster take --address, else MANTA_ADDRESS, else the cluster that was last started here.
            """,
        version: Version.text,
        subcommands: [
            StartCommand.self, StopCommand.self, StatusCommand.self, ListCommand.self, MemoryCommand.self, ExplainCommand.self, TimelineCommand.self, JobCommand.self,
            ServeCommand.self, MicrobenchmarkCommand.self, VersionCommand.self,
        ])
}

@main
enum CommandLineProgram {
    static func main() async {
        do {
            var command = try MantaCommand.parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let failure as CommandFailure {
            CommandFailure.report(failure)
            exit(failure.status)
        } catch where MantaCommand.exitCode(for: error) == .failure && !(error is ExitCode) {
            CommandFailure.report(error)
            exit(1)
        } catch {
            MantaCommand.exit(withError: error)
        }
    }
}
