// ViewTests: the cluster's state as JSON rows, as a summary and as text.

import MantaAdmin
import MantaJSON
import MantaModel
import MantaWire
import Testing

struct ViewTests {
    let node = NodeID(high: 0xabc, low: 1)
    let task = TaskID(high: 3, low: 4)

    /// Every member of every row is set.
    var full: AdminState {
        var state = AdminState(head: StateAnswer(cluster: ClusterID(high: 0, low: 1), startedAt: WallTime(milliseconds: 1)))
        let (job, actor, process, time) = (JobID(high: 0, low: 2), ActorID(high: 0, low: 3), ProcessID(high: 0, low: 4), WallTime(milliseconds: 1_772_366_400_000))
        state.head.nodes = [
            NodeRow(
                id: node, state: .alive, host: "reef", endpoint: "tcp://h:1", pid: 5, total: Resources(["CPU": 2, "GPU": 1]), available: Resources(["CPU": 0.5]),
                workers: 3, startedAt: time, labels: ["zone": "a"], store: usage(spilled: 40), storeRates: StoreRates(from: usage(spilled: 0), to: usage(spilled: 40), seconds: 4))
        ]
        state.head.placementGroups = [
            PlacementGroupRow(
                id: PlacementGroupID(high: 0, low: 9), name: "gang", namespace: "shop", state: .rescheduling, strategy: .strictSpread,
                bundles: [.init(resources: Resources(["CPU": 2]), node: node), .init(resources: Resources(["CPU": 1]), node: nil)], job: job, detached: true,
                createdAt: time, reason: "waits")
        ]
        state.head.jobs = [JobRow(id: job, state: .failed, program: "/bin/p", namespace: "shop", pid: 6, startedAt: time, endedAt: time)]
        state.head.tasks = [
            TaskRow(
                id: task, job: job, function: "f(x:)", name: "nightly report", state: .failed, actor: actor, node: node, worker: process, parent: task, attempt: 2, submittedAt: time,
                startedAt: time, endedAt: time, error: "broken")
        ]
        let group = PlacementGroupID(high: 0, low: 9)
        (state.head.tasks[0].placement, state.head.tasks[0].pid, state.head.tasks[0].placementGroup) = (.room, 7, group)
        state.head.tasks[0].attempts = [TaskAttempt(attempt: 1, state: .failed, worker: process, error: "crashed")]
        var row = actorRow(actor, name: "hits", state: .dead)
        (row.node, row.death, row.reason, row.endedAt) = (node, DeathCause(.signaled, "signal 9"), "waits", time)
        row.placementGroup = group
        state.head.actors = [row]
        state.head.objects = [
            ObjectRow(
                id: ObjectID(task: task, index: 1), state: .ready, size: 2048, owner: process, ownerPid: 7, node: node, source: "put", createdAt: time, location: .owner)
        ]
        (state.head.objects[0].pinnedBy, state.head.objects[0].containedIn) = (task, ObjectID(task: task, index: 2))
        state.head.objects[0].copies = [.init(node: node, spilled: true), .init(node: NodeID(high: 0xdef, low: 1), spilled: false)]
        (state.head.objects[0].copyCount, state.head.objects[0].attempt, state.head.objects[0].borrowedBy) = (7, 2, [ProcessID(high: 0x1234 << 48, low: 1)])
        state.head.errors = [ErrorRow(at: time, code: "timeout", message: "late", source: "http", job: job, task: task, actor: actor, node: node, requestId: "r1")]
        state.head.submissions = [
            SubmissionRow(
                id: "nightly", state: .failed, entrypoint: ["make", "report"], node: node, pid: 9, exitCode: 2, message: "it exited with code 2",
                metadata: ["team": "a"], submittedAt: time, startedAt: time, endedAt: time)
        ]
        state.serve.endpoints = [EndpointDescription(name: "e", route: "/e", methods: [.get, .post], traffic: ["b": 0.25, "a": 0.75], shadows: ["b": 0.1])]
        state.serve.backends = [
            BackendRow(
                description: BackendDescription(name: "b", program: Program(path: "/bin/p"), type: "M.B", replicas: 2, userConfiguration: ["x": [1, nil]]),
                status: BackendStatus(state: .updating, ready: 1, message: "starts"), revision: 3)
        ]
        state.serve.replicas = [
            ReplicaDescription(
                tag: "b#1", backend: "b", index: 0, version: "1", revision: 1, state: .ready, actor: actor, pid: 8, node: node, startedAt: time)
        ]
        return state
    }

    private func usage(spilled: Int) -> StoreUsage {
        StoreUsage(
            capacity: 2 << 30, used: 3 << 28, objects: 3, objectBytes: 3 << 28, spilledObjects: spilled, spilledBytes: spilled << 20, spills: spilled,
            spillBytes: spilled << 20, restores: 0, restoreBytes: 0, evictions: spilled, fetches: 0, fetchBytes: 0)
    }

    @Test func storesAndCopiesAreSaidInWords() throws {
        let (nodes, objects) = (try AdminViews.rows(.nodes, of: full), try AdminViews.rows(.objects, of: full))
        #expect(AdminViews.cells(nodes[0], of: .nodes).contains("768.0 MiB of 2.0 GiB, 40.0 MiB on disk"))
        #expect(full.head.nodes[0].storeRates?.plain == "spills 10.0 MiB/s, evicts 10.0/s")
        #expect(AdminViews.cells(objects[0], of: .objects).contains("00000000 (disk), 00000000 and 5 more"))
        #expect(nodes[0]["storeRates"]["spills"].double == 10)
        #expect(try AdminViews.store(full.head.nodes[0])?["usage"]["spilledObjects"].integer == 40)
    }

    @Test(arguments: AdminTable.allCases) func aFullRowHasExactlyTheMembersThatMayBeFilteredBy(_ table: AdminTable) throws {
        let row = try #require(try AdminViews.rows(table, of: full).first?.object)
        #expect(row.keys.sorted() == AdminViews.members(of: table).sorted())
        #expect(row[table.key]?.string?.isEmpty == false)
    }

    @Test(arguments: AdminTable.allCases) func aRowHasACellForEachColumn(_ table: AdminTable) throws {
        let row = try #require(try AdminViews.rows(table, of: full).first)
        let columns = AdminViews.columns(of: table)
        #expect(AdminViews.cells(row, of: table).count == columns.count)
        #expect(columns.allSatisfy { AdminViews.members(of: table).contains($0.member) })
    }

    @Test func anObjectSaysWhyItIsKept() throws {
        var state = full
        let row = try #require(try AdminViews.rows(.objects, of: state).first)
        #expect(AdminViews.reasons(row) == [])
        (state.head.objects[0].local, state.head.objects[0].pins, state.head.objects[0].borrowers, state.head.objects[0].containers) = (true, 1, 2, 3)
        let task = try #require(state.head.objects[0].pinnedBy).description.suffix(12)
        let reasons = AdminViews.reasons(try #require(try AdminViews.rows(.objects, of: state).first))
        #expect(reasons == ["local reference", "pinned by task …\(task)", "borrowed by 2 processes (12340000, …)", "captured in 3 objects, one is …\("\(task)-2".suffix(12))"])
        state.head.objectTotals = [ObjectTotals(node: try #require(state.head.objects[0].node), objects: 5, bytes: 4096)]
        let listing = try AdminFilter(limit: 1).listing(of: .objects, in: state)
        #expect(listing.value["nodes"].array?.first?["bytes"].integer == 4096)
    }

    @Test func resourcesAreNumbersByName() throws {
        let row = try #require(try AdminViews.rows(.nodes, of: full).first)
        #expect(row["total"].description == #"{"CPU":2,"GPU":1}"#)
        #expect(row["available"].description == #"{"CPU":0.5}"#)
    }

    @Test func whatIsNotKnownIsAbsent() throws {
        var state = full
        state.head.actors = [actorRow(ActorID(high: 0, low: 3))]
        let row = try #require(try AdminViews.rows(.actors, of: state).first?.object)
        #expect(row["name"] == nil && row["death"] == nil && row["node"] == nil)
    }

    @Test func textIsReadableAndHarmless() throws {
        let cells = AdminViews.cells(try AdminViews.rows(.nodes, of: full)[0], of: .nodes)
        #expect(cells == ["00000000", "reef", "alive", "CPU 1.5/2, GPU 1/1", "768.0 MiB of 2.0 GiB, 40.0 MiB on disk", "3", "5", "2026-03-01 12:00:00Z"])
        var state = full
        state.head.errors[0].message = "\u{1b}[31mred\r\nnext"
        let error = AdminViews.cells(try AdminViews.rows(.errors, of: state)[0], of: .errors)
        #expect(error[3] == " [31mred  next")
        #expect(AdminViews.cells(try AdminViews.rows(.endpoints, of: full)[0], of: .endpoints)[3] == "a 75%, b 25%")
        #expect(AdminViews.cells(try AdminViews.rows(.backends, of: full)[0], of: .backends)[2] == "1/2")
        #expect(AdminViews.cells(try AdminViews.rows(.objects, of: full)[0], of: .objects)[2] == "2.0 KiB")
    }

    @Test func equalErrorsAreToldApartAndKeepTheirIdentifiers() throws {
        var state = full
        let error = state.head.errors[0]
        state.head.errors = [error, error]
        let two = try AdminViews.rows(.errors, of: state).map { $0["id"].string ?? "" }
        state.head.errors = [error, error, error]
        let three = try AdminViews.rows(.errors, of: state).map { $0["id"].string ?? "" }
        #expect(Set(three).count == 3)
        #expect(Array(three.dropFirst()) == two)
    }

    @Test func theSummarySaysHowTheClusterIs() {
        var state = full
        state.head.totals = ["tasks": 100, "nodes": 1]
        state.head.states = ["nodes": ["alive": 1], "tasks": ["failed": 99, "running": 1]]
        (state.head.resources, state.head.objectBytes) = (Resources(["CPU": 2]), 2048)
        state.head.droppedTasks = 5
        (state.head.waitingRequests, state.head.demands) = (3, [DemandRow(resources: Resources(["CPU": 64]), count: 3, infeasible: true)])
        let summary = AdminViews.cluster(state, version: "1", now: WallTime(milliseconds: 1_772_366_401_000))
        #expect(summary["health"] == "healthy")
        #expect(summary["tasksSeen"] == 105)
        #expect(summary["recentErrors"] == 1)
        #expect(summary["totals"]["endpoints"] == 1)
        #expect(summary["resources"]["total"]["CPU"] == 2)
        #expect(summary["objectBytes"] == 2048)
        #expect(summary["waitingRequests"] == 3)
        #expect(summary["demands"] == [["resources": ["CPU": 64], "count": 3, "infeasible": true]])
        #expect(summary["tasks"] == ["failed": 99, "running": 1])
        #expect(summary["backends"] == ["updating": 1])
        state.head.nodes[0].state = .suspect
        state.serve.backends[0].status.state = .failed
        let worse = AdminViews.cluster(state, version: "1", now: now)
        #expect(worse["health"] == "degraded")
        #expect(worse["problems"].array?.count == 2)
        state.head.states = ["nodes": ["dead": 1]]
        #expect(AdminViews.cluster(state, version: "1", now: now)["health"] == "empty")
    }
}
