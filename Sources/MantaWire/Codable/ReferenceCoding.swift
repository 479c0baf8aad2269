// ReferenceCoding: references inside values, as one MessagePack extension value each: ten thousand in a list are read in milliseconds.
//
// | extension type | content |
// | --- | --- |
// | 65 | the object's identifier and its owner's address, as messages carry them |
//
// The type that is a reference belongs to the layer above; it asks here first, and codes itself in the ordinary way for any other encoder or decoder.

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

/// A list of references, which is read without asking the decoder for each of them.
package protocol ReferenceList {
    /// Throws when the process cannot take hold of the objects.
    init(references: [ObjectAddress]) throws
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
        var references: [ObjectAddress] = []
        // A list says how long it is; each reference takes at least 40 bytes.
        references.reserveCapacity(min(count, reader.remaining / 40))
        for _ in 0..<count {
            guard let reference = try readReference() else {
                reader.position = start
                return nil
            }
            references.append(reference)
        }
        return try list.init(references: references) as? Value
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
