// TimelineCommand: `manta timeline`: when and where tasks and calls ran, as a file that Perfetto and Chrome show.

import ArgumentParser
import Foundation
import MantaAdmin
import MantaJSON
import MantaLoop
import MantaModel
import MantaWire
import MantaWorker

struct TimelineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "timeline", abstract: "Writes a trace of tasks and calls, by node and worker, for ui.perfetto.dev or chrome://tracing.",
        discussion: """
            The trace has what the head remembers: the latest \(Limits.taskRecords) tasks and calls, each with the time that it waited and the time that it ran,
            and arrows from the tasks that submitted others. Inside of them, and in a line for each driver, it shows where code waited for references (get, wait),
            put values, fetched or decoded arguments, and stored large results, where that took a millisecond or more, and what it named itself with
            Manta.span: the latest \(Limits.spanRecords) of these.

            Examples:
              manta timeline
              manta timeline --file trace.json --filter job=5f0c2ab19d3e44b7a1b2c3d4e5f60718
              manta timeline --filter state=failed
              manta timeline --file -                    to standard output
            """)

    @Option(help: "The file to write, - for standard output; manta-timeline-DATE-TIME.json in this folder by default.") var file: String?
    @Option(name: [.short, .long], help: "Only tasks whose member is the value, or is not: MEMBER=VALUE, MEMBER!=VALUE. May be given several times.") var filter: [String] = []
    @OptionGroup var cluster: ClusterOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        _ = try pages()
        if file == "" { throw ValidationError("--file is empty; expected a path, or - for standard output") }
        if file == "-", output.output == .json { throw ValidationError("--file - writes the trace to standard output: leave out --output json") }
    }

    func run() async throws {
        let pages = try pages()
        let (tasks, spans, nodes) = try await cluster.withCluster { _, runtime in
            let tasks = try await Self.tasks(pages, of: runtime)
            let spans = try await runtime.head(QuerySpans(), deadline: ClusterOptions.patience).spans
            return (tasks, spans, try await runtime.head(QueryState(tables: [.nodes], limit: Limits.listRows), deadline: ClusterOptions.patience).nodes)
        }
        let trace = Timeline.trace(of: tasks, with: spans, on: nodes, now: .now)
        if file == "-" { return print("\(trace)") }
        let path = file ?? Self.name(.now)
        do { try Data(trace.serialize()).write(to: URL(fileURLWithPath: path), options: .atomic) } catch {
            throw CommandFailure("the trace cannot be written to \(path): \(error.localizedDescription); choose another file (--file)")
        }
        output.write(["file": .string(path), "tasks": JSONValue(tasks.count)]) {
            "\(tasks.count) tasks and calls are in \(path); open it in https://ui.perfetto.dev or chrome://tracing"
        }
    }

    /// The wishes of the first page.
    private func pages() throws(ValidationError) -> AdminFilter {
        let parameters = [(name: "limit", value: "\(Limits.listRows)")] + (try ListCommand.parameters(of: filter))
        do throws(MantaError) { return try AdminFilter(parameters, of: .tasks) } catch { throw ValidationError(error.message) }
    }

    /// Page after page: a single one has not all that the head remembers.
    private static func tasks(_ first: AdminFilter, of runtime: Runtime) async throws -> [TaskRow] {
        var (tasks, query): ([TaskRow], QueryState) = ([], first.query(of: .tasks))
        while true {
            do {
                let answer = try await runtime.head(query, deadline: ClusterOptions.patience)
                tasks += answer.tasks
                guard let last = answer.tasks.last, answer.hasMore ?? (answer.totals[AdminTable.tasks.rawValue] ?? 0 > tasks.count) else { return tasks }
                query.after = last.id.description
            } catch let error as MantaError where error.code == .notFound && !tasks.isEmpty {
                // New tasks have pushed out the one to go on from, and all that were older.
                return tasks
            }
        }
    }

    private static func name(_ time: Date) -> String {
        let format = DateFormatter()
        format.locale = Locale(identifier: "en_US_POSIX")
        format.dateFormat = "yyyyMMdd-HHmmss"
        return "manta-timeline-\(format.string(from: time)).json"
    }
}
