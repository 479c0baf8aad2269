// ReplicaBookTests: how the real replicas become the wanted ones: starts, failures, updates, draining, adoption.

import MantaModel
import Testing

@testable import MantaCore

/// A book, with actors that exist only as tags.
private struct Stage {
    var book = ReplicaBook()
    var generator = SeededGenerator(5)
    var now = Instant(nanoseconds: 1_000_000_000_000)
    let wall = WallTime(milliseconds: 1)
    /// Replicas by tag as they were published last.
    var published: [String: ReplicaDescription] = [:]
    var log: [ReplicaBook.Action] = []

    mutating func note(_ actions: [ReplicaBook.Action]) {
        for action in actions {
            switch action {
            case .start(let description, _), .publish(let description): published[description.tag] = description
            case .end(let description): published[description.tag] = nil
            case .watch, .reconfigure, .drain, .status: break
            }
        }
        log += actions
    }

    mutating func want(_ description: BackendDescription, revision: UInt64 = 1) {
        note(book.want(row(description, revision: revision), at: now, wall: wall, using: &generator))
    }
    mutating func forget(_ name: String) { note(book.forget(name, at: now, wall: wall, using: &generator)) }
    mutating func ready(_ tag: String, configuration: ConfigurationValue = .null) {
        let address = ProcessAddress(process: .random(), endpoint: "ipc:///tmp/\(tag)")
        note(book.ready(tag, actor: .random(), address: address, pid: 1, node: nil, method: 0, configuration: configuration, at: now, wall: wall, using: &generator))
    }
    mutating func failed(_ tag: String, _ reason: String = "it threw") { note(book.failed(tag, reason: reason, at: now, wall: wall, using: &generator)) }
    mutating func drained(_ tag: String) { note(book.drained(tag, at: now, wall: wall, using: &generator)) }
    mutating func pass(_ time: Duration) {
        now = now + time
        note(book.tick(at: now, wall: wall, using: &generator))
    }

    func tags(_ state: ReplicaState, revision: UInt64? = nil) -> [String] {
        published.values.filter { $0.state == state && (revision == nil || $0.revision == revision) }.sorted { $0.index < $1.index }.map(\.tag)
    }
    var reconfigured: [String] { log.compactMap { if case .reconfigure(let replica, _) = $0 { replica.tag } else { nil } } }
    func status(_ name: String) -> BackendStatus.State? { book.status(of: name)?.state }
}

struct ReplicaBookTests {
    @Test func replicasStartTogether() {
        var stage = Stage()
        stage.want(backend("a", replicas: 3))
        #expect(stage.tags(.starting).count == 3)
        #expect(stage.published.values.map(\.index).sorted() == [0, 1, 2])
        #expect(stage.status("a") == .updating)
        for tag in stage.tags(.starting) { stage.ready(tag) }
        #expect(stage.status("a") == .healthy)
        #expect(stage.book.status(of: "a")?.ready == 3)
    }

    @Test func wantingTheSameAgainDoesNothing() {
        var stage = Stage()
        stage.want(backend("a"))
        stage.ready(stage.tags(.starting)[0])
        stage.log = []
        stage.want(backend("a"))
        #expect(stage.log == [])
    }

    @Test func aDeadReplicaIsReplaced() {
        var stage = Stage()
        stage.want(backend("a", replicas: 2))
        let tags = stage.tags(.starting)
        for tag in tags { stage.ready(tag) }
        stage.now = stage.now + .seconds(60)
        stage.failed(tags[0], "signal SIGKILL")
        #expect(stage.tags(.ready) == [tags[1]])
        #expect(stage.tags(.starting).count == 1)
        #expect(stage.published[stage.tags(.starting)[0]]?.index == 0)
        #expect(stage.tags(.starting)[0] != tags[0])
    }

    @Test func oneThatDiesYoungIsReplacedWithBackOff() {
        var stage = Stage()
        stage.want(backend("a"))
        for attempt in 1...5 {
            stage.ready(stage.tags(.starting)[0])
            stage.failed(stage.tags(.ready)[0])
            #expect(stage.tags(.starting).isEmpty)
            let delay = stage.book.nextWake.map { $0 - stage.now }
            #expect(delay == .milliseconds(100 << (attempt - 1)))
            stage.pass(delay ?? .zero)
            #expect(stage.tags(.starting).count == 1)
        }
    }

    @Test func startsThatFailMakeTheBackendFailedAndGoOnSlowly() {
        var stage = Stage()
        stage.want(backend("a", replicas: 2))
        for attempt in 1...3 {
            // Both fail in each round; that is one failure.
            for tag in stage.tags(.starting) { stage.failed(tag, "no model file") }
            #expect(stage.status("a") == (attempt < 3 ? .updating : .failed))
            if attempt < 3 { stage.pass(.seconds(1)) }
        }
        #expect(stage.book.status(of: "a")?.message == "0 of 2 replicas of version \"1\" are ready: no model file")
        stage.pass(.seconds(11))
        #expect(stage.tags(.starting).count == 2)
        stage.want(backend("a", replicas: 1, version: "2"), revision: 2)
        #expect(stage.status("a") == .updating)
        #expect(stage.tags(.starting).count == 1)
        stage.ready(stage.tags(.starting)[0])
        #expect(stage.status("a") == .healthy)
    }

    @Test func scalingDownDrainsAndScalingUpStarts() {
        var stage = Stage()
        stage.want(backend("a", replicas: 3))
        let tags = stage.tags(.starting)
        for tag in tags { stage.ready(tag) }
        stage.want(backend("a", replicas: 1))
        #expect(stage.tags(.ready) == [tags[0]])
        #expect(stage.tags(.draining) == [tags[1], tags[2]])
        #expect(stage.status("a") == .healthy)
        stage.drained(tags[1])
        stage.failed(tags[2])
        #expect(stage.published.count == 1)
        stage.want(backend("a", replicas: 2))
        #expect(stage.tags(.starting).count == 1)
        stage.want(backend("a", replicas: 1))
        #expect(stage.tags(.starting).isEmpty)
    }

    @Test func anUpdateReplacesOneByOneAsNewOnesAreReady() {
        var stage = Stage()
        stage.want(backend("a", replicas: 2))
        let old = stage.tags(.starting)
        for tag in old { stage.ready(tag) }
        stage.want(backend("a", replicas: 2, version: "2"), revision: 2)
        #expect(stage.tags(.ready, revision: 1).count == 2)
        let new = stage.tags(.starting, revision: 2)
        #expect(new.count == 2)
        stage.ready(new[0])
        #expect(stage.tags(.ready, revision: 1).count == 1)
        #expect(stage.tags(.draining, revision: 1).count == 1)
        #expect(stage.status("a") == .updating)
        stage.ready(new[1])
        #expect(stage.tags(.ready, revision: 1).isEmpty)
        #expect(stage.status("a") == .healthy)
        for tag in old { stage.drained(tag) }
        #expect(stage.published.keys.sorted() == new.sorted())
    }

    @Test func anUpdateThatFailsKeepsWhatServes() {
        var stage = Stage()
        stage.want(backend("a", replicas: 2))
        for tag in stage.tags(.starting) { stage.ready(tag) }
        stage.want(backend("a", replicas: 2, version: "2"), revision: 2)
        for _ in 1...3 {
            for tag in stage.tags(.starting, revision: 2) { stage.failed(tag, "no such type") }
            stage.pass(.seconds(1))
        }
        #expect(stage.tags(.ready, revision: 1).count == 2)
        #expect(stage.status("a") == .failed)
        #expect(stage.book.status(of: "a")?.ready == 2)
        #expect(stage.book.status(of: "a")?.message.contains("2 of the version before still serve: no such type") == true)
    }

    @Test func aConfigurationReachesReplicasWithoutARestart() {
        var stage = Stage()
        stage.want(backend("a", replicas: 2, configuration: ["count": 123]))
        let tags = stage.tags(.starting)
        stage.ready(tags[0], configuration: ["count": 123])
        stage.log = []
        stage.want(backend("a", replicas: 2, configuration: ["count": 456]))
        #expect(stage.reconfigured == [tags[0]])
        // The other one was started with the configuration before.
        stage.ready(tags[1], configuration: ["count": 123])
        #expect(stage.reconfigured == tags)
        #expect(stage.tags(.ready) == tags)
    }

    @Test func aForgottenBackendDrainsAndIsGone() {
        var stage = Stage()
        stage.want(backend("a", replicas: 2))
        let tags = stage.tags(.starting)
        stage.ready(tags[0])
        stage.forget("a")
        #expect(stage.tags(.draining) == [tags[0]])
        #expect(stage.tags(.starting).isEmpty)
        stage.drained(tags[0])
        #expect(stage.published.isEmpty)
        #expect(stage.book.replicas.isEmpty)
    }

    @Test func whatAPredecessorLeftIsAdopted() {
        var first = Stage()
        first.want(backend("a", replicas: 3))
        let tags = first.tags(.starting)
        first.ready(tags[0])
        first.ready(tags[1])
        first.want(backend("a", replicas: 3, version: "2"), revision: 2)
        let new = first.tags(.starting, revision: 2)
        first.ready(new[0])
        let rows = Array(first.published.values)

        var second = Stage()
        second.published = first.published
        second.generator = SeededGenerator(6)
        second.book.expect(row(backend("a", replicas: 3, version: "2"), revision: 2))
        second.note(second.book.adopt(rows + [replica("gone#1", of: "gone")], at: second.now, wall: second.wall, using: &second.generator))
        #expect(second.log.contains { if case .end(let replica) = $0 { replica.tag == "gone#1" } else { false } })
        // The starting ones are started again under their tags, not in new ones.
        #expect(second.tags(.starting, revision: 2).sorted() == new.dropFirst().sorted())
        #expect(second.log.filter { if case .watch = $0 { true } else { false } }.count == 3)
        for tag in new.dropFirst() { second.ready(tag) }
        #expect(second.tags(.ready, revision: 2).count == 3)
        #expect(second.tags(.ready, revision: 1).isEmpty)
        #expect(second.status("a") == .healthy)
    }

    /// Whatever dies and however wants change, it ends with exactly the wanted replicas.
    @Test(arguments: 1...20) func itAlwaysGetsThere(_ seed: UInt64) {
        var stage = Stage()
        var choices = SeededGenerator(seed)
        var (revision, wanted) = (UInt64(1), 2)
        for _ in 0..<200 {
            switch Int.random(in: 0..<8, using: &choices) {
            case 0:
                revision += 1
                stage.want(backend("a", replicas: wanted, version: "\(revision)"), revision: revision)
            case 1:
                wanted = Int.random(in: 0...4, using: &choices)
                stage.want(backend("a", replicas: wanted, version: "\(revision)"), revision: revision)
            case 2, 3: if let tag = stage.tags(.starting).randomElement(using: &choices) { stage.ready(tag) }
            case 4: if let tag = stage.published.keys.sorted().randomElement(using: &choices) { stage.failed(tag) }
            case 5: if let tag = stage.tags(.draining).randomElement(using: &choices) { stage.drained(tag) }
            default: stage.pass(.seconds(Int.random(in: 0...20, using: &choices)))
            }
        }
        stage.want(backend("a", replicas: wanted, version: "\(revision)"), revision: revision)
        for _ in 0..<50 {
            stage.pass(.seconds(20))
            for tag in stage.tags(.starting) { stage.ready(tag) }
            for tag in stage.tags(.draining) { stage.drained(tag) }
        }
        #expect(stage.tags(.ready, revision: revision).count == wanted)
        #expect(stage.published.count == wanted)
        #expect(stage.book.replicas.map(\.tag) == stage.published.keys.sorted())
    }
}
