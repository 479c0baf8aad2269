// ActorTests: remote actors through the public API, in serial mode.

import Manta
import Testing

@Suite(.serially) struct ActorTests {
    @Test func `calls on one handle run in order`() async throws {
        let counter = Counter.remote(start: 10)
        let results = (0..<100).map { _ in counter.increment() }
        #expect(try await Manta.get(results) == Array(11...110))
    }

    @Test func `references, overloads, tuples and awkward names`() async throws {
        let counter = Counter.remote(start: square.remote(3))
        let i = counter.increment(by: 2)
        #expect(try await counter.increment(by: i).value == 22)
        #expect(try await counter.increment(twice: true).value == 24)
        #expect(try await counter.id().value == "id")
        #expect(try await counter.string().value == "string")
        #expect(try await counter.options(3).value == 3)
        #expect(try await counter.remote().value == 24)
        let (q, r) = counter.split(i, by: 5)
        #expect(try await Manta.get(q, r) == (2, 1))
        #expect(try await counter.many(1, b: 2, c: 3, d: "x").value == "123x")
        #expect(try await counter.many(i, b: 2, c: 3, d: "x").value == "1123x")
    }

    @Test func `initializers may throw and suspend`() async throws {
        #expect(try await Counter.remote(slowly: 5).get().value == 5)
        let broken = Counter.remote(failing: "x")
        let error = await #expect(throws: MantaError.self) { try await broken.get().value }
        #expect(error?.code == .actorDied)
        #expect(error?.message.contains("closed") == true)
    }

    @Test func `an error does not end the actor`() async throws {
        let counter = Counter.remote()
        await #expect(throws: ShopError.soldOut(item: "milk", left: 1)) { try await counter.fail().value }
        #expect(try await counter.increment().value == 1)
    }

    @Test func `a class runs its calls one by one`() async throws {
        let journal = Journal.options(maxConcurrency: 8).remote()
        let counts = (0..<20).map { journal.append("\($0)") }
        #expect(try await Manta.get(counts) == Array(1...20))
        #expect(try await journal.all().value == (0..<20).map(String.init))
        #expect(try await Bare.remote().ping().value == "pong")
    }

    @Test func `an actor with concurrency overlaps its calls`() async throws {
        let gate = Gate.remote()
        let waits = (0..<3).map { _ in gate.wait() }
        while try await gate.waiting().value < 3 { await Task.yield() }
        gate.open()
        for wait in waits { try await wait.value }
    }

    @Test func `handles are values that travel`() async throws {
        let counter = Counter.remote()
        #expect(try await use.remote(counter, times: 3).value == 3)
        #expect(Set([counter, counter]).count == 1)
    }

    @Test func `names are unique in a namespace, and free after a kill`() async throws {
        let first = Counter.options(name: "hits", namespace: "shop").remote(start: 1)
        #expect(try await Counter.named("hits", namespace: "shop") == first)
        let taken = Counter.options(name: "hits", namespace: "shop").remote()
        let error = await #expect(throws: MantaError.self) { try await taken.get().value }
        #expect(error?.code == .alreadyExists)
        let same = Counter.options(name: "hits", namespace: "shop", getIfExists: true).remote(start: 7)
        #expect(try await same.get().value == 1)
        let mistaken = await #expect(throws: MantaError.self) { try await Gate.options(name: "hits", namespace: "shop", getIfExists: true).remote().waiting().value }
        #expect(mistaken?.code == .wrongType)
        let other = await #expect(throws: MantaError.self) { try await Counter.named("hits") }
        #expect(other?.code == .notFound)
        let wrong = await #expect(throws: MantaError.self) { try await Gate.named("hits", namespace: "shop") }
        #expect(wrong?.code == .wrongType)
        try await Manta.kill(first)
        let dead = await #expect(throws: MantaError.self) { try await first.get().value }
        #expect(dead?.code == .actorDied)
        #expect(try await Counter.options(name: "hits", namespace: "shop").remote(start: 3).get().value == 3)
    }
}
