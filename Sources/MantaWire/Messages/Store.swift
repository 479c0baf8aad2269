// Store: how processes use the object store of their node, how nodes fetch objects from one another, and what owners tell them.
//
// A client opens the store once (`OpenStore`, then `JoinStore`), leases memory (`LeaseMemory`), publishes objects in it by itself and says so
// (`ObjectsStored`). What it cannot open by itself, its node opens for it (`OpenObject`): from disk, or from another node, in parts (`PullObject`).

internal import MantaMemory
package import MantaModel

/// Where an object lies: on a node, in a slot of its store in one of the slot's uses.
package struct StoredPlace: Hashable, Sendable {
    package var node: NodeAddress
    package var slot: UInt32
    package var generation: UInt64
    /// Bytes.
    package var size: Int
    package init(node: NodeAddress, slot: UInt32, generation: UInt64, size: Int) {
        (self.node, self.slot, self.generation, self.size) = (node, slot, generation, size)
    }
}

/// The value of an object as it travels: itself, or where it lies.
package enum ResultValue: Hashable, Sendable {
    case inline([UInt8])
    case stored(StoredPlace)
}

/// Client → its node: where is your store?
package struct OpenStore: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .openStore }
    package typealias Reply = StoreOpened
    package init() {}
}

package struct StoreOpened: CodedMessage, Hashable {
    package static var kind: MessageKind { .storeOpened }
    /// The node's process, and the number of its descriptor.
    package var pid: Int32
    package var descriptor: Int32
    package var arenaBytes: Int
    package init(pid: Int32, descriptor: Int32, arenaBytes: Int) { (self.pid, self.descriptor, self.arenaBytes) = (pid, descriptor, arenaBytes) }
}

/// Client → its node: this is the table of what I read.
package struct JoinStore: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .joinStore }
    package typealias Reply = Acknowledged
    package var pid: Int32
    package var pins: Int32
    package init(pid: Int32, pins: Int32) { (self.pid, self.pins) = (pid, pins) }
}

/// Client → its node: memory for an object of so many bytes, or for more. Failed with `objectStoreFull` or
/// `outOfDisk` when none came free in time.
package struct LeaseMemory: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .leaseMemory }
    package typealias Reply = MemoryLeased
    package var bytes: Int
    package init(bytes: Int) { self.bytes = bytes }
}

/// A part of the arena, and slots to publish objects in it with.
package struct MemoryLeased: CodedMessage, Hashable {
    package static var kind: MessageKind { .memoryLeased }
    package var offset: Int
    package var count: Int
    package var slots: [UInt32]
    package var generations: [UInt64]
    package init(offset: Int, count: Int, slots: [UInt32], generations: [UInt64]) {
        (self.offset, self.count, self.slots, self.generations) = (offset, count, slots, generations)
    }
}

/// Client → its node: I shall not fill these.
package struct ReturnMemory: CodedMessage, Hashable {
    package static var kind: MessageKind { .returnMemory }
    package var lease: MemoryLeased
    package init(lease: MemoryLeased) { self.lease = lease }
}

/// Client → its node: these objects are published.
package struct ObjectsStored: CodedMessage, Hashable {
    package static var kind: MessageKind { .objectsStored }
    package struct Object: Codable, Hashable, Sendable {
        package var id: ObjectID
        package var owner: ProcessID
        package var slot: UInt32
        package var generation: UInt64
        package var offset: Int
        package var count: Int
        package init(id: ObjectID, owner: ProcessID, slot: UInt32, generation: UInt64, offset: Int, count: Int) {
            (self.id, self.owner, self.slot, self.generation, self.offset, self.count) = (id, owner, slot, generation, offset, count)
        }
    }
    package var objects: [Object]
    package init(objects: [Object]) { self.objects = objects }
}

/// Owner → a node with copies: nobody needs these any more.
package struct FreeObjects: CodedMessage, Hashable {
    package static var kind: MessageKind { .freeObjects }
    package var objects: [ObjectID]
    package init(objects: [ObjectID]) { self.objects = objects }
}

/// Client → its node: I want to read this object, and could not open it. Where else it is, says the client. Failed with `objectLost` when no copy can be had,
/// with `objectStoreFull` or `outOfDisk` when no memory comes free for one.
package struct OpenObject: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .openObject }
    package typealias Reply = ObjectOpened
    package var object: ObjectID
    package var owner: ProcessAddress
    package var size: Int
    package var sources: [NodeAddress]
    /// The client can read it where it is: it need not come here, and is not waited for while nobody lets go of memory.
    package var readsAnywhere: Bool?
    package init(object: ObjectID, owner: ProcessAddress, size: Int, sources: [NodeAddress], readsAnywhere: Bool? = nil) {
        (self.object, self.owner, self.size, self.sources, self.readsAnywhere) = (object, owner, size, sources, readsAnywhere)
    }
}

/// The object is in the store of the node that answers: open it before it leaves again, or, when no memory comes free for it there, pull it in parts.
package struct ObjectOpened: CodedMessage, Hashable {
    package static var kind: MessageKind { .objectOpened }
    package var slot: UInt32
    package var generation: UInt64
    /// It stays on disk, and has no slot.
    package var isOnDisk: Bool?
    package init(slot: UInt32, generation: UInt64, isOnDisk: Bool? = nil) { (self.slot, self.generation, self.isOnDisk) = (slot, generation, isOnDisk) }
}

/// Node → node, or a process that cannot open it → node: a part of an object, from `offset`, of at most `count` bytes.
package struct PullObject: WireRequest, CodedMessage, Hashable {
    package static var kind: MessageKind { .pullObject }
    package typealias Reply = ObjectPart
    package var object: ObjectID
    package var offset: Int
    package var count: Int
    package init(object: ObjectID, offset: Int, count: Int) { (self.object, self.offset, self.count) = (object, offset, count) }
}

package struct ObjectPart: WireMessage, Hashable {
    package static var kind: MessageKind { .objectPart }
    /// Of the whole object.
    package var size: Int
    package var bytes: [UInt8]
    /// CRC-32C of the part's bytes.
    package var checksum: UInt32?
    package init(size: Int, of bytes: UnsafeRawBufferPointer) {
        (self.size, self.bytes, checksum) = (size, Array(bytes), MantaMemory.checksum(of: bytes))
    }
    package init(size: Int, bytes: [UInt8]) { (self.size, self.bytes, checksum) = (size, bytes, bytes.withUnsafeBytes { MantaMemory.checksum(of: $0) }) }
    package func encode(into writer: inout MessagePackWriter) {
        writer.write(size)
        writer.writeBinary(bytes)
        if let checksum { writer.write(checksum) }
    }
    package init(from reader: inout MessagePackReader) throws(MantaError) {
        size = try reader.readInt()
        bytes = try reader.readBinary()
        if !reader.isAtEnd { checksum = try reader.readUInt32() }
    }

    /// What is wrong with the part, for whoever expected `count` bytes of an object of `size`; nil when it is whole.
    package func complaint(size: Int, count: Int) -> String? {
        guard self.size == size, bytes.count == count else { return "it sent \(bytes.count) bytes of an object of \(self.size), expected \(count) of \(size)" }
        guard let checksum else { return nil }
        let found = bytes.withUnsafeBytes { MantaMemory.checksum(of: $0) }
        return found == checksum ? nil : "it sent \(count) bytes with the checksum \(found), expected \(checksum)"
    }
}

/// Node → owner: this node has a copy of your object from now on, or no longer; or something that a worker which is gone wrote for you, and which you may not
/// have heard of.
package struct CopyChanged: CodedMessage, Hashable {
    package static var kind: MessageKind { .copyChanged }
    package var object: ObjectID
    package var node: NodeAddress
    package var isThere: Bool
    /// It is not to be read, but freed with the object.
    package var isLeftBehind: Bool?
    package init(object: ObjectID, node: NodeAddress, isThere: Bool, isLeftBehind: Bool? = nil) {
        (self.object, self.node, self.isThere, self.isLeftBehind) = (object, node, isThere, isLeftBehind)
    }
}

/// Process → its node: this process owns objects or holds leases on other nodes, which must hear of its end.
package struct OwnsElsewhere: CodedMessage, Hashable {
    package static var kind: MessageKind { .ownsElsewhere }
    package init() {}
}

extension MessagePackWriter {
    mutating func write(_ place: StoredPlace) {
        writeArrayHeader(5)
        write(place.node.node)
        write(place.node.endpoint)
        write(place.slot)
        write(place.generation)
        write(place.size)
    }

    /// A value is a binary, a place an array.
    mutating func write(_ value: ResultValue) {
        switch value {
        case .inline(let bytes): writeBinary(bytes)
        case .stored(let place): write(place)
        }
    }
}

extension MessagePackReader {
    mutating func readStoredPlace() throws(MantaError) -> StoredPlace {
        let count = try readArrayHeader(atLeast: 5)
        let node = NodeAddress(node: try readIdentifier(), endpoint: try readString())
        let place = StoredPlace(node: node, slot: try readUInt32(), generation: try readUInt64(), size: try readInt())
        guard place.size >= 0 else { throw unexpected("a size that is not negative") }
        try skipFields(from: 5, to: count)
        return place
    }

    mutating func readResultValue() throws(MantaError) -> ResultValue {
        try peek() == .binary ? .inline(try readBinary()) : .stored(try readStoredPlace())
    }
}
