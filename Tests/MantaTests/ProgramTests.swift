// ProgramTests: what a worker knows of its program: names are unique, methods are found by name, arguments are put in order with precise refusals.

import Manta
import MantaModel
import MantaWorker
import Testing

private let signature = SignatureEntry(
    name: "add(_:to:)",
    parameters: [
        ParameterEntry(label: nil, name: "x", type: "Int", hasDefault: false), ParameterEntry(label: "to", name: "y", type: "Int", hasDefault: true),
    ], resultCount: 1)

private func message(_ body: () throws -> some Any) -> String {
    do {
        _ = try body()
        return "nothing was thrown"
    } catch { return (error as? MantaError)?.message ?? "\(error)" }
}

struct ProgramTests {
    @Test func `positional arguments may end where defaults begin`() throws {
        #expect(try signature.arranged(.positional([[1], [2]])) == [.value([1]), .value([2])])
        #expect(try signature.arranged(.positional([[1]])) == [.value([1]), .absent])
        #expect(message { try signature.arranged(.positional([])) } == "add(_:to:) needs the argument \"x\" of type Int")
        #expect(message { try signature.arranged(.positional([[1], [2], [3]])) } == "add(_:to:) takes 2 arguments, 3 were given")
    }

    @Test func `labelled arguments go by label, or by name without one`() throws {
        #expect(try signature.arranged(.labelled(["to": [2], "x": [1]])) == [.value([1]), .value([2])])
        #expect(try signature.arranged(.labelled(["x": [1]])) == [.value([1]), .absent])
        #expect(message { try signature.arranged(.labelled(["to": [1]])) } == "add(_:to:) needs the argument \"x\" of type Int")
        #expect(message { try signature.arranged(.labelled(["x": [1], "z": [1]])) } == "add(_:to:) has no argument \"z\"; it has \"x\", \"to\"")
    }

    @Test func `two of one name are an error`() {
        let function = FunctionEntry(signature: signature) { _ in [] }
        #expect(message { try ProgramRegistry(functions: [function, function], actors: []) } == "two remote functions are named add(_:to:); rename one")
        let type = ActorEntry(name: "M.A", initializers: [], methods: [], runsOneByOne: false) { _, _ in throw MantaError(.conflict, "") }
        #expect(message { try ProgramRegistry(functions: [], actors: [type, type]) } == "two remote actors are named M.A; rename one")
    }

    @Test func `the records of this program are found`() throws {
        let program = try Records.program.get()
        let add = try #require(program.function(named: "MantaTests.add(_:to:)"))
        #expect(add.signature.parameters.map(\.label) == [nil, "to"])
        #expect(add.signature.parameters.map(\.hasDefault) == [false, true])
        #expect(program.function(named: "MantaTests.Trainer.Deep.level(_:)") != nil)
        #expect(program.function(named: "MantaTests.hidden(_:) in Declarations.swift") != nil)
        #expect(program.functions.keys.contains { $0.hasPrefix("MantaTests.FunctionTests.swift:") })
        let counter = try #require(program.actorType(named: "MantaTests.Counter"))
        #expect(counter.initializers.map(\.name) == ["init(start:)", "init(failing:)", "init(slowly:)"])
        #expect(try counter.method(named: "increment(twice:)").index == 1)
        #expect(try counter.method(named: "get").index == 2)
        #expect(message { try counter.method(named: "increment") } == "\"increment\" is ambiguous in MantaTests.Counter; say one of increment(by:), increment(twice:)")
        #expect(message { try counter.method(named: "unseen") }.hasPrefix("MantaTests.Counter has no method \"unseen\"; it has fail(), get()"))
    }

    @Test func `a call by name takes numbers as JSON has them, and fills in defaults`() async throws {
        let program = try Records.program.get()
        let add = try #require(program.function(named: "MantaTests.add(_:to:)"))
        // 3.0 as a 64-bit float, as a JSON reader may make it of 3.
        let three: [UInt8] = [0xcb, 0x40, 0x08, 0, 0, 0, 0, 0, 0]
        #expect(try await add.invoke(try add.signature.arranged(.positional([three]))).map(\.bytes) == [[13]])
        let type = try #require(program.actorType(named: "MantaTests.Counter"))
        let instance = try await type.create(0, [.absent])
        let (index, signature) = try type.method(named: "increment(by:)")
        #expect(try await instance.dispatch(method: index, arguments: try signature.arranged(.labelled(["by": [5]]))).map(\.bytes) == [[5]])
        #expect(try await instance.dispatch(method: index, arguments: try signature.arranged(.positional([]))).map(\.bytes) == [[6]])
        let error = await #expect(throws: MantaError.self) { try await instance.dispatch(method: index, arguments: [.value([0xa1, 0x78])]) }
        #expect(error?.message == "argument \"n\" of increment(by:): Int cannot be decoded: at the value itself: expected Int, found the string \"x\"")
        let unknown = await #expect(throws: MantaError.self) { try await instance.dispatch(method: 99, arguments: []) }
        #expect(unknown?.code == .unknownFunction)
    }
}
