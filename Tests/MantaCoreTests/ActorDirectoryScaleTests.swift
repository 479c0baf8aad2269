// ActorDirectoryScaleTests: the cost of one event does not grow with what is there already.

import MantaCore
import MantaModel
import Testing

@Suite struct ActorDirectoryScaleTests {
    /// A cost that grew with the number of actors would show here as minutes.
    @Test(.timeLimit(.minutes(1))) func tenThousandActorsOnTwentyNodes() throws {
        let h = DirectoryHarness()
        let nodes = (0..<20).map { _ in h.addNode(["CPU": 2000].resources) }
        let actors = (0..<10_000).map { _ in h.specification(resources: ["CPU": 1].resources) }
        for actor in actors { _ = h.ask(h.create(actor)) }
        var places: [ActorID: NodeID] = [:]
        for case .place(let specification, _, let node) in h.take() { places[specification.id] = node }
        #expect(places.count == actors.count)
        for actor in actors { h.cameAlive(actor.id, on: try #require(places[actor.id])) }
        for node in nodes { h.event { $0.nodeUpdated(node, available: ["CPU": 1500].resources, at: h.now, $1) } }
        h.event { $0.jobEnded(h.job, at: h.now, $1) }
        #expect(h.directory.count == Limits.deadActors)
    }
}
