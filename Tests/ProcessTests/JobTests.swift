// JobTests: programs that a cluster runs for somebody who does not stay, by the command line and by the admin API.

import Foundation
import MantaJSON
import MantaLoop
import MantaTestKit
import Testing

extension ProcessTests {
    @Suite(.serialized)
    struct JobTests {
        private func state(_ id: String, _ platform: Platform) async throws -> String? {
            try await platform.admin("GET", "submissions/\(id)").value["state"].string
        }

        private func settled(_ id: String, _ platform: Platform, as wanted: String) async throws {
            try await eventually("job \(id) \(wanted)", within: .seconds(30)) { try await self.state(id, platform) == wanted }
        }

        @Test func JOB_001_JOB_003_JOB_006_JOB_007_aJobIsSubmittedReadAndDeleted() async throws {
            try await Platform.run { platform in
                try await eventually("the admin API's connection", within: .seconds(30)) { try await platform.admin("GET", "nodes").status == 200 }
                let (status, answer) = try await platform.admin("POST", "submissions", ["entrypoint": "echo out; echo err >&2; echo $MANTA_ADDRESS"])
                #expect(status == 201)
                let id = try #require(answer["id"].string)
                try await settled(id, platform, as: "succeeded")
                let log = try await platform.manta("job", "logs", id)
                #expect(log == "out\nerr\n\(platform.address)\n")

                #expect(try await platform.admin("POST", "submissions", ["entrypoint": "sleep 300", "id": "mine"]).status == 201)
                #expect(try await platform.admin("POST", "submissions", ["entrypoint": "true", "id": "mine"]).status == 409)
                try await settled("mine", platform, as: "running")
                #expect(try await platform.admin("DELETE", "submissions/mine").status == 409)
                #expect(try await platform.admin("POST", "submissions/mine/stop", [:]).value["stopped"] == true)
                try await settled("mine", platform, as: "stopped")
                #expect(try await platform.admin("DELETE", "submissions/mine").status == 204)
                #expect(try await platform.admin("GET", "submissions/mine").status == 404)
                for (method, path) in [("GET", "submissions/nobody"), ("GET", "submissions/nobody/logs"), ("POST", "submissions/nobody/stop")] {
                    #expect(try await platform.admin(method, path, method == "POST" ? [:] : nil).status == 404)
                }
                #expect(try await platform.admin("POST", "submissions", ["entrypoint": "true", "colour": "red"]).status == 400)
                for (member, value) in [("id", ""), ("directory", "here"), ("resources", [1]), ("resources", ["CPU": 1]), ("resources", ["bundle:x": 1])] as [(String, JSONValue)] {
                    #expect(try await platform.admin("POST", "submissions", ["entrypoint": "true", member: value]).status == 400, "\(member)")
                }
            }
        }

        @Test func JOB_005_JOB_008_JOB_009_jobsAreStoppedWaitAndAreFollowed() async throws {
            try await Platform.run(cpus: 2) { platform in
                let started = ContinuousClock.now
                let program = BuiltProgram.Probe.path
                #expect(try await platform.manta("job", "submit", "--id", "holder", "--cpus", "1", "--", program, "hold", "kept").contains("holder"))
                try await settled("holder", platform, as: "running")
                try await eventually("the driver's job and actor", within: .seconds(30)) {
                    try await platform.list("actors").contains { $0["name"].string == "kept" && $0["state"].string == "alive" }
                }
                try await platform.manta("job", "submit", "--id", "large", "--cpus", "64", "--", "true")
                #expect(try await platform.manta("job", "status", "large").contains("waits for resources"))
                #expect(try await platform.manta("explain", "large").contains("waits for resources"))

                let numbers = try await platform.manta("job", "submit", "--follow", "--", "seq", "1", "100")
                #expect(numbers == (1...100).map { "\($0)\n" }.joined())
                let failed = try await platform.attempt(["job", "submit", "--follow", "--", "sh", "-c", "echo broken >&2; exit 7"])
                #expect(failed.status == 1)
                #expect(failed.errors.contains("exited with code 7") && failed.errors.contains("broken"))

                // What a shell has started ends with it, also when it does not listen.
                let tree = "(trap '' TERM; exec sleep 300) & echo $!; sleep 300 & echo $!; wait"
                try await platform.manta("job", "submit", "--id", "tree", "--", "sh", "-c", tree)
                try await eventually("the children", within: .seconds(30)) { try await platform.manta("job", "logs", "tree").split(separator: "\n").count == 2 }
                let children = try await platform.manta("job", "logs", "tree").split(separator: "\n").compactMap { Int32($0) }
                try await platform.manta("job", "stop", "tree")
                try await settled("tree", platform, as: "stopped")
                try await eventually("the end of the children", within: .seconds(30)) { children.allSatisfy { hasEnded($0) } }

                for wrong in [["--id", ""], ["--gpus", "1.5"], ["--resources", "disk"]] {
                    #expect(try await platform.attempt(["job", "submit"] + wrong + ["--", "true"]).status == 64, "\(wrong)")
                }

                try await platform.manta("job", "stop", "holder")
                try await settled("holder", platform, as: "stopped")
                try await eventually("the end of the driver's actor", within: .seconds(30)) {
                    try await platform.list("actors").first { $0["name"].string == "kept" }?["state"].string == "dead"
                }
                #expect(ContinuousClock.now - started < .seconds(120))
            }
        }
    }
}
