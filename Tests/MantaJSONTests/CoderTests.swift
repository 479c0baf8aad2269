// Codable types to JSON and back, and the paths that errors name.

import Testing

@testable import MantaJSON

private struct Endpoint: Codable, Equatable {
    enum Mode: String, Codable { case fast, slow }
    enum Choice: Codable, Equatable { case none, weighted(by: Double) }
    var name: String
    var traffic: [String: Double]
    var replicas: UInt8?
    var mode = Mode.fast
    var tags: [String] = []
    var choice = Choice.none
    var extra: JSONValue?
}

private struct Outer: Codable, Equatable { var endpoint: Endpoint }

private class Animal: Codable { var name = "cat" }
private final class Dog: Animal {
    var age = 3
    enum CodingKeys: CodingKey { case age }
    override init() { super.init() }
    required init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        age = try container.decode(Int.self, forKey: .age)
        try super.init(from: container.superDecoder())
    }
    override func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(age, forKey: .age)
        try super.encode(to: container.superEncoder())
    }
}

@Suite struct CoderTests {
    private let endpoint = Endpoint(
        name: "e", traffic: ["v1": 0.5], replicas: 3, mode: .slow, tags: ["a", "b"], choice: .weighted(by: 0.25), extra: ["any": [1, 2.5, nil]])

    @Test func valuesComeBack() throws {
        let value = try JSONCoder.encode(Outer(endpoint: endpoint))
        #expect(
            value.description
                == #"{"endpoint":{"name":"e","traffic":{"v1":0.5},"replicas":3,"mode":"slow","tags":["a","b"],"choice":{"weighted":{"by":0.25}},"extra":{"any":[1,2.5,null]}}}"#)
        #expect(try JSONCoder.decode(Outer.self, from: value) == Outer(endpoint: endpoint))
        #expect(try JSONCoder.decode(Outer.self, from: value, unknownMembers: .reject) == Outer(endpoint: endpoint))
    }

    @Test func leavesAndCollectionsComeBack() throws {
        #expect(try JSONCoder.encode([1, nil, 3] as [Int?]) == [1, nil, 3])
        #expect(try JSONCoder.decode([Int?].self, from: [1, nil, 3]) == [1, nil, 3])
        #expect(try JSONCoder.encode(Float(0.1)) == 0.1)
        #expect(try JSONCoder.decode(Float.self, from: 0.1) == 0.1)
        #expect(try JSONCoder.decode(Double.self, from: 3) == 3)
        #expect(try JSONCoder.encode([Int: String]()) == [:])
        #expect(try JSONCoder.decode([Int: String].self, from: ["4": "x"]) == [4: "x"])
        #expect(try JSONCoder.encode(Optional<Int>.none) == nil)
        let dog = try JSONCoder.decode(Dog.self, from: JSONCoder.encode(Dog()))
        #expect(dog.name == "cat" && dog.age == 3)
    }

    @Test func errorsNameThePath() throws {
        func complaint(_ text: String, _ unknown: JSONCoder.UnknownMembers = .reject) throws -> String {
            let value = try JSONValue.parse(text)
            return try #require(throws: JSONError.self) { try JSONCoder.decode(Outer.self, from: value, unknownMembers: unknown) }.description
        }
        let rest = #""mode":"fast","tags":[],"choice":{"none":{}}"#
        #expect(try complaint(#"{"endpoint":{"name":"e","traffic":{"v1":"x"},\#(rest)}}"#) == "endpoint.traffic.v1: expected a number, found a string")
        #expect(try complaint(#"{"endpoint":{"traffic":{}}}"#) == "endpoint.name: this member is missing")
        #expect(try complaint("[]") == "expected an object, found an array")
        #expect(
            try complaint(#"{"endpoint":{"name":"e","traffic":{},"replicas":300,\#(rest)}}"#) == "endpoint.replicas: expected an integer from 0 to 255, found 300")
        #expect(try complaint(#"{"endpoint":{"name":"e","traffic":{},"replicas":1.5,\#(rest)}}"#) == "endpoint.replicas: expected an integer, found the number 1.5")
        #expect(try complaint(#"{"endpoint":{"name":"e","traffic":{},"mode":"fast","tags":["a",5],"choice":{"none":{}}}}"#) == "endpoint.tags[1]: expected a string, found an integer")
        #expect(try complaint(#"{"endpoint":{"name":"e","traffic":{},"mode":"quick","tags":[],"choice":{"none":{}}}}"#).hasPrefix("endpoint.mode: "))
        #expect(try complaint(#"{"endpoint":{"name":"e","traffic":{},"replica":3,\#(rest)}}"#).hasPrefix("endpoint.replica: unknown member; expected one of choice, extra, "))
    }

    @Test func unknownMembersAreIgnoredUnlessRejected() throws {
        #expect(try JSONCoder.decode([String: Int].self, from: ["a": 1], unknownMembers: .reject) == ["a": 1])
        let value: JSONValue = ["endpoint": ["name": "e", "traffic": [:], "mode": "fast", "tags": [], "choice": ["none": [:]], "more": 1]]
        #expect(try JSONCoder.decode(Outer.self, from: value).endpoint.name == "e")
    }

    @Test func whatJSONCannotHoldIsAnError() {
        #expect(throws: JSONError.self) { try JSONCoder.encode(UInt64.max) }
        #expect(throws: JSONError.invalid(path: "[1]", reason: "JSON has no number nan")) { try JSONCoder.encode([1, Double.nan]) }
    }
}
