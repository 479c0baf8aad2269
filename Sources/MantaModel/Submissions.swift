// Submissions: programs that a cluster runs for somebody who does not stay: what is asked for, and how it stands.

/// A program to run on some node of the cluster, with the cluster's address in its environment.
package struct SubmissionSpecification: Hashable, Sendable, Codable {
    /// Chosen or made by whoever submits it; an empty one is replaced by the head.
    package var id: String
    /// The program and its arguments; one text that a shell runs when `isShell`.
    package var entrypoint: [String]
    package var isShell: Bool
    package var environment: [String: String]
    /// The working directory on the node; the node's own when nil.
    package var directory: String?
    /// Held while it runs.
    package var resources: Resources
    /// For people and programs that list it.
    package var metadata: [String: String]

    package init(
        id: String, entrypoint: [String], isShell: Bool, environment: [String: String] = [:], directory: String? = nil, resources: Resources = Resources(),
        metadata: [String: String] = [:]
    ) {
        (self.id, self.entrypoint, self.isShell, self.environment) = (id, entrypoint, isShell, environment)
        (self.directory, self.resources, self.metadata) = (directory, resources, metadata)
    }

    package static func makeID() -> String { "job-\(JobID.random().description.prefix(16))" }

    /// What is wrong with it, as a sentence that says what to do; nil when it is fine.
    package var complaint: String? {
        if let complaint = Self.complaint(aboutID: id) { return complaint }
        if entrypoint.allSatisfy(\.isEmpty) { return "a job has no entrypoint; give a program, for example [\"/bin/echo\", \"hello\"]" }
        if entrypoint.contains(where: { $0.utf8.contains(0) }) || environment.contains(where: { $0.key.utf8.contains(0) || $0.value.utf8.contains(0) }) {
            return "the entrypoint or environment of a job contains a zero byte; remove it"
        }
        if let directory, !directory.hasPrefix("/") || directory.utf8.contains(0) {
            return "the working directory \"\(directory.prefix(256))\" of a job must be a path that begins with /, since it is one of the node's"
        }
        if let name = environment.keys.first(where: { $0.isEmpty || $0.contains("=") }) { return "\"\(name.prefix(64))\" cannot be the name of an environment variable" }
        return resources.complaint
    }

    /// What is wrong with an id that somebody chose; nil when it is fine.
    package static func complaint(aboutID id: String) -> String? {
        if id.utf8.count <= 128, !id.isEmpty, id.utf8.allSatisfy({ isPlain($0) }) { return nil }
        return "the id \"\(id.prefix(64))\" of a job must have 1 to 128 letters, digits, dashes, dots or underscores"
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"): true
        default: false
        }
    }
}

public struct SubmissionRow: Codable, Sendable, Hashable {
    public var id: String
    public var state: SubmissionState
    /// The program and its arguments.
    public var entrypoint: [String]
    public var node: NodeID?
    public var pid: Int32?
    public var exitCode: Int32?
    /// Why it waits or how it ended.
    public var message: String?
    public var metadata: [String: String]
    public var submittedAt: WallTime
    public var startedAt: WallTime?
    public var endedAt: WallTime?

    public init(
        id: String, state: SubmissionState, entrypoint: [String], node: NodeID? = nil, pid: Int32? = nil, exitCode: Int32? = nil, message: String? = nil,
        metadata: [String: String] = [:], submittedAt: WallTime, startedAt: WallTime? = nil, endedAt: WallTime? = nil
    ) {
        (self.id, self.state, self.entrypoint, self.node, self.pid, self.exitCode) = (id, state, entrypoint, node, pid, exitCode)
        (self.message, self.metadata, self.submittedAt, self.startedAt, self.endedAt) = (message, metadata, submittedAt, startedAt, endedAt)
    }
}
