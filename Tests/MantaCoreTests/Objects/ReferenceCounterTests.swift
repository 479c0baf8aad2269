// ReferenceCounterTests: what keeps an object, step by step.

import MantaCore
import MantaModel
import Testing

/// Stands for the handle of an object: its end is the object's.
final class Token {
    private let ended: () -> Void
    init(_ ended: @escaping () -> Void = {}) { self.ended = ended }
    deinit { ended() }
}

struct ReferenceCounterTests {
    static func object(_ number: UInt64, of process: UInt64) -> ObjectAddress {
        ObjectAddress(
            object: ObjectID(task: TaskID(high: process, low: number), index: 0),
            owner: ProcessAddress(process: ProcessID(high: process, low: 0), endpoint: "ipc://\(process)"))
    }
    private let task = TaskID(high: 9, low: 1)
    private let other = ProcessID(high: 2, low: 0)
    private let mine = Self.object(1, of: 1)
    private let foreign = Self.object(1, of: 2)
    private var counter = ReferenceCounter(process: ProcessID(high: 1, low: 0))

    @Test mutating func aPinKeepsAnObjectUntilTheTaskEnds() {
        var token: Token? = Token()
        weak let handle = token
        counter.pin(mine.object, token!, by: task)
        var isUsed = counter.isUsedHere(mine.object)
        #expect(isUsed)
        token = nil
        isUsed = counter.isUsedHere(mine.object)
        #expect(handle != nil && !isUsed)
        #expect(counter.reasons(of: mine.object)?.pinnedBy == task)
        counter.unpin(mine.object, by: task)
        #expect(handle == nil && !counter.keepsAnything && counter.reasons(of: mine.object) == nil)
    }

    @Test mutating func borrowersAreCountedOnceAndInOrder() {
        weak var handle: Token?
        do {
            let token = Token()
            handle = token
            counter.pin(mine.object, token, by: task)
        }
        counter.borrowed([mine.object], by: other, number: 4)
        counter.borrowed([mine.object], by: other, number: 6)
        counter.unpin(mine.object, by: task)
        #expect(counter.reasons(of: mine.object)?.borrowers == 1)
        // Messages that are sent again change nothing.
        counter.released([mine.object], by: other, number: 5)
        #expect(handle != nil)
        counter.released([mine.object], by: other, number: 7)
        #expect(handle == nil)
        // What has ended cannot be borrowed.
        counter.borrowed([mine.object], by: other, number: 8)
        #expect(!counter.keepsAnything)
    }

    @Test mutating func aBorrowerThatDiesIsDropped() {
        counter.pin(mine.object, Token(), by: task)
        counter.borrowed([mine.object], by: other, number: 1)
        counter.unpin(mine.object, by: task)
        counter.processEnded(other) { _ in }
        #expect(!counter.keepsAnything)
    }

    @Test mutating func anObjectHoldsWhatItContains() {
        let outer = Self.object(2, of: 1)
        var outerToken: Token? = Token()
        counter.contain(mine, Token(), in: outer.object)
        counter.contain(foreign, in: outer.object)
        counter.pin(outer.object, outerToken!, by: task)
        outerToken = nil
        #expect(counter.reasons(of: mine.object)?.containedIn == outer.object)
        #expect(messages { $0.flush(perform: $1) } == [.register([foreign.object], owner: foreign.owner, number: 1)])
        counter.unpin(outer.object, by: task)
        counter.ended(outer.object)
        #expect(!counter.keepsAnything && counter.contents(of: outer.object) == [])
        #expect(messages { $0.flush(perform: $1) } == [])
        #expect(messages { $0.acknowledged(1, perform: $1) } == [.release([foreign.object], owner: foreign.owner, number: 2)])
    }

    @Test mutating func ownersHearWhenACountLeavesOrReachesZero() {
        let second = Self.object(2, of: 2)
        counter.hold(foreign)
        counter.hold(foreign)
        counter.hold(second)
        #expect(messages { $0.flush(perform: $1) } == [.register([foreign.object, second.object], owner: foreign.owner, number: 1)])
        counter.drop(foreign.object)
        #expect(!counter.hasChanges)
        #expect(messages { $0.acknowledged(1, perform: $1) } == [])
        counter.drop(foreign.object)
        // A new handle begins in the turn in which the last one ends.
        counter.hold(foreign)
        #expect(messages { $0.flush(perform: $1) } == [])
        counter.drop(foreign.object)
        #expect(messages { $0.flush(perform: $1) } == [.release([foreign.object], owner: foreign.owner, number: 2)])
        // A use that begins and ends within one turn is nobody's business.
        counter.hold(foreign)
        counter.drop(foreign.object)
        #expect(messages { $0.flush(perform: $1) } == [])
    }

    @Test mutating func releasesAndBarriersWaitForEarlierRegistrations() {
        let late = Self.object(7, of: 3)
        counter.hold(foreign)
        #expect(messages { $0.flush(perform: $1) }.count == 1)
        #expect(messages { $0.acknowledged(1, perform: $1) } == [])
        var barrier: UInt64?
        counter.hold(late)
        counter.drop(foreign.object)
        #expect(messages { barrier = $0.barrier(perform: $1) } == [.register([late.object], owner: late.owner, number: 2)])
        counter.hold(Self.object(8, of: 3))
        #expect(messages { $0.flush(perform: $1) }.count == 1)
        let passed = messages { $0.acknowledged(2, perform: $1) }
        #expect(passed.contains(.passed(barrier!)))
        #expect(passed.contains(.release([foreign.object], owner: foreign.owner, number: 5)))
        #expect(messages { $0.acknowledged(4, perform: $1) } == [])
        #expect(messages { barrier = $0.barrier(perform: $1) } == [])
        #expect(barrier == nil)
    }

    @Test mutating func acknowledgementsMayComeInAnyOrder() {
        for number in 1...3 {
            counter.hold(Self.object(UInt64(number), of: UInt64(number) + 1))
            _ = messages { $0.flush(perform: $1) }
        }
        var barrier: UInt64?
        #expect(messages { barrier = $0.barrier(perform: $1) } == [])
        #expect(messages { $0.acknowledged(3, perform: $1) } == [])
        #expect(messages { $0.acknowledged(1, perform: $1) } == [])
        #expect(messages { $0.acknowledged(2, perform: $1) } == [.passed(barrier!)])
    }

    @Test mutating func aDeadOwnerIsToldNothing() {
        counter.hold(foreign)
        _ = messages { $0.flush(perform: $1) }
        counter.processEnded(other) { _ in }
        counter.hold(foreign)
        counter.drop(foreign.object)
        counter.drop(foreign.object)
        #expect(messages { $0.flush(perform: $1) } == [])
        // A reference that was changed in the turn of its owner's end.
        let second = Self.object(5, of: 2)
        counter.hold(second)
        counter.drop(second.object)
        counter.processEnded(other) { _ in }
        #expect(messages { $0.flush(perform: $1) } == [])
    }

    @Test mutating func anAliasOfAnOwnObjectKeepsIt() {
        counter.pin(mine.object, Token(), by: task)
        counter.hold(mine)
        counter.unpin(mine.object, by: task)
        let isUsed = counter.isUsedHere(mine.object)
        #expect(isUsed && counter.keepsAnything)
        counter.drop(mine.object)
        #expect(!counter.keepsAnything)
    }

    @Test mutating func whatIsKeptForGoodStays() {
        counter.keepForGood(mine.object, Token())
        counter.borrowed([mine.object], by: other, number: 1)
        counter.processEnded(other) { _ in }
        #expect(counter.reasons(of: mine.object)?.isForGood == true)
    }

    private mutating func messages(_ body: (inout ReferenceCounter, (ReferenceCounter.Action) -> Void) -> Void) -> [ReferenceCounter.Action] {
        var actions: [ReferenceCounter.Action] = []
        body(&counter) { actions.append($0) }
        return actions
    }
}
