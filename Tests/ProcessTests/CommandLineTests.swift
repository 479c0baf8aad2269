// CommandLineTests: `manta` as a user meets it: what it prints, its status, and its messages when something is wrong.

import Foundation
import MantaJSON
import MantaTestKit
import Testing

extension ProcessTests {
    @Suite(.serialized)
    struct CommandLineTests {
        @Test func aClusterStartsIsListedAndStops() async throws {
            try await Platform.run(cpus: 3) { platform in
                let status = try JSONValue.parse(try await platform.manta("status", "--output", "json"))
                #expect(status["address"].string == platform.address)
                #expect(status["health"].string == "healthy")
                #expect(status["resources"]["total"]["CPU"].integer == 3)
                #expect(status["dashboard"].string == "http://127.0.0.1:\(platform.adminPort)")
                #expect(try await platform.manta("status").contains(platform.address))

                let nodes = try await platform.list("nodes")
                #expect(nodes.count == 1)
                #expect(nodes.first?["state"].string == "alive")
                for table in ["jobs", "tasks", "actors", "objects", "errors", "endpoints", "backends", "replicas"] {
                    #expect(try await platform.manta("list", table).isEmpty == false)
                    _ = try await platform.list(table)
                }

                let stopped = try JSONValue.parse(try await platform.manta("stop", "--port", "\(platform.port)", "--output", "json"))
                #expect(Set((stopped.array ?? []).compactMap { $0["role"].string }) == ["head", "node", "proxy"])
                #expect((stopped.array ?? []).allSatisfy { $0["killed"].bool == false })
                #expect(platform.leftovers.isEmpty)
                let files = try FileManager.default.contentsOfDirectory(atPath: "\(platform.folder)/\(platform.port)")
                #expect(files == ["processes"], "sockets must be gone")
                #expect(try await platform.manta("stop", "--port", "\(platform.port)").contains("nothing was running"))
            }
        }

        @Test func withoutAClusterThereIsOneClearMessage() async throws {
            let platform = try Platform()
            defer { try? FileManager.default.removeItem(atPath: platform.folder) }
            let unknown = try await BuiltProgram.manta.run(["status"], environment: ["MANTA_RUNTIME_DIRECTORY": platform.folder])
            #expect(unknown.status == 1)
            #expect(unknown.errors == "manta: no cluster is known; start one with \"manta start --head\", or give --address or MANTA_ADDRESS\n")
        }

        /// Who joins where no cluster is, a program, a command or a node, is told so, what was found there and what to do. The admin API, which somebody
        /// may take for the head, is an HTTP server.
        @Test func whereNoClusterIsOneSentenceSaysSo() async throws {
            try await Platform.run { platform in
                let nowhere = try Platform()
                defer { try? FileManager.default.removeItem(atPath: nowhere.folder) }
                let before = platform.leftovers
                async let silence: Void = expectNoCluster(at: nowhere.address, because: "nobody listens there", of: platform)
                let strange = "somebody listens there who does not answer as a process of Manta does: another program, or one that stands still"
                async let stranger: Void = expectNoCluster(at: "tcp://127.0.0.1:\(platform.adminPort)", because: strange, of: platform)
                _ = (try await silence, try await stranger)
                #expect(platform.leftovers == before, "nothing may have been started")
            }
        }

        private func expectNoCluster(at address: String, because found: String, of platform: Platform) async throws {
            let environment = platform.environment.merging(["MANTA_ADDRESS": address]) { $1 }
            func sentence(_ seconds: String) -> String {
                """
                no cluster answers at \(address) (tried for \(seconds) seconds): \(found). Start one with "manta start --head", or check the address, as --address \
                or MANTA_ADDRESS gives it
                """
            }
            async let listed = BuiltProgram.manta.run(["list", "nodes"], environment: environment)
            async let started = BuiltProgram.manta.run(["start", "--address", address], environment: environment)
            async let ran = BuiltProgram.Probe.run(["add", "nobody"], environment: environment)
            for outcome in [try await listed, try await started] {
                #expect(outcome.status == 1 && outcome.errors == "manta: \(sentence("5.0"))\n", "\(outcome)")
            }
            let program = try await ran
            #expect(program.status != 0 && program.errors.contains("unavailable: \(sentence("10.0"))\n"), "\(program)")
        }

        @Test func anOccupiedPortIsNamedWithItsOwner() async throws {
            try await Platform.run { platform in
                let other = try Platform()
                defer { try? FileManager.default.removeItem(atPath: other.folder) }
                for (option, ports) in [
                    ("--port", (platform.port, other.adminPort, other.httpPort)), ("--admin-port", (other.port, platform.adminPort, other.httpPort)),
                    ("--http-port", (other.port, other.adminPort, platform.httpPort)),
                ] {
                    let outcome = try await other.attempt([
                        "start", "--head", "--port", "\(ports.0)", "--admin-port", "\(ports.1)", "--http-port", "\(ports.2)",
                    ])
                    #expect(outcome.status == 1)
                    #expect(outcome.errors.contains("is in use by process"), "\(outcome)")
                    #expect(outcome.errors.contains(option), "\(outcome)")
                    #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome)")
                    #expect(other.leftovers.isEmpty, "nothing may have been started")
                }
                let again = try await platform.attempt([
                    "start", "--head", "--port", "\(platform.port)", "--admin-port", "\(platform.adminPort)", "--http-port", "\(platform.httpPort)",
                ])
                #expect(again.status == 1)
                #expect(again.errors.contains("runs already"))
            }
        }

        @Test(arguments: [
            (["start"], "--head"), (["start", "--head", "--cpus", "-1"], "cpus"), (["list", "planets"], "planets"), (["frobnicate"], "frobnicate"),
            (["list", "nodes", "--limit", "0"], "--limit"), (["start", "--head", "--resources", "disk"], "disk"),
            (["start", "--head", "--port", "8000"], "differ"), (["microbenchmark", "--rows", "nothing"], "get_small"),
            (["timeline", "--filter", "colour=red"], "function"), (["timeline", "--file", "-", "--output", "json"], "--file -"),
        ])
        func aWrongCommandLineIsExplained(_ arguments: [String], _ word: String) async throws {
            let outcome = try await BuiltProgram.manta.run(arguments)
            #expect(outcome.status == 64, "\(outcome)")
            #expect(outcome.errors.contains(word), "\(outcome)")
        }

        @Test(arguments: [
            [], ["start"], ["stop"], ["status"], ["list"], ["serve"], ["serve", "deploy"], ["serve", "status"], ["timeline"], ["microbenchmark"], ["version"],
        ])
        func everyCommandHasHelpWithAnExample(_ command: [String]) async throws {
            let outcome = try await BuiltProgram.manta.run(command + ["--help"])
            #expect(outcome.status == 0)
            #expect(outcome.output.contains("xample"), "\(outcome)")
        }

        @Test func theMicrobenchmarkPrintsItsRows() async throws {
            let outcome = try await BuiltProgram.manta.run(["microbenchmark", "--rows", "put_small,actor_1_1_sync", "--seconds", "0.3", "--output", "json"])
            #expect(outcome.status == 0, "\(outcome)")
            let rows = try outcome.output.split(separator: "\n").map { try JSONValue.parse(String($0)) }
            #expect(rows.map { $0["row"].string } == ["put_small", "put_small_multi", "actor_1_1_sync", "async_actor_1_1_sync"])
            #expect(rows.allSatisfy { ($0["per_second"].double ?? 0) > 0 })
        }

        @Test func theVersionIsTold() async throws {
            let version = try JSONValue.parse(try await BuiltProgram.manta.run(["version", "--output", "json"]).output)
            #expect(version["version"].string != nil)
            #expect(version["protocol"].integer != nil)
            #expect(try await BuiltProgram.manta.run(["--version"]).status == 0)
        }
    }
}
