// ReferenceCoding: references inside values, as one MessagePack extension value each: ten thousand in a list are read in milliseconds.
//
// | extension type | content |
// | --- | --- |
// | 65 | the object's identifier and its owner's address, as messages carry them |
//
// The type that is a reference belongs to the layer above; it asks here first, and codes itself in the ordinary way for any other encoder or decoder.

import Glibc
package import MantaModel

/// Gathers the references met while a value is encoded, so that they live and are lent together with it.
package final class ReferenceCollector {
    /// The handles, in the order they were met; their type belongs to the layer above.
    package private(set) var references: [any AnyObject & Sendable] = []
    package init() {}
    package func note(_ reference: any AnyObject & Sendable) { references.append(reference) }

    /// The collector of the encoding that is under way; nil in another encoder, such as one for JSON.
    package static func of(_ encoder: any Encoder) -> ReferenceCollector? { (encoder as? EncodingFrame)?.state.collector }
}

extension ObjectAddress {
    static let extensionType: UInt8 = 65

    /// Writes a reference; false when the encoder is another than the one for values.
    package func encodeAsReference(to encoder: any Encoder) -> Bool {
        guard let frame = encoder as? EncodingFrame else { return false }
        frame.encode(self)
        return true
    }

    /// Reads a reference; nil when the decoder is another than the one for values, or the value is something else. Throws `malformed` for a damaged one.
    package static func decodedAsReference(from decoder: any Decoder) throws(MantaError) -> ObjectAddress? {
        guard let frame = decoder as? DecodingFrame else { return nil }
        frame.state.reader.position = frame.start
        return try frame.state.readReference()
    }
}

extension MessagePackWriter {
    mutating func writeReference(_ reference: ObjectAddress) {
        bytes.append(contentsOf: [0xc9, 0, 0, 0, 0, ObjectAddress.extensionType])
        let start = bytes.count
        write(reference.object)
        write(reference.owner)
        let count = UInt32(bytes.count - start)
        bytes.withUnsafeMutableBytes { $0.storeBytes(of: count.bigEndian, toByteOffset: start - 5, as: UInt32.self) }
    }
}

extension MessagePackReader {
    /// Reads references in the form that the writer gives them, whose owner is described by the same bytes as that of another one: as many as there are,
    /// up to a limit. Stands before the first that is anything else; returns how many it read.
    fileprivate mutating func readReferences(ownedAs described: Range<Int>, limit: Int, into objects: inout [ObjectID]) -> Int {
        bytes.withUnsafeBytes { bytes in
            let owner = UnsafeRawBufferPointer(rebasing: bytes[described])
            var read = 0
            while read < limit, let object = Self.reference(in: bytes, at: &position, end: end, owner: owner) {
                objects.append(object)
                read += 1
            }
            return read
        }
    }

    /// | 0xc9, 4 bytes of length, type | 0xc4, 16, the task | the index | the owner |
    private static func reference(in bytes: UnsafeRawBufferPointer, at position: inout Int, end: Int, owner: UnsafeRawBufferPointer) -> ObjectID? {
        let index = position + 24
        guard index + 1 + owner.count <= end, bytes[position] == 0xc9, bytes[position + 5] == ObjectAddress.extensionType,
            bytes[position + 6] == 0xc4, bytes[position + 7] == 16
        else { return nil }
        let length = Int(UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: position + 1, as: UInt32.self)))
        let (behind, indexSize) = (position + 6 + length, length - 18 - owner.count)
        guard behind <= end, let number = number(of: indexSize, in: bytes, at: index),
            memcmp(bytes.baseAddress! + index + indexSize, owner.baseAddress!, owner.count) == 0
        else { return nil }
        let task = TaskID(
            high: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: position + 8, as: UInt64.self)),
            low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: position + 16, as: UInt64.self)))
        position = behind
        return ObjectID(task: task, index: number)
    }

    /// A whole number that takes so many bytes; nil: there is none.
    private static func number(of size: Int, in bytes: UnsafeRawBufferPointer, at position: Int) -> UInt32? {
        switch (size, bytes[position]) {
        case (1, let value) where value < 0x80: UInt32(value)
        case (2, 0xcc): UInt32(bytes[position + 1])
        case (3, 0xcd): UInt32(UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: position + 1, as: UInt16.self)))
        case (5, 0xce): UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: position + 1, as: UInt32.self))
        default: nil
        }
    }

    /// The elements of a reference and where its owner is described; nil, and nothing is read, when something else is next.
    mutating func readReferenceContent() throws(MantaError) -> Range<Int>? {
        guard try peek() == .extension else { return nil }
        let start = position
        let (type, content) = try readExtension()
        if type == ObjectAddress.extensionType { return content }
        position = start
        return nil
    }

    fileprivate var isAtReference: Bool {
        var probe = self
        return (try? probe.readReferenceContent()) != nil
    }
}

/// References that follow each other in a list and whose objects have one owner.
package struct ReferenceRun: Equatable, Sendable {
    package var owner: ProcessAddress
    package var objects: [ObjectID]
    package init(owner: ProcessAddress, objects: [ObjectID]) { (self.owner, self.objects) = (owner, objects) }
}

/// A list of references, which is read without asking the decoder for each of them.
package protocol ReferenceList {
    /// Throws when the process cannot take hold of the objects.
    init(references: [ReferenceRun]) throws
}

extension DecodingState {
    /// A list whose elements are all references; nil for anything else.
    func readReferenceList<Value>(_ type: Value.Type) throws -> Value? {
        let start = reader.position
        // Asking a type what it is takes time: only when the bytes look so.
        guard (try? reader.peek()) == .array, let count = try? reader.readArrayHeader(), count > 0, reader.isAtReference,
            let list = type as? any ReferenceList.Type
        else {
            reader.position = start
            return nil
        }
        guard let runs = try readReferences(count) else {
            reader.position = start
            return nil
        }
        return try list.init(references: runs) as? Value
    }

    /// So many references; nil when something else is among them.
    private func readReferences(_ count: Int) throws(MantaError) -> [ReferenceRun]? {
        var runs: [ReferenceRun] = []
        var left = count
        while left > 0 {
            guard let reference = try readReference() else { return nil }
            if runs.last?.owner != reference.owner {
                runs.append(ReferenceRun(owner: reference.owner, objects: []))
                // A list says how long it is; each reference takes at least 40 bytes.
                runs[runs.count - 1].objects.reserveCapacity(min(left, reader.remaining / 40 + 1))
            }
            runs[runs.count - 1].objects.append(reference.object)
            left -= 1
            // Most references of a value have one owner.
            if let described = lastOwner?.described { left -= reader.readReferences(ownedAs: described, limit: left, into: &runs[runs.count - 1].objects) }
        }
        return runs
    }

    fileprivate func readReference() throws(MantaError) -> ObjectAddress? {
        guard let content = try reader.readReferenceContent() else { return nil }
        let behind = reader.position
        reader.position = content.lowerBound
        let object = try reader.readObjectID()
        let described = reader.position..<content.upperBound
        // Most references of a value have one owner: its address is made once.
        if let last = lastOwner, reader.bytes.areEqual(last.described, described) {
            reader.position = behind
            return ObjectAddress(object: object, owner: last.address)
        }
        let owner = try reader.readProcessAddress()
        guard reader.position <= content.upperBound else {
            throw MantaError(.malformed, "at byte \(content.lowerBound): the reference to \(object) is cut short")
        }
        lastOwner = (owner, described)
        reader.position = behind
        return ObjectAddress(object: object, owner: owner)
    }
}
