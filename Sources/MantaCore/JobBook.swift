// JobBook: which jobs run and which have ended, decided from registrations, orderly ends and the deaths of drivers.
//
// A job ends once: finished when its driver said so, failed when the driver died. After a restart of the head the jobs that were running are awaited:
// their driver or a node that runs something of them speaks up within the grace, or they have failed. The latest ended jobs are remembered.

package import MantaModel

/// The jobs of the cluster.
package struct JobBook: Sendable {
    /// A job, as its driver registered it and as it stands.
    package struct Job: Hashable, Sendable {
        package var id: JobID
        package var program: Program
        package var namespace: String
        package var driver: ProcessAddress
        package var pid: Int32
        package var host: String
        package var startedAt: WallTime
        /// Tells its driver's process apart from others that had or get its number, where that is known.
        package var incarnation: String?
        package internal(set) var state = JobState.running
        package internal(set) var endedAt: WallTime?
        package init(id: JobID, program: Program, namespace: String, driver: ProcessAddress, pid: Int32, host: String, startedAt: WallTime) {
            (self.id, self.program, self.namespace, self.driver) = (id, program, namespace, driver)
            (self.pid, self.host, self.startedAt) = (pid, host, startedAt)
        }

        package var row: JobRow {
            JobRow(id: id, state: state, program: program.path, namespace: namespace, pid: pid, startedAt: startedAt, endedAt: endedAt)
        }
    }

    package enum Action: Hashable, Sendable {
        case persist(Job)
        case forget(JobID)
        /// End what runs for it.
        case ended(Job)
    }

    /// Ended jobs that are remembered.
    private static let endedLimit = 1000
    /// Jobs that run at once.
    private static let runningLimit = 100_000

    private let grace: Duration
    private var jobs: [JobID: Job] = [:]
    /// The oldest first.
    private var ended: [JobID] = []
    /// Running jobs whose driver is not connected, and when they count as failed.
    private var missing: [JobID: Instant] = [:]

    package init(grace: Duration = Limits.deadAfter) { self.grace = grace }

    package subscript(_ id: JobID) -> Job? { jobs[id] }
    package func hasEnded(_ id: JobID) -> Bool { jobs[id].map { $0.state != .running } ?? false }
    package var count: Int { jobs.count }
    package var running: [Job] { jobs.values.filter { $0.state == .running }.sorted { $0.id < $1.id } }
    package var nextDeadline: Instant? { missing.values.min() }

    /// How many are in which state.
    package var states: [String: Int] { jobs.values.reduce(into: [:]) { $0[$1.state.rawValue, default: 0] += 1 } }

    /// Newest first.
    package func rows(limit: Int) -> [JobRow] {
        jobs.values.sorted { ($0.startedAt, $0.id) > ($1.startedAt, $1.id) }.prefix(max(0, limit)).map(\.row)
    }

    /// A job from the store. The one that was running is awaited.
    package mutating func restore(_ job: Job, state: JobState, endedAt: WallTime?, at now: Instant) {
        var job = job
        (job.state, job.endedAt) = (state, endedAt)
        jobs[job.id] = job
        guard state == .running else { return ended.append(job.id) }
        missing[job.id] = now + grace
    }

    /// To be called when all are restored: puts the ended ones in order.
    package mutating func restored() {
        ended.sort { (jobs[$0]?.endedAt?.milliseconds ?? 0) < (jobs[$1]?.endedAt?.milliseconds ?? 0) }
    }

    /// A driver begins its job, or says again that it runs. Throws `conflict` when the job has ended, `invalidArgument` for a namespace that cannot be.
    package mutating func register(_ job: Job, _ sink: (Action) -> Void) throws(MantaError) {
        if let known = jobs[job.id] {
            guard known.state == .running else {
                throw MantaError(.conflict, "job \(job.id) has \(known.state.rawValue) already; start the program again to get a new job")
            }
            missing[job.id] = nil
            return
        }
        if let complaint = ActorDirectory.complaint(aboutNamespace: job.namespace) { throw MantaError(.invalidArgument, complaint) }
        guard jobs.count - ended.count < Self.runningLimit else {
            throw MantaError(.overloaded, "\(Self.runningLimit) jobs are running; try again when some have ended")
        }
        adopt(job, sink)
    }

    /// A node runs something of a job. One that was not known runs, it seems, and its node watches its driver; one that has ended stays ended.
    package mutating func adopt(_ job: Job, _ sink: (Action) -> Void) {
        missing[job.id] = nil
        guard jobs[job.id] == nil else { return }
        var job = job
        (job.state, job.endedAt) = (.running, nil)
        jobs[job.id] = job
        sink(.persist(job))
    }

    /// The registration could not be made durable: it never was.
    package mutating func withdraw(_ id: JobID) {
        guard jobs[id]?.state == .running else { return }
        (jobs[id], missing[id]) = (nil, nil)
    }

    /// The driver's link broke. It fails after the grace unless it is there again by then.
    package mutating func driverDisconnected(_ id: JobID, at now: Instant) {
        if jobs[id]?.state == .running, missing[id] == nil { missing[id] = now + grace }
    }

    /// The driver is there (again).
    package mutating func driverConnected(_ id: JobID) { missing[id] = nil }

    /// The running jobs of a driver.
    package func jobs(ofDriver process: ProcessID) -> [JobID] { running.filter { $0.driver.process == process }.map(\.id) }

    /// The driver left in order (`finished`) or died (`failed`). Ended jobs stay as they are.
    package mutating func end(_ id: JobID, as state: JobState, at time: WallTime, _ sink: (Action) -> Void) {
        guard var job = jobs[id], job.state.mayBecome(state) else { return }
        (job.state, job.endedAt) = (state, time)
        (jobs[id], missing[id]) = (job, nil)
        ended.append(id)
        sink(.persist(job))
        sink(.ended(job))
        if ended.count > Self.endedLimit {
            let oldest = ended.removeFirst()
            jobs[oldest] = nil
            sink(.forget(oldest))
        }
    }

    /// Fails the jobs whose driver has been away for too long.
    package mutating func tick(at now: Instant, time: WallTime, _ sink: (Action) -> Void) {
        for id in missing.filter({ $0.value <= now }).keys.sorted() { end(id, as: .failed, at: time, sink) }
    }
}
