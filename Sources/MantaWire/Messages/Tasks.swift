// Tasks: the hot messages: a task or an actor call on its way to a worker, and its end on the way back. Written and read by hand.

package import MantaModel

/// One argument of a task or call.
package enum ArgumentPayload: Hashable, Sendable {
    /// The encoded value.
    case value([UInt8])
    /// The value is to be fetched: from where it lies, or from its owner.
    indirect case reference(ObjectID, owner: ProcessAddress, place: StoredPlace? = nil)
}

/// Owner → worker: run this function. Answered, once, by `TaskDone` or `TasksReturned`.
package struct RunTask: WireMessage, Hashable {
    package static var kind: MessageKind { .runTask }
    package var task: TaskID
    package var lease: LeaseID
    package var job: JobID
    /// The task or call that submitted it.
    package var parent: TaskID?
    package var function: String
    package var attempt: UInt32
    package var resultCount: UInt32
    package var arguments: [ArgumentPayload]
    /// Nanoseconds until its deadline, when it has one: what it submits has the same.
    package var timeLeft: Int64?
    /// The placement group that what the task submits is put into; most often none, and then not written.
    package var group: GroupMembership?
    /// What it holds while it runs; nil, and not written, is one CPU.
    package var resources: Resources?
    /// The GPUs of its lease, as `CUDA_VISIBLE_DEVICES` names them; nil, and not written, is none.
    package var gpus: [String]?
    /// What its options call it; nil, and not written, is nothing.
    package var name: String?

    package init(
        task: TaskID, lease: LeaseID, job: JobID, parent: TaskID?, function: String, attempt: UInt32, resultCount: UInt32, arguments: [ArgumentPayload],
        timeLeft: Int64? = nil, group: GroupMembership? = nil, resources: Resources? = nil, gpus: [String]? = nil, name: String? = nil
    ) {
        (self.task, self.lease, self.job, self.parent) = (task, lease, job, parent)
        (self.function, self.attempt, self.resultCount, self.arguments) = (function, attempt, resultCount, arguments)
        (self.timeLeft, self.group, self.resources, self.gpus, self.name) = (timeLeft, group, resources, gpus, name)
    }

    package func encode(into writer: inout MessagePackWriter) throws(MantaError) {
        let fields = name != nil ? 13 : gpus != nil ? 12 : resources != nil ? 11 : group != nil ? 10 : timeLeft != nil ? 9 : 8
        writer.writeArrayHeader(fields)
        writer.write(task)
        writer.write(lease)
        writer.write(job)
        writer.write(parent)
        writer.write(function)
        writer.write(attempt)
        writer.write(resultCount)
        writer.write(arguments)
        if let timeLeft { writer.write(timeLeft) } else if fields > 8 { writer.writeNil() }
        if let group { try ValueEncoder.encode(group, into: &writer) } else if fields > 9 { writer.writeNil() }
        if let resources { writer.write(resources) } else if fields > 10 { writer.writeNil() }
        if fields > 11 { writer.write(gpus) }
        if let name { writer.write(name) }
    }

    package init(from reader: inout MessagePackReader) throws(MantaError) {
        let count = try reader.readArrayHeader(atLeast: 8)
        task = try reader.readIdentifier()
        lease = try reader.readIdentifier()
        job = try reader.readIdentifier()
        parent = try reader.readOptionalIdentifier()
        function = try reader.readString()
        attempt = try reader.readUInt32()
        resultCount = try reader.readUInt32()
        arguments = try reader.readArguments()
        if count > 8 { timeLeft = try reader.readOptionalInt64() }
        if count > 9, !reader.readNilIfNext() { group = try ValueDecoder.decode(GroupMembership.self, from: &reader) }
        if count > 10, !reader.readNilIfNext() { resources = try reader.readResources() }
        if count > 11 { gpus = try reader.readOptionalStrings() }
        if count > 12 { name = try reader.readOptionalString() }
        try reader.skipFields(from: 13, to: count)
    }
}

/// Caller → the actor's worker: call this method. Answered, once, by `TaskDone`.
package struct CallActor: WireMessage, Hashable {
    package static var kind: MessageKind { .callActor }
    /// The name, instead of a method's, of the call that terminates the actor behind all calls that came before it.
    package static let terminate = "manta.terminate"
    /// The same, of the call that is answered as soon as it comes: the actor lives.
    package static let ready = "manta.ready"
    /// The same, of what is no call: the actor's state is to be taken.
    package static let snapshot = "manta.snapshot"
    package var task: TaskID
    package var actor: ActorID
    package var job: JobID
    package var parent: TaskID?
    /// Position in the caller's calls to this incarnation of the actor, from 0: a duplicate is recognized by it.
    package var sequence: UInt64
    /// The method's registered index; `UInt32.max` when only its name is known.
    package var method: UInt32
    /// The method's name, when it is called by name; else empty.
    package var methodName: String
    package var resultCount: UInt32
    package var arguments: [ArgumentPayload]
    /// Which try it is, from 1; the answer says it too.
    package var attempt: UInt32
    /// Nanoseconds until its deadline, when it has one: what it submits has the same.
    package var timeLeft: Int64?
    /// The concurrency group to run it in; nil is the one that its method declares.
    package var group: String?

    package init(
        task: TaskID, actor: ActorID, job: JobID, parent: TaskID?, sequence: UInt64, method: UInt32, methodName: String, resultCount: UInt32,
        arguments: [ArgumentPayload], attempt: UInt32 = 1, timeLeft: Int64? = nil, group: String? = nil
    ) {
        (self.task, self.actor, self.job, self.parent, self.sequence) = (task, actor, job, parent, sequence)
        (self.method, self.methodName, self.resultCount, self.arguments) = (method, methodName, resultCount, arguments)
        (self.attempt, self.timeLeft, self.group) = (attempt, timeLeft, group)
    }

    package func encode(into writer: inout MessagePackWriter) {
        let isPlain = attempt == 1 && timeLeft == nil && group == nil
        writer.writeArrayHeader(isPlain ? 9 : 12)
        writer.write(task)
        writer.write(actor)
        writer.write(job)
        writer.write(parent)
        writer.write(sequence)
        writer.write(method)
        writer.write(methodName)
        writer.write(resultCount)
        writer.write(arguments)
        if isPlain { return }
        writer.write(attempt)
        writer.write(timeLeft)
        writer.write(group)
    }

    package init(from reader: inout MessagePackReader) throws(MantaError) {
        let count = try reader.readArrayHeader(atLeast: 9)
        task = try reader.readIdentifier()
        actor = try reader.readIdentifier()
        job = try reader.readIdentifier()
        parent = try reader.readOptionalIdentifier()
        sequence = try reader.readUInt64()
        method = try reader.readUInt32()
        methodName = try reader.readString()
        resultCount = try reader.readUInt32()
        arguments = try reader.readArguments()
        attempt = count > 9 ? try reader.readUInt32() : 1
        if count > 10 { timeLeft = try reader.readOptionalInt64() }
        if count > 11 { group = try reader.readOptionalString() }
        try reader.skipFields(from: 12, to: count)
    }
}

/// How a task or call ended.
package enum TaskOutcome: Hashable, Sendable {
    /// One value for each result.
    case values([ResultValue])
    /// User code threw: the encoded error.
    case thrown([UInt8])
    /// The platform could not run it.
    case failed(MantaError)
}

/// Worker → owner: the task or call has ended.
package struct TaskDone: WireMessage, Hashable {
    package static var kind: MessageKind { .taskDone }
    package var task: TaskID
    package var attempt: UInt32
    package var outcome: TaskOutcome
    package var startedAt: WallTime
    /// How long user code ran, in nanoseconds.
    package var duration: UInt64
    /// The references inside each value; most often none at all, and then empty and not written. `AwaitBorrows` follows.
    package var contents: [[ObjectAddress]]

    package init(task: TaskID, attempt: UInt32, outcome: TaskOutcome, startedAt: WallTime, duration: UInt64, contents: [[ObjectAddress]] = []) {
        (self.task, self.attempt, self.outcome, self.startedAt, self.duration) = (task, attempt, outcome, startedAt, duration)
        self.contents = contents
    }

    package func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(contents.isEmpty ? 5 : 6)
        writer.write(task)
        writer.write(attempt)
        writer.write(startedAt.milliseconds)
        writer.write(duration)
        writer.write(outcome)
        guard !contents.isEmpty else { return }
        writer.writeArrayHeader(contents.count)
        for references in contents { writer.write(references) }
    }

    package init(from reader: inout MessagePackReader) throws(MantaError) {
        let count = try reader.readArrayHeader(atLeast: 5)
        task = try reader.readIdentifier()
        attempt = try reader.readUInt32()
        startedAt = WallTime(milliseconds: try reader.readInt64())
        duration = try reader.readUInt64()
        outcome = try reader.readOutcome()
        contents = []
        if count > 5 { for _ in 0..<(try reader.readArrayHeader()) { contents.append(try reader.readReferences()) } }
        try reader.skipFields(from: 6, to: count)
    }
}

/// Worker → owner: these were sent to me, have not begun, and would wait too long behind a long task: run them elsewhere.
package struct TasksReturned: WireMessage, Hashable {
    package static var kind: MessageKind { .tasksReturned }
    package var lease: LeaseID
    package var tasks: [TaskID]
    package init(lease: LeaseID, tasks: [TaskID]) { (self.lease, self.tasks) = (lease, tasks) }
    package func encode(into writer: inout MessagePackWriter) {
        writer.write(lease)
        writer.writeArrayHeader(tasks.count)
        for task in tasks { writer.write(task) }
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        lease = try reader.readIdentifier()
        tasks = []
        for _ in 0..<(try reader.readArrayHeader()) { tasks.append(try reader.readIdentifier()) }
    }
}

/// Owner → worker: give back what has not begun under this lease, by `TasksReturned`, which may be empty.
package struct TakeBackTasks: CodedMessage, Hashable {
    package static var kind: MessageKind { .takeBackTasks }
    package var lease: LeaseID
    package init(lease: LeaseID) { self.lease = lease }
}

/// Owner → worker: I have heard nothing of these for long; name those you do not have, by `TasksUnknown` for each lease.
package struct InquireTasks: CodedMessage, Hashable {
    package static var kind: MessageKind { .inquireTasks }
    /// The tasks in flight under one lease.
    package struct Inquiry: Hashable, Sendable, Codable {
        package var lease: LeaseID
        package var tasks: [TaskID]
        package init(lease: LeaseID, tasks: [TaskID]) { (self.lease, self.tasks) = (lease, tasks) }
    }
    package var lease: LeaseID
    package var tasks: [TaskID]
    /// Those of more leases; nil is none.
    package var others: [Inquiry]?
    package init(lease: LeaseID, tasks: [TaskID], others: [Inquiry]? = nil) { (self.lease, self.tasks, self.others) = (lease, tasks, others) }
    /// Nil when there are none.
    package init?(_ inquiries: some Collection<Inquiry>) {
        guard let first = inquiries.first else { return nil }
        self.init(lease: first.lease, tasks: first.tasks, others: inquiries.count > 1 ? Array(inquiries.dropFirst()) : nil)
    }
    package var inquiries: [Inquiry] { [Inquiry(lease: lease, tasks: tasks)] + (others ?? []) }
}

/// Worker → owner: these are not here: they, or the answers to them, were lost.
package struct TasksUnknown: CodedMessage, Hashable {
    package static var kind: MessageKind { .tasksUnknown }
    package var lease: LeaseID
    package var tasks: [TaskID]
    package init(lease: LeaseID, tasks: [TaskID]) { (self.lease, self.tasks) = (lease, tasks) }
}

/// Owner → worker: nobody wants this task's or call's result any more. What has not begun never does; what runs is cancelled, or ends with its process.
package struct CancelTask: WireMessage, Hashable {
    package static var kind: MessageKind { .cancelTask }
    package var task: TaskID
    /// What it submitted is cancelled too, and so on.
    package var isRecursive: Bool
    /// The worker process that runs it ends.
    package var isForced: Bool
    /// The actor whose call it is; nil for a task.
    package var actor: ActorID?
    package init(task: TaskID, isRecursive: Bool = true, isForced: Bool = false, actor: ActorID? = nil) {
        (self.task, self.isRecursive, self.isForced, self.actor) = (task, isRecursive, isForced, actor)
    }
    package func encode(into writer: inout MessagePackWriter) {
        writer.writeArrayHeader(actor == nil ? 3 : 4)
        writer.write(task)
        writer.write(isRecursive)
        writer.write(isForced)
        if let actor { writer.write(actor) }
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        let count = try reader.readArrayHeader(atLeast: 3)
        task = try reader.readIdentifier()
        isRecursive = try reader.readBool()
        isForced = try reader.readBool()
        if count > 3, !reader.readNilIfNext() { actor = try reader.readIdentifier() }
        try reader.skipFields(from: 4, to: count)
    }
}

/// Borrower → owner: cancel the task that makes this object. Failed with `invalidArgument` when it cannot be cancelled in this way.
package struct CancelObject: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .cancelObject }
    package typealias Reply = Acknowledged
    package var object: ObjectID
    package var isRecursive: Bool
    package var isForced: Bool
    package init(object: ObjectID, isRecursive: Bool, isForced: Bool) { (self.object, self.isRecursive, self.isForced) = (object, isRecursive, isForced) }
}

extension MessagePackWriter {
    /// An array of values, a binary (a thrown error), or a map (a failure).
    mutating func write(_ outcome: TaskOutcome) {
        switch outcome {
        case .values(let values):
            writeArrayHeader(values.count)
            for value in values { write(value) }
        case .thrown(let error): writeBinary(error)
        case .failed(let error):
            writeMapHeader(1)
            writeNil()
            write(error)
        }
    }

    fileprivate mutating func write(_ arguments: [ArgumentPayload]) {
        writeArrayHeader(arguments.count)
        for argument in arguments {
            switch argument {
            case .value(let bytes): writeBinary(bytes)
            case .reference(let object, let owner, let place):
                writeArrayHeader(place == nil ? 4 : 5)
                write(object)
                write(owner)
                if let place { write(place) }
            }
        }
    }
}

extension MessagePackReader {
    mutating func readOutcome() throws(MantaError) -> TaskOutcome {
        switch try peek() {
        case .array:
            let count = try readArrayHeader()
            var values: [ResultValue] = []
            values.reserveCapacity(count)
            for _ in 0..<count { values.append(try readResultValue()) }
            return .values(values)
        case .binary: return .thrown(try readBinary())
        case .map:
            _ = try readMapHeader()
            _ = readNilIfNext()
            return .failed(try readError())
        default: throw unexpected("a task's outcome")
        }
    }

    fileprivate mutating func readArguments() throws(MantaError) -> [ArgumentPayload] {
        let count = try readArrayHeader()
        var arguments: [ArgumentPayload] = []
        arguments.reserveCapacity(count)
        for _ in 0..<count {
            if try peek() == .binary {
                arguments.append(.value(try readBinary()))
            } else {
                let fields = try readArrayHeader(atLeast: 4)
                let (object, owner) = (try readObjectID(), try readProcessAddress())
                arguments.append(.reference(object, owner: owner, place: fields > 4 ? try readStoredPlace() : nil))
                try skipFields(from: 5, to: fields)
            }
        }
        return arguments
    }
}
