// SoakClient: a client of a soak: a driver that puts, makes, gets, passes on, holds and drops objects, more than its node's store has room for, and looks at
// every word of every value that it gets. It notes what fails, lets everything go when it is told to stop, and leaves when it may.

import ArgumentParser
import Glibc
import Manta
import MantaLoop
import MantaModel
import MantaSimulation
import MantaWire
import MantaWorker
import Synchronization

struct Client: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "client", abstract: "Use objects of a cluster; started by the controller.", shouldDisplay: false)

    @Option(help: "The head's endpoint.") var address: String
    @Option(help: "Fixes what it does.") var seed: UInt64
    @Option(help: "Bytes of the objects that it holds at a time.") var bytes: Int
    @Option(help: "Bytes of the largest object.") var largest: Int
    @Option(help: "The file that failures are noted in.") var notes: String
    @Option(help: "The file whose appearance ends the work.") var stop: String
    @Option(help: "The file whose appearance ends this program.") var leave: String

    /// Things that it does at the same time.
    private static let hands = 4

    func run() async throws {
        let session = try await Manta.connect(address)
        let notes = try SoakNotes(path: notes)
        let work = SoakWork(bytes: bytes, largest: largest, notes: notes)
        await withTaskGroup(of: Void.self) { group in
            for hand in 0..<Self.hands {
                let stop = stop
                var chance = SeededGenerator(seed: seed &* 16 &+ UInt64(hand))
                group.addTask {
                    while access(stop, F_OK) != 0 { await work.step(&chance) }
                }
            }
        }
        await work.finish()
        notes.empty()
        while access(leave, F_OK) != 0 { try await Task.sleep(for: .milliseconds(20)) }
        await session.stop()
    }
}

/// What a client holds, and what it does with it.
final class SoakWork: Sendable {
    private struct Held {
        var items: [Item] = []
        var bytes = 0
        /// Values that are read in place and stay so.
        var views: [(item: Item, parcel: Parcel)] = []
    }
    private let held = Mutex(Held())
    private let room: Int
    private let largest: Int
    private let notes: SoakNotes
    private let shelf = Shelf.remote()
    private let exchange = Exchange.options(name: Exchange.name, lifetime: .detached, getIfExists: true).remote()
    /// Values that stay in place.
    private static let views = 2

    init(bytes: Int, largest: Int, notes: SoakNotes) { (room, self.largest, self.notes) = (bytes, largest, notes) }

    // MARK: One thing after the other

    func step(_ chance: inout SeededGenerator) async {
        let item = held.withLock { $0.items.randomElement(using: &chance) }
        switch Int.random(in: 0..<100, using: &chance) {
        case 0..<18: keep(put(&chance))
        case 18..<32: keep(make(&chance))
        case 32..<38: await offer(&chance)
        case 38..<48: if let item { keep(derive(item, &chance)) }
        case 48..<53: if let item { await call("keep", item.excuse) { try await self.shelf.keep(item).value } }
        case 53..<56: await failures(of: "a shelf") { try await self.shelf.check().value }
        case 56..<60: if let item { await leave(item) }
        case 60..<65: await take(Int.random(in: 0..<1_000, using: &chance))
        case 65..<70: if let item { await failures(of: "a list") { try await checked.options(scheduling: .spread).remote([item]).value } }
        case 70..<74: if let item { await view(item) }
        case 74..<80: drop(&chance)
        default: if let item { await look(at: item) }
        }
    }

    /// Lets everything go, after a look at it.
    func finish() async {
        await failures(of: "a shelf") { try await self.shelf.check().value }
        let items = held.withLock { $0.items }
        for item in items { await look(at: item) }
        while let view = held.withLock({ $0.views.popLast() }) { look(again: view) }
        held.withLock { $0.items = [] }
        await call("clear", Excuse()) { try await self.shelf.clear().value }
    }

    // MARK: Making

    private func size(_ chance: inout SeededGenerator) -> Int {
        // Some travel in messages, most lie in stores.
        Int.random(in: 0..<4, using: &chance) == 0 ? Int.random(in: 0...2_000, using: &chance) : Int.random(in: 16_000...max(16_000, largest / 8), using: &chance)
    }

    private func put(_ chance: inout SeededGenerator) -> Item {
        let (key, count) = (chance.next(), size(&chance))
        notes.did("put")
        let reference = Manta.put(Parcel(key: key, count: count))
        var excuse = Excuse()
        if case .stored(let place)? = reference.handle.outcome { excuse.nodes = [place.node.node] }
        return Item(origin: "put", key: key, count: count, reference: reference, excuse: excuse)
    }

    private func make(_ chance: inout SeededGenerator) -> Item {
        let (key, count) = (chance.next(), size(&chance))
        notes.did("made")
        guard Int.random(in: 0..<4, using: &chance) == 0 else {
            let reference = made.options(scheduling: Bool.random(using: &chance) ? .spread : nil).remote(key: key, count: count)
            return Item(origin: "made", key: key, count: count, reference: reference, excuse: Excuse())
        }
        let since = WallTime.now
        return Item(origin: "madeOnce", key: key, count: count, reference: made.options(retries: 0).remote(key: key, count: count), excuse: Excuse(since: since))
    }

    private func derive(_ item: Item, _ chance: inout SeededGenerator) -> Item {
        let key = chance.next()
        notes.did("derived")
        let reference = derived.options(scheduling: Bool.random(using: &chance) ? .spread : nil).remote(
            from: item.reference, key: .value(item.key), count: item.count, new: .value(key))
        return Item(origin: "derived", key: key, count: item.count, reference: reference, excuse: item.excuse)
    }

    private func offer(_ chance: inout SeededGenerator) async {
        let keys = (0..<3).map { _ in chance.next() }
        let count = size(&chance)
        await call("offered", Excuse()) {
            for var item in try await offered.options(scheduling: .spread).remote(keys: keys, count: count).value {
                // The worker that owns it ends with the program that it works for.
                item.excuse.processes.insert(getpid())
                self.keep(item)
            }
        }
    }

    private func leave(_ item: Item) async {
        var item = item
        // It ends with this program, for everyone else.
        item.excuse.processes.insert(getpid())
        let left = item
        await call("leave", item.excuse) { try await self.exchange.leave(left).value }
    }

    private func take(_ choice: Int) async {
        await call("take", Excuse()) {
            for item in try await self.exchange.take(choice).value { self.keep(item) }
        }
    }

    // MARK: Holding

    private func keep(_ item: Item) {
        held.withLock { held in
            held.items.append(item)
            held.bytes += 8 * item.count
            while held.bytes > room { held.bytes -= 8 * held.items.removeFirst().count }
        }
    }

    private func drop(_ chance: inout SeededGenerator) {
        notes.did("dropped")
        let index = held.withLock { held in
            let index = held.items.indices.randomElement(using: &chance)
            if let index { held.bytes -= 8 * held.items.remove(at: index).count }
            return index
        }
        if index == nil { notes.did("idle") }
    }

    /// One that failed is not looked at again.
    private func forget(_ item: Item) {
        held.withLock { held in
            guard let index = held.items.firstIndex(where: { $0.reference == item.reference }) else { return }
            held.bytes -= 8 * held.items.remove(at: index).count
        }
    }

    // MARK: Looking

    private func look(at item: Item) async {
        notes.did("got")
        notes.did("bytes", 8 * item.count)
        guard let failure = await item.fault(patience: Limits.soakPatience) else { return }
        notes.failed(failure)
        forget(item)
    }

    /// Keeps the value in place for a while: it must not change meanwhile.
    private func view(_ item: Item) async {
        notes.did("viewed")
        do {
            let parcel = try await Manta.get([item.reference], timeout: Limits.soakPatience)[0]
            let old = held.withLock { held in
                held.views.append((item, parcel))
                return held.views.count > Self.views ? held.views.removeFirst() : nil
            }
            if let old { look(again: old) }
        } catch {
            notes.failed(Failure(what: item.what, error, excuse: item.excuse))
            forget(item)
        }
    }

    private func look(again view: (item: Item, parcel: Parcel)) {
        guard let fault = view.parcel.fault(key: view.item.key, count: view.item.count) else { return }
        notes.failed(Failure(what: "a view of \(view.item.what)", code: Failure.wrong, text: fault, excuse: Excuse()))
    }

    private func call(_ what: String, _ excuse: Excuse, _ body: () async throws -> Void) async {
        notes.did(what)
        do { try await body() } catch { notes.failed(Failure(what: what, error, excuse: excuse)) }
    }

    private func failures(of what: String, _ body: () async throws -> [Failure]) async {
        await call("check", Excuse()) {
            for var failure in try await body() {
                failure.what = "\(failure.what), looked at in \(what)"
                notes.failed(failure)
            }
        }
    }
}
