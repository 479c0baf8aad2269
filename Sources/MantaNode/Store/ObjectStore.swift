// ObjectStore: the node's object store as a process has it: the shared memory, the tables of what its clients read, the disk, and the copies on their way
// from other nodes. `StoreBook` decides; this carries out.
//
// Confined to the node's loop; the disk has a thread of its own, which touches only memory that the book set aside for it.

import Glibc
import Logging
import MantaCore
import MantaLoop
import MantaMemory
import MantaModel
import MantaTransport
import MantaWire

final class ObjectStore {
    unowned let node: Node
    let segment: StoreSegment
    var book: StoreBook
    private let readers: Readers
    private let disk: Disk
    private var lastToken: UInt64 = 0
    /// Whom to answer, by token.
    private var answers: [UInt64: (Result<Opened, MantaError>) -> Void] = [:]
    /// Copies on their way here, and where their bytes go.
    var transfers = TransferBook()
    var arrivals: [ObjectID: Extent] = [:]
    /// Of objects of other nodes, as long as a copy is here or somebody asks for one.
    var wishes: [ObjectID: Wish] = [:]
    struct Wish {
        var owner: ProcessAddress
        /// Where a copy can be fetched from.
        var sources: [NodeAddress]
        /// How many who asked have no answer yet.
        var asking = 0
    }

    /// Parts that other nodes asked for before the object was known here.
    var pulls: [ObjectID: [UInt64: () -> Void]] = [:]
    var lastPull: UInt64 = 0

    /// What a token is answered with.
    enum Opened {
        case lease(Extent, [SlotUse])
        case object(SlotUse, size: Int)
        case onDisk(SpillPlace, size: Int)
    }

    /// - Parameters:
    ///   - bytes: of the arena; pages cost nothing until they are used.
    ///   - folder: for objects that leave memory; made when the first one does.
    ///   - limit: how many may; nil: none.
    init(of node: Node, bytes: Int, spillDirectory folder: String, limit: SpillLimit?) throws(MantaError) {
        self.node = node
        segment = try StoreSegment(making: StoreLayout(arenaBytes: bytes))
        readers = Readers(segment)
        book = StoreBook(layout: segment.layout, readers: readers, spillLimit: limit)
        if limit != nil { try SpillFolder.prepareParent(of: folder) }
        disk = Disk(folder)
    }

    private var loop: EventLoop { node.loop }

    func tick() { book.tick(at: loop.now) { perform($0) } }

    /// Removes what is on disk.
    func close() { disk.close() }

    // MARK: Requests

    /// A process of this machine reads and writes here from now on.
    func join(_ client: ProcessID, pid: Int32, pins: Int32) throws(MantaError) {
        readers.tables[client] = try PinTable(opening: pins, of: pid, segment.layout)
        book.clientJoined(client)
    }

    /// - Parameter mayReturn: It cannot be reached, but may live.
    func processEnded(_ process: ProcessID, mayReturn: Bool = false) {
        readers.tables[process] = nil
        book.processEnded(process, mayReturn: mayReturn, at: loop.now) { perform($0) }
        for (id, wish) in wishes where wish.owner.process == process { forgetWish(id) }
    }

    func lease(_ bytes: Int, to client: ProcessID, _ done: @escaping (Result<Opened, MantaError>) -> Void) {
        let token = token(done)
        book.lease(bytes, to: client, token: token, at: loop.now) { perform($0) }
    }

    func returned(_ lease: MemoryLeased, by client: ProcessID) {
        book.returned(Extent(offset: lease.offset, count: lease.count), lease.uses, by: client, at: loop.now) { perform($0) }
    }

    func stored(_ message: ObjectsStored, by client: ProcessID) {
        for object in message.objects {
            let isTaken = book.stored(
                object.id, owner: object.owner, by: client, SlotUse(slot: object.slot, generation: object.generation),
                Extent(offset: object.offset, count: object.count), at: loop.now
            ) { perform($0) }
            guard isTaken else {
                node.logger.error("a process says that it stored an object where it may not write", metadata: ["process": "\(client)", "object": "\(object.id)"])
                continue
            }
            pullsWaiting(for: object.id)
        }
    }

    func free(_ ids: [ObjectID]) {
        book.free(ids, at: loop.now) { perform($0) }
        for id in ids { forgetWish(id) }
    }

    /// Makes an object readable that a client could not open: from disk, or from one of the sources.
    func open(_ request: OpenObject, _ done: @escaping (Result<Opened, MantaError>) -> Void) {
        let id = request.object
        offer(request)
        if book.holds(id) || request.sources.allSatisfy({ $0.node == node.configuration.node }) {
            return book.open(id, token: token(done), at: loop.now) { perform($0) }
        }
        var wish = wishes[id] ?? Wish(owner: request.owner, sources: [])
        wish.asking += 1
        for source in request.sources where source.node != node.configuration.node && !wish.sources.contains(source) { wish.sources.append(source) }
        wishes[id] = wish
        let token = token { [self] result in
            wishes[id]?.asking -= 1
            forgetWish(id)
            done(result)
        }
        book.fetch(
            id, owner: request.owner.process, size: request.size, readsAnywhere: request.readsAnywhere == true, token: token, at: loop.now
        ) { perform($0) }
    }

    /// Who asks for a copy that is on its way may know of sources that those who asked before did not.
    private func offer(_ request: OpenObject) {
        guard transfers.isRunning(request.object) else { return }
        let alive = request.sources.filter { $0.node != node.configuration.node && node.knowsAsAlive($0.node) }
        transfers.offer(request.object, sources: alive) { perform($0) }
    }

    private func token(_ done: @escaping (Result<Opened, MantaError>) -> Void) -> UInt64 {
        lastToken += 1
        answers[lastToken] = done
        return lastToken
    }

    // MARK: Actions

    func perform(_ action: StoreBook.Action) {
        switch action {
        case .granted(let token, _, let extent, let uses): answer(token, .success(.lease(extent, uses)))
        case .refused(let token, let error): answer(token, .failure(error))
        case .opened(let token, let use, let size): answer(token, .success(.object(use, size: size)))
        case .lookAtDisk: lookAtDisk()
        case .diskIsFull(let error): node.logger.warning("no more objects are written to disk", metadata: ["because": "\(error.message)"])
        case .spill(let file, let parts): spill(file, parts)
        case .restore(let id, let place, let bytes): restore(id, place, bytes)
        case .readable(let token, let place, let size): answer(token, .success(.onDisk(place, size: size)))
        case .check(let id, let place, let size): check(id, place, size)
        case .deleteFile(let file): disk.execute { $0.delete(file) }
        case .fetch(let id, let bytes): fetch(id, into: bytes)
        case .leftBehind(let id, let owner): loop.later { [self] in wasLeftBehind(id, by: owner) }
        case .damaged(let id, let owner, let error): isDamaged(id, of: owner, error)
        // Later, as the answers: who is told, and what is forgotten for it, depends on the book.
        case .dropped(let id, let owner): loop.later { [self] in hasLeft(id, of: owner) }
        }
    }

    /// Later: the book must not be called while it performs.
    private func answer(_ token: UInt64, _ result: Result<Opened, MantaError>) {
        guard let done = answers.removeValue(forKey: token) else { return }
        loop.later { done(result) }
    }

    // MARK: The disk

    /// Something about files, on the thread that is there for them.
    func onDisk(_ body: @escaping @Sendable () -> Void) { disk.execute { _ in body() } }

    private func lookAtDisk() {
        let back = LoopBound({ [weak self] (found: Result<DiskUsage, MantaError>) in self?.diskSeen(found) }, on: loop)
        disk.execute { folder in
            let found = Result { () throws(MantaError) in try folder.usage() }
            back.loop.execute { back.value(found) }
        }
    }

    private func diskSeen(_ found: Result<DiskUsage, MantaError>) {
        if let error = found.failure { node.logger.error("objects cannot be written to disk", metadata: ["error": "\(error)"]) }
        book.diskSeen(found, at: loop.now) { perform($0) }
    }

    private func spill(_ file: UInt64, _ parts: [StoreBook.SpilledPart]) {
        let segment = segment
        let back = LoopBound({ [weak self] (error: MantaError?) in self?.spilled(file, parts, error) }, on: loop)
        disk.execute { folder in
            var failure: MantaError?
            do throws(MantaError) {
                try folder.write(file, parts, from: segment)
            } catch { failure = error }
            let error = failure
            back.loop.execute { back.value(error) }
        }
    }

    private func spilled(_ file: UInt64, _ parts: [StoreBook.SpilledPart], _ error: MantaError?) {
        if let error { node.logger.error("objects cannot be written to disk", metadata: ["error": "\(error)"]) }
        book.spilled(file, parts, error, at: loop.now) { perform($0) }
    }

    private func restore(_ id: ObjectID, _ place: SpillPlace, _ bytes: Extent) {
        let segment = segment
        let back = LoopBound({ [weak self] (error: MantaError?) in self?.restored(id, error) }, on: loop)
        disk.execute { folder in
            var failure: MantaError?
            do throws(MantaError) { try folder.read(id, at: place, into: segment.writable(bytes)) } catch { failure = error }
            let error = failure
            back.loop.execute { back.value(error) }
        }
    }

    private func restored(_ id: ObjectID, _ error: MantaError?) {
        book.restored(id, error, publish: segment.publish, at: loop.now) { perform($0) }
    }

    private func check(_ id: ObjectID, _ place: SpillPlace, _ size: Int) {
        let back = LoopBound({ [weak self] (error: MantaError?) in self?.checked(id, error) }, on: loop)
        disk.execute { folder in
            let found = Result { () throws(MantaError) in try folder.check(id, at: place, size: size) }
            back.loop.execute { back.value(found.failure) }
        }
    }

    private func checked(_ id: ObjectID, _ error: MantaError?) { book.checked(id, error, at: loop.now) { perform($0) } }

    /// Operators hear of it: a disk that loses bytes loses more.
    private func isDamaged(_ id: ObjectID, of owner: ProcessID, _ error: MantaError) {
        node.logger.error("an object cannot be read from disk", metadata: ["object": "\(id)", "error": "\(error)"])
        let message = """
            node \(node.configuration.node) on \(Machine.name) gave up its copy of object \(id): \(error.message). Its owner, process \(owner.short), has it \
            fetched from another node that has it, else made again by its task; when neither is possible, who reads it gets objectLost. See to the disk
            """
        node.head.send(ReportErrors(errors: [ErrorRow(at: .now, code: error.code.rawValue, message: message, source: "node", node: node.configuration.node)]))
    }

    /// A part of an object that stays on disk. One that cannot be read, although all was right a moment ago, means that the object is lost.
    func readPart(_ request: PullObject, _ place: SpillPlace, _ size: Int, _ done: @escaping (Result<ObjectPart, MantaError>) -> Void) {
        let back = LoopBound({ [weak self] (part: Result<ObjectPart, MantaError>) in
            if let error = part.failure { self?.checked(request.object, error) }
            done(part)
        }, on: loop)
        disk.execute { folder in
            let part = Result { () throws(MantaError) in
                ObjectPart(size: size, bytes: try folder.part(of: request.object, at: place, offset: request.offset, count: request.count))
            }
            back.loop.execute { back.value(part) }
        }
    }

    // MARK: Owners

    /// Tells the owner that this node has a copy.
    func hasCome(_ id: ObjectID) {
        guard let owner = wishes[id]?.owner else { return }
        node.transport.connect(to: owner).send(CopyChanged(object: id, node: node.nodeAddress, isThere: true))
    }

    /// Tells the owner that this node has the object no longer: a copy that made room, or one that cannot be read from disk. Where nothing of the owner but
    /// its name is known, it hears of it from whoever reads the object next.
    private func hasLeft(_ id: ObjectID, of owner: ProcessID) {
        let link = wishes[id].map { node.transport.connect(to: $0.owner) } ?? node.transport.links.first { $0.peer?.process == owner }
        link?.send(CopyChanged(object: id, node: node.nodeAddress, isThere: false))
        forgetWish(id)
    }

    /// Tells the owner of what a worker that is gone wrote for it.
    private func wasLeftBehind(_ id: ObjectID, by owner: ProcessID) {
        let link = node.links[owner] ?? node.transport.links.first { $0.peer?.process == owner }
        link?.send(CopyChanged(object: id, node: node.nodeAddress, isThere: true, isLeftBehind: true))
    }

    /// Unless it is of use still.
    private func forgetWish(_ id: ObjectID) {
        if let wish = wishes[id], wish.asking == 0, !book.holds(id) { wishes[id] = nil }
    }
}

/// The shared memory as the book asks for it.
private final class Readers: StoreReaders {
    let segment: StoreSegment
    var tables: [ProcessID: PinTable] = [:]
    init(_ segment: StoreSegment) { self.segment = segment }

    func claim(_ use: SlotUse) -> Bool {
        segment.markLeaving(use)
        guard tables.values.contains(where: { $0.isPinned(use.slot) }) else { return true }
        segment.markResident(use)
        return false
    }
    func restore(_ use: SlotUse) { segment.markResident(use) }
    func clear(_ use: SlotUse) { segment.markFree(use) }
    func lastUse(_ slot: UInt32) -> UInt64 { segment.lastUse(slot) }
}

extension MemoryLeased {
    init(_ extent: Extent, _ uses: [SlotUse]) {
        self.init(offset: extent.offset, count: extent.count, slots: uses.map(\.slot), generations: uses.map(\.generation))
    }
    var uses: [SlotUse] { zip(slots, generations).map { SlotUse(slot: $0, generation: $1) } }
}
