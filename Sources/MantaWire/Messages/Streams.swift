// Streams: the items of a task or call that delivers its results one after the other, and how far its consumer is.

package import MantaModel

/// Worker → owner: the next item of a stream. Its object is the task's, with the index behind the item's: 0 is the object of the stream's end.
package struct StreamItem: WireMessage, Hashable {
    package static var kind: MessageKind { .streamItem }
    package var task: TaskID
    package var attempt: UInt32
    /// From 0, in each attempt.
    package var index: UInt64
    /// How many items the worker sends ahead of what was taken.
    package var window: UInt32
    package var value: ResultValue
    /// The references inside the value; most often none, and then not written. `AwaitBorrows` follows.
    package var contents: [ObjectAddress]
    /// The actor has a limit for all its streams: the owner is to tell of each item that is taken, also when the call has ended. Nil is no.
    package var sharesWindow: Bool?

    package init(
        task: TaskID, attempt: UInt32, index: UInt64, window: UInt32, value: ResultValue, contents: [ObjectAddress] = [], sharesWindow: Bool? = nil
    ) {
        self.sharesWindow = sharesWindow
        (self.task, self.attempt, self.index, self.window, self.value, self.contents) = (task, attempt, index, window, value, contents)
    }

    package func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(sharesWindow != nil ? 7 : contents.isEmpty ? 5 : 6)
        writer.write(task)
        writer.write(attempt)
        writer.write(index)
        writer.write(window)
        writer.write(value)
        if !contents.isEmpty || sharesWindow != nil { writer.write(contents) }
        if let sharesWindow { writer.write(sharesWindow) }
    }

    package init(from reader: inout MessagePackReader) throws(MantaError) {
        let count = try reader.readArrayHeader(atLeast: 5)
        task = try reader.readIdentifier()
        attempt = try reader.readUInt32()
        index = try reader.readUInt64()
        window = try reader.readUInt32()
        value = try reader.readResultValue()
        contents = count > 5 ? try reader.readReferences() : []
        sharesWindow = count > 6 ? try reader.readOptionalBool() : nil
        try reader.skipFields(from: 7, to: count)
    }
}

/// Owner → worker: so many items, from the start, were taken or are not wanted; make more.
package struct StreamConsumed: WireMessage, Hashable {
    package static var kind: MessageKind { .streamConsumed }
    package var task: TaskID
    package var count: UInt64

    package init(task: TaskID, count: UInt64) { (self.task, self.count) = (task, count) }

    package func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(2)
        writer.write(task)
        writer.write(count)
    }

    package init(from reader: inout MessagePackReader) throws(MantaError) {
        let fields = try reader.readArrayHeader(atLeast: 2)
        task = try reader.readIdentifier()
        count = try reader.readUInt64()
        try reader.skipFields(from: 2, to: fields)
    }
}
