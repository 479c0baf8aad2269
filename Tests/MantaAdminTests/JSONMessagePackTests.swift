// JSONMessagePackTests: JSON to MessagePack and back, with what either of them lacks.

import MantaAdmin
import MantaJSON
import MantaModel
import MantaWire
import Testing

struct JSONMessagePackTests {
    @Test(arguments: [
        "null", "true", "0", "-1", "9007199254740993", "-9223372036854775808", "0.1", "1e300", #""""#, #""ä\n😀""#, "[]", "[1,[2,[3]],{}]",
        #"{"b":1,"a":{"c":[null,false]}}"#,
    ]) func jsonComesBackAsItWas(_ text: String) throws {
        let value = try JSONValue.parse(text)
        #expect(try JSONMessagePack.decode(JSONMessagePack.encode(value)) == value)
    }

    @Test func typesThatJSONLacksBecomeTheNearest() throws {
        #expect(try JSONMessagePack.decode(try ValueEncoder.bytes([0.1, 2] as [Float])) == [0.1, 2.0])
        #expect(try JSONMessagePack.decode(try ValueEncoder.bytes([0.5] as [Double])) == [0.5])
        #expect(try JSONMessagePack.decode(try ValueEncoder.bytes([1, -2] as [Int])) == [1, -2])
        #expect(try JSONMessagePack.decode(try ValueEncoder.bytes(Array("light work.".utf8))) == "bGlnaHQgd29yay4=")
        #expect(try JSONMessagePack.decode(try ValueEncoder.bytes(Array("light work".utf8))) == "bGlnaHQgd29yaw==")
        #expect(try JSONMessagePack.decode(try ValueEncoder.bytes([] as [UInt8])) == "")
        #expect(try JSONMessagePack.decode(try ValueEncoder.bytes(UInt64.max)) == .number(Double(UInt64.max)))
        #expect(try JSONMessagePack.decode([0x81, 0x07, 0xc3]) == ["7": true])
    }

    @Test func argumentsReachACodableType() throws {
        struct Point: Codable, Equatable { var x: Int, y: Double }
        let arguments = JSONMessagePack.encode(try JSONValue.parse(#"{"x": 1, "y": 2}"#))
        #expect(try ValueDecoder.decode(Point.self, from: arguments) == Point(x: 1, y: 2))
    }

    @Test(arguments: [[], [0x92, 0x01], [0x01, 0x02], [0xc1], [0xdc, 0xff, 0xff], [0xc7, 0x03, 0x01, 0, 0, 0]] as [[UInt8]])
    func malformedBytesAreRefused(_ bytes: [UInt8]) {
        #expect(throws: MantaError.self) { try JSONMessagePack.decode(bytes) }
    }

    @Test func deepNestingIsRefused() {
        #expect(throws: MantaError.self) { try JSONMessagePack.decode(Array(repeating: 0x91, count: 100_000) + [0xc0]) }
    }
}
