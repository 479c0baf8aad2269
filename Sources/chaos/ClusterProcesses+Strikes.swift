// ClusterProcesses+Strikes: carries a plan of strikes out: kills, waits until the victims are gone, starts others in their place.

import Glibc
import MantaModel

extension ClusterProcesses {
    /// Strikes until the time is over.
    func strike(for time: Duration, by plan: StrikePlan) async throws {
        let end = ContinuousClock.now + time
        for strike in plan {
            let time = ContinuousClock.now + strike.pause
            try await Task.sleep(until: min(time, end))
            guard time < end else { return }
            try await carryOut(strike)
        }
    }

    private func carryOut(_ strike: Strike) async throws {
        let victims = [strike.victim, strike.second].compactMap { $0 }
        var struck: [Victim] = []
        for victim in victims {
            guard let pid = kill(victim, choice: strike.choice) else { continue }
            struck.append(victim)
            guard await holds(within: .seconds(30), { self.hasEnded(pid) }) else { throw MantaError(.timeout, "\(victim) \(pid) did not end when it was killed") }
            if victim == .node { readDeaths(of: pid) }
            print("killed \(victim) \(pid)")
        }
        try await Task.sleep(for: strike.absence)
        // The head first: nothing starts without it.
        for victim in struck.sorted(by: { left, right in left == .head && right != .head }) { try await replace(victim) }
    }
}
