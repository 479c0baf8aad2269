// Programs: how an executable comes to a node that lacks it: from a process that runs it, part by part.

/// Node → driver or worker: a part of the executable that you run. Answered, or failed with `notFound` when it is another one.
package struct FetchProgram: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .fetchProgram }
    package typealias Reply = ProgramPart
    /// The hash of its content.
    package var hash: String
    /// Where the part begins.
    package var offset: Int
    package init(hash: String, offset: Int) { (self.hash, self.offset) = (hash, offset) }
}

package struct ProgramPart: CodedMessage, Hashable {
    package static var kind: MessageKind { .programPart }
    /// As many as the limit of a part allows; none at the end.
    package var bytes: [UInt8]
    /// Of the whole executable.
    package var size: Int
    package init(bytes: [UInt8], size: Int) { (self.bytes, self.size) = (bytes, size) }
}
