// Bounds and periods of the object store, on top of those in MantaModel; each with its reason.

package import MantaModel

extension Limits {
    /// So long a request for memory of a full store waits at least, and since the store last made any.
    package static let storePatience: Duration = .seconds(10)
    /// So long an object on disk waits for memory that others hold; then it is read from its file.
    package static let restorePatience: Duration = .seconds(1)
    /// So long bytes on disk count as right once they were found to be: an object is read in parts, and looked at as a whole.
    package static let diskCheck: Duration = .seconds(10)
    /// Requests for memory that wait at one node.
    package static let storeWants = 10_000
    /// Small objects are written to disk together up to so much (Ray's value too).
    package static let spillBatchBytes = 100 << 20
    package static let spillBatchObjects = 2_000
    /// After the disk failed or had no room, nothing is written for so long; and so long it is taken to be as it was seen.
    package static let diskPause: Duration = .seconds(1)
    /// Beyond this share of a file system in use nobody writes objects to it, unless its environment says otherwise (Ray's value too).
    package static let spillDiskShare = 0.95
    /// Ended objects a node remembers, so that late words of their making change nothing.
    package static let rememberedObjects = 65_536
}
