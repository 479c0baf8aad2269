// TaskPlan: what a simulated task does: it computes, submits children, awaits them or not, computes again. Plans form a tree, drawn from the seed.

import MantaModel

/// The program of one task; the payload that the books carry.
final class TaskPlan: Sendable {
    /// One stretch of computing, then these children.
    struct Round: Sendable {
        let work: Int64
        let children: [TaskPlan]
        /// Whether the task blocks until the children have ended.
        let awaits: Bool
    }
    let function: UInt64
    let resources: Resources
    let retries: Int
    let rounds: [Round]

    init(function: UInt64, resources: Resources, retries: Int, rounds: [Round]) {
        (self.function, self.resources, self.retries, self.rounds) = (function, resources, retries, rounds)
    }

    /// Typical run times of the functions, in nanoseconds.
    private static let times: [Int64] = [20_000, 200_000, 2_000_000, 20_000_000, 200_000_000]

    /// Draws a plan of at most `depth` generations below it; `budget` counts the tasks of the whole run.
    static func drawn(depth: Int, budget: inout Int, using generator: inout SeededGenerator) -> TaskPlan {
        let function = generator.pick(0..<times.count)
        var time = times[function] * generator.pick(50...200) / 100
        if generator.chance(0.02) { time *= 50 }
        var rounds: [Round] = []
        if depth > 0, generator.chance(0.4) {
            for _ in 0..<generator.pick(1..<3) {
                let count = min(budget, generator.pick(1..<5))
                budget -= count
                let children = (0..<count).map { _ in drawn(depth: depth - 1, budget: &budget, using: &generator) }
                rounds.append(Round(work: time, children: children, awaits: generator.chance(0.85)))
            }
        }
        rounds.append(Round(work: time, children: [], awaits: false))
        let cpus: ResourceAmount = generator.chance(0.8) ? 1 : [0, 0.5, 2][generator.pick(0..<3)]
        let retries = [3, 3, 3, 0, -1][generator.pick(0..<5)]
        return TaskPlan(function: UInt64(function), resources: Resources([Resources.cpu: cpus]), retries: retries, rounds: rounds)
    }
}
