// Soak: the command that fills and spills the stores of a cluster whose clients, workers and nodes are killed at random, and checks every value and what is left.

import ArgumentParser
import Manta
import MantaModel

struct Soak: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "soak", abstract: "Fill and spill the stores of a cluster whose clients, workers and nodes are killed, check every value and what is left of them.")

    @Option(help: "How long the strikes go on, in minutes.") var minutes = 5.0
    @Option(help: "Which plan of strikes and what clients do; a random one by default.") var seed: UInt64?
    @Option(help: "Seconds between two strikes, on average.") var every = 3.0
    @Option(help: "Nodes of the cluster.") var nodes = 3
    @Option(help: "CPUs of each node.") var cpus = 2.0
    @Option(help: "Programs that use objects.") var clients = 2
    @Option(help: "MiB of each node's object store.") var store = 32
    @Option(help: "MiB of the largest object.") var largest = 4
    @Option(help: "Seconds that what is left may take when the strikes are over.") var patience = 60.0

    func validate() throws {
        try require([("minutes", minutes, 0.05), ("every", every, 0.1), ("cpus", cpus, 1), ("patience", patience, 1)])
        try require([("nodes", nodes, 2), ("clients", clients, 1), ("largest", largest, 1), ("store", store, 4 * largest)])
    }

    func run() async throws {
        let seed = seed ?? UInt64.random(in: 0...UInt64(UInt32.max))
        let options = "--minutes \(minutes) --every \(every) --nodes \(nodes) --cpus \(cpus) --clients \(clients) --store \(store) --largest \(largest)"
        try await RunFolder.judged(seed: seed, again: "soak --seed \(seed) \(options)") { folder in
            let size = SoakRun.Size(nodes: nodes, cpus: cpus, clients: clients, store: store << 20, largest: largest << 20)
            let run = try await SoakRun(folder: folder, size: size, seed: seed)
            try await run.strike(for: .seconds(minutes * 60), by: StrikePlan(seed: seed, every: .seconds(every), among: StrikePlan.clientsAndStores))
            let complaints = try await run.judge(patience: .seconds(patience))
            await run.end()
            return complaints
        }
    }
}
