// HandleTableTests: the table of handles against a dictionary, under many operations, and with threads that make and drop handles of the same objects.

import MantaModel
import Synchronization
import Testing

@testable import MantaWorker

/// Looks after handles as a runtime does.
private final class Keeper: HandleKeeper {
    let address = ProcessAddress(process: ProcessID(high: 1, low: 1), endpoint: "ipc://here")
    let table = Mutex(HandleTable())
    /// How many handles of each object there are that were told of and did not end.
    let counts = Mutex<[ObjectID: Int]>([:])

    func handleWasReleased(_ handle: ReleasedHandle) { _ = table.withLock { $0.ended(handle) } }
    func handleIsWanted(_ handle: ObjectHandle) {}

    func handle(_ id: ObjectID, _ owner: ObjectOwner) -> ObjectHandle {
        table.withLock { table in
            if let handle = table.find(id) { return handle }
            let handle = ObjectHandle(borrowed: id, from: owner, keeper: self)
            table.insert(handle)
            table.borrowed(id, from: owner)
            return handle
        }
    }

    /// As the loop does.
    func noteUses() {
        var uses = ReferenceUses()
        table.withLock { $0.takeUses(into: &uses) }
        counts.withLock { counts in
            uses.forEach { kind, ids in
                for id in ids {
                    if case .borrowed = kind { counts[id, default: 0] += 1 } else { counts[id, default: 0] -= 1 }
                    if counts[id] == 0 { counts[id] = nil }
                }
            }
        }
    }
}

private let owner = ObjectOwner(ProcessAddress(process: ProcessID(high: 2, low: 2), endpoint: "ipc://there"))

struct HandleTableTests {
    private static func id(_ number: UInt64) -> ObjectID { ObjectID(task: TaskID(high: number % 3, low: number), index: UInt32(number % 2)) }

    @Test(arguments: [1, 2, 3]) func `it finds what a dictionary of living handles has`(seed: UInt64) {
        var random = SplitMix(state: seed)
        let keeper = Keeper()
        var model: [ObjectID: ObjectHandle] = [:]
        for step in 0..<20_000 {
            // Fills up, and empties again.
            let id = Self.id(random.next() % 3_000)
            let adds = step % 8_000 < 4_000 ? 3 : 1
            if random.next() % 4 < adds {
                let handle = keeper.handle(id, owner)
                #expect(model[id] == nil || model[id] === handle)
                model[id] = handle
            } else {
                model[id] = nil
            }
            let other = Self.id(random.next() % 3_000)
            #expect(keeper.table.withLock { $0.find(other) } === model[other])
        }
        #expect(keeper.table.withLock { $0.count } == model.count)
        keeper.noteUses()
        #expect(keeper.counts.withLock { $0 } == model.mapValues { _ in 1 })
        model = [:]
        keeper.noteUses()
        #expect(keeper.counts.withLock { $0.isEmpty } && keeper.table.withLock { $0.count } == 0)
    }

    /// The last copy of a handle goes while other threads read the same reference.
    @Test func `a handle that ends is not found, and its end does not remove the next one`() async {
        let keeper = Keeper()
        await withTaskGroup(of: Void.self) { group in
            for thread in 0..<4 {
                group.addTask {
                    var held: [ObjectHandle] = []
                    for round in 0..<20_000 {
                        let handle = keeper.handle(Self.id(UInt64(round % 3)), owner)
                        #expect(handle.id == Self.id(UInt64(round % 3)) && handle.owner == owner.address)
                        held.append(handle)
                        if held.count > thread { held.removeFirst() }
                        if round.isMultiple(of: 500) { keeper.noteUses() }
                    }
                }
            }
        }
        keeper.noteUses()
        #expect(keeper.counts.withLock { $0.isEmpty })
        #expect(keeper.table.withLock { $0.count } == 0)
    }
}

private struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var bits = state
        bits = (bits ^ bits >> 30) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ bits >> 27) &* 0x94D0_49BB_1331_11EB
        return bits ^ bits >> 31
    }
}
