// The loop's side of the object store: opening it, leasing memory, telling the node what was stored and freed, and opening what is not in memory here.

import Glibc
import MantaCore
import MantaLoop
import MantaMemory
import MantaModel
import MantaTransport
package import MantaWire

/// What waits to be told to nodes in this turn, and who waits for the store.
struct StoreTraffic {
    var stored: [ObjectsStored.Object] = []
    var freed: [NodeAddress: [ObjectID]] = [:]
    /// Who waits until the store is open; nil: nobody asked for it yet.
    var opening: [(Result<StoreClient.Opened, MantaError>) -> Void]?
    var isFlushDue = false
    /// Objects that are being brought to this machine, each once, and who waits for them.
    var brought: [Bringing: [BringWaiter]] = [:]
    /// Those that this node had no room for.
    var roomWaits: [RoomWait] = []
}

/// An object on its way to this machine; patiently: it waits for room here.
struct Bringing: Hashable {
    let object: ObjectID
    let isPatient: Bool
}

/// Who waits for an object to be on this machine.
package struct BringWaiter: Sendable {
    let isWanted: @Sendable () -> Bool
    let done: @Sendable () -> Void
}

/// A copy that a node has no room for.
struct RoomWait {
    /// When the node is asked again.
    let due: Instant
    /// The object may end meanwhile.
    weak var handle: ObjectHandle?
    let ask: (ObjectHandle) -> Void
    let giveUp: () -> Void
}

extension Owner {
    // MARK: Opening

    /// The store of this process's node, opened when it is first needed.
    func withStore(_ body: @escaping (Result<StoreClient.Opened, MantaError>) -> Void) {
        if let opened = runtime.store.opened { return body(.success(opened)) }
        guard let nodeLink, let node = tasks?.home, runtime.hasStore else {
            return body(.failure(MantaError(.unavailable, "this process has no node on its machine, and so no object store")))
        }
        if traffic.opening != nil {
            traffic.opening!.append(body)
            return
        }
        traffic.opening = [body]
        nodeLink.request(OpenStore(), deadline: Limits.requestDeadline) { [self] result in
            switch result {
            case .failure(let error): opened(.failure(error))
            case .success(let answer): join(answer, node, nodeLink)
            }
        }
    }

    private func join(_ answer: StoreOpened, _ node: NodeAddress, _ link: Link) {
        do throws(MantaError) {
            let layout = StoreLayout(arenaBytes: answer.arenaBytes)
            let store = StoreClient.Opened(
                segment: try StoreSegment(opening: answer.descriptor, of: answer.pid, layout), pins: try PinTable(making: layout), node: node)
            link.request(JoinStore(pid: pid, pins: store.pins.descriptor), deadline: Limits.requestDeadline) { [self] result in
                opened(result.map { _ in store })
            }
        } catch { opened(.failure(error)) }
    }

    private func opened(_ result: Result<StoreClient.Opened, MantaError>) {
        if case .success(let store) = result { runtime.store.open(store) }
        let waiting = traffic.opening ?? []
        traffic.opening = nil
        for body in waiting { body(result) }
    }

    // MARK: Memory

    /// Memory for an object of so many bytes, when the slab has none.
    func lease(_ bytes: Int, _ done: @escaping (Result<(Reservation, StoreClient.Opened), MantaError>) -> Void) {
        withStore { [self] result in
            guard case .success(let store) = result, let nodeLink else { return done(.failure(result.failure ?? CurrentRuntime.missing)) }
            // Another writer's lease may have left enough.
            if let reservation = runtime.store.reserve(bytes) { return done(.success((reservation, store))) }
            nodeLink.request(LeaseMemory(bytes: bytes), deadline: Limits.leaseMemoryDeadline) { [self] result in
                switch result {
                case .failure(let error): done(.failure(error))
                case .success(let lease):
                    let (reservation, back) = runtime.store.took(lease, for: bytes)
                    if let back { nodeLink.send(ReturnMemory(lease: back)) }
                    guard let reservation else { return done(.failure(MantaError(.malformed, "the node leased less than was asked for"))) }
                    done(.success((reservation, store)))
                }
            }
        }
    }

    /// An object was published: the node is told with what else this turn made.
    func stored(_ id: ObjectID, owner: ProcessID, _ reservation: Reservation) {
        traffic.stored.append(
            ObjectsStored.Object(
                id: id, owner: owner, slot: reservation.use.slot, generation: reservation.use.generation, offset: reservation.extent.offset,
                count: reservation.extent.count))
        flushTrafficLater()
    }

    /// Nobody needs the object any more, wherever it is.
    func free(_ id: ObjectID, on nodes: some Sequence<NodeAddress>) {
        for node in nodes { traffic.freed[node, default: []].append(id) }
        flushTrafficLater()
    }

    private func flushTrafficLater() {
        guard !traffic.isFlushDue else { return }
        traffic.isFlushDue = true
        loop.later { [self] in flushTraffic() }
    }

    func flushTraffic() {
        traffic.isFlushDue = false
        if !traffic.stored.isEmpty {
            nodeLink?.send(ObjectsStored(objects: traffic.stored))
            traffic.stored = []
        }
        for (node, ids) in traffic.freed { link(to: node).send(FreeObjects(objects: ids)) }
        traffic.freed = [:]
    }

    func tickStore() {
        if let resting = runtime.store.takeResting() { nodeLink?.send(ReturnMemory(lease: resting)) }
        if !traffic.roomWaits.isEmpty { askForRoom() }
    }

    private func askForRoom() {
        let now = loop.now
        let (due, waiting) = (traffic.roomWaits.filter { $0.due <= now }, traffic.roomWaits.filter { $0.due > now })
        traffic.roomWaits = waiting
        for wait in due {
            if let handle = wait.handle, isWanted(handle.id) { wait.ask(handle) } else { wait.giveUp() }
        }
    }

    /// Whether somebody waits for it still: those who poll come and go.
    private func isWanted(_ id: ObjectID) -> Bool { traffic.brought[Bringing(object: id, isPatient: true)]?.contains { $0.isWanted() } == true }

    /// Brings an object to this machine, in memory or on its disk.
    func bring(_ handle: ObjectHandle, _ place: StoredPlace, patiently: Bool, _ waiter: BringWaiter) {
        let bringing = Bringing(object: handle.id, isPatient: patiently)
        guard traffic.brought[bringing] == nil else {
            traffic.brought[bringing]!.removeAll { !$0.isWanted() }
            return traffic.brought[bringing]!.append(waiter)
        }
        traffic.brought[bringing] = [waiter]
        open(handle, place, StoreRead(wantsBytes: false, waitsForRoom: patiently)) { [self] _ in
            for waiter in traffic.brought.removeValue(forKey: bringing) ?? [] { waiter.done() }
        }
    }

    /// Nobody is asked any more.
    func endRoomWaits() {
        let waits = traffic.roomWaits
        traffic.roomWaits = []
        for wait in waits { wait.giveUp() }
    }

    /// Something of this process is on that node: if it is another one than its own, the others must hear of the end of this process.
    func noteUse(of node: NodeAddress) {
        guard !isKnownElsewhere, let home, node.node != home.node else { return }
        isKnownElsewhere = true
        nodeLink?.send(OwnsElsewhere())
    }

    /// A node's store has a copy of an own object, or no longer has one.
    func copyChanged(_ change: CopyChanged) {
        noteUse(of: change.node)
        if change.isLeftBehind == true { return leftBehind(change) }
        let isAlive = objects.copyChanged(change.object, on: change.node, isThere: change.isThere)
        if !isAlive, change.isThere { free(change.object, on: [change.node]) }
    }

    /// A worker that is gone wrote something for this process. An item of a stream that it sent may come later than the word of its end.
    private func leftBehind(_ change: CopyChanged) {
        guard objects.entries[change.object] == nil, pending(change.object.task) != nil else { return leave(change.object, on: change.node) }
        _ = loop.schedule(after: Limits.leftBehindPatience) { [self] in leave(change.object, on: change.node) }
    }

    /// A node has bytes of an own object that nobody is to read: they end with it.
    func leave(_ id: ObjectID, on node: NodeAddress) {
        if !objects.left(id, on: node) { free(id, on: [node]) }
    }

    /// A worker's answer has been dealt with. What of it lies in stores and was not taken, as that of an attempt which was given up, is not forgotten.
    func leaveUntaken(_ done: TaskDone) {
        guard case .values(let values) = done.outcome else { return }
        for (index, value) in values.enumerated() {
            guard let node = value.node else { continue }
            noteUse(of: node)
            leave(ObjectID(task: done.task, index: UInt32(clamping: index)), on: node)
        }
    }

    // MARK: Reading

    /// Makes a stored object readable here: from disk or from another node. A place that has gone stale is asked of its owner anew.
    func open(_ handle: ObjectHandle, _ place: StoredPlace, _ read: StoreRead = StoreRead(), _ done: @escaping (Result<ValueBytes, MantaError>) -> Void) {
        withStore { [self] result in
            // A process without a node, or one that looks for another.
            guard case .success = result, let nodeLink else { return pull(handle, place, read, done) }
            if let view = runtime.store.view(place) { return done(.success(.mapped(view))) }
            let request = OpenObject(
                object: handle.id, owner: handle.owner, size: place.size, sources: sources(of: handle.id, place), readsAnywhere: read.waitsForRoom ? nil : true)
            nodeLink.request(request, deadline: Limits.openObjectDeadline) { [self] result in
                switch result {
                // The memory is full of what cannot leave it.
                case .success(let opened) where opened.isOnDisk == true:
                    let onDisk = StoredPlace(node: runtime.store.opened?.node ?? place.node, slot: .max, generation: 0, size: place.size)
                    pull(handle, onDisk, read, done)
                case .success(let opened):
                    let here = StoredPlace(node: runtime.store.opened?.node ?? place.node, slot: opened.slot, generation: opened.generation, size: place.size)
                    if let view = runtime.store.view(here) {
                        handle.found(at: here)
                        return done(.success(.mapped(view)))
                    }
                    // It left again before it was pinned.
                    loop.later { [self] in open(handle, place, read, done) }
                // This process's node is gone, which says nothing of the one that has the object.
                case .failure(let error) where error.code != .objectLost && error.tellsOfLoss: pull(handle, place, read, done)
                case .failure(let error) where MantaError.Family.full.contains(error.code): findsNoRoom(handle, place, read, error, done)
                case .failure(let error): notOpened(handle, place, read, error, done)
                }
            }
        }
    }

    /// This node's store has no room for a copy: whoever wants the bytes takes them from where they are, who wants a copy here waits for room.
    private func findsNoRoom(
        _ handle: ObjectHandle, _ place: StoredPlace, _ read: StoreRead, _ error: MantaError, _ done: @escaping (Result<ValueBytes, MantaError>) -> Void
    ) {
        let source = sources(of: handle.id, place).first { $0.node != home?.node }
        if read.wantsBytes { return pull(handle, source.map { StoredPlace(node: $0, slot: .max, generation: 0, size: place.size) } ?? place, read, done) }
        guard read.waitsForRoom, let store = runtime.store.opened, place.size <= store.segment.layout.arenaBytes else { return done(.failure(error)) }
        // The node has waited for as long as it made sense.
        let ask: (ObjectHandle) -> Void = { [self] handle in open(handle, place, read, done) }
        traffic.roomWaits.append(RoomWait(due: loop.now + Limits.roomPause, handle: handle, ask: ask) { done(.failure(error)) })
    }

    /// It could not be read there.
    private func notOpened(
        _ handle: ObjectHandle, _ place: StoredPlace, _ read: StoreRead, _ error: MantaError, _ done: @escaping (Result<ValueBytes, MantaError>) -> Void
    ) {
        guard error.tellsOfLoss, read.triesLeft > 0 else { return done(.failure(error)) }
        if handle.owner.process == address.process {
            recover(handle, lostAt: place, because: error) { [self] result in go(on: handle, result, read.again, done) }
        } else {
            openAnew(handle, place, read.again, error, done)
        }
    }

    /// Goes on with what recovery came to.
    private func go(
        on handle: ObjectHandle, _ result: Result<ObjectHandle.Outcome, MantaError>, _ read: StoreRead, _ done: @escaping (Result<ValueBytes, MantaError>) -> Void
    ) {
        switch result {
        case .success(.ready(let bytes)): done(.success(bytes))
        case .success(.stored(let place)): open(handle, place, read, done)
        case .success(.failed(let error)): done(.failure((error as? MantaError) ?? MantaError(.objectLost, "object \(handle.id) could not be made again", cause: error)))
        case .failure(let error): done(.failure(error))
        }
    }

    private func openAnew(
        _ handle: ObjectHandle, _ place: StoredPlace, _ read: StoreRead, _ error: MantaError, _ done: @escaping (Result<ValueBytes, MantaError>) -> Void
    ) {
        let link = transport.connect(to: handle.owner)
        link.request(GetObject(object: handle.id, lostAt: place.node.node), deadline: nil) { [self] result in
            switch result {
            case .success(let value):
                switch value.outcome {
                case .values(let values) where values.count == 1:
                    switch values[0] {
                    case .inline(let bytes): done(.success(.array(bytes)))
                    case .stored(let place): open(handle, place, read, done)
                    }
                case .failed(let error): done(.failure(error))
                case .thrown, .values: done(.failure(error))
                }
            case .failure(let error): done(.failure(failure(ofReading: handle, error, on: link)))
            }
        }
    }

    func sources(of id: ObjectID, _ place: StoredPlace) -> [NodeAddress] {
        guard let known = objects.entries[id]?.copies else { return [place.node] }
        return known.isEmpty ? [place.node] : known
    }

    /// A process without a node, or whose node has no memory for it, reads the parts itself; who wants no bytes has no use for them.
    private func pull(_ handle: ObjectHandle, _ place: StoredPlace, _ read: StoreRead, _ done: @escaping (Result<ValueBytes, MantaError>) -> Void) {
        guard read.wantsBytes else { return done(.success(.array([]))) }
        pull(handle.id, place, into: PulledBytes(of: place.size)) { [self] result in
            if case .failure(let error) = result { notOpened(handle, place, read, error, done) } else { done(result) }
        }
    }

    private func pull(_ id: ObjectID, _ place: StoredPlace, into pulled: PulledBytes, _ done: @escaping (Result<ValueBytes, MantaError>) -> Void) {
        guard pulled.bytes.count < place.size else { return done(.success(.array(pulled.bytes))) }
        let request = PullObject(object: id, offset: pulled.bytes.count, count: min(Limits.partBytes, place.size - pulled.bytes.count))
        transport.connect(to: place.node.endpoint).request(request, deadline: Limits.requestDeadline) { [self] result in
            switch result {
            case .success(let part):
                if let complaint = part.complaint(size: place.size, count: request.count) {
                    return done(.failure(MantaError(.objectLost, "object \(id) is damaged on the way from node \(place.node.node.short): at byte \(request.offset) \(complaint)")))
                }
                pulled.bytes += part.bytes
                pull(id, place, into: pulled, done)
            case .failure(let error): done(.failure(error))
            }
        }
    }
}

/// What is wanted of a stored object, and how often it is looked for.
struct StoreRead {
    /// So often it is asked anew where the value lies when it is not found.
    var triesLeft = Limits.staleReads
    /// False: the object is only to be on this machine, in memory or on disk, where that can be.
    var wantsBytes = true
    /// A copy waits for room here as long as somebody wants it.
    var waitsForRoom = false

    /// One time later.
    var again: Self {
        var read = self
        read.triesLeft -= 1
        return read
    }
}

/// What has come of an object: one buffer, to which part after part is appended.
private final class PulledBytes {
    var bytes: [UInt8] = []
    init(of size: Int) { bytes.reserveCapacity(size) }
}

extension Limits {
    /// Longer than a node lets requests wait whose turn comes one after the other, so that its reason arrives.
    static let leaseMemoryDeadline: Duration = .seconds(600)
    /// What a worker sent before its end has come by then.
    static let leftBehindPatience: Duration = .seconds(5)
    /// After a node found no room for a copy within its patience, it is asked again so much later.
    static let roomPause: Duration = .seconds(1)
    /// From disk or from another node.
    static let openObjectDeadline: Duration = .seconds(600)
    /// So often one read asks anew where a value lies that it did not find: each time a node has died, or something on the way to one failed.
    static let staleReads = 8
}

extension Runtime {
    /// Writes a value to the node's store; nil when this process has none, or its node is lost meanwhile: the process keeps the value itself then. Throws
    /// `objectStoreFull` when no memory came free in time.
    func storeValue(_ value: EncodedValue, as id: ObjectID, ownedBy owner: ProcessID) async throws -> StoredPlace? {
        guard hasStore else { return nil }
        do {
            let (reservation, opened) = try await reservation(for: value.parts.count)
            return publish(value, as: id, ownedBy: owner, reservation, opened)
        } catch let error as MantaError where error.tellsOfLoss { return nil }
    }

    /// The same for code that does not wait: the calling thread does.
    func storeValueNow(_ value: EncodedValue, as id: ObjectID) throws(MantaError) -> StoredPlace? {
        guard hasStore, !loop.isCurrent else { return nil }
        let start = EventLoop.clock()
        defer { noteIfLong(.put, since: start) }
        if let opened = store.opened, let reservation = store.reserve(value.parts.count) {
            return publish(value, as: id, ownedBy: address.process, reservation, opened)
        }
        let answer = ThreadWait<Result<(Reservation, StoreClient.Opened), MantaError>>()
        let bytes = value.parts.count
        loop.execute { self.owner.lease(bytes) { answer.set($0) } }
        switch answer.wait() {
        case .success((let reservation, let opened)): return publish(value, as: id, ownedBy: address.process, reservation, opened)
        case .failure(let error) where error.tellsOfLoss: return nil
        case .failure(let error): throw error
        }
    }

    private func reservation(for bytes: Int) async throws -> (Reservation, StoreClient.Opened) {
        if let opened = store.opened, let reservation = store.reserve(bytes) { return (reservation, opened) }
        return try await withUnsafeThrowingContinuation { continuation in
            loop.execute { self.owner.lease(bytes) { continuation.resume(with: $0.mapError { $0 as any Error }) } }
        }
    }

    private func publish(_ value: EncodedValue, as id: ObjectID, ownedBy owner: ProcessID, _ reservation: Reservation, _ opened: StoreClient.Opened) -> StoredPlace {
        let place = store.publish(value.parts, in: reservation, of: opened)
        post(.stored(id, owner: owner, reservation))
        return place
    }

    // MARK: HandleKeeper

    package func view(_ place: StoredPlace) -> ValueBytes? { store.view(place).map { .mapped($0) } }

    /// A task that waits for long gives its resources back meanwhile; what comes soon, from disk above all, is not worth that.
    package func open(_ handle: ObjectHandle, _ place: StoredPlace, lending: Bool) async throws -> ValueBytes {
        let start = EventLoop.clock()
        defer { noteIfLong(.fetch, since: start) }
        let context = lending ? TaskContext.current : nil
        let (result, hasBlocked) = await withUnsafeContinuation { (continuation: UnsafeContinuation<(Result<ValueBytes, MantaError>, Bool), Never>) in
            loop.execute { [loop, owner] in
                var hasBlocked = false
                let timer = context.map { context in
                    loop.schedule(after: Limits.shortWait) {
                        hasBlocked = true
                        context.willBlock()
                    }
                }
                owner.open(handle, place) { result in
                    if let timer { loop.cancel(timer) }
                    continuation.resume(returning: (result, hasBlocked))
                }
            }
        }
        if hasBlocked { try await context?.didUnblock() }
        return try result.get()
    }

    package func bring(_ handle: ObjectHandle, _ place: StoredPlace, patiently: Bool, _ waiter: BringWaiter) {
        loop.execute { self.owner.bring(handle, place, patiently: patiently, waiter) }
    }
}

extension MantaError {
    /// The copy is gone, or its node; not: there is no room for it here.
    fileprivate var tellsOfLoss: Bool { code == .objectLost || code == .unavailable || code == .nodeDied }
}
