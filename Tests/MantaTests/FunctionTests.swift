// FunctionTests: remote functions through the public API, in serial mode: every argument and result is encoded and decoded on the way.

import Manta
import Testing

@Suite(.serially) struct FunctionTests {
    @Test func `values, references, defaults and labels`() async throws {
        let a = square.remote(3)
        #expect(try await a.value == 9)
        #expect(try await add.remote(a, to: 5).value == 14)
        #expect(try await add.remote(a).value == 19)
        #expect(try await add.remote(1, to: a).value == 10)
        #expect(try await add.remote(a, to: a).value == 18)
        #expect(try await add(9, to: 5) == 14)
        #expect([1, 2].map(square.remote).count == 2)
    }

    @Test func `tuples return a reference for each part`() async throws {
        let (q, r) = divide.remote(17, by: 5)
        let parts = divide.remote(17, by: 5)
        #expect(try await q.value == 3)
        #expect(try await r.value == 2)
        #expect(try await parts.remainder.value == 2)
        let (number, text) = pair.remote(4)
        #expect(try await Manta.get(number, text) == (4, "4"))
    }

    @Test func `no parameters, static, extension, private, main actor and keyword labels`() async throws {
        #expect(try await hello.remote().value == "hello")
        #expect(try await Trainer.train.remote(epochs: 4).value == 2)
        #expect(try await Trainer.Deep.level.remote(1).value == 3)
        #expect(try await callHidden(1).value == 2)
        #expect(try await onMain.remote(1).value == 2)
        #expect(try await keyword.remote(in: 1, default: "a", true).value == "1atrue")
    }

    @Test func `structures, enums, optionals and dictionaries`() async throws {
        let circle = Shape.circle(center: Point(x: 1, y: 2), radius: 3)
        let result = try await moved.remote(circle, by: Point(x: 1, y: 0), times: 2, label: "a").value
        #expect(result == ["a": .circle(center: Point(x: 3, y: 2), radius: 3)])
        #expect(try await moved.remote(.nothing, by: nil, label: "b").value == ["b": .nothing])
        let shape = Manta.put(circle)
        let stayed = try await moved.remote(shape, by: .value(nil), times: 1, label: "c").value
        #expect(stayed == ["c": circle])
    }

    @Test func `references inside values, and as results`() async throws {
        let references = (1...3).map { square.remote($0) }
        #expect(try await nested.remote(references).value == 14)
        let inner = try await promise.remote(5).value
        #expect(try await inner.value == 25)
    }

    @Test func `a closure runs with values and references`() async throws {
        let data = Manta.put([Float](repeating: 1, count: 1000))
        let sum = #remote(data, 5) { (xs: [Float], k: Float) in xs.reduce(0, +) * k }
        #expect(try await sum.value == 5000)
        let three = #remote { 3 }
        #expect(try await three.value == 3)
        let text = #remote(2, "x") { (n: Int, text: String) async throws -> String in
            if n < 0 { throw ShopError.closed }
            return String(repeating: text, count: n)
        }
        #expect(try await text.value == "xx")
        let nothing = #remote(1) { (n: Int) in precondition(n == 1) }
        try await nothing.value
    }

    @Test func `tasks submit tasks`() async throws {
        #expect(try await fibonacci.remote(12).value == 144)
    }

    @Test func `the context tells who runs`() async throws {
        #expect(try await whoami.remote(1).value == ["MantaTests.whoami(_:)", "true", "1"])
        #expect(try await whoami.options(name: "other").remote(1).value[0] == "other")
        #expect(try Manta.context.task == nil)
    }
}

@Suite(.serially) struct ErrorTests {
    @Test func `a Codable error comes back as itself`() async throws {
        await #expect(throws: ShopError.soldOut(item: "tea", left: 0)) { try await explode.remote(0).value }
    }

    @Test func `another error comes back as a TaskError`() async throws {
        let error = await #expect(throws: TaskError.self) { try await explode.remote(1).value }
        #expect(error?.message == "secret: xyz")
        #expect(error?.typeName == "MantaTests.Secret")
        #expect(error?.function == "MantaTests.explode(_:)")
    }

    @Test func `of an error that is large only a part of its text comes back`() async throws {
        await #expect(throws: Bulky.self) { try await explodeWith.remote(1_000).value }
        let error = await #expect(throws: TaskError.self) { try await explodeWith.remote(2 << 20).value }
        #expect(error?.typeName == "MantaTests.Bulky" && error?.message.contains("xxx") == true && (error?.message.utf8.count ?? .max) < 20_000)
    }

    @Test func `a reference tells where its error was thrown`() async throws {
        let (typed, opaque, own) = (explode.remote(0), explode.remote(1), explode.remote(2))
        await #expect(throws: ShopError.soldOut(item: "tea", left: 0)) { try await typed.value }
        #expect(typed.failure?.function.hasSuffix("explode(_:)") == true && typed.failure?.typeName.hasSuffix("ShopError") == true)
        let error = await #expect(throws: TaskError.self) { try await opaque.value }
        #expect(error == opaque.failure && error?.message == "secret: xyz" && error?.pid != nil)
        await #expect(throws: MantaError.self) { try await own.value }
        #expect(own.failure == nil && square.remote(2).failure == nil)
    }

    @Test func `the platform's errors pass as they are`() async throws {
        let error = await #expect(throws: MantaError.self) { try await explode.remote(2).value }
        #expect(error == MantaError(.conflict, "own words"))
    }

    @Test func `a failed argument fails the call with its own error`() async throws {
        let bad = Counter.remote(failing: "x").get()
        let error = await #expect(throws: MantaError.self) { try await square.remote(bad).value }
        #expect(error?.code == .actorDied)
    }

    @Test func `impossible options fail the reference`() async throws {
        for function in [square.options(cpus: -1), square.options(cpus: .nan), square.options(gpus: 1.5), square.options(resources: ["": 1]), square.options(resources: ["CPU": 1]), square.options(retries: -2), square.options(timeout: .zero)] {
            let error = await #expect(throws: MantaError.self) { try await function.remote(1).value }
            #expect(error?.code == .invalidArgument)
        }
    }
}

/// Without the trait, and so without a runtime: other tests have scopes of their own.
struct SessionlessTests {
    @Test func `without a session every call says so`() async throws {
        let error = await #expect(throws: MantaError.self) { try await square.remote(1).value }
        #expect(error == MantaError(.notConnected, "call Manta.start() or Manta.connect() first"))
        await #expect(throws: MantaError.self) { try await Manta.put(1).value }
        await #expect(throws: MantaError.self) { try await Counter.remote().get().value }
        await #expect(throws: MantaError.self) { try await Counter.named("a") }
        #expect(throws: MantaError.self) { try Manta.context }
        for address in ["http://host", "", "tcp://127.0.0.1:0", "tcp://127.0.0.1:70000"] {
            let refused = await #expect(throws: MantaError.self) { try await Manta.connect(address) }
            #expect(refused?.code == .invalidArgument, "\(address): \(String(describing: refused))")
        }
    }
}
