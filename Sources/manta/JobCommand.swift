// JobCommand: `manta job …`: programs that the cluster runs for somebody who does not stay: submit, list, status, logs, stop, delete.

import ArgumentParser
import Foundation
import Manta
import MantaAdmin
import MantaJSON
import MantaModel
import MantaWire
import MantaWorker

struct JobCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "job", abstract: "Runs programs on the cluster, and shows, follows and stops them.",
        subcommands: [Submit.self, List.self, Status.self, Logs.self, Stop.self, Delete.self])

    struct Submit: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Runs a program on some node; the cluster's address is in its environment.",
            discussion: """
                Examples:
                  manta job submit -- .build/release/Train --epochs 5
                  manta job submit --id nightly --cpus 2 --follow -- /usr/bin/make report
                """)

        @Option(help: "The job's id; a new one by default.") var id: String?
        @Option(help: "CPUs held while it runs; none by default.") var cpus: Double?
        @Option(help: "GPUs held while it runs.") var gpus: Double?
        @Option(help: "Memory held while it runs, as 2000000000, 500M or 4G.") var memory: ByteAmount?
        @Option(help: "Custom resources held while it runs: name=amount,name=amount.") var resources: String?
        @Option(help: "The working directory on the node.") var directory: String?
        @Flag(help: "Show what it prints until it ends; the exit status is 1 when it fails.") var follow = false
        @OptionGroup var cluster: ClusterOptions
        @OptionGroup var output: OutputOptions
        @Argument(parsing: .postTerminator, help: "The program and its arguments, behind --.") var command: [String]

        func validate() throws {
            if command.isEmpty { throw ValidationError("give a program behind --, for example: manta job submit -- ./train --epochs 5") }
            for (name, value) in [("--cpus", cpus), ("--gpus", gpus)] {
                if let value, !(value >= 0 && value <= 100_000) { throw ValidationError("\(name) is \(value); expected 0 to 100000") }
            }
            do {
                if let complaint = try id.flatMap(SubmissionSpecification.complaint(aboutID:)) ?? demand().complaint { throw ValidationError(complaint) }
            } catch let error as MantaError { throw ValidationError("--resources: \(error.message)") }
        }

        private func demand() throws -> Resources {
            var demand = Resources()
            if let cpus { demand[Resources.cpu] = ResourceAmount(cpus) }
            if let gpus { demand[Resources.gpu] = ResourceAmount(gpus) }
            if let memory { demand[Resources.memory] = ResourceAmount(Double(memory.bytes)) }
            for (name, amount) in try parseResources(resources ?? "") { demand[name] = ResourceAmount(amount) }
            return demand
        }

        func run() async throws {
            var words = command
            // A path is meant from here, wherever the node's own directory is.
            if words[0].contains("/") { words[0] = absolutePath(words[0]) }
            let specification = SubmissionSpecification(
                id: id ?? "", entrypoint: words, isShell: false, directory: directory.map { absolutePath($0) }, resources: try demand())
            let row = try await cluster.withCluster { [follow] _, runtime in
                let row = try await runtime.head(SubmitProgram(specification: specification), deadline: ClusterOptions.patience).row
                return follow ? try await Logs.follow(row.id, runtime) : row
            }
            guard follow else { return output.write(["id": JSONValue(row.id), "state": JSONValue(row.state.rawValue)]) { row.id } }
            if row.state != .succeeded { throw CommandFailure("job \(row.id) \(row.state.rawValue): \(row.message ?? "")") }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists submitted jobs, newest first.")
        @OptionGroup var cluster: ClusterOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let state = try await cluster.withCluster { _, runtime in try await ClusterView(runtime: runtime).state(of: [.submissions], limit: 1_000) }
            let rows = try AdminViews.rows(.submissions, of: state)
            output.write(JSONValue(rows)) { AdminTable.submissions.text(of: rows) }
        }
    }

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Shows how a job stands.")
        @Argument(help: "The job's id.") var id: String
        @OptionGroup var cluster: ClusterOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let row = try await cluster.withCluster { [id] _, runtime in try await JobCommand.row(id, runtime) }
            let value = try AdminViews.rows(.submissions, of: JobCommand.state(of: row))[0]
            output.write(value) { "\(row.id) \(row.state.rawValue)\(row.message.map { ": \($0)" } ?? "")" }
        }
    }

    struct Logs: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Shows what a job printed.")
        @Argument(help: "The job's id.") var id: String
        @Flag(help: "Go on until it ends.") var follow = false
        @OptionGroup var cluster: ClusterOptions

        func run() async throws {
            try await cluster.withCluster { [id, follow] _, runtime in
                if follow {
                    _ = try await Self.follow(id, runtime)
                } else {
                    _ = try await Self.show(id, from: 0, runtime)
                }
            }
        }

        /// Writes every byte once, in order, until the job has ended.
        static func follow(_ id: String, _ runtime: Runtime) async throws -> SubmissionRow {
            var offset: Int64 = 0
            while true {
                let row = try await JobCommand.row(id, runtime)
                offset = try await show(id, from: offset, runtime)
                // The row was read first: what it printed before its end is shown.
                if [.succeeded, .failed, .stopped].contains(row.state) { return row }
                try await Task.sleep(for: .milliseconds(200))
            }
        }

        private static func show(_ id: String, from start: Int64, _ runtime: Runtime) async throws -> Int64 {
            var offset = start
            while true {
                let part = try await runtime.head(ReadSubmissionLog(id: id, offset: offset), deadline: ClusterOptions.patience)
                if part.bytes.isEmpty { return offset }
                try JobCommand.write(part.bytes)
                offset = part.next
            }
        }
    }

    /// To standard output; whoever reads it may have left, which is no reason to crash.
    private static func write(_ bytes: [UInt8]) throws {
        do { try FileHandle.standardOutput.write(contentsOf: bytes) } catch {
            throw CommandFailure("standard output cannot be written: nobody reads it any more, or its disk is full")
        }
    }

    struct Stop: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Ends a job: SIGTERM, and three seconds later SIGKILL.")
        @Argument(help: "The job's id.") var id: String
        @OptionGroup var cluster: ClusterOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let isStopping = try await cluster.withCluster { [id] _, runtime in
                try await runtime.head(StopSubmission(id: id), deadline: ClusterOptions.patience).isStopping
            }
            output.write(["stopped": .bool(isStopping)]) { isStopping ? "job \(id) is being stopped" : "job \(id) had ended" }
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Forgets a job that has ended.")
        @Argument(help: "The job's id.") var id: String
        @OptionGroup var cluster: ClusterOptions

        func run() async throws {
            try await cluster.withCluster { [id] _, runtime in _ = try await runtime.head(DeleteSubmission(id: id), deadline: ClusterOptions.patience) }
        }
    }

    private static func row(_ id: String, _ runtime: Runtime) async throws -> SubmissionRow {
        let rows = try await runtime.head(QueryState(tables: [.submissions], limit: Limits.listRows), deadline: ClusterOptions.patience).submissions ?? []
        guard let row = rows.first(where: { $0.id == id }) else { throw MantaError(.notFound, "there is no job with the id \"\(id)\"; list them with: manta job list") }
        return row
    }

    private static func state(of row: SubmissionRow) -> AdminState {
        var answer = StateAnswer(cluster: ClusterID(high: 0, low: 0), startedAt: row.submittedAt)
        answer.submissions = [row]
        return AdminState(head: answer)
    }
}
