// The nouns: identifiers read and write one form, resources never drift, states move only where they may, limits fit together.

import MantaModel
import Testing

@Suite struct IdentifierTests {
    @Test func anIdentifierIsReadAsItWasWritten() {
        let id = TaskID(high: 0x0123_4567_89ab_cdef, low: 0x42)
        #expect(id.description == "0123456789abcdef0000000000000042")
        #expect(TaskID(id.description) == id)
        #expect(id.short == "012345…42", "tasks of one process differ in their ends only")
        #expect(JobID(high: id.high, low: id.low).short == "01234567")
        let object = ObjectID(task: id, index: 7)
        #expect(ObjectID(object.description) == object)
    }

    @Test(arguments: ["", "xyz", "0123456789abcdef000000000000004", "+123456789abcdef0000000000000042", "0123456789ABCDEFG000000000000042"])
    func otherTextIsNoIdentifier(_ text: String) {
        #expect(TaskID(text) == nil)
        #expect(ObjectID(text) == nil)
        #expect(ObjectID("\(text)-1") == nil)
    }

    @Test func twoRandomIdentifiersDiffer() { #expect(ActorID.random() != ActorID.random()) }
}

@Suite struct ResourceTests {
    @Test func CORE_015_fractionsNeverDrift() {
        var available = Resources([Resources.cpu: 2])
        let tenth = Resources([Resources.cpu: 0.1])
        for _ in 0..<20 { available -= tenth }
        #expect(available.isEmpty)
        for _ in 0..<20 { available += tenth }
        #expect(available == Resources([Resources.cpu: 2]))
    }

    @Test func amountsAreTruncatedToFourDecimals() {
        #expect(ResourceAmount(0.123456).description == "0.1234")
        #expect(ResourceAmount(3).description == "3")
    }

    @Test func aDemandFitsOnlyWhereEverythingIs() {
        let node = Resources([Resources.cpu: 2, "disk": 1])
        #expect(node.covers(Resources([Resources.cpu: 2])))
        #expect(node.covers(Resources()))
        #expect(!node.covers(Resources([Resources.cpu: 2, "disk": 1.5])))
        #expect(!node.covers(Resources(["tape": 0.0001])))
    }

    @Test func impossibleDemandsAreNamed() {
        #expect(Resources([Resources.cpu: -1]).complaint?.contains("\"CPU\" is -1") == true)
        #expect(Resources([Resources.gpu: 1.5]).complaint?.contains("whole number") == true)
        #expect(Resources([Resources.gpu: 0.5, "disk": 3]).complaint == nil)
    }
}

@Suite struct StateTests {
    private func check<State: LifeCycle>(_ type: State.Type, ends: Set<State>) {
        for state in State.allCases {
            #expect(state.successors.isEmpty == ends.contains(state), "\(state) of \(State.self)")
        }
    }

    @Test func livesEndWhereTheyShould() {
        check(NodeState.self, ends: [.dead])
        check(JobState.self, ends: [.finished, .failed])
        check(TaskState.self, ends: [.finished, .failed, .cancelled])
        check(ActorState.self, ends: [.dead])
    }

    @Test func aDeadActorStaysDead() {
        #expect(ActorState.alive.mayBecome(.restarting))
        #expect(ActorState.allCases.allSatisfy { !ActorState.dead.mayBecome($0) })
    }
}

@Suite struct LimitTests {
    @Test func limitsFitTogether() {
        #expect(Limits.inlineValueBytes < Limits.batchBytes)
        #expect(Limits.batchBytes < Limits.messageBytes)
        #expect(Limits.messageBytes <= Limits.linkQueueBytes)
        #expect(Limits.heartbeatPeriod < Limits.suspectAfter)
        #expect(Limits.suspectAfter < Limits.deadAfter)
    }

    @Test func durationsSaturate() {
        #expect(Duration.seconds(Int64.max / 2).inNanoseconds == .max)
        #expect(Duration.milliseconds(1500).inMilliseconds == 1500)
        #expect((Duration.nanoseconds(Int64.max) + .nanoseconds(1)).inNanoseconds == .max && Duration.seconds(Int64.min).inNanoseconds == .min)
        #expect(Instant(nanoseconds: 5) + .seconds(Int64.max) == Instant(nanoseconds: .max) && Instant(nanoseconds: -5) - .seconds(Int64.max) == Instant(nanoseconds: .min))
        #expect(Instant(nanoseconds: 5) + .nanoseconds(7) - Instant(nanoseconds: 2) == .nanoseconds(10))
    }
}
