// Faults: what goes wrong in a run, drawn from its seed, so that seeds differ in kind and not only in luck.

import MantaModel

/// Probabilities and spans of what a simulation injects until `end`.
package struct Faults: Sendable {
    /// Of each message.
    package var loss = 0.0
    package var duplication = 0.0
    /// That a message is late by up to `lateness`.
    package var delays = 0.0
    package var lateness: Duration = .milliseconds(500)
    /// Whether messages of one sender to one receiver may overtake each other.
    package var reorders = false
    /// Of each start of a worker.
    package var startFailures = 0.0
    /// Mean time between two crashes of workers; none when nil.
    package var crashPeriod: Duration?
    /// The last node dies, with all on it.
    package var losesNode = false
    /// The second driver dies without a word.
    package var losesDriver = false
    /// The head dies and is back, if there are placement groups.
    var restartsHead = false
    /// Nothing goes wrong any more after this time, so that the end can be judged.
    package var end: Duration = .seconds(20)

    package static let none = Faults()

    static func drawn(using generator: inout SeededGenerator, withGroups: Bool) -> Faults {
        var faults = Faults()
        if generator.chance(0.5) { faults.loss = [0.01, 0.05, 0.25][generator.pick(0..<3)] }
        if generator.chance(0.5) { faults.duplication = [0.02, 0.2][generator.pick(0..<2)] }
        if generator.chance(0.5) {
            faults.delays = 0.1
            faults.lateness = [.milliseconds(5), .milliseconds(500), .seconds(2)][generator.pick(0..<3)]
        }
        faults.reorders = generator.chance(0.3)
        if generator.chance(0.4) { faults.startFailures = [0.1, 0.4][generator.pick(0..<2)] }
        if generator.chance(0.6) { faults.crashPeriod = [.milliseconds(50), .milliseconds(500), .seconds(3)][generator.pick(0..<3)] }
        faults.losesNode = generator.chance(0.2)
        faults.losesDriver = generator.chance(0.2)
        if withGroups { faults.restartsHead = generator.chance(0.5) }
        return faults
    }
}
