// Timeline: the records of tasks as a trace that Perfetto (ui.perfetto.dev) and Chrome (chrome://tracing) show: a process for each node, threads for each of its
// workers, a slice for each task or call that began. Pure: rows in, a document out.
//
// | event | of |
// | --- | --- |
// | slice (`X`), category `task` or `call` | what a worker ran, from its start to its end, or to now; its arguments say the rest of the record |
// | span (`b`, `e`), category `waiting` | from the submission to the start, or to the end of what never began; in the process `not placed` when it has no node |
// | arrow (`s`, `f`), category `submit` | from the slice of the task that submitted it to its own, when both are there |
// | slice (`X`), category `span` | what code did inside: inside the slice of its task, or in a thread of its process where it lies in none |
//
// What always holds: slices of one thread lie beside or inside each other, or viewers would drop them: a worker that ran several at once has several
// threads. Times of tasks are to the millisecond, since their records are, and spans inside are cut to them; what took less than a microsecond is one long,
// so that it is seen.

package import MantaJSON
package import MantaModel

package enum Timeline {
    /// - Parameters:
    ///   - spans: those of other tasks, and of jobs that have none of the tasks, are left out.
    ///   - nodes: for the names of their machines; those that are missing have only their identifiers.
    ///   - now: until when what has not ended is drawn.
    package static func trace(of tasks: [TaskRow], with spans: [WorkSpan] = [], on nodes: [NodeRow], now: WallTime) -> JSONValue {
        var threads = Threads()
        var slices: [TaskID: Slice] = [:]
        var events: [JSONValue] = []
        // By their starts: each goes to the first thread of its worker that is free.
        let begun = tasks.filter { $0.startedAt != nil }.sorted { ($0.startedAt!, $0.id) < ($1.startedAt!, $1.id) }
        for task in begun {
            guard let startedAt = task.startedAt else { continue }
            let start = microseconds(startedAt)
            let end = max(start + 1, microseconds(task.endedAt ?? max(now, startedAt)))
            let thread = threads.thread(of: task.worker, on: task.node, from: start, to: end)
            slices[task.id] = Slice(thread: thread, worker: task.worker, start: start, end: end)
            events.append([
                "ph": "X", "cat": task.actor == nil ? "task" : "call", "name": .string(task.name ?? task.function), "pid": JSONValue(thread.process),
                "tid": JSONValue(thread.number), "ts": .integer(start), "dur": .integer(end - start), "args": arguments(of: task),
            ])
        }
        for task in tasks {
            let end = slices[task.id]?.start ?? microseconds(task.endedAt ?? now)
            events += waiting(task, until: end, in: slices[task.id]?.thread.process ?? threads.process(of: task.node))
            if let slice = slices[task.id], let parent = task.parent.flatMap({ slices[$0] }) {
                let submission = min(max(microseconds(task.submittedAt), parent.start), parent.end)
                let id = JSONValue.string(task.id.description)
                events.append([
                    "ph": "s", "cat": "submit", "name": "submit", "id": id, "pid": JSONValue(parent.thread.process), "tid": JSONValue(parent.thread.number),
                    "ts": .integer(submission),
                ])
                events.append([
                    "ph": "f", "bp": "e", "cat": "submit", "name": "submit", "id": id, "pid": JSONValue(slice.thread.process), "tid": JSONValue(slice.thread.number),
                    "ts": .integer(slice.start),
                ])
            }
        }
        events += inside(slices, of: tasks, spans, &threads)
        return ["displayTimeUnit": "ms", "traceEvents": .array(threads.names(nodes) + events)]
    }

    // MARK: Spans

    fileprivate struct Slice {
        var thread: Threads.Thread
        var worker: ProcessID?
        var start: Int64
        var end: Int64
    }

    /// Spans of the tasks and their jobs: the outer ones before those inside of them.
    private static func inside(_ slices: [TaskID: Slice], of tasks: [TaskRow], _ spans: [WorkSpan], _ threads: inout Threads) -> [JSONValue] {
        let (known, jobs) = (Set(tasks.map(\.id)), Set(tasks.map(\.job)))
        let wanted = spans.filter { span in span.task.map(known.contains) ?? jobs.contains(span.job) }
        var open: [TaskID: [Int64]] = [:]
        return wanted.sorted { ($0.startedAt, $1.duration) < ($1.startedAt, $0.duration) }.map { span in
            if let task = span.task, let slice = slices[task], slice.worker == span.process, let (start, end) = place(span, in: slice, beside: &open[task, default: []]) {
                return event(span, on: slice.thread, start, end)
            }
            let end = span.startedAt + max(1, span.duration)
            return event(span, on: threads.thread(of: span.process, on: span.node, from: span.startedAt, to: end, isOfSpans: true), span.startedAt, end)
        }
    }

    /// Where a span lies in the slice of its task; nil when it is none of that attempt, or crosses one that began before.
    /// - Parameter open: the ends of the spans before it that lie around each other, the outer ones first.
    private static func place(_ span: WorkSpan, in slice: Slice, beside open: inout [Int64]) -> (start: Int64, end: Int64)? {
        // Where a task begins and ends is known to the millisecond.
        guard span.startedAt >= slice.start - 1_000, span.startedAt <= slice.end + 2_000 else { return nil }
        let start = max(slice.start, min(span.startedAt, slice.end - 1))
        let end = min(slice.end, start + max(1, span.duration))
        while let last = open.last, last <= start { open.removeLast() }
        if let last = open.last, end > last { return nil }
        open.append(end)
        return (start, end)
    }

    private static func event(_ span: WorkSpan, on thread: Threads.Thread, _ start: Int64, _ end: Int64) -> JSONValue {
        var arguments: JSONValue = ["kind": .string(span.kind.rawValue), "job": .string(span.job.description)]
        if let task = span.task { arguments["task"] = .string(task.description) }
        return [
            "ph": "X", "cat": "span", "name": .string(span.title), "pid": JSONValue(thread.process), "tid": JSONValue(thread.number), "ts": .integer(start),
            "dur": .integer(end - start), "args": arguments,
        ]
    }

    private static func waiting(_ task: TaskRow, until end: Int64, in process: Int) -> [JSONValue] {
        let start = microseconds(task.submittedAt)
        guard start < end else { return [] }
        return [("b", start), ("e", end)].map { phase, time in
            [
                "ph": .string(phase), "cat": "waiting", "name": .string(task.name ?? task.function), "id": .string(task.id.description), "pid": JSONValue(process),
                "tid": 0, "ts": .integer(time), "args": phase == "b" ? arguments(of: task) : [:],
            ]
        }
    }

    private static func arguments(of task: TaskRow) -> JSONValue {
        var value: JSONValue = [
            "task": .string(task.id.description), "function": .string(task.function), "job": .string(task.job.description), "state": .string(task.state.rawValue),
            "attempt": JSONValue(task.attempt),
        ]
        if let actor = task.actor { value["actor"] = .string(actor.description) }
        if let parent = task.parent { value["parent"] = .string(parent.description) }
        if let placement = task.placement { value["placement"] = .string(placement.rawValue) }
        if let error = task.error { value["error"] = .string(error) }
        return value
    }

    private static func microseconds(_ time: WallTime) -> Int64 { time.milliseconds * 1000 }
}

/// The processes and threads of a trace, which are numbers there: nodes, and lanes of workers in which one thing runs after the other.
private struct Threads {
    struct Thread {
        var process: Int
        var number: Int
    }
    private struct Lane {
        var number: Int
        var end: Int64
    }
    private struct Place: Hashable {
        var node: NodeID?
        var worker: ProcessID?
        var isOfSpans = false
    }

    /// The process 0 has what is on no node.
    private var processes: [NodeID: Int] = [:]
    private var lanes: [Place: [Lane]] = [:]
    private var titles: [(thread: Thread, title: String)] = []

    mutating func process(of node: NodeID?) -> Int {
        guard let node else { return 0 }
        if let known = processes[node] { return known }
        processes[node] = processes.count + 1
        return processes.count
    }

    /// The first lane of the worker that is free then.
    /// - Parameter isOfSpans: for what lies in no task, or crosses another part of its task.
    mutating func thread(of worker: ProcessID?, on node: NodeID?, from start: Int64, to end: Int64, isOfSpans: Bool = false) -> Thread {
        let process = process(of: node)
        let place = Place(node: node, worker: worker, isOfSpans: isOfSpans)
        if let free = lanes[place]?.firstIndex(where: { $0.end <= start }) {
            lanes[place]![free].end = end
            return Thread(process: process, number: lanes[place]![free].number)
        }
        let thread = Thread(process: process, number: titles.count + 1)
        lanes[place, default: []].append(Lane(number: thread.number, end: end))
        let (name, count) = (worker.map { "\(isOfSpans ? "process" : "worker") \($0.short)" } ?? "an unknown worker", lanes[place]!.count)
        titles.append((thread, count == 1 ? name : "\(name) (\(count))"))
        return thread
    }

    /// The events that name them.
    func names(_ nodes: [NodeRow]) -> [JSONValue] {
        let hosts = Dictionary(nodes.map { ($0.id, $0.host) }) { first, _ in first }
        var events = [Self.name("process_name", 0, nil, "not placed")]
        for (node, number) in processes.sorted(by: { $0.value < $1.value }) {
            events.append(Self.name("process_name", number, nil, "node \(node.short)\(hosts[node].map { " on \($0)" } ?? "")"))
        }
        return events + titles.map { Self.name("thread_name", $0.thread.process, $0.thread.number, $0.title) }
    }

    private static func name(_ event: String, _ process: Int, _ thread: Int?, _ name: String) -> JSONValue {
        ["ph": "M", "name": .string(event), "pid": JSONValue(process), "tid": JSONValue(thread ?? 0), "args": ["name": .string(name)]]
    }
}
