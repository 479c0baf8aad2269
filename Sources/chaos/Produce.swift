// Produce: a producer: a driver that numbers its work, has some of it under way at any time, and ends when it is told to and all of it is done.

import ArgumentParser
import Glibc
import Manta
import MantaModel

struct Produce: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "produce", abstract: "Submit numbered work to a cluster; started by the controller.", shouldDisplay: false)

    @Option(help: "The head's endpoint.") var address: String
    @Option(help: "The first number.") var first: Int
    @Option(help: "The file that every number is noted in.") var ledger: String
    @Option(help: "The file whose appearance ends the work.") var stop: String

    /// Numbers under way.
    private static let window = 24

    func run() async throws {
        let session = try await Manta.connect(address)
        let (ledger, workshop) = (try Ledger(path: ledger), Workshop())
        await withTaskGroup(of: Void.self) { group in
            var number = first
            while access(stop, F_OK) != 0 {
                if number - first >= Self.window { await group.next() }
                let next = number
                number += 1
                ledger.begun(next)
                group.addTask { await Self.carryOut(next, workshop, ledger) }
            }
        }
        await session.stop()
    }

    private static func carryOut(_ number: Int, _ workshop: Workshop, _ ledger: Ledger) async {
        do {
            let value = try await workshop.work(on: number) { ledger.submitted(number, as: $0) }
            if value == 2 * number { ledger.done(number) } else { ledger.failed(number, "it gave \(value)") }
        } catch { ledger.failed(number, "\(error)") }
    }
}
