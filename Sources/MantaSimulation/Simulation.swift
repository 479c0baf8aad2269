// Simulation: a cluster in one thread, in virtual time, under one seed: a head that passes on reports, nodes, drivers, workers that own tasks
// themselves, and a network that loses, delays, repeats and reorders messages.
//
// The books are the real ones; what is around them here is only as much as carries their actions out. After every event the ledger judges. The same
// configuration gives the same trace on every machine: no hash order, no clock, no other chance than the seed's reaches a decision.

import MantaCore
import MantaModel

/// One run. Make it, `run` it once.
package final class Simulation {
    package struct Configuration: Sendable {
        package var seed: UInt64
        /// About how many tasks are submitted, nested ones included.
        package var tasks: Int
        /// Drawn from the seed when nil.
        package var faults: Faults?
        /// Placement groups that drivers make, use and remove.
        package var groups: Int
        package init(seed: UInt64, tasks: Int = 150, faults: Faults? = nil, groups: Int = 0) {
            (self.seed, self.tasks, self.faults, self.groups) = (seed, tasks, faults, groups)
        }
    }

    /// What came of a run.
    package struct Outcome: Sendable {
        package let seed: UInt64
        package let traceHash: UInt64
        package let events: Int
        package let virtualTime: Duration
        package let tasks: Int
        package let answered: Int
        package let failed: Int
        /// Placement groups that were whole at some time.
        package let groupsCreated: Int
        /// What must not happen and did; nil when all is well.
        package let violation: String?
        /// The latest events before a violation, oldest first.
        package let lastEvents: [String]
        package let faults: Faults
    }

    let configuration: Configuration
    let faults: Faults
    var random: SeededGenerator
    var now = Instant.zero
    var timeline = Timeline<Event>()
    var trace: Trace
    var ledger = Ledger()
    var nodes: [SimulatedNode] = []
    var processes: [SimulatedProcess] = []
    var numbers: [ProcessID: Int] = [:]
    /// Top-level plans that each driver has yet to submit.
    var plans: [[TaskPlan]] = [[], []]
    /// When the last message between two parties arrives: later ones do not overtake it, unless the faults say so.
    var arrivals: [UInt64: Instant] = [:]
    var reports: [Int: (view: NodeView, at: Instant)] = [:]
    /// Actors that are to come or there, by their nodes.
    var openActors: [ActorID: Int] = [:]
    var faultsAreOver = false
    // Placement groups
    var groups: [SimulatedGroup] = []
    var groupBook = PlacementGroupBook()
    /// What the head gave its store, and when: nil is a removal.
    var groupStore: [(at: Instant, id: PlacementGroupID, specification: PlacementGroupSpecification?)] = []
    var createdGroups: Set<PlacementGroupID> = []
    /// How often the head was restarted.
    var headLife = 0
    var orderedArrivals: [UInt64: Instant] = [:]
    /// Why nodes kill processes.
    var kills: [Int: DeathCause] = [:]
    var answered = 0
    var failed = 0
    var failure: String?

    /// Nothing takes longer than this once the faults are over.
    static let patience: Duration = .seconds(900)
    /// A run has some 20,000 events; one with so many goes round in circles.
    static let eventLimit = 5_000_000
    static let program = Program(path: "/simulated/program")
    static let job = JobID(high: 5, low: 5)

    /// `observe` gets a line for every event but ticks.
    package init(_ configuration: Configuration, observe: ((String) -> Void)? = nil) {
        self.configuration = configuration
        trace = Trace(observe: observe)
        random = SeededGenerator(seed: configuration.seed)
        faults = configuration.faults ?? Faults.drawn(using: &random, withGroups: configuration.groups > 0)
    }

    /// Runs until all is quiet or something is wrong.
    package func run() -> Outcome {
        setUp()
        while let next = timeline.next() {
            now = next.at
            trace.record(next.event, at: now)
            handle(next.event)
            if !faults.reorders { ledger.checkComputing() }
            failure = failure ?? ledger.violation
            if trace.events > Self.eventLimit { failure = failure ?? "no end after \(trace.events) events at \(now - .zero): messages cause ever more messages" }
            if failure != nil { break }
            if case .heartbeat(node: 0) = next.event {
                if isQuiet { break }
                if now > .zero + faults.end + Self.patience { failure = "no rest \(Self.patience) after the faults ended: \(unrest)" }
            }
        }
        if failure == nil {
            failure = ledger.complaint(isAlive: { processes[$0].isAlive }, nodeIsAlive: { nodes[$0].isAlive })
        }
        return Outcome(
            seed: configuration.seed, traceHash: trace.hash, events: trace.events, virtualTime: now - .zero, tasks: ledger.submittedCount,
            answered: answered, failed: failed, groupsCreated: createdGroups.count, violation: failure, lastEvents: failure == nil ? [] : trace.lines, faults: faults)
    }

    // MARK: Set-up

    private func setUp() {
        for index in 0..<3 { addNode(index) }
        for driver in 0..<2 {
            addProcess(node: driver, isWorker: false)
            var budget = configuration.tasks / 2
            while budget > 0 {
                budget -= 1
                plans[driver].append(TaskPlan.drawn(depth: 3, budget: &budget, using: &random))
            }
            timeline.add(.submit(driver: driver), at: now + .milliseconds(1))
            timeline.add(.tick(.process(driver)), at: now)
        }
        for low in 0..<UInt64(random.pick(0..<5)) {
            let actor = ActorID(high: 3, low: low)
            let node = random.pick(0..<3)
            openActors[actor] = node
            timeline.add(.reserve(actor, node: node), at: soon(.seconds(3)))
        }
        if faults.crashPeriod != nil { timeline.add(.crashSomeWorker, at: soon(.milliseconds(500))) }
        if faults.losesNode { timeline.add(.loseNode(2), at: soon(.seconds(5))) }
        if faults.losesDriver { timeline.add(.processEnds(1, because: "the driver was killed"), at: soon(.seconds(4))) }
        setUpGroups()
        timeline.add(.faultsEnd, at: now + faults.end)
    }

    private func addNode(_ index: Int) {
        let address = NodeAddress(node: NodeID(using: &random), endpoint: "node\(index)")
        let cpus = random.pick(2...4)
        let total = Resources([Resources.cpu: ResourceAmount(integerLiteral: cpus)])
        nodes.append(SimulatedNode(address: address, book: LeaseBook(node: address.node, total: total), party: .node(index)))
        ledger.addNode(cpus: cpus * 10_000)
        timeline.add(.tick(.node(index)), at: soon(Limits.tickPeriod))
        timeline.add(.heartbeat(node: index), at: soon(Limits.heartbeatPeriod))
    }

    /// A new process, known by its number from now on.
    @discardableResult
    func addProcess(node: Int, isWorker: Bool) -> Int {
        let number = processes.count
        let address = ProcessAddress(process: ProcessID(using: &random), endpoint: "p\(number)")
        let book = TaskBook(owner: address, home: nodes[node].address, clusterCPUs: random.chance(0.5) ? 9 : nil)
        processes.append(SimulatedProcess(address: address, node: node, isWorker: isWorker, book: book))
        numbers[address.process] = number
        return number
    }

    /// A moment within the span from now.
    func soon(_ span: Duration) -> Instant { now + .nanoseconds(random.pick(0...span.inNanoseconds)) }

    // MARK: Rest

    /// Whether all that was begun has ended and all that was taken is back.
    private var isQuiet: Bool {
        guard faultsAreOver, openActors.isEmpty, plans.indices.allSatisfy({ plans[$0].isEmpty || !processes[$0].isAlive }) else { return false }
        guard groupsAreGone else { return false }
        for process in processes where process.isAlive {
            if process.book.counts != (0, 0, 0, 0) { return false }
        }
        for node in nodes where node.isAlive {
            if node.book.counts != (0, 0, 0) || node.book.available != node.book.total { return false }
        }
        return true
    }

    /// Who is not at rest, for people.
    private var unrest: String {
        var parts: [String] = []
        for (number, process) in processes.enumerated() where process.isAlive && process.book.counts != (0, 0, 0, 0) {
            parts.append("p\(number) \(process.book.counts)")
        }
        for (index, node) in nodes.enumerated() where node.isAlive && node.book.counts != (0, 0, 0) {
            parts.append("node\(index) \(node.book.counts) available \(node.book.available) of \(node.book.total)")
        }
        if !groupsAreGone { parts.append("groups \(groupBook.rows(limit: 100).filter { $0.state != .removed }.map { "\($0.id.short) \($0.state) \($0.reason ?? "")" })") }
        return parts.isEmpty ? "actors \(openActors.count)" : parts.joined(separator: "; ")
    }
}
