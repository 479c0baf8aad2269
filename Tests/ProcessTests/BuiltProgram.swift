// BuiltProgram: the programs that the build put beside these tests, run as a user runs them: arguments in, text and status out.
//
// A run has a deadline and is killed behind it. Variables that name a cluster of whoever runs the tests never reach it.

import Foundation
import MantaTestKit
import Synchronization

/// What a run of a program left.
struct Outcome: CustomStringConvertible {
    let status: Int32
    let output: String
    let errors: String
    var description: String { "status \(status)\n\(output)\n\(errors)" }
}

enum BuiltProgram: String {
    case manta, DocumentClassifier, PostTitles, Echo, Quickstart, Probe

    /// The folder of this test's own executable.
    static let folder = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    static let project = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    var path: String { Self.folder.appending(path: rawValue).path }

    static func environment(adding added: [String: String]) -> [String: String] {
        ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("MANTA_") }.merging(added) { $1 }
    }

    /// Starts it; its output goes to files.
    func start(_ arguments: [String], environment: [String: String] = [:]) throws -> RunningProgram {
        try RunningProgram(self, arguments, Self.environment(adding: environment))
    }

    /// Runs it to its end.
    func run(_ arguments: [String], environment: [String: String] = [:], within limit: Duration = .seconds(60)) async throws -> Outcome {
        try await start(arguments, environment: environment).finish(within: limit)
    }
}

/// A program that runs, or has run. Killed when this goes.
final class RunningProgram: Sendable {
    private let process: Mutex<Process>
    private let ended = Gate()
    private let folder: String
    let name: String

    convenience init(_ program: BuiltProgram, _ arguments: [String], _ environment: [String: String]) throws {
        try self.init(path: program.path, arguments, environment)
    }

    init(path: String, _ arguments: [String], _ environment: [String: String]) throws {
        name = "\(path.split(separator: "/").last ?? "") \(arguments.joined(separator: " "))"
        var template = Array("/tmp/manta-run-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw DidNotHappen(description: "no temporary folder for \(name)") }
        folder = String(decoding: template.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        let process = Process()
        // A line is seen when it is printed, although it goes to a file.
        process.executableURL = URL(filePath: "/usr/bin/stdbuf")
        process.arguments = ["-oL", path] + arguments
        process.environment = environment
        process.currentDirectoryURL = BuiltProgram.project
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try Self.file("\(folder)/output")
        process.standardError = try Self.file("\(folder)/errors")
        process.terminationHandler = { [ended] _ in ended.open() }
        self.process = Mutex(process)
        try process.run()
    }

    deinit {
        if !ended.isOpen { signal(SIGKILL) }
        try? FileManager.default.removeItem(atPath: folder)
    }

    var pid: Int32 { process.withLock { $0.processIdentifier } }
    var output: String { (try? String(contentsOfFile: "\(folder)/output", encoding: .utf8)) ?? "" }
    var errors: String { (try? String(contentsOfFile: "\(folder)/errors", encoding: .utf8)) ?? "" }
    var hasEnded: Bool { ended.isOpen }

    func signal(_ number: Int32) { kill(pid, number) }

    /// Waits for its end.
    func finish(within limit: Duration) async throws -> Outcome {
        do { try await ended.wait(within: limit) } catch {
            signal(SIGKILL)
            throw DidNotHappen(description: "\(name) did not end within \(limit); output:\n\(output)\n\(errors)")
        }
        return Outcome(status: process.withLock { $0.terminationStatus }, output: output, errors: errors)
    }

    private static func file(_ path: String) throws -> FileHandle {
        guard FileManager.default.createFile(atPath: path, contents: nil) else { throw DidNotHappen(description: "\(path) cannot be written") }
        return try FileHandle(forWritingTo: URL(filePath: path))
    }
}
