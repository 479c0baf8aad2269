// States: the lives of nodes, jobs, tasks and actors, with the transitions that are legal.
//
// The same words stand in code, messages, JSON and the dashboard.

/// A state whose legal successors are known.
package protocol LifeCycle: RawRepresentable<String>, Hashable, Codable, Sendable, CaseIterable {
    var successors: Set<Self> { get }
}

extension LifeCycle {
    package func mayBecome(_ next: Self) -> Bool { successors.contains(next) }
}

/// alive → suspect → dead; a suspect that speaks again is alive.
public enum NodeState: String, LifeCycle {
    case alive, suspect, dead
    package var successors: Set<NodeState> {
        switch self {
        case .alive: [.suspect, .dead]
        case .suspect: [.alive, .dead]
        case .dead: []
        }
    }
}

/// running → finished (the driver left in order) or failed (it died).
public enum JobState: String, LifeCycle {
    case running, finished, failed
    package var successors: Set<JobState> { self == .running ? [.finished, .failed] : [] }
}

/// waitingForArguments → waitingForLease → running → finished, failed or cancelled; a retry goes back to waitingForLease.
public enum TaskState: String, LifeCycle {
    case waitingForArguments, waitingForLease, running, finished, failed, cancelled
    package var successors: Set<TaskState> {
        switch self {
        case .waitingForArguments: [.waitingForLease, .failed, .cancelled]
        case .waitingForLease: [.running, .failed, .cancelled]
        case .running: [.waitingForLease, .finished, .failed, .cancelled]
        case .finished, .failed, .cancelled: []
        }
    }
}

/// pending (placed or waiting for a node) → alive → restarting or dead.
public enum ActorState: String, LifeCycle {
    case pending, alive, restarting, dead
    package var successors: Set<ActorState> {
        switch self {
        case .pending: [.alive, .restarting, .dead]
        case .alive: [.restarting, .dead]
        case .restarting: [.alive, .restarting, .dead]
        case .dead: []
        }
    }
}

/// pending (waits until all bundles fit) → created → rescheduling when a node was lost → created again; removed at the end.
public enum PlacementGroupState: String, LifeCycle {
    case pending, created, rescheduling, removed
    package var successors: Set<PlacementGroupState> {
        switch self {
        case .pending: [.created, .removed]
        case .created: [.rescheduling, .removed]
        case .rescheduling: [.created, .removed]
        case .removed: []
        }
    }
}

/// pending (waits for a node with room) → running → succeeded (status 0), failed (another status, a signal, a lost node) or stopped (it was asked to).
public enum SubmissionState: String, LifeCycle {
    case pending, running, succeeded, failed, stopped
    package var successors: Set<SubmissionState> {
        switch self {
        case .pending: [.running, .failed, .stopped]
        case .running: [.succeeded, .failed, .stopped]
        case .succeeded, .failed, .stopped: []
        }
    }
}
