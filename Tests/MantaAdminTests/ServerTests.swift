// ServerTests: the admin API over a real connection: which hosts it serves, sizes, files, and the live events.

import Foundation
import MantaAdmin
import MantaHTTP
import MantaJSON
import MantaLoop
import MantaModel
import MantaWire
import Synchronization
import Testing

/// A server on a port of its own, with a loop of its own.
final class RunningServer: Sendable {
    let loop = EventLoop(name: "admin-test")
    let server: AdminServer

    init(_ cluster: FakeCluster, _ configuration: AdminConfiguration = AdminConfiguration(port: 0)) throws {
        server = try AdminServer(configuration: configuration, source: cluster, loop: loop, clock: { now })
        loop.start()
    }

    func stop() async {
        let server = server
        await loop.perform { server.stop() }
        loop.stop()
        loop.join()
    }

    /// Sends bytes and returns what comes until `isEnough` or the connection ends; ten seconds at most.
    func exchange(_ bytes: [UInt8], until isEnough: @escaping @Sendable (String) -> Bool = { _ in false }) async -> String {
        let port = UInt16(server.port)
        return await withCheckedContinuation { continuation in
            // Blocking calls must not take the threads that the server's handlers run on.
            Thread.detachNewThread { continuation.resume(returning: Self.talk(port, bytes, isEnough)) }
        }
    }

    func get(_ path: String, host: String? = nil, headers: String = "") async -> String {
        await exchange(Array("GET \(path) HTTP/1.1\r\nHost: \(host ?? "127.0.0.1:\(server.port)")\r\nConnection: close\r\n\(headers)\r\n".utf8))
    }

    private static func talk(_ port: UInt16, _ bytes: [UInt8], _ isEnough: (String) -> Bool) -> String {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        guard connected == 0 else { return "no connection" }
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count <= 0 { break }  // the server may refuse before it has read everything
            sent += count
        }
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let deadline = Date(timeIntervalSinceNow: 10)
        while Date() < deadline {
            var poller = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&poller, 1, 200) > 0 else { continue }
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { break }
            answer += buffer[..<count]
            if isEnough(String(decoding: answer, as: UTF8.self)) { break }
        }
        return String(decoding: answer, as: UTF8.self)
    }
}

struct ServerTests {
    @Test func onlyOurOwnNamesAreServed() async throws {
        let running = try RunningServer(FakeCluster())
        let port = running.server.port
        for host in ["localhost:\(port)", "127.0.0.1:\(port)", "[::1]:\(port)", "LOCALHOST:\(port)"] {
            #expect(await running.get("/api/v1/version", host: host).hasPrefix("HTTP/1.1 200"))
        }
        for host in [
            "evil.com:\(port)", "localhost.evil.com:\(port)", "127.0.0.1.nip.io:\(port)", "[::ffff:127.0.0.1]:\(port)", "localhost.:\(port)", "localhost:1", "localhost", "0.0.0.0:\(port)",
        ] {
            let answer = await running.get("/api/v1/version", host: host)
            #expect(answer.hasPrefix("HTTP/1.1 421") || answer.hasPrefix("HTTP/1.1 400"), "\(host): \(answer.prefix(40))")
        }
        await running.stop()
    }

    @Test func errorsCarryTheRequestsIdentifier() async throws {
        let running = try RunningServer(FakeCluster())
        let answer = await running.get("/api/v1/nodes/x", headers: "X-Request-ID: abc-123\r\n")
        #expect(answer.hasPrefix("HTTP/1.1 404"))
        let body = try JSONValue.parse(String(answer.split(separator: "\r\n\r\n", maxSplits: 1)[1]))
        #expect(body["code"] == "notFound")
        #expect(body["requestId"] == "abc-123")
        await running.stop()
    }

    @Test func tooLargeABodyIsRefused() async throws {
        let running = try RunningServer(FakeCluster())
        let head = "PUT /api/v1/endpoints/e/traffic HTTP/1.1\r\nHost: localhost:\(running.server.port)\r\nContent-Type: application/json\r\n"
        let known = await running.exchange(Array("\(head)Content-Length: 2097152\r\n\r\n".utf8)) { $0.contains("\r\n\r\n") }
        #expect(known.hasPrefix("HTTP/1.1 413"))
        let chunk = "10000\r\n" + String(repeating: " ", count: 65_536) + "\r\n"
        let chunked = await running.exchange(Array("\(head)Transfer-Encoding: chunked\r\n\r\n\(String(repeating: chunk, count: 20))0\r\n\r\n".utf8)) { $0.contains("\r\n\r\n") }
        #expect(chunked.hasPrefix("HTTP/1.1 413"))
        await running.stop()
    }

    @Test func filesAreServedOnceUntilTheyChange() async throws {
        let web = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../web").standardizedFileURL.path
        let running = try RunningServer(FakeCluster(), AdminConfiguration(port: 0, webFolder: web))
        let page = await running.get("/")
        #expect(page.hasPrefix("HTTP/1.1 200"))
        #expect(page.contains("Content-Security-Policy: default-src 'none'"))
        for name in try FileManager.default.contentsOfDirectory(atPath: web) {
            #expect(await running.get("/\(name)").hasPrefix("HTTP/1.1 200"), "\(name) is not in the list of files")
        }
        let tag = try #require(page.split(separator: "\r\n").first { $0.hasPrefix("ETag: ") })
        #expect(await running.get("/", headers: "If-None-Match: \(tag.dropFirst(6))\r\n").hasPrefix("HTTP/1.1 304"))
        #expect(await running.get("/Package.swift").hasPrefix("HTTP/1.1 404"))
        #expect(await running.get("/..%2fPackage.swift").hasPrefix("HTTP/1.1 400"))
        await running.stop()
    }

    @Test func listenersGetASnapshotAndThenChanges() async throws {
        let cluster = FakeCluster()
        let first = ActorID(high: 0, low: 1), second = ActorID(high: 0, low: 2)
        cluster.set { $0.state.head.actors = [actorRow(first, name: "one")] }
        let running = try RunningServer(cluster)
        let request = "GET /api/v1/events?tables=actors HTTP/1.1\r\nHost: localhost:\(running.server.port)\r\n\r\n"
        let isChanged = Atomic(false)
        let text = await running.exchange(Array(request.utf8)) { text in
            if text.contains("\"snapshot\""), !isChanged.exchange(true, ordering: .relaxed) {
                cluster.set { $0.state.head.actors = [actorRow(second, name: "two")] }
            }
            return text.contains("\"removed\"")
        }
        #expect(text.contains("Content-Type: text/event-stream"))
        #expect(text.contains("event: cluster\n"))
        #expect(text.contains("event: actors\ndata: {\"snapshot\":[{\"id\":\"\(first)\""))
        #expect(text.contains("{\"changed\":[{\"id\":\"\(second)\""))
        #expect(text.contains("\"removed\":[\"\(first)\"]"))
        await running.stop()
    }

    @Test func onlyWhatIsFollowedIsListedAndObjectsAreCountedNowAndThen() async throws {
        let cluster = FakeCluster()
        let running = try RunningServer(cluster)
        let request = Array("GET /api/v1/events?tables=actors HTTP/1.1\r\nHost: localhost:\(running.server.port)\r\n\r\n".utf8)
        _ = await running.exchange(request) { $0.components(separatedBy: "event: cluster").count > 2 }
        let queries = cluster.queries
        #expect(queries.filter { $0.limit > 0 }.allSatisfy { Set($0.tables) == [.nodes, .actors, .errors] })
        #expect(queries.contains { $0.limit == 0 && $0.tables.contains(.tasks) && !$0.tables.contains(.actors) })
        #expect(queries.count { $0.tables.contains(.objects) } == 1, "two looks a second apart ask once")
        await running.stop()
    }

    @Test func aClusterThatCannotBeReadEndsTheStreams() async throws {
        let cluster = FakeCluster()
        let running = try RunningServer(cluster)
        let request = Array("GET /api/v1/events?tables=nodes HTTP/1.1\r\nHost: localhost:\(running.server.port)\r\n\r\n".utf8)
        // It ends by itself: the other side does not hang up before.
        let text = await running.exchange(request) { text in
            if text.contains("snapshot") { cluster.set { $0.failure = MantaError(.unavailable, "the head is gone") } }
            return false
        }
        #expect(text.contains("event: nodes\n"))
        #expect(await running.exchange(request) { $0.contains("Retry-After") }.hasPrefix("HTTP/1.1 503"))
        await running.stop()
    }

    @Test func badTablesAreNamed() async throws {
        let running = try RunningServer(FakeCluster())
        #expect(await running.get("/api/v1/events?tables=nodes,secrets").hasPrefix("HTTP/1.1 400"))
        await running.stop()
    }

    @Test func theWorldIsNotServedWithoutAToken() throws {
        for token in [nil, "short", "with spaces in between it"] {
            #expect(throws: MantaError.self) { try AdminConfiguration(host: "0.0.0.0", port: 0, token: token).check() }
        }
        try AdminConfiguration(host: "0.0.0.0", port: 0, token: AccessTests.token).check()
    }
}
