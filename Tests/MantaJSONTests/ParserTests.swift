// What the reader accepts, what it refuses, and how precisely it says why; what it reads, the writer writes back.

import Testing

@testable import MantaJSON

@Suite struct ParserTests {
    static let documents: [(String, JSONValue)] = [
        ("null", JSONValue.null), ("true", true), (" 5 ", 5), ("-0", 0), ("9223372036854775807", .integer(.max)), ("-9223372036854775808", .integer(.min)),
        ("1.5", 1.5), ("1e2", 100.0), (#""a\u00e9\n\ud83d\ude00""#, "aé\n😀"), ("[]", []), ("[1,[2]]", [1, [2]]), (#"{"b":1,"a":{"c":null}}"#, ["b": 1, "a": ["c": nil]]),
    ]
    @Test(arguments: documents)
    func readsAnyDocument(text: String, value: JSONValue) throws {
        #expect(try JSONValue.parse(text) == value)
    }

    @Test func keepsTheOrderOfKeys() throws {
        let names = (0..<40).map { "key\(($0 * 7) % 40)" }
        let text = "{" + names.map { "\"\($0)\":1" }.joined(separator: ",") + "}"
        let object = try #require(try JSONValue.parse(text).object)
        #expect(object.keys == names)
        #expect(String(decoding: JSONValue.object(object).serialize(), as: UTF8.self) == text)
    }

    // B61, B64, B65, B66 of the attack table.
    @Test(arguments: [
        "", " ", "{}x", "[1]//x", "[1,]", "{}\0", "1e400", "9223372036854775808", "NaN", "01", "+1", ".5", "1.", "'a'", "{a:1}", "\u{FEFF}{}", "tru", "[1", "{\"a\"}", "]",
        #""\ud800""#, #""\u0000""#, #"{"\u0000":1}"#, "\"\n\"", "\"\u{1}\"",
    ])
    func refusesWhatIsNoJSON(text: String) {
        #expect(throws: JSONError.self) { try JSONValue.parse(text) }
    }

    @Test(arguments: [[0x22, 0xC0, 0xAF, 0x22], [0x22, 0xFF, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22], [0x22, 0xE2, 0x82, 0x22]] as [[UInt8]])
    func refusesInvalidUTF8(bytes: [UInt8]) throws {
        let error = try #require(throws: JSONError.self) { try JSONValue.parse(bytes) }
        #expect(error.description.contains("UTF-8"))
    }

    // B63
    @Test func refusesAKeyTwice() throws {
        let error = try #require(throws: JSONError.self) { try JSONValue.parse(#"{"cmd":1,"cmd":2}"#) }
        #expect(error.description.contains("twice") && error.description.contains("cmd"))
        #expect(throws: JSONError.self) { try JSONValue.parse("{\"\u{E9}\":1,\"e\u{301}\":2}") }
    }

    // B62
    @Test func refusesDeepNesting() throws {
        #expect(throws: Never.self) { try JSONValue.parse(String(repeating: "[", count: 64) + String(repeating: "]", count: 64)) }
        #expect(throws: JSONError.tooDeep(limit: 64, at: .init(line: 1, column: 65, byte: 64))) { try JSONValue.parse(String(repeating: "[", count: 100_000)) }
        // Brackets in strings do not count, escaped quotes do not end them.
        #expect(try JSONValue.parse(#"["\"[[[[", "]"]"#, limits: .init(depth: 1)) == [#""[[[["#, "]"])
    }

    @Test func refusesLargeTexts() {
        #expect(throws: JSONError.tooLarge(size: 12, limit: 11)) { try JSONValue.parse("[1,2,3,4,56]", limits: .init(bytes: 11)) }
    }

    @Test func saysWhereAndWhatWasExpected() throws {
        func complaint(_ text: String) throws -> String { try #require(throws: JSONError.self) { try JSONValue.parse(text) }.description }
        #expect(try complaint("{\n  \"ä\": 1,\n  \"b\" 2\n}").hasPrefix("line 3, column 7 (byte 19): ':' expected"))
        #expect(try complaint("[1 2]").contains("']' expected"))
        #expect(try complaint("{\"a\": tru}").contains("expected a value"))
        #expect(try complaint("{} x").contains("expected the end of the text"))
        #expect(try complaint("").contains("the text is empty; expected a value"))
        #expect(try complaint("[1,").contains("ends too early"))
    }

    // B67
    @Test func readsAndWritesALargeObject() throws {
        let members = JSONObject(uniqueMembers: (0..<100_000).map { ("k\($0)", .integer(Int64($0))) })
        let text = JSONValue.object(members).serialize()
        let back = try JSONValue.parse(text, limits: .init(bytes: 1 << 24))
        #expect(back["k99999"] == 99_999)
        #expect(back == .object(members))
    }
}

@Suite struct SerializerTests {
    static let texts: [(JSONValue, String)] = [
        (JSONValue.number(0.1), "0.1"), (100.0, "100.0"), (1e300, "1e300"), (.number(1.0 / 3), "0.3333333333333333"), (.number(.leastNonzeroMagnitude), "5e-324"), (-2.5, "-2.5"),
        (.number(.nan), "null"), (.number(.infinity), "null"), (.integer(.min), "-9223372036854775808"), ("", "\"\""), ("a\"\\\n\u{1}é/", #""a\"\\\n\u0001é/""#),
        ([], "[]"), ([:], "{}"), (["z": [1, true, nil], "a": 0.25], #"{"z":[1,true,null],"a":0.25}"#), (12345678.9, "12345678.9"),
    ]
    @Test(arguments: texts)
    func writesCompactly(value: JSONValue, text: String) {
        #expect(value.description == text)
    }

    @Test func writesPretty() {
        let value: JSONValue = ["a": [1], "b": [:]]
        #expect(String(decoding: value.serialize(pretty: true), as: UTF8.self) == "{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}")
    }

    @Test func numbersReadBackExactly() throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2_000 {
            let number = Double(bitPattern: random.next())
            guard number.isFinite else { continue }
            #expect(try JSONValue.parse(JSONValue.number(number).serialize()).double == number)
        }
    }
}

@Suite struct ValueTests {
    @Test func subscriptsReachIn() {
        var value: JSONValue = ["list": [1, ["x": "y"]]]
        #expect(value["list"][1]["x"].string == "y")
        #expect(value["none"][7]["x"].isNull)
        value["new"]["deep"] = 5
        #expect(value.object?.keys == ["list", "new"])
        #expect(value["new"]["deep"].integer == 5)
        #expect(JSONValue.number(3).integer == 3 && JSONValue.integer(3).double == 3 && JSONValue.number(3.5).integer == nil)
    }

    @Test func objectsCompareWithoutOrderAndForgetRemovedMembers() {
        #expect(["a": 1, "b": 2] as JSONValue == ["b": 2, "a": 1])
        #expect((["a": 1, "b": 2] as JSONValue).hashValue == (["b": 2, "a": 1] as JSONValue).hashValue)
        var object = JSONObject(uniqueMembers: (0..<30).map { ("k\($0)", .integer(Int64($0))) })
        object["k3"] = nil
        #expect(object["k3"] == nil && object["k29"] == 29 && object.count == 29)
    }
}
