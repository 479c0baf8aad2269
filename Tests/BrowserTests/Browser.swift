// Browser: a headless Chromium that tests steer through two pipes with its DevTools protocol: JSON messages that end with a NUL.
//
// It has a profile folder of its own and ends with its test, whatever happened.

import Foundation
import Synchronization
import Testing

final class Browser: Sendable {
    /// The first of the usual names that is installed.
    static let executable: String? = ["chromium", "chromium-browser", "google-chrome"].lazy
        .flatMap { name in (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/\(name)" } }
        .first { FileManager.default.isExecutableFile(atPath: $0) }

    struct Failure: Error, CustomStringConvertible { var description: String }

    private let pid: pid_t
    private let input: Int32
    private let output: Int32
    private let profile: URL
    private let state = Mutex(State())
    private let session: String

    fileprivate struct State {
        var number = 0
        var received: [UInt8] = []
        /// Exceptions and errors that the page's console showed.
        var complaints: [String] = []
    }

    /// Opens a page.
    init(_ url: String, width: Int = 1280, height: Int = 900) throws {
        let executable = try #require(Self.executable)
        profile = FileManager.default.temporaryDirectory.appending(path: "manta-browser-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: profile, withIntermediateDirectories: true)
        var toBrowser: [Int32] = [0, 0], fromBrowser: [Int32] = [0, 0]
        guard pipe(&toBrowser) == 0, pipe(&fromBrowser) == 0 else { throw Failure(description: "no pipes") }
        for descriptor in [toBrowser[1], fromBrowser[0]] { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        // The pipes' ends may be 3 and 4 already, in the other order.
        let (high0, high1) = (fcntl(toBrowser[0], F_DUPFD_CLOEXEC, 100), fcntl(fromBrowser[1], F_DUPFD_CLOEXEC, 100))
        posix_spawn_file_actions_adddup2(&actions, high0, 3)
        posix_spawn_file_actions_adddup2(&actions, high1, 4)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        let arguments = [
            executable, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-pipe", "--user-data-dir=\(profile.path)",
            "--window-size=\(width),\(height)", "about:blank",
        ]
        var child: pid_t = 0
        var pointers = arguments.map { strdup($0) } + [nil]
        let result = posix_spawn(&child, executable, &actions, &attributes, &pointers, environ)
        for pointer in pointers { free(pointer) }
        for descriptor in [toBrowser[0], fromBrowser[1], high0, high1] { close(descriptor) }
        guard result == 0 else { throw Failure(description: "\(executable): \(String(cString: strerror(result)))") }
        (pid, input, output) = (child, toBrowser[1], fromBrowser[0])
        session = try Self.attach(input: input, output: output, state: state)
        _ = try send("Runtime.enable")
        _ = try send("Log.enable")
        _ = try send("Page.navigate", ["url": url])
    }

    private static func attach(input: Int32, output: Int32, state: borrowing Mutex<State>) throws -> String {
        let target = try exchange("Target.createTarget", ["url": "about:blank"], nil, input, output, state)
        let attached = try exchange("Target.attachToTarget", ["targetId": target["targetId"] as? String ?? "", "flatten": true], nil, input, output, state)
        guard let session = attached["sessionId"] as? String else { throw Failure(description: "the browser gave no session: \(attached)") }
        return session
    }

    func end() {
        close(input)
        kill(-pid, SIGKILL)  // its helpers are in its group
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        close(output)
        // A helper may write once more before it is gone.
        let deadline = Date(timeIntervalSinceNow: 5)
        while FileManager.default.fileExists(atPath: profile.path), Date() < deadline {
            try? FileManager.default.removeItem(at: profile)
            poll(nil, 0, 20)
        }
    }

    var complaints: [String] { state.withLock { $0.complaints } }

    /// The value of a JavaScript expression.
    func evaluate(_ expression: String) throws -> Any? {
        let answer = try send("Runtime.evaluate", ["expression": expression, "returnByValue": true, "awaitPromise": true])
        if let exception = answer["exceptionDetails"] { throw Failure(description: "\(expression): \(exception)") }
        return (answer["result"] as? [String: Any])?["value"]
    }

    /// Waits until the expression is true.
    func expect(_ expression: String, within seconds: Double = 20, _ location: SourceLocation = #_sourceLocation) throws {
        let deadline = Date(timeIntervalSinceNow: seconds)
        while Date() < deadline {
            // The page looks every 50 ms for a second, so this side need not.
            let probe = "new Promise(done => { let left = 20; (function look() { let is = false; try { is = !!(\(expression)) } catch {} is || !left-- ? done(is) : setTimeout(look, 50) })() })"
            if try evaluate(probe) as? Bool == true { return }
        }
        let text = try evaluate("document.body.innerText") as? String ?? ""
        Issue.record("never true: \(expression)\n\(text.prefix(1500))\n\(complaints)", sourceLocation: location)
    }

    private func send(_ method: String, _ parameters: [String: Any] = [:]) throws -> [String: Any] {
        try Self.exchange(method, parameters, session, input, output, state)
    }

    /// Sends one command and reads until its answer; what comes before are events.
    private static func exchange(
        _ method: String, _ parameters: [String: Any], _ session: String?, _ input: Int32, _ output: Int32, _ state: borrowing Mutex<State>
    ) throws -> [String: Any] {
        let number = state.withLock { state in
            state.number += 1
            return state.number
        }
        var message: [String: Any] = ["id": number, "method": method, "params": parameters]
        message["sessionId"] = session
        var bytes = [UInt8](try JSONSerialization.data(withJSONObject: message)) + [0]
        while !bytes.isEmpty {
            let count = write(input, bytes, bytes.count)
            guard count > 0 else { throw Failure(description: "the browser is gone") }
            bytes.removeFirst(count)
        }
        let deadline = Date(timeIntervalSinceNow: 30)
        while true {
            while let received = state.withLock({ $0.next() }) {
                guard let answer = try JSONSerialization.jsonObject(with: Data(received)) as? [String: Any] else { continue }
                if answer["id"] as? Int == number {
                    if let error = answer["error"] { throw Failure(description: "\(method): \(error)") }
                    return answer["result"] as? [String: Any] ?? [:]
                }
                state.withLock { $0.note(answer) }
            }
            var poller = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
            guard Date() < deadline, poll(&poller, 1, 1000) >= 0 else { throw Failure(description: "\(method): no answer") }
            guard poller.revents != 0 else { continue }
            var buffer = [UInt8](repeating: 0, count: 65_536)
            let count = read(output, &buffer, buffer.count)
            guard count > 0 else { throw Failure(description: "the browser ended") }
            state.withLock { $0.received += buffer[..<count] }
        }
    }
}

extension Browser.State {
    fileprivate mutating func next() -> [UInt8]? {
        guard let end = received.firstIndex(of: 0) else { return nil }
        defer { received.removeFirst(end + 1) }
        return Array(received[..<end])
    }

    fileprivate mutating func note(_ event: [String: Any]) {
        let parameters = event["params"] as? [String: Any] ?? [:]
        switch event["method"] as? String {
        case "Runtime.exceptionThrown": complaints.append("\(parameters["exceptionDetails"] ?? "")")
        case "Log.entryAdded":
            let entry = parameters["entry"] as? [String: Any] ?? [:]
            if entry["level"] as? String == "error" { complaints.append("\(entry["text"] ?? "") \(entry["url"] ?? "")") }
        default: break
        }
    }
}
