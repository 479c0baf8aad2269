// Spans: stretches of time inside the work of a process, for people to see beside its tasks: what it waited for, what it moved, and what user code names.
//
// Noted only by what was slow already, or by whoever asks for it: work without waits notes none.

/// A stretch of time in a process.
package struct WorkSpan: Codable, Sendable, Hashable {
    package enum Kind: String, Codable, Sendable, CaseIterable {
        /// Arguments of a task or call were fetched or decoded, and its large results stored.
        case arguments, results
        /// Code waited for the value of a reference, or for some of many; a value was put into the store.
        case get, wait, put
        /// A value was brought from another node or from disk.
        case fetch
        /// What user code named.
        case user
    }

    package var kind: Kind
    /// Of user code's own.
    package var name: String?
    /// The task or call it lies in; nil in code that is of none, as a driver's.
    package var task: TaskID?
    package var job: JobID
    package var process: ProcessID
    package var node: NodeID?
    /// Microseconds since 1970-01-01 UTC, and how many it lasted.
    package var startedAt: Int64
    package var duration: Int64

    package init(kind: Kind, name: String? = nil, task: TaskID?, job: JobID, process: ProcessID, node: NodeID?, startedAt: Int64, duration: Int64) {
        (self.kind, self.name, self.task, self.job) = (kind, name, task, job)
        (self.process, self.node, self.startedAt, self.duration) = (process, node, startedAt, duration)
    }

    package var title: String { name ?? kind.rawValue }
    package var end: Int64 { startedAt + duration }
}
