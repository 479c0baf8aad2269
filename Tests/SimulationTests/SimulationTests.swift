// Simulated clusters: fixed seeds, which never may fail again, and a fresh one.

import MantaSimulation
import Testing

@Suite struct Simulations {
    /// Checks one seed; its last events tell what went wrong.
    private func check(_ configuration: Simulation.Configuration) -> Simulation.Outcome {
        let outcome = Simulation(configuration).run()
        if let violation = outcome.violation {
            Issue.record("seed \(outcome.seed): \(violation)\n\(outcome.faults)\n\(outcome.lastEvents.joined(separator: "\n"))")
        }
        return outcome
    }

    @Test(arguments: 1...30 as ClosedRange<UInt64>) func aFixedSeedHolds(seed: UInt64) {
        let outcome = check(Simulation.Configuration(seed: seed, tasks: 100))
        #expect(outcome.tasks > 0)
    }

    /// A lost refusal, answers to old questions, a worker that left with a lease, messages that caused ever more messages.
    @Test(arguments: [34, 152, 175, 619, 1044, 1411, 13135] as [UInt64]) func aSeedThatOnceFailedHolds(seed: UInt64) {
        _ = check(Simulation.Configuration(seed: seed))
    }

    @Test func aFreshSeedHolds() {
        let seed = UInt64.random(in: 0...UInt64(UInt32.max))
        print("fresh seed \(seed)")
        _ = check(Simulation.Configuration(seed: seed, tasks: 100))
    }

    /// Placement groups among tasks: reserved all or none, never beyond what a node has, and all of it given back with their removal, their driver's
    /// death, or the head's.
    @Test(arguments: 1...20 as ClosedRange<UInt64>) func placementGroupsHold(seed: UInt64) {
        let outcome = check(Simulation.Configuration(seed: seed, tasks: 60, groups: 20))
        #expect(outcome.groupsCreated > 0)
    }

    @Test func placementGroupsHoldUnderAFreshSeed() {
        let seed = UInt64.random(in: 0...UInt64(UInt32.max))
        print("fresh seed \(seed) with groups")
        _ = check(Simulation.Configuration(seed: seed, tasks: 60, groups: 20))
    }

    @Test func withoutFaultsEveryTaskIsAnswered() {
        for seed in 1...5 as ClosedRange<UInt64> {
            let outcome = check(Simulation.Configuration(seed: seed, tasks: 200, faults: Faults.none))
            #expect(outcome.answered > 0)
        }
    }

    @Test(arguments: [7, 8, 9] as [UInt64]) func theSameSeedGivesTheSameTrace(seed: UInt64) {
        let runs = (0..<2).map { _ in Simulation(Simulation.Configuration(seed: seed, tasks: 60)).run() }
        #expect(runs[0].traceHash == runs[1].traceHash)
        #expect(runs[0].events == runs[1].events)
    }

    @Test func differentSeedsGiveDifferentTraces() {
        let hashes = Set((1...5 as ClosedRange<UInt64>).map { Simulation(Simulation.Configuration(seed: $0, tasks: 20)).run().traceHash })
        #expect(hashes.count == 5)
    }
}
