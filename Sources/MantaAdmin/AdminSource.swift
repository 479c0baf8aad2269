// AdminSource: the few things that the admin API needs of a cluster. In the head it is the process's runtime; in tests it is a table of answers.

package import MantaModel
package import MantaWire

/// A cluster as the admin API sees it. Methods are called from any thread and throw `MantaError`, or what user code threw.
package protocol AdminSource: Sendable {
    /// The rows that are asked for, and the numbers of all rows.
    func state(_ query: QueryState) async throws -> StateAnswer
    /// What processes did beside their tasks, the latest first.
    func spans() async throws -> SpansFound
    /// The rows of serving; empty when nothing is served.
    func serve() async throws -> ServeState
    /// Divides an endpoint's traffic. Throws `notFound` for the endpoint or a backend, `invalidArgument` for shares that do not sum to 1.
    func setTraffic(of endpoint: String, to shares: [String: Double]) async throws
    /// Throws `notFound` when no living actor has the name.
    func actor(named name: String, in namespace: String) async throws -> ActorID
    /// Calls a method with one MessagePack value: an array of arguments by position, or a map by label. Returns the encoded results.
    func call(_ actor: ActorID, method: String, arguments: [UInt8]) async throws -> [[UInt8]]
    /// Sentences about an actor, task, placement group, node or job. Throws `notFound`.
    func explain(_ id: String) async throws -> [String]
    /// Runs a program; an empty id is replaced by a new one. Throws `alreadyExists`.
    func submit(_ specification: SubmissionSpecification) async throws -> SubmissionRow
    /// Whether there was something to stop. Throws `notFound`.
    func stopSubmission(_ id: String) async throws -> Bool
    /// Throws `notFound`, or `conflict` while it has not ended.
    func deleteSubmission(_ id: String) async throws
    /// What it printed, from a byte on. Throws `notFound`.
    func submissionLog(_ id: String, offset: Int64) async throws -> SubmissionLog
    /// Returns when the actor is dead for good.
    func kill(_ actor: ActorID) async throws
}
