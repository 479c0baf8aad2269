// The parties of a simulation: nodes with their lease books; drivers and workers with their task books and what they run.

import MantaCore
import MantaModel

struct SimulatedNode {
    let address: NodeAddress
    var book: LeaseBook
    var isAlive = true
    var party: Party
    /// What it told the head last that it has available.
    var reported: Resources?
}

/// A driver or a worker. Its place in the list is its number, for ever.
struct SimulatedProcess {
    let address: ProcessAddress
    let node: Int
    let isWorker: Bool
    var isAlive = true
    var book: TaskBook
    var lastTask: UInt64 = 0
    /// Tasks of this process that a run here awaits.
    var parents: [TaskID: RunKey] = [:]
    /// Tasks of this process that want another one's result.
    var dependents: [TaskID: [TaskID]] = [:]
    var runners: [LeaseID: Runner] = [:]
    var lastTurn: UInt64 = 0
    /// Tasks it has or had; a duplicate is recognized.
    var known: Set<RunKey> = []
}

/// One attempt of a task, under a lease.
struct RunKey: Hashable {
    let task: TaskID
    let attempt: Int
    let lease: LeaseID
}

/// What a worker runs under one lease: one task after the other.
struct Runner {
    enum State {
        case idle, computing, blocked, resuming
    }
    struct Run {
        let key: RunKey
        let plan: TaskPlan
        let owner: Int
        var round = 0
        var worked: Int64 = 0
    }
    var state = State.idle
    var current: Run?
    var queue: [Run] = []
    /// Since when the current run computes or waits.
    var since = Instant.zero
    /// When the node was last told of the wait.
    var saidAt = Instant.zero
    var turn: UInt64 = 0
    var outstanding = 0
}
