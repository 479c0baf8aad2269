// Explaining: why something waits, where it was put and why, why it was tried again, why it died: asked of the head, which asks whom it must.

package import MantaModel

/// Admin, command line → head: everything that is known of an actor, task, placement group, node, job or object.
package struct Explain: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .explain }
    package typealias Reply = Explanation
    /// 32 hexadecimal digits, or for anything but a task the first ones, as listings show them; an object's has a dash and its index behind them.
    package var id: String
    package init(id: String) { self.id = id }
}

/// Sentences, in the order in which they are to be read.
package struct Explanation: CodedMessage, Hashable {
    package static var kind: MessageKind { .explanation }
    package var lines: [String]
    package init(lines: [String]) { self.lines = lines }
}

/// Head → node → owners: what do you know of this task, or of this result of it? No lines: nothing.
package struct ExplainTask: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .explainTask }
    package typealias Reply = Explanation
    package var task: TaskID
    /// The object that is meant, by its number among the task's results.
    package var result: UInt32?
    package init(task: TaskID, result: UInt32? = nil) { (self.task, self.result) = (task, result) }
}

/// Owner → node: why does this request wait?
package struct ExplainLease: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .explainLease }
    package typealias Reply = Explanation
    package var lease: LeaseID
    package init(lease: LeaseID) { self.lease = lease }
}
