// ActorDirectoryHarness: an actor directory with its time, its nodes and a record of what it asked for.

import MantaCore
import MantaModel
import Testing

final class DirectoryHarness {
    var directory = ActorDirectory()
    var now = Instant.zero
    /// What the directory asked for since the last look.
    var actions: [ActorDirectory.Action] = []
    var answers: [ActorDirectory.Token: Result<ActorDirectory.Status, MantaError>] = [:]
    /// Whether `store` is answered at once.
    var storesAtOnce = true
    let job = JobID.random()
    private var lastToken: ActorDirectory.Token = 0

    var time: WallTime { WallTime(milliseconds: now.nanoseconds / 1_000_000) }

    /// Runs one event and takes down what follows.
    func event(_ body: (inout ActorDirectory, (ActorDirectory.Action) -> Void) -> Void) {
        var toStore: [ActorID] = []
        body(&directory) { action in
            actions.append(action)
            switch action {
            case .answer(let token, let result):
                #expect(answers[token] == nil, "a question is answered once")
                answers[token] = result
            case .store(let row): toStore.append(row.specification.id)
            default: break
            }
        }
        if storesAtOnce { for id in toStore { event { $0.stored(id, at: now, $1) } } }
    }

    func take() -> [ActorDirectory.Action] {
        defer { actions = [] }
        return actions
    }

    @discardableResult
    func ask(_ question: ActorDirectory.Question) -> ActorDirectory.Token {
        lastToken += 1
        let token = lastToken
        event { $0.ask(question, token: token, at: now, time: time, $1) }
        return token
    }

    func answer(_ question: ActorDirectory.Question) throws -> ActorDirectory.Status {
        let token = ask(question)
        return try #require(answers[token]).get()
    }

    func error(_ question: ActorDirectory.Question) -> MantaError? {
        guard case .failure(let error)? = answers[ask(question)] else { return nil }
        return error
    }

    func create(_ specification: ActorSpecification, getIfExists: Bool = false) -> ActorDirectory.Question {
        .create(specification, getIfExists: getIfExists, watcher: nil)
    }

    func specification(
        name: String? = nil, namespace: String = "default", lifetime: ActorLifetime = .job, resources: Resources = Resources(),
        placement: Resources = Resources(), maxRestarts: Int = 0, job: JobID? = nil
    ) -> ActorSpecification {
        ActorSpecification(
            id: .random(), job: job ?? self.job, program: Program(path: "/bin/program"), type: "Module.Counter", initializer: 0, arguments: [], name: name,
            namespace: namespace, lifetime: lifetime, resources: resources, placementResources: placement, maxRestarts: maxRestarts, maxConcurrency: 1,
            owner: address())
    }

    func address() -> ProcessAddress { ProcessAddress(process: .random(), endpoint: "ipc:///tmp/x") }

    @discardableResult
    func addNode(_ total: Resources = [Resources.cpu: 4].resources, running: [ActorDirectory.Running] = [], id: NodeID = .random()) -> NodeID {
        event { $0.nodeJoined(id, total: total, available: total, running: running, jobHasEnded: { _ in false }, at: now, time: time, $1) }
        return id
    }

    /// Where the actor was placed last.
    func place(of id: ActorID) -> (node: NodeID, restarts: Int)? {
        for action in actions.reversed() {
            if case .place(let specification, let restarts, let node) = action, specification.id == id { return (node, restarts) }
        }
        return nil
    }

    func cameAlive(_ id: ActorID, on node: NodeID, restarts: Int = 0) {
        event { $0.accepted(id, on: node, restarts: restarts); $0.cameAlive(id, on: node, restarts: restarts, address: address(), pid: 42, at: now, $1) }
    }

    func died(_ id: ActorID, on node: NodeID, restarts: Int = 0, _ kind: DeathCause.Kind = .exited) {
        event { $0.died(id, on: node, restarts: restarts, DeathCause(kind, "it exited with code 1"), at: now, $1) }
    }

    func pass(_ duration: Duration) {
        now = now + duration
        event { $0.tick(at: now, time: time, $1) }
    }

    /// Creates an actor and sees it alive on the node it was placed on.
    func alive(_ specification: ActorSpecification) throws -> NodeID {
        _ = ask(create(specification))
        let place = try #require(self.place(of: specification.id))
        cameAlive(specification.id, on: place.node)
        return place.node
    }

    func ended(_ id: ActorID, on node: NodeID) -> Bool {
        actions.contains { if case .end(id, node, _, _) = $0 { true } else { false } }
    }
}

extension Dictionary where Key == String, Value == ResourceAmount {
    var resources: Resources { Resources(self) }
}
