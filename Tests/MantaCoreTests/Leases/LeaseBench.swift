// A LeaseBook under test with its clock, and the names its tests share.

import MantaModel

@testable import MantaCore

/// One node's book; events advance nothing, `advance` does.
struct LeaseBench {
    var book: LeaseBook
    var now = Instant.zero
    private var workers: UInt64 = 0
    private var requests: UInt64 = 0

    init(cpus: Double = 2, _ others: [String: ResourceAmount] = [:], labels: [String: String] = [:]) {
        var total = Resources(others)
        total[Resources.cpu] = ResourceAmount(cpus)
        book = LeaseBook(node: NodeID(high: 9, low: 1), total: total, labels: labels)
    }

    static let program = Program(path: "/bin/program")
    static let job = JobID(high: 5, low: 1)
    static func process(_ low: UInt64) -> ProcessAddress { ProcessAddress(process: ProcessID(high: 1, low: low), endpoint: "ipc:///\(low)") }
    static let driver = process(1_000)
    static let other = process(2_000)

    /// Runs an event and returns its actions; after each, no resource is granted twice.
    mutating func on(_ event: (inout LeaseBook, Instant, (LeaseBook.Action) -> Void) -> Void) -> [LeaseBook.Action] {
        var actions: [LeaseBook.Action] = []
        event(&book, now) { actions.append($0) }
        return actions
    }

    mutating func advance(_ duration: Duration) -> [LeaseBook.Action] {
        now = now + duration
        return on { $0.tick(at: $1, perform: $2) }
    }

    /// A worker says hello.
    mutating func ready(_ program: Program = LeaseBench.program) -> (ProcessAddress, [LeaseBook.Action]) {
        workers += 1
        let address = Self.process(workers)
        return (address, on { $0.workerReady(address, program: program, pid: Int32(address.process.low), at: $1, perform: $2) })
    }

    /// Workers that are there from the start.
    mutating func ready(count: Int) -> [ProcessAddress] { (0..<count).map { _ in ready().0 } }

    mutating func makeRequest(
        _ owner: ProcessAddress = LeaseBench.driver, cpus: Double = 1, _ others: [String: ResourceAmount] = [:], job: JobID = LeaseBench.job,
        program: Program = LeaseBench.program, mayMove: Bool = false
    ) -> LeaseRequest {
        requests += 1
        var resources = Resources(others)
        resources[Resources.cpu] = ResourceAmount(cpus)
        return LeaseRequest(
            lease: LeaseID(high: owner.process.high, low: requests), owner: owner, job: job, program: program, resources: resources, mayMove: mayMove)
    }

    mutating func request(_ request: LeaseRequest) -> [LeaseBook.Action] { on { $0.requestLease(request, at: $1, perform: $2) } }

    /// A new request, and what came of it.
    mutating func request(_ owner: ProcessAddress = LeaseBench.driver, cpus: Double = 1, mayMove: Bool = false) -> (LeaseID, [LeaseBook.Action]) {
        let made = makeRequest(owner, cpus: cpus, mayMove: mayMove)
        return (made.lease, request(made))
    }

    mutating func giveBack(_ lease: LeaseID) -> [LeaseBook.Action] { on { $0.returnLease(lease, at: $1, perform: $2) } }
    mutating func block(_ lease: LeaseID, turn: UInt64) -> [LeaseBook.Action] { on { $0.blocked(lease, turn: turn, at: $1, perform: $2) } }
    mutating func resume(_ lease: LeaseID, turn: UInt64, on worker: ProcessAddress) -> [LeaseBook.Action] {
        on { $0.resume(lease, turn: turn, worker: worker, at: $1, perform: $2) }
    }
    mutating func die(_ worker: ProcessAddress) -> [LeaseBook.Action] {
        on { $0.workerDied(worker.process, DeathCause(.signaled, "killed by signal 9"), at: $1, perform: $2) }
    }

    var freeCPUs: Double { book.available[Resources.cpu].value }
}

extension LeaseBook.Action {
    var granted: LeaseID? { if case .grant(let lease, _, _, _) = self { lease } else { nil } }
    var grantedWorker: ProcessAddress? { if case .grant(_, let worker, _, _) = self { worker } else { nil } }
    var grantedGPUs: [Int]? { if case .grant(_, _, let gpus, _) = self { gpus } else { nil } }
    var reclaimed: LeaseID? { if case .reclaim(let lease, _) = self { lease } else { nil } }
    var resumedLease: LeaseID? { if case .resumed(let lease, _, _) = self { lease } else { nil } }
    var lostLease: LeaseID? { if case .lost(let lease, _, _) = self { lease } else { nil } }
    var killed: ProcessID? { if case .killWorker(let process, _) = self { process } else { nil } }
    var stopped: ProcessID? { if case .stopWorker(let process) = self { process } else { nil } }
    var isStart: Bool { if case .startWorker = self { true } else { false } }
}
