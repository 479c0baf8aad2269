// HeadDeathTests: the head is killed, as by a crash, while requests run: none fails, and everything is found again when it is back.

import Foundation
import MantaJSON
import MantaLoop
import MantaTestKit
import PlainHTTP
import Testing

extension ProcessTests {
    @Suite(.serialized)
    struct HeadDeathTests {
        @Test func theHeadDiesUnderLoadWithoutAFailedRequest() async throws {
            try await Platform.run(deploying: Configurations.answers) { platform in
                try await platform.ready("GET", "/answer")
                let created = try await BuiltProgram.Probe.run(["create", "ledger"], environment: platform.environment)
                #expect(created.output == "1\n", "\(created)")
                let before = try await platform.list("actors")
                let load = Load(port: platform.httpPort, "GET", "/answer")
                try await load.more(200)

                let head = try platform.process("head")
                kill(head, SIGKILL)
                try await eventually("the head's end") { hasEnded(head) }
                try await load.more(500)

                try await platform.startHead()
                #expect(try platform.process("head") != head)
                try await eventually("the node's return", within: .seconds(15)) {
                    try await platform.list("nodes").contains { $0["state"].string == "alive" }
                }
                try await load.more(500)
                let counts = try await load.stop()
                #expect(counts.failures == [])

                // Actors are found, in the same processes, with the state they had.
                let added = try await BuiltProgram.Probe.run(["add", "ledger"], environment: platform.environment)
                #expect(added.output == "2\n", "\(added)")
                let pids = { (rows: [JSONValue]) in Dictionary(rows.compactMap { row in row["id"].string.map { ($0, row["pid"].integer) } }) { first, _ in first } }
                let after = pids(try await platform.list("actors"))
                for (id, pid) in pids(before.filter { $0["detached"].bool == true && $0["state"].string == "alive" }) { #expect(after[id] == pid, "actor \(id)") }
                #expect(try await platform.list("endpoints").map { $0["name"].string } == ["answer"])

                // And it can be steered again.
                #expect(try await platform.admin("PUT", "endpoints/answer/traffic", ["one": 0, "two": 1]).status == 200)
                try await eventually("the other backend's answer") { try await platform.http("GET", "/answer").text == "two" }
            }
        }

        /// The program that made it was removed meanwhile, and the cluster started again with what it had stored.
        @Test func callsOfAnActorWhoseProgramIsGoneSayWhatTheyWaitFor() async throws {
            try await Platform.run { platform in
                let copy = "\(platform.folder)/Probe"
                try FileManager.default.copyItem(atPath: BuiltProgram.Probe.path, toPath: copy)
                let first = try RunningProgram(path: copy, ["ensure", "ledger"], BuiltProgram.environment(adding: platform.environment))
                #expect(try await first.finish(within: .seconds(60)).output == "1\n")
                try await platform.manta("stop", "--port", "\(platform.port)")
                try FileManager.default.removeItem(atPath: copy)

                try await platform.startHead()
                let caller = try BuiltProgram.Probe.start(["add", "ledger"], environment: platform.environment)
                try await eventually("what its call waits for", within: .seconds(30)) { caller.errors.contains("calls wait for actor \"ledger\"") }
                #expect(caller.errors.contains("\(copy) is not an executable file"), "\(caller.errors)")
                // Another program that would make it brings it its own file.
                let second = try await BuiltProgram.Probe.run(["ensure", "ledger"], environment: platform.environment)
                let third = try await caller.finish(within: .seconds(60))
                #expect([second.output, third.output].sorted() == ["1\n", "2\n"], "\(second) \(third)")
            }
        }

        @Test func aBlockingStartBringsBackWhatDiesAndEndsWithEverything() async throws {
            try await Platform.run(isStarted: false) { platform in
                let start = try BuiltProgram.manta.start(
                    [
                        "start", "--head", "--block", "--port", "\(platform.port)", "--admin-port", "\(platform.adminPort)", "--http-port",
                        "\(platform.httpPort)", "--cpus", "1",
                    ], environment: platform.environment)
                try await eventually("the cluster", within: .seconds(20)) { start.output.contains("cluster \(platform.address)") }
                for role in ["head", "proxy"] {
                    let dead = try platform.process(role)
                    kill(dead, SIGKILL)
                    try await eventually("another \(role)", within: .seconds(20)) { (try? platform.process(role)).map { $0 != dead } ?? false }
                }
                try await eventually("health", within: .seconds(20)) {
                    let status = try await platform.attempt(["status", "--output", "json"])
                    return try status.status == 0 && JSONValue.parse(status.output)["health"].string == "healthy"
                }
                try await platform.ready("GET", "/-/routes")
                start.signal(SIGINT)
                #expect(try await start.finish(within: .seconds(30)).status == 0)
                #expect(start.errors.contains("the head has died"))
            }
        }
    }
}
