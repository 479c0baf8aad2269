// ReferenceTests: put, get, wait, results, cancelling: what can be done with references.

import Foundation
import Manta
import Testing

@Suite(.serially) struct ReferenceTests {
    @Test func `get keeps the order, of lists and of tuples`() async throws {
        let references = (0..<50).map { square.remote($0) }
        #expect(try await Manta.get(references) == (0..<50).map { $0 * $0 })
        let (n, text, xs) = try await Manta.get(square.remote(2), hello.remote(), Manta.put([1.5, 2.5]))
        #expect((n, text) == (4, "hello"))
        #expect(xs == [1.5, 2.5])
        #expect(try await Manta.get([ObjectReference<Int>]()) == [])
    }

    @Test func `wait returns at most as many as asked, in the order given`() async throws {
        let gate = Gate.remote()
        let blocked = gate.wait()
        let now = [Manta.put(1), Manta.put(2), Manta.put(3)]
        let (ready, pending) = try await Manta.wait(now, count: 2)
        #expect(ready == Array(now[..<2]))
        #expect(pending == [now[2]])
        let timed = try await Manta.wait([blocked], timeout: .zero)
        #expect(timed.ready.isEmpty && timed.pending == [blocked])
        let short = try await Manta.wait([blocked], timeout: .milliseconds(5))
        #expect(short.ready.isEmpty)
        await #expect(throws: MantaError.self) { try await Manta.wait([blocked], count: 2) }
        let past = await #expect(throws: MantaError.self) { try await Manta.wait(now, timeout: .seconds(-1)) }
        #expect(past?.code == .invalidArgument)
        await #expect(throws: MantaError.self) { try await Manta.wait([ObjectReference<Int>](), count: -1) }
        await #expect(throws: MantaError.self) { try await Manta.get(now, timeout: .seconds(-1)) }
        let late = await #expect(throws: MantaError.self) { try await Manta.get([Manta.put(1), after.remote(gate.waitThenCount())], timeout: .milliseconds(5)) }
        #expect(late?.code == .timeout)
        while try await gate.waiting().value < 2 { await Task.yield() }
        gate.open()
        try await blocked.value
    }

    @Test func `results come in the order they finish`() async throws {
        let gate = Gate.remote()
        let slow = gate.waitThenCount()
        let fast = Manta.put(-1)
        var values: [Int] = []
        for try await value in Manta.results([slow, fast]) {
            values.append(value)
            if values.count == 1 {
                while try await gate.waiting().value < 1 { await Task.yield() }
                gate.open()
            }
        }
        #expect(values == [-1, 0])
    }

    @Test func `finished goes on behind a failure`() async throws {
        let counter = Counter.remote(failing: "x")
        var (good, bad) = (0, 0)
        for try await reference in Manta.finished([square.remote(2), counter.get(), square.remote(3)]) {
            do { good += try await reference.value } catch { bad += 1 }
        }
        #expect((good, bad) == (13, 1))
    }

    @Test func `a cancelled reader stops waiting`() async throws {
        let gate = Gate.remote()
        let blocked = gate.wait()
        let reader = Task { try await blocked.value }
        let waiter = Task { try await Manta.wait([blocked]) }
        reader.cancel()
        waiter.cancel()
        await #expect(throws: CancellationError.self) { try await reader.value }
        await #expect(throws: CancellationError.self) { try await waiter.value }
        while try await gate.waiting().value < 1 { await Task.yield() }
        gate.open()
        try await blocked.value
    }

    @Test func `a cancelled reference throws so`() async throws {
        let gate = Gate.remote()
        let blocked = gate.wait()
        blocked.cancel()
        let error = await #expect(throws: MantaError.self) { try await blocked.value }
        #expect(error?.code == .cancelled)
    }

    @Test func `a value of the wrong type names where it is wrong`() async throws {
        let text = #remote(1) { (n: Int) in ["a": [n]] }
        // The same object read as another type, as by a program of another version.
        let wrong = try JSONDecoder().decode(ObjectReference<[String: [String]]>.self, from: JSONEncoder().encode(text))
        let error = await #expect(throws: MantaError.self) { try await wrong.value }
        #expect(error?.code == .wrongType)
        #expect(error?.message.contains("at a[0]: expected String, found 1") == true)
    }
}
