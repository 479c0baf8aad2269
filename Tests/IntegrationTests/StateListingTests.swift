// What a program can ask of its cluster: the tables of nodes, tasks, actors and errors, with the conditions of the admin API.

import Manta
import MantaModel
import MantaTestKit
import MantaWire
import MantaWorker
import Testing

extension SharedClusterTests {
@Suite(.serialized) struct StateListingTests {
    @Test func nodesAndResourcesAreListed() async throws {
        let nodes = try await Manta.nodes()
        let node = try #require(nodes.first)
        #expect(nodes.count == 1 && nodes.total == 1 && nodes.states == ["alive": 1])
        #expect(node.labels?[NodeLabel.node] == node.id.description && node.labels?[NodeLabel.host] == node.host)
        let resources = try await Manta.resources()
        #expect(resources.total["disk"] == 2 && resources.total[Resources.cpu] == 2 && resources.total.covers(resources.available))
        let job = try Manta.context.job
        #expect(try await Manta.jobs(where: ["state=running"]).contains { $0.id == job })
    }

    @Test func tasksOfThisProcessAreListedAtOnceWithTheirErrors() async throws {
        let reference = failing.options(retries: 0).remote(77_077)
        await #expect(throws: Trouble.broken(code: 77_077)) { try await reference.value }
        let failed = try await Manta.tasks(where: ["state=failed", .equal("job", "\(try Manta.context.job)")])
        let row = try #require(failed.first { $0.error?.contains("77077") == true })
        #expect(try await Manta.tasks(where: [.notEqual("id", "\(row.id)")], limit: 10_000).allSatisfy { $0.id != row.id })
        try await eventually("the error in the list", within: .seconds(30)) { try await Manta.errors().contains { $0.message.contains("77077") } }
    }

    @Test func actorsArePagedAndNamedOnesFound() async throws {
        let named = Counter.options(name: "listed", namespace: "listing").remote()
        let others = (0..<3).map { _ in Counter.remote() }
        _ = try await named.increment().value
        for other in others { _ = try await other.increment().value }
        let first = try await Manta.actors(where: ["state=alive"], limit: 2)
        #expect(first.count == 2 && first.total >= 4 && first.hasMore)
        let second = try await Manta.actors(where: ["state=alive"], limit: 2, after: first.last?.id)
        #expect(Set(first.map(\.id)).isDisjoint(with: second.map(\.id)))
        #expect(try await Manta.namedActors(allNamespaces: true).contains { $0.name == "listed" && $0.namespace == "listing" })
        #expect(try await !Manta.namedActors().contains { $0.name == "listed" })
        try await Manta.kill(named)
        #expect(try await !Manta.namedActors(allNamespaces: true).contains { $0.name == "listed" })
    }

    @Test func CORE_052_whatTasksAndTheDriverDoIsSeen() async throws {
        let runtime = try #require(CurrentRuntime.get() as? Runtime)
        let numbers = [Float](repeating: 0, count: 8 << 20)
        let result = visible.remote(numbers)
        let kept = try await Manta.span("the driver's own") { try await result.value.count }
        #expect(kept == numbers.count)
        let task = result.id.task
        func seen(_ spans: [WorkSpan]) -> Set<String> { Set(spans.map(\.title)) }
        try await eventually("its spans at the head", within: .seconds(30)) {
            let spans = try await runtime.head(QuerySpans()).spans
            let own = spans.filter { $0.task == nil && $0.process == runtime.process && $0.job == runtime.job }
            return seen(spans.filter { $0.task == task }).isSuperset(of: ["arguments", "waits", "get", "wait", "computes", "put", "results"])
                && seen(own).isSuperset(of: ["the driver's own", "get"])
        }
        let spans = try await runtime.head(QuerySpans()).spans.filter { $0.task == task }
        let outer = try #require(spans.first { $0.title == "waits" })
        for inner in spans where inner.kind == .get || inner.kind == .wait {
            #expect(inner.startedAt >= outer.startedAt && inner.end <= outer.end, "\(inner) lies in \(outer)")
        }
        for span in spans where span.kind != .user { #expect(span.duration >= 1_000) }
    }

    @Test func CORE_052_aSmallArgumentThatTakesLongToDecodeIsSeen() async throws {
        let runtime = try #require(CurrentRuntime.get() as? Runtime)
        let result = textLength.remote(of: Intricate(text: String(repeating: "a", count: 2_000)))
        #expect(try await result.value == 2_000)
        try await eventually("its spans at the head", within: .seconds(30)) {
            let spans = try await runtime.head(QuerySpans()).spans.filter { $0.task == result.id.task }
            return spans.map(\.kind) == [.arguments] && spans.allSatisfy { $0.duration >= 2_000 }
        }
    }

    @Test func CORE_052_aSpanChangesNothingOfItsBody() async throws {
        #expect(Manta.span("throws nothing") { 1 } == 1)
        #expect(throws: Trouble.broken(code: 5)) { try Manta.span(String(repeating: "é", count: 300)) { throw Trouble.broken(code: 5) } }
        let value = try await Manta.serially { await Manta.span("seen by nobody") { await Task.yield(); return 2 } }
        #expect(value == 2)
    }

    @Test func whatCannotBeAskedForIsRefused() async throws {
        let cases: [([RowCondition], Int, String)] = [(["state"], 1, "member=value"), (["colour=red"], 1, "colour"), ([], 0, "0 rows"), ([], 10_001, "10001 rows")]
        for (conditions, limit, part) in cases {
            let error = await #expect(throws: MantaError.self) { try await Manta.actors(where: conditions, limit: limit) }
            #expect(error?.code == .invalidArgument && error?.message.contains(part) == true, "\(String(describing: error))")
        }
        try await Manta.serially {
            let error = await #expect(throws: MantaError.self) { try await Manta.nodes() }
            #expect(error?.code == .unavailable)
        }
    }
}
}
