// Submissions: messages about programs that the cluster runs for somebody who does not stay.

package import MantaModel

/// Any process → head: run this program. Answered when it is registered. Whoever asks makes the id, unless it is given: asked twice, it is still one program.
package struct SubmitProgram: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .submitProgram }
    package typealias Reply = SubmissionFound
    package var specification: SubmissionSpecification
    package init(specification: SubmissionSpecification) {
        self.specification = specification
        if specification.id.isEmpty { self.specification.id = SubmissionSpecification.makeID() }
    }
}

package struct SubmissionFound: CodedMessage, Hashable {
    package static var kind: MessageKind { .submissionFound }
    package var row: SubmissionRow
    /// Of `StopSubmission`: whether there was something to stop.
    package var isStopping: Bool
    package init(row: SubmissionRow, isStopping: Bool = false) { (self.row, self.isStopping) = (row, isStopping) }
}

/// Any process → head.
package struct StopSubmission: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .stopSubmission }
    package typealias Reply = SubmissionFound
    package var id: String
    package init(id: String) { self.id = id }
}

/// Any process → head: forget a job that has ended.
package struct DeleteSubmission: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .deleteSubmission }
    package typealias Reply = Acknowledged
    package var id: String
    package init(id: String) { self.id = id }
}

/// Any process → head → node: what the program printed, from this byte on.
package struct ReadSubmissionLog: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .readSubmissionLog }
    package typealias Reply = SubmissionLog
    package var id: String
    package var offset: Int64
    package init(id: String, offset: Int64) { (self.id, self.offset) = (id, offset) }
}

package struct SubmissionLog: CodedMessage, Hashable {
    package static var kind: MessageKind { .submissionLog }
    package var bytes: [UInt8]
    /// Where the next part begins.
    package var next: Int64
    /// Nothing will come behind this.
    package var isComplete: Bool
    package init(bytes: [UInt8], next: Int64, isComplete: Bool) { (self.bytes, self.next, self.isComplete) = (bytes, next, isComplete) }
}

/// Head → node: run this program. Acknowledged when the node has taken it; `EntrypointReport` tells what became of it.
package struct StartEntrypoint: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .startEntrypoint }
    package typealias Reply = Acknowledged
    package var specification: SubmissionSpecification
    package init(specification: SubmissionSpecification) { self.specification = specification }
}

/// Head → node: ask the program to end; it is killed when it does not.
package struct StopEntrypoint: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .stopEntrypoint }
    package typealias Reply = Acknowledged
    package var id: String
    package init(id: String) { self.id = id }
}

/// Node → head.
package struct EntrypointReport: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .entrypointReport }
    package typealias Reply = Acknowledged
    package enum Event: Hashable, Sendable, Codable {
        case started(pid: Int32)
        case ended(exitCode: Int32?, message: String)
    }
    package var id: String
    package var event: Event
    package init(id: String, event: Event) { (self.id, self.event) = (id, event) }
}
