// What a driver that ends leaves behind: a session that is stopped is a driver that exits, the next one another program.

import Glibc
import Manta
import MantaLoop
import MantaModel
import MantaTestCluster
import MantaTestKit
import Testing

/// Keeps a reference that it made itself.
@RemoteActor actor Keeper {
    private var held: ObjectReference<String>?
    init() {}
    func make() async throws -> Bool {
        let made = whereAmI.remote()
        held = made
        return try await !made.value.isEmpty
    }
    func kept() async throws -> String { try await held?.value ?? "nothing" }
    func reference() -> [ObjectReference<String>] { held.map { [$0] } ?? [] }
}

@Remote func waitForHanging(_ ignored: Int) async throws -> Int { try await hangOn.remote(ignored).value }

extension SchedulingTests {
    @Suite(.serialized) struct DriverEndTests {
        @Test func ACTOR_026_aNamedActorGoesWithItsDriver() async throws {
            try await TestCluster.run(nodes: [1]) { cluster, _ in
                let tally = Tally.options(name: "brief").remote()
                #expect(try await tally.next().value == 1)
                #expect(try await Tally.named("brief").next().value == 2)
                let process = try await tally.process().value
                try await cluster.beginAnotherJob()
                let error = await #expect(throws: MantaError.self) { try await Tally.named("brief") }
                #expect(error?.code == .notFound)
                try await eventually("the end of its process", within: .seconds(30)) { hasEnded(process) }
                let next = Tally.options(name: "brief").remote()
                #expect(try await next.next().value == 1, "the name is free")
            }
        }

        @Test func aHandleOfAFinishedJobSaysSo() async throws {
            try await TestCluster.run(nodes: [1]) { cluster, _ in
                let tally = Tally.remote()
                #expect(try await tally.next().value == 1)
                try await cluster.beginAnotherJob()
                let error = await #expect(throws: MantaError.self) { try await tally.next().value }
                #expect(error?.code == .actorDied && error?.message.contains("job") == true, "\(String(describing: error))")
            }
        }

        @Test func ACTOR_029_aDetachedActorWorksOnWithoutItsCreator() async throws {
            try await TestCluster.run(nodes: [2]) { cluster, _ in
                let made = Resident.options(name: "lasting", lifetime: .detached).remote()
                let process = try await made.process().value
                try await cluster.beginAnotherJob()
                let found = try await Resident.named("lasting")
                #expect(try await found.process().value == process)
                #expect(try await found.childNode(plain: true).value == found.node().value)
                #expect(try await found.childActor(plain: true).value == found.node().value)
                try await Manta.kill(found)
            }
        }

        @Test func FAIL_039_whatADetachedActorHoldsOutlivesTheDriver() async throws {
            try await TestCluster.run(nodes: [2]) { cluster, nodes in
                let made = Keeper.options(name: "keeper", lifetime: .detached).remote()
                #expect(try await made.make().value)
                try await cluster.beginAnotherJob()
                let found = try await Keeper.named("keeper")
                #expect(try await found.kept().value == nodes[0].id.description)
                #expect(try await found.reference().value[0].value == nodes[0].id.description)
                try await Manta.kill(found)
            }
        }

        @Test func CORE_030_driversThatExitAmidTheirTasksHarmNobody() async throws {
            try await TestCluster.run(nodes: [2]) { cluster, _ in
                for _ in 0..<3 {
                    let tasks = (0..<10).map { hangOn.remote($0) } + (0..<3).map { waitForHanging.remote($0) }
                    let (ready, _) = try await Manta.wait(tasks, timeout: .milliseconds(300))
                    #expect(ready.isEmpty)
                    try await cluster.beginAnotherJob()
                    #expect(try await whereAmI.remote().value != "nowhere")
                }
                try await cluster.expectEverythingIsReturned()
            }
        }
    }
}
