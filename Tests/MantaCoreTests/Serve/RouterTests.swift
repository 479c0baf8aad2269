// RouterTests: which endpoint, which backend, which replica; who waits, who is refused, and what the loss of a replica changes.

import MantaModel
import Testing

@testable import MantaCore

struct RouterTests {
    private func match(_ router: Router, _ path: String) -> String? {
        let index = Array(path.utf8).withUnsafeBytes { router.tables.match($0) }
        return index < 0 ? nil : router.tables.endpoints[index].name
    }

    private func router(
        endpoints: [EndpointDescription] = [endpoint("all", route: "/")], backends: [BackendRow] = [row(backend("a"))], replicas: [ReplicaDescription] = []
    ) -> Router {
        var router = Router()
        router.update(endpoints: endpoints, backends: backends, replicas: replicas)
        return router
    }

    @Test(arguments: [
        ("/hello/a", "hello"), ("/hello", "hello"), ("/hello/", "hello"), ("/a", "root"), ("/", "root"), ("/hello/world/", "world"), ("/hello/world", "world"),
        ("/helloworld", "root"), ("/hello/worlds", "hello"), ("/x/y/z", "deep"), ("/x/y", "root"),
    ])
    func theLongestPrefixAtASegmentsEndWins(_ path: String, _ name: String) {
        let router = router(endpoints: [
            endpoint("hello", route: "/hello"), endpoint("root", route: "/"), endpoint("world", route: "/hello/world"), endpoint("deep", route: "/x/y/z"),
            endpoint("handle", route: nil),
        ])
        #expect(match(router, path) == name)
    }

    @Test func withoutARootOtherPathsMatchNothing() {
        let router = router(endpoints: [endpoint("hello", route: "/hello"), endpoint("handle", route: nil)])
        #expect(match(router, "/other") == nil)
        #expect(match(router, "/") == nil)
        #expect(match(router, "/hello") == "hello")
        #expect(router.tables.endpoint(named: "handle") != nil)
    }

    @Test func whatAnswersGetAnswersHead() {
        #expect(MethodSet([.get]).contains(MethodSet(.head)))
        #expect(!MethodSet([.post]).contains(MethodSet(.head)))
        #expect(MethodSet([.get, .post]).names == "GET, HEAD, POST")
    }

    @Test func drawsFollowTheWeights() {
        let router = router(
            endpoints: [endpoint("e", route: "/", traffic: ["a": 0.9, "b": 0.1, "c": 0])], backends: [row(backend("a")), row(backend("b")), row(backend("c"))])
        var generator = SeededGenerator(7)
        var counts: [String: Int] = [:]
        for _ in 0..<10_000 { counts[router.backendName(router.tables.endpoints[0].backend(for: generator.next())), default: 0] += 1 }
        #expect((8_800...9_200).contains(counts["a"] ?? 0))
        #expect((800...1_200).contains(counts["b"] ?? 0))
        #expect(counts["c"] == nil)
    }

    @Test func aShardKeyAlwaysDrawsTheSameBackend() {
        let names = ["a", "b", "c", "d", "e"]
        let traffic = Dictionary(uniqueKeysWithValues: names.map { ($0, 0.2) })
        // Two callers that learned of the backends in another order.
        let one = router(endpoints: [endpoint("e", route: "/", traffic: traffic)], backends: names.map { row(backend($0)) })
        let two = router(endpoints: [endpoint("e", route: "/", traffic: traffic)], backends: names.reversed().map { row(backend($0)) })
        var seen: Set<String> = []
        for key in 0..<100 {
            let draw = Array("key \(key)".utf8).withUnsafeBytes { ShardHash.draw($0) }
            let name = one.backendName(one.tables.endpoints[0].backend(for: draw))
            #expect(two.backendName(two.tables.endpoints[0].backend(for: draw)) == name)
            seen.insert(name)
        }
        #expect(seen == Set(names))
    }

    @Test func shadowsAreDrawnByThemselves() {
        let router = router(
            endpoints: [endpoint("e", route: "/", traffic: ["a": 1], shadows: ["b": 1, "c": 0.5, "d": 0.1])],
            backends: ["a", "b", "c", "d"].map { row(backend($0)) })
        var generator = SeededGenerator(3)
        var counts: [String: Int] = [:]
        let compiled = router.tables.endpoints[0]
        for _ in 0..<1000 {
            for index in 0..<compiled.shadowCount {
                let draw = generator.next()
                if let backend = compiled.shadow(index, for: draw) { counts[router.backendName(backend), default: 0] += 1 }
            }
        }
        #expect(counts["b"] == 1000)
        #expect((430...570).contains(counts["c"] ?? 0))
        #expect((60...150).contains(counts["d"] ?? 0))
    }

    @Test func SERVE_039_theLessBusyOfTwoIsTaken() {
        var router = router(backends: [row(backend("a", maxConcurrent: 100))], replicas: [replica("a#1", of: "a", number: 1), replica("a#2", of: "a", number: 2)])
        var generator = SeededGenerator(1)
        guard case .send(let first) = router.admit(0, to: 0, deadline: .zero, using: &generator) else { return #expect(Bool(false)) }
        for token in 1...10 {
            guard case .send(let next) = router.admit(UInt64(token), to: 0, deadline: .zero, using: &generator) else { return #expect(Bool(false)) }
            #expect(next != first)
            router.finished(next)
        }
    }

    @Test func idleReplicasShareEvenly() {
        var router = router(replicas: (0..<4).map { replica("a#\($0)", of: "a", number: UInt64($0)) })
        var generator = SeededGenerator(2)
        var counts: [Int: Int] = [:]
        for token in 0..<4_000 {
            guard case .send(let slot) = router.admit(UInt64(token), to: 0, deadline: .zero, using: &generator) else { return #expect(Bool(false)) }
            counts[slot, default: 0] += 1
            router.finished(slot)
        }
        #expect((0..<4).allSatisfy { (850...1_150).contains(counts[$0] ?? 0) })
    }

    @Test func thePlacesAreTakenThenTheQueueThenNothing() {
        var router = router(replicas: [replica("a#1", of: "a")])
        var generator = SeededGenerator(1)
        let deadline = Instant(nanoseconds: 1000)
        #expect(router.admit(1, to: 0, deadline: deadline, using: &generator) == .send(0))
        #expect(router.admit(2, to: 0, deadline: deadline, using: &generator) == .send(0))
        #expect(router.admit(3, to: 0, deadline: deadline, using: &generator) == .wait)
        #expect(router.admit(4, to: 0, deadline: deadline, using: &generator) == .wait)
        #expect(router.admit(5, to: 0, deadline: deadline, using: &generator) == .refuse(.queueFull))
        let none = router.nextWaiting(0, using: &generator)
        #expect(none == nil)
        router.finished(0)
        let next = router.nextWaiting(0, using: &generator)
        #expect(next?.token == 3)
        // The place went to one that waited: a new one goes behind those that still wait.
        #expect(router.admit(6, to: 0, deadline: deadline, using: &generator) == .wait)
        let waited4 = router.cancelled(4, of: 0)
        #expect(waited4)
        router.finished(0)
        let waited6 = router.nextWaiting(0, using: &generator)
        #expect(waited6?.token == 6)
    }

    @Test func SERVE_038_fullReplicasArePassedOver() {
        let count = 5
        var router = router(
            backends: [row(backend("a", maxConcurrent: 1))], replicas: (0..<count).map { replica("a#\($0)", of: "a", number: UInt64($0)) })
        var generator = SeededGenerator(9)
        var slots: Set<Int> = []
        for token in 0..<count {
            guard case .send(let slot) = router.admit(UInt64(token), to: 0, deadline: .zero, using: &generator) else { return #expect(Bool(false)) }
            slots.insert(slot)
        }
        #expect(slots.count == count)
        #expect(router.admit(9, to: 0, deadline: .zero, using: &generator) == .wait)
    }

    @Test func SERVE_038_withoutAReplicaARequestWaitsUntilThereIsOne() {
        var router = router()
        var generator = SeededGenerator(1)
        #expect(router.admit(1, to: 0, deadline: Instant(nanoseconds: 5), using: &generator) == .wait)
        router.update(endpoints: [endpoint("all", route: "/")], backends: [row(backend("a"))], replicas: [replica("a#1", of: "a")])
        let waited1 = router.nextWaiting(0, using: &generator)
        #expect(waited1?.token == 1)
    }

    @Test func whatCannotBeServedIsRefusedAtOnce() {
        var router = router(backends: [row(backend("a"), state: .failed), row(backend("b", replicas: 0))])
        var generator = SeededGenerator(1)
        #expect(router.admit(1, to: 0, deadline: .zero, using: &generator) == .refuse(.failed))
        #expect(router.admit(2, to: 1, deadline: .zero, using: &generator) == .refuse(.noReplicas))
        router.update(endpoints: [], backends: [row(backend("a"))], replicas: [])
        #expect(router.admit(3, to: 0, deadline: .zero, using: &generator) == .wait)
        router.update(endpoints: [], backends: [], replicas: [])
        let refused = router.nextRefused(0)
        #expect(refused?.token == 3)
        #expect(refused?.refusal == .noReplicas)
    }

    @Test func deadlinesEndTheWait() {
        var router = router()
        var generator = SeededGenerator(1)
        _ = router.admit(1, to: 0, deadline: Instant(nanoseconds: 20), using: &generator)
        _ = router.admit(2, to: 0, deadline: Instant(nanoseconds: 10), using: &generator)
        #expect(router.nextExpired(0, at: Instant(nanoseconds: 9)) == nil)
        #expect(router.nextExpired(0, at: Instant(nanoseconds: 10)) == 2)
        #expect(router.nextExpired(0, at: Instant(nanoseconds: 10)) == nil)
    }

    @Test func aDrainingReplicaGetsNothingNewAndKeepsWhatItHas() {
        var router = router(replicas: [replica("a#1", of: "a", number: 1)])
        var generator = SeededGenerator(1)
        #expect(router.admit(1, to: 0, deadline: .zero, using: &generator) == .send(0))
        let tables = ([endpoint("all", route: "/")], [row(backend("a"))])
        router.update(endpoints: tables.0, backends: tables.1, replicas: [replica("a#1", of: "a", state: .draining), replica("a#2", of: "a", number: 2)])
        for token in 2...3 { #expect(router.admit(UInt64(token), to: 0, deadline: .zero, using: &generator) == .send(1)) }
        router.update(endpoints: tables.0, backends: tables.1, replicas: [replica("a#2", of: "a", number: 2)])
        #expect(router.replica(0)?.tag == "a#1")
        router.finished(0)
        #expect(router.replica(0) == nil)
        // Its slot is used again.
        router.update(endpoints: tables.0, backends: tables.1, replicas: [replica("a#2", of: "a", number: 2), replica("a#3", of: "a", number: 3)])
        #expect(router.replica(0)?.tag == "a#3")
    }

    @Test func aLostReplicaIsLeftOutUntilItIsFound() {
        var router = router(replicas: [replica("a#1", of: "a", number: 1), replica("a#2", of: "a", number: 2)])
        var generator = SeededGenerator(1)
        router.lost(0)
        #expect(router.admit(1, to: 0, deadline: .zero, using: &generator) == .send(1))
        #expect(router.admit(2, to: 0, deadline: .zero, using: &generator) == .send(1))
        #expect(router.admit(3, to: 0, deadline: .zero, using: &generator) == .wait)
        router.found(0)
        let found = router.nextWaiting(0, using: &generator)
        #expect(found?.replica == 0)
    }

    /// Whatever happens in whatever order, no replica holds more than it may, and every request ends once.
    @Test(arguments: 1...20) func boundsHoldInEveryOrder(_ seed: UInt64) {
        var generator = SeededGenerator(seed)
        var choices = SeededGenerator(seed &* 77)
        var router = Router()
        var inFlight: [UInt64: Int] = [:]
        var waiting: Set<UInt64> = []
        var living: Set<Int> = []
        var next: UInt64 = 0
        func publish() {
            router.update(
                endpoints: [endpoint("all", route: "/")], backends: [row(backend("a", maxConcurrent: 3, maxQueued: 4))],
                replicas: living.sorted().map { replica("a#\($0)", of: "a", number: UInt64($0)) })
        }
        publish()
        for _ in 0..<2_000 {
            switch Int.random(in: 0..<10, using: &choices) {
            case 0:
                let number = Int.random(in: 0..<4, using: &choices)
                if living.remove(number) == nil { living.insert(number) }
                publish()
            case 1...5:
                next += 1
                switch router.admit(next, to: 0, deadline: .zero, using: &generator) {
                case .send(let slot): inFlight[next] = slot
                case .wait: waiting.insert(next)
                case .refuse: break
                }
            case 6:
                if let token = waiting.randomElement(using: &choices) {
                    let waited = router.cancelled(token, of: 0)
                    #expect(waited)
                    waiting.remove(token)
                }
            default:
                if let (token, slot) = inFlight.randomElement(using: &choices) {
                    inFlight[token] = nil
                    router.finished(slot)
                }
            }
            while let (token, slot) = router.nextWaiting(0, using: &generator) {
                let waited = waiting.remove(token)
                #expect(waited != nil)
                inFlight[token] = slot
            }
            for (slot, count) in Dictionary(grouping: inFlight.values, by: { $0 }).mapValues(\.count) {
                #expect(count <= 3)
                #expect(router.inFlight(slot) == count)
            }
            #expect(router.waitingCount(0) == waiting.count)
            #expect(waiting.count <= 4)
        }
    }
}
