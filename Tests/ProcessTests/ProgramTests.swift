// ProgramTests: which executable a job's workers run, when the file at its path is another one by now and when a node never had it.

import Foundation
import MantaTestKit
import Testing

extension ProcessTests {
    @Suite(.serialized)
    struct ProgramTests {
        @Test func twoVersionsOfAProgramRunSideBySideAlsoWhereTheirFilesAreNot() async throws {
            try await Platform.run(cpus: 2) { platform in
                let path = "\(platform.folder)/program"
                try FileManager.default.copyItem(atPath: BuiltProgram.Probe.path, toPath: path)
                let gate = "\(platform.folder)/gate"
                let environment = BuiltProgram.environment(adding: platform.environment)
                let old = try RunningProgram(path: path, ["executables", gate], environment)
                try await eventually("the first task of the old version", within: .seconds(30)) { old.output.hasSuffix("\n") }
                let size = try #require(old.output.split(separator: " ").first.flatMap { Int($0) })

                // Built anew: another file of the same name, a byte longer.
                try FileManager.default.removeItem(atPath: path)
                var bytes = try Data(contentsOf: URL(filePath: BuiltProgram.Probe.path))
                bytes.append(0)
                try bytes.write(to: URL(filePath: path))
                try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
                let new = try RunningProgram(path: path, ["executables", gate], environment)
                try await eventually("the first task of the new version", within: .seconds(30)) { new.output.hasPrefix("\(size + 1) ") }

                // This node has neither: the new one it finds at its path, the old one it gets from its driver.
                let store = "\(platform.folder)/other-programs"
                let started = try await BuiltProgram.manta.run(
                    ["start", "--address", platform.address, "--cpus", "2"], environment: platform.environment.merging(["MANTA_PROGRAM_DIRECTORY": store]) { $1 })
                #expect(started.status == 0, "\(started)")
                #expect(FileManager.default.createFile(atPath: gate, contents: nil))
                for (program, size) in [(old, size), (new, size + 1)] {
                    let outcome = try await program.finish(within: .seconds(60))
                    let lines = outcome.output.split(separator: "\n").map { $0.split(separator: " ") }
                    #expect(outcome.status == 0 && Set(lines.map(\.last)).count == 2, "\(outcome)")
                    #expect(lines.allSatisfy { $0.first == "\(size)" }, "\(outcome)")
                }
                let kept = try FileManager.default.contentsOfDirectory(atPath: store)
                #expect(kept.count == 2 && kept.allSatisfy { $0.count == 32 }, "\(kept)")
                #expect(try FileManager.default.attributesOfItem(atPath: store)[.posixPermissions] as? Int == 0o700)
            }
        }
    }
}
