// ObjectReference: a value that is there or will be, somewhere on the cluster, as a typed value of this program.
//
// Copies share one handle; when the last one in the process goes, the process gives up its hold on the object. An encoded reference borrows: the object
// lives as long as anyone holds it. One that is encoded outside of a remote value, as by a JSON encoder, can turn up anywhere and at any time: its object
// lives as long as the process that encoded it.

public import MantaModel
import MantaWire
package import MantaWorker

/// The result of a remote call, or a value that was put: ready now or later.
///
/// Pass it to other remote calls as it is; read it with `value`. References are equal when they name the same object.
public struct ObjectReference<Value>: Sendable {
    package let handle: ObjectHandle
    package init(_ handle: ObjectHandle) { self.handle = handle }

    /// The object's identifier, the same everywhere.
    public var id: ObjectID { handle.id }

    /// Whether reading it would return or throw at once.
    public var isReady: Bool { handle.isSettled }

    /// Calls `body` once, as soon as reading the reference would return or throw at once: now, if that is so already. In a Swift task of its own.
    public func onReady(_ body: @escaping @Sendable (ObjectReference<Value>) async -> Void) {
        let reference = self
        handle.onReady { _ in Task { await body(reference) } }
    }

    /// Cancels the task or call that makes the object; reading then throws `MantaError` with the code `cancelled`, unless it was ready first.
    ///
    /// What has not begun never does; code that runs is cancelled as Swift tasks are: it finds `Task.isCancelled` true and its waits throw. Returns at once;
    /// the reference may also be a borrowed one.
    ///
    /// - Parameter recursive: cancel also what the task submitted, and so on; true by default.
    public func cancel(recursive: Bool = true) {
        CurrentRuntime.get()?.cancel(handle, Cancellation(isRecursive: recursive))
    }

    /// Cancels the task that makes the object and, if it runs, kills its worker process: for code that does not listen to `cancel()`, also after that was
    /// tried. Returns when the task's owner has been told; what ran beside it in the process is tried again as after any crash.
    ///
    /// - Parameter recursive: cancel also what the task submitted, and so on; true by default.
    /// - Throws: `MantaError` with the code `invalidArgument` for the call of an actor (kill the actor), or when the object's owner cannot be reached.
    public func cancelByForce(recursive: Bool = true) async throws {
        guard let runtime = CurrentRuntime.get() else { throw CurrentRuntime.missing }
        try await runtime.cancelled(handle, Cancellation(isRecursive: recursive, isForced: true))
    }
}

extension ObjectReference where Value: Decodable {
    /// The value, as soon as it is there.
    ///
    /// Throws what the task threw, `MantaError` for a failure of the platform, `CancellationError` when the reading task is cancelled. A remote task that
    /// waits here gives its resources back meanwhile.
    ///
    /// Code that waits for what waits for it would wait for ever. `MantaError` with the code `conflict` is thrown instead where that can be told for sure: a
    /// task that waits for its own result, at once; the running call of an actor that runs its calls one by one, when it waits for a later call of the same
    /// actor, at once, or for another actor or task that does, a second or two later, at the wait that closes the circle. A circle through references that
    /// were handed around, or through waits with a time limit, is not found; `manta explain TASK` tells where each of its tasks is.
    public var value: Value {
        get async throws { try await value(lending: true) }
    }

    /// - Parameter lending: a remote task that waits gives its resources back meanwhile.
    func value(lending: Bool) async throws -> Value {
        try await handle.value(lending: lending) { bytes throws(MantaError) in try ValueDecoder.decode(Value.self, from: bytes) }
    }
}

extension ObjectReference {
    /// Of an object that failed because user code threw: function, task, attempt, process and node, also where the error itself came back as its own type.
    /// Nil as long as it has not failed, and where it failed for another reason, which its `MantaError` tells.
    public var failure: TaskError? { handle.report }
}

extension ObjectReference where Value == Void {
    /// Returns when the call has ended; throws what it threw.
    public var value: Void {
        get async throws { _ = try await handle.bytes() }
    }
}

extension ObjectReference: Hashable {
    public static func == (left: Self, right: Self) -> Bool { left.handle.id == right.handle.id }
    public func hash(into hasher: inout Hasher) { hasher.combine(handle.id) }
}

extension ObjectReference: CustomStringConvertible {
    public var description: String { "ObjectReference<\(Value.self)>(\(id))" }
}

extension ObjectReference: Codable {
    private enum CodingKeys: String, CodingKey { case id, owner }

    public func encode(to encoder: any Encoder) throws {
        handle.lend()
        if !handle.address.encodeAsReference(to: encoder) {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(handle.id, forKey: .id)
            try container.encode(handle.owner, forKey: .owner)
        }
        guard let collector = ReferenceCollector.of(encoder) else {
            CurrentRuntime.get()?.keepForGood(handle)
            return
        }
        collector.note(handle)
    }

    /// Borrows the object; throws `notConnected` when this process has no session.
    public init(from decoder: any Decoder) throws {
        let address: ObjectAddress
        if let reference = try ObjectAddress.decodedAsReference(from: decoder) {
            address = reference
        } else {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            address = ObjectAddress(
                object: try container.decode(ObjectID.self, forKey: .id), owner: try container.decode(ProcessAddress.self, forKey: .owner))
        }
        guard let runtime = CurrentRuntime.get() else { throw CurrentRuntime.missing }
        handle = runtime.handle(for: address.object, owner: address.owner)
    }
}

/// References of any type.
protocol AnyReference {
    /// References of so many handles, all of which `initialize` writes.
    static func array(count: Int, handles initialize: (UnsafeMutablePointer<ObjectHandle>) -> Void) -> [Self]
}

extension ObjectReference: AnyReference {
    static func array(count: Int, handles initialize: (UnsafeMutablePointer<ObjectHandle>) -> Void) -> [Self] { Array(count: count, handles: initialize) }
}

extension Array: ReferenceList where Element: AnyReference {
    init(references runs: [ReferenceRun]) throws {
        guard let runtime = CurrentRuntime.get() else { throw CurrentRuntime.missing }
        self = Element.array(count: runs.reduce(0) { $0 + $1.objects.count }) { runtime.takeHandles(of: runs, into: $0) }
    }
}

// A reference is its handle and nothing else, so references of any type lie in memory as handles do. Code of this module over references of a type that it
// does not know asks the runtime for that type again and again; over handles it is ten times faster.
extension Array {
    /// The handles of references, where they lie.
    func withHandles<Value, Result>(_ body: (UnsafeBufferPointer<ObjectHandle>) throws -> Result) rethrows -> Result where Element == ObjectReference<Value> {
        precondition(MemoryLayout<Element>.size == MemoryLayout<ObjectHandle>.size, "a reference is its handle")
        return try withUnsafeBytes { try body($0.assumingMemoryBound(to: ObjectHandle.self)) }
    }

    /// References of so many handles, all of which `initialize` writes.
    init<Value>(count: Int, handles initialize: (UnsafeMutablePointer<ObjectHandle>) -> Void) where Element == ObjectReference<Value> {
        self.init(unsafeUninitializedCapacity: count) { buffer, initialized in
            if let start = buffer.baseAddress, count > 0 { initialize(UnsafeMutableRawPointer(start).assumingMemoryBound(to: ObjectHandle.self)) }
            initialized = count
        }
    }
}

extension EncodedValue {
    /// Encodes a value and notes the references inside it.
    package static func encoding<Value: Encodable>(_ value: Value) throws(MantaError) -> EncodedValue {
        if let parts = try ValueEncoder.leafParts(value) { return EncodedValue(parts: parts) }
        let collector = ReferenceCollector()
        let parts = try ValueEncoder.parts(value, collecting: collector)
        return EncodedValue(parts: parts, references: collector.references.compactMap { $0 as? ObjectHandle })
    }
}

extension ObjectHandle {
    /// A handle that has failed before anything was submitted. Without a session it belongs to no runtime.
    ///
    /// - Parameter what: could not be submitted, as people see it.
    package static func failed(_ what: String, _ error: any Error) -> ObjectHandle {
        CurrentRuntime.get()?.refused(what, error)
            ?? ObjectHandle(
                id: ObjectID(task: .random(), index: 0), owner: ProcessAddress(process: ProcessID(high: 0, low: 0), endpoint: ""), keeper: nil,
                outcome: .failed(error))
    }
}
