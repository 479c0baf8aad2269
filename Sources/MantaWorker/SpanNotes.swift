// SpanNotes: the spans of this process until its next report takes them to the head.
//
// Whoever notes one has waited for a millisecond, or asked for it: the lock here is on no hot path. What exceeds the limit is counted.

import Glibc
import MantaLoop
package import MantaModel
import Synchronization

final class SpanNotes: Sendable {
    private let state = Mutex<(spans: [WorkSpan], dropped: Int)>(([], 0))

    func note(_ span: WorkSpan) {
        state.withLock { state in
            if state.spans.count < Limits.spansPerReport { state.spans.append(span) } else { state.dropped += 1 }
        }
    }

    func take() -> (spans: [WorkSpan], dropped: Int) {
        state.withLock { state in
            defer { state = ([], 0) }
            return state
        }
    }
}

extension Runtime {
    package func note(_ kind: WorkSpan.Kind, named name: String?, since start: Instant, to end: Instant) {
        let context = TaskContext.current
        let duration = (end - start).inNanoseconds / 1_000
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let past = (EventLoop.clock() - start).inNanoseconds / 1_000
        spans.note(
            WorkSpan(
                kind: kind, name: name, task: context?.task, job: job, process: process, node: node,
                startedAt: Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1_000 - past, duration: duration))
    }
}

extension RuntimeInterface {
    /// Notes what lasted from then until now, when it was long enough to be seen.
    package func noteIfLong(_ kind: WorkSpan.Kind, since start: Instant) {
        let end = EventLoop.clock()
        if end - start >= Limits.shortestSpan { note(kind, named: nil, since: start, to: end) }
    }
}
