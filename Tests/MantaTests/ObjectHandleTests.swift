// ObjectHandleTests: a handle's life: settled once, everyone who waits resumed once, cancelled readers gone, its keeper told at the right moments.

import MantaModel
import MantaWire
import MantaWorker
import Synchronization
import Testing

private final class Keeper: HandleKeeper {
    let address = owner
    let released = Mutex<[ObjectID]>([])
    let wanted = Mutex<Int>(0)
    func handleWasReleased(_ handle: ReleasedHandle) { released.withLock { $0.append(handle.id) } }
    func handleIsWanted(_ handle: ObjectHandle) { wanted.withLock { $0 += 1 } }
    let unseen = Mutex<[ObjectID]>([])
    func failureWasUnseen(_ id: ObjectID, owner: ProcessAddress, _ error: any Error) { unseen.withLock { $0.append(id) } }
}

private final class Log: Sendable {
    let events = Mutex<[String]>([])
    func add(_ event: String) { events.withLock { $0.append(event) } }
    var all: [String] { events.withLock { $0 } }
}

private let id = ObjectID(task: TaskID(high: 1, low: 2), index: 0)
private let owner = ProcessAddress(process: ProcessID(high: 3, low: 4), endpoint: "ipc://x")

struct ObjectHandleTests {
    @Test func `the first outcome stays`() async throws {
        let handle = ObjectHandle(id: id, owner: owner, keeper: nil)
        #expect(!handle.isSettled)
        handle.fulfill([1])
        handle.fail(MantaError(.objectLost, "late"))
        handle.fulfill([2])
        #expect(try await handle.bytes() == [1])
    }

    @Test func `everyone who waits is resumed once, whatever the order`() async throws {
        for round in 0..<200 {
            let handle = ObjectHandle(id: id, owner: owner, keeper: nil)
            let log = Log()
            try await withThrowingTaskGroup(of: ValueBytes.self) { group in
                for _ in 0..<8 { group.addTask { try await handle.bytes() } }
                group.addTask {
                    handle.onReady { _ in log.add("called") }
                    if round.isMultiple(of: 2) { await Task.yield() }
                    handle.fulfill([7])
                    return [7]
                }
                for try await bytes in group { #expect(bytes == [7]) }
            }
            #expect(log.all == ["called"])
        }
    }

    @Test func `a cancelled reader leaves, and the others stay`() async throws {
        for _ in 0..<200 {
            let handle = ObjectHandle(id: id, owner: owner, keeper: nil)
            let leaver = Task { try await handle.bytes() }
            let stayer = Task { try await handle.bytes() }
            await Task.yield()
            leaver.cancel()
            await #expect(throws: CancellationError.self) { try await leaver.value }
            handle.fulfill([1])
            #expect(try await stayer.value == [1])
        }
    }

    @Test func `a failure that nobody saw is told, one that somebody got as his own is not`() {
        for isPassedOn in [false, true] {
            let keeper = Keeper()
            do {
                let handle = ObjectHandle(id: id, owner: owner, keeper: keeper)
                #expect(handle.passedOnFailure == nil)
                handle.fail(MantaError(.objectStoreFull, "too large"))
                if isPassedOn { #expect(handle.passedOnFailure as? MantaError == MantaError(.objectStoreFull, "too large")) }
            }
            #expect(keeper.unseen.withLock { $0 } == (isPassedOn ? [] : [id]))
        }
    }

    @Test func `the keeper hears of the first who waits and of the last who lets go`() async throws {
        let keeper = Keeper()
        do {
            let handle = ObjectHandle(id: id, owner: owner, keeper: keeper, fetchesOnDemand: true)
            #expect(keeper.wanted.withLock { $0 } == 0)
            handle.onReady { _ in }
            handle.onReady { _ in }
            handle.prefetch()
            #expect(keeper.wanted.withLock { $0 } == 1)
            handle.fail(MantaError(.ownerDied, "gone"))
            await #expect(throws: MantaError(.ownerDied, "gone")) { try await handle.bytes() }
            #expect(keeper.released.withLock { $0 }.isEmpty)
        }
        #expect(keeper.released.withLock { $0 } == [id])
    }

    @Test func `a forgotten callback is not called`() {
        let handle = ObjectHandle(id: id, owner: owner, keeper: nil)
        let token = handle.onReady { _ in Issue.record("was called") }
        handle.forget(token)
        handle.fulfill([])
    }

    @Test func `a remote task gives its resources back while it waits`() async throws {
        let log = Log()
        let context = TaskContext(
            job: .random(), task: .random(), node: .random(), actor: nil, function: "f", attempt: 1,
            willBlock: { log.add("block") }, didUnblock: { log.add("unblock") })
        let handle = ObjectHandle(id: id, owner: owner, keeper: nil)
        let ready = ObjectHandle(id: id, owner: owner, keeper: nil, outcome: .ready([1]))
        let reader = Task {
            try await TaskContext.$current.withValue(context) {
                _ = try await ready.bytes()
                return try await handle.bytes()
            }
        }
        while log.all.isEmpty { await Task.yield() }
        handle.fulfill([2])
        #expect(try await reader.value == [2])
        #expect(log.all == ["block", "unblock"])
    }
}
