// Cluster: messages between nodes, drivers and the head about who is there, and about jobs.

package import MantaModel

/// What one node knows of another.
package struct NodeSummary: Hashable, Sendable, Codable {
    package var id: NodeID
    package var endpoint: String
    package var host: String
    package var state: NodeState
    package var total: Resources
    package var available: Resources
    package var labels: [String: String]?
    package init(
        id: NodeID, endpoint: String, host: String, state: NodeState, total: Resources, available: Resources, labels: [String: String]? = nil
    ) {
        (self.id, self.endpoint, self.host, self.state, self.total, self.available) = (id, endpoint, host, state, total, available)
        self.labels = labels
    }
}

/// An actor that runs on a node, as the node tells a head that does not know it.
package struct RunningActor: Hashable, Sendable, Codable {
    package var specification: ActorSpecification
    package var address: ProcessAddress
    package var pid: Int32
    package var restarts: Int
    package init(specification: ActorSpecification, address: ProcessAddress, pid: Int32, restarts: Int) {
        (self.specification, self.address, self.pid, self.restarts) = (specification, address, pid, restarts)
    }
}

/// Node → head, at its start and whenever the head has forgotten it: what it is and what it runs.
package struct RegisterNode: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .registerNode }
    package typealias Reply = NodeRegistered
    package var node: NodeID
    package var endpoint: String
    package var host: String
    package var pid: Int32
    package var total: Resources
    package var available: Resources
    package var actors: [RunningActor]
    /// Jobs that have a driver or a worker here.
    package var jobs: [JobDescription]
    package var labels: [String: String]?
    package var bundles: [HeldBundlesReport]?
    /// The submitted programs that it runs.
    package var submissions: [String]?
    package init(
        node: NodeID, endpoint: String, host: String, pid: Int32, total: Resources, available: Resources, actors: [RunningActor], jobs: [JobDescription],
        labels: [String: String]? = nil, bundles: [HeldBundlesReport]? = nil, submissions: [String]? = nil
    ) {
        (self.node, self.endpoint, self.host, self.pid, self.total) = (node, endpoint, host, pid, total)
        (self.available, self.actors, self.jobs, self.labels, self.bundles) = (available, actors, jobs, labels, bundles)
        self.submissions = submissions
    }
}

/// Head → node: the cluster it has joined, and actors it must end because the head gave them up (job ended, killed, restarted elsewhere).
package struct NodeRegistered: CodedMessage, Hashable {
    package static var kind: MessageKind { .nodeRegistered }
    package var cluster: ClusterID
    package var endActors: [ActorID]
    /// The node was given up: whoever has leases there has forgotten them.
    package var wasDead: Bool?
    package init(cluster: ClusterID, endActors: [ActorID], wasDead: Bool? = nil) {
        (self.cluster, self.endActors, self.wasDead) = (cluster, endActors, wasDead)
    }
}

/// Node → head, every `Limits.heartbeatPeriod` and when its free resources changed much.
package struct Heartbeat: CodedMessage, Hashable {
    package static var kind: MessageKind { .heartbeat }
    package var node: NodeID
    package var available: Resources
    package var workers: Int
    /// Requests for workers that wait there.
    package var waiting: Int
    /// What the node has, when that is not what it registered with: bundles of placement groups come and go.
    package var total: Resources?
    package var store: StoreUsage?
    /// What would be free if no lease were active, when that is not what is available.
    package var reclaimable: Resources?
    /// What waits there, the most important ones; nil when nothing does.
    package var demands: [DemandRow]?
    package init(
        node: NodeID, available: Resources, workers: Int, waiting: Int, total: Resources? = nil, store: StoreUsage? = nil, reclaimable: Resources? = nil,
        demands: [DemandRow]? = nil
    ) {
        (self.node, self.available, self.workers, self.waiting, self.total, self.store) = (node, available, workers, waiting, total, store)
        (self.reclaimable, self.demands) = (reclaimable, demands)
    }
}

/// Head → every node and proxy, after each change of membership and with each heartbeat round.
package struct ClusterView: CodedMessage, Hashable {
    package static var kind: MessageKind { .clusterView }
    package var nodes: [NodeSummary]
    package init(nodes: [NodeSummary]) { self.nodes = nodes }
}

/// A job, as its driver registers it.
package struct JobDescription: Hashable, Sendable, Codable {
    package var id: JobID
    package var program: Program
    package var namespace: String
    package var driver: ProcessAddress
    package var pid: Int32
    package var host: String
    package var startedAt: WallTime
    package init(id: JobID, program: Program, namespace: String, driver: ProcessAddress, pid: Int32, host: String, startedAt: WallTime) {
        (self.id, self.program, self.namespace, self.driver) = (id, program, namespace, driver)
        (self.pid, self.host, self.startedAt) = (pid, host, startedAt)
    }
}

/// Driver → head, and driver → its node: a job begins. The head's answer names the node of the driver's machine.
package struct RegisterJob: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .registerJob }
    package typealias Reply = JobRegistered
    package var job: JobDescription
    package init(job: JobDescription) { self.job = job }
}

package struct JobRegistered: CodedMessage, Hashable {
    package static var kind: MessageKind { .jobRegistered }
    package var cluster: ClusterID
    /// The node to ask for leases; nil while none is alive.
    package var node: NodeSummary?
    package init(cluster: ClusterID, node: NodeSummary?) { (self.cluster, self.node) = (cluster, node) }
}

/// Driver → head: the job ended in order.
package struct FinishJob: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .finishJob }
    package typealias Reply = Acknowledged
    package var job: JobID
    package init(job: JobID) { self.job = job }
}

/// Node → head: a driver on this machine is gone.
package struct DriverDied: CodedMessage, Hashable {
    package static var kind: MessageKind { .driverDied }
    package var job: JobID
    package init(job: JobID) { self.job = job }
}

/// Node → head: a worker or driver of this machine is gone; what it owned elsewhere must go too.
package struct ProcessEnded: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .processEnded }
    package typealias Reply = Acknowledged
    package var process: ProcessID
    /// Whether it was sent to other nodes for leases.
    package var hadLeasesElsewhere: Bool
    package init(process: ProcessID, hadLeasesElsewhere: Bool) { (self.process, self.hadLeasesElsewhere) = (process, hadLeasesElsewhere) }
}

/// Head → nodes: a process of another machine is gone: nobody wants its leases any more.
package struct OwnerDied: CodedMessage, Hashable {
    package static var kind: MessageKind { .ownerDied }
    package var process: ProcessID
    package init(process: ProcessID) { self.process = process }
}

/// Head → nodes, drivers and workers: a node is lost, with every process on it.
package struct NodeLost: CodedMessage, Hashable {
    package static var kind: MessageKind { .nodeLost }
    package var node: NodeID
    /// The processes that are known to have gone with it, when it was the last node of a machine that is not the head's; else their links tell.
    package var processes: [ProcessID]?
    package init(node: NodeID, processes: [ProcessID]? = nil) { (self.node, self.processes) = (node, processes) }
}

/// Head → every node: end the workers and the actors of a job (not the detached ones).
package struct JobEnded: CodedMessage, Hashable {
    package static var kind: MessageKind { .jobEnded }
    package var job: JobID
    package init(job: JobID) { self.job = job }
}
