// ValueEncoder: `Codable` values as MessagePack: structs and dictionaries as maps by key, arrays as arrays, enums as the compiler spells them.
//
// Everything is appended to one buffer in one pass; a container's header is patched when its count is known to have grown. Numbers, strings and arrays
// of numbers are recognized by type and skip `Codable`. References inside a value are noted in a `ReferenceCollector` while it is encoded.

package import MantaModel

/// Encodes `Codable` values.
package enum ValueEncoder {
    /// Containers inside containers; deeper values are refused, since decoding them could exhaust a thread's stack.
    package static let depthLimit = 256

    /// Appends a value. Throws `wrongType` with the path inside the value when it cannot be encoded; the writer is then as it was.
    package static func encode<Value: Encodable>(
        _ value: Value, into writer: inout MessagePackWriter, collecting collector: ReferenceCollector? = nil
    ) throws(MantaError) {
        if writer.writeLeaf(value) { return }
        let (start, deferred) = (writer.bytes.count, writer.deferred)
        let state = EncodingState(writer: writer, collector: collector)
        // The state must hold the only copy of the buffer while it appends.
        writer = MessagePackWriter()
        defer { writer = state.writer }
        do {
            try EncodingFrame.encode(value, state: state, parent: nil, key: nil)
        } catch {
            state.writer.bytes.removeSubrange(start...)
            state.writer.deferred = deferred
            throw CodingFailure.encoding(error, type: Value.self)
        }
    }

    /// A value in pieces: its large arrays are not copied yet. Throws as `encode` does, and `tooLarge` for an array that no extension value can hold.
    package static func parts<Value: Encodable>(_ value: Value, collecting collector: ReferenceCollector? = nil) throws(MantaError) -> EncodedParts {
        var writer = MessagePackWriter()
        writer.deferred = []
        try encode(value, into: &writer, collecting: collector)
        return try parts(writer, of: Value.self)
    }

    /// The same of a value whose type has a direct form, in which no references can be; nil for any other, of which nothing was done.
    package static func leafParts<Value>(_ value: Value) throws(MantaError) -> EncodedParts? {
        var writer = MessagePackWriter()
        writer.deferred = []
        guard writer.writeLeaf(value) else { return nil }
        return try parts(writer, of: Value.self)
    }

    private static func parts<Value>(_ writer: MessagePackWriter, of type: Value.Type) throws(MantaError) -> EncodedParts {
        let parts = EncodedParts(writer)
        guard parts.largestArray <= Limits.arrayBytes else {
            throw MantaError(.tooLarge, "\(type) has an array of \(parts.largestArray) bytes; expected at most \(Limits.arrayBytes), split it")
        }
        return parts
    }

    /// A value's bytes.
    package static func bytes<Value: Encodable>(_ value: Value, collecting collector: ReferenceCollector? = nil) throws(MantaError) -> [UInt8] {
        var writer = MessagePackWriter()
        try encode(value, into: &writer, collecting: collector)
        return writer.bytes
    }
}

extension MessagePackWriter {
    /// Writes a value whose type has a direct form; false when it must go through `Codable`.
    mutating func writeLeaf<Value>(_ value: Value) -> Bool {
        // Comparing types costs a few pointer comparisons, a dynamic cast a hundred times more.
        func same<Leaf>(_ type: Leaf.Type) -> Leaf? { Value.self == type ? unsafeBitCast(value, to: type) : nil }
        if let value = same(Int.self) { write(value) }
        else if let value = same(String.self) { write(value) }
        else if let value = same(Double.self) { write(value) }
        else if let value = same(Bool.self) { write(value) }
        else if let value = same(Float.self) { write(value) }
        else if let value = same([UInt8].self) { writeBinary(value) }
        else if let value = same([Float].self) { writeNumberArray(value) }
        else if let value = same([Double].self) { writeNumberArray(value) }
        else if let value = same([Int].self) { writeNumberArray(value) }
        else if let value = same([Int64].self) { writeNumberArray(value) }
        else if let value = same([String].self) {
            writeArrayHeader(value.count)
            for element in value { write(element) }
        } else { return false }
        return true
    }
}

/// What all frames of one encoding share. Its accesses never overlap: each is one statement here, and one thread encodes; checking that at run time
/// would be a tenth of the cost.
final class EncodingState {
    @exclusivity(unchecked) var writer: MessagePackWriter
    @exclusivity(unchecked) var depth = 0
    let collector: ReferenceCollector?

    init(writer: MessagePackWriter, collector: ReferenceCollector?) { (self.writer, self.collector) = (writer, collector) }
}

/// One value on its way into the buffer: the `Encoder` its `encode(to:)` gets. All containers asked of it share its header.
final class EncodingFrame: Encoder {
    let state: EncodingState
    private let parent: EncodingFrame?
    private let key: (any CodingKey)?
    private enum Form { case none, keyed, unkeyed, single }
    @exclusivity(unchecked) private var form = Form.none
    /// Where the header is, and how many elements it stands for.
    @exclusivity(unchecked) private var header = 0
    @exclusivity(unchecked) private(set) var count = 0
    @exclusivity(unchecked) private var openSuper: EncodingFrame?

    init(state: EncodingState, parent: EncodingFrame?, key: (any CodingKey)?) {
        (self.state, self.parent, self.key) = (state, parent, key)
    }

    var codingPath: [any CodingKey] { (parent?.codingPath ?? []) + (key.map { [$0] } ?? []) }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    static func encode<Value: Encodable>(_ value: Value, state: EncodingState, parent: EncodingFrame?, key: (any CodingKey)?) throws {
        if state.writer.writeLeaf(value) { return }
        let frame = EncodingFrame(state: state, parent: parent, key: key)
        guard state.depth < ValueEncoder.depthLimit else {
            throw MantaError(.tooLarge, "at \(CodingFailure.path(frame.codingPath)): the value is nested deeper than \(ValueEncoder.depthLimit) levels; expected a flatter value")
        }
        state.depth += 1
        defer { state.depth -= 1 }
        try value.encode(to: frame)
        frame.finish()
    }

    /// A value that encoded nothing is an empty map.
    func finish() {
        closeSuper()
        if form == .none || form == .single && state.writer.bytes.count == header { state.writer.writeMapHeader(0) }
    }

    /// The superclass part that was begun last is over when anything else begins.
    private func closeSuper() {
        openSuper?.finish()
        openSuper = nil
    }

    private func begin(_ wanted: Form) {
        if form == .none {
            form = wanted
            header = state.writer.bytes.count
            if wanted != .single { state.writer.bytes.append(wanted == .keyed ? 0x80 : 0x90) }
        }
        precondition(form == wanted, "encode(to:) of a value asked for two different kinds of container")
    }

    /// One more element; the header grows where the count no longer fits.
    func addElement() {
        closeSuper()
        count += 1
        let keyed = form == .keyed
        switch count {
        case ...15: state.writer.bytes[header] = (keyed ? 0x80 : 0x90) | UInt8(count)
        case ...0xffff:
            if count == 16 {
                state.writer.bytes[header] = keyed ? 0xde : 0xdc
                state.writer.insertZeros(2, at: header + 1)
            }
            patch(UInt16(count))
        default:
            if count == 0x1_0000 {
                state.writer.bytes[header] = keyed ? 0xdf : 0xdd
                state.writer.insertZeros(2, at: header + 1)
            }
            patch(UInt32(truncatingIfNeeded: count))
        }
    }

    private func patch(_ count: some FixedWidthInteger) {
        let position = header + 1
        state.writer.bytes.withUnsafeMutableBytes { $0.storeBytes(of: count.bigEndian, toByteOffset: position, as: type(of: count)) }
    }

    func addKey(_ key: any CodingKey) {
        addElement()
        state.writer.write(key.stringValue)
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        begin(.keyed)
        return KeyedEncodingContainer(KeyedEncoding<Key>(frame: self))
    }
    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        begin(.unkeyed)
        return UnkeyedEncoding(frame: self)
    }
    func singleValueContainer() -> any SingleValueEncodingContainer {
        begin(.single)
        return SingleEncoding(frame: self)
    }

    /// The whole value is a reference.
    func encode(_ reference: ObjectAddress) {
        begin(.single)
        state.writer.writeReference(reference)
    }

    /// The frame of an element that is a container of its own.
    func child(_ key: any CodingKey) -> EncodingFrame { EncodingFrame(state: state, parent: self, key: key) }

    /// The frame of a superclass, which may encode nothing at all.
    func superChild(_ key: any CodingKey) -> EncodingFrame {
        let frame = child(key)
        openSuper = frame
        return frame
    }
}

/// The position in an array, as a key of a path.
struct IndexKey: CodingKey {
    let index: Int
    init(_ index: Int) { self.index = index }
    var stringValue: String { String(index) }
    var intValue: Int? { index }
    init?(stringValue: String) { nil }
    init?(intValue: Int) { index = intValue }
}

/// The key under which a class encodes its superclass.
struct SuperKey: CodingKey {
    var stringValue: String { "super" }
    var intValue: Int? { nil }
    init() {}
    init?(stringValue: String) { nil }
    init?(intValue: Int) { nil }
}
