// Placement groups on real nodes: reserved all or none, used, captured, placed again, removed.

import Glibc
import Manta
import MantaModel
import MantaTestCluster
import MantaTestKit
import MantaWire
import Testing

extension SchedulingTests {
    @Suite(.serialized) struct PlacementGroupTests {
        private func row(_ group: PlacementGroup, _ cluster: TestCluster) async throws -> PlacementGroupRow? {
            try await cluster.state(.placementGroups).placementGroups?.first { $0.id == group.id }
        }

        @Test func SCHED_006_strategiesPutBundlesOnNodes() async throws {
            try await TestCluster.run(nodes: [4, 4, 4]) { cluster, nodes in
                for (strategy, bundles, count) in [(PlacementStrategy.pack, 2, 1), (.strictPack, 2, 1), (.spread, 2, 2), (.strictSpread, 3, 3)] {
                    let group = try await Manta.placementGroup((0..<bundles).map { _ in ["CPU": 2] }, strategy: strategy)
                    #expect(try await group.ready().value == group)
                    let used = try #require(try await row(group, cluster)).bundles.compactMap(\.node)
                    #expect(Set(used).count == count, "\(strategy)")
                    for bundle in 0..<bundles {
                        #expect(try await whereAmI.options(cpus: 2, scheduling: .group(group, bundle: bundle)).remote().value == used[bundle].description)
                    }
                    try await group.remove()
                }
                try await cluster.expectEverythingIsReturned()
            }
        }

        @Test func SCHED_007_readyNeedsNoResources() async throws {
            try await TestCluster.run(nodes: [1]) { cluster, _ in
                let group = try await Manta.placementGroup([["CPU": 1]])
                let resident = Resident.options(cpus: 1, scheduling: .group(group)).remote()
                #expect(try await resident.node().value != "nowhere")
                #expect(try await group.ready().value == group)
                let error = await #expect(throws: MantaError.self) { try await Manta.placementGroup([["bundle:x": 1]]) }
                #expect(error?.code == .invalidArgument)
            }
        }

        @Test func SCHED_009_SCHED_010_aPendingGroupWaitsForANodeOrItsRemoval() async throws {
            try await TestCluster.run(nodes: [2]) { cluster, _ in
                let hopeless = try await Manta.placementGroup([["CPU": 64]])
                try await hopeless.remove()
                #expect(try await row(hopeless, cluster)?.state == .removed)

                let group = try await Manta.placementGroup([["CPU": 2], ["CPU": 2], ["disk": 2]])
                #expect(try await row(group, cluster)?.state == .pending)
                #expect(try await !group.isReady(within: .milliseconds(100)))
                try await cluster.addNode(cpus: 2, resources: "disk=2")
                #expect(try await group.isReady(within: .seconds(30)))
                #expect(try await row(group, cluster)?.state == .created)
            }
        }

        @Test func SCHED_011_creationIsAllOrNothing() async throws {
            try await TestCluster.run(nodes: [4, 4]) { cluster, nodes in
                let folder = TemporaryDirectory()
                let holders = nodes.map { node in Resident.options(cpus: 3, scheduling: .node(node.id)).remote() }
                for holder in holders { _ = try await holder.node().value }
                let group = try await Manta.placementGroup((0..<4).map { _ in ["CPU": 2] })
                #expect(try await !group.isReady(within: .milliseconds(300)))
                try await eventually("a state in which nothing is kept of what did not fit", within: .seconds(30)) {
                    try await cluster.state(.nodes).nodes.map { $0.available[Resources.cpu] } == [1, 1]
                }
                for holder in holders { try await Manta.kill(holder) }
                #expect(try await group.isReady(within: .seconds(30)))

                let plain = whereAmI.remote()
                let inside = (0..<4).map { (bundle: Int) in
                    hangOnce.options(cpus: 2, retries: 0, scheduling: .group(group, bundle: bundle)).remote(noting: folder.file("\(bundle)"))
                }
                for bundle in 0..<4 { try await eventually("the task in bundle \(bundle)", within: .seconds(30)) { access(folder.file("\(bundle)"), F_OK) == 0 } }
                #expect(!plain.isReady, "the group holds every CPU")
                try await group.remove()
                #expect(try await plain.value != "nowhere")
                for task in inside {
                    let error = await #expect(throws: MantaError.self) { try await task.value }
                    #expect(error?.code == .placementGroupRemoved, "\(String(describing: error))")
                }
                // What comes too late is told at once.
                let late = await #expect(throws: MantaError.self) { try await whereAmI.options(cpus: 1, scheduling: .group(group)).remote().value }
                let lateActor = await #expect(throws: MantaError.self) { try await Resident.options(cpus: 1, scheduling: .group(group)).remote().node().value }
                #expect(late?.code == .placementGroupRemoved && lateActor?.code == .placementGroupRemoved, "\(String(describing: lateActor))")
                try await cluster.expectEverythingIsReturned()
            }
        }

        @Test(.timeLimit(.minutes(3))) func aNodeThatCameAfterAGroupsRemovalHearsOfIt() async throws {
            try await TestCluster.run(nodes: [1]) { cluster, _ in
                let group = try await Manta.placementGroup([["CPU": 1]])
                _ = try await group.ready().value
                try await group.remove()
                let late = try await cluster.addNode(cpus: 1)
                // Tasks that are submitted there ask that node first.
                let error = await #expect(throws: MantaError.self) {
                    try await whereaboutsInside.options(cpus: 0.5, scheduling: .node(late.id)).remote(group).value
                }
                #expect(error?.code == .placementGroupRemoved, "\(String(describing: error))")
                let resident = Resident.options(scheduling: .node(late.id)).remote()
                let actor = await #expect(throws: MantaError.self) { try await resident.childInside(group).value }
                #expect(actor?.code == .placementGroupRemoved, "\(String(describing: actor))")
                try await Manta.kill(resident)
                try await cluster.expectEverythingIsReturned()
            }
        }

        @Test func SCHED_030_aRuleThatIsNoneAndAGroupThatNeverWasAreNamed() async throws {
            // Where a task runs is one value: a strategy beside a group, or none where one is needed, does not compile. What is left comes from outside.
            let error = #expect(throws: MantaError.self) { try ValueDecoder.decode(PlacementStrategy.self, from: ValueEncoder.bytes("scatter")) }
            #expect(error?.message.contains("scatter") == true, "\(String(describing: error))")
            try await TestCluster.run(nodes: [1]) { cluster, _ in
                let bytes = try ValueEncoder.bytes(ForgedGroup(id: PlacementGroupID(high: 1, low: 2), bundles: [Resources([Resources.cpu: 1])]))
                let forged = try ValueDecoder.decode(PlacementGroup.self, from: bytes)
                let task = await #expect(throws: MantaError.self) { try await whereAmI.options(cpus: 1, scheduling: .group(forged)).remote().value }
                #expect(task?.code == .placementGroupRemoved, "\(String(describing: task))")
                let actor = await #expect(throws: MantaError.self) { try await Resident.options(cpus: 1, scheduling: .group(forged)).remote().node().value }
                #expect(actor?.code == .placementGroupRemoved, "\(String(describing: actor))")
                try await cluster.expectEverythingIsReturned()
            }
        }

        /// What a placement group's handle is encoded as.
        private struct ForgedGroup: Codable {
            var id: PlacementGroupID
            var bundles: [Resources]
        }

        @Test func SCHED_013_bundlesArePlacedAgainAfterTheHeadAndANodeWereLost() async throws {
            try await TestCluster.run(nodes: [1, 2]) { cluster, nodes in
                let group = try await Manta.placementGroup([["CPU": 2]])
                _ = try await group.ready().value
                try await cluster.restartHead()
                try await eventually("the nodes' registration", within: .seconds(30)) { try await cluster.state(.nodes).nodes.count { $0.state == .alive } == 2 }
                try await eventually("the new head's word that the group is whole", within: .seconds(30)) {
                    try await row(group, cluster)?.state == .created
                }
                nodes[1].kill()
                let node = try await cluster.addNode(cpus: 2)
                let resident = Resident.options(cpus: 2, scheduling: .group(group, bundle: 0)).remote()
                #expect(try await resident.node().value == node.id.description)
            }
        }

        @Test func SCHED_019_SCHED_027_childrenAreCapturedByChoice() async throws {
            try await TestCluster.run(nodes: [1, 4]) { cluster, nodes in
                let inside = nodes[1].id.description
                let group = try await Manta.placementGroup([["CPU": 2], ["CPU": 2]], strategy: .strictPack)
                _ = try await group.ready().value
                let capturing = Resident.options(cpus: 1, scheduling: .group(group, capturesChildren: true)).remote()
                #expect(try await capturing.group().value == group.id.description)
                #expect(try await capturing.childNode(plain: false).value == inside)
                #expect(try await capturing.childNode(plain: true).value == nodes[0].id.description)
                for _ in 0..<3 { #expect(try await capturing.childActor(plain: false).value == inside) }
                try await Manta.kill(capturing)

                let plain = Resident.options(cpus: 1, scheduling: .group(group)).remote()
                #expect(try await plain.group().value == nil)
                #expect(try await plain.childNode(plain: false).value == nodes[0].id.description)
                #expect(try await childWhereabouts.options(scheduling: .group(group, capturesChildren: true)).remote(plain: false).value == inside)
                #expect(try Manta.context.placementGroup == nil)
            }
        }

        @Test func STATE_011_tasksAndActorsTellTheirGroupAndTheirProcess() async throws {
            try await TestCluster.run(nodes: [4]) { cluster, _ in
                let group = try await Manta.placementGroup([["CPU": 2]])
                let pid = try await process.options(scheduling: .group(group)).remote().value
                let resident = Resident.options(cpus: 1, scheduling: .group(group)).remote()
                let home = try await resident.process().value
                let other = try await process.options(cpus: 1).remote().value
                try await eventually("their records") {
                    let state = try await cluster.state(.tasks, .actors)
                    let tasks = state.tasks.filter { $0.function.hasSuffix("process()") && $0.actor == nil }
                    let calls = state.tasks.filter { $0.actor != nil }
                    return Set(tasks.map { "\($0.placementGroup?.description ?? "none") \($0.pid ?? 0)" }) == ["\(group.id) \(pid)", "none \(other)"]
                        && calls.map(\.pid) == [home] && calls.allSatisfy { $0.worker != nil }
                        && state.actors.map { "\($0.placementGroup?.description ?? "none") \($0.pid ?? 0)" } == ["\(group.id) \(home)"]
                }
            }
        }

        @Test func SCHED_020_SCHED_021_groupsAreServedAsTheyFit() async throws {
            try await TestCluster.run(nodes: [4]) { cluster, _ in
                var groups: [PlacementGroup] = []
                for _ in 0..<6 { groups.append(try await Manta.placementGroup([["CPU": 2]])) }
                let tasks = groups.map { whereAmI.options(cpus: 2, scheduling: .group($0)).remote() }
                var served = 0
                while served < 6 {
                    var created: Set<PlacementGroupID> = []
                    try await eventually("two created groups", within: .seconds(30)) {
                        created = Set(try await cluster.state(.placementGroups).placementGroups?.filter { $0.state == .created }.map(\.id) ?? [])
                        return created.count == 2
                    }
                    // What is created when these go belongs to the next round.
                    for group in groups where created.contains(group.id) {
                        let index = try #require(groups.firstIndex(of: group))
                        #expect(try await tasks[index].value != "nowhere", "a task may be submitted before its group is created")
                        try await group.remove()
                        served += 1
                    }
                }
            }
        }

        @Test func aGroupIsNotStarvedByTasksThatComeAndGo() async throws {
            try await TestCluster.run(nodes: [2]) { cluster, _ in
                let flood = Task { while !Task.isCancelled { _ = try await Manta.get((0..<8).map { _ in work.remote(milliseconds: 20) }) } }
                try await eventually("the flood", within: .seconds(30)) { try await cluster.state(.nodes).nodes.allSatisfy { $0.available[Resources.cpu] == 0 } }
                let group = try await Manta.placementGroup([["CPU": 2]])
                #expect(try await group.isReady(within: .seconds(30)))
                try await group.remove()
                flood.cancel()
                _ = await flood.result
                try await cluster.expectEverythingIsReturned()
            }
        }

        @Test func SCHED_022_SCHED_023_aDetachedGroupOutlivesItsMakerAndIsFoundByName() async throws {
            try await TestCluster.run(nodes: [2]) { cluster, _ in
                let maker = Resident.options(name: "maker", lifetime: .detached).remote()
                let made = try await maker.makeGroup(named: "lasting", lifetime: .detached).value
                let group = try await Manta.placementGroup(named: "lasting")
                #expect(group.id.description == made)
                let taken = await #expect(throws: MantaError.self) { try await Manta.placementGroup([["CPU": 1]], name: "lasting") }
                #expect(taken?.code == .alreadyExists)
                let unknown = await #expect(throws: MantaError.self) { try await Manta.placementGroup(named: "nobody's") }
                #expect(unknown?.code == .notFound)
                let inside = Resident.options(name: "inside", lifetime: .detached, cpus: 1, scheduling: .group(group)).remote()
                let pid = try await inside.process().value
                try await Manta.kill(maker)
                try await cluster.beginAnotherJob()
                #expect(try await Manta.placementGroup(named: "lasting").id == group.id)
                #expect(try await row(group, cluster)?.state == .created)
                let found = try await Resident.named("inside")
                #expect(try await found.process().value == pid, "what runs in it lives on")
                try await group.remove()
                try await eventually("the name", within: .seconds(30)) {
                    (try? await Manta.placementGroup([["CPU": 1]], name: "lasting")) != nil
                }
            }
        }

        @Test func SCHED_025_groupsWithActorsBecomeReadyOneByOne() async throws {
            try await TestCluster.run(nodes: [1]) { cluster, _ in
                let groups = try await withThrowingTaskGroup(of: PlacementGroup.self, returning: [PlacementGroup].self) { made in
                    for _ in 0..<1_000 { made.addTask { try await Manta.placementGroup([["CPU": 1]]) } }
                    return try await made.reduce(into: []) { $0.append($1) }
                }
                let residents = groups.map { Resident.options(cpus: 1, scheduling: .group($0)).remote() }
                for count in 1...3 {
                    if count > 1 { try await cluster.addNode(cpus: 1) }
                    // Each look reads all rows.
                    try await eventually("\(count) groups and actors", within: .seconds(30), poll: .milliseconds(300)) {
                        let state = try await cluster.state(.placementGroups, .actors)
                        return state.placementGroups?.count { $0.state == .created } == count && state.actors.count { $0.state == .alive } == count
                    }
                }
                withExtendedLifetime(residents) {}
            }
        }

        @Test(arguments: [3, -1, -2]) func SCHED_026_aBundleThatDoesNotExistIsNamed(_ index: Int) async throws {
            try await TestCluster.run(nodes: [1]) { _, _ in
                let group = try await Manta.placementGroup([["CPU": 1]])
                let error = await #expect(throws: MantaError.self) { try await whereAmI.options(scheduling: .group(group, bundle: index)).remote().value }
                #expect(error?.code == .invalidArgument)
                #expect(error?.message.contains("bundle \(index)") == true)
                let large = await #expect(throws: MantaError.self) { try await whereAmI.options(cpus: 2, scheduling: .group(group)).remote().value }
                #expect(large?.code == .invalidArgument, "it could never run")
            }
        }

        @Test func SCHED_028_aGroupEndsWithTheDetachedActorThatMadeIt() async throws {
            try await TestCluster.run(nodes: [2]) { cluster, _ in
                let maker = Resident.options(name: "maker", lifetime: .detached, maxRestarts: 1).remote()
                let first = try await maker.makeGroup(named: "of the maker").value
                let pid = try await maker.process().value
                kill(pid, SIGKILL)
                try await eventually("the removal of the group", within: .seconds(30)) {
                    try await cluster.state(.placementGroups).placementGroups?.first { $0.id.description == first }?.state == .removed
                }
                try await eventually("the actor's restart", within: .seconds(30)) { (try? await maker.process().value) ?? pid != pid }
                #expect(try await maker.makeGroup(named: "of the maker").value != first)
                try await Manta.kill(maker)
                try await cluster.expectEverythingIsReturned()
            }
        }
    }
}
