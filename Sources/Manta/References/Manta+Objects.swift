// Manta on objects as such: where their values lie, and giving values up before their last reference goes.

public import MantaModel
import MantaWire
import MantaWorker

/// Where the value of an object lies.
public struct ObjectLocation: Sendable, Hashable {
    /// The nodes whose stores have it. None: it is small and lies with its owner, or is not there yet, or has failed.
    public var nodes: [NodeID]
    /// Bytes of the encoded value; nil while there is none.
    public var size: Int?
    /// No node has it in memory: whoever reads it waits for a disk.
    public var isSpilled: Bool

    public init(nodes: [NodeID], size: Int?, isSpilled: Bool) { (self.nodes, self.size, self.isSpilled) = (nodes, size, isSpilled) }
}

extension Manta {
    /// Gives the values of objects up, wherever they are, although references to them are left: for large values that a program knows nobody needs any more.
    ///
    /// When this returns, reading them throws `MantaError` with the code `objectFreed`, and so does passing them to calls; they are not made again. What
    /// already reads a value keeps it, and so does a process that has read a small one; one that has read a large one may read it again for a moment, until
    /// its node has heard. What is still being made is given up as soon as it is there. An
    /// object that has failed stays as it is.
    ///
    /// - Throws: `ownerDied` when the owner of one is gone, and its value with it; `notConnected`.
    public static func free<Value>(_ references: some Sequence<ObjectReference<Value>>) async throws {
        guard let runtime = CurrentRuntime.get() else { throw CurrentRuntime.missing }
        try await runtime.free(references.map(\.handle))
    }

    /// Where the values of objects lie now, in the order of the references.
    ///
    /// - Throws: `ownerDied` when the owner of one is gone, `objectLost` for one that has ended; `notConnected`.
    public static func locations<Value>(of references: some Sequence<ObjectReference<Value>>) async throws -> [ObjectLocation] {
        guard let runtime = CurrentRuntime.get() else { throw CurrentRuntime.missing }
        return try await runtime.locate(references.map(\.handle)).map { place in
            ObjectLocation(nodes: place.nodes, size: place.size, isSpilled: !place.nodes.isEmpty && place.spilled.count == place.nodes.count)
        }
    }
}
