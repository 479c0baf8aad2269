// ValueCodingTests: Codable values as MessagePack and back: every shape, every leniency, every refusal, and bytes nobody should trust.

import MantaModel
import MantaWire
import Testing

struct Person: Codable, Hashable {
    var name: String
    var age: Int
    var height: Double?
    var tags: [String]
    var home: Address
}
struct Address: Codable, Hashable {
    var street: String
    var number: UInt16
}
enum Shape: Codable, Hashable {
    case circle(radius: Double)
    case line(from: Int, to: Int)
    case label(String)
    case nothing
}
struct Everything: Codable, Hashable {
    var a: Int8, b: Int16, c: Int32, d: Int64, e: UInt, f: UInt8, g: UInt16, h: UInt32, i: UInt64
    var j: Float, k: Bool, l: String?
    var bytes: [UInt8], floats: [Float], doubles: [Double], ints: [Int], nested: [[Float]]
    var byText: [String: Int], byNumber: [Int: String], byShape: [Shape: Int]
    var set: Set<Int>
    var shapes: [Shape]
    init(_ x: Int) {
        (a, b, c, d, e, f, g, h, i) = (Int8(-x), Int16(-x), Int32(-x), Int64(-x), UInt(x), UInt8(x), UInt16(x), UInt32(x), .max)
        (j, k, l) = (1.5, true, nil)
        (bytes, floats, doubles, ints, nested) = ([1, 2, 255], [1, .infinity], [2.5], [-1, .max, .min], [[1], [], [2, 3]])
        (byText, byNumber, byShape) = (["a": 1], [7: "x"], [.nothing: 2])
        (set, shapes) = ([x], [.circle(radius: 2), .line(from: 1, to: 2), .label("z"), .nothing])
    }
}
class Animal: Codable {
    var legs: Int
    init(legs: Int) { self.legs = legs }
}
final class Dog: Animal {
    var name: String
    init(name: String) {
        self.name = name
        super.init(legs: 4)
    }
    private enum CodingKeys: CodingKey { case name }
    required init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        name = try container.decode(String.self, forKey: .name)
        try super.init(from: container.superDecoder())
    }
    override func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try super.encode(to: container.superEncoder())
        try container.encode(name, forKey: .name)
    }
}
/// As an admin or another language may hold a value: whatever it is.
indirect enum Loose: Codable, Hashable {
    case null, bool(Bool), int(Int), number(Double), text(String), list([Loose]), map([String: Loose])
    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() { self = .null }
        else if let value = try? container.decode(Bool.self) { self = .bool(value) }
        else if let value = try? container.decode(Int.self) { self = .int(value) }
        else if let value = try? container.decode(Double.self) { self = .number(value) }
        else if let value = try? container.decode(String.self) { self = .text(value) }
        else if let value = try? container.decode([Loose].self) { self = .list(value) }
        else { self = .map(try container.decode([String: Loose].self)) }
    }
    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .int(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .text(let value): try container.encode(value)
        case .list(let value): try container.encode(value)
        case .map(let value): try container.encode(value)
        }
    }
}
struct Chain: Codable {
    var next: [Chain]
}

private func roundTrip<Value: Codable>(_ value: Value) throws -> Value {
    try ValueDecoder.decode(Value.self, from: try ValueEncoder.bytes(value))
}

private func recast<From: Encodable, To: Decodable>(_ value: From, as type: To.Type) throws -> To {
    try ValueDecoder.decode(type, from: try ValueEncoder.bytes(value))
}

struct ValueCodingTests {
    @Test func `leaves`() throws {
        for number in [0, 1, -1, 31, -32, -33, 127, 128, 255, 256, 65_535, 65_536, .max, .min] { #expect(try roundTrip(number) == number) }
        #expect(try roundTrip("grüße 🦀") == "grüße 🦀")
        #expect(try roundTrip(1.25) == 1.25)
        #expect(try roundTrip(Float.pi) == .pi)
        #expect(try roundTrip(Double.nan).isNaN)
        #expect(try roundTrip(true))
        #expect(try roundTrip(UInt64.max) == .max)
        #expect(try roundTrip([UInt8](0...255)) == [UInt8](0...255))
        #expect(try roundTrip((0..<1000).map(Float.init)) == (0..<1000).map(Float.init))
        #expect(try roundTrip(["a", "", "c"]) == ["a", "", "c"])
        #expect(try roundTrip(Int?.none) == nil)
        #expect(try roundTrip(Int?.some(3)) == .some(3))
        #expect(try roundTrip([Int]()) == [])
    }

    @Test func `everything at once`() throws {
        let value = Everything(5)
        #expect(try roundTrip(value) == value)
        #expect(try roundTrip([value, value]) == [value, value])
    }

    @Test func `identifiers and errors of the model`() throws {
        let id = ObjectID(task: TaskID(high: 1, low: 2), index: 3)
        #expect(try roundTrip(id) == id)
        let error = MantaError(.timeout, "late", cause: MantaError(.system, "x"))
        #expect(try roundTrip(error) == error)
        #expect(try roundTrip(Resources(["CPU": 0.5])) == Resources(["CPU": 0.5]))
    }

    @Test func `superclasses`() throws {
        let dog = try roundTrip(Dog(name: "Rex"))
        #expect((dog.name, dog.legs) == ("Rex", 4))
    }

    @Test(arguments: [0, 1, 15, 16, 17, 65_535, 65_536])
    func `headers grow with their containers`(count: Int) throws {
        let list = (0..<count).map { $0.isMultiple(of: 3) }
        #expect(try roundTrip(list) == list)
        let map = Dictionary(uniqueKeysWithValues: (0..<count).map { ($0, true) })
        #expect(try roundTrip(map) == map)
    }

    @Test func `keys in any order, unknown keys, defaults of optionals`() throws {
        let loose = Loose.map([
            "home": .map(["number": .int(3), "new": .list([.int(1), .map(["x": .null])]), "street": .text("s")]), "age": .number(3),
            "later": .map(["a": .list([])]), "tags": .list([.text("t")]), "name": .text("n"),
        ])
        let person = try recast(loose, as: Person.self)
        #expect(person == Person(name: "n", age: 3, height: nil, tags: ["t"], home: Address(street: "s", number: 3)))
    }

    @Test func `numbers change their type where nothing is lost`() throws {
        #expect(try recast(3, as: Double.self) == 3)
        #expect(try recast(3, as: Float.self) == 3)
        #expect(try recast(3.0, as: Int.self) == 3)
        #expect(try recast([1, 2], as: [Float].self) == [1, 2])
        #expect(try recast([1.5, 2], as: [Float].self) == [1.5, 2])
        #expect(try recast([Loose.int(1), .number(2.5)], as: [Double].self) == [1, 2.5])
        #expect(try recast([UInt8(1), 2], as: [Int].self) == [1, 2])
        #expect(try recast([1, 2], as: [UInt8].self) == [1, 2])
        #expect(try recast([Float(1), 2], as: Loose.self) == .list([.int(1), .int(2)]))
        #expect(try recast(Everything(5), as: Loose.self) != .null)
    }

    @Test func `a mismatch names path, expected and found`() throws {
        func message<From: Encodable, To: Decodable>(_ value: From, _ type: To.Type) -> String {
            do {
                _ = try recast(value, as: type)
                return "none"
            } catch {
                #expect((error as? MantaError)?.code == .wrongType)
                return (error as? MantaError)?.message ?? "\(error)"
            }
        }
        #expect(message("x", Int.self) == "Int cannot be decoded: at the value itself: expected Int, found the string \"x\"")
        #expect(message(300, UInt8.self) == "UInt8 cannot be decoded: at the value itself: expected UInt8, found 300")
        #expect(message(-1, UInt.self) == "UInt cannot be decoded: at the value itself: expected UInt, found -1")
        #expect(message(1.5, Int.self) == "Int cannot be decoded: at the value itself: expected Int, found 1.5")
        #expect(message(1e300, Float.self) == "Float cannot be decoded: at the value itself: expected Float, found 1e+300")
        #expect(message(["a": [1, 2]], [String: [String]].self).hasSuffix("at a[0]: expected String, found 1"))
        #expect(message(["name": "n"], Person.self) == "Person cannot be decoded: at the value itself: the key \"age\" is missing")
        #expect(message([1], Person.self) == "Person cannot be decoded: at the value itself: expected a map, found a list of 1 numbers")
        #expect(message(["people": [["name": 3]]], [String: [Person]].self).hasSuffix("at people[0].name: expected String, found 3"))
        #expect(message([nil as Int?], [Int].self).hasSuffix("at [0]: expected Int, found nil"))
        #expect(message(["square": 1], Shape.self).contains("Shape cannot be decoded"))
    }

    @Test func `nesting is bounded both ways`() throws {
        var chain = Chain(next: [])
        for _ in 0..<100 { chain = Chain(next: [chain]) }
        _ = try roundTrip(chain)
        for _ in 0..<100 { chain = Chain(next: [chain]) }
        #expect(throws: MantaError.self) { try ValueEncoder.bytes(chain) }
        var bytes: [UInt8] = Array(repeating: 0x91, count: 100_000)
        bytes.append(0xc0)
        let error = #expect(throws: MantaError.self) { try ValueDecoder.decode(Loose.self, from: bytes) }
        #expect(error != nil)
    }

    @Test func `a failed encoding leaves the writer as it was`() throws {
        struct Refusing: Encodable {
            func encode(to encoder: any Encoder) throws {
                var container = encoder.unkeyedContainer()
                try container.encode(1)
                throw MantaError(.conflict, "no")
            }
        }
        var writer = MessagePackWriter()
        writer.write("before")
        let before = writer.bytes
        #expect(throws: MantaError(.conflict, "no")) { try ValueEncoder.encode(Refusing(), into: &writer) }
        #expect(writer.bytes == before)
    }

    @Test func `cut and changed bytes never trap`() throws {
        let bytes = try ValueEncoder.bytes(Everything(5))
        for end in stride(from: 0, to: bytes.count, by: 3) { #expect(throws: MantaError.self) { try ValueDecoder.decode(Everything.self, from: Array(bytes[..<end])) } }
        #expect(throws: MantaError.self) { try ValueDecoder.decode(Everything.self, from: bytes + [0]) }
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<500 {
            var changed = bytes
            for _ in 0...Int.random(in: 0..<4, using: &generator) {
                changed[Int.random(in: 0..<changed.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            _ = try? ValueDecoder.decode(Everything.self, from: changed)
            _ = try? ValueDecoder.decode(Loose.self, from: changed)
            _ = try? ValueDecoder.decode([Person].self, from: changed)
        }
        for _ in 0..<500 {
            let noise = (0..<Int.random(in: 0..<40, using: &generator)).map { _ in UInt8.random(in: 0...255, using: &generator) }
            _ = try? ValueDecoder.decode(Loose.self, from: noise)
            _ = try? ValueDecoder.decode([Float].self, from: noise)
            _ = try? ValueDecoder.decode([String: [Int]].self, from: noise)
        }
    }

    @Test func `a value follows another in one buffer`() throws {
        var writer = MessagePackWriter()
        try ValueEncoder.encode(Shape.circle(radius: 1), into: &writer)
        try ValueEncoder.encode([1.5], into: &writer)
        var reader = MessagePackReader(writer.bytes)
        #expect(try ValueDecoder.decode(Shape.self, from: &reader) == .circle(radius: 1))
        #expect(try ValueDecoder.decode([Double].self, from: &reader) == [1.5])
        #expect(reader.isAtEnd)
    }
}
