// How long objects live that several processes use: exactly as long as one of them can reach them, as their owners tell.

import Foundation
import Glibc
import Manta
import MantaModel
import MantaTestKit
import MantaWire
import MantaWorker
import Testing

/// What the owner of an object tells of it.
private func row(_ id: ObjectID) async throws -> ObjectRow? {
    guard let runtime = try await SharedCluster.get().runtime else { throw CurrentRuntime.missing }
    return try await runtime.head(QueryState(tables: [.objects], limit: 10_000)).objects.first { $0.id == id }
}

private func expect(_ id: ObjectID, _ what: String, _ condition: (ObjectRow) -> Bool) async throws {
    try await eventually("\(what) of object \(id)", within: .seconds(30), poll: .milliseconds(20)) { try await row(id).map(condition) ?? false }
}

private func expectEnd(of ids: ObjectID...) async throws {
    for id in ids { try await eventually("the end of object \(id)", within: .seconds(30), poll: .milliseconds(20)) { try await row(id) == nil } }
}

private func untilWaiting(_ gate: Gate.Handle, _ count: Int = 1) async throws {
    try await eventually("\(count) waiting", within: .seconds(30)) { try await gate.waiting().value == count }
}

extension SharedClusterTests {
@Suite(.serialized) struct BorrowingTests {
    @Test(arguments: [false, true]) func OBJ_002_anArgumentIsPinnedWhileItsTaskRuns(failing: Bool) async throws {
        let gate = Gate.remote()
        var reference: Blob? = Manta.put([UInt8](repeating: 1, count: 10 << 20))
        let id = reference!.id
        let size = sizeBehind.options(retries: 0).remote(reference!, gate, failing: failing)
        try await untilWaiting(gate)
        let running = try #require(try await row(id))
        #expect((running.local, running.pins, running.pinnedBy, running.borrowers) == (true, 1, size.id.task, 0))
        try await gate.open().value
        if failing { await #expect(throws: Trouble.broken(code: 10 << 20)) { try await size.value } } else { #expect(try await size.value == 10 << 20) }
        try await expect(id, "the end of the pin") { $0.local && $0.pins == 0 }
        reference = nil
        try await expectEnd(of: id)
    }

    @Test(arguments: [false, true]) func OBJ_005_aReferenceInsideAnArgumentIsPinnedUntilItsTaskEnds(crashing: Bool) async throws {
        let gate = Gate.remote()
        var reference: Blob? = Manta.put([UInt8](repeating: 1, count: 200_000))
        let id = reference!.id
        let size = sizeInside.options(retries: 0).remote([reference!], gate, crashing: crashing)
        reference = nil
        try await untilWaiting(gate)
        try await expect(id, "the pin and the borrower") { !$0.local && $0.pins == 1 && $0.borrowers == 1 }
        try await gate.open().value
        if crashing { await #expect(throws: MantaError.self) { try await size.value } } else { #expect(try await size.value == 200_000) }
        try await expectEnd(of: id)
    }

    @Test func OBJ_006_aChainOfTasksPassesAReferenceOn() async throws {
        let gate = Gate.remote()
        var reference: Blob? = Manta.put([UInt8](repeating: 1, count: 1000))
        let id = reference!.id
        try await forward.remote([reference!], depth: 5, gate).value
        reference = nil
        try await untilWaiting(gate)
        try await expect(id, "only borrowers") { !$0.local && $0.pins == 0 && $0.borrowers > 0 }
        try await gate.open().value
        try await expectEnd(of: id)
    }

    @Test(arguments: [false, true]) func OBJ_007_anActorHoldsAReferenceInTwoFields(killed: Bool) async throws {
        let shelf = Shelf.remote()
        var reference: Blob? = Manta.put([UInt8](repeating: 1, count: 1000))
        let id = reference!.id
        try await shelf.keep([reference!]).value
        reference = nil
        try await expect(id, "the actor alone") { !$0.local && $0.pins == 0 && $0.borrowers == 1 }
        try await shelf.dropLeft().value
        #expect(try await shelf.size().value == 1000)
        #expect(try await row(id)?.borrowers == 1)
        if killed { try await Manta.kill(shelf) } else { try await shelf.dropRight().value }
        try await expectEnd(of: id)
    }

    @Test func OBJ_008_anObjectHoldsWhatIsNestedInItsValue() async throws {
        let gate = Gate.remote()
        var bytes: Blob? = Manta.put([UInt8](repeating: 1, count: 10))
        var ids = [bytes!.id]
        var outer: ObjectReference<Box>? = Manta.put(Box(bytes: bytes))
        for _ in 0..<4 {
            ids.append(outer!.id)
            outer = Manta.put(Box(inner: outer))
        }
        bytes = nil
        for (id, container) in zip(ids, ids.dropFirst() + [outer!.id]) {
            try await expect(id, "the object around it") { !$0.local && $0.containers == 1 && $0.containedIn == container }
        }
        ids.append(outer!.id)
        let result = depth.remote(of: [outer!], gate)
        try await untilWaiting(gate)
        outer = nil
        try await expect(ids[5], "the task alone") { !$0.local && $0.pins == 1 }
        #expect(try await row(ids[0])?.containers == 1)
        try await gate.open().value
        #expect(try await result.value == 50)
        for id in ids { try await expectEnd(of: id) }
    }

    @Test func OBJ_009_aReferenceInAResultLivesWithIt() async throws {
        var outer: ObjectReference<[ObjectReference<Int>]>? = makeReferences.remote(2)
        var inner: [ObjectReference<Int>]? = try await outer!.value
        let ids = inner!.map(\.id)
        let outerID = outer!.id
        #expect(try await row(outerID) != nil)
        inner = nil
        try await expect(ids[0], "the outer object") { !$0.local && $0.pins == 0 && $0.borrowers == 1 }
        inner = try await outer!.value
        outer = nil
        try await expectEnd(of: outerID)
        #expect(try await row(ids[0])?.borrowers == 1)
        #expect(try await inner![0].value == 0)
        let owner = try #require(try await row(ids[1])?.ownerPid)
        inner!.removeFirst()
        try await expectEnd(of: ids[0])
        #expect(try await row(ids[1])?.borrowers == 1)
        kill(owner, SIGKILL)
        try await expectEnd(of: ids[1])
        let error = await #expect(throws: MantaError.self) { try await inner![0].value }
        #expect(error?.code == .ownerDied)
    }

    @Test func OBJ_010_aReferenceReturnedUpBelongsToTheDriver() async throws {
        let references = try await returnUp.remote(5).value
        let id = references[0].id
        try await expect(id, "the driver alone") { !$0.local && $0.pins == 0 && $0.containers == 0 && $0.borrowers == 1 }
        let again = try await Manta.put(references).value
        #expect(try await again[0].value.count == 1000)

        let gate = Gate.remote()
        let pending = try await unfinished.remote(gate).value[0]
        let waiting = Task { try await pending.value }
        try await untilWaiting(gate)
        let owner = try #require(try await row(pending.id)?.ownerPid)
        kill(owner, SIGKILL)
        let error = await #expect(throws: MantaError.self) { try await waiting.value }
        #expect(error?.code == .ownerDied)
        try await gate.open().value
    }

    @Test func OBJ_010_aDeadOwnersObjectsAreLostAtOnce() async throws {
        let references = try await makeReferences.remote(2).value
        #expect(try await references[0].value == 0)
        let owner = try #require(try await row(references[1].id)?.ownerPid)
        kill(owner, SIGKILL)
        try await expectEnd(of: references[1].id)
        let error = await #expect(throws: MantaError.self) { try await references[1].value }
        #expect(error?.code == .ownerDied)
        #expect(error?.message.contains("\(references[1].id)") == true)
    }

    @Test func OBJ_010_whoHearsOfADeadOwnersObjectForTheFirstTimeHearsOfItsDeath() async throws {
        let shelf = Shelf.remote()
        let references = try await returnUp.remote(1).value
        let owner = try #require(try await row(references[0].id)?.ownerPid)
        try await shelf.keep(references).value
        kill(owner, SIGKILL)
        try await expectEnd(of: references[0].id)
        await expectCode(.ownerDied, of: sizeOfTheFirst.remote(on: shelf))
    }

    @Test func OBJ_020_aSmallArgumentIsLetGoWhenItIsOnItsWay() async throws {
        let (first, second) = (Gate.remote(), Gate.remote())
        let small = echoInt.remote(7)
        #expect(try await small.value == 7)
        let sum = addBehind.remote(small, waitFor.remote(first), second)
        try await expect(small.id, "the pin of the task that waits") { $0.local && $0.pins == 1 }
        try await untilWaiting(first)
        try await first.open().value
        try await untilWaiting(second)
        let sent = try #require(try await row(small.id))
        #expect((sent.local, sent.pins) == (true, 0))
        try await second.open().value
        #expect(try await sum.value == 8)
    }

    @Test func OBJ_020_aLargeArgumentIsHeldUntilItsTaskEnds() async throws {
        let gate = Gate.remote()
        let large = blob.remote(200_000)
        let size = sizeBehind.remote(large, gate)
        try await untilWaiting(gate)
        #expect(try await row(large.id)?.pins == 1)
        try await gate.open().value
        #expect(try await size.value == 200_000)
        try await expect(large.id, "the end of the pin") { $0.pins == 0 }
    }

    @Test func OBJ_041_whatAnActorWasMadeWithStaysAsLongAsItMayBeMadeAgain() async throws {
        var reference: Blob? = Manta.put([UInt8](repeating: 1, count: 1000))
        let id = reference!.id
        let shelf = Shelf.options(maxRestarts: 1).remote([reference!])
        reference = nil
        let former = try await shelf.process().value
        try await shelf.dropLeft().value
        try await expect(id, "its constructor") { !$0.local && $0.pins == 1 && $0.borrowers == 0 }
        try await Manta.kill(shelf, mayRestart: true)
        try await eventually("the restart", within: .seconds(30)) { (try? await shelf.process().value).map { $0 != former } ?? false }
        #expect(try await shelf.size().value == 1000)
        try await Manta.kill(shelf)
        try await expectEnd(of: id)
    }

    @Test func OBJ_041_whatAClosureIsGivenStaysWhileItRuns() async throws {
        let gate = Gate.remote()
        var reference: Blob? = Manta.put([UInt8](repeating: 1, count: 1000))
        let id = reference!.id
        let size = #remote([reference!], gate) { (references: [Blob], gate: Gate.Handle) in
            try await gate.wait().value
            return try await references[0].value.count
        }
        reference = nil
        try await untilWaiting(gate)
        #expect(try await row(id)?.local == false)
        try await gate.open().value
        #expect(try await size.value == 1000)
        try await expectEnd(of: id)
    }

    @Test func OBJ_042_aReferenceEncodedElsewhereKeepsItsObject() async throws {
        var reference: Blob? = Manta.put([UInt8](repeating: 1, count: 1000))
        let id = reference!.id
        let bytes = try JSONEncoder().encode(reference)
        reference = nil
        try await expect(id, "the reason") { !$0.local && $0.forGood }
        #expect(try await JSONDecoder().decode(Blob.self, from: bytes).value.count == 1000)
        #expect(try await row(id)?.forGood == true)
    }

    @Test func itemsOfAStreamHoldWhatIsInsideThem() async throws {
        var items: [[ObjectReference<Int>]] = []
        for try await item in referenceStream.remote(3) { items.append(try await item.value) }
        for (index, item) in items.enumerated() { #expect(try await item[0].value == index) }
        let ids = items.map { $0[0].id }
        try await expect(ids[1], "this process alone") { !$0.local && $0.pins == 0 && $0.borrowers == 1 }
        items = []
        for id in ids { try await expectEnd(of: id) }
    }
}
}
