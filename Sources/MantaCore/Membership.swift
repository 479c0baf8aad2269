// Membership: which nodes the cluster has and whether they live, decided from registrations, heartbeats, broken links and ended processes.
//
// A node is suspect when nothing was heard of it for a while, and dead when that lasts, when its link broke for good or its process has ended. A dead node that
// speaks again has a new life: it registers again and is told what to end. When the head itself was stopped for a while, silence of that time counts
// for nobody. A node identifier belongs to one process: another process with it is refused while the first one lives.

package import MantaModel

/// The nodes of the cluster.
package struct Membership: Sendable {
    /// The times after which silence means something.
    package struct Timing: Sendable {
        package var suspectAfter: Duration
        package var deadAfter: Duration
        /// A longer pause between two ticks means that the head itself was stopped.
        package var stall: Duration
        package init(suspectAfter: Duration = Limits.suspectAfter, deadAfter: Duration = Limits.deadAfter, stall: Duration = Limits.heartbeatPeriod * 2) {
            (self.suspectAfter, self.deadAfter, self.stall) = (suspectAfter, deadAfter, stall)
        }
    }

    /// One node, as it registered and as it was last heard of.
    package struct Node: Hashable, Sendable {
        package var id: NodeID
        package var process: ProcessID
        package var endpoint: String
        package var host: String
        package var pid: Int32
        package var total: Resources
        package var available: Resources
        package var workers = 0
        /// Tells its process apart from others that had or get its number, where that is known.
        package var incarnation: String?
        package var labels: [String: String] = [:]
        package var startedAt: WallTime
        package internal(set) var state = NodeState.alive
        /// Why it is dead.
        package internal(set) var reason: String?
        var lastHeard = Instant.zero
        package init(id: NodeID, process: ProcessID, endpoint: String, host: String, pid: Int32, total: Resources, available: Resources, startedAt: WallTime) {
            (self.id, self.process, self.endpoint, self.host, self.pid) = (id, process, endpoint, host, pid)
            (self.total, self.available, self.startedAt) = (total, available, startedAt)
        }
    }

    package enum Action: Hashable, Sendable {
        /// A new head must wait for this node.
        case persist(Node)
        case forget(NodeID)
        /// What the nodes know of each other has changed.
        case publishView
        case nodeBecameSuspect(NodeID)
        case nodeBecameAlive(NodeID)
        case nodeDied(NodeID, reason: String)
    }

    /// Dead nodes that are remembered.
    private static let deadLimit = 1000

    private let timing: Timing
    private var nodes: [NodeID: Node] = [:]
    /// The oldest first.
    private var dead: [NodeID] = []
    /// Nodes that lived before the head's restart and have not been heard of since, and for how long they are waited for.
    private var awaited: [NodeID: Instant] = [:]
    private var lastTick: Instant?
    private var isViewStale = false

    package init(timing: Timing = Timing()) { self.timing = timing }

    package subscript(_ id: NodeID) -> Node? { nodes[id] }

    /// All that are remembered, in the order of their identifiers.
    package var all: [Node] { nodes.values.sorted { $0.id < $1.id } }
    package var alive: [Node] { all.filter { $0.state == .alive } }

    /// Whether a node of before the head's restart may still come back.
    package var isAwaiting: Bool { !awaited.isEmpty }

    /// A node that lived before the head's restart.
    package mutating func await(_ id: NodeID, at now: Instant) { awaited[id] = now + timing.deadAfter }

    /// A node begins, or says again who it is. Throws `conflict` when its identifier belongs to another living process.
    package mutating func register(_ node: Node, at now: Instant, _ sink: (Action) -> Void) throws(MantaError) {
        if let known = nodes[node.id], known.state != .dead, known.process != node.process {
            throw MantaError(
                .conflict,
                "node \(node.id) is process \(known.pid) on \(known.host) already, so process \(node.pid) on \(node.host) cannot be it; give each node an identifier of its own")
        }
        var node = node
        if let known = nodes[node.id], known.state != .dead { node.startedAt = known.startedAt } else { sink(.persist(node)) }
        awaited[node.id] = nil
        dead.removeAll { $0 == node.id }
        node.state = .alive
        node.lastHeard = now
        nodes[node.id] = node
        isViewStale = false
        sink(.publishView)
    }

    /// Whether the node is known and not dead; if it is not, it must register (again).
    /// `total` is what it has now, when that is not what it registered with.
    package mutating func heartbeat(
        _ id: NodeID, available: Resources, total: Resources? = nil, workers: Int, at now: Instant, _ sink: (Action) -> Void
    ) -> Bool {
        guard var node = nodes[id], node.state != .dead else { return false }
        let wasSuspect = node.state == .suspect
        if node.available != available { isViewStale = true }
        let present = total ?? node.total.plain
        // Work for a new bundle waits until the others know of it.
        let hasNewBundles = node.total != present
        node.total = present
        (node.available, node.workers, node.state, node.lastHeard) = (available, workers, .alive, now)
        nodes[id] = node
        if wasSuspect {
            sink(.nodeBecameAlive(id))
        }
        if wasSuspect || hasNewBundles {
            isViewStale = false
            sink(.publishView)
        }
        return true
    }

    /// Its link broke and did not come back within the grace of links: the process or the way to it is gone.
    package mutating func disconnected(_ id: NodeID, at now: Instant, _ sink: (Action) -> Void) {
        guard let node = nodes[id], node.state != .dead else { return }
        die(id, reason: "the connection to node \(id.short) on \(node.host) broke and did not come back", sink)
    }

    /// Its process has ended for sure.
    package mutating func exited(_ id: NodeID, reason: String, at now: Instant, _ sink: (Action) -> Void) {
        if awaited.removeValue(forKey: id) != nil { sink(.forget(id)) }
        guard let node = nodes[id], node.state != .dead else { return }
        die(id, reason: reason, sink)
    }

    /// Judges silence; called every heartbeat period.
    package mutating func tick(at now: Instant, _ sink: (Action) -> Void) {
        if let lastTick, now - lastTick > timing.stall {
            // Heartbeats of the pause may still wait to be read: the silence is this process's own.
            nodes = nodes.mapValues { node in
                var node = node
                node.lastHeard = node.lastHeard + (now - lastTick)
                return node
            }
        }
        lastTick = now
        for id in awaited.filter({ $0.value <= now }).keys.sorted() {
            awaited[id] = nil
            sink(.forget(id))
        }
        for node in all where node.state != .dead {
            let silence = now - node.lastHeard
            if silence >= timing.deadAfter {
                die(node.id, reason: "nothing was heard of node \(node.id.short) on \(node.host) for \(silence.inMilliseconds) ms", sink)
            } else if silence >= timing.suspectAfter, node.state == .alive {
                becomeSuspect(node.id, sink)
            }
        }
        if isViewStale {
            isViewStale = false
            sink(.publishView)
        }
    }

    private mutating func becomeSuspect(_ id: NodeID, _ sink: (Action) -> Void) {
        nodes[id]?.state = .suspect
        sink(.nodeBecameSuspect(id))
        sink(.publishView)
    }

    private mutating func die(_ id: NodeID, reason: String, _ sink: (Action) -> Void) {
        nodes[id]?.state = .dead
        nodes[id]?.reason = reason
        nodes[id]?.available = Resources()
        nodes[id]?.workers = 0
        dead.append(id)
        if dead.count > Self.deadLimit { nodes[dead.removeFirst()] = nil }
        sink(.forget(id))
        sink(.nodeDied(id, reason: reason))
        sink(.publishView)
    }
}
