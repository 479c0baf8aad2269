// What the ledger of a simulation knows of placement groups: which bundles a node said it has set aside, which of them may be used, and what uses them.
//
// A bundle counts against its node from the moment the node agrees until it lets go; what runs in a group counts against the group's bundles alone.

import MantaModel

extension Ledger {
    struct GroupAccount {
        /// Set aside by attempt, in ten-thousandths of a CPU.
        var prepared: [Int: (cpus: Int64, attempt: UInt64)] = [:]
        var committed: [Int: Int64] = [:]
        /// What was committed and is free when nothing uses it any more.
        var closing: Int64 = 0
        var used: Int64 = 0
        var isRemoved = false

        var isEmpty: Bool { prepared.isEmpty && committed.isEmpty && closing == 0 && used == 0 && !isRemoved }
    }

    /// The node agreed to set bundles aside.
    mutating func setAside(_ specification: PlacementGroupSpecification, _ indices: [Int], attempt: UInt64, node: Int) {
        if accounts[node].groups[specification.id]?.isRemoved == true { note("node\(node) sets bundles aside for group \(specification.id.short), which was removed") }
        for index in indices {
            let known = accounts[node].groups[specification.id]
            if known?.committed[index] != nil || known?.prepared[index]?.attempt == attempt { continue }
            if known?.prepared[index] != nil { note("node\(node) sets bundle \(index) of group \(specification.id.short) aside twice") }
            let cpus = specification.bundles[index][Resources.cpu].units
            accounts[node].groups[specification.id, default: GroupAccount()].prepared[index] = (cpus, attempt)
            use(cpus, node)
        }
    }

    /// The node made bundles usable.
    mutating func committed(_ group: PlacementGroupID, _ indices: [Int], node: Int) {
        for index in indices where accounts[node].groups[group]?.committed[index] == nil {
            guard let bundle = accounts[node].groups[group]?.prepared.removeValue(forKey: index) else {
                return note("node\(node) commits bundle \(index) of group \(group.short), which it had not set aside")
            }
            accounts[node].groups[group]!.committed[index] = bundle.cpus
        }
    }

    /// The node is told to let go of what it set aside in an attempt.
    mutating func abandoned(_ group: PlacementGroupID, attempt: UInt64, node: Int) {
        for (index, bundle) in accounts[node].groups[group]?.prepared ?? [:] where bundle.attempt == attempt || attempt == .max {
            accounts[node].groups[group]!.prepared[index] = nil
            accounts[node].used -= bundle.cpus
        }
    }

    /// The node is told to end what runs in the group.
    mutating func closed(_ group: PlacementGroupID, forGood: Bool, node: Int) {
        abandoned(group, attempt: .max, node: node)
        var account = accounts[node].groups[group] ?? GroupAccount()
        account.closing += account.committed.values.reduce(0, +)
        account.committed = [:]
        if forGood { account.isRemoved = true }
        accounts[node].groups[group] = account
        settle(group, node)
    }

    /// A lease of the group is active.
    mutating func use(_ cpus: Int64, of group: PlacementGroupID, _ node: Int) {
        accounts[node].groups[group, default: GroupAccount()].used += cpus
        let account = accounts[node].groups[group]!
        let room = account.committed.values.reduce(0, +)
        if account.used > room { note("node\(node) has granted \(account.used) of \(room) ten-thousandths of a CPU of group \(group.short)") }
    }

    mutating func giveBack(_ cpus: Int64, of group: PlacementGroupID, _ node: Int) {
        accounts[node].groups[group]?.used -= cpus
        settle(group, node)
    }

    private mutating func settle(_ group: PlacementGroupID, _ node: Int) {
        guard let account = accounts[node].groups[group], account.used == 0, account.closing > 0 else { return }
        accounts[node].used -= account.closing
        accounts[node].groups[group]!.closing = 0
    }

    /// Whether the node may run something in the bundle.
    func holds(_ group: PlacementGroupID, _ index: Int, node: Int) -> Bool { accounts[node].groups[group]?.committed[index] != nil }
}
