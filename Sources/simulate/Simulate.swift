// simulate: runs simulated clusters from seeds and says what came of them. A failed check prints the seed and the latest events, and exits with 1.

import ArgumentParser
import MantaSimulation

@main
struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate", abstract: "Run a cluster in virtual time under injected faults, and check it.",
        discussion: "The same seed gives the same run. Without --seed the seeds begin at a random one.")

    @Option(help: "The first seed.") var seed: UInt64?
    @Option(help: "How many seeds to run, one after the other.") var seeds = 1
    @Option(help: "About how many tasks each run submits.") var tasks = 150
    @Option(help: "How many placement groups drivers make in each run.") var groups = 0
    @Flag(help: "Inject no faults.") var calm = false
    @Flag(help: "Print every event but ticks.") var events = false
    @Flag(help: "Print a line for each seed, also when there are many.") var verbose = false

    func validate() throws {
        if seeds < 1 { throw ValidationError("--seeds is \(seeds); expected 1 or more") }
        if tasks < 1 { throw ValidationError("--tasks is \(tasks); expected 1 or more") }
        if groups < 0 { throw ValidationError("--groups is \(groups); expected 0 or more") }
    }

    func run() throws {
        let first = seed ?? UInt64.random(in: 0...UInt64(UInt32.max))
        var total = 0
        let observe: ((String) -> Void)? = events ? { print($0) } : nil
        for number in first..<(first + UInt64(seeds)) {
            let configuration = Simulation.Configuration(seed: number, tasks: tasks, faults: calm ? Faults.none : nil, groups: groups)
            let outcome = Simulation(configuration, observe: observe).run()
            total += outcome.events
            if verbose || seeds <= 10 || outcome.violation != nil { print(outcome.line) }
            if let violation = outcome.violation {
                print("FAILED seed \(number): \(violation)\n\(outcome.faults)")
                for line in outcome.lastEvents { print("  \(line)") }
                print("repeat it with: swift run simulate --seed \(number) --tasks \(tasks)\(groups > 0 ? " --groups \(groups)" : "")\(calm ? " --calm" : "")")
                throw ExitCode(1)
            }
        }
        print("\(seeds) seed\(seeds == 1 ? "" : "s") from \(first): ok, \(total) events")
    }
}

extension Simulation.Outcome {
    /// The outcome on one line.
    var line: String {
        let trace = String(traceHash, radix: 16)
        let result = violation == nil ? "ok" : "failed"
        return "seed \(seed) trace \(String(repeating: "0", count: 16 - trace.count))\(trace) events \(events) time \(virtualTime) "
            + "tasks \(tasks) answered \(answered) failed \(failed) \(result)"
    }
}
