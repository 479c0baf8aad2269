// SharedProcessBook: which worker process of a node hosts which of the actors that share one, and which of these processes start and end.
//
// Actors share a process only with actors of the same program and job, and detached ones only with detached ones: what ends one job, or one program's
// crash, touches no other. A process takes actors until it is full. An actor that is made again never goes back to the process it left, since calls to its
// earlier life may still be on their way there.

package import MantaModel

/// The shared processes of one node.
package struct SharedProcessBook: Sendable {
    /// Whom a process is for.
    package struct Kind: Hashable, Sendable {
        package let program: Program
        package let job: JobID
        package let isDetached: Bool
        package init(_ specification: ActorSpecification) {
            (program, job, isDetached) = (specification.program, specification.job, specification.lifetime == .detached)
        }
    }

    private struct Member {
        let kind: Kind
        var address: ProcessAddress?
        var actors: Set<ActorID> = []
        /// Those that left it and may be made again.
        var former: Set<ActorID> = []
        var idleSince: Instant?
        /// It was asked to leave.
        var isLeaving = false
    }

    private let capacity: Int
    private var members: [ProcessID: Member] = [:]
    /// The processes of a kind, in the order of their start.
    private var kinds: [Kind: [ProcessID]] = [:]
    private var places: [ActorID: ProcessID] = [:]

    package init(capacity: Int = Limits.actorsPerSharedProcess) { self.capacity = capacity }

    /// The process an actor goes to; nil: start one, call `started`, and ask again.
    package mutating func place(_ actor: ActorID, _ kind: Kind, at now: Instant = .zero) -> ProcessID? {
        // Its earlier life may still be on its way out of another process.
        if places[actor] != nil { left(actor, mayReturn: true, at: now) }
        let fitting = kinds[kind, default: []].first { process in
            guard let member = members[process] else { return false }
            return !member.isLeaving && member.actors.count < capacity && !member.former.contains(actor)
        }
        guard let fitting else { return nil }
        members[fitting]!.actors.insert(actor)
        members[fitting]!.idleSince = nil
        places[actor] = fitting
        return fitting
    }

    /// A process for actors of this kind was started.
    package mutating func started(_ process: ProcessID, for kind: Kind) {
        members[process] = Member(kind: kind)
        kinds[kind, default: []].append(process)
    }

    /// The process listens; returns the actors that waited for that.
    package mutating func ready(_ address: ProcessAddress) -> [ActorID] {
        members[address.process]?.address = address
        return members[address.process]?.actors.sorted() ?? []
    }

    /// Where a process listens; nil until it does.
    package func address(of process: ProcessID) -> ProcessAddress? { members[process]?.address }

    package func process(of actor: ActorID) -> ProcessID? { places[actor] }

    /// Whether any actor is in the process, or on its way there.
    package func hosts(_ process: ProcessID) -> Bool { members[process]?.actors.isEmpty == false }

    package func job(of process: ProcessID) -> JobID? { members[process]?.kind.job }

    /// An actor is gone.
    package mutating func left(_ actor: ActorID, mayReturn: Bool, at now: Instant) {
        guard let process = places.removeValue(forKey: actor) else { return }
        members[process]?.actors.remove(actor)
        if mayReturn { members[process]?.former.insert(actor) }
        if members[process]?.actors.isEmpty == true { members[process]?.idleSince = now }
    }

    /// The process is gone; returns whom it took with it.
    package mutating func ended(_ process: ProcessID) -> [ActorID] {
        guard let member = members.removeValue(forKey: process) else { return [] }
        kinds[member.kind]?.removeAll { $0 == process }
        if kinds[member.kind]?.isEmpty == true { kinds[member.kind] = nil }
        for actor in member.actors { places[actor] = nil }
        return member.actors.sorted()
    }

    /// Processes without an actor for so long that they are to be asked to leave; each is named once.
    package mutating func idle(at now: Instant) -> [ProcessID] {
        let idle = members.filter { _, member in
            guard let since = member.idleSince, member.address != nil else { return false }
            return !member.isLeaving && since + Limits.idleSharedProcessLifetime <= now
        }.keys.sorted()
        for process in idle { members[process]!.isLeaving = true }
        return idle
    }

    /// A process that was asked to leave stays: others need objects it owns.
    package mutating func stays(_ process: ProcessID, at now: Instant) {
        members[process]?.isLeaving = false
        members[process]?.idleSince = now
    }

    /// The processes of a job that end with it.
    package func processes(of job: JobID) -> [ProcessID] {
        members.filter { $0.value.kind.job == job && !$0.value.kind.isDetached }.keys.sorted()
    }
}
