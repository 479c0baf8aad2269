// Platform: a whole cluster, started by the command line on ports and in a folder of its own, and driven only from outside.
//
// `stop()` ends everything; what it leaves running fails the test.

import Foundation
import MantaJSON
import MantaTestKit
import PlainHTTP
import Testing

final class Platform: Sendable {
    let port: UInt16
    let adminPort: UInt16
    let httpPort: UInt16
    let folder: String

    /// Chooses free ports; nothing runs yet.
    init() throws {
        (port, adminPort, httpPort) = (try Self.freePort(), try Self.freePort(), try Self.freePort())
        var template = Array("/tmp/manta-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw DidNotHappen(description: "no temporary folder") }
        folder = String(decoding: template.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// Starts a cluster, unless `body` does so itself, runs `body` with it, and ends it.
    static func run(cpus: Int = 2, isStarted: Bool = true, deploying configuration: String? = nil, _ body: (Platform) async throws -> Void) async throws {
        let platform = try Platform()
        do {
            if isStarted { try await platform.startHead(cpus: cpus) }
            if let configuration { try await platform.deploy(configuration) }
            try await body(platform)
        } catch {
            let logs = platform.logs
            try? await platform.stop()
            throw DidNotHappen(description: "\(error)\n\(logs)")
        }
        try await platform.stop()
    }

    var address: String { "tcp://127.0.0.1:\(port)" }
    var environment: [String: String] {
        ["MANTA_ADDRESS": address, "MANTA_RUNTIME_DIRECTORY": folder, "HOME": folder, "XDG_STATE_HOME": "\(folder)/state"]
    }

    // MARK: The command line

    /// Runs `manta` with the arguments; fails unless it ends well.
    @discardableResult
    func manta(_ arguments: String..., within limit: Duration = .seconds(60)) async throws -> String {
        let outcome = try await attempt(arguments, within: limit)
        guard outcome.status == 0 else { throw DidNotHappen(description: "manta \(arguments.joined(separator: " ")): \(outcome)") }
        return outcome.output
    }

    func attempt(_ arguments: [String], within limit: Duration = .seconds(60)) async throws -> Outcome {
        try await BuiltProgram.manta.run(arguments, environment: environment, within: limit)
    }

    func startHead(cpus: Int = 2) async throws {
        try await manta("start", "--head", "--port", "\(port)", "--admin-port", "\(adminPort)", "--http-port", "\(httpPort)", "--cpus", "\(cpus)")
    }

    func list(_ table: String) async throws -> [JSONValue] {
        try JSONValue.parse(try await manta("list", table, "--output", "json")).array ?? []
    }

    /// Writes a configuration and deploys it.
    func deploy(_ configuration: String) async throws {
        let file = "\(folder)/serve.yaml"
        try configuration.write(toFile: file, atomically: true, encoding: .utf8)
        try await manta("serve", "deploy", file)
    }

    /// The process of a role, as `manta start` recorded it.
    func process(_ role: String) throws -> Int32 {
        let records = "\(folder)/\(port)/processes"
        for name in try FileManager.default.contentsOfDirectory(atPath: records) {
            let record = try JSONValue.parse(try String(contentsOfFile: "\(records)/\(name)", encoding: .utf8))
            if record["role"].string == role, let pid = Int32(name) { return pid }
        }
        throw DidNotHappen(description: "no process of the role \(role) is recorded")
    }

    // MARK: HTTP

    func http(_ method: String, _ path: String, headers: [(name: String, value: String)] = [], body: String = "") async throws -> HTTPAnswer {
        try await onThread { [httpPort] in try HTTPConnection(host: "127.0.0.1", port: httpPort).request(method, path, headers: headers, body: Array(body.utf8)) }
    }

    /// Sends bytes as they are and returns the answer, and whether the server then closed the connection.
    func raw(_ text: String) async throws -> (answer: HTTPAnswer, isClosed: Bool) {
        try await onThread { [httpPort] in
            let connection = try HTTPConnection(host: "127.0.0.1", port: httpPort, timeout: 5)
            try connection.send(Array(text.utf8))
            return (try connection.answer(), connection.isClosedByServer())
        }
    }

    /// A request to the admin API, with a JSON body if there is one.
    func admin(_ method: String, _ path: String, _ body: JSONValue? = nil) async throws -> (status: Int, value: JSONValue) {
        let answer = try await onThread { [adminPort] in
            try HTTPConnection(host: "127.0.0.1", port: adminPort).request(
                method, "/api/v1/\(path)", headers: body == nil ? [] : [("Content-Type", "application/json")], body: body.map { Array("\($0)".utf8) } ?? [])
        }
        return (answer.status, answer.body.isEmpty ? .null : try JSONValue.parse(answer.body))
    }

    /// Waits until a GET or POST is answered with the status.
    func ready(_ method: String, _ path: String, body: String = "", status: Int = 200) async throws {
        try await eventually("\(method) \(path) answered with \(status)", within: .seconds(20), poll: .milliseconds(20)) {
            (try? await self.http(method, path, body: body))?.status == status
        }
    }

    // MARK: The end

    func stop() async throws {
        _ = try await attempt(["stop", "--port", "\(port)"])
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await eventually("the end of every process of the cluster", within: .seconds(15)) { self.leftovers.isEmpty }
    }

    /// Processes that carry this cluster's folder in their environment.
    var leftovers: [Int32] {
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return entries.compactMap { Int32($0) }.filter { pid in
            guard pid != getpid(), let variables = kernelFile("/proc/\(pid)/environ") else { return false }
            return variables.range(of: Data("MANTA_RUNTIME_DIRECTORY=\(folder)".utf8)) != nil
        }
    }

    /// The ends of all log files, for a failed test.
    var logs: String {
        guard let files = FileManager.default.enumerator(atPath: folder) else { return "" }
        var text = ""
        for case let name as String in files where [".out", ".err", ".log"].contains(where: name.hasSuffix) {
            let content = (try? String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)) ?? ""
            text += "--- \(name)\n\(content.suffix(2000))\n"
        }
        return text
    }

    /// A port that nobody listens on now.
    private static func freePort() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0 }
        }
        guard isBound else { throw DidNotHappen(description: "no free port") }
        return UInt16(bigEndian: address.sin_port)
    }
}

/// A file of the kernel's, whole: it tells no size, so reading by size would end after the first piece.
func kernelFile(_ path: String) -> Data? { try? FileHandle(forReadingAtPath: path)?.readToEnd() }

/// Runs blocking code on a thread of its own, so that it holds up nobody else.
func onThread<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Swift.Result { try body() }) }
    }
}
