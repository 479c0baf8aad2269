// ActorDirectoryNamesTests: creating, naming, finding and killing actors. The identifiers in comments are rows of the conformance list.

import MantaCore
import MantaModel
import Testing

@Suite struct ActorDirectoryNamesTests {
    /// ACTOR-025.
    @Test func aTakenNameIsRefusedAndSaysByWhom() throws {
        let h = DirectoryHarness()
        let first = h.specification(name: "counter")
        _ = try h.answer(h.create(first))
        let error = h.error(h.create(h.specification(name: "counter")))
        #expect(error?.code == .alreadyExists)
        #expect(error?.message.contains(first.id.description) == true)
        #expect(error?.message.contains("another name") == true)
    }

    /// ACTOR-025, STATE-006.
    @Test(arguments: ["", "   ", "\t", String(repeating: "x", count: 257), "a\u{0}b"])
    func aNameThatCannotBeIsRefusedOnCreationAndLookUp(name: String) {
        let h = DirectoryHarness()
        #expect(h.error(h.create(h.specification(name: name)))?.code == .invalidArgument)
        #expect(h.error(.named(name, namespace: "default"))?.code == .invalidArgument)
        #expect(h.error(h.create(h.specification(name: "ok", namespace: name)))?.code == .invalidArgument)
        #expect(h.error(.named("ok", namespace: name))?.code == .invalidArgument)
        #expect(h.directory.count == 0)
    }

    @Test func aLongestNameIsFine() throws {
        let h = DirectoryHarness()
        _ = try h.answer(h.create(h.specification(name: String(repeating: "x", count: 256))))
    }

    /// ACTOR-026.
    @Test func aNamedActorGoesWithItsJobAndSoDoesItsName() throws {
        let h = DirectoryHarness()
        h.addNode()
        let actor = h.specification(name: "a")
        let node = try h.alive(actor)
        #expect(try h.answer(.named("a", namespace: "default")).state == .alive)
        h.event { $0.jobEnded(h.job, at: h.now, $1) }
        #expect(h.ended(actor.id, on: node))
        #expect(h.error(.named("a", namespace: "default"))?.code == .notFound)
        #expect(h.directory.status(actor.id)?.death?.kind == .jobEnded)
        _ = try h.answer(h.create(h.specification(name: "a", job: .random())))
    }

    /// ACTOR-027.
    @Test func aKilledActorsNameIsFreeAtOnce() throws {
        let h = DirectoryHarness()
        h.addNode()
        let actor = h.specification(name: "a", maxRestarts: -1)
        let node = try h.alive(actor)
        let status = try h.answer(.kill(actor.id, noRestart: true))
        #expect(status.state == .dead)
        #expect(h.ended(actor.id, on: node))
        #expect(h.error(.named("a", namespace: "default"))?.code == .notFound)
        _ = try h.answer(h.create(h.specification(name: "a")))
        // The node's late report about the first one changes nothing.
        h.died(actor.id, on: node, .killed)
        #expect(h.directory.status(actor.id)?.death?.kind == .killed)
    }

    /// ACTOR-028, STATE-006.
    @Test func aNameBelongsToItsNamespace() throws {
        let h = DirectoryHarness()
        let one = h.specification(name: "a", namespace: "one")
        let two = h.specification(name: "a", namespace: "two")
        _ = try h.answer(h.create(one))
        _ = try h.answer(h.create(two))
        #expect(try h.answer(.named("a", namespace: "one")).id == one.id)
        #expect(try h.answer(.named("a", namespace: "two")).id == two.id)
        let error = h.error(.named("a", namespace: "three"))
        #expect(error?.code == .notFound)
        #expect(error?.message.contains("\"a\"") == true)
        #expect(error?.message.contains("\"one\"") == true)
    }

    /// ACTOR-052, ACTOR-061.
    @Test func getOrCreateMakesOneActor() throws {
        let h = DirectoryHarness()
        h.addNode()
        h.storesAtOnce = false
        let specifications = (0..<8).map { _ in h.specification(name: "a", lifetime: .detached) }
        let tokens = specifications.map { h.ask(h.create($0, getIfExists: true)) }
        #expect(tokens.allSatisfy { h.answers[$0] == nil }, "nobody hears of an actor that is not durable yet")
        h.event { $0.stored(specifications[0].id, at: h.now, $1) }
        #expect(try Set(tokens.map { try #require(h.answers[$0]).get().id }) == [specifications[0].id])
        #expect(h.directory.count == 1)
    }

    /// F25: the answer was lost, the request comes again.
    /// Two programs have its type; the first one's file is removed.
    @Test func aDetachedActorWhoseProgramIsGoneGoesOnInThatOfWhoeverAsksForIt() throws {
        let h = DirectoryHarness()
        h.addNode()
        let actor = h.specification(name: "a", lifetime: .detached, maxRestarts: -1)
        let node = try h.alive(actor)
        func other(_ path: String, type: String = actor.type) -> ActorSpecification {
            var other = h.specification(name: "a", lifetime: .detached)
            (other.program, other.type) = (Program(path: path), type)
            return other
        }
        func program() -> String? {
            for case .place(let specification, _, _) in h.actions.reversed() where specification.id == actor.id { return specification.program.path }
            return nil
        }
        // What is offered to one that lives is taken when it needs it.
        #expect(try h.answer(h.create(other("/bin/second"), getIfExists: true)).id == actor.id)
        _ = h.take()
        h.died(actor.id, on: node)
        h.pass(.seconds(1))
        #expect(program() == "/bin/program", "it died by itself")
        h.died(actor.id, on: node, restarts: 1, .programMissing)
        h.pass(.zero)
        #expect(program() == "/bin/second")
        // One that is tried again and again takes it at once.
        h.died(actor.id, on: node, restarts: 2, .programMissing)
        _ = h.take()
        #expect(try h.answer(h.create(other("/bin/third", type: "Module.Other"), getIfExists: true)).state == .restarting)
        #expect(program() == nil, "another type is another actor")
        _ = try h.answer(h.create(other("/bin/fourth"), getIfExists: true))
        #expect(program() == "/bin/fourth")
        let isStored = h.actions.contains { if case .persist(let row) = $0 { row.specification.program.path == "/bin/fourth" } else { false } }
        #expect(isStored)
    }

    @Test func theSameCreationTwiceIsOneActor() throws {
        let h = DirectoryHarness()
        let node = h.addNode()
        let actor = h.specification(name: "a")
        let first = try h.answer(h.create(actor))
        let second = try h.answer(h.create(actor))
        #expect(first == second)
        h.cameAlive(actor.id, on: node)
        #expect(try h.answer(h.create(actor)).state == .alive)
        #expect(h.actions.filter { if case .place = $0 { true } else { false } }.count == 1)
    }

    @Test func anActorThatCannotBeStoredNeverWas() throws {
        let h = DirectoryHarness()
        h.addNode()
        h.storesAtOnce = false
        let actor = h.specification(name: "a", lifetime: .detached)
        let first = h.ask(h.create(actor))
        let second = h.ask(.named("a", namespace: "default"))
        #expect(h.place(of: actor.id) == nil, "it is placed only when it is durable")
        h.event { $0.storeFailed(actor.id, MantaError(.overloaded, "the disk is full"), $1) }
        for token in [first, second] { #expect(throws: MantaError.self) { try #require(h.answers[token]).get() } }
        h.storesAtOnce = true
        #expect(try h.answer(h.create(h.specification(name: "a", lifetime: .detached))).state == .pending)
    }

    @Test func impossibleSpecificationsAreRefused() {
        let h = DirectoryHarness()
        var actor = h.specification()
        actor.maxRestarts = -2
        #expect(h.error(h.create(actor))?.code == .invalidArgument)
        actor = h.specification()
        actor.maxConcurrency = 0
        #expect(h.error(h.create(actor))?.code == .invalidArgument)
        #expect(h.error(h.create(h.specification(resources: ["CPU": -1].resources)))?.code == .invalidArgument)
    }

    /// ACTOR-051.
    @Test func anActorKilledWithARestartLeftKeepsItsName() throws {
        let h = DirectoryHarness()
        h.addNode()
        let actor = h.specification(name: "a", maxRestarts: 1)
        let node = try h.alive(actor)
        _ = try h.answer(.kill(actor.id, noRestart: false))
        #expect(h.ended(actor.id, on: node))
        h.died(actor.id, on: node, .killed)
        #expect(try h.answer(.named("a", namespace: "default")).state == .restarting)
        h.pass(.milliseconds(100))
        h.cameAlive(actor.id, on: node, restarts: 1)
        #expect(try h.answer(.named("a", namespace: "default")).state == .alive)
        _ = try h.answer(.kill(actor.id, noRestart: false))
        h.died(actor.id, on: node, restarts: 1, .killed)
        #expect(h.directory.status(actor.id)?.state == .dead)
    }

    @Test func killingTwiceIsKillingOnceAndKillingNothingIsAnError() throws {
        let h = DirectoryHarness()
        let actor = h.specification()
        _ = try h.answer(h.create(actor))
        let first = try h.answer(.kill(actor.id, noRestart: true))
        #expect(try h.answer(.kill(actor.id, noRestart: true)) == first)
        #expect(h.error(.kill(.random(), noRestart: true))?.code == .notFound)
    }

    @Test func watchersHearOfEveryChangeUntilTheEnd() throws {
        let h = DirectoryHarness()
        let node = h.addNode()
        let actor = h.specification(maxRestarts: 1)
        _ = h.ask(.create(actor, getIfExists: false, watcher: WatcherID(1)))
        _ = try h.answer(.watch(actor.id, WatcherID(2)))
        h.cameAlive(actor.id, on: node)
        h.event { directory, _ in directory.unwatch(WatcherID(2)) }
        h.died(actor.id, on: node)
        h.pass(.milliseconds(100))
        h.cameAlive(actor.id, on: node, restarts: 1)
        h.died(actor.id, on: node, restarts: 1)
        func states(_ watcher: WatcherID) -> [ActorState] {
            h.actions.compactMap { if case .notify(watcher, let status) = $0 { status.state } else { nil } }
        }
        #expect(states(WatcherID(1)) == [.alive, .restarting, .alive, .dead])
        #expect(states(WatcherID(2)) == [.alive])
        #expect(try h.answer(.watch(actor.id, WatcherID(3))).state == .dead)
        #expect(h.error(.watch(.random(), WatcherID(3)))?.code == .notFound)
    }
}
