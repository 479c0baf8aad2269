// TimelineTests: records of tasks as a trace: what lies where, that nothing on one thread overlaps, and what waits is seen.

import MantaAdmin
import MantaHTTP
import MantaJSON
import MantaModel
import MantaWire
import Testing

@Suite struct TimelineTests {
    private let job = JobID(high: 0, low: 1)
    private let node = NodeID(high: 0xabc << 48, low: 1)
    private let worker = ProcessID(high: 0xdef << 48, low: 1)
    private let now = WallTime(milliseconds: 2_000)

    private func task(
        _ number: UInt64, _ state: TaskState = .finished, submitted: Int64, ran: ClosedRange<Int64>? = nil, ended: Int64? = nil, parent: UInt64? = nil,
        on worker: ProcessID? = nil
    ) -> TaskRow {
        TaskRow(
            id: id(number), job: job, function: "M.f(x:)", state: state, node: ran.map { _ in node }, worker: ran.map { _ in worker ?? self.worker },
            parent: parent.map(id), attempt: 1, submittedAt: WallTime(milliseconds: submitted), startedAt: ran.map { WallTime(milliseconds: $0.lowerBound) },
            endedAt: (ended ?? ran?.upperBound).map { WallTime(milliseconds: $0) })
    }

    private func id(_ number: UInt64) -> TaskID { TaskID(high: 5, low: number) }

    private func span(_ kind: WorkSpan.Kind, _ name: String? = nil, in task: UInt64? = 1, from start: Int64, for duration: Int64, on worker: ProcessID? = nil) -> WorkSpan {
        WorkSpan(kind: kind, name: name, task: task.map(id), job: job, process: worker ?? self.worker, node: node, startedAt: start, duration: duration)
    }

    private func events(_ tasks: [TaskRow], with spans: [WorkSpan] = [], _ phase: String) -> [JSONValue] {
        let nodes = [
            NodeRow(
                id: node, state: .alive, host: "reef", endpoint: "tcp://h:1", pid: 5, total: Resources([:]), available: Resources([:]), workers: 1,
                startedAt: WallTime(milliseconds: 0))
        ]
        return (Timeline.trace(of: tasks, with: spans, on: nodes, now: now)["traceEvents"].array ?? []).filter { $0["ph"].string == phase }
    }

    @Test func CORE_052_aTaskIsASliceOfItsWorkersThreadBehindTheSpanThatItWaited() {
        let tasks = [task(1, submitted: 1_000, ran: 1_200...1_500)]
        let slice = events(tasks, "X")[0]
        #expect(slice["name"] == "M.f(x:)" && slice["cat"] == "task" && slice["ts"] == 1_200_000 && slice["dur"] == 300_000)
        #expect(slice["args"]["task"].string == id(1).description && slice["args"]["state"] == "finished" && slice["args"]["attempt"] == 1)
        let (begin, end) = (events(tasks, "b"), events(tasks, "e"))
        #expect(begin.count == 1 && end.count == 1)
        #expect(begin[0]["ts"] == 1_000_000 && end[0]["ts"] == 1_200_000 && begin[0]["id"] == end[0]["id"] && begin[0]["pid"] == slice["pid"])
        let names = events(tasks, "M").filter { $0["pid"] == slice["pid"] }
        #expect(names.map { $0["args"]["name"].string } == ["node \(node.short) on reef", "worker \(worker.short)"])
        #expect(names[1]["tid"] == slice["tid"])
    }

    @Test func whatAWorkerRanAtOnceIsOnThreadsOfItsOwn() {
        let tasks = [
            task(1, submitted: 0, ran: 100...500), task(2, submitted: 0, ran: 200...300), task(3, submitted: 0, ran: 300...400), task(4, submitted: 0, ran: 500...600),
            task(5, submitted: 0, ran: 100...600, on: ProcessID(high: 7, low: 7)),
        ]
        let slices = events(tasks, "X")
        let byThread = Dictionary(grouping: slices) { [$0["pid"], $0["tid"]] }
        #expect(byThread.count == 3)
        for lane in byThread.values {
            let sorted = lane.sorted { $0["ts"].integer! < $1["ts"].integer! }
            for (left, right) in zip(sorted, sorted.dropFirst()) { #expect(left["ts"].integer! + left["dur"].integer! <= right["ts"].integer!) }
        }
        #expect(events(tasks, "M").contains { $0["args"]["name"].string == "worker \(worker.short) (2)" })
    }

    @Test func whatHasNotEndedIsDrawnUntilNowAndWhatNeverBeganOnlyWaits() {
        var running = task(1, .running, submitted: 1_000, ran: 1_100...1_100)
        running.endedAt = nil
        let tasks = [running, task(2, .waitingForLease, submitted: 1_500), task(3, .cancelled, submitted: 1_500, ended: 1_600), task(4, submitted: 1_000, ran: 1_000...1_000)]
        #expect(events(tasks, "X").map { $0["dur"] } == [1, 900_000], "also what took no time is seen")
        let ends = Dictionary(uniqueKeysWithValues: events(tasks, "e").map { ($0["id"].string!, $0) })
        #expect(ends[id(2).description]?["ts"] == 2_000_000 && ends[id(2).description]?["pid"] == 0)
        #expect(ends[id(3).description]?["ts"] == 1_600_000)
        #expect(ends[id(4).description] == nil, "it did not wait")
    }

    @Test func anArrowLeadsFromTheTaskThatSubmittedAnother() {
        let tasks = [task(1, submitted: 0, ran: 100...500), task(2, submitted: 200, ran: 300...400, parent: 1), task(3, submitted: 200, ran: 450...460, parent: 9)]
        let (from, to) = (events(tasks, "s"), events(tasks, "f"))
        #expect(from.count == 1 && to.count == 1, "of the third the parent is not known")
        #expect(from[0]["id"] == to[0]["id"] && from[0]["ts"] == 200_000 && to[0]["ts"] == 300_000)
        #expect(from[0]["tid"] != to[0]["tid"])
    }

    @Test func CORE_052_spansLieInsideTheSliceOfTheirTask() {
        let spans = [
            span(.get, from: 1_250_000, for: 20_000), span(.user, "decode", from: 1_240_000, for: 60_000), span(.arguments, from: 1_199_600, for: 2_000),
            span(.results, from: 1_500_700, for: 1_500),
        ]
        let slices = events([task(1, submitted: 1_000, ran: 1_200...1_500)], with: spans, "X")
        #expect(slices.map(\.["name"]) == ["M.f(x:)", "arguments", "decode", "get", "results"])
        #expect(Set(slices.map(\.["tid"])).count == 1)
        #expect(slices[1]["ts"] == 1_200_000 && slices[4]["ts"] == 1_499_999 && slices[4]["dur"] == 1, "they are cut to what is known of the task")
        #expect(slices[2]["cat"] == "span" && slices[2]["args"]["kind"] == "user" && slices[2]["args"]["task"].string == id(1).description)
    }

    @Test func CORE_052_spansThatCrossOrLieInNoTaskHaveThreadsOfTheirOwn() {
        let driver = ProcessID(high: 0x123 << 48, low: 1)
        let spans = [
            span(.wait, from: 1_250_000, for: 50_000), span(.get, from: 1_280_000, for: 50_000), span(.put, in: nil, from: 1_000, for: 2_000, on: driver),
            span(.user, "first attempt", from: 1_250_000, for: 1_000, on: ProcessID(high: 9, low: 9)), span(.get, in: 7, from: 1_250_000, for: 1_000),
        ]
        let tasks = [task(1, submitted: 1_000, ran: 1_200...1_500)]
        let slices = events(tasks, with: spans, "X")
        let threads = Dictionary(uniqueKeysWithValues: slices.map { ($0["name"].string!, $0["tid"]) })
        #expect(slices.count == 5, "the task of the last is not shown")
        #expect(threads["wait"] == threads["M.f(x:)"] && Set(threads.values).count == 4)
        let names = events(tasks, with: spans, "M").map { $0["args"]["name"].string }
        #expect(names.contains("process \(driver.short)") && names.contains("process \(worker.short)") && names.contains("worker \(worker.short)"))
    }

    @Test func CORE_052_theAdminAPIHasTheTimelineOfTheTasksThatAreAskedFor() async {
        let cluster = FakeCluster()
        cluster.set { content in
            content.state.head.tasks = [task(1, submitted: 0, ran: 100...500), task(2, .failed, submitted: 0, ran: 100...200), task(3, .failed, submitted: 0, ran: 100...200)]
        }
        let api = AdminAPI(source: cluster, token: nil, files: WebFiles(folder: nil), version: "1", clock: { [now] in now })
        func slices(_ query: String) async -> Int { (await api.ask(.get, "/api/v1/timeline", query: query).json?["traceEvents"].array ?? []).count { $0["ph"] == "X" } }
        #expect(await slices("") == 3)
        #expect(await slices("state=failed") == 2)
        let inside = SpansFound(spans: [span(.get, in: 2, from: 150_000, for: 1_000)], dropped: 0)
        cluster.set { $0.spans = inside }
        #expect(await slices("state=failed") == 3)
        #expect(await slices("state=finished") == 1, "the span lies in a task that is not asked for")
        #expect(await slices("state=failed&limit=1") == 2)
        #expect(cluster.queries.contains { $0.tables == [.tasks] && $0.limit == Limits.listRows })
        #expect(await api.ask(.get, "/api/v1/timeline", query: "colour=red").failure?.code == "invalidArgument")
        #expect(await api.ask(.post, "/api/v1/timeline", json: "{}").status == 405)
    }
}
