// Ledger: the judge of a simulation. It keeps its own accounts from the messages that nodes get and send and from what workers really compute,
// and names the first thing that must never happen: a CPU granted twice, a lease granted after its end, a task that ends twice.

import MantaCore
import MantaModel

struct Ledger {
    struct Held {
        let worker: ProcessID
        let cpus: Int64
        /// The placement group of whose bundles it has its CPUs.
        let group: PlacementGroupID?
        var isActive: Bool
        var turn: UInt64
    }
    struct Account {
        let total: Int64
        var used: Int64 = 0
        var computing: Int64 = 0
        var leases: [LeaseID: Held] = [:]
        var ended: Set<LeaseID> = []
        var activeOf: [ProcessID: Set<LeaseID>] = [:]
        var actors: [ActorID: Int64] = [:]
        var groups: [PlacementGroupID: GroupAccount] = [:]
    }
    var accounts: [Account] = []
    /// What each lease asked for, in ten-thousandths of a CPU, and of which placement group.
    private var demands: [LeaseID: (cpus: Int64, group: PlacementGroupID?)] = [:]
    private var owners: [TaskID: Int] = [:]
    private var ends: [TaskID: Int] = [:]
    /// What went wrong first.
    private(set) var violation: String?

    mutating func addNode(cpus: Int64) { accounts.append(Account(total: cpus)) }

    mutating func note(_ text: String) { violation = violation ?? text }

    // MARK: Leases

    mutating func requested(_ request: LeaseRequest) {
        demands[request.lease] = (request.resources.asAsked[Resources.cpu].units, request.resources.group)
    }

    mutating func granted(_ lease: LeaseID, on worker: ProcessID, node: Int) {
        if let held = accounts[node].leases[lease] {
            if held.worker != worker { note("node\(node) granted lease \(name(lease)) on two workers") }
            return
        }
        if accounts[node].ended.contains(lease) { note("node\(node) granted lease \(name(lease)) after its end") }
        let demand = demands[lease]
        // Only what could go on already may be active beside another one.
        if let other = accounts[node].activeOf[worker]?.first { note("node\(node) granted lease \(name(lease)) on a worker on which \(name(other)) is active") }
        accounts[node].leases[lease] = Held(worker: worker, cpus: demand?.cpus ?? 0, group: demand?.group, isActive: false, turn: 0)
        activate(lease, node)
    }

    mutating func resumed(_ lease: LeaseID, turn: UInt64, node: Int) {
        guard let held = accounts[node].leases[lease] else { return note("node\(node) resumed lease \(name(lease)), which it does not hold") }
        accounts[node].leases[lease]!.turn = turn
        if !held.isActive { activate(lease, node) }
    }

    private mutating func activate(_ lease: LeaseID, _ node: Int) {
        guard let held = accounts[node].leases[lease] else { return }
        accounts[node].leases[lease]!.isActive = true
        accounts[node].activeOf[held.worker, default: []].insert(lease)
        if let group = held.group { use(held.cpus, of: group, node) } else { use(held.cpus, node) }
    }

    mutating func use(_ cpus: Int64, _ node: Int) {
        accounts[node].used += cpus
        if accounts[node].used > accounts[node].total {
            note("node\(node) has granted \(accounts[node].used) of \(accounts[node].total) ten-thousandths of a CPU")
        }
    }

    /// The node is told that the lease's task awaits something.
    mutating func blocked(_ lease: LeaseID, turn: UInt64, node: Int) {
        guard let held = accounts[node].leases[lease], held.isActive, turn > held.turn else { return }
        accounts[node].leases[lease]!.turn = turn
        deactivate(lease, node)
    }

    private mutating func deactivate(_ lease: LeaseID, _ node: Int) {
        guard let held = accounts[node].leases[lease], held.isActive else { return }
        accounts[node].leases[lease]!.isActive = false
        accounts[node].activeOf[held.worker]?.remove(lease)
        if let group = held.group { giveBack(held.cpus, of: group, node) } else { accounts[node].used -= held.cpus }
    }

    /// The node is told that the lease is returned or not wanted.
    mutating func returned(_ lease: LeaseID, node: Int) {
        deactivate(lease, node)
        accounts[node].leases[lease] = nil
        accounts[node].ended.insert(lease)
    }

    mutating func workerDied(_ worker: ProcessID, node: Int) {
        for (lease, held) in accounts[node].leases where held.worker == worker { returned(lease, node: node) }
    }

    // MARK: Actors

    mutating func reserved(_ actor: ActorID, cpus: Int64, node: Int) {
        guard accounts[node].actors.updateValue(cpus, forKey: actor) == nil else { return }
        use(cpus, node)
    }

    mutating func released(_ actor: ActorID, node: Int) {
        if let cpus = accounts[node].actors.removeValue(forKey: actor) { accounts[node].used -= cpus }
    }

    // MARK: Computing

    /// A worker really begins or stops to compute for a lease.
    mutating func computes(_ lease: LeaseID, node: Int, _ begins: Bool) {
        accounts[node].computing += (begins ? 1 : -1) * (demands[lease]?.cpus ?? 0)
    }

    /// Tasks really compute on no more CPUs than the node has. Messages that overtake each other may break this for a moment; nothing else may.
    mutating func checkComputing() {
        for (node, account) in accounts.enumerated() where account.computing > account.total {
            note("node\(node) computes with \(account.computing) of \(account.total) ten-thousandths of a CPU")
        }
    }

    // MARK: Tasks

    mutating func submitted(_ task: TaskID, by process: Int) { owners[task] = process }

    mutating func ended(_ task: TaskID) {
        ends[task, default: 0] += 1
        if owners[task] == nil { note("task \(name(task)) ended and was never submitted") }
        if ends[task]! > 1 { note("task \(name(task)) ended \(ends[task]!) times") }
    }

    var submittedCount: Int { owners.count }

    /// What is not as it must be when all is quiet.
    func complaint(isAlive: (Int) -> Bool, nodeIsAlive: (Int) -> Bool) -> String? {
        if let open = owners.filter({ ends[$0.key] == nil && isAlive($0.value) }).keys.min() { return "task \(name(open)) never ended" }
        for (node, account) in accounts.enumerated() where nodeIsAlive(node) && account.used != 0 {
            return "node\(node) ends with \(account.used) ten-thousandths of a CPU in use"
        }
        return nil
    }
}
