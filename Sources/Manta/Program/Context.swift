// Context: where the code that asks is running.

import Glibc
import MantaLoop
public import MantaModel
import MantaWorker

extension Manta {
    /// Who and where the running code is. In a driver, `task`, `actor` and `function` are nil.
    public struct Context: Sendable, Hashable {
        public var job: JobID
        public var task: TaskID?
        public var actor: ActorID?
        /// `Module.Type` of that actor.
        public var actorType: String?
        /// Its name, when it has one.
        public var actorName: String?
        /// The task or call that submitted the running one; nil when a driver did.
        public var parent: TaskID?
        /// What people see the running task or call as: the name that its options say, else `Module.Type.function(label:)`.
        public var function: String?
        /// Which try of the task this is, from 1.
        public var attempt: Int
        /// How often the actor whose constructor or method runs was restarted: 0 in its first life, and outside of actors.
        public var restarts: Int
        /// How long it may still take, when it has a deadline; what it submits has the same.
        public var timeLeft: Duration?
        /// What the running task holds, or the actor for life; nothing in a driver.
        public var resources: Resources
        /// The GPUs that the task or actor holds, or has a part of, as `CUDA_VISIBLE_DEVICES` names them: it sees no others.
        public var gpus: [String]
        /// The process the code runs in, as operators see it.
        public var process: ProcessID
        /// The node, when the process is on one.
        public var node: NodeID?
        /// The labels of that node.
        public var nodeLabels: [String: String]
        /// The head's endpoint, with which other programs join.
        public var clusterAddress: String
        /// The placement group that what the code submits is put into; nil when none is captured.
        public var placementGroup: PlacementGroupID?
        /// The namespace of actors that are named without one.
        public var namespace: String
        /// This process.
        public var pid: Int32
    }

    /// The context of the running code; throws `notConnected` without a session.
    public static var context: Context {
        get throws {
            guard let runtime = CurrentRuntime.get() else { throw CurrentRuntime.missing }
            let task = TaskContext.current
            return Context(
                job: task?.job ?? runtime.job, task: task?.task, actor: task?.actor, actorType: task?.actorType,
                actorName: task?.actorName, parent: task?.parent, function: task?.title, attempt: task?.attempt ?? 1,
                restarts: task?.restarts ?? 0,
                timeLeft: task?.deadline.map { max(.zero, $0 - EventLoop.clock()) }, resources: task?.resources ?? Resources(), gpus: task?.gpus ?? [],
                process: runtime.process, node: task?.node ?? runtime.node, nodeLabels: runtime.nodeLabels,
                clusterAddress: runtime.clusterAddress, placementGroup: task?.group?.group, namespace: runtime.namespace, pid: getpid())
        }
    }
}
