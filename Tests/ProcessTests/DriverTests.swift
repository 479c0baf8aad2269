// DriverTests: programs that join a running cluster: what they leave behind, what ends with them, and how nodes share their work.

import Foundation
import MantaJSON
import MantaLoop
import MantaTestKit
import PlainHTTP
import Testing

extension ProcessTests {
    @Suite(.serialized)
    struct DriverTests {
        @Test func aDetachedActorIsFoundByAnotherProgram() async throws {
            try await Platform.run { platform in
                #expect(try await probe(platform, "create", "ledger").output == "1\n")
                #expect(try await probe(platform, "add", "ledger").output == "2\n")
                let row = try #require(try await platform.list("actors").first { $0["name"].string == "ledger" })
                #expect(row["detached"].bool == true)
                #expect(row["state"].string == "alive")
                #expect(row["namespace"].string == "probe")

                let (status, value) = try await platform.admin("POST", "actors/probe/ledger/call/add", [40])
                #expect(status == 200)
                #expect("\(value)".contains("42"))
                #expect(try await platform.admin("POST", "actors/probe/ledger/call/add", ["much"]).status == 400)
                #expect(try await platform.admin("POST", "actors/probe/ledger/call/subtract", [1]).status == 404)
                #expect(try await platform.admin("POST", "actors/probe/nobody/call/add", [1]).status == 404)

                #expect(try await platform.admin("DELETE", "actors/probe/ledger").status < 300)
                let gone = try await probe(platform, "add", "ledger")
                #expect(gone.status != 0)
                #expect(gone.errors.contains("ledger"))
            }
        }

        @Test func theEndOfADriverEndsItsActors() async throws {
            try await Platform.run { platform in
                let driver = try BuiltProgram.Probe.start(["hold", "brief"], environment: platform.environment)
                try await eventually("the actor's first answer", within: .seconds(20)) { driver.output == "1\n" }
                let row = try #require(try await platform.list("actors").first { $0["name"].string == "brief" })
                let pid = Int32(try #require(row["pid"].integer))
                driver.signal(SIGKILL)
                try await eventually("the end of the actor's process") { kill(pid, 0) != 0 }
                try await eventually("the actor's death in the tables") {
                    try await platform.list("actors").first { $0["name"].string == "brief" }?["state"].string == "dead"
                }
                try await eventually("the job's end in the tables") { try await platform.list("jobs").contains { $0["state"].string == "failed" } }
            }
        }

        @Test func CORE_056_whatWorkersPrintAndFailuresNobodyAwaitsAppearAtTheDriver() async throws {
            try await Platform.run { platform in
                let driver = try BuiltProgram.Probe.start(["chatter", "hello"], environment: platform.environment)
                let source = /\(Probe\.speak\(_:\) pid=\d+ node=[0-9a-f]{8}\)/
                try await eventually("the lines of the worker", within: .seconds(30)) {
                    let lines = driver.errors.split(separator: "\n")
                    return lines.contains { $0.prefixMatch(of: source) != nil && $0.hasSuffix(" said hello") }
                        && lines.contains { $0.prefixMatch(of: source) != nil && $0.hasSuffix(" complained hello") }
                }
                driver.signal(SIGKILL)
                #expect(driver.output == "5\n", "standard output is the program's own")
                let careless = try BuiltProgram.Probe.start(["stumble"], environment: platform.environment)
                try await eventually("the failure", within: .seconds(30)) {
                    careless.errors.contains("(manta) Probe.stumble() failed, and nobody awaited its result:") && careless.errors.contains("Mishap")
                }
                try await eventually("the failure in the list", within: .seconds(30)) {
                    try await platform.list("errors").contains { $0["message"].string?.contains("Mishap") == true }
                }
                #expect(careless.errors.split(separator: "\n").count { $0.contains("nobody awaited its result") } == 1, "\(careless.errors)")
                #expect(!careless.errors.contains("stumbleWatched"))
                careless.signal(SIGKILL)
                let told = try await platform.list("errors").count { $0["message"].string?.contains("Mishap") == true }
                let silent = try BuiltProgram.Probe.start(["stumble"], environment: platform.environment.merging(["MANTA_LOG_TO_DRIVER": "0"]) { $1 })
                try await eventually("the failures of a silent driver in the list", within: .seconds(30)) {
                    try await platform.list("errors").count { $0["message"].string?.contains("Mishap") == true } > told
                }
                #expect(silent.errors.isEmpty, "\(silent.errors)")
                silent.signal(SIGKILL)
                let wrong = try await BuiltProgram.Probe.run(["stumble"], environment: platform.environment.merging(["MANTA_TASK_RETRIES": "abc"]) { $1 })
                #expect(wrong.errors.contains("MANTA_TASK_RETRIES is \"abc\"; expected a whole number of -1 or more"), "\(wrong.errors)")
            }
        }

        @Test func OBJ_042_referencesThatAreEncodedWhereNobodyWatchesAreToldOnce() async throws {
            try await Platform.run { platform in
                let driver = try BuiltProgram.Probe.start(["scatter", "3"], environment: platform.environment)
                func warnings() -> Int { driver.errors.split(separator: "\n").count { $0.hasPrefix("(manta)") && $0.contains("made by put was encoded where nobody sees") } }
                try await eventually("the warning", within: .seconds(30)) { warnings() == 1 && driver.output.split(separator: "\n").count == 3 }
                let row = try #require(try await platform.list("objects").first { $0["forGood"].bool == true })
                let text = try await platform.manta("explain", try #require(row["id"].string))
                for part in ["made by put", "encoded elsewhere, for good", "goes with its owner"] { #expect(text.contains(part), "\(text)") }
                #expect(warnings() == 1, "\(driver.errors)")
                driver.signal(SIGKILL)
            }
        }

        @Test func FAIL_045_demandsThatNoNodeCanMeetAreToldAtTheDriverOnce() async throws {
            try await Platform.run(cpus: 1) { platform in
                let driver = try BuiltProgram.Probe.start(["overreach"], environment: platform.environment)
                try await eventually("a warning for the tasks and one for the actor", within: .seconds(30)) {
                    driver.errors.split(separator: "\n").count { $0.hasPrefix("(manta)") && $0.contains("waits and cannot run") } == 2
                }
                let warnings = driver.errors.split(separator: "\n").filter { $0.contains("waits and cannot run") }
                #expect(warnings.contains { $0.contains("Probe.place(milliseconds:)") && $0.contains("CPU 64") && $0.contains("the largest node has 1") }, "\(warnings)")
                #expect(warnings.contains { $0.contains("Probe.Tally") && $0.contains("GPU") }, "\(warnings)")
                try await eventually("the warnings in the list of errors", within: .seconds(30)) {
                    try await platform.list("errors").count { $0["code"].string == "unschedulable" } == 2
                }
                try await platform.manta("start", "--address", platform.address, "--cpus", "64")
                try await eventually("the end of the tasks on the node that came", within: .seconds(30)) { driver.output == "3\n" }
                #expect(driver.errors.split(separator: "\n").count { $0.contains("waits and cannot run") } == 2, "\(driver.errors)")
                driver.signal(SIGKILL)
            }
        }

        @Test func whyAnActorWaitsAndWhyOneDiedIsExplained() async throws {
            try await Platform.run { platform in
                #expect(try await probe(platform, "create", "ledger").output == "1\n")
                let row = try #require(try await platform.list("actors").first { $0["name"].string == "ledger" })
                let id = try #require(row["id"].string)
                let alive = try await platform.manta("explain", String(id.prefix(8)))
                for part in ["is alive", "it was put on node", "named \"ledger\""] { #expect(alive.contains(part), "\(alive)") }
                kill(Int32(try #require(row["pid"].integer)), SIGKILL)
                try await eventually("the death in the explanation", within: .seconds(30)) {
                    let (status, answer) = try await platform.admin("GET", "explain/\(id)")
                    let text = "\(answer)"
                    return status == 200 && text.contains("it died (signaled)") && text.contains("signal 9 (SIGKILL") && text.contains("peak memory")
                }
                #expect(try await platform.admin("GET", "explain/\(String(repeating: "0", count: 32))").status == 404)
                #expect(try await platform.admin("GET", "explain/nothing").status == 400)
            }
        }

        @Test func twoNodesShareTheWork() async throws {
            try await Platform.run(cpus: 1) { platform in
                try await platform.manta("start", "--address", platform.address, "--cpus", "1")
                try await eventually("two living nodes") { try await platform.list("nodes").count { $0["state"].string == "alive" } == 2 }
                let spread = try await probe(platform, "spread", "30")
                #expect(Set(spread.output.split(separator: "\n")).count == 2, "\(spread)")
            }
        }

        /// The program of the README, on a cluster of its own.
        @Test func theQuickstartRunsAndLeavesNothing() async throws {
            let program = try BuiltProgram.Quickstart.start([])
            try await eventually("the address to try", within: .seconds(30)) { program.output.contains("/square\n") }
            #expect(program.output.hasPrefix("385\n"))
            let port = try #require(program.output.firstMatch(of: /127\.0\.0\.1:(\d+)\/square/).flatMap { UInt16($0.1) })
            let answer = try await onThread { try HTTPConnection(host: "127.0.0.1", port: port).request("POST", "/square", body: Array("12".utf8)) }
            #expect(answer.text == "144\n")
            let children = try descendants(of: program.pid)
            #expect(children.count >= 3, "head, node, proxy")
            program.signal(SIGKILL)
            try await eventually("the end of its cluster") { children.allSatisfy(hasEnded) }
        }

        /// The signal that the terminal sends, and a death without a word.
        @Test(arguments: [SIGINT, SIGKILL]) func OBJ_030_theSpilledObjectsOfAProgramsOwnClusterEndWithIt(signal: Int32) async throws {
            let folder = TemporaryDirectory()
            let spills = folder.file("spills/of/this/program")
            let program = try BuiltProgram.Probe.start(["flood", "40"], environment: ["MANTA_SPILL_DIRECTORY": spills])
            try await eventually("spilled objects, and one that came back", within: .seconds(60)) {
                program.output == "full\n" && FileManager.default.enumerator(atPath: spills)?.contains { "\($0)".hasSuffix("/1.spill") || "\($0)".hasSuffix("/2.spill") } == true
            }
            program.signal(signal)
            try await eventually("an empty folder", within: .seconds(30)) { try FileManager.default.contentsOfDirectory(atPath: spills).isEmpty }
        }

        /// The processes that a process started, and those that they started.
        private func descendants(of pid: Int32) throws -> [Int32] {
            var parents: [Int32: Int32] = [:]
            for process in try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap({ Int32($0) }) {
                let text = String(decoding: kernelFile("/proc/\(process)/stat") ?? Data(), as: UTF8.self)
                let fields = (text.split(separator: ")").last ?? "").split(separator: " ")
                if fields.count > 1 { parents[process] = Int32(fields[1]) }
            }
            return parents.keys.filter { process in
                var ancestor = parents[process]
                while let current = ancestor, current != pid { ancestor = parents[current] }
                return ancestor == pid
            }
        }

        private func probe(_ platform: Platform, _ arguments: String...) async throws -> Outcome {
            try await BuiltProgram.Probe.run(arguments, environment: platform.environment)
        }
    }
}
