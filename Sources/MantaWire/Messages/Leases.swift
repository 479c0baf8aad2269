// Leases: messages between an owner and a node about workers, and between a node and its workers.
//
// Life of a lease: 1. RequestLease 2. LeaseAnswer granted 3. RunTask … straight to the worker 4. LeaseBlocked and ResumeLease, when a task awaits a
// reference 5. ReclaimLease, when others wait 6. ReturnLease; or LeaseLost, when the worker died. Every one of them may arrive twice.

package import MantaModel

/// Owner → node: I have tasks of this shape. Answered by `LeaseAnswer`; sent again after a while without one, it gets the same.
package struct RequestLease: CodedMessage, Hashable {
    package static var kind: MessageKind { .requestLease }
    package var lease: LeaseID
    package var owner: ProcessAddress
    package var job: JobID
    package var program: Program
    package var resources: Resources
    /// Whether the node may name another node; false after a first move.
    package var mayMove: Bool
    /// Which nodes may serve it; nil is any.
    package var rule: PlacementRule?
    /// The owner's node.
    package var home: NodeID?
    /// Large arguments of the tasks, to be brought into the node's store first; nil is none.
    package var arguments: [ArgumentLocation]?
    /// The tasks are not tried again when their worker dies; nil is no.
    package var runsOnce: Bool?
    /// The node where memory ran out under the tasks, which others are preferred to; nil is none.
    package var avoiding: NodeID?
    /// The worker ends behind this lease; nil is no.
    package var endsWorker: Bool?
    package init(
        lease: LeaseID, owner: ProcessAddress, job: JobID, program: Program, resources: Resources, mayMove: Bool, rule: PlacementRule? = nil,
        home: NodeID? = nil, arguments: [ArgumentLocation]? = nil, runsOnce: Bool? = nil, avoiding: NodeID? = nil, endsWorker: Bool? = nil
    ) {
        (self.arguments, self.runsOnce, self.avoiding, self.endsWorker) = (arguments, runsOnce, avoiding, endsWorker)
        (self.lease, self.owner, self.job, self.program, self.resources, self.mayMove) = (lease, owner, job, program, resources, mayMove)
        (self.rule, self.home) = (rule, home)
    }
}

/// Node → owner, when it is decided, which can take long: a request waits in the node's queue.
package struct LeaseAnswer: CodedMessage, Hashable {
    package static var kind: MessageKind { .leaseAnswer }
    package enum Decision: Hashable, Sendable, Codable {
        /// `gpus` are those it may use, as `CUDA_VISIBLE_DEVICES` names them; nil when it asked for none.
        case granted(worker: ProcessAddress, node: NodeID, gpus: [String]? = nil)
        /// Ask that node instead, for this reason.
        case move(to: NodeID, endpoint: String, reason: PlacementReason? = nil)
        /// It cannot be served.
        case refused(MantaError)
    }
    package var lease: LeaseID
    package var decision: Decision
    package init(lease: LeaseID, decision: Decision) { (self.lease, self.decision) = (lease, decision) }
}

/// Owner → node, now and then: I hold these leases, of which there may be very many. Answered, by `LeaseLost`, only for those where that is wrong.
package struct ConfirmLease: CodedMessage, Hashable {
    package static var kind: MessageKind { .confirmLease }
    package var lease: LeaseID
    /// More of them; nil is none.
    package var others: [LeaseID]?
    package init(lease: LeaseID, others: [LeaseID]? = nil) { (self.lease, self.others) = (lease, others) }
    /// Nil when there are none.
    package init?(_ leases: some Collection<LeaseID>) {
        guard let first = leases.first else { return nil }
        self.init(lease: first, others: leases.count > 1 ? Array(leases.dropFirst()) : nil)
    }
    package var leases: [LeaseID] { [lease] + (others ?? []) }
}

/// Owner → node: the lease is free again.
package struct ReturnLease: CodedMessage, Hashable {
    package static var kind: MessageKind { .returnLease }
    package var lease: LeaseID
    /// The owner cannot reach the worker, which is to end: what was sent to it may run, or never will. Nil is no.
    package var endsWorker: Bool?
    package init(lease: LeaseID, endsWorker: Bool? = nil) { (self.lease, self.endsWorker) = (lease, endsWorker) }
}

/// Owner → node: the request is no longer wanted; if it was granted meanwhile, it is returned.
package struct CancelLease: CodedMessage, Hashable {
    package static var kind: MessageKind { .cancelLease }
    package var lease: LeaseID
    package init(lease: LeaseID) { self.lease = lease }
}

/// Node → owner: others wait; give the lease back when what is in flight has ended.
package struct ReclaimLease: CodedMessage, Hashable {
    package static var kind: MessageKind { .reclaimLease }
    package var lease: LeaseID
    package init(lease: LeaseID) { self.lease = lease }
}

/// Node → owner: the worker is gone.
package struct LeaseLost: CodedMessage, Hashable {
    package static var kind: MessageKind { .leaseLost }
    package var lease: LeaseID
    package var cause: DeathCause
    package init(lease: LeaseID, cause: DeathCause) { (self.lease, self.cause) = (lease, cause) }
}

/// Worker → node: end me, because the task that I run under this lease is not wanted any more and does not listen.
package struct EndWorker: CodedMessage, Hashable {
    package static var kind: MessageKind { .endWorker }
    package var lease: LeaseID
    /// For people.
    package var reason: String
    package init(lease: LeaseID, reason: String) { (self.lease, self.reason) = (lease, reason) }
}

/// Worker → node: the lease's task awaits a reference; its resources are free meanwhile. `turn` numbers the waits of a worker.
/// Said again while it lasts, of all such leases together: it may be lost.
package struct LeaseBlocked: CodedMessage, Hashable {
    package static var kind: MessageKind { .leaseBlocked }
    package struct Block: Hashable, Sendable, Codable {
        package var lease: LeaseID
        package var turn: UInt64
        package init(lease: LeaseID, turn: UInt64) { (self.lease, self.turn) = (lease, turn) }
    }
    package var lease: LeaseID
    package var turn: UInt64
    /// More of them; nil is none.
    package var others: [Block]?
    package init(lease: LeaseID, turn: UInt64, others: [Block]? = nil) { (self.lease, self.turn, self.others) = (lease, turn, others) }
    /// Nil when there are none.
    package init?(_ blocks: some Collection<Block>) {
        guard let first = blocks.first else { return nil }
        self.init(lease: first.lease, turn: first.turn, others: blocks.count > 1 ? Array(blocks.dropFirst()) : nil)
    }
    package var blocks: [Block] { [Block(lease: lease, turn: turn)] + (others ?? []) }
}

/// Worker → node: the wait is over. `LeaseResumed` comes when the resources are its again; sent again until it does.
package struct ResumeLease: CodedMessage, Hashable {
    package static var kind: MessageKind { .resumeLease }
    package var lease: LeaseID
    package var turn: UInt64
    package init(lease: LeaseID, turn: UInt64) { (self.lease, self.turn) = (lease, turn) }
}

/// Node → worker: the task may go on; with `exists` false because nobody wants its result any more.
package struct LeaseResumed: CodedMessage, Hashable {
    package static var kind: MessageKind { .leaseResumed }
    package var lease: LeaseID
    package var turn: UInt64
    package var exists: Bool
    package init(lease: LeaseID, turn: UInt64, exists: Bool) { (self.lease, self.turn, self.exists) = (lease, turn, exists) }
}

/// Worker → node, once it listens.
package struct RegisterWorker: WireRequest, Hashable {
    package static var kind: MessageKind { .registerWorker }
    package typealias Reply = Acknowledged
    package var address: ProcessAddress
    package var pid: Int32
    package init(address: ProcessAddress, pid: Int32) { (self.address, self.pid) = (address, pid) }
    package func encode(into writer: inout MessagePackWriter) throws(MantaError) {
        writer.writeArrayHeader(2)
        writer.writeField(address)
        writer.write(Int64(pid))
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        let count = try reader.readArrayHeader(atLeast: 2)
        address = try reader.readAddressField()
        guard let pid = Int32(exactly: try reader.readInt64()) else { throw reader.unexpected("a process's number") }
        self.pid = pid
        try reader.skipFields(from: 2, to: count)
    }
}

/// Worker → node, in answer to `StopWorker`: others still need what this process owns.
package struct WorkerStays: CodedMessage, Hashable {
    package static var kind: MessageKind { .workerStays }
    package init() {}
}

/// Node → worker: nobody uses you; end, or say `WorkerStays`.
package struct StopWorker: CodedMessage, Hashable {
    package static var kind: MessageKind { .stopWorker }
    package init() {}
}
