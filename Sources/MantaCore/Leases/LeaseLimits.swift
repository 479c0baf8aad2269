// Bounds and periods of leases, on top of those in MantaModel; each with its reason.

package import MantaModel

extension Limits {
    /// LeaseBook and TaskBook want their `tick` this often.
    package static let tickPeriod: Duration = .milliseconds(50)
    /// A request that waited so long is served before every younger one that wants what it is short of.
    package static let leasePatience: Duration = .seconds(1)
    /// A task that could go on waits so long for the end of another one in its process; then it goes on beside it as soon as there are resources.
    package static let resumptionPatience: Duration = .milliseconds(100)
    /// What a placement group's bundles lacked is kept from requests for so long after an attempt: longer than the pause before the next one.
    package static let bundlePatience: Duration = .milliseconds(500)
    /// A placement group that waited so long is placed as if no lease held anything: leases are asked back for it.
    package static let groupPatience: Duration = .seconds(1)
    /// A request for one node only waits so long for that node to become known.
    package static let unknownNodePatience: Duration = .seconds(1)
    /// What has waited so long is looked at: whether its placement group is gone, and whether any node could ever serve it. Long enough for a group's
    /// registration, and for nodes that start together, to be heard of.
    package static let doubtPatience: Duration = .seconds(2)
    /// That is done this often.
    package static let doubtPeriod: Duration = .seconds(1)
    /// A lease is left alone for so long after it was granted before it is asked back for others: shorter, and leases would circle without work.
    package static let leaseSlice: Duration = .milliseconds(5)
    /// A lease that was asked back is asked again after so long: the message may be lost.
    package static let reclaimPeriod: Duration = .milliseconds(50)
    /// A node remembers so many ended leases, to answer late and repeated messages.
    package static let rememberedLeases = 16_384
    /// A node remembers so many dead processes, to drop their late messages.
    package static let rememberedProcesses = 4_096
    /// Kinds of demands that a node tells the head of, and the head people.
    package static let reportedDemands = 20
    /// Lease requests that wait at one node; more are refused with `overloaded`.
    package static let queuedLeaseRequests = 100_000
    /// Worker starts of one program that may fail in a row before its waiting requests are refused.
    package static let workerStartFailures = 3
    /// Workers idle beyond one per CPU end after so long.
    package static let surplusWorkerLifetime: Duration = .seconds(1)
    /// Workers that saw GPUs end after so long without a lease: as soon as their last answer has left.
    package static let spentWorkerLifetime: Duration = .milliseconds(100)
    /// An owner repeats an unanswered lease request after so long.
    package static let leaseRequestRepeat: Duration = .seconds(1)
    /// An owner tells the node this often that it still holds a lease.
    package static let leaseConfirmPeriod: Duration = .seconds(5)
    /// A node asks back a lease that its owner did not confirm for so long: its return may be lost.
    package static let leaseConfirmDeadline: Duration = .seconds(15)
}
