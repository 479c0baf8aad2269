// MicrobenchmarkCommand: `manta microbenchmark`: how many gets, puts, tasks and calls a second this machine does.
//
// Each row is run once to warm up, then in three rounds; the median round counts. Large rows are run once, when they are named.

import ArgumentParser
import Glibc
import Manta
import MantaJSON

struct MicrobenchmarkCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "microbenchmark", abstract: "Measures gets, puts, tasks and actor calls a second, by the row names of Ray's microbenchmark.",
        discussion: """
            Starts a cluster of its own with two CPUs, unless --address or MANTA_ADDRESS names one.

            Examples:
              manta microbenchmark
              manta microbenchmark --rows tasks,actor_1_1 --seconds 6
              manta microbenchmark --rows tasks_queued_1m,tasks_nested_100k      the large rows, which must be named
              manta microbenchmark --output json      one object a line: {"row": …, "per_second": …}, or "percent"
            """)

    @Option(help: "The head of a running cluster, as tcp://host:port; else MANTA_ADDRESS, else one that is started for it.") var address: String?
    @Option(help: "Only rows whose name holds one of these texts, separated by commas.") var rows = ""
    @Option(help: "Seconds for one row, over its three rounds.") var seconds = 2.0
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard seconds > 0, seconds <= 3600 else { throw ValidationError("--seconds is \(seconds); expected more than 0 and at most 3600") }
        if chosen.isEmpty { throw ValidationError("no row is named like \"\(rows)\"; there are \(MicrobenchmarkRow.all.map(\.name).joined(separator: ", "))") }
    }

    private var chosen: [MicrobenchmarkRow] {
        let wanted = rows.split(separator: ",")
        return MicrobenchmarkRow.all.filter { row in wanted.isEmpty ? !row.isLarge : wanted.contains { row.name.contains($0) } }
    }

    func run() async throws {
        let session = if let address = address ?? environment(Variable.address) { try await Manta.connect(address) } else { try await Manta.start(cpus: 2) }
        if output.output == .table { print("row".padded(to: 26) + "per second") }
        for row in chosen {
            let rate = try await Self.measure(row, seconds: seconds)
            switch output.output {
            case .json:
                let unit = row.yardstick == nil ? "per_second" : "percent"
                print(JSONValue.object(JSONObject(uniqueMembers: [("row", JSONValue(row.name)), (unit, JSONValue(rate))])))
            case .table: print(row.name.padded(to: 26) + rate.forPeople + (row.yardstick == nil ? "" : " %"))
            }
            fflush(nil)  // a row at a time, also through a pipe
        }
        await session.stop()
    }

    /// Off the main thread: a hop there and back would cost more than most of what is measured.
    @concurrent
    private static func measure(_ row: MicrobenchmarkRow, seconds: Double) async throws -> Double {
        let step = try await row.prepare()
        if row.isLarge {
            let began = ContinuousClock.now
            try await step()
            return (row.perStep / ((ContinuousClock.now - began) / .seconds(1)) * 100).rounded() / 100
        }
        try await step()
        if let yardstick = row.yardstick { return try await percentage(of: yardstick, step, seconds: seconds) }
        var rates: [Double] = []
        for _ in 0..<3 {
            let began = ContinuousClock.now
            var steps = 0
            while ContinuousClock.now - began < .seconds(seconds / 3) {
                try await step()
                steps += 1
            }
            let spent = (ContinuousClock.now - began) / .seconds(1)
            rates.append(Double(steps) * row.perStep / spent)
        }
        return (rates.sorted()[1] * 100).rounded() / 100
    }

    /// By turns, so that both meet the same machine; the median turns count.
    @concurrent
    private static func percentage(of yardstick: () async -> Void, _ step: () async throws -> Void, seconds: Double) async throws -> Double {
        let (began, clock) = (ContinuousClock.now, ContinuousClock())
        var (plain, own): ([Duration], [Duration]) = ([], [])
        repeat {
            plain.append(await clock.measure { await yardstick() })
            own.append(try await clock.measure { try await step() })
        } while ContinuousClock.now - began < .seconds(seconds)
        return (plain.sorted()[plain.count / 2] / own.sorted()[own.count / 2] * 10_000).rounded() / 100
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: max(1, width - count)) }
}

extension Double {
    /// Thousands apart, as many digits as mean something.
    fileprivate var forPeople: String {
        if self < 100 { return String(self) }
        var digits = String(Int64(self))
        var groups: [Substring] = []
        while digits.count > 3 {
            groups.insert(digits.suffix(3), at: 0)
            digits.removeLast(3)
        }
        return ([Substring(digits)] + groups).joined(separator: ",")
    }
}
