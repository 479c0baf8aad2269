// ReferenceCodingTests: references inside values, whatever they are of and whoever wrote them.

import MantaModel
import MantaWire
import Testing

/// Codes itself as the references of the layers above do.
struct Named: Codable, Hashable {
    var address: ObjectAddress
    init(_ address: ObjectAddress) { self.address = address }
    func encode(to encoder: any Encoder) throws { #expect(address.encodeAsReference(to: encoder)) }
    init(from decoder: any Decoder) throws {
        guard let address = try ObjectAddress.decodedAsReference(from: decoder) else { throw MantaError(.wrongType, "no reference") }
        self.address = address
    }
}

/// Lists of them are read at once.
extension Array: ReferenceList where Element == Named {
    init(references: [ReferenceRun]) { self = references.flatMap { run in run.objects.map { Named(ObjectAddress(object: $0, owner: run.owner)) } } }
}

private struct Pair: Codable, Hashable {
    var first: Named
    var second: Named
    var rest: [Named]
}

struct ReferenceCodingTests {
    private func address(_ number: Int, _ endpoint: String = "ipc:///run/one.sock") -> ObjectAddress {
        ObjectAddress(
            object: ObjectID(task: TaskID(high: 7, low: UInt64(number)), index: UInt32(number)),
            owner: ProcessAddress(process: ProcessID(high: 1, low: 2), endpoint: endpoint))
    }

    @Test func theyComeBackAsTheyWere() throws {
        let other = ProcessAddress(process: ProcessID(high: 3, low: 4), endpoint: "ipc:///run/other.sock")
        let value = Pair(
            first: Named(address(1)), second: Named(ObjectAddress(object: address(2).object, owner: other)), rest: (3..<40).map { Named(address($0)) })
        let bytes = try ValueEncoder.bytes(value)
        #expect(try ValueDecoder.decode(Pair.self, from: bytes) == value)
    }

    /// Their owners change, their indices take one to five bytes, and another writer took shorter headers.
    @Test func listsOfThemComeBackAsTheyWere() throws {
        let owners = ["ipc:///run/one.sock", "ipc:///run/two.sock", "ipc:///run/two.sock", ""]
        let indices: [UInt32] = [0, 127, 128, 255, 256, 65_535, 65_536, .max]
        var list: [Named] = []
        for number in 0..<200 {
            let owner = ProcessAddress(process: ProcessID(high: 1, low: UInt64(number / 50)), endpoint: owners[number / 50])
            list.append(Named(ObjectAddress(object: ObjectID(task: TaskID(high: .max, low: UInt64(number)), index: indices[number % 8]), owner: owner)))
        }
        #expect(try ValueDecoder.decode([Named].self, from: ValueEncoder.bytes(list)) == list)
        #expect(try ValueDecoder.decode([Named].self, from: ValueEncoder.bytes([Named]())) == [])
        var bytes: [UInt8] = [0xdc, 0, 200]
        for (number, one) in list.enumerated() {
            let single = try ValueEncoder.bytes(one)
            bytes += number.isMultiple(of: 3) ? [0xc7, UInt8(single.count - 6), 65] + single[6...] : single
        }
        #expect(try ValueDecoder.decode([Named].self, from: bytes) == list)
        // A newer writer may say more of each.
        bytes = [0x92] + (try [0, 1].flatMap { try ValueEncoder.bytes(list[$0]) + [0xc0] })
        for start in [1, 1 + bytes.count / 2] { bytes[start + 4] += 1 }
        #expect(try ValueDecoder.decode([Named].self, from: bytes) == Array(list[0...1]))
    }

    @Test func listsThatAreCutShortOrDamagedAreRefused() throws {
        let bytes = try ValueEncoder.bytes((1..<4).map { Named(address($0)) })
        for end in 0..<bytes.count { #expect(throws: MantaError.self) { try ValueDecoder.decode([Named].self, from: Array(bytes[..<end])) } }
        // Whatever a byte is turned to: an error, or another list of three.
        for position in bytes.indices {
            for bit in 0..<8 {
                var damaged = bytes
                damaged[position] ^= 1 << UInt8(bit)
                if let list = try? ValueDecoder.decode([Named].self, from: damaged) { #expect(list.count == 3) }
            }
        }
    }

    /// As one that was read from a file that somebody wrote.
    @Test func anEndpointOfAnyLengthFits() throws {
        let value = Named(address(1, String(repeating: "x", count: 100_000)))
        #expect(try ValueDecoder.decode(Named.self, from: ValueEncoder.bytes(value)) == value)
    }

    /// Another writer may take the shortest header that its length needs.
    @Test func everyFormOfHeaderIsRead() throws {
        let value = Named(address(1))
        let bytes = try ValueEncoder.bytes(value)
        let content = Array(bytes[6...])
        #expect(bytes[0] == 0xc9 && bytes[5] == 65)
        #expect(try ValueDecoder.decode(Named.self, from: [0xc7, UInt8(content.count), 65] + content) == value)
        #expect(try ValueDecoder.decode(Named.self, from: [0xc8, 0, UInt8(content.count), 65] + content) == value)
    }

    @Test func aReferenceThatIsCutShortIsRefused() throws {
        let bytes = try ValueEncoder.bytes(Named(address(1)))
        for end in 0..<bytes.count { #expect(throws: MantaError.self) { try ValueDecoder.decode(Named.self, from: Array(bytes[..<end])) } }
        let content = Array(bytes[6...].dropLast(4))
        #expect(throws: MantaError.self) { try ValueDecoder.decode(Named.self, from: [0xc7, UInt8(content.count), 65] + content + [0x61, 0x61, 0x61, 0x61]) }
    }
}
