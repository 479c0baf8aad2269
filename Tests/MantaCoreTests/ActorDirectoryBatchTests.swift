// Many actors at once: created without a question each, and dropped when nobody can call them.

import MantaCore
import MantaModel
import Testing

@Suite struct ActorDirectoryBatchTests {
    private let h = DirectoryHarness()

    private func create(_ specification: ActorSpecification, watcher: WatcherID? = nil) -> MantaError? {
        var error: MantaError?
        h.event { error = $0.create(specification, watcher: watcher, at: h.now, time: h.time, $1) }
        return error
    }

    private func notices(_ watcher: WatcherID) -> [ActorState] {
        h.take().compactMap { if case .notify(watcher, let status) = $0 { status.state } else { nil } }
    }

    @Test func theMakerIsToldWhenAnActorLivesAndNothingBefore() throws {
        h.addNode()
        let (specification, watcher) = (h.specification(), WatcherID(1))
        #expect(create(specification, watcher: watcher) == nil)
        let place = try #require(h.place(of: specification.id))
        #expect(notices(watcher).isEmpty)
        h.cameAlive(specification.id, on: place.node)
        #expect(notices(watcher) == [.alive])
        #expect(create(specification, watcher: watcher) == nil, "said again, as after a broken link")
        #expect(notices(watcher) == [.alive], "and answered with how it stands")
        #expect(h.directory.count == 1)
    }

    @Test func anActorThatFitsNowhereIsPlacedWhenANodeComes() throws {
        let specification = h.specification(resources: [Resources.cpu: 2].resources)
        #expect(create(specification) == nil)
        #expect(h.place(of: specification.id) == nil)
        let node = h.addNode()
        #expect(h.place(of: specification.id)?.node == node)
    }

    @Test func whatNeedsAQuestionIsRefused() {
        #expect(create(h.specification(name: "a"))?.code == .malformed)
        #expect(create(h.specification(lifetime: .detached))?.code == .malformed)
        #expect(create(h.specification(resources: ["disk": ResourceAmount(units: -1)].resources))?.code == .invalidArgument)
        #expect(h.directory.count == 0)
    }

    @Test func droppedActorsEndWithoutAWordToTheirMakerAndWithoutTheStore() throws {
        let watcher = WatcherID(1)
        let node = h.addNode()
        let specifications = (0..<3).map { _ in h.specification(resources: [Resources.cpu: 1].resources) }
        for specification in specifications {
            #expect(create(specification, watcher: watcher) == nil)
            h.cameAlive(specification.id, on: node)
        }
        _ = h.take()
        h.event { $0.drop(specifications.map(\.id), by: watcher, at: h.now, $1) }
        for specification in specifications { #expect(h.ended(specification.id, on: node) && h.directory.isOver(specification.id)) }
        let stored = h.actions.contains { if case .persist = $0 { true } else { false } }
        #expect(!stored)
        #expect(notices(watcher).isEmpty)
        let next = (0..<4).map { _ in h.specification(resources: [Resources.cpu: 1].resources) }
        for specification in next { #expect(create(specification) == nil && h.place(of: specification.id) != nil, "what they held is free") }
    }

    @Test func whatANodeDidNotHearIsStoredUntilItHas() throws {
        let node = h.addNode()
        let specification = h.specification()
        #expect(create(specification) == nil)
        h.cameAlive(specification.id, on: node)
        h.event { $0.drop([specification.id, .random()], by: nil, at: h.now, $1) }
        _ = h.take()
        h.event { $0.unheard([specification.id, .random()], $1) }
        let stored = h.take().compactMap { if case .persist(let row) = $0 { row.state } else { nil } }
        #expect(stored == [.dead])
        h.event { $0.ended(specification.id, $1) }
        #expect(h.take().contains(.forget(specification.id)))
    }

    @Test func theDeadKeepNoArguments() throws {
        let node = h.addNode()
        var specification = h.specification()
        specification.arguments = [[UInt8](repeating: 1, count: 100)]
        #expect(create(specification) == nil)
        h.cameAlive(specification.id, on: node)
        h.event { $0.drop([specification.id], by: nil, at: h.now, $1) }
        _ = h.take()
        h.event { $0.unheard([specification.id], $1) }
        let arguments = h.take().compactMap { if case .persist(let row) = $0 { row.specification.arguments } else { nil } }
        #expect(arguments == [[]])
    }

    @Test func actorsEndWithTheirOwnerAlsoWhenItMadeMany() throws {
        h.addNode()
        let owner = h.address()
        let specifications = (0..<3).map { _ in
            var specification = h.specification()
            specification.owner = owner
            return specification
        }
        for specification in specifications { #expect(create(specification) == nil) }
        h.event { $0.drop([specifications[0].id], by: nil, at: h.now, $1) }
        _ = h.take()
        h.event { $0.ownerDied(owner.process, at: h.now, $1) }
        #expect(specifications.allSatisfy { h.directory.isOver($0.id) })
        h.event { $0.ownerDied(owner.process, at: h.now, $1) }
    }

    @Test func onlyTheLivingOfARemovedGroupEnd() throws {
        let group = PlacementGroupID(high: 1, low: 2)
        let membership = GroupMembership(group: group, bundles: [["CPU": 2].resources], bundle: nil, captures: false)
        var total = [Resources.cpu: 4].resources
        total += BundleResource.gained(group, 0, ["CPU": 2].resources)
        let node = h.addNode(total)
        let grouped = (0..<3).map { _ in h.specification(resources: membership.demand(for: ["CPU": 0.5].resources)) }
        let (only, plain) = (h.specification(placement: membership.demand(for: Resources())), h.specification())
        for specification in grouped + [only, plain] {
            #expect(create(specification) == nil)
            h.cameAlive(specification.id, on: node)
        }
        h.event { $0.drop([grouped[0].id], by: nil, at: h.now, $1) }
        _ = h.take()
        func ends() -> [ActorID] { h.take().compactMap { if case .end(let id, node, _, let cause) = $0, cause.kind == .groupRemoved { id } else { nil } } }
        h.event { $0.groupRemoved(group, at: h.now, $1) }
        #expect(ends() == [grouped[1].id, grouped[2].id, only.id], "in the order of their creation")
        #expect(!h.directory.isOver(plain.id))
        h.event { $0.groupRemoved(group, at: h.now, $1) }
        #expect(ends().isEmpty)
    }
}
