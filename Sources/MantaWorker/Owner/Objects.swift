// Objects of this process: what is known of those it owns, and how the ones of others are fetched.
//
// A handle holds its value, so an owned object lives while anyone has its handle: code of this process, or the reference counter, for whom others need it.

import MantaCore
import MantaLoop
import MantaModel
import MantaTransport
import MantaWire

/// There may be millions: an entry has 32 bytes, and what people ask for costs little: counts are kept, and the largest are looked for among all of them
/// only now and then.
struct OwnedObjects {
    struct Entry {
        var size: Int
        var createdAt: Instant
        /// The nodes whose stores hold it; none: its value is in its handle.
        var copies: [NodeAddress] = []
        /// Among the names of sources.
        fileprivate var source: UInt32
        fileprivate(set) var state: ObjectRow.State
        /// Of the task that made it; 0 while nothing has.
        fileprivate(set) var attempt: UInt16 = 0
    }

    private(set) var entries: [ObjectID: Entry] = [:]
    private(set) var totalBytes = 0
    private var counts = StateCounts()
    /// Nodes with bytes of an object that are not to be read: results of attempts that were given up, and copies that could not be given out.
    private var remains: [ObjectID: [NodeAddress]] = [:]
    private var sources = SourceNames()
    private var lastLook: Look?

    /// How many objects are in which state; states of none are left out.
    var states: [String: Int] { counts.named }

    mutating func created(_ id: ObjectID, source: String, size: Int? = nil, on node: NodeAddress? = nil, at now: Instant) {
        var entry = Entry(size: size ?? 0, createdAt: now, source: sources.number(of: source), state: size == nil ? .pending : .ready)
        if let node { entry.copies = [node] }
        // One that is made again keeps what is left of it.
        if let known = entries.updateValue(entry, forKey: id) {
            entries[id] = known
        } else {
            counts[entry.state] += 1
            totalBytes += entry.size
        }
    }

    /// What made an object, in words: a function, or `put`.
    func source(of id: ObjectID) -> String? { entries[id].map(source) }

    func source(of entry: Entry) -> String { sources[entry.source] }

    mutating func settled(_ id: ObjectID, size: Int?, on node: NodeAddress? = nil, attempt: UInt32 = 0) {
        guard let index = entries.index(forKey: id), entries.values[index].state != .freed else { return }
        totalBytes += (size ?? 0) - entries.values[index].size
        counts[entries.values[index].state] -= 1
        entries.values[index].state = size == nil ? .failed : .ready
        counts[entries.values[index].state] += 1
        entries.values[index].attempt = UInt16(clamping: attempt)
        entries.values[index].size = size ?? 0
        guard let node, !entries.values[index].copies.contains(where: { $0.node == node.node }) else { return }
        entries.values[index].copies.append(node)
    }

    /// Returns the nodes whose stores still hold something of it.
    mutating func released(_ id: ObjectID) -> [NodeAddress] {
        guard let entry = entries.removeValue(forKey: id) else { return [] }
        counts[entry.state] -= 1
        totalBytes -= entry.size
        guard !remains.isEmpty, let left = remains.removeValue(forKey: id) else { return entry.copies }
        return entry.copies + left
    }

    /// A node has bytes of an object that nobody is to read. False: the object has ended.
    mutating func left(_ id: ObjectID, on node: NodeAddress) -> Bool {
        guard let entry = entries[id] else { return false }
        if !entry.copies.contains(where: { $0.node == node.node }), remains[id]?.contains(node) != true { remains[id, default: []].append(node) }
        return true
    }

    /// The value is given up, and the object goes on without one. Returns the nodes whose stores still hold it.
    mutating func freed(_ id: ObjectID) -> [NodeAddress] {
        guard let index = entries.index(forKey: id) else { return [] }
        let entry = entries.values[index]
        counts[entry.state] -= 1
        counts[.freed] += 1
        totalBytes -= entry.size
        (entries.values[index].state, entries.values[index].size, entries.values[index].copies) = (.freed, 0, [])
        return entry.copies
    }

    /// Whether a copy of its value is of use.
    func isWanted(_ id: ObjectID) -> Bool { entries[id].map { $0.state != .freed } ?? false }

    /// A node has a copy, or no longer has one. False: the object has ended.
    mutating func copyChanged(_ id: ObjectID, on node: NodeAddress, isThere: Bool) -> Bool {
        guard let index = entries.index(forKey: id), entries.values[index].state != .freed else { return false }
        entries.values[index].copies.removeAll { $0.node == node.node }
        if isThere { entries.values[index].copies.append(node) }
        return true
    }

    /// A node is gone, with its store.
    mutating func nodeLost(_ node: NodeID) {
        for index in entries.values.indices where !entries.values[index].copies.isEmpty { entries.values[index].copies.removeAll { $0.node == node } }
        for (id, nodes) in remains {
            let living = nodes.filter { $0.node != node }
            remains[id] = living.isEmpty ? nil : living
        }
    }
}

extension OwnedObjects {
    private struct Look {
        var largest: [ObjectID]
        var limit: Int
        /// When all are looked at again.
        var next: Instant
    }

    /// The largest objects, at most so many.
    ///
    /// A look at all of a million takes tens of milliseconds, in which nothing else happens here: with more than a few it is repeated only after a time fifty
    /// times as long. Until then, those that were the largest are shown as they are now.
    mutating func largest(_ limit: Int, at now: Instant) -> [(id: ObjectID, entry: Entry)] {
        guard limit > 0 else { return [] }
        if lastLook.map({ now >= $0.next || $0.limit < limit }) ?? true {
            var largest = Largest<(size: Int, id: ObjectID)>(limit, by: <)
            for (id, entry) in entries { largest.add((entry.size, id)) }
            let pause: Duration = entries.count > Limits.objectsLookedAt ? .microseconds(entries.count) : .zero
            lastLook = Look(largest: largest.sorted.map(\.id), limit: limit, next: now + pause)
        }
        return (lastLook?.largest ?? []).lazy.prefix(limit).compactMap { id in entries[id].map { (id, $0) } }
    }
}

extension Limits {
    /// Objects that a process looks at all of whenever it is asked for the largest.
    fileprivate static let objectsLookedAt = 20_000
}

/// How many objects are in which state.
private struct StateCounts {
    private var (pending, ready, failed, freed) = (0, 0, 0, 0)

    subscript(state: ObjectRow.State) -> Int {
        get {
            switch state {
            case .pending: pending
            case .ready: ready
            case .failed: failed
            case .freed: freed
            }
        }
        set {
            switch state {
            case .pending: pending = newValue
            case .ready: ready = newValue
            case .failed: failed = newValue
            case .freed: freed = newValue
            }
        }
    }

    var named: [String: Int] {
        var named: [String: Int] = [:]
        for state in [ObjectRow.State.pending, .ready, .failed, .freed] where self[state] > 0 { named[state.rawValue] = self[state] }
        return named
    }
}

/// The functions that make objects, and the like, each by a number.
private struct SourceNames {
    /// What comes when there are too many has the first one's name.
    private var names = ["others"]
    private var numbers: [String: UInt32] = [:]
    private var last: (name: String, number: UInt32) = ("", 0)

    subscript(number: UInt32) -> String { names[Int(number)] }

    mutating func number(of name: String) -> UInt32 {
        if last.name == name { return last.number }
        var number = numbers[name] ?? 0
        if number == 0, names.count < Limits.estimatedFunctions {
            number = UInt32(names.count)
            names.append(name)
            numbers[name] = number
        }
        last = (name, number)
        return number
    }
}

/// A handle that waits for a placement group.
struct GroupWait {
    weak var handle: ObjectHandle?
    let value: [UInt8]
}

extension Owner {
    /// Settles the handle when the placement group is created or removed. The question is asked again while the head is away.
    func awaitGroup(_ id: PlacementGroupID, _ value: [UInt8], _ handle: ObjectHandle) {
        objects.created(handle.id, source: "a placement group", at: loop.now)
        askWhetherReady(id)
        // A handle may be released before the answer comes: nobody waits for it then.
        groupWaits[id]!.removeAll { $0.handle == nil }
        groupWaits[id]!.append(GroupWait(handle: handle, value: value))
    }

    /// Asks for the answer, unless it was asked for and is awaited.
    func askWhetherReady(_ id: PlacementGroupID) {
        guard groupWaits[id] == nil else { return }
        groupWaits[id] = []
        askGroup(id)
    }

    private func askGroup(_ id: PlacementGroupID) {
        headLink.request(AwaitGroup(group: id), deadline: .seconds(3600)) { [self] result in
            if case .failure(let error) = result, error.code == .timeout || error.code == .unavailable {
                _ = loop.schedule(after: .seconds(1)) { [self] in askGroup(id) }
                return
            }
            if case .success = result { runtime.groupIsReady(id) }
            for wait in groupWaits.removeValue(forKey: id) ?? [] {
                guard let handle = wait.handle else { continue }
                switch result {
                case .success:
                    objects.settled(handle.id, size: wait.value.count)
                    handle.fulfill(wait.value)
                case .failure(let error):
                    objects.settled(handle.id, size: nil)
                    handle.fail(ownedGroups.refusal(of: id) ?? error)
                }
            }
        }
    }

    // MARK: Objects of this process, for others

    func answer(_ request: GetObject, correlation: Correlation, on link: Link) {
        guard let handle = kept(request.object) else {
            return link.fail(correlation, MantaError.unknownToItsOwner(request.object))
        }
        if let node = request.lostAt, case .stored(let place)? = handle.outcome, place.node.node == node {
            let error = MantaError(.objectLost, "a reader could not get it from node \(node.short)")
            return recover(handle, lostAt: place, because: error) { result in
                switch result {
                case .success(let outcome): link.reply(to: correlation, ObjectValue(object: handle.id, outcome: TaskOutcome(outcome, handle.report)))
                case .failure(let error): link.fail(correlation, error)
                }
            }
        }
        let route = ReplyRoute(link: link)
        let loop = loop
        handle.onReady { handle in
            loop.execute { route.link.reply(to: correlation, ObjectValue(object: handle.id, outcome: TaskOutcome(handle.outcome, handle.report))) }
        }
    }

    func answer(_ request: ListObjects, correlation: Correlation, on link: Link) {
        // Every node that this process knows asks it, and each object is to be counted once.
        if link.peerRole == .node, let home, link.peerProcess != home.node.process {
            link.reply(to: correlation, ObjectList(rows: [], total: 0, totalBytes: 0))
            return
        }
        let rows =
            if let one = request.object { objects.entries[one].map { [row(one, $0)] } ?? [] } else {
                objects.largest(min(request.limit, Limits.listRows), at: loop.now).map(row)
            }
        link.reply(to: correlation, ObjectList(rows: rows, total: objects.entries.count, totalBytes: objects.totalBytes, states: objects.states))
    }

    func row(_ id: ObjectID, _ entry: OwnedObjects.Entry) -> ObjectRow {
        var row = ObjectRow(
            id: id, state: entry.state, size: entry.size, owner: address.process, ownerPid: pid, node: runtime.node, source: objects.source(of: entry),
            createdAt: WallTime(milliseconds: WallTime.now.milliseconds - (loop.now - entry.createdAt).inMilliseconds),
            location: entry.state != .ready ? nil : entry.copies.isEmpty ? .owner : .store)
        row.local = references.isUsedHere(id)
        row.attempt = attempt(of: id, entry)
        if !entry.copies.isEmpty {
            row.copies = entry.copies.prefix(ObjectRow.namedAtMost).map { ObjectRow.Copy(node: $0.node) }
            row.copyCount = entry.copies.count
        }
        guard let reasons = references.reasons(of: id) else { return row }
        (row.pins, row.pinnedBy, row.borrowers) = (reasons.pins, reasons.pinnedBy, reasons.borrowers)
        (row.containers, row.containedIn, row.forGood) = (reasons.containers, reasons.containedIn, reasons.isForGood)
        if reasons.borrowers > 0 { row.borrowedBy = references.borrowers(of: id, atMost: ObjectRow.namedAtMost) }
        return row
    }

    /// The attempt that made it, or that is under way.
    private func attempt(of id: ObjectID, _ entry: OwnedObjects.Entry) -> Int? {
        if entry.attempt > 0 { return Int(entry.attempt) }
        return entry.state == .pending ? tasks?.attempt(of: id.task) : nil
    }

    // MARK: Objects of others, for this process

    /// Asks the owner for an object's value; the handle is settled with it, or with `ownerDied`.
    func fetch(_ handle: ObjectHandle) {
        guard handle.owner.process != address.process else {
            // A reference to an own object that came back: its handle is kept for the sake of this one.
            guard let own = kept(handle.id) else {
                return handle.fail(MantaError.unknownToItsOwner(handle.id))
            }
            own.onReady { handle.settle(like: $0) }
            return
        }
        guard !isGone(handle.owner.process) else { return handle.fail(Self.ownerDied(handle, nil)) }
        let link = transport.connect(to: handle.owner)
        link.request(GetObject(object: handle.id), deadline: nil) { [self] result in
            switch result {
            case .success(let value): handle.settle(value.outcome)
            case .failure(let error): handle.fail(failure(ofReading: handle, error, on: link))
            }
        }
    }

    /// What reading an object of another process fails with, whose owner did not answer.
    func failure(ofReading handle: ObjectHandle, _ error: MantaError, on link: Link) -> MantaError {
        switch error.code {
        case .versionMismatch:
            return MantaError(.versionMismatch, "the owner of object \(handle.id), process \(handle.owner.process.short), does not talk to this one: \(error.message)")
        // The owner's word, this process's own end, or what says nothing of the owner.
        case .objectLost, .notConnected: return error
        default:
            guard link.isClosed else { return error }
            processGone(handle.owner.process)
            return Self.ownerDied(handle, error)
        }
    }

    static func ownerDied(_ handle: ObjectHandle, _ cause: MantaError?) -> MantaError {
        MantaError(.ownerDied, "the owner of object \(handle.id), process \(handle.owner.process.short), is gone, and the object with it", cause: cause)
    }
}

extension MantaError {
    static func unknownToItsOwner(_ id: ObjectID) -> MantaError { MantaError(.objectLost, "object \(id) is not known to its owner: it has ended, or never was") }
}

extension TaskOutcome {
    /// - Parameter report: where user code threw what the object failed with.
    init(_ outcome: ObjectHandle.Outcome?, _ report: TaskError? = nil) {
        switch outcome {
        case .ready(let bytes): self = .values([.inline(bytes.array)])
        case .stored(let place): self = .values([.stored(place)])
        case .failed(let error as MantaError): self = .failed(error)
        case .failed(let error) where report != nil: self = .thrown(ThrownError(error, report!).encoded)
        case .failed(let error):
            let none = (TaskID(high: 0, low: 0), NodeID(high: 0, low: 0))
            self = .thrown(ThrownError(error, function: "", task: none.0, node: none.1, attempt: 1).encoded)
        case nil: self = .failed(MantaError(.objectLost, "the object has no value"))
        }
    }
}

extension ObjectHandle {
    /// Settles a handle of one object with what its owner said.
    func settle(_ outcome: TaskOutcome) {
        switch outcome {
        case .values(let values) where values.count == 1: settle(.init(values[0]))
        case .values(let values): fail(MantaError(.malformed, "the owner of object \(id) sent \(values.count) values for it"))
        case .thrown(let bytes):
            let (error, report) = ThrownError.reported(bytes)
            fail(error, report)
        case .failed(let error): fail(error)
        }
    }

    fileprivate func settle(like other: ObjectHandle) {
        guard let outcome = other.outcome else { preconditionFailure("a handle that calls back is settled") }
        settle(outcome, other.report)
    }
}

extension ObjectHandle.Outcome {
    init(_ value: ResultValue) {
        switch value {
        case .inline(let bytes): self = .ready(.array(bytes))
        case .stored(let place): self = .stored(place)
        }
    }
}

extension ResultValue {
    var size: Int {
        switch self {
        case .inline(let bytes): bytes.count
        case .stored(let place): place.size
        }
    }
    /// The node in whose store it is.
    var node: NodeAddress? { if case .stored(let place) = self { place.node } else { nil } }
}
