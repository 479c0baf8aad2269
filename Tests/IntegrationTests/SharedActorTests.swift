// Actors that share a worker process: many of them, their ends one by one and all together.

import Glibc
import Manta
import MantaTestKit
import Testing

@RemoteActor(isolation: .shared) actor Lodger {
    private let board: Board.Handle
    private let name: String
    private var count = 0
    init(_ board: Board.Handle, _ name: String, failing: Bool = false) throws {
        if failing { throw Trouble.broken(code: 3) }
        (self.board, self.name) = (board, name)
    }
    func next() -> Int { count += 1; return count }
    func process() -> Int32 { getpid() }
    func hold() async throws -> Int {
        board.note("began \(name)")
        return try await untilCancelled(board, name)
    }
    func began() { board.note("began \(name)") }
    func crash() -> Int { abort() }
}

extension SharedClusterTests {
@Suite(.serialized) struct SharedActorTests {
    let board = Board.remote()

    @Test func manyActorsLiveInOneProcess() async throws {
        let lodgers = (0..<300).map { Lodger.remote(board, "lodger \($0)") }
        #expect(try await Manta.get(lodgers.map { $0.next() }) == Array(repeating: 1, count: 300))
        #expect(try await Manta.get(lodgers.map { $0.next() }) == Array(repeating: 2, count: 300), "each has a state of its own")
        let processes = Set(try await Manta.get(lodgers.map { $0.process() }))
        #expect(processes.count == 1)
        #expect(try await Lodger.options(isolation: .process).remote(board, "alone").process().value != processes.first)
    }

    @Test func oneIsKilledAndTheOthersLive() async throws {
        let (first, second) = (Lodger.remote(board, "first"), Lodger.remote(board, "second"))
        let process = try await first.process().value
        #expect(try await second.process().value == process)
        let held = first.hold()
        // One that has not begun would be dropped, not cancelled.
        try await eventually("the beginning of the call", within: .seconds(30)) { try await board.count("began first").value == 1 }
        try await Manta.kill(first)
        await expectCode(.actorDied, of: held)
        await expectCode(.actorDied, of: first.next())
        try await eventually("the cancellation of what ran", within: .seconds(30)) { try await board.count("cancelled first").value == 1 }
        #expect(try await second.next().value == 1)
        try await Manta.terminate(second)
        await expectCode(.actorDied, of: second.next())
        #expect(kill(process, 0) == 0, "the process outlives them for a while")
    }

    @Test func aConstructorThatThrowsHarmsNobody() async throws {
        let well = Lodger.remote(board, "well")
        #expect(try await well.next().value == 1)
        let error = await #expect(throws: MantaError.self) { try await Lodger.remote(board, "ill", failing: true).next().value }
        #expect(error?.code == .actorDied && error?.message.contains("constructor threw") == true, "\(error?.message ?? "")")
        #expect(try await well.next().value == 2)
    }

    @Test func aCrashEndsAllAndEachIsMadeAgainAsItAllows() async throws {
        let mortal = Lodger.remote(board, "mortal")
        let lasting = (0..<20).map { Lodger.options(maxRestarts: 1, maxTaskRetries: -1).remote(board, "lasting \($0)") }
        let process = try await mortal.process().value
        for one in lasting { #expect(try await one.next().value == 1) }
        await expectCode(.actorDied, of: mortal.crash())
        await expectCode(.actorDied, of: mortal.next())
        #expect(try await Manta.get(lasting.map { $0.next() }) == Array(repeating: 1, count: 20), "they began anew")
        #expect(!Set(try await Manta.get(lasting.map { $0.process() })).contains(process))
    }

    @Test func oneThatIsKilledAndMayRestartIsMadeAgainInAnotherProcess() async throws {
        let (one, other) = (Lodger.options(maxRestarts: 1, maxTaskRetries: -1).remote(board, "one"), Lodger.remote(board, "other"))
        let process = try await one.process().value
        #expect(try await one.next().value == 1)
        try await Manta.kill(one, mayRestart: true)
        // A call that is faster than the end is still answered.
        try await eventually("the next incarnation", within: .seconds(30)) { try await one.process().value != process }
        #expect(try await one.next().value == 1)
        #expect(try await other.process().value == process)
    }

    @Test func theLastHandleEndsASharedActorToo() async throws {
        for _ in 0..<3 { #expect(try await Lodger.options(resources: ["disk": 2]).remote(board, "short").next().value == 1) }
    }

    @Test func gpusNeedAProcessOfTheirOwn() async throws {
        let error = await #expect(throws: MantaError.self) { try await Lodger.options(gpus: 1).remote(board, "gpu").next().value }
        #expect(error?.code == .invalidArgument && error?.message.contains("isolation") == true)
    }
}
}
