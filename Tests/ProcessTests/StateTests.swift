// StateTests: what the command line and the admin API tell of a running cluster: tasks and whose they are, nodes that come and go, listings that are cut.

import Foundation
import MantaJSON
import MantaTestKit
import Testing

extension ProcessTests {
    @Suite(.serialized)
    struct StateTests {
        private func probe(_ platform: Platform, _ arguments: String...) async throws -> Outcome {
            try await BuiltProgram.Probe.run(arguments, environment: platform.environment)
        }

        @Test func CLI_001_statusFindsTheClusterInEveryWay() async throws {
            try await Platform.run { platform in
                var withoutAddress = platform.environment
                withoutAddress["MANTA_ADDRESS"] = nil
                let ways: [(arguments: [String], environment: [String: String])] = [
                    (["status"], withoutAddress), (["status", "--address", platform.address], withoutAddress), (["status"], platform.environment),
                    (["status", "--address", platform.address], platform.environment),
                ]
                var reports: Set<String> = []
                for way in ways {
                    let outcome = try await BuiltProgram.manta.run(way.arguments, environment: way.environment)
                    #expect(outcome.status == 0, "\(outcome)")
                    // What is free may change between two looks, what there is may not.
                    reports.insert(outcome.output.replacing(#/[\d.]+ of /#, with: "of "))
                }
                #expect(reports.count == 1, "\(reports)")
                let report = try #require(reports.first)
                for line in ["healthy", platform.address, "CPU", "1 alive", "HTTP"] { #expect(report.contains(line), "\(report)") }
            }
        }

        @Test func CLI_002_SERVE_024_serveStatusTellsBackendsAndEndpoints() async throws {
            try await Platform.run { platform in
                let empty = try await platform.manta("serve", "status")
                for table in ["no endpoints", "no backends", "no replicas"] { #expect(empty.contains(table), "\(empty)") }
                try await platform.deploy(Configurations.answers)
                let status = try JSONValue.parse(try await platform.manta("serve", "status", "--output", "json"))
                #expect(status["endpoints"].array?.compactMap { $0["name"].string } == ["answer"])
                #expect(status["backends"].array?.map { "\($0["name"].string ?? "") \($0["state"].string ?? "")" } == ["one healthy", "two healthy"])
                #expect(status["replicas"].array?.allSatisfy { $0["state"].string == "ready" && $0["pid"].integer != nil } == true)
            }
        }

        @Test func STATE_004_016_tasksTellTheirParentsAndListingsTheirLimits() async throws {
            try await Platform.run { platform in
                #expect(try await probe(platform, "family", "12").output == "12\n")
                try await eventually("the record of every task") {
                    try await platform.admin("GET", "tasks?state=finished").value["total"].integer == 13
                }
                let parent = try #require(try await platform.admin("GET", "tasks?function=Probe.parent(children:)").value["tasks"][0]["id"].string)
                let children = try await platform.admin("GET", "tasks?parent=\(parent)&limit=5").value
                #expect(children["total"].integer == 12)
                #expect(children["states"]["finished"].integer == 12)
                #expect(children["tasks"].array?.count == 5)
                let next = try #require(children["next"].string)
                let rest = try await platform.admin("GET", "tasks?parent=\(parent)&limit=100&after=\(next)").value
                #expect(rest["tasks"].array?.count == 7)
                #expect(rest["next"].isNull)
                let one = try await platform.admin("GET", "tasks/\(parent)")
                #expect(one.value["function"].string == "Probe.parent(children:)")

                let text = try await platform.manta("list", "tasks", "--limit", "3", "--filter", "parent=\(parent)")
                #expect(text.contains("3 of 12 tasks (12 finished); for more: --after "), "\(text)")
                #expect(try await platform.manta("list", "tasks", "--filter", "state!=finished") == "no such tasks\n")
                for (filter, word) in [("attempt>1", "MEMBER!=VALUE"), ("color=red", "function"), ("state", "MEMBER=VALUE")] {
                    let outcome = try await platform.attempt(["list", "tasks", "--filter", filter])
                    #expect(outcome.status == 64, "\(outcome)")
                    #expect(outcome.errors.contains(word), "\(outcome)")
                }
                #expect(try await platform.admin("GET", "tasks?limit=10001").status == 400)

                // CORE_052: the same as a trace.
                let file = "\(platform.folder)/trace.json"
                let written = try JSONValue.parse(try await platform.manta("timeline", "--file", file, "--filter", "state=finished", "--output", "json"))
                #expect(written["tasks"] == 13 && written["file"].string == file)
                let trace = try JSONValue.parse(Array(try Data(contentsOf: URL(fileURLWithPath: file))))
                let slices = (trace["traceEvents"].array ?? []).filter { $0["ph"] == "X" && $0["cat"] != "span" }
                #expect(slices.count == 13 && slices.allSatisfy { ($0["dur"].integer ?? 0) > 0 && ($0["pid"].integer ?? 0) > 0 })
                #expect(trace["traceEvents"].array?.count { $0["ph"] == "f" } == 12, "an arrow to each child")
                let answered = try await platform.admin("GET", "timeline?parent=\(parent)").value["traceEvents"].array ?? []
                #expect(answered.count { $0["ph"] == "X" && $0["cat"] != "span" } == 12)
                let bad = try await platform.attempt(["timeline", "--file", "/nowhere/trace.json"])
                #expect(bad.status == 1 && bad.errors.contains("/nowhere/trace.json"), "\(bad)")
            }
        }

        @Test func STATE_005_theTasksOfADeadDriverHaveFailed() async throws {
            try await Platform.run { platform in
                let driver = try BuiltProgram.Probe.start(["linger", "5"], environment: platform.environment)
                try await eventually("five that run and two that are done", within: .seconds(30)) {
                    let states = try await platform.admin("GET", "tasks?limit=1").value["states"]
                    return states["running"].integer == 5 && states["finished"].integer == 2
                }
                driver.signal(SIGKILL)
                try await eventually("five that failed, two that are done", within: .seconds(15)) {
                    try await platform.admin("GET", "tasks?limit=1").value["states"] == ["failed": 5, "finished": 2]
                }
                let failed = try await platform.admin("GET", "tasks?state=failed").value["tasks"].array ?? []
                #expect(failed.allSatisfy { $0["error"].string?.contains("job ended") == true && $0["endedAt"].integer != nil })
                #expect(try await platform.manta("status").contains("5 failed, 2 finished"))
            }
        }

        @Test func STATE_005_programsThatEndedWellLeaveNoFailedTask() async throws {
            try await Platform.run(deploying: Configurations.answers) { platform in
                // What the controller of what is served waits for goes on, though the job that deployed it is over.
                #expect(try await platform.admin("GET", "jobs?state=finished&limit=1").value["total"].integer == 1)
                let served = try await platform.admin("GET", "tasks?limit=1").value
                #expect(served["states"]["failed"].isNull, "\(served)")
                for _ in 0..<4 { #expect(try await probe(platform, "tree", "4").output == "31\n") }
                try await eventually("the records of all their tasks", within: .seconds(15)) {
                    try await platform.admin("GET", "tasks?function=Probe.branch(depth:)&limit=1").value["states"] == ["finished": 124]
                }
            }
        }

        @Test func STATE_006_aNameCanStandInTwoNamespaces() async throws {
            try await Platform.run { platform in
                #expect(try await probe(platform, "create", "same", "--in", "red").output == "1\n")
                #expect(try await probe(platform, "create", "same", "--in", "blue").output == "1\n")
                #expect(try await probe(platform, "add", "same", "--in", "red").output == "2\n")
                #expect(try await probe(platform, "add", "same", "--in", "blue").output == "2\n")
                let rows = try await platform.admin("GET", "actors?name=same").value["actors"].array ?? []
                #expect(Set(rows.compactMap { $0["namespace"].string }) == ["red", "blue"])
                let taken = try await probe(platform, "create", "same", "--in", "red")
                #expect(taken.status != 0)
                for word in ["same", "red", "taken"] { #expect(taken.errors.contains(word), "\(taken)") }
                let blank = try await probe(platform, "create", "same", "--in", "")
                #expect(blank.errors.contains("namespace \"\" must have 1 to 256 bytes"), "\(blank)")
            }
        }

        @Test func memorySaysWhyObjectsAreKept() async throws {
            try await Platform.run { platform in
                #expect(try await platform.manta("memory").hasPrefix("no objects\n"))
                // A node's first word of its store comes with a heartbeat.
                try await eventually("the node's store", within: .seconds(30)) { try await platform.manta("memory", "--stats-only").contains("RESTORED") }
                let driver = try BuiltProgram.Probe.start(["hoard", "3000000"], environment: platform.environment)
                try await eventually("two objects", within: .seconds(30)) { try await platform.admin("GET", "objects").value["total"].integer == 2 }
                let listing = try await platform.admin("GET", "objects").value
                let (inner, outer) = (listing["objects"][0], listing["objects"][1])
                #expect(inner["containers"].integer == 1 && inner["containedIn"] == outer["id"] && inner["location"].string == "store", "\(listing)")
                #expect(listing["nodes"][0]["objects"].integer == 2 && (listing["nodes"][0]["bytes"].integer ?? 0) > 3_000_000, "\(listing)")

                let text = try await platform.manta("memory")
                for part in ["local reference, captured in object …", "2.9 MiB", "put", "NODE", "KEPT BY", "STORE", "RESTORED"] { #expect(text.contains(part), "\(text)") }
                let oldest = try JSONValue.parse(try await platform.manta("memory", "--sort-by", "age", "--limit", "1", "--group-by", "source", "--output", "json"))
                #expect(oldest["objects"].array?.count == 1 && oldest["objects"][0]["id"] == inner["id"], "\(oldest)")
                #expect(oldest["groups"] == [["source": "put", "objects": 2, "bytes": oldest["bytes"]]], "\(oldest)")
                #expect(try await platform.manta("memory", "--units", "KiB", "--group-by", "owner").contains(" KiB"))
                for arguments in [["--group-by", "color"], ["--sort-by", "name"], ["--units", "parsec"], ["--limit", "0"]] {
                    #expect(try await platform.attempt(["memory"] + arguments).status == 64)
                }
                driver.signal(SIGKILL)
                try await eventually("no objects", within: .seconds(15)) { try await platform.manta("memory").hasPrefix("no objects\n") }
            }
        }

        @Test func STATE_007_008_nodesAreListedAliveAndDead() async throws {
            try await Platform.run(cpus: 1) { platform in
                for _ in 0..<2 { try await platform.manta("start", "--address", platform.address, "--cpus", "1", "--resources", "disk=1") }
                try await eventually("three living nodes") { try await platform.admin("GET", "nodes").value["states"] == ["alive": 3] }
                let rows = try await platform.admin("GET", "nodes").value["nodes"].array ?? []
                #expect(Set(rows.compactMap { $0["pid"].integer }).count == 3)
                let victim = try #require(rows.first { $0["total"]["disk"].integer == 1 })
                let id = try #require(victim["id"].string)
                #expect(try await platform.admin("GET", "nodes/\(id)").value["host"] == victim["host"])
                kill(Int32(try #require(victim["pid"].integer)), SIGKILL)
                try await eventually("two living nodes and a dead one", within: .seconds(15)) {
                    try await platform.admin("GET", "nodes").value["states"] == ["alive": 2, "dead": 1]
                }
                let dead = try await platform.admin("GET", "nodes/\(id)").value
                #expect(dead["state"].string == "dead")
                #expect(dead["available"] == JSONValue([:] as JSONObject), "a dead node has nothing to give: \(dead)")
                let status = try JSONValue.parse(try await platform.manta("status", "--output", "json"))
                #expect(status["resources"]["total"]["CPU"].integer == 2)
                #expect(status["health"].string == "degraded")
                #expect(status["problems"][0].string?.contains("lost") == true)
                #expect(try await probe(platform, "spread", "4").status == 0, "the others work on")
            }
        }
    }
}
