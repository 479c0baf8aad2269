// Timeline: the records of tasks as a trace that Perfetto (ui.perfetto.dev) and Chrome (chrome://tracing) show: a process for each node, threads for each of its
// workers, a slice for each task or call that began. Pure: rows in, a document out.
//
// | event | of |
// | --- | --- |
// | slice (`X`), category `task` or `call` | what a worker ran, from its start to its end, or to now; its arguments say the rest of the record |
// | span (`b`, `e`), category `waiting` | from the submission to the start, or to the end of what never began; in the process `not placed` when it has no node |
// | arrow (`s`, `f`), category `submit` | from the slice of the task that submitted it to its own, when both are there |
//
// What always holds: slices of one thread do not overlap, which viewers would drop: a worker that ran several at once has several threads. Times are to the
// millisecond, since records are; what took less is a microsecond long, so that it is seen.

package import MantaJSON
package import MantaModel

package enum Timeline {
    /// - Parameters:
    ///   - nodes: for the names of their machines; those that are missing have only their identifiers.
    ///   - now: until when what has not ended is drawn.
    package static func trace(of tasks: [TaskRow], on nodes: [NodeRow], now: WallTime) -> JSONValue {
        var threads = Threads()
        var slices: [TaskID: (thread: Threads.Thread, start: Int64, end: Int64)] = [:]
        var events: [JSONValue] = []
        // By their starts: each goes to the first thread of its worker that is free.
        let begun = tasks.filter { $0.startedAt != nil }.sorted { ($0.startedAt!, $0.id) < ($1.startedAt!, $1.id) }
        for task in begun {
            guard let startedAt = task.startedAt else { continue }
            let start = microseconds(startedAt)
            let end = max(start + 1, microseconds(task.endedAt ?? max(now, startedAt)))
            let thread = threads.thread(of: task.worker, on: task.node, from: start, to: end)
            slices[task.id] = (thread, start, end)
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
        return ["displayTimeUnit": "ms", "traceEvents": .array(threads.names(nodes) + events)]
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
    mutating func thread(of worker: ProcessID?, on node: NodeID?, from start: Int64, to end: Int64) -> Thread {
        let process = process(of: node)
        let place = Place(node: node, worker: worker)
        if let free = lanes[place]?.firstIndex(where: { $0.end <= start }) {
            lanes[place]![free].end = end
            return Thread(process: process, number: lanes[place]![free].number)
        }
        let thread = Thread(process: process, number: titles.count + 1)
        lanes[place, default: []].append(Lane(number: thread.number, end: end))
        let (name, count) = (worker.map { "worker \($0.short)" } ?? "an unknown worker", lanes[place]!.count)
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
