// Message: what travels between the simulated processes; the same exchanges as in MantaWire.

import MantaCore
import MantaModel

/// A sender or receiver: the head, a node, or a process (driver or worker) by its number.
enum Party: Hashable, CustomStringConvertible {
    case head
    case node(Int)
    case process(Int)

    var description: String {
        switch self {
        case .head: "head"
        case .node(let index): "node\(index)"
        case .process(let index): "p\(index)"
        }
    }
    var word: UInt64 {
        switch self {
        case .head: 0
        case .node(let index): 1_000 + UInt64(index)
        case .process(let index): 10_000 + UInt64(index)
        }
    }
}

indirect enum Message: CustomStringConvertible {
    // Owner and node
    case requestLease(LeaseRequest)
    case cancelRequest(LeaseID)
    case returnLease(LeaseID)
    case confirmLease(LeaseID, ProcessAddress)
    case granted(LeaseID, worker: ProcessAddress, node: NodeAddress)
    case moved(LeaseID, NodeAddress)
    case refused(LeaseID, MantaError)
    case reclaim(LeaseID, NodeAddress)
    case lost(LeaseID, DeathCause)
    // Worker and node
    case blocked(LeaseID, UInt64)
    case resume(LeaseID, UInt64)
    case resumed(LeaseID, UInt64)
    case leaseEnded(LeaseID)
    // Owner and worker
    case run(TaskID, attempt: Int, LeaseID, TaskPlan)
    case takeBack(LeaseID)
    case inquire(LeaseID, [TaskID])
    case cancel(TaskID, attempt: Int, LeaseID)
    case done(TaskID, attempt: Int, Int64)
    case returned(LeaseID, [TaskID])
    case unknown(LeaseID, [TaskID])
    // Node and head
    case report(NodeView, reclaimable: Resources)
    case clusterView([NodeView])
    /// From the head of this life to a node.
    case order(Message, life: Int)
    case prepare(PlacementGroupSpecification, [Int], attempt: UInt64)
    case commit(PlacementGroupID, [Int], attempt: UInt64)
    case abandon(PlacementGroupID, attempt: UInt64)
    case groupRemoved(PlacementGroupID)
    case dropBundles(PlacementGroupID)
    /// To the head of this life: the answers to a former one mean nothing.
    case prepared(PlacementGroupID, attempt: UInt64, MantaError?, life: Int)
    case committed(PlacementGroupID, attempt: UInt64, Bool, life: Int)
    case register(total: Resources, available: Resources, [HeldBundles], life: Int)
    case inquireGroups([PlacementGroupID], life: Int)

    /// For the trace: which message, about what.
    var words: (kind: UInt64, subject: UInt64) {
        switch self {
        case .requestLease(let request): (1, request.lease.low)
        case .cancelRequest(let lease): (2, lease.low)
        case .returnLease(let lease): (3, lease.low)
        case .confirmLease(let lease, _): (4, lease.low)
        case .granted(let lease, _, _): (5, lease.low)
        case .moved(let lease, _): (6, lease.low)
        case .refused(let lease, _): (7, lease.low)
        case .reclaim(let lease, _): (8, lease.low)
        case .lost(let lease, _): (9, lease.low)
        case .blocked(let lease, let turn): (10, lease.low &* 31 &+ turn)
        case .resume(let lease, let turn): (11, lease.low &* 31 &+ turn)
        case .resumed(let lease, let turn): (12, lease.low &* 31 &+ turn)
        case .leaseEnded(let lease): (13, lease.low)
        case .run(let task, let attempt, _, _): (14, task.low &* 31 &+ UInt64(attempt))
        case .takeBack(let lease): (15, lease.low)
        case .inquire(let lease, let tasks): (16, lease.low &* 31 &+ UInt64(tasks.count))
        case .cancel(let task, _, _): (17, task.low)
        case .done(let task, let attempt, _): (18, task.low &* 31 &+ UInt64(attempt))
        case .returned(let lease, let tasks): (19, lease.low &* 31 &+ UInt64(tasks.count))
        case .unknown(let lease, let tasks): (20, lease.low &* 31 &+ UInt64(tasks.count))
        case .report(let view, _): (21, view.id.low)
        case .clusterView(let views): (22, UInt64(views.count))
        case .order(let order, let life): (order.words.kind, order.words.subject &* 31 &+ UInt64(life))
        case .prepare(let specification, let indices, let attempt): (23, specification.id.low &* 31 &+ UInt64(indices.count) &+ attempt)
        case .commit(let group, let indices, let attempt): (24, group.low &* 31 &+ UInt64(indices.count) &+ attempt)
        case .abandon(let group, let attempt): (25, group.low &+ attempt)
        case .groupRemoved(let group): (26, group.low)
        case .dropBundles(let group): (27, group.low)
        case .prepared(let group, let attempt, let refusal, _): (28, group.low &* 31 &+ attempt &+ (refusal == nil ? 0 : 1))
        case .committed(let group, let attempt, let success, _): (29, group.low &* 31 &+ attempt &+ (success ? 0 : 1))
        case .register(_, _, let held, let life): (30, UInt64(held.count) &* 31 &+ UInt64(life))
        case .inquireGroups(let groups, let life): (31, UInt64(groups.count) &* 31 &+ UInt64(life))
        }
    }

    var description: String {
        switch self {
        case .requestLease(let request): "requestLease \(name(request.lease)) \(request.resources)\(request.mayMove ? " mayMove" : "")"
        case .cancelRequest(let lease): "cancelRequest \(name(lease))"
        case .returnLease(let lease): "returnLease \(name(lease))"
        case .confirmLease(let lease, _): "confirmLease \(name(lease))"
        case .granted(let lease, let worker, _): "granted \(name(lease)) on \(worker.endpoint)"
        case .moved(let lease, let node): "moved \(name(lease)) to \(node.endpoint)"
        case .refused(let lease, let error): "refused \(name(lease)): \(error)"
        case .reclaim(let lease, _): "reclaim \(name(lease))"
        case .lost(let lease, let cause): "lost \(name(lease)): \(cause)"
        case .blocked(let lease, let turn): "blocked \(name(lease)) turn \(turn)"
        case .resume(let lease, let turn): "resume \(name(lease)) turn \(turn)"
        case .resumed(let lease, let turn): "resumed \(name(lease)) turn \(turn)"
        case .leaseEnded(let lease): "leaseEnded \(name(lease))"
        case .run(let task, let attempt, let lease, _): "run \(name(task)) attempt \(attempt) under \(name(lease))"
        case .takeBack(let lease): "takeBack \(name(lease))"
        case .inquire(let lease, let tasks): "inquire \(name(lease)) \(tasks.map(name))"
        case .cancel(let task, _, _): "cancel \(name(task))"
        case .done(let task, let attempt, _): "done \(name(task)) attempt \(attempt)"
        case .returned(let lease, let tasks): "returned \(name(lease)) \(tasks.map(name))"
        case .unknown(let lease, let tasks): "unknown \(name(lease)) \(tasks.map(name))"
        case .report(let view, _): "report of \(view.endpoint), available \(view.available)"
        case .clusterView: "clusterView"
        case .order(let order, let life): life == 0 ? "\(order)" : "\(order) (head \(life))"
        case .prepare(let specification, let indices, let attempt): "prepare group \(specification.id.short) \(indices) attempt \(attempt)"
        case .commit(let group, let indices, let attempt): "commit group \(group.short) \(indices) attempt \(attempt)"
        case .abandon(let group, let attempt): "abandon group \(group.short) attempt \(attempt)"
        case .groupRemoved(let group): "group \(group.short) is removed"
        case .dropBundles(let group): "drop group \(group.short)"
        case .prepared(let group, let attempt, let refusal, _): "prepared group \(group.short) attempt \(attempt): \(refusal?.message ?? "yes")"
        case .committed(let group, let attempt, let success, _): "committed group \(group.short) attempt \(attempt): \(success)"
        case .register(_, let available, let held, _): "register, available \(available), \(held.count) groups"
        case .inquireGroups(let groups, _): "inquire groups \(groups.map(\.short))"
        }
    }
}

/// The first digits of the owner and the number: readable in a trace.
func name(_ identifier: some Identifier) -> String { "\(identifier.short.prefix(4)).\(identifier.low)" }
