// ShopCluster: the cluster that the dashboard's tests look at, and an admin server for it with the checkout's pages.

import Foundation
import MantaAdmin
import MantaJSON
import MantaLoop
import MantaModel
import MantaWire
import Synchronization

final class ShopCluster: AdminSource {
    /// A name that would run as a script if the page took it for HTML.
    static let hostile = "<img src=x onerror=alert(1)>"
    static let hits = ActorID(high: 0xfeed_face, low: 1)

    struct Content: Sendable {
        var head = StateAnswer(cluster: ClusterID(high: 1, low: 2), startedAt: .now)
        var serve = ServeState()
        var arguments: JSONValue = .null
        var removed: [ActorID] = []
    }
    let content = Mutex(Content())

    init() {
        content.withLock { content in
            let time = WallTime.now
            let (job, node) = (JobID(high: 0, low: 3), NodeID(high: 7, low: 8))
            content.head.nodes = [
                NodeRow(
                    id: node, state: .alive, host: "reef-01", endpoint: "tcp://reef-01:1", pid: 1, total: Resources(["CPU": 4]), available: Resources(["CPU": 1]),
                    workers: 3, startedAt: time)
            ]
            content.head.actors = [
                ActorRow(
                    id: Self.hits, type: "Shop.Counter", name: "hits", namespace: "shop", detached: true, state: .alive, pid: 9, node: node, job: job, restarts: 0,
                    createdAt: time, death: nil, reason: nil),
                ActorRow(
                    id: ActorID(high: 1, low: 1), type: "Shop.Evil", name: Self.hostile, namespace: "shop", detached: false, state: .alive, pid: 9, node: node, job: job,
                    restarts: 0, createdAt: time, death: nil, reason: nil),
            ]
            content.head.tasks = (0..<250).map { number in
                TaskRow(
                    id: TaskID(high: 5, low: number), job: job, function: "Pi.sample(points:)", state: number % 5 == 0 ? .failed : .finished, node: node, attempt: 1,
                    submittedAt: time, startedAt: time, endedAt: time)
            }
            content.head.totals = ["nodes": 1, "actors": 2, "tasks": 100_000]
            content.head.states = ["nodes": ["alive": 1], "actors": ["alive": 2], "tasks": ["finished": 79_990, "failed": 20_000, "running": 10]]
            (content.head.resources, content.head.freeResources) = (Resources(["CPU": 4]), Resources(["CPU": 1]))
            content.serve.endpoints = [EndpointDescription(name: "classify", route: "/classify", traffic: ["v1": 0.9, "v2": 0.1])]
            content.serve.backends = ["v1", "v2", "v3"].map { name in
                BackendRow(
                    description: BackendDescription(name: name, program: Program(path: "/bin/shop"), type: "Shop.Model"),
                    status: BackendStatus(state: .healthy, ready: 1, message: ""), revision: 1)
            }
        }
    }

    /// A listing of one state shows the rows that are in it.
    func state(_ query: QueryState) async throws -> StateAnswer {
        content.withLock { content in
            var head = content.head
            for filter in query.filters ?? [] where filter.member == "state" { head.tasks.removeAll { !filter.accepts($0.stateName) } }
            return head
        }
    }
    func spans() async throws -> SpansFound { SpansFound(spans: [], dropped: 0) }
    func serve() async throws -> ServeState { content.withLock { $0.serve } }
    func setTraffic(of endpoint: String, to shares: [String: Double]) async throws { content.withLock { $0.serve.endpoints[0].traffic = shares } }
    func actor(named name: String, in namespace: String) async throws -> ActorID {
        guard name == "hits", namespace == "shop" else { throw MantaError(.notFound, "no living actor is named \"\(name)\"") }
        return Self.hits
    }
    func call(_ actor: ActorID, method: String, arguments: [UInt8]) async throws -> [[UInt8]] {
        guard method == "increment" else { throw MantaError(.unknownFunction, "Shop.Counter has no method \"\(method)\"; it has increment(by:)") }
        let value = try JSONMessagePack.decode(arguments)
        content.withLock { $0.arguments = value }
        return [JSONMessagePack.encode(["count": 42])]
    }
    func submit(_ specification: SubmissionSpecification) async throws -> SubmissionRow { throw MantaError(.unavailable, "the shop runs no programs") }
    func stopSubmission(_ id: String) async throws -> Bool { false }
    func deleteSubmission(_ id: String) async throws {}
    func submissionLog(_ id: String, offset: Int64) async throws -> SubmissionLog { SubmissionLog(bytes: [], next: offset, isComplete: true) }
    func explain(_ id: String) async throws -> [String] { ["\(id) is alive"] }
    func kill(_ actor: ActorID) async throws {
        content.withLock { content in
            content.removed.append(actor)
            content.head.actors.removeAll { $0.id == actor }
        }
    }
}

extension WallTime {
    static var now: WallTime { WallTime(milliseconds: Int64(Date().timeIntervalSince1970 * 1000)) }
}

/// Shows the dashboard of a cluster in a browser, and runs `steps` on a thread of their own, since they block. Fails when the page complained.
func withDashboard(
    _ page: String = "", of cluster: ShopCluster = ShopCluster(), token: String? = nil, complaints allowed: @escaping @Sendable (String) -> Bool = { _ in false },
    _ steps: @escaping @Sendable (Browser, AdminServer, EventLoop) throws -> Void
) async throws {
    let web = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../web").standardizedFileURL.path
    let loop = EventLoop(name: "browser-test")
    let server = try AdminServer(configuration: AdminConfiguration(port: 0, token: token, webFolder: web), source: cluster, loop: loop, clock: { .now })
    loop.start()
    let outcome: Result<[String], any Error> = await withCheckedContinuation { continuation in
        Thread.detachNewThread {
            continuation.resume(
                returning: Result {
                    let browser = try Browser(server.url + page)
                    defer { browser.end() }
                    try steps(browser, server, loop)
                    return browser.complaints
                })
        }
    }
    await loop.perform { server.stop() }
    loop.stop()
    loop.join()
    let complaints = try outcome.get().filter { !allowed($0) }
    if !complaints.isEmpty { throw Browser.Failure(description: "the page complained: \(complaints)") }
}
