// chaos: runs a real cluster whose processes are killed at random while programs work, and checks that nothing of it is lost, and that nothing is left over.
//
// This process is the controller: it starts head, nodes and drivers of this same executable, kills them and their workers by a plan that a seed fixes, starts
// others in their place, and at the end asks for every number or value, every resource and every death. What is wrong is printed with the seed, the
// cluster's files stay, and the status is 1.

import ArgumentParser
import Manta
import MantaModel

@main
struct Chaos: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chaos", abstract: "Kill random processes of a cluster that works, and check that nothing is lost.",
        discussion: "The same seed strikes the same kinds of processes in the same order. A failing run keeps its files and says where.",
        subcommands: [Storm.self, Soak.self, Produce.self, Client.self], defaultSubcommand: Storm.self)
}

extension ParsableCommand {
    /// Throws a `ValidationError` that names the first option below its least value; a value that is no number is below every one.
    func require<Value: Comparable>(_ options: [(name: String, value: Value, least: Value)]) throws {
        for (name, value, least) in options where !(value >= least) { throw ValidationError("--\(name) is \(value); expected \(least) or more") }
    }
}

/// Numbered work.
struct Storm: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Strike workers, nodes, drivers and the head while tasks and calls are numbered, and check them all (the default).")

    @Option(help: "How long the strikes go on, in minutes.") var minutes = 5.0
    @Option(help: "Which plan of strikes; a random one by default.") var seed: UInt64?
    @Option(help: "Seconds between two strikes, on average.") var every = 2.0
    @Option(help: "Nodes of the cluster.") var nodes = 3
    @Option(help: "CPUs of each node.") var cpus = 2.0
    @Option(help: "Programs that submit work.") var producers = 2
    @Option(help: "Seconds that what is left may take when the strikes are over.") var patience = 90.0

    func validate() throws {
        try require([("minutes", minutes, 0.05), ("every", every, 0.1), ("cpus", cpus, 1), ("patience", patience, 1)])
        if nodes < 2 { throw ValidationError("--nodes is \(nodes); expected 2 or more, since a program needs another node when its own is killed") }
        if producers < 1 { throw ValidationError("--producers is \(producers); expected 1 or more") }
    }

    func run() async throws {
        let seed = seed ?? UInt64.random(in: 0...UInt64(UInt32.max))
        let options = "--minutes \(minutes) --every \(every) --nodes \(nodes) --cpus \(cpus) --producers \(producers)"
        try await RunFolder.judged(seed: seed, again: "--seed \(seed) \(options)") { folder in
            let run = try await StormRun(folder: folder, nodes: nodes, cpus: cpus, producers: producers)
            try await run.strike(for: .seconds(minutes * 60), by: StrikePlan(seed: seed, every: .seconds(every)))
            let complaints = try await run.judge(patience: .seconds(patience))
            await run.end()
            return complaints
        }
    }
}
