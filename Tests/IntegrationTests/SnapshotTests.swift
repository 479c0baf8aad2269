// Actors whose state outlives their process.

import Glibc
import Manta
import MantaTestKit
import Testing

@RemoteActor(maxRestarts: -1, maxTaskRetries: 0) actor Diary: Restorable {
    private var entries: [String]
    private var snapshots = 0
    init(_ first: String) { entries = [first] }
    func add(_ entry: String) -> [String] {
        entries.append(entry)
        return entries
    }
    func all() -> [String] { entries }
    func taken() -> Int { snapshots }
    func process() -> Int32 { getpid() }
    func grow(_ bytes: Int) -> Int {
        entries = [String(repeating: "x", count: bytes)]
        return bytes
    }
    func fail() throws -> Int {
        entries.append("failed")
        throw Trouble.broken(code: 5)
    }
    func snapshot() throws -> [String] {
        if entries.last == "unspeakable" { throw Trouble.broken(code: 6) }
        snapshots += 1
        return entries
    }
    func restore(from snapshot: [String]) { entries = snapshot }
}

/// The same of a class.
@RemoteActor(maxRestarts: -1) final class Abacus: Restorable {
    private var sum = 0
    init() {}
    func add(_ amount: Int) -> Int {
        sum += amount
        return sum
    }
    func process() -> Int32 { getpid() }
    func snapshot() -> Int { sum }
    func restore(from snapshot: Int) { sum = snapshot }
}

extension SharedClusterTests {
@Suite(.serialized) struct SnapshotTests {
    /// Kills the process and waits until the next incarnation answers.
    private func restart(_ process: Int32, _ again: () async throws -> Int32) async throws {
        kill(process, SIGKILL)
        try await eventually("an answer of the next incarnation", within: .seconds(30)) { (try? await again()).map { $0 != process } ?? false }
    }

    @Test(arguments: [ActorIsolation.process, .shared]) func whatWasAnsweredIsNeverLost(isolation: ActorIsolation) async throws {
        let diary = Diary.options(isolation: isolation).remote("a")
        #expect(try await diary.add("b").value == ["a", "b"])
        for round in 0..<2 {
            #expect(try await Manta.get((0..<20).map { diary.add("\(round) \($0)") }).last?.count == 2 + 20 * (round + 1))
            try await restart(try await diary.process().value) { try await diary.process().value }
            #expect(try await diary.all().value.last == "\(round) 19")
            #expect(try await diary.all().value.count == 2 + 20 * (round + 1))
        }
    }

    @Test func aClassAndACallThatThrows() async throws {
        let abacus = Abacus.remote()
        #expect(try await abacus.add(7).value == 7)
        try await restart(try await abacus.process().value) { try await abacus.process().value }
        #expect(try await abacus.add(1).value == 8)
        let diary = Diary.remote("a")
        await #expect(throws: Trouble.broken(code: 5)) { try await diary.fail().value }
        try await restart(try await diary.process().value) { try await diary.process().value }
        #expect(try await diary.all().value == ["a", "failed"], "what it did before it threw counts")
    }

    @Test func aDetachedActorsStateLiesWithTheHead() async throws {
        let diary = Diary.options(name: "diary", lifetime: .detached).remote("a")
        #expect(try await diary.add("b").value == ["a", "b"])
        try await restart(try await diary.process().value) { try await diary.process().value }
        #expect(try await Diary.named("diary").all().value == ["a", "b"])
        try await Manta.kill(diary)
        let next = Diary.options(name: "diary", lifetime: .detached).remote("anew")
        #expect(try await next.all().value == ["anew"])
        try await Manta.kill(next)
        #expect(throws: MantaError.self) { try Manta.table("manta.snapshots", of: Int.self) }
    }

    @Test func withAPeriodTheStateIsTakenNowAndThen() async throws {
        let diary = Diary.options(snapshots: .every(.milliseconds(200))).remote("a")
        _ = try await Manta.get((0..<200).map { diary.add("\($0)") })
        #expect(try await diary.taken().value < 100)
        let before = try await diary.taken().value
        try await eventually("the state behind the last call", within: .seconds(30)) { try await diary.taken().value > before }
        #expect(try await diary.add("last").value.count == 202)
        let known = try await diary.taken().value
        try await eventually("the state behind it", within: .seconds(30)) { try await diary.taken().value >= known + 2 }
        try await restart(try await diary.process().value) { try await diary.process().value }
        #expect(try await diary.all().value.last == "last")
    }

    @Test func withoutThemItBeginsAnew() async throws {
        let diary = Diary.options(snapshots: .never).remote("a")
        #expect(try await diary.add("b").value == ["a", "b"])
        try await restart(try await diary.process().value) { try await diary.process().value }
        #expect(try await diary.all().value == ["a"])
    }

    @Test func aStateThatCannotBeKeptFailsItsCall() async throws {
        let diary = Diary.remote("a")
        let large = await #expect(throws: MantaError.self) { try await diary.grow(17 << 20).value }
        #expect(large?.code == .tooLarge && large?.message.contains("the call ran") == true, "\(String(describing: large))")
        #expect(try await diary.grow(10).value == 10)
        let unspeakable = await #expect(throws: MantaError.self) { try await diary.add("unspeakable").value }
        #expect(unspeakable?.message.contains("snapshot() threw") == true, "\(String(describing: unspeakable))")
        let error = await #expect(throws: MantaError.self) { try await Diary.options(snapshots: .every(.zero)).remote("a").all().value }
        #expect(error?.code == .invalidArgument)
    }
}
}
