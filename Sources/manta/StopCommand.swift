// StopCommand: `manta stop`: ends what this user started on this machine, and nothing else.

import ArgumentParser
import MantaJSON

struct StopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop", abstract: "Ends the processes that \"manta start\" started on this machine for this user.",
        discussion: """
            Processes are known by number and start time; others are never touched. It waits for them to finish; after ten seconds they are killed.

            Examples:
              manta stop
              manta stop --port 7000       only the cluster whose head has this port
            """)

    @Option(help: "Only the cluster whose head has this port.") var port: UInt16?
    @OptionGroup var output: OutputOptions

    func run() async throws {
        var stopped: [JSONValue] = []
        var lines: [String] = []
        for record in ClusterRecord.all where port == nil || record.port == port {
            let processes = record.living
            let killed = await ProcessEnder(record: record).end(processes)
            record.resign()
            await record.removeAbandonedSockets()
            for process in processes {
                let wasKilled = killed.contains(process)
                stopped.append(["role": JSONValue(process.role), "pid": JSONValue(Int(process.pid)), "killed": JSONValue(wasKilled)])
                lines.append("\(process.role) (process \(process.pid)) \(wasKilled ? "did not end in time and was killed" : "stopped")")
            }
        }
        output.write(JSONValue(stopped)) { lines.isEmpty ? "nothing was running" : lines.joined(separator: "\n") }
    }
}
