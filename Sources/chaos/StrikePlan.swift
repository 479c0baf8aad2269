// StrikePlan: when what is killed, and when another is started in its place: all chance of a run, from one seed.

import MantaSimulation

/// What is killed.
enum Victim: String, CaseIterable {
    case worker, node, driver, head
}

/// One strike, and what follows.
struct Strike {
    /// Since the one before was made good.
    var pause: Duration
    var victim: Victim
    /// Another one that is killed while the first is away.
    var second: Victim?
    /// How long the victims stay away.
    var absence: Duration
    /// Which of those there are, as a number to divide by their count.
    var choice: Int
}

struct StrikePlan: Sequence, IteratorProtocol {
    private var chance: SeededGenerator
    private let every: Duration
    private let victims: [Victim]

    /// Workers half of the time.
    static let all: [Victim] = [.worker, .worker, .worker, .worker, .worker, .node, .node, .driver, .head, .head]
    /// Those that own objects and hold them.
    static let clientsAndStores: [Victim] = [.worker, .worker, .worker, .worker, .node, .node, .node, .driver, .driver, .driver]

    /// - Parameter victims: each as often as its share of the strikes.
    init(seed: UInt64, every: Duration, among victims: [Victim] = all) { (chance, self.every, self.victims) = (SeededGenerator(seed: seed), every, victims) }

    mutating func next() -> Strike? {
        let victim = victims[Int.random(in: 0..<victims.count, using: &chance)]
        let other = [Victim.worker, .node, .driver].randomElement(using: &chance)
        // A head that is away sees another death at every second time.
        return Strike(
            pause: every * Double.random(in: 0.5...1.5, using: &chance), victim: victim,
            second: victim == .head && Bool.random(using: &chance) ? other : nil, absence: .milliseconds(Int64.random(in: 0...1_500, using: &chance)),
            choice: Int.random(in: 0..<1_000_000, using: &chance))
    }
}
