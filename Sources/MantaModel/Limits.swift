// Limits: every bound of the platform in one place, each with its reason. Full means a clear error or back-pressure.

/// The platform's bounds and periods.
package enum Limits {
    /// Arguments and results up to this size travel inside task messages (Ray's value too).
    package static let inlineValueBytes = 100 * 1024
    /// The smallest object store of a node.
    package static let storeBytesAtLeast = 1 << 20
    /// The largest array of numbers inside a value: an extension value of MessagePack holds no more.
    package static let arrayBytes = Int(UInt32.max) - 128
    /// The largest message between two processes; a larger value is an error at its sender.
    package static let messageBytes = 512 << 20
    /// One link's unsent bytes; beyond, sends fail with `overloaded`.
    package static let linkQueueBytes = 1 << 30
    /// The batch of one turn is cut at this size, so that one peer cannot hold back the others.
    package static let batchBytes = 1 << 20
    /// What one direction of a link in shared memory holds; a power of two. Larger batches pass in pieces.
    package static let ringBytes = 128 << 10
    /// A link within a machine moves to shared memory after so many batches: one that is hardly used is not worth the memory.
    package static let batchesBeforeRing = 16
    /// A thread on the way of a call looks so long for more work before it sleeps, while that pays: a wake-up takes about as long.
    package static let spin: Duration = .microseconds(120)
    /// A task keeps its resources while it waits for at most so long: giving them away and getting them back takes longer.
    package static let shortWait: Duration = .milliseconds(50)
    /// A request without an own deadline gets this one.
    package static let requestDeadline: Duration = .seconds(30)
    /// How long a link may be broken before its peer counts as gone; a node is dead then.
    package static let reconnectGrace: Duration = .seconds(2)

    /// Nodes tell the head that they live this often; three missed make a suspect, ten a dead node.
    package static let heartbeatPeriod: Duration = .seconds(1)
    package static let suspectAfter: Duration = .seconds(3)
    package static let deadAfter: Duration = .seconds(10)

    /// A worker that no lease uses for so long ends, beyond one per CPU kept ready.
    package static let idleWorkerLifetime: Duration = .seconds(60)
    /// A worker must register within this time of its start.
    package static let workerStartDeadline: Duration = .seconds(30)
    /// Executables that a node keeps, in bytes together; the one used least recently goes.
    package static let programStoreBytes = 4 << 30
    /// A program comes to a node in parts of this size.
    package static let programPartBytes = 4 << 20
    /// What the constructor of a detached actor is given, together: the head keeps it on disk for as long as the actor lives.
    package static let detachedArgumentBytes = 1 << 20
    /// The largest state of one actor that is kept for its next incarnation.
    package static let snapshotBytes = 16 << 20
    /// What one process keeps of the states of the actors it made.
    package static let snapshotBytesTogether = 1 << 30
    /// Outgoing links that a process sets memory aside for when it begins.
    package static let linksAtFirst = 256
    /// Actors in one process, of those that share one; then another process is started.
    package static let actorsPerSharedProcess = 10_000
    /// A process whose last shared actor is gone for so long ends.
    package static let idleSharedProcessLifetime: Duration = .seconds(5)
    /// Worker processes on one node.
    package static let workersPerNode = 4096
    /// An owner keeps an idle lease for this long, unless the node asks for it.
    package static let idleLeaseLifetime: Duration = .milliseconds(500)
    /// Tasks of one owner that wait for a lease.
    package static let queuedTasks = 4_000_000
    /// Tasks in flight on one lease, when they are short.
    package static let tasksInFlight = 128
    /// Calls of one actor with async methods that run at once, unless it says otherwise (Ray's value too).
    package static let asyncConcurrency = 1_000
    /// Calls of one caller that wait at one actor.
    package static let queuedActorCalls = 1_000_000
    /// Calls of one caller to one actor that have not ended: its user is told when there are so many (Ray's value too).
    package static let crowdedActorCalls = 5_000
    /// Items of one stream: their indices have 32 bits.
    package static let streamItems = 100_000_000

    /// The head keeps this many latest task records and errors; it counts what it drops.
    package static let taskRecords = 100_000
    package static let errorRecords = 10_000
    /// Spans that the head keeps, and that a process tells in half a second; both count the rest. What is shorter is not noted unless user code asks.
    package static let spanRecords = 20_000
    package static let spansPerReport = 500
    package static let shortestSpan: Duration = .milliseconds(1)
    /// Earlier attempts that a task's record remembers.
    package static let rememberedAttempts = 10
    /// Task records one process sends to the head in a second; it counts the rest.
    package static let taskRecordsPerSecond = 2_000
    /// A task or call that has waited for so long is told of, though it has not begun; so many at once, of each kind of wait.
    package static let longWait: Duration = .seconds(1)
    package static let waitsPerReport = 100
    /// Tasks that wait for arguments and are looked at again; there may be many more.
    package static let unreadyTasks = 1_000
    /// Bytes of an object that travel together: copied in well under a millisecond, so that a loop that carries them stays quick.
    package static let partBytes = 1 << 20
    /// Rows of one listing.
    package static let listRows = 10_000
    /// An actor that the head does not know is asked for again for so long: a handle may be faster than the message that creates its actor.
    package static let unknownActorPatience: Duration = .seconds(2)
    /// Processes that are gone, as each process remembers them: what they owned fails at once.
    package static let goneProcesses = 10_000
    /// Dead actors the head remembers.
    package static let deadActors = 10_000

    /// A node looks at the memory of its machine and workers this often.
    package static let memoryPeriod: Duration = .milliseconds(250)
    /// What workers print is collected for so long before it goes to the driver: few reads, and still at once for a person.
    package static let outputPeriod: Duration = .milliseconds(50)
    /// Lines of workers that a driver prints in a second; it counts the rest.
    package static let outputLinesPerSecond = 1_000
    /// The same line of several workers is printed once in so long, with the number of its repetitions.
    package static let outputRepeatPeriod: Duration = .seconds(5)

    /// Bundles of one placement group.
    package static let bundlesPerGroup = 1_000
    /// Placement groups that are not removed.
    package static let placementGroups = 100_000

    /// Names of actors, namespaces, endpoints, backends: bytes of UTF-8.
    package static let nameBytes = 256
}
