// DeathCause: why a process, actor or node is gone, as far as anyone could tell: a kind for programs, a sentence for people, and the facts behind it.
//
// The sentence says everything; the facts repeat what programs may want to compare. Facts that nobody knows are nil.

/// Why a process, actor or node is gone, as far as anyone could tell.
public struct DeathCause: Hashable, Sendable, Codable, CustomStringConvertible {
    public enum Kind: String, Sendable, Codable {
        /// The process exited by itself, with a code.
        case exited
        /// A signal ended it.
        case signaled
        /// Someone asked for it: `kill`, the admin API, the command line.
        case killed
        /// Its constructor threw.
        case constructorThrew
        /// The job that owned it ended.
        case jobEnded
        /// Its node died.
        case nodeDied
        /// It could not be started.
        case startFailed
        /// It could not be started, since its program is not there.
        case programMissing
        /// It was ended because memory ran out: by the node's memory monitor, or by the kernel at a memory limit.
        case outOfMemory
        /// The process that wanted its work is gone.
        case ownerDied
        /// No node may ever run it.
        case unschedulable
        /// The placement group that it ran in was removed.
        case groupRemoved
        /// It shared a process that was ended for the sake of other work in it: it is run again, and that counts no try.
        case bystander
    }
    public var kind: Kind
    /// In full words: signal name, exit code, what it ran, how long it had lived, its peak memory, the last lines of its standard error.
    public var detail: String
    public var facts: Facts?

    /// What is known of a process that has ended.
    public struct Facts: Hashable, Sendable, Codable {
        public var pid: Int32
        /// The number of the signal that ended it.
        public var signal: Int32?
        public var exitCode: Int32?
        /// How long it had lived.
        public var uptimeMilliseconds: Int64
        /// The most memory it ever held, in bytes; nil when the kernel did not say.
        public var peakMemory: Int64?
        /// What a worker ran, or ran last: `Module.function(label:)` or the type of its actor.
        public var function: String?
        /// The last lines of its standard error, oldest first.
        public var lastErrors: [String]

        public init(
            pid: Int32, signal: Int32? = nil, exitCode: Int32? = nil, uptimeMilliseconds: Int64, peakMemory: Int64? = nil, function: String? = nil,
            lastErrors: [String] = []
        ) {
            (self.pid, self.signal, self.exitCode, self.uptimeMilliseconds) = (pid, signal, exitCode, uptimeMilliseconds)
            (self.peakMemory, self.function, self.lastErrors) = (peakMemory, function, lastErrors)
        }
    }

    public init(_ kind: Kind, _ detail: String, facts: Facts? = nil) { (self.kind, self.detail, self.facts) = (kind, detail, facts) }
    public var description: String { detail }

    /// Whether it follows from what somebody did, rather than from something that went wrong.
    package var isWanted: Bool { [.killed, .jobEnded, .ownerDied, .groupRemoved, .bystander].contains(kind) }

    /// What was decided to happen, with what is known of the process it happened to.
    package static func decided(_ cause: DeathCause, facts: Facts) -> DeathCause { DeathCause(cause.kind, cause.detail, facts: facts) }

    /// The end of a worker that nobody ordered. `limit`: the memory limit in bytes at which the kernel killed it, if it did.
    package static func ended(_ facts: Facts, atMemoryLimit limit: Int64? = nil, outOfMemory: Bool = false) -> DeathCause {
        let subject = "worker \(facts.pid)\(facts.function.map { ", which ran \($0)," } ?? "")"
        let end: String
        let kind: Kind
        switch (facts.signal, facts.exitCode) {
        case (let signal?, _) where outOfMemory:
            let bound = limit.map { " of \(byteText($0))" } ?? ""
            (kind, end) = (.outOfMemory, "was ended by signal \(signal) (\(signalName(signal))): the kernel's out-of-memory killer struck at the memory limit\(bound)")
        case (let signal?, _): (kind, end) = (.signaled, "was ended by signal \(signal) (\(signalName(signal)))")
        case (nil, let code?): (kind, end) = (.exited, "exited with code \(code)")
        case (nil, nil): (kind, end) = (.exited, "ended in a way that nobody saw")
        }
        return DeathCause(kind, "\(subject) \(end) \(circumstances(facts))", facts: facts)
    }

    /// `after 1.5 s, peak memory 12.0 MiB; the last lines of its standard error: …`
    /// - Parameter output: What the lines are of.
    package static func circumstances(_ facts: Facts, output: String = "standard error") -> String {
        let tenths = facts.uptimeMilliseconds / 100
        var text = "after \(tenths / 10).\(tenths % 10) s"
        if let peak = facts.peakMemory { text += ", peak memory \(byteText(peak))" }
        if !facts.lastErrors.isEmpty { text += "; the last lines of its \(output): \(facts.lastErrors.joined(separator: " | "))" }
        return text
    }

    /// `12.3 MiB`.
    package static func byteText(_ count: Int64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var (tenths, unit) = (count * 10, 0)
        while tenths >= 10_240, unit + 1 < units.count { (tenths, unit) = (tenths / 1024, unit + 1) }
        return unit == 0 ? "\(count) B" : "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }

    /// The signal's name as programmers write it, and what it means.
    package static func signalName(_ signal: Int32) -> String { signalNames[signal] ?? "unknown signal" }

    private static let signalNames: [Int32: String] = [
        1: "SIGHUP, hangup", 2: "SIGINT, interrupt", 3: "SIGQUIT, quit", 4: "SIGILL, illegal instruction, in Swift often a failed precondition",
        5: "SIGTRAP, trap, in Swift often a failed precondition", 6: "SIGABRT, aborted", 7: "SIGBUS, bus error", 8: "SIGFPE, arithmetic error",
        9: "SIGKILL, killed", 10: "SIGUSR1", 11: "SIGSEGV, segmentation fault", 12: "SIGUSR2", 13: "SIGPIPE, broken pipe", 14: "SIGALRM, alarm clock",
        15: "SIGTERM, terminated", 24: "SIGXCPU, CPU time limit exceeded", 25: "SIGXFSZ, file size limit exceeded", 31: "SIGSYS, bad system call",
    ]
}
