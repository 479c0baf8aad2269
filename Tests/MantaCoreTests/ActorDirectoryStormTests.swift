// ActorDirectoryStormTests: nodes that die, stall and come back, actors that crash, messages that come twice, heads that are restarted, in random order
// from a seed. Whatever happened: when it is over, nodes run exactly the actors that the directory calls alive, each once, and every question was answered.

import MantaCore
import MantaModel
import Testing

/// A cluster on paper: one directory and nodes with a queue of messages in each direction.
private final class Storm {
    struct Running: Hashable {
        var specification: ActorSpecification
        var restarts: Int
        var address: ProcessAddress
    }
    enum Order {
        case place(ActorSpecification, restarts: Int)
        case end(ActorID, restarts: Int)
    }
    enum Word {
        case accepted(ActorID, restarts: Int)
        case alive(Running)
        case died(ActorID, restarts: Int, DeathCause.Kind)
        case heardOfEnd(ActorID)
    }
    final class Node {
        let id: NodeID
        init(_ id: NodeID) { self.id = id }
        var running: [ActorID: Running] = [:]
        /// The latest incarnation it was told to run: never started twice, whatever became of it.
        var latest: [ActorID: Int] = [:]
        var orders: [Order] = []
        var words: [Word] = []
        /// The head cannot be reached.
        var isAway = false
        /// The head counts it among the living.
        var isMember = false
    }

    var generator: Seeded
    var directory = ActorDirectory()
    var nodes: [Node] = []
    var stored: [ActorID: ActorDirectory.Row] = [:]
    var now = Instant.zero
    var asked = 0
    /// Questions without an answer; a restart of the head takes them along, as its links break.
    var open: Set<ActorDirectory.Token> = []
    var deadForGood: Set<ActorID> = []
    var created: [ActorSpecification] = []
    var job = JobID(high: 0, low: 0)
    var endedJobs: Set<JobID> = []

    init(seed: UInt64) { generator = Seeded(state: seed) }

    func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &generator) < percent }
    var time: WallTime { WallTime(milliseconds: now.nanoseconds / 1_000_000) }

    func event(_ body: (inout ActorDirectory, (ActorDirectory.Action) -> Void) -> Void) {
        var actions: [ActorDirectory.Action] = []
        body(&directory) { actions.append($0) }
        var toStore: [ActorID] = []
        for action in actions {
            switch action {
            case .answer(let token, _): #expect(open.remove(token) != nil, "a question is answered once")
            case .place(let specification, let restarts, let id):
                #expect(!deadForGood.contains(specification.id), "the dead are not placed")
                node(id)?.orders.append(.place(specification, restarts: restarts))
            case .end(let id, let place, let restarts, _): node(place)?.orders.append(.end(id, restarts: restarts))
            case .store(let row):
                stored[row.specification.id] = row
                toStore.append(row.specification.id)
            case .persist(let row): stored[row.specification.id] = row
            case .forget(let id): stored[id] = nil
            case .notify(_, let status): if status.state == .dead { deadForGood.insert(status.id) }
            case .died, .infeasible: break
            }
        }
        for id in toStore { event { $0.stored(id, at: now, $1) } }
    }

    func node(_ id: NodeID) -> Node? { nodes.first { $0.id == id && $0.isMember } }

    func ask(_ question: ActorDirectory.Question) {
        asked += 1
        let token = UInt64(asked)
        open.insert(token)
        event { $0.ask(question, token: token, at: now, time: time, $1) }
    }

    // MARK: What can happen

    func step() {
        now = now + .milliseconds(Int64.random(in: 1...400, using: &generator))
        switch Int.random(in: 0..<100, using: &generator) {
        case 0..<8 where nodes.count < 5:
            let node = Node(NodeID(using: &generator))
            nodes.append(node)
            join(node)
        case 8..<10: nodes.randomElement(using: &generator).map(die)
        case 10..<14: nodes.randomElement(using: &generator)?.isAway.toggle()
        case 14..<17:
            // The head gives up a node that lives on.
            if let node = nodes.filter(\.isAway).randomElement(using: &generator) { giveUp(node) }
        case 17..<18: restartHead()
        case 18..<30: create()
        case 30..<34: if let actor = created.randomElement(using: &generator) { ask(.kill(actor.id, noRestart: chance(50))) }
        case 34..<38: if let actor = created.randomElement(using: &generator) { ask(.watch(actor.id, WatcherID(1))) }
        case 38..<46: crashOne()
        case 46..<47: endJob()
        case 47..<52: event { $0.tick(at: now, time: time, $1) }
        default: if let node = nodes.randomElement(using: &generator) { deliver(node) }
        }
    }

    func create() {
        let lifetime: ActorLifetime = chance(50) ? .detached : .job
        let name = chance(50) ? "name\(Int.random(in: 0..<6, using: &generator))" : nil
        let specification = ActorSpecification(
            id: ActorID(using: &generator), job: job, program: Program(path: "/p"), type: "T", initializer: 0, arguments: [], name: name, namespace: "n", lifetime: lifetime,
            resources: chance(50) ? Resources(["CPU": 1]) : Resources(), placementResources: Resources(), maxRestarts: [0, 2, -1].randomElement(using: &generator)!,
            maxConcurrency: 1, owner: ProcessAddress(process: ProcessID(high: 0, low: 0), endpoint: ""))
        created.append(specification)
        for _ in 0..<(chance(20) ? 2 : 1) { ask(.create(specification, getIfExists: chance(50), watcher: WatcherID(1))) }
    }

    func join(_ node: Node) {
        node.isMember = true
        node.isAway = false
        // A new link: what was on its way on the old one is gone, except for reports, which are repeated.
        node.orders = []
        let running = node.running.values.sorted { $0.specification.id < $1.specification.id }.map { ActorDirectory.Running(specification: $0.specification, address: $0.address, pid: 1, restarts: $0.restarts) }
        event {
            $0.nodeJoined(
                node.id, total: Resources(["CPU": 3]), available: Resources(["CPU": 3]), running: running, jobHasEnded: { endedJobs.contains($0) }, at: now,
                time: time, $1)
        }
    }

    func giveUp(_ node: Node) {
        guard node.isMember else { return }
        node.isMember = false
        event { $0.nodeDied(node.id, reason: "silence", at: now, $1) }
    }

    func die(_ node: Node) {
        nodes.removeAll { $0 === node }
        giveUp(node)
    }

    func crashOne() {
        guard let node = nodes.randomElement(using: &generator), let actor = node.running.values.sorted(by: { $0.specification.id < $1.specification.id }).randomElement(using: &generator)
        else { return }
        end(actor.specification.id, on: node, .exited)
    }

    func end(_ id: ActorID, on node: Node, _ kind: DeathCause.Kind) {
        guard let actor = node.running.removeValue(forKey: id) else { return }
        node.words.append(.died(id, restarts: actor.restarts, kind))
    }

    func endJob() {
        endedJobs.insert(job)
        event { $0.jobEnded(job, at: now, $1) }
        for node in nodes {
            for actor in node.running.values.sorted(by: { $0.specification.id < $1.specification.id }) where actor.specification.job == job && actor.specification.lifetime == .job && !node.isAway {
                end(actor.specification.id, on: node, .jobEnded)
            }
        }
        job = JobID(using: &generator)
    }

    func restartHead() {
        directory = ActorDirectory()
        // Questions are asked again by whoever waits for them; here they are given up.
        open = []
        let rows = stored.values.sorted { $0.specification.id < $1.specification.id }
        event { directory, _ in directory.restore(rows, at: now, time: WallTime(milliseconds: 0)) }
        for node in nodes { node.isMember = false }
        for node in nodes.shuffled(using: &generator) where !node.isAway { join(node) }
    }

    /// One message in each direction, sometimes twice.
    func deliver(_ node: Node) {
        guard !node.isAway else { return }
        if !node.isMember { return join(node) }
        if !node.orders.isEmpty {
            let order = node.orders.removeFirst()
            for _ in 0..<(chance(15) ? 2 : 1) { obey(order, node) }
        }
        if !node.words.isEmpty {
            let word = node.words.removeFirst()
            for _ in 0..<(chance(15) ? 2 : 1) { hear(word, node) }
        }
    }

    func obey(_ order: Order, _ node: Node) {
        switch order {
        case .place(let specification, let restarts):
            node.words.append(.accepted(specification.id, restarts: restarts))
            if let latest = node.latest[specification.id], latest >= restarts {
                // The head does not know how that ended.
                if node.running[specification.id] == nil { node.words.append(.died(specification.id, restarts: latest, .exited)) }
                return
            }
            node.latest[specification.id] = restarts
            let actor = Running(specification: specification, restarts: restarts, address: ProcessAddress(process: ProcessID(using: &generator), endpoint: "ipc:///a"))
            if chance(5) { return node.words.append(.died(specification.id, restarts: restarts, chance(50) ? .startFailed : .constructorThrew)) }
            node.running[specification.id] = actor
            node.words.append(.alive(actor))
        case .end(let id, let restarts):
            node.words.append(.heardOfEnd(id))
            if node.running[id].map({ $0.restarts <= restarts }) ?? true { end(id, on: node, .killed) }
        }
    }

    func hear(_ word: Word, _ node: Node) {
        switch word {
        case .heardOfEnd(let id): event { $0.ended(id, $1) }
        case .accepted(let id, let restarts): event { directory, _ in directory.accepted(id, on: node.id, restarts: restarts) }
        case .alive(let actor):
            event {
                $0.cameAlive(actor.specification.id, on: node.id, restarts: actor.restarts, address: actor.address, pid: 1, at: now, $1)
            }
        case .died(let id, let restarts, let kind): event { $0.died(id, on: node.id, restarts: restarts, DeathCause(kind, "it ended"), at: now, $1) }
        }
    }

    // MARK: The end

    /// Lets everything arrive and everything due happen.
    func settle() {
        if nodes.isEmpty { nodes.append(Node(NodeID(using: &generator))) }
        for _ in 0..<400 {
            now = now + .milliseconds(200)
            event { $0.tick(at: now, time: time, $1) }
            for node in nodes {
                node.isAway = false
                for _ in 0..<5 { deliver(node) }
                event { $0.nodeUpdated(node.id, available: Resources(["CPU": 3]), at: now, $1) }
            }
        }
    }

    func check(_ seed: UInt64) {
        #expect(open.isEmpty, "seed \(seed): every question is answered")
        var living: [ActorID: [(NodeID, Int)]] = [:]
        for node in nodes { for actor in node.running.values { living[actor.specification.id, default: []].append((node.id, actor.restarts)) } }
        var names: Set<String> = []
        for row in directory.rows(limit: .max) {
            let places = living.removeValue(forKey: row.id) ?? []
            switch row.state {
            case .alive: #expect(places.count == 1 && places[0].0 == row.node && places[0].1 == row.restarts, "seed \(seed): \(row) runs at \(places)")
            case .dead: #expect(places.isEmpty, "seed \(seed): \(row) runs at \(places)")
            case .pending, .restarting: #expect(places.isEmpty && row.reason != nil, "seed \(seed): \(row) runs at \(places)")
            }
            if row.state != .dead, let name = row.name { #expect(names.insert(name).inserted, "seed \(seed): one name, one actor") }
            if row.state != .dead, row.detached { #expect(stored[row.id]?.restarts == row.restarts, "seed \(seed): \(row) is stored as it is") }
            if row.state == .dead, row.detached { #expect(stored[row.id] == nil, "seed \(seed): \(row) is forgotten") }
        }
        #expect(living.isEmpty, "seed \(seed): nothing runs that the directory does not know")
    }
}

@Suite struct ActorDirectoryStormTests {
    @Test(arguments: 1...60 as ClosedRange<UInt64>) func afterAnyStormTheDirectoryIsRight(seed: UInt64) {
        let storm = Storm(seed: seed)
        for _ in 0..<600 { storm.step() }
        storm.settle()
        storm.check(seed)
    }
}

/// The same numbers in every run.
private struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
