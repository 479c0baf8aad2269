// A TaskBook under test with its clock, and the names its tests share.

import MantaModel

@testable import MantaCore

/// What the runtime keeps with a task: here, its number.
final class Note: Sendable {
    let number: Int
    init(_ number: Int) { self.number = number }
}

/// What a TaskBook asked for, without payloads, so that it can be compared.
enum Asked: Equatable {
    case request(LeaseID, NodeAddress, mayMove: Bool)
    case cancelRequest(LeaseID)
    case giveBack(LeaseID)
    case confirm(LeaseID)
    case send(TaskID, Int, LeaseID)
    case abandon(LeaseID)
    case takeBack(LeaseID)
    case inquire(LeaseID, [TaskID])
    case cancelRunning(TaskID)
    case ended(TaskID, TaskEnd)
    case retried(TaskID, Int, MantaError.Code?)

    init(_ action: TaskBook.Action) {
        switch action {
        case .requestLease(let request, let node): self = .request(request.lease, node, mayMove: request.mayMove)
        case .cancelRequest(let lease, _): self = .cancelRequest(lease)
        case .returnLease(let lease, _): self = .giveBack(lease)
        case .abandonLease(let lease, _): self = .abandon(lease)
        case .confirmLease(let lease, _): self = .confirm(lease)
        case .send(let task, let attempt, let lease, _, _): self = .send(task, attempt, lease)
        case .takeBack(let lease, _): self = .takeBack(lease)
        case .inquire(let lease, let tasks, _): self = .inquire(lease, tasks)
        case .cancelRunning(let task, _, _, _): self = .cancelRunning(task)
        case .ended(let task, let end, _): self = .ended(task, end)
        case .retried(let task, let attempt, let error, _): self = .retried(task, attempt, error?.code)
        }
    }

    var requested: LeaseID? { if case .request(let lease, _, _) = self { lease } else { nil } }
    var sent: TaskID? { if case .send(let task, _, _) = self { task } else { nil } }
    var returned: LeaseID? { if case .giveBack(let lease) = self { lease } else { nil } }
    var failure: MantaError? { if case .ended(_, .failed(let error)) = self { error } else { nil } }
    var endedTask: TaskID? { if case .ended(let task, _) = self { task } else { nil } }
}

struct TaskBench {
    var book: TaskBook
    var now = Instant.zero
    private var submitted: UInt64 = 0
    private(set) var ends: [TaskID: Int] = [:]

    static let home = NodeAddress(node: NodeID(high: 9, low: 1), endpoint: "ipc:///home")
    static let away = NodeAddress(node: NodeID(high: 9, low: 2), endpoint: "tcp://away:1")
    static let shape = TaskShape(job: JobID(high: 5, low: 1), program: Program(path: "/bin/program"), resources: Resources(["CPU": 1]))
    static func worker(_ low: UInt64) -> ProcessAddress { ProcessAddress(process: ProcessID(high: 2, low: low), endpoint: "ipc:///w\(low)") }

    init(clusterCPUs: Int? = nil) {
        book = TaskBook(owner: ProcessAddress(process: ProcessID(high: 1, low: 1), endpoint: "ipc:///owner"), home: Self.home, clusterCPUs: clusterCPUs)
    }

    mutating func on(_ event: (inout TaskBook, Instant, (TaskBook.Action) -> Void) -> Void) -> [Asked] {
        var asked: [Asked] = []
        event(&book, now) { asked.append(Asked($0)) }
        for task in asked.compactMap(\.endedTask) { ends[task, default: 0] += 1 }
        return asked
    }

    mutating func submit(missing: Int = 0, retries: Int = 3, function: UInt64 = 1, shape: TaskShape = TaskBench.shape) -> (TaskID, [Asked]) {
        submitted += 1
        let task = TaskID(high: 1, low: submitted)
        let note = Note(Int(submitted))
        return (task, on {
            $0.submitted(task, shape: shape, function: function, missingArguments: missing, retries: retries, payload: note, at: $1, perform: $2)
        })
    }

    mutating func submit(count: Int, function: UInt64 = 1) -> [TaskID] { (0..<count).map { _ in submit(function: function).0 } }
    mutating func grant(_ lease: LeaseID, on worker: UInt64 = 1) -> [Asked] { on { $0.leaseGranted(lease, worker: Self.worker(worker), at: $1, perform: $2) } }
    mutating func done(_ task: TaskID, attempt: Int = 1, taking duration: Duration = .milliseconds(10)) -> [Asked] {
        on { $0.taskDone(task, attempt: attempt, duration: duration, at: $1, perform: $2) }
    }
    mutating func lose(_ lease: LeaseID) -> [Asked] {
        on { $0.leaseLost(lease, DeathCause(.signaled, "killed by signal 11"), at: $1, perform: $2) }
    }
    mutating func reclaim(_ lease: LeaseID) -> [Asked] { on { $0.reclaim(lease, at: $1, perform: $2) } }
    mutating func advance(_ duration: Duration) -> [Asked] {
        now = now + duration
        return on { $0.tick(at: $1, perform: $2) }
    }

    /// Submits and grants a first task, and ends it, so that the function's run time is known and an idle lease is held.
    mutating func warmUp(taking duration: Duration) -> LeaseID {
        let (task, asked) = submit()
        let lease = asked.compactMap(\.requested)[0]
        _ = grant(lease)
        _ = done(task, taking: duration)
        return lease
    }
}
