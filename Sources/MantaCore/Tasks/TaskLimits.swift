// Bounds and periods of task submission, on top of those in MantaModel; each with its reason.

package import MantaModel

extension Limits {
    /// So much estimated work is in flight on one lease: enough to hide a round trip many times over, little enough to share fairly.
    package static let workInFlight: Duration = .milliseconds(2)
    /// A task that may take so long is sent ahead of the end of the one before it, while many wait.
    package static let longestTaskAhead: Duration = .milliseconds(10)
    /// Lease requests that one shape has outstanding, whatever the size of the cluster.
    package static let leaseRequestsPerShape = 64
    /// The same while the size of the cluster is not known.
    package static let leaseRequestsAtFirst = 16
    /// A request that was moved and waits there for so long is withdrawn and made at home again.
    package static let movedRequestPatience: Duration = .seconds(5)
    /// The same when arguments are brought there first, which takes a while.
    package static let movedArgumentsPatience: Duration = .seconds(60)
    /// So long a driver that lost its node looks for another one on its machine.
    package static let homeSearch: Duration = .seconds(10)
    /// Leases of one shape that are looked at in one tick, in turn, and the latest ones, which are in each. What is done about the others grows with the time
    /// that passes and not with their number: a program that is nested deeply would have no time left for itself.
    package static let leaseChecksPerTick = 100
    package static let latestLeaseChecksPerTick = 16
    /// A worker that is silent about a task for so long is asked about it; then after twice as long, up to the limit.
    package static let taskInquiryAfter: Duration = .seconds(2)
    package static let taskInquiryLimit: Duration = .seconds(30)
    /// Tasks behind one that runs for so long are taken back for other workers.
    package static let taskTakeBackAfter: Duration = .milliseconds(20)
    /// A lease whose worker gave everything back gets nothing for so long: it is busy with something that the owner gave up.
    package static let leaseRest: Duration = .milliseconds(100)
    /// Functions whose run times an owner remembers.
    package static let estimatedFunctions = 16_384
    /// Retries of a task after memory ran out under it, apart from those after other losses.
    package static let memoryRetries = 3
    /// A task under which memory ran out is tried again after so long, then after twice as long each time, up to the limit.
    package static let memoryRetryAfter: Duration = .seconds(1)
    package static let memoryRetryLimit: Duration = .seconds(60)
    /// Retries of a task unless it says otherwise.
    package static let taskRetries = 3
}
