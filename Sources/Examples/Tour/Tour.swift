// Tour: every form of the API once, with what it must give; it stops with an error at the first difference.
//
//     swift run Tour                      its own cluster: head, node and workers
//     swift run Tour --serial             no cluster: everything in this process
//     swift run Tour tcp://head:6380      a cluster that runs already

import Manta

@main struct Tour {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst()
        if arguments.first == "--serial" {
            let session = try Manta.start(mode: .serial)
            try await tour()
            session.stop()
        } else {
            let manta = if let address = arguments.first { try await Manta.connect(address) } else { try await Manta.start(cpus: 4) }
            try await tour()
            await manta.stop()
        }
        print("The tour is complete.")
    }

    static func tour() async throws {
        try await tasks()
        try await manyReferences()
        try await actors()
        try await errors()
    }

    static func tasks() async throws {
        let a = square.remote(3)  // ObjectReference<Int>, at once
        let b = add.remote(a, to: 5)  // a value or a reference for each parameter
        try await expect(b.value, 14, "square.remote(3), then add.remote(a, to: 5)")
        try await expect(add.remote(a).value, 19, "a default")
        try await expect(add(9, to: 5), 14, "the local call")

        let (q, r) = divide.remote(17, by: 5)
        try await expect(q.value * 10 + r.value, 32, "a tuple of references")

        try await expect(Trainer.train.remote(epochs: 4).value, 2.0, "a static function")
        try await expect(describe.remote("Ada", age: a, height: 1.7, member: true).value, "Ada, 9, 1.7 m, member", "four parameters")
        try await expect(fibonacci.remote(10).value, 55, "tasks that submit tasks")

        try await expect(onMainActor.remote(1).value, 2, "a function of the main actor")
        try await expect(total.remote((1...3).map { square.remote($0) }).value, 14, "references inside a value")
        try await expect(promise.remote(5).value.value, 25, "a reference as a result")

        let p = Manta.put([Float](repeating: 0.5, count: 1_000_000))
        let s = #remote(p, 5) { (xs: [Float], k: Float) in xs.reduce(0, +) * k }
        try await expect(s.value, 2_500_000, "a closure over a value that was put")

        try await expect(add.options(cpus: 0.5, retries: 0, name: "small addition").remote(1).value, 11, "options for one call")
    }

    static func manyReferences() async throws {
        let references = (0..<100).map { square.remote($0) }
        let (ready, pending) = try await Manta.wait(references, count: 10, timeout: .seconds(20))
        try expect(ready.count, 10, "wait")
        try await expect(Manta.get(references), (0..<100).map { $0 * $0 }, "get of a list")

        let (n, text) = try await Manta.get(square.remote(4), describe.remote("Bo", age: 1, height: 0.7, member: false))
        try expect("\(n) \(text)", "16 Bo, 1, 0.7 m", "get of a tuple")

        var sum = 0
        for try await value in Manta.results(pending) { sum += value }
        for reference in ready { sum += try await reference.value }
        try expect(sum, 328_350, "results in the order they finish")
    }

    static func actors() async throws {
        let counter = Counter.remote(start: 10)
        let i = counter.increment(by: 2)  // calls on one handle run in order
        let j = counter.increment(by: i)
        try await expect(Manta.get(i, j) == (12, 24), true, "calls in order, a reference as an argument")
        try await expect(bump.remote(counter, times: 3).value, 27, "a handle as an argument of a task")

        let hits = Counter.options(name: "hits", namespace: "shop", lifetime: .detached, maxRestarts: 3, getIfExists: true).remote()
        _ = try await hits.increment().value
        let same = try await Counter.named("hits", namespace: "shop")
        try expect(Manta.id(of: same), Manta.id(of: hits), "an actor by its name")
        try await Manta.kill(same)
        try await Manta.kill(counter)
    }

    static func errors() async throws {
        let counter = Counter.remote()
        do {
            try await counter.fail().value
            throw Difference(what: "an error of a method", found: "none", expected: "CounterError.broken")
        } catch CounterError.broken {}
        do {
            _ = try await counter.increment(by: 2_000).value
            throw Difference(what: "an error with a payload", found: "none", expected: "CounterError.tooFar")
        } catch CounterError.tooFar(let limit) {
            try expect(limit, 1_000, "an error with a payload")
        }
        do {
            _ = try await square.options(cpus: -1).remote(2).value
            throw Difference(what: "an impossible demand", found: "none", expected: "MantaError.invalidArgument")
        } catch let error as MantaError where error.code == .invalidArgument {}
        do {
            _ = try await Counter.named("nobody")
            throw Difference(what: "a name nobody has", found: "an actor", expected: "MantaError.notFound")
        } catch let error as MantaError where error.code == .notFound {}
    }

    struct Difference: Error, CustomStringConvertible {
        var what, found, expected: String
        var description: String { "\(what): expected \(expected), found \(found)" }
    }

    static func expect<Value: Equatable>(_ found: Value, _ expected: Value, _ what: String) throws {
        guard found == expected else { throw Difference(what: what, found: "\(found)", expected: "\(expected)") }
        print("\(what): \(found)".prefix(100))
    }
}
